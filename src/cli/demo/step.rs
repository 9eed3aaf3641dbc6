//! The steps of the tour, counted and shown, and what an answer must be for a step to succeed.

use std::io::Write;

use serde_json::Value;

use crate::node::Error;
use crate::peer::PeerAnswer;

pub struct Tour<'a> {
    out: &'a mut dyn Write,
    pub steps: usize,
    pub failed: usize,
}

impl<'a> Tour<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, steps: 0, failed: 0 }
    }

    /// Runs one step; what it returns is shown.
    pub fn step(&mut self, en: &str, zh: &str, done: Result<String, Error>) -> Result<(), Error> {
        self.steps += 1;
        writeln!(self.out, "\n{}. {en}\n   {zh}", self.steps)?;
        match done {
            Ok(told) => writeln!(self.out, "   ✓ {told}")?,
            Err(why) => {
                self.failed += 1;
                writeln!(self.out, "   ✗ NOT as it should be: {why}")?;
            }
        }
        Ok(self.out.flush()?)
    }
}

/// The body of an answer with this status and a receipt.
pub fn expect(answer: &PeerAnswer, status: u16) -> Result<&[u8], Error> {
    if answer.status == status && answer.receipt.is_some() {
        Ok(&answer.body)
    } else {
        Err(format!("answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
    }
}

/// The rule that refused: its own words, or those of the other city that it quotes.
pub fn rule_of(answer: &PeerAnswer, status: u16, rule: &str) -> Result<String, Error> {
    let body: Value = serde_json::from_slice(&answer.body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let quoted = text("detail").contains(&format!("({rule})"));
    if answer.status == status && (text("rule") == rule || quoted) {
        Ok(format!("{status} {rule}"))
    } else {
        Err(format!("expected {status} {rule}, answered {}: {body}", answer.status).into())
    }
}
