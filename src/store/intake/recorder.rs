//! Records on their way to the spool: made ready by the threads that parse them.

use std::collections::HashMap;
use std::sync::Arc;

use super::resolve::{PAIR, SEEN, pair_entry, seen_entry};
use super::spool::{Gathered, Partition};
use crate::store::embedded::stays;
use crate::store::forms::codec::Writer;
use crate::store::forms::{block, op};
use crate::store::keys::{Blinding, Keyring, first};
use licence_seal::licence::Record;

/// Records as a thread that parses hands them over.
#[derive(Default)]
pub struct Recorded {
    pub(super) gathered: HashMap<Partition, Gathered>,
    pub(super) seen: Vec<[u8; SEEN]>,
    pub(super) pairs: Vec<[u8; PAIR]>,
}

/// Makes records ready for the spool, on any thread.
#[derive(Clone)]
pub struct Recorder {
    pub(super) keys: Arc<Keyring>,
}

impl Recorder {
    pub fn begin(&self) -> Recording<'_> {
        Recording {
            keys: &self.keys,
            gathered: HashMap::new(),
            last: None,
            scratch: Writer::default(),
            blinding: Blinding::default(),
            marks: Vec::new(),
        }
    }
}

/// Records that are being made ready.
pub struct Recording<'k> {
    keys: &'k Keyring,
    gathered: HashMap<Partition, Gathered>,
    // Records of one type and issuer come in a row more often than not.
    last: Option<Partition>,
    scratch: Writer,
    /// The identifier of each record, and that of an older one after it if there is one.
    blinding: Blinding,
    marks: Vec<Mark>,
}

/// What is kept beside a record's blind identifier.
struct Mark {
    ordinal: u64,
    stays: bool,
    has_older: bool,
}

impl Recording<'_> {
    /// Adds a record that stood at `ordinal` of the whole input.
    pub fn add(&mut self, record: &Record, ordinal: u64) {
        let (issuer, type_code) = (record.issuer_code.as_str(), record.type_code.as_str());
        let same = |last: &&Partition| last.issuer == issuer && last.type_code == type_code;
        let partition = match self.last.take().filter(|last| same(&last)) {
            Some(last) => last,
            None => Partition { issuer: issuer.to_owned(), type_code: type_code.to_owned() },
        };
        let gathered = match self.gathered.get_mut(&partition) {
            Some(gathered) => gathered,
            None => self.gathered.entry(partition.clone()).or_default(),
        };
        self.last = Some(partition);
        self.scratch.clear();
        block::write_record(&mut self.scratch, record);
        gathered.push(ordinal, self.scratch.written());
        self.blinding.push(op::ID, &[record.identifier.as_str()]);
        if let Some(older) = &record.supersedes {
            self.blinding.push(op::ID, &[older.as_str()]);
        }
        let (stays, has_older) = (stays(record.state), record.supersedes.is_some());
        self.marks.push(Mark { ordinal, stays, has_older });
    }

    pub fn finish(self) -> Recorded {
        let (mut seen, mut pairs) = (Vec::with_capacity(self.marks.len()), Vec::new());
        let mut ids = self.keys.blind_each(&self.blinding).map(|code| first(&code));
        for Mark { ordinal, stays, has_older } in self.marks {
            let Some(id) = ids.next() else { break };
            seen.push(seen_entry(&id, ordinal, stays));
            if let Some(older) = has_older.then(|| ids.next()).flatten() {
                pairs.push(pair_entry(&older, ordinal, &id));
            }
        }
        Recorded { gathered: self.gathered, seen, pairs }
    }
}
