//! Plays a program on a stage and compares every step with what the model allows.

use super::explore;
use super::lang::*;
use super::model::World;
use super::program::{Program, Resolver};
use super::stage::{Raw, Reader, Stage};
use std::fmt::Write as _;

/// How a program went.
#[derive(Debug, Default)]
pub struct Played {
    /// Commands and observations, as text.
    pub transcript: String,
    pub steps: usize,
    /// Steps after which the model allowed more than one observation.
    pub open: usize,
    /// The rest was not played: the model has too many worlds.
    pub too_wide: bool,
}

/// Plays; the error is the transcript with what was expected instead.
pub fn play(program: &Program, stage: &mut dyn Stage) -> Result<Played, String> {
    let (coordinator, pids) = stage.start(&program.bodies, program.seed);
    let mut reader = Reader::new(coordinator, pids);
    let mut resolver = Resolver::new(program);
    let mut worlds = vec![World::new(program.bodies.len())];
    let mut played = Played::default();
    let mut last: Option<Obs> = None;
    for number in 0..program.len() {
        let commands = resolver.step(program, number, last.as_ref());
        if commands.is_empty() && number > 0 {
            break;
        }
        let step = number as Step;
        let mut ends: Vec<(Obs, World)> = Vec::new();
        for w in &worlds {
            match explore::step(w, step, &commands) {
                Ok(all) => ends.extend(all),
                Err(explore::TooWide) => {
                    played.too_wide = true;
                    return Ok(played);
                }
            }
        }
        let _ = writeln!(played.transcript, "step {step}");
        for c in &commands {
            let _ = writeln!(played.transcript, "{c}");
        }
        let raw = stage.step(&commands, &reader.known);
        reader.learn(&commands, &raw);
        let (seen, allowed) = find(&mut reader, step, &commands, &raw, &ends, stage);
        if !allowed {
            let mut text = played.transcript;
            let _ = write!(text, "  was seen\n{seen}");
            let mut told: Vec<&Obs> = Vec::new();
            for (o, _) in &ends {
                if !told.contains(&o) {
                    told.push(o);
                }
            }
            for o in told {
                let _ = write!(text, "  is allowed\n{o}");
            }
            return Err(text);
        }
        let _ = write!(played.transcript, "{seen}");
        played.steps += 1;
        played.open += usize::from(ends.iter().any(|(o, _)| *o != ends[0].0));
        worlds = Vec::new();
        for (o, w) in ends {
            if o.agrees(&seen) && !worlds.contains(&w) {
                worlds.push(w);
            }
        }
        last = Some(seen);
    }
    Ok(played)
}

/// What was seen, and whether the model allows it. What a stage with threads shows may be early: then it is asked again.
fn find(
    reader: &mut Reader,
    step: Step,
    commands: &[Command],
    first: &Raw,
    ends: &[(Obs, World)],
    stage: &mut dyn Stage,
) -> (Obs, bool) {
    let mut seen = reader.read(step, commands, &first.results, first, false);
    let mut again: Option<Raw> = None;
    loop {
        if ends.iter().any(|(o, _)| o.agrees(&seen)) {
            reader.read(step, commands, &first.results, again.as_ref().unwrap_or(first), true);
            return (seen, true);
        }
        let Some(raw) = stage.look_again() else { return (seen, false) };
        seen = reader.read(step, commands, &first.results, &raw, false);
        again = Some(raw);
    }
}
