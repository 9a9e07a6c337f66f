//! The end of a process whose code may be running outside of the scheduler's hold: who finishes what, decided under
//! one lock (the guest's). Pure data; what the steps do is the business of whoever is told to do them.
//! Imports: nothing.
//!
//! Parties: C, the thread that runs the process's code (a callback that overstayed, a slow one); S, whoever holds the
//! scheduling right. Protocol (models: `exit`)
//!  1 C is about to run code: `goes_out`
//!  2 code outside calls the runtime: `may_act`, else the call has no effect
//!  3 S finds that the process must end: `must_end`
//!      no code outside   -> `Finish`: S finishes hooks, body and state, and announces; all is over
//!      code outside      -> `Begin`: S closes the inbox, frees the name, tables, ports; puts the scheduling right into
//!                           a timer and notes its key (`armed`). Calls of the code have no effect from here on
//!      timer came early  -> `Wait`: S puts the right into a timer again (`armed`)
//!      time is over      -> `Abandon`: S leaves hooks and body to C (`orphaned`), counts an orphan, announces
//!  4 C's code has come back: `came_back`
//!      `Alive`           -> the process goes on
//!      `Ending(key)`     -> C cancels the timer; if it wins it has the scheduling right and queues the process; if it
//!                           loses, the timer's task is queued already. S finishes either way (step 3, no code outside)
//!      `Orphan(left)`    -> C finishes hooks and body, and counts the orphan off. It owns nothing else
//! Every party that ends a process comes through 3 with the scheduling right, which is never two people's: so the
//! reason is announced once. Hooks and body go to S by `Finish` or to C by `Orphan`, never both.

/// See the module's text. `L`: what an orphan leaves behind; `K`: the key of the timer that holds the right.
#[derive(Debug)]
pub(crate) struct ExitState<L, K> {
    phase: Phase,
    out: bool,
    timer: Option<K>,
    left: Option<L>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Alive,
    /// Step 3 has begun; the inbox is closed. Until then (ns of the node's clock) it waits for the code.
    Ending {
        until: u64,
    },
    Dead,
}

/// What S has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MustEnd {
    /// Finish and announce. `begun`: inbox, name, tables and ports have been seen to before.
    Finish { begun: bool },
    /// Close the inbox, free name, tables, ports; put the right into a timer at `until`; `armed`.
    Begin { until: u64 },
    /// Put the right into a timer at `until`; `armed`.
    Wait { until: u64 },
    /// `orphaned`, announce.
    Abandon,
}

/// What C has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CameBack<L, K> {
    /// Note what the code has come back with.
    Alive,
    /// The process ends; take the right from the timer, if it is still there, and queue the process.
    Ending(Option<K>),
    /// Finish this; the process is gone.
    Orphan(L),
    /// The process is gone, and nothing was left.
    Gone,
}

impl<L, K> ExitState<L, K> {
    /// A living process. `out`: its code runs outside now.
    pub fn new(out: bool) -> Self {
        Self { phase: Phase::Alive, out, timer: None, left: None }
    }

    /// Step 1.
    pub fn goes_out(&mut self) {
        self.out = true;
    }

    /// Whether its code runs outside.
    pub fn is_out(&self) -> bool {
        self.out
    }

    /// Step 2. Also: whether an attached thread still is a process.
    pub fn may_act(&self) -> bool {
        self.phase == Phase::Alive
    }

    /// Step 3. `grace_ns`: how long an end waits for code outside.
    pub fn must_end(&mut self, now_ns: u64, grace_ns: u64) -> MustEnd {
        match self.phase {
            _ if !self.out => {
                let begun = self.phase != Phase::Alive;
                self.phase = Phase::Dead;
                MustEnd::Finish { begun }
            }
            Phase::Alive => {
                let until = now_ns.saturating_add(grace_ns);
                self.phase = Phase::Ending { until };
                MustEnd::Begin { until }
            }
            Phase::Ending { until } if now_ns < until => MustEnd::Wait { until },
            Phase::Ending { .. } | Phase::Dead => MustEnd::Abandon,
        }
    }

    /// The timer holds the right now. Under the same hold of the lock as `must_end`.
    pub fn armed(&mut self, timer: K) {
        self.timer = Some(timer);
    }

    /// Hooks and body are left to C. Under the same hold of the lock as `must_end`.
    pub fn orphaned(&mut self, left: L) {
        self.phase = Phase::Dead;
        self.timer = None;
        self.left = Some(left);
    }

    /// Step 4.
    pub fn came_back(&mut self) -> CameBack<L, K> {
        self.out = false;
        match self.phase {
            Phase::Alive => CameBack::Alive,
            Phase::Ending { .. } => CameBack::Ending(self.timer.take()),
            Phase::Dead => self.left.take().map_or(CameBack::Gone, CameBack::Orphan),
        }
    }
}
