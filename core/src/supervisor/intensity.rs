//! The restart history, and OTP's rule of what is too much. Source: C8.15. Imports: nothing of this crate.
//!
//! Time counts in whole seconds, and a restart exactly `period` seconds ago still counts, so that the window is up to
//! a second wider than it says. Restarts of the same second are one entry: a restart costs the same whatever has been
//! before, and the memory is bounded by the period as well as by the number of restarts.

use super::spec::Flags;
use std::collections::VecDeque;

/// Restarts within the period, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    /// A second, and how many restarts fell into it.
    seconds: VecDeque<(u64, u64)>,
    total: u64,
}

impl History {
    /// Notes a restart; false if it is one too many.
    pub fn allows_another(&mut self, now: u64, flags: &Flags) -> bool {
        while let Some(&(second, n)) = self.seconds.front() {
            if second.saturating_add(flags.period) >= now {
                break;
            }
            self.total -= n;
            self.seconds.pop_front();
        }
        match self.seconds.back_mut() {
            Some((second, n)) if *second == now => *n += 1,
            _ => self.seconds.push_back((now, 1)),
        }
        self.total += 1;
        self.total <= flags.intensity
    }

    /// The seconds of the restarts, newest first, as OTP's state shows them; at most `limit`.
    pub fn newest_first(&self, limit: usize) -> impl Iterator<Item = u64> + '_ {
        self.seconds.iter().rev().flat_map(|&(s, n)| (0..n).map(move |_| s)).take(limit)
    }
}
