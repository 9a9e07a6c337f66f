//! How many threads a pool has and what they are doing; when it starts one, and when it lets one go.
//! Imports: nothing. Plain data under the pool's lock; both pools (blocking, slow lane) decide by it.
//!
//! Invariant R1: a piece of work is counted in `waiting` before anybody is asked to do it, and until a thread has it.
//! Invariant R2: a thread leaves the roster only when nothing is waiting, in the same breath as it looks. So if the
//! pool counts on a thread (`idle`, `coming`) to take a piece of work, that thread is still there.

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Roster {
    max: usize,
    /// Threads that somebody is starting, or that have been started and have not come yet.
    starting: usize,
    /// Threads that have come and have not left.
    alive: usize,
    /// Of these, the ones that look for work.
    idle: usize,
    /// Pieces of work that no thread has.
    waiting: usize,
}

impl Roster {
    /// No threads yet; at most `max`, at least one.
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), starting: 0, alive: 0, idle: 0, waiting: 0 }
    }

    /// A piece of work has come. True: the caller starts a thread, which calls `arrived`; or `not_started`.
    #[must_use]
    pub fn work_came(&mut self) -> bool {
        self.waiting += 1;
        self.wants_thread()
    }

    /// Whether work waits that no thread will come for; if so the caller starts one, as in `work_came`.
    #[must_use]
    pub fn wants_thread(&mut self) -> bool {
        let short = self.is_short();
        self.starting += usize::from(short);
        short
    }

    /// Whether work waits that no thread will come for, and there may be more threads.
    pub fn is_short(&self) -> bool {
        self.waiting > self.idle + self.starting && self.alive + self.starting < self.max
    }

    /// Whether work waits, every thread is busy, and there may be no more.
    pub fn is_full(&self) -> bool {
        self.waiting > self.idle + self.starting && self.alive + self.starting >= self.max
    }

    /// There is no thread to be had. False: nor is there one that will take the work: the caller withdraws it, or
    /// asks `wants_thread` again, later. (Another that is being started may fail as well.)
    #[must_use]
    pub fn not_started(&mut self) -> bool {
        self.starting -= 1;
        self.alive > 0
    }

    /// The work is taken back.
    pub fn withdrawn(&mut self) {
        self.waiting -= 1;
    }

    /// A thread from elsewhere comes to look for work. False: there are enough.
    #[must_use]
    pub fn joins(&mut self) -> bool {
        let room = self.alive + self.starting < self.max;
        self.alive += usize::from(room);
        self.idle += usize::from(room);
        room
    }

    /// A started thread has come and looks for work.
    pub fn arrived(&mut self) {
        self.starting -= 1;
        self.alive += 1;
        self.idle += 1;
    }

    /// An idle thread has taken a piece of work.
    pub fn took(&mut self) {
        self.idle -= 1;
        self.waiting -= 1;
    }

    /// It has done it and looks for more.
    pub fn done(&mut self) {
        self.idle += 1;
    }

    /// An idle thread has waited long enough; true: it is off the roster and ends.
    #[must_use]
    pub fn may_leave(&mut self) -> bool {
        let free = self.waiting == 0;
        if free {
            self.leaves();
        }
        free
    }

    /// An idle thread ends, whatever waits.
    pub fn leaves(&mut self) {
        self.idle -= 1;
        self.alive -= 1;
    }

    /// Threads that have come and have not left.
    pub fn threads(&self) -> usize {
        self.alive
    }
}
