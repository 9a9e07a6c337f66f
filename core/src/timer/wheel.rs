//! Hierarchical timer wheel: insert, cancel and fire in constant time, years ahead. One owner.
//! Imports: nothing of this crate.
//!
//! A tick is 2^20 ns (1.05 ms). Level `l` has 64 slots of 64^l ticks; an entry lies at the level of the highest bit
//! in which its tick differs from `elapsed`, and moves down as time passes. Entries sit in chunks that are never
//! moved, linked by index, with a generation each, so that a key is eight bytes and a stale one is recognised.
//!
//! Invariant W1: an entry's tick is its deadline rounded up, so nothing fires early.
//! Invariant W2: every entry's tick is at least `elapsed`.

const TICK_BITS: u32 = 20;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// 64^8 ticks: some nine thousand years.
const LEVELS: usize = 8;
const CHUNK: usize = 1024;
const NONE: u32 = u32::MAX;

/// Names an entry; stale after it fired or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    /// Place in the wheel's memory.
    pub index: u32,
    /// How often the place had been used before.
    pub generation: u32,
}

struct Entry<T> {
    deadline: u64,
    prev: u32,
    next: u32,
    generation: u32,
    /// `level * SLOTS + slot` while linked.
    place: u16,
    value: Option<T>,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// See the module's text.
pub struct Wheel<T> {
    chunks: Vec<Box<[Entry<T>]>>,
    free: u32,
    len: usize,
    /// The tick up to which everything has fired.
    elapsed: u64,
    lists: Box<[List]>,
    /// Bit s of word l: slot s of level l is not empty.
    occupied: [u64; LEVELS],
}

fn tick_up(ns: u64) -> u64 {
    (ns >> TICK_BITS) + u64::from(ns & ((1 << TICK_BITS) - 1) != 0)
}

impl<T> Wheel<T> {
    /// An empty wheel whose time is `now_ns`.
    pub fn new(now_ns: u64) -> Self {
        Self {
            chunks: Vec::new(),
            free: NONE,
            len: 0,
            elapsed: now_ns >> TICK_BITS,
            lists: vec![List { first: NONE, last: NONE }; LEVELS * SLOTS].into(),
            occupied: [0; LEVELS],
        }
    }

    /// Entries that have neither fired nor been cancelled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn entry(&self, i: u32) -> &Entry<T> {
        &self.chunks[i as usize / CHUNK][i as usize % CHUNK]
    }

    fn entry_mut(&mut self, i: u32) -> &mut Entry<T> {
        &mut self.chunks[i as usize / CHUNK][i as usize % CHUNK]
    }

    /// Adds an entry that fires when `advance` is told a time of at least `deadline_ns`.
    pub fn insert(&mut self, deadline_ns: u64, value: T) -> TimerKey {
        if self.free == NONE {
            self.grow();
        }
        let i = self.free;
        let e = self.entry_mut(i);
        let (next, generation) = (e.next, e.generation);
        e.deadline = deadline_ns;
        e.value = Some(value);
        self.free = next;
        self.len += 1;
        self.link(i, deadline_ns);
        TimerKey { index: i, generation }
    }

    fn grow(&mut self) {
        let base = (self.chunks.len() * CHUNK) as u32;
        let chunk: Box<[Entry<T>]> = (0..CHUNK as u32)
            .map(|i| Entry {
                deadline: 0,
                prev: NONE,
                next: if i + 1 < CHUNK as u32 { base + i + 1 } else { NONE },
                generation: 0,
                place: 0,
                value: None,
            })
            .collect();
        self.chunks.push(chunk);
        self.free = base;
    }

    fn link(&mut self, i: u32, deadline_ns: u64) {
        let horizon = self.elapsed + (1 << (LEVEL_BITS * LEVELS as u32 - 1)) - 1;
        let tick = tick_up(deadline_ns).clamp(self.elapsed, horizon);
        let differing = (self.elapsed ^ tick) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros()) / LEVEL_BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (tick >> (level as u32 * LEVEL_BITS)) as usize % SLOTS;
        let place = level * SLOTS + slot;
        let last = self.lists[place].last;
        let e = self.entry_mut(i);
        e.place = place as u16;
        e.prev = last;
        e.next = NONE;
        if last == NONE {
            self.lists[place].first = i;
        } else {
            self.entry_mut(last).next = i;
        }
        self.lists[place].last = i;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, i: u32) {
        let e = self.entry(i);
        let (prev, next, place) = (e.prev, e.next, e.place as usize);
        if prev == NONE {
            self.lists[place].first = next;
        } else {
            self.entry_mut(prev).next = next;
        }
        if next == NONE {
            self.lists[place].last = prev;
        } else {
            self.entry_mut(next).prev = prev;
        }
        if self.lists[place].first == NONE {
            self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
        }
    }

    fn release(&mut self, i: u32) -> Option<T> {
        let free = self.free;
        let e = self.entry_mut(i);
        e.generation = e.generation.wrapping_add(1);
        e.next = free;
        let value = e.value.take();
        self.free = i;
        self.len -= 1;
        value
    }

    fn is_current(&self, key: TimerKey) -> bool {
        (key.index as usize) < self.chunks.len() * CHUNK && {
            let e = self.entry(key.index);
            e.generation == key.generation && e.value.is_some()
        }
    }

    /// Removes an entry; its deadline and value, or `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, key: TimerKey) -> Option<(u64, T)> {
        if !self.is_current(key) {
            return None;
        }
        let deadline = self.entry(key.index).deadline;
        self.unlink(key.index);
        self.release(key.index).map(|v| (deadline, v))
    }

    /// Looks at an entry.
    pub fn read(&self, key: TimerKey) -> Option<(u64, &T)> {
        if !self.is_current(key) {
            return None;
        }
        let e = self.entry(key.index);
        e.value.as_ref().map(|v| (e.deadline, v))
    }

    /// The next slot that is not empty: level, slot, the tick at which it begins.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        for level in 0..LEVELS {
            let occupied = self.occupied[level];
            if occupied == 0 {
                continue;
            }
            let shift = level as u32 * LEVEL_BITS;
            let now_slot = (self.elapsed >> shift) % SLOTS as u64;
            let ahead = u64::from(occupied.rotate_right(now_slot as u32).trailing_zeros());
            let slot = (now_slot + ahead) % SLOTS as u64;
            let level_start = self.elapsed >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
            let mut begins = level_start + (slot << shift);
            if slot < now_slot {
                // Only the top level wraps around.
                begins += 1 << (shift + LEVEL_BITS);
            }
            return Some((level, slot as usize, begins.max(self.elapsed)));
        }
        None
    }

    /// The time, in ns, at which an entry with this deadline fires: the end of its tick.
    pub fn due(&self, deadline_ns: u64) -> u64 {
        tick_up(deadline_ns).max(self.elapsed).saturating_mul(1 << TICK_BITS)
    }

    /// A time, in ns, at which `advance` will have something to do; it may turn out to be moving entries down only.
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, begins)| begins.saturating_mul(1 << TICK_BITS))
    }

    /// Fires every entry whose deadline has come, earliest tick first, in order of insertion within a tick.
    /// Returns how many.
    pub fn advance(&mut self, now_ns: u64, mut fire: impl FnMut(TimerKey, u64, T)) -> usize {
        let now = now_ns >> TICK_BITS;
        let mut fired = 0;
        while let Some((level, slot, begins)) = self.next_slot() {
            if begins > now {
                break;
            }
            self.elapsed = begins;
            let place = level * SLOTS + slot;
            let mut i = self.lists[place].first;
            self.lists[place] = List { first: NONE, last: NONE };
            self.occupied[level] &= !(1 << slot);
            while i != NONE {
                let e = self.entry(i);
                let (next, deadline, generation) = (e.next, e.deadline, e.generation);
                if level == 0 {
                    if let Some(v) = self.release(i) {
                        fired += 1;
                        fire(TimerKey { index: i, generation }, deadline, v);
                    }
                } else {
                    self.link(i, deadline);
                }
                i = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
        fired
    }
}
