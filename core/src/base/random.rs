//! A small seeded generator for scheduling and tests; not for secrets.
//! Imports: nothing of this crate.

/// splitmix64: one word of state, every seed good, equidistributed enough to choose a task.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A seed from the operating system.
    pub fn from_os() -> Self {
        let mut bytes = [0; 8];
        // No entropy to be had: time is good enough for what this generator is for.
        if getrandom::fill(&mut bytes).is_err() {
            bytes = crate::base::clock::Clock::Real.now_ns().to_ne_bytes();
        }
        Self::seeded(u64::from_ne_bytes(bytes))
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }
}
