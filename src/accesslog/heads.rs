//! What was signed before must be a prefix of what is in the files: a log never signs two histories.

use std::path::Path;

use super::error::LogError;
use super::leaf::tree_hash;
use super::note::{Checkpoint, VerifierKey, verify_note};
use crate::durable::{Disk, DurableError};
use licence_seal::merkle::Frontier;

/// That what was signed is a prefix of what is read.
pub struct HeadCheck<'a>(Vec<(&'static str, &'a Checkpoint)>);

impl<'a> HeadCheck<'a> {
    pub fn new(head: Option<&'a Checkpoint>, signed: Option<&'a Checkpoint>) -> Self {
        let named = [("head", head), ("checkpoint", signed)];
        Self(named.into_iter().filter_map(|(what, head)| Some((what, head?))).collect())
    }

    pub fn add(&mut self, what: &'static str, head: &'a Checkpoint) {
        self.0.push((what, head));
    }

    pub fn at(&mut self, tree: &Frontier) -> Result<(), LogError> {
        let here = |head: &Checkpoint| head.size == tree.size();
        for (what, head) in self.0.iter().filter(|(_, head)| here(head)) {
            if head.root != tree.root(&tree_hash) {
                return Err(LogError::HeadDiffers { what, size: head.size });
            }
        }
        self.0.retain(|(_, head)| !here(head));
        Ok(())
    }

    pub fn finish(&self, held: u64) -> Result<(), LogError> {
        match self.0.first() {
            Some((what, head)) => Err(LogError::HeadAhead { what, signed: head.size, held }),
            None => Ok(()),
        }
    }
}

/// The head that was fsynced, the checkpoint that was signed, and its note.
pub type Heads = (Option<Checkpoint>, Option<Checkpoint>, String);

pub fn read_heads(disk: &dyn Disk, dir: &Path, vkey: &VerifierKey) -> Result<Heads, LogError> {
    let read = |name| {
        let path = dir.join(name);
        let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
        content.map(|content| String::from_utf8(content).map_err(|_| LogError::Head(name))).transpose()
    };
    let head = match read("head")? {
        Some(text) => Some(Checkpoint::parse(&text).map_err(|_| LogError::Head("head"))?),
        None => None,
    };
    let note = read("checkpoint")?.unwrap_or_default();
    let signed = if note.is_empty() {
        None
    } else {
        let text = verify_note(&note, vkey).map_err(|_| LogError::Head("checkpoint"))?;
        Some(Checkpoint::parse(text).map_err(|_| LogError::Head("checkpoint"))?)
    };
    let ours = |head: &Option<Checkpoint>| head.as_ref().is_none_or(|head| head.origin == vkey.name);
    let size = |head: &Option<Checkpoint>| head.as_ref().map(|head| head.size);
    // A head is never older than its signature.
    if !ours(&head) || size(&head) < size(&signed) {
        return Err(LogError::Head("head"));
    }
    if !ours(&signed) {
        return Err(LogError::Head("checkpoint"));
    }
    Ok((head, signed, note))
}
