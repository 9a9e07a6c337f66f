//! Asymmetric barriers: free for the side that passes often, a system call for the side that passes rarely.
//! Imports: nothing of this crate.
//!
//! `light` on one side and `heavy` on the other order a store before a load on both, as two SeqCst fences would:
//! after `heavy` every thread of this OS process has executed a full barrier. Where the kernel lacks
//! membarrier(2), both are SeqCst fences.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU8, compiler_fence, fence};

const UNKNOWN: u8 = 0;
const KERNEL: u8 = 1;
const FENCES: u8 = 2;

/// What the kernel offers. Release after registering, pairs with the Acquire in `mode`; `light` may read it Relaxed
/// because a thread that uses leases was started after `register`.
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the command takes no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Must be called before threads use `light`; idempotent. True: the cheap way is available.
pub fn register() -> bool {
    if MODE.load(Acquire) == UNKNOWN {
        let mode = if membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) { KERNEL } else { FENCES };
        MODE.store(mode, Release);
    }
    MODE.load(Acquire) == KERNEL
}

/// The frequent side.
#[inline(always)]
pub fn light() {
    if MODE.load(Relaxed) == KERNEL { compiler_fence(SeqCst) } else { fence(SeqCst) }
}

/// The rare side; microseconds.
pub fn heavy() {
    fence(SeqCst);
    if MODE.load(Acquire) == KERNEL {
        // Registered, so it cannot fail.
        membarrier(CMD_PRIVATE_EXPEDITED);
    }
    fence(SeqCst);
}
