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
