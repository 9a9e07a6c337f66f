//! Signals: native records of everything one process can send another, and the pool their nodes come from.
//! Imports: base, term, message, call, inbox.
//!
//! A node is taken from the sending thread's pool and given to the receiving thread's. Pools exchange batches, so
//! that a flood in one direction costs a lock per batch and no allocation.

use super::call::CallRecord;
use super::inbox::Link;
use super::info::InfoRequest;
use super::message::{Down, Message};
use crate::term::{Atom, Pid, Ref, Term};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

/// Why an exit signal was sent; the rules differ. Source: OTP `erlang:exit/2`, processes reference manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCause {
    /// A linked process died: acted upon only while the link is there.
    Link,
    /// `exit(Pid, Reason)`: needs no link; `kill` cannot be trapped.
    Exit2,
    /// A link to nobody: as `Link`, but the link record is removed without being active.
    NoProc,
}

/// Everything that can be sent to a process.
pub(crate) enum Signal {
    /// An ordinary message, or one whose native record is kept until somebody looks.
    Message(Message),
    /// A message through an alias: dropped unless the alias is active.
    Alias(Ref, Term),
    /// See [`ExitCause`].
    Exit { from: Pid, cause: ExitCause, reason: Term },
    /// Set up a link. `id` numbers the sender's links, to tell a new one from one being undone.
    Link { from: Pid },
    /// Undo a link; to be acknowledged.
    Unlink { from: Pid, id: u64 },
    /// The peer has undone the link.
    UnlinkAck { from: Pid, id: u64 },
    /// Set up a monitor; `name` when it was asked for by name.
    Monitor { from: Pid, reference: Ref, name: Option<Atom> },
    /// Undo it.
    Demonitor { reference: Ref },
    /// The monitored process, its `object`, is gone; it becomes the message, with the name and the tag that its
    /// receiver has noted.
    Down(Box<Down>),
    /// The reply (or failure) of a native call is in its record.
    Reply(Arc<CallRecord>),
    /// The caller of a native call has given up.
    CallClosed(Arc<CallRecord>),
    /// Somebody wants to know something that only the owner can say.
    Info(Box<InfoRequest>),
    /// Change of the group leader.
    GroupLeader(Pid),
    /// Count up or down of suspensions.
    Suspend(bool),
    /// Nothing but a wake: a timer of the process itself, a waker of an async body.
    Wake,
}

/// A signal in flight or a message in a queue.
pub(crate) struct Node {
    pub next: *mut Node,
    /// Serial of the process it was sent to; a slot may have been reused meanwhile.
    pub serial: u32,
    pub signal: Signal,
}

impl Link for Node {
    #[inline(always)]
    unsafe fn set_next(node: *mut Self, next: *mut Self) {
        // SAFETY: by contract.
        unsafe { (*node).next = next }
    }
    #[inline(always)]
    unsafe fn next(node: *mut Self) -> *mut Self {
        // SAFETY: by contract.
        unsafe { (*node).next }
    }
}

// A cache line: what a message costs in memory traffic.
const _: () = assert!(size_of::<Node>() <= 64);

/// Free memory of a node's size; `next` links the pool.
union Memory {
    next: *mut Memory,
    _node: std::mem::ManuallyDrop<MaybeUninit<Node>>,
}

/// Nodes that move between a thread's pool and the depot at once.
const BATCH: usize = 256;

struct Batch(*mut Memory);
// SAFETY: a batch is a chain of free memory that has one owner.
unsafe impl Send for Batch {}

/// Batches no thread holds. A global, as memory is.
static DEPOT: Mutex<Vec<Batch>> = Mutex::new(Vec::new());

struct Pool {
    first: Cell<*mut Memory>,
    count: Cell<usize>,
    /// A full batch kept aside, so that a thread at the edge does not run to the depot for every node.
    spare: Cell<*mut Memory>,
}

thread_local! {
    static POOL: Pool = const {
        Pool { first: Cell::new(null_mut()), count: Cell::new(0), spare: Cell::new(null_mut()) }
    };
}

/// Makes a node.
#[inline(always)]
pub(crate) fn make(serial: u32, signal: Signal) -> *mut Node {
    POOL.with(|p| {
        let mut m = p.first.get();
        if m.is_null() {
            m = refill(p);
        }
        // SAFETY: pool memory is free, big enough and aligned for a node.
        unsafe {
            p.first.set((*m).next);
            p.count.set(p.count.get() - 1);
            let node = m.cast::<Node>();
            node.write(Node { next: null_mut(), serial, signal });
            node
        }
    })
}

/// Takes the signal out of a node and frees the node.
///
/// # Safety
/// `node` is live and the caller's; it is gone afterwards.
#[inline(always)]
pub(crate) unsafe fn open(node: *mut Node) -> Signal {
    // SAFETY: by contract.
    let signal = unsafe { std::ptr::read(&raw const (*node).signal) };
    // SAFETY: the signal has been moved out, the rest needs no drop.
    unsafe { free(node.cast()) };
    signal
}

#[inline(always)]
unsafe fn free(m: *mut Memory) {
    POOL.with(|p| {
        // SAFETY: free memory of ours.
        unsafe { (*m).next = p.first.get() };
        p.first.set(m);
        p.count.set(p.count.get() + 1);
        if p.count.get() >= BATCH {
            put_batch(p);
        }
    });
}

#[cold]
fn put_batch(p: &Pool) {
    let full = p.first.replace(null_mut());
    p.count.set(0);
    let before = p.spare.replace(full);
    if !before.is_null() {
        DEPOT.lock().unwrap_or_else(PoisonError::into_inner).push(Batch(before));
    }
}

#[cold]
fn refill(p: &Pool) -> *mut Memory {
    let mut first = p.spare.replace(null_mut());
    if first.is_null() {
        first = DEPOT.lock().unwrap_or_else(PoisonError::into_inner).pop().map_or(null_mut(), |b| b.0);
    }
    if first.is_null() {
        let fresh: Box<[MaybeUninit<Memory>]> = Box::new_uninit_slice(BATCH);
        // Node memory is never given back to the allocator: it is what messages in flight have needed at most.
        let base = Box::leak(fresh).as_mut_ptr().cast::<Memory>();
        for i in 0..BATCH {
            // SAFETY: within the slice just made.
            unsafe { (*base.add(i)).next = if i + 1 < BATCH { base.add(i + 1) } else { null_mut() } };
        }
        first = base;
    }
    p.first.set(first);
    p.count.set(BATCH);
    first
}

/// Gives the calling thread's nodes back; called when a thread stops.
pub(crate) fn give_back_pool() {
    POOL.with(|p| {
        let spare = p.spare.replace(null_mut());
        if !spare.is_null() {
            DEPOT.lock().unwrap_or_else(PoisonError::into_inner).push(Batch(spare));
        }
        // A partial batch would break the count of a batch; its nodes go back to this thread's successor by size.
        let mut m = p.first.replace(null_mut());
        p.count.set(0);
        let mut rest = PARTIAL.lock().unwrap_or_else(PoisonError::into_inner);
        while !m.is_null() {
            // SAFETY: free memory of ours.
            let next = unsafe { (*m).next };
            // SAFETY: as above; `rest` is the only owner of its chain.
            unsafe { (*m).next = rest.0 };
            rest.0 = m;
            rest.1 += 1;
            if rest.1 == BATCH {
                let full = std::mem::replace(&mut rest.0, null_mut());
                rest.1 = 0;
                DEPOT.lock().unwrap_or_else(PoisonError::into_inner).push(Batch(full));
            }
            m = next;
        }
    });
}

struct Partial(*mut Memory, usize);
// SAFETY: a chain of free memory with one owner, the mutex.
unsafe impl Send for Partial {}
static PARTIAL: Mutex<Partial> = Mutex::new(Partial(null_mut(), 0));
