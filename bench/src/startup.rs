//! The start of a node.
//!
//! Imports: the harness, krarup.

use krarup::{Context, Exception, Handler, Message, Next, Node};
use krarup_bench::harness::{self, Failure, Kind, Row};
use std::sync::mpsc::{Sender, channel};

pub const ROWS: &[Row] = &[Row { name: "startup", kind: Kind::Plain, run: harness::startup }];

/// Tells that it has been born, and stops.
struct FirstBorn(Sender<()>);

impl Handler for FirstBorn {
    fn init(&mut self, _: &mut Context) -> Result<Next, Exception> {
        // Whoever waited may be gone.
        let _ = self.0.send(());
        Ok(Next::Stop(krarup::term::atoms::NORMAL.into()))
    }

    fn handle(&mut self, _: &mut Context, _: Message) -> Result<Next, Exception> {
        Ok(Next::Continue)
    }
}

/// Starts a node and returns when its first process has run. The node is stopped too, but not counted in
/// `.in_process`, which ends with the process.
pub fn first(workers: usize) -> Result<(), Failure> {
    let node = Node::builder().workers(workers).start()?;
    let (born, birth) = channel();
    node.spawn(FirstBorn(born)).map_err(|e| Failure(format!("{e:?}")))?;
    birth.recv()?;
    Ok(())
}
