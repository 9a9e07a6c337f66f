//! What the rows of krarup share: a node with the thread that drives it, and the smallest processes.
//!
//! Imports: the harness, krarup.

use krarup::term::atoms;
use krarup::{Attached, Context, Exception, Handler, Message, Next, Node, Pid, Term};
use krarup_bench::harness::{Failure, Job};

/// A node, and the calling thread as one of its processes.
pub struct World {
    // Dropped before the node.
    pub me: Attached,
    pub node: Node,
}

impl World {
    pub fn new(job: &Job) -> Result<World, Failure> {
        let node = Node::builder().workers(job.workers).max_processes(3_000_000).start()?;
        let me = node.attach()?;
        Ok(World { me, node })
    }

    pub fn pid(&self) -> Pid {
        self.me.self_pid()
    }

    /// Waits for a message, whatever it is.
    pub fn wait(&mut self) -> Result<Term, Failure> {
        match self.me.receive(None) {
            Ok(m) => Ok(m.into_term()),
            Err(e) => Err(Failure(format!("{e:?}"))),
        }
    }
}

/// Is born and ends.
pub struct Mayfly(pub Term);

impl Mayfly {
    pub fn normal() -> Mayfly {
        Mayfly(Term::from(atoms::NORMAL))
    }
}

impl Handler for Mayfly {
    fn init(&mut self, _: &mut Context) -> Result<Next, Exception> {
        Ok(Next::Stop(self.0.clone()))
    }

    fn handle(&mut self, _: &mut Context, _: Message) -> Result<Next, Exception> {
        Ok(Next::Continue)
    }
}

/// Counts messages and tells when there have been enough.
pub struct Counter {
    pub left: u64,
    pub tell: Pid,
}

impl Handler for Counter {
    fn handle(&mut self, ctx: &mut Context, _: Message) -> Result<Next, Exception> {
        self.left -= 1;
        if self.left == 0 {
            ctx.send(self.tell, 0i64);
            return Ok(Next::Stop(Term::from(atoms::NORMAL)));
        }
        Ok(Next::Continue)
    }
}

/// A server that counts its requests and answers each with the count.
#[derive(Default)]
pub struct Server(i64);

impl Handler for Server {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        self.0 += 1;
        if let Message::Call(c) = m {
            let (from, _) = c.into_parts();
            ctx.reply(from, self.0);
        }
        Ok(Next::Continue)
    }
}
