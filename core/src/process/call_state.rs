//! The one word that decides every race about a native call: reply, failure, timeout, death of the caller.
//! Imports: base. Knows nothing of what an outcome is.
//!
//! State: `OPEN` -> `CLAIMED` -> `REPLIED` | `FAILED` -> `TAKEN`
//!             -> `CLOSED` (the caller has given up: timeout or death)
//!
//! Protocol (models: `call`)
//!  1 whoever has an outcome (the server, somebody else who replies for it, the server's end, nobody at that address):
//!    CAS `OPEN` -> `CLAIMED`; only the winner writes the outcome, so that two cannot meet in the slot
//!  2 the winner stores `REPLIED` or `FAILED` (Release) and then tells the caller by a signal
//!  3 caller: reads the state (Acquire, pairs with 2), takes the outcome, stores `TAKEN`
//!  4 caller, giving up: CAS `OPEN` -> `CLOSED`; if it wins no outcome will ever come (1 fails); if it loses there is
//!    one, or will be within the few instructions between 1 and 2, for which it waits
//! So the caller gets exactly one of: a reply, a failure, its giving up.

use crate::base::sync::atomic::AtomicU8;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::base::sync::{UnsafeCell, hint, thread};

const OPEN: u8 = 0;
const CLAIMED: u8 = 1;
const REPLIED: u8 = 2;
const FAILED: u8 = 3;
const CLOSED: u8 = 4;
const TAKEN: u8 = 5;

/// What has come of a call that was not given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    Replied(T),
    Failed(T),
}

/// See the module's text.
pub(crate) struct CallState<T> {
    state: AtomicU8,
    /// Written by who moved `OPEN` to `CLAIMED`; taken by the caller after `REPLIED` or `FAILED`.
    outcome: UnsafeCell<Option<T>>,
}

// SAFETY: the cell is guarded by the state as its comment says; the value crosses from one thread to another.
unsafe impl<T: Send> Sync for CallState<T> {}
// SAFETY: plain data.
unsafe impl<T: Send> Send for CallState<T> {}

impl<T> CallState<T> {
    /// A call that waits for its outcome.
    pub fn new() -> Self {
        Self { state: AtomicU8::new(OPEN), outcome: UnsafeCell::new(None) }
    }

    /// Steps 1 and 2. `Ok`: the caller of the call must be told. `Err`: it has an outcome or has given up; this one
    /// comes too late.
    pub fn finish(&self, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        // Acquire: the slot's first state must be seen before it is written.
        if self.state.compare_exchange(OPEN, CLAIMED, Acquire, Relaxed).is_err() {
            return Err(outcome);
        }
        let (state, value) = match outcome {
            Outcome::Replied(v) => (REPLIED, v),
            Outcome::Failed(v) => (FAILED, v),
        };
        // SAFETY: CLAIMED is ours alone, and nobody reads before the store below.
        self.outcome.with_mut(|slot| unsafe { *slot = Some(value) });
        self.state.store(state, Release);
        Ok(())
    }

    /// Whether the caller has something to take.
    pub fn is_done(&self) -> bool {
        matches!(self.state.load(Acquire), REPLIED | FAILED)
    }

    /// Step 3: the outcome, if there is one and it was not taken before. Only the process that called.
    pub fn take(&self) -> Option<Outcome<T>> {
        let state = self.state.load(Acquire);
        if state != REPLIED && state != FAILED {
            return None;
        }
        // SAFETY: published by the Release store that the load above has seen; nobody but the caller touches it now.
        let value = self.outcome.with_mut(|slot| unsafe { (*slot).take() })?;
        // Relaxed: only the caller reads the slot.
        self.state.store(TAKEN, Relaxed);
        Some(if state == REPLIED { Outcome::Replied(value) } else { Outcome::Failed(value) })
    }

    /// Step 4. True: no outcome will ever come. False: there is one to `take`, or it was taken or given up before.
    /// Only the process that called.
    pub fn give_up(&self) -> bool {
        let mut spins = 0;
        loop {
            match self.state.compare_exchange(OPEN, CLOSED, Relaxed, Acquire) {
                Ok(_) => return true,
                // Whoever claimed it may have been preempted, and be nicer than we are: do not spin for long.
                Err(CLAIMED) if spins >= 64 => thread::yield_now(),
                Err(CLAIMED) => hint::spin_loop(),
                Err(_) => return false,
            }
            spins += 1;
        }
    }
}
