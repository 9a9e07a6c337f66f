//! Cores and niceness of OS threads. Imports: nothing of this crate.

/// Cores this OS process may run on.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The kernel's id of the calling thread.
pub fn gettid() -> i32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// Sets the niceness of one thread. Raising it needs no privilege; lowering it does.
pub fn set_nice(kernel_tid: i32, nice: i32) -> std::io::Result<()> {
    // SAFETY: no memory is involved; an id that is gone gives ESRCH.
    let rc = unsafe { libc::setpriority(libc::PRIO_PROCESS, kernel_tid as libc::id_t, nice) };
    if rc == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// The time one OS thread has spent on a processor, readable by all of the OS process while the thread lives.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's.
    pub fn current() -> Self {
        let mut id = libc::CLOCK_THREAD_CPUTIME_ID;
        // SAFETY: the calling thread lives, and `id` is a valid place. On failure it keeps a valid clock.
        unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut id) };
        Self(id)
    }

    /// Nanoseconds; `None`: the thread has ended.
    pub fn now_ns(self) -> Option<u64> {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `t` is a valid timespec; a clock that is gone is an error.
        let rc = unsafe { libc::clock_gettime(self.0, &mut t) };
        (rc == 0).then_some(t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64)
    }
}
