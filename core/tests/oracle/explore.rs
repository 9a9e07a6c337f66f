//! Every world that a step can lead to: all orders of calls and deliveries, but for those that cannot matter.

use super::lang::*;
use super::model::{Life, Signal, World, choices};
use std::collections::HashSet;

/// Worlds looked at before a step is given up as too wide.
const LIMIT: usize = 60_000;

/// The step has more orders than can be tried.
#[derive(Debug)]
pub struct TooWide;

/// What can be seen after the commands are carried out and nothing moves any more, each with its world.
pub fn step(before: &World, number: Step, commands: &[Command]) -> Result<Vec<(Obs, World)>, TooWide> {
    let mut first = before.clone();
    first.begin(number, commands);
    let mut seen = HashSet::new();
    let mut todo = vec![first];
    let mut ends: Vec<(Obs, World)> = Vec::new();
    while let Some(mut world) = todo.pop() {
        settle(&mut world);
        if seen.contains(&world) {
            continue;
        }
        if seen.len() >= LIMIT {
            return Err(TooWide);
        }
        let moves = moves(&world, commands);
        if moves.is_empty() {
            let mut end = world.clone();
            let obs = end.end();
            if !ends.iter().any(|(o, w)| *o == obs && *w == end) {
                ends.push((obs, end));
            }
        }
        for m in &moves {
            let mut next = world.clone();
            m.apply(&mut next, commands);
            todo.push(next);
        }
        seen.insert(world);
    }
    Ok(ends)
}

enum Move {
    Call(usize),
    CallHeedless(usize),
    Deliver(Slot, Slot, usize),
    FreeName(Slot),
    Announce(Slot),
}

impl Move {
    fn apply(&self, world: &mut World, commands: &[Command]) {
        match *self {
            Self::Call(actor) => world.act(actor, &commands[actor], false),
            Self::CallHeedless(actor) => world.act(actor, &commands[actor], true),
            Self::Deliver(from, to, at) => world.deliver(from, to, at),
            Self::FreeName(p) => world.free_name(p),
            Self::Announce(p) => world.announce(p),
        }
    }
}

/// Whether the process has calls to make.
fn acts(world: &World, slot: Slot) -> bool {
    world.actors.iter().any(|a| a.slot == slot && !a.done)
}

/// Does what can be done in any order with one result.
fn settle(world: &mut World) {
    loop {
        let busy = world.actors.iter().any(|a| !a.done);
        if !busy {
            let going = (0..world.processes.len()).find(|p| matches!(world.processes[*p].life, Life::Going(_)));
            if let Some(p) = going {
                world.announce(p as Slot);
                continue;
            }
        }
        let next =
            world.queues.iter().find(|((from, to), q)| q.front().is_some_and(|s| commutes(world, *from, *to, s)));
        match next.map(|(pair, _)| *pair) {
            Some((from, to)) => world.deliver(from, to, 0),
            None if !busy && one_reason(world) => {
                let Some((from, to)) = world.queues.keys().next().copied() else { return };
                world.deliver(from, to, 0);
            }
            None => return,
        }
    }
}

/// Whether delivering this signal now leads where delivering it at any later time would lead.
fn commutes(world: &World, from: Slot, to: Slot, signal: &Signal) -> bool {
    let receiver = &world.processes[usize::from(to)];
    match receiver.life {
        Life::Dead(_) => return true,
        Life::Going(_) => return false,
        Life::Alive => {}
    }
    if acts(world, to) {
        return false;
    }
    // The receiver makes no more calls in this step: nobody looks at its mailbox or changes its flag.
    match signal {
        Signal::Message(_) | Signal::UnlinkAck(_) | Signal::Demonitor(_) => true,
        // Not if the link has been made anew: then the end of the receiver, if it comes first, will be heard.
        Signal::Unlink(_) => !acts(world, from) && !world.linked(from, to),
        Signal::Alias(r, _) => receiver.aliases.get(r).is_none_or(|m| *m == Mode::Explicit),
        Signal::Down(r, _) => !receiver.aliases.contains_key(r),
        Signal::ExitLink(reason) => receiver.trap || *reason == Reason::Normal,
        Signal::Exit2(Reason::Kill) => false,
        Signal::Exit2(reason) => receiver.trap || *reason == Reason::Normal,
        Signal::Link | Signal::Monitor(_) => false,
    }
}

/// Whether all that is under way are fatal exits with one reason: then all orders lead to one end.
fn one_reason(world: &World) -> bool {
    let mut all = world.queues.values().flatten().map(|s| match s {
        Signal::Exit2(Reason::Kill) => Some(Reason::Killed),
        Signal::Exit2(r) | Signal::ExitLink(r) => Some(*r),
        _ => None,
    });
    let first = all.next().flatten();
    first.is_some() && all.all(|r| r == first)
}

fn moves(world: &World, commands: &[Command]) -> Vec<Move> {
    let mut all = Vec::new();
    for (i, a) in world.actors.iter().enumerate() {
        if !a.done {
            all.push(Move::Call(i));
            if world.links_the_linked_dead(i, &commands[i]) {
                all.push(Move::CallHeedless(i));
            }
        }
    }
    for ((from, to), q) in &world.queues {
        all.extend((0..choices(q)).map(|at| Move::Deliver(*from, *to, at)));
    }
    for p in 0..world.processes.len() {
        if let Life::Going(_) = world.processes[p].life {
            let p = p as Slot;
            all.push(if world.has_name(p) { Move::FreeName(p) } else { Move::Announce(p) });
        }
    }
    all
}
