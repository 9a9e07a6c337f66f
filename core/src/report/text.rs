//! The text of a report while it is made: OTP's `~tp` and `~ts`, with the column kept.
//! Imports: term.

use crate::term::print::Printer;
use crate::term::{NodeId, Term};

/// A text that grows.
#[derive(Debug)]
pub struct Text {
    text: String,
    home: NodeId,
}

impl Text {
    /// An empty text; pids of `home` are printed as local.
    pub fn new(home: NodeId) -> Self {
        Self { text: String::new(), home }
    }

    /// `~ts`
    pub fn str(&mut self, s: &str) -> &mut Self {
        self.text.push_str(s);
        self
    }

    /// `~tp`: begins at the column where the text stands.
    pub fn term(&mut self, t: &Term) -> &mut Self {
        let column = self.text.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        self.put(Printer::pretty().column(column), t)
    }

    /// `~0tp`: on one line.
    pub fn line(&mut self, t: &Term) -> &mut Self {
        self.put(Printer::line(), t)
    }

    fn put(&mut self, p: Printer, t: &Term) -> &mut Self {
        let p = p.unicode(true).home(self.home);
        self.text.push_str(&p.to_string(t));
        self
    }

    /// What has been written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What has been written.
    pub fn into_string(self) -> String {
        self.text
    }
}
