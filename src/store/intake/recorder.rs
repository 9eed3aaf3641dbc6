//! Records on their way to the spool: made ready by the threads that parse them.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::block;
use super::super::codec::Writer;
use super::super::keys::Keyring;
use super::super::ledger::stays;
use super::super::op;
use super::resolve::{PAIR, SEEN, pair_entry, seen_entry};
use super::spool::{Gathered, Partition};
use crate::licence::Record;

/// Records as a thread that parses hands them over.
#[derive(Default)]
pub struct Recorded {
    pub(super) gathered: HashMap<Partition, Gathered>,
    pub(super) seen: Vec<[u8; SEEN]>,
    pub(super) pairs: Vec<[u8; PAIR]>,
    // Records of one type and issuer come in a row more often than not.
    last: Option<Partition>,
    scratch: Writer,
}

/// Makes records ready for the spool, on any thread.
#[derive(Clone)]
pub struct Recorder {
    pub(super) keys: Arc<Keyring>,
}

impl Recorder {
    /// Adds a record that stood at `ordinal` of the whole input.
    pub fn add(&self, record: &Record, ordinal: u64, to: &mut Recorded) {
        let (issuer, type_code) = (record.issuer_code.as_str(), record.type_code.as_str());
        let same = |last: &Partition| last.issuer == issuer && last.type_code == type_code;
        if !to.last.as_ref().is_some_and(same) {
            to.last = Some(Partition { issuer: issuer.to_owned(), type_code: type_code.to_owned() });
        }
        let Some(partition) = &to.last else { return };
        let gathered = match to.gathered.get_mut(partition) {
            Some(gathered) => gathered,
            None => to.gathered.entry(partition.clone()).or_default(),
        };
        to.scratch.clear();
        block::write_record(&mut to.scratch, record);
        gathered.push(ordinal, to.scratch.written());
        let id = op::id_key(&self.keys, &record.identifier);
        to.seen.push(seen_entry(&id, ordinal, stays(record.state)));
        if let Some(older) = &record.supersedes {
            to.pairs.push(pair_entry(&op::id_key(&self.keys, older), ordinal, &id));
        }
    }
}
