//! Asymmetric barriers: free for the side that passes often, a system call for the side that passes rarely.
//! Imports: sync.
//!
//! `light` on one side and `heavy` on the other order a store before a load on both, as two SeqCst fences would:
//! after `heavy` every thread of this OS process has executed a full barrier. Where the kernel lacks
//! membarrier(2), and in models, both are SeqCst fences.

use crate::base::sync::atomic::{Ordering::SeqCst, fence};

#[cfg(any(loom, shuttle))]
mod kernel {
    pub fn register() -> bool {
        false
    }
    pub fn light() -> bool {
        false
    }
    pub fn heavy() -> Option<bool> {
        None
    }
}

#[cfg(not(any(loom, shuttle)))]
mod kernel {
    use std::sync::atomic::AtomicU8;
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

    const UNKNOWN: u8 = 0;
    const KERNEL: u8 = 1;
    const FENCES: u8 = 2;

    /// What the kernel offers. Release after registering, pairs with the Acquire in `heavy`; `light` may read it
    /// Relaxed: a stale `UNKNOWN` makes it a fence, which is stronger, and `KERNEL` is seen by nobody before the
    /// registration. Threads that call `heavy` were started after `register`.
    static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

    const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the command takes no memory.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub fn register() -> bool {
        if MODE.load(Acquire) == UNKNOWN {
            let mode = if membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) { KERNEL } else { FENCES };
            MODE.store(mode, Release);
        }
        MODE.load(Acquire) == KERNEL
    }

    /// Whether the compiler's order was all that was needed.
    #[inline(always)]
    pub fn light() -> bool {
        let kernel = MODE.load(Relaxed) == KERNEL;
        if kernel {
            std::sync::atomic::compiler_fence(SeqCst);
        }
        kernel
    }

    /// `None`: fences do.
    pub fn heavy() -> Option<bool> {
        (MODE.load(Acquire) == KERNEL).then(|| membarrier(CMD_PRIVATE_EXPEDITED))
    }
}

/// Must be called before threads use `light`; idempotent. True: the cheap way is available.
pub fn register() -> bool {
    kernel::register()
}

/// The frequent side.
#[inline(always)]
pub fn light() {
    if !kernel::light() {
        fence(SeqCst);
    }
}

/// The rare side; microseconds. False: the kernel refused (a filter on system calls that came later, no memory), and
/// the other side may not have been ordered.
pub fn heavy() -> bool {
    fence(SeqCst);
    let done = kernel::heavy().unwrap_or(true);
    fence(SeqCst);
    done
}
