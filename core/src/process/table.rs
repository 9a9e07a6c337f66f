//! The process table: slots in chunks that are made on demand and never given back, and the free list.
//! Imports: slot, signal, system.
//!
//! Free slots are reused oldest first, so that a pid's number comes back as late as possible. Threads take and
//! give numbers in batches.

use super::body::Body;
use super::inbox::Inbox;
use super::queue::Queue;
use super::relations::SmallMap;
use super::slot::{Own, Slot};
use super::system::System;
use crate::sched::task::{Priority, Task, Vtable};
use crate::sched::thread;
use crate::term::{NodeId, Pid};
use std::cell::{RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
use std::sync::{Mutex, PoisonError};

const CHUNK: usize = 1024;
const BATCH: usize = 64;

/// Every process of a node.
pub(crate) struct Table {
    /// Published with Release by the thread that made the chunk, read with Acquire by anybody.
    chunks: Box<[AtomicPtr<Slot>]>,
    free: Mutex<Free>,
    /// Living processes. Relaxed: a count, nothing hangs on it.
    pub count: AtomicUsize,
    limit: usize,
    /// Whether the node has threads of its own (a seeded node is driven by any thread and must not cache).
    cached: bool,
}

struct Free {
    numbers: VecDeque<u32>,
    /// Numbers below have been given out at least once.
    made: u32,
}

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { take: Vec::new(), give: Vec::new() }) };
}

struct Cache {
    take: Vec<u32>,
    give: Vec<u32>,
}

impl Table {
    pub fn new(limit: usize, cached: bool) -> Self {
        let limit = limit.clamp(16, 1 << 27);
        Self {
            chunks: (0..limit.div_ceil(CHUNK)).map(|_| AtomicPtr::new(null_mut())).collect(),
            free: Mutex::new(Free { numbers: VecDeque::new(), made: 0 }),
            count: AtomicUsize::new(0),
            limit,
            cached,
        }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The slot with a number, if that slot was ever made.
    #[inline]
    pub fn slot(&self, number: u32) -> Option<&Slot> {
        let chunk = self.chunks.get(number as usize / CHUNK)?.load(Acquire);
        if chunk.is_null() {
            return None;
        }
        // SAFETY: chunks hold CHUNK slots and are never freed while the table lives.
        Some(unsafe { &*chunk.add(number as usize % CHUNK) })
    }

    /// Numbers given out so far: every slot below may hold a process.
    pub fn made(&self) -> u32 {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).made
    }

    /// Takes a free slot; its inbox is closed and its `own` the caller's. `None`: the process limit is reached.
    pub fn take(&self, system: *const System, vtable: &'static Vtable) -> Option<&Slot> {
        // Exact: never more processes than the limit, whatever threads hold in their caches.
        if self.count.fetch_add(1, Relaxed) >= self.limit {
            self.count.fetch_sub(1, Relaxed);
            return None;
        }
        let number = if self.caching() {
            CACHE.with_borrow_mut(|c| {
                if c.take.is_empty() {
                    self.refill(&mut c.take, system, vtable);
                }
                c.take.pop().or_else(|| c.give.pop())
            })
        } else {
            let mut one = Vec::new();
            self.refill(&mut one, system, vtable);
            one.pop()
        };
        if number.is_none() {
            self.count.fetch_sub(1, Relaxed);
        }
        self.slot(number?)
    }

    fn refill(&self, out: &mut Vec<u32>, system: *const System, vtable: &'static Vtable) {
        let mut f = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // A small table must not hide its last numbers in caches.
        let batch = if self.caching() { BATCH } else { 1 };
        // Some numbers are kept resting so that reuse is late; only when the table is full are they all taken.
        let rest = if (f.made as usize) < self.limit { self.limit.min(1024) } else { 0 };
        while out.len() < batch && f.numbers.len() > rest {
            out.extend(f.numbers.pop_front());
        }
        while out.len() < batch && (f.made as usize) < self.limit {
            let n = f.made;
            if (n as usize).is_multiple_of(CHUNK) {
                self.make_chunk(n, system, vtable);
            }
            f.made += 1;
            out.push(n);
        }
        while out.len() < batch {
            let Some(n) = f.numbers.pop_front() else { break };
            out.push(n);
        }
        out.reverse();
    }

    fn make_chunk(&self, first: u32, system: *const System, vtable: &'static Vtable) {
        let nobody = Pid { node: NodeId::LOCAL_NONE, number: 0, serial: 0 };
        let chunk: Box<[Slot]> = (0..CHUNK as u32)
            .map(|i| Slot {
                task: Task::new(vtable),
                inbox: Inbox::new_closed(),
                serial: AtomicU32::new(0),
                number: first + i,
                system,
                own: UnsafeCell::new(Own {
                    queue: Queue::new(),
                    body: Body::None,
                    pending: None,
                    links: SmallMap::new(),
                    relations: None,
                    cold: None,
                    origin: None,
                    guest: None,
                    parent: nobody,
                    group_leader: nobody,
                    reductions: 0,
                    deadline: u64::MAX,
                    armed: u64::MAX,
                    trap_exit: false,
                    exiting: false,
                    slow_declared: false,
                    quick: 0,
                    drained: 0,
                    slice_began: 0,
                    priority: Priority::Normal,
                }),
            })
            .collect();
        self.chunks[first as usize / CHUNK].store(Box::leak(chunk).as_mut_ptr(), Release);
    }

    /// Gives a slot back whose inbox is closed and whose `own` is clean.
    pub fn give(&self, slot: &Slot) {
        self.count.fetch_sub(1, Relaxed);
        if !self.caching() {
            return self.free.lock().unwrap_or_else(PoisonError::into_inner).numbers.push_back(slot.number);
        }
        CACHE.with_borrow_mut(|c| {
            c.give.push(slot.number);
            if c.give.len() >= BATCH {
                let mut f = self.free.lock().unwrap_or_else(PoisonError::into_inner);
                f.numbers.extend(c.give.drain(..));
            }
        });
    }

    /// Only the node's own threads cache, as they serve one table all their life; a small table must not hide its
    /// last numbers in caches.
    fn caching(&self) -> bool {
        self.cached && self.limit >= 64 * BATCH && !thread::current().is_null()
    }

    /// Returns the calling thread's cached numbers; called when a thread stops.
    pub fn give_back_cache(&self) {
        CACHE.with_borrow_mut(|c| {
            let mut f = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            f.numbers.extend(c.give.drain(..));
            f.numbers.extend(c.take.drain(..));
        });
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for c in &self.chunks {
            let p = c.load(Acquire);
            if !p.is_null() {
                // SAFETY: made by `make_chunk` as a boxed slice of CHUNK slots; nobody uses the table any more.
                drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(p, CHUNK)) });
            }
        }
    }
}
