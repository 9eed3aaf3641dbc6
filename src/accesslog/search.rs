//! Looking for entries: a stream over the journal, opened with the month keys.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use super::entry::{Details, Entry, Outcome};
use super::error::LogError;
use super::keys::Keys;
use super::leaf::{JOURNAL_KIND, leaf_hash};
use crate::durable::{Disk, scan};
use licence_seal::merkle::Hash;
use licence_seal::time::Timestamp;

/// What to look for; every member that is set must match.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The first instant that counts.
    pub from: Option<Timestamp>,
    /// The first instant that no longer counts.
    pub until: Option<Timestamp>,
    pub op: Option<String>,
    pub outcome: Option<Outcome>,
    pub request_id: Option<String>,
    pub partner: Option<String>,
    pub operator: Option<String>,
    pub item_code: Option<String>,
    pub case_number: Option<String>,
    pub identifier: Option<String>,
    /// The holder's code in clear; it is blinded with each year's key.
    pub holder: Option<String>,
    /// Stop after so many.
    pub limit: Option<usize>,
}

/// An entry found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub index: u64,
    pub leaf_hash: Hash,
    pub entry: Entry,
    /// `None` when the month's key was destroyed.
    pub details: Option<Details>,
}

/// Searches the first `size` entries (all, when `None`) of the log in `dir`, oldest first.
///
/// # Errors
/// Damage in the files; an entry that is not this log's; a key that is missing.
pub fn search(
    disk: &dyn Disk,
    dir: &Path,
    origin: &str,
    keys: &Keys,
    size: Option<u64>,
    filter: &Filter,
) -> Result<Vec<Found>, LogError> {
    let mut found = Vec::new();
    let mut index = 0;
    let mut blinds = HashMap::new();
    scan(disk, &dir.join("journal"), JOURNAL_KIND, |_, bytes| {
        if size.is_some_and(|size| index >= size) || filter.limit.is_some_and(|limit| found.len() >= limit) {
            return Ok(ControlFlow::Break(()));
        }
        let entry = Entry::parse(index, bytes)?;
        index += 1;
        if filter.until.is_some_and(|until| entry.time >= until) {
            return Ok(ControlFlow::Break(()));
        }
        if !filter.outside_matches(&entry) {
            return Ok(ControlFlow::Continue(()));
        }
        let details = match keys.month(entry.time)? {
            Some(key) => Some(entry.open(origin, &key)?),
            None => None,
        };
        let blind = match &filter.holder {
            None => None,
            Some(code) => {
                let year = entry.time.month().chars().take_while(|c| *c != '-').collect::<String>();
                if !blinds.contains_key(&year) {
                    blinds.insert(year.clone(), keys.blind(entry.time, code)?);
                }
                Some(blinds.get(&year).cloned().flatten())
            }
        };
        if filter.inside_matches(details.as_ref(), blind.as_ref()) {
            found.push(Found { index: entry.seq, leaf_hash: leaf_hash(bytes), entry, details });
        }
        Ok::<_, LogError>(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

impl Filter {
    fn outside_matches(&self, entry: &Entry) -> bool {
        self.from.is_none_or(|from| entry.time >= from)
            && self.op.as_ref().is_none_or(|op| *op == entry.op)
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
    }

    /// `blind`: outer `None` when no holder is looked for, inner when that year has none.
    fn inside_matches(&self, details: Option<&Details>, blind: Option<&Option<String>>) -> bool {
        let texts = [
            (&self.partner, details.and_then(|d| d.partner.as_ref())),
            (&self.operator, details.and_then(|d| d.operator.as_ref())),
            (&self.item_code, details.and_then(|d| d.item_code.as_ref())),
            (&self.case_number, details.and_then(|d| d.case_number.as_ref())),
            (&self.request_id, details.map(|d| &d.request_id)),
        ];
        let holds = |list: fn(&Details) -> &Vec<String>, wanted: &String| {
            details.is_some_and(|details| list(details).contains(wanted))
        };
        texts.iter().all(|(wanted, found)| wanted.is_none() || wanted.as_ref() == *found)
            && self.identifier.as_ref().is_none_or(|wanted| holds(|d| &d.identifiers, wanted))
            && blind.is_none_or(|wanted| wanted.as_ref().is_some_and(|wanted| holds(|d| &d.holder, wanted)))
    }
}
