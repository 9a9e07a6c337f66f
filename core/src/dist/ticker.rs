//! When to send a tick and when a silent peer counts as down.
//! Imports: nothing of this crate.
//!
//! Times are milliseconds of any monotonic clock, handed in. Source: OTP `net_ticktime`, `net_tickintensity`.
//!
//! Rules:
//!  1 nothing has come for a whole ticktime: the peer is down (OTP allows itself T - T/I to T + T/I; we are exact)
//!  2 nothing has been written for T/I: write a tick. To a hidden peer also when nothing has come for T/I: OTP's hidden
//!    nodes only tick back
//!  3 a tick has come and nothing has been written since the tick before it: tick back. This keeps a peer with a
//!    shorter ticktime content. An echo counts as writing, so each answer takes two received ticks, and two nodes
//!    that both echo cannot keep each other busy
//!  4 bytes that wait for the socket go before a tick: toward a visible peer a backlog is sign of life enough

/// Settings of a [`Ticker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickTime {
    /// A peer that is silent for so long is down. Milliseconds; OTP's default is 60,000. Zero: never, and no ticks.
    pub time_ms: u64,
    /// Ticks in that time, 4 to 1000; OTP's default is 4.
    pub intensity: u32,
}

impl Default for TickTime {
    fn default() -> Self {
        Self { time_ms: 60_000, intensity: 4 }
    }
}

impl TickTime {
    fn interval(self) -> u64 {
        (self.time_ms / u64::from(self.intensity.clamp(4, 1000))).max(1)
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before [`Ticker::deadline`].
    Wait,
    /// Write a tick.
    Tick,
    /// The peer is down: `net_tick_timeout`.
    Down,
}

/// Watches one connection.
#[derive(Clone, Debug)]
pub struct Ticker {
    time: TickTime,
    hidden: bool,
    last_read: u64,
    last_write: u64,
    /// For rule 2's second half: when a tick was last sent because nothing came.
    last_prod: u64,
    /// For rule 3.
    written_since_tick: bool,
}

impl Ticker {
    /// A connection that came up at `now`. `hidden`: the connection is not a visible one.
    pub fn new(time: TickTime, hidden: bool, now: u64) -> Self {
        Self { time, hidden, last_read: now, last_write: now, last_prod: now, written_since_tick: true }
    }

    /// Bytes have come, of whatever kind.
    pub fn read(&mut self, now: u64) {
        self.last_read = self.last_read.max(now);
    }

    /// Bytes have been written to the socket, a tick among them.
    pub fn wrote(&mut self, now: u64) {
        self.last_write = self.last_write.max(now);
        self.written_since_tick = true;
    }

    /// A tick has come. True: tick back (and say `wrote`).
    #[must_use]
    pub fn tick_received(&mut self, now: u64) -> bool {
        self.read(now);
        !std::mem::replace(&mut self.written_since_tick, false) && self.time.time_ms != 0
    }

    /// What is due. `backlog`: bytes wait for the socket.
    #[must_use]
    pub fn poll(&mut self, now: u64, backlog: bool) -> Verdict {
        if self.time.time_ms == 0 {
            return Verdict::Wait;
        }
        if now >= self.last_read.saturating_add(self.time.time_ms) {
            return Verdict::Down;
        }
        if self.hidden && now >= self.prod_at() {
            self.last_prod = now;
            return Verdict::Tick;
        }
        if now >= self.last_write.saturating_add(self.time.interval()) {
            if backlog && !self.hidden {
                // Looked at again an interval later.
                self.last_write = now;
                return Verdict::Wait;
            }
            return Verdict::Tick;
        }
        Verdict::Wait
    }

    /// When to poll again; `None`: never.
    pub fn deadline(&self) -> Option<u64> {
        if self.time.time_ms == 0 {
            return None;
        }
        let down = self.last_read.saturating_add(self.time.time_ms);
        let tick = self.last_write.saturating_add(self.time.interval());
        let prod = if self.hidden { self.prod_at() } else { u64::MAX };
        Some(down.min(tick).min(prod))
    }

    fn prod_at(&self) -> u64 {
        self.last_read.max(self.last_prod).saturating_add(self.time.interval())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: TickTime = TickTime { time_ms: 60_000, intensity: 4 };

    #[test]
    fn a_quiet_writer_ticks_four_times_in_a_ticktime() {
        let mut t = Ticker::new(T, false, 1000);
        assert_eq!(t.deadline(), Some(16_000));
        assert_eq!(t.poll(15_999, false), Verdict::Wait);
        let mut ticks = 0;
        for now in (1000..61_000).step_by(100) {
            t.read(now);
            if t.poll(now, false) == Verdict::Tick {
                ticks += 1;
                t.wrote(now);
            }
        }
        assert_eq!(ticks, 3, "at 16, 31 and 46 seconds; the fourth is due at 61");
        assert_eq!(t.poll(61_000, false), Verdict::Tick);
    }

    #[test]
    fn a_busy_writer_does_not_tick() {
        let mut t = Ticker::new(T, false, 0);
        for now in (0..120_000).step_by(1000) {
            t.read(now);
            t.wrote(now);
            assert_eq!(t.poll(now, false), Verdict::Wait);
        }
    }

    #[test]
    fn a_peer_that_is_silent_for_a_ticktime_is_down() {
        let mut t = Ticker::new(T, false, 0);
        t.read(10_000);
        t.wrote(69_999);
        assert_eq!(t.poll(69_999, false), Verdict::Wait);
        assert_eq!(t.deadline(), Some(70_000));
        assert_eq!(t.poll(70_000, false), Verdict::Down);
    }

    #[test]
    fn a_hidden_peer_is_prodded_even_while_we_write() {
        let mut t = Ticker::new(T, true, 0);
        let mut prods = Vec::new();
        for now in (0..50_000).step_by(500) {
            t.wrote(now);
            if t.poll(now, false) == Verdict::Tick {
                prods.push(now);
            }
        }
        assert_eq!(prods, [15_000, 30_000, 45_000]);
    }

    #[test]
    fn a_backlog_stands_for_a_tick_to_a_visible_peer_only() {
        let mut visible = Ticker::new(T, false, 0);
        assert_eq!(visible.poll(15_000, true), Verdict::Wait);
        assert_eq!(visible.deadline(), Some(30_000));
        let mut hidden = Ticker::new(T, true, 0);
        assert_eq!(hidden.poll(15_000, true), Verdict::Tick);
    }

    #[test]
    fn echoes_satisfy_a_peer_that_ticks_faster() {
        let mut t = Ticker::new(T, false, 0);
        let mut gap = 0_u64;
        let mut last = 0;
        for now in (1000..20_000).step_by(1000) {
            if t.tick_received(now) {
                t.wrote(now);
                gap = gap.max(now - last);
                last = now;
            }
        }
        assert!(gap <= 2000, "an echo for every second tick, gap {gap}");
        assert!(last > 17_000);
    }

    #[test]
    fn two_echoing_nodes_fall_silent() {
        let mut a = Ticker::new(T, false, 0);
        let mut b = Ticker::new(T, false, 0);
        // Both have sent several ticks that crossed.
        let (mut to_a, mut to_b, mut sent) = (5, 7, 0);
        while to_a + to_b > 0 {
            if to_a > 0 {
                to_a -= 1;
                if a.tick_received(1) {
                    a.wrote(1);
                    to_b += 1;
                    sent += 1;
                }
            }
            if to_b > 0 {
                to_b -= 1;
                if b.tick_received(1) {
                    b.wrote(1);
                    to_a += 1;
                    sent += 1;
                }
            }
            assert!(sent < 24, "a storm");
        }
    }

    #[test]
    fn zero_means_no_ticks_and_no_timeout() {
        let mut t = Ticker::new(TickTime { time_ms: 0, intensity: 4 }, false, 0);
        assert_eq!(t.deadline(), None);
        assert_eq!(t.poll(u64::MAX, false), Verdict::Wait);
    }
}
