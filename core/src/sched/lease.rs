//! Who owns a seat: its thread, until the watchdog takes the seat away without the thread's help.
//! Imports: base.
//!
//! A *tenure* is one thread's time on a seat; the next thread has another, so that a thread which comes back late
//! touches nothing that its successor uses. (One word per seat was wrong: a thread that had lost its seat noticed at
//! its next call, stored 1 and then 0 into the `in_core` of the stand-in that was inside, and the watchdog could
//! take the seat from under it.)
//!
//! Protocol (model: `lease`). T is the seat's thread, W the watchdog, the only one that revokes.
//!  1 T enters the core: `in_core` = 1
//!  2 T: light barrier
//!  3 T: reads `state`. `HELD`: the seat is T's until 4. `REVOKING`: T claims it back by CAS to `HELD`, and if it wins
//!    the seat is T's. `REVOKED`: `in_core` = 0, the seat is lost
//!  4 T leaves the core: `in_core` = 0 (Release: hands what it did to W's Acquire in c)
//!  a W: CAS `HELD` -> `REVOKING`
//!  b W: heavy barrier
//!  c W: reads `in_core` (Acquire). 0: CAS to `REVOKED`, and if it wins the seat is W's. 1, or lost: back to `HELD`
//! By 2 and b, either T sees `REVOKING` in 3, or W sees T's `in_core` in c; if both see each other, the CAS decides.
//! W never waits: a thread that is inside the core does not hold its seat up.
//!  d W, owner now, leaves a token: what the floor above wants T to have. T fetches it once, when it notices.

use crate::base::membarrier;
use crate::base::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::base::sync::atomic::{AtomicBool, AtomicU8};
use crate::base::sync::{Condvar, Mutex, even_if_poisoned, lock};

const HELD: u8 = 0;
const REVOKING: u8 = 1;
const REVOKED: u8 = 2;

/// See the module's text. On cache lines of its own: its thread writes it twice a callback.
#[repr(align(128))]
pub(crate) struct Tenure {
    state: AtomicU8,
    in_core: AtomicBool,
    token: Mutex<Option<Token>>,
    left: Condvar,
}

struct Token(*const ());
// SAFETY: a counted pointer of the floor above, handed from the watchdog to one thread.
unsafe impl Send for Token {}

impl Tenure {
    /// A tenure whose thread is still to come: it counts as inside the core until it has entered and left once, so
    /// that nobody takes the seat from a thread that the kernel has not run yet.
    pub fn new() -> Self {
        membarrier::register();
        Self {
            state: AtomicU8::new(HELD),
            in_core: AtomicBool::new(true),
            token: Mutex::new(None),
            left: Condvar::new(),
        }
    }

    /// Steps 1 to 3; true: the seat is the caller's until `exit`.
    #[inline]
    pub fn enter(&self) -> bool {
        self.in_core.store(true, Relaxed);
        membarrier::light();
        // Relaxed: who reads HELD goes on with what it wrote itself.
        self.state.load(Relaxed) == HELD || self.claim_back()
    }

    #[cold]
    fn claim_back(&self) -> bool {
        match self.state.compare_exchange(REVOKING, HELD, Relaxed, Relaxed) {
            Ok(_) | Err(HELD) => true,
            Err(_) => {
                self.in_core.store(false, Release);
                false
            }
        }
    }

    /// Step 4.
    #[inline]
    pub fn exit(&self) {
        self.in_core.store(false, Release);
    }

    /// Whether the thread is inside the core. A hint.
    pub fn in_core(&self) -> bool {
        self.in_core.load(Relaxed)
    }

    /// Steps a to c; true: the seat is the caller's. `still` is asked while the thread is known to be outside, and
    /// says whether the seat is wanted (the thread may have come and gone since the caller looked).
    pub fn try_revoke(&self, still: impl FnOnce() -> bool) -> bool {
        if self.state.compare_exchange(HELD, REVOKING, Relaxed, Relaxed).is_err() {
            return false;
        }
        let out = membarrier::heavy() && !self.in_core.load(Acquire);
        if out && still() && self.state.compare_exchange(REVOKING, REVOKED, AcqRel, Relaxed).is_ok() {
            return true;
        }
        // Fails when the thread has claimed the seat back.
        let _ = self.state.compare_exchange(REVOKING, HELD, Relaxed, Relaxed);
        false
    }

    /// Step d.
    pub fn leave_token(&self, token: *const ()) {
        *lock(&self.token) = Some(Token(token));
        self.left.notify_all();
    }

    /// The thread that has lost its seat fetches the token; the watchdog is at most a few steps behind.
    #[cold]
    pub fn wait_for_token(&self) -> *const () {
        let mut token = lock(&self.token);
        loop {
            if let Some(t) = token.take() {
                return t.0;
            }
            token = even_if_poisoned(self.left.wait(token));
        }
    }
}
