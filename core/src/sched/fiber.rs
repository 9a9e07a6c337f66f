//! Fibers: a stack of their own, switched to and from in a few nanoseconds. Knows no processes.
//! Imports: nothing of this crate.
//!
//! A fiber resumes only on the thread where it began; stacks are pooled per thread. Nothing unwinds across a
//! switch: a panic is caught at the fiber's base, and a kill unwinds from inside the suspended call to that base.
//! A stack that overflows hits its guard page and ends the OS process, as on any thread.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Idle stacks a thread keeps.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<(usize, DefaultStack)>> = const { RefCell::new(Vec::new()) };
}

/// How a fiber ended.
pub enum FiberEnd<R> {
    /// Its code returned.
    Returned(R),
    /// Its code panicked.
    Panicked(Box<dyn Any + Send>),
    /// It was killed.
    Killed,
}

/// What a resume came back with.
pub enum Resumed<Y, R> {
    /// It paused.
    Paused(Y),
    /// It is over; its stack has gone back.
    Ended(FiberEnd<R>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Go,
    Die,
}

/// The payload of a kill's unwinding.
struct Kill;

/// Lets the code in a fiber pause.
pub struct Suspender<Y> {
    yielder: *const Yielder<Order, Y>,
}

impl<Y> Suspender<Y> {
    /// Gives the thread back until the next resume. Unwinds when the fiber is killed instead.
    pub fn suspend(&self, value: Y) {
        // SAFETY: the yielder lives at the base of the stack this is called on.
        let order = with_errno(|| unsafe { (*self.yielder).suspend(value) });
        if order == Order::Die {
            resume_unwind(Box::new(Kill));
        }
    }
}

/// `errno` belongs to the code that runs, not to the thread's next fiber.
fn with_errno<R>(switch: impl FnOnce() -> R) -> R {
    // SAFETY: the location is the calling thread's, and a fiber stays on its thread.
    let at = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *at };
    let r = switch();
    // SAFETY: as above.
    unsafe { *at = saved };
    r
}

/// A fiber that has not ended.
pub struct Fiber<Y: 'static, R: 'static> {
    coroutine: Option<Coroutine<Order, Y, FiberEnd<R>, DefaultStack>>,
    size: usize,
}

impl<Y: 'static, R: 'static> Fiber<Y, R> {
    /// Prepares `code` on a stack of `size` bytes. Errors: the kernel gives no stack (mapping or memory limit).
    pub fn new<F>(size: usize, code: F) -> std::io::Result<Self>
    where
        F: FnOnce(&Suspender<Y>) -> R + 'static,
    {
        let pooled = IDLE.with_borrow_mut(|v| v.iter().rposition(|s| s.0 == size).map(|i| v.swap_remove(i).1));
        let stack = match pooled {
            Some(s) => s,
            None => DefaultStack::new(size)?,
        };
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<Order, Y>, first| {
            if first == Order::Die {
                return FiberEnd::Killed;
            }
            let suspender = Suspender { yielder };
            match catch_unwind(AssertUnwindSafe(|| code(&suspender))) {
                Ok(r) => FiberEnd::Returned(r),
                Err(p) if p.is::<Kill>() => FiberEnd::Killed,
                Err(p) => FiberEnd::Panicked(p),
            }
        });
        Ok(Self { coroutine: Some(coroutine), size })
    }

    /// Runs it until it pauses or ends. After its end: `Killed`, again and again.
    pub fn resume(&mut self) -> Resumed<Y, R> {
        self.order(Order::Go)
    }

    fn order(&mut self, order: Order) -> Resumed<Y, R> {
        let Some(c) = self.coroutine.as_mut() else { return Resumed::Ended(FiberEnd::Killed) };
        match with_errno(|| c.resume(order)) {
            CoroutineResult::Yield(y) => Resumed::Paused(y),
            CoroutineResult::Return(end) => {
                if let Some(c) = self.coroutine.take() {
                    let stack = c.into_stack();
                    let size = self.size;
                    IDLE.with_borrow_mut(|v| {
                        if v.len() < KEPT {
                            v.push((size, stack));
                        }
                    });
                }
                Resumed::Ended(end)
            }
        }
    }

    /// Unwinds its stack. Code that catches the unwinding and pauses again is asked a few times more, then its stack
    /// is given up as it is (leaked, with what lives on it).
    pub fn kill(mut self) {
        for _ in 0..16 {
            if let Resumed::Ended(_) = self.order(Order::Die) {
                return;
            }
        }
        std::mem::forget(self.coroutine.take());
    }
}
