//! Import: many records from JSON Lines or CSV, sealed in full batches.
//!
//! Lines are refused one by one, with line, field and rule and never the value; the good ones go in.
//! Records wait by issuer and type until a batch is full, and no more than 256 MiB of lines wait at
//! once, so memory does not grow with the file. A group of batches is durable in the store and committed to the access
//! log before it is counted as done: after a kill at any point, all that was counted is there, and a
//! second run takes up the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};

use serde::Serialize;

use super::problem::Problem;
use super::{Exchange, changes, failed};
use crate::accesslog::{Access, BatchRange, Outcome};
use crate::licence::{Identifier, Record, TypeCode};
use crate::merkle;
use crate::seal::batch::SealImpression;
use crate::seal::{MAX_BATCH, Manifest, SealedBatch};
use crate::store::BatchNumber;

/// Longest line, in bytes: a record with its pictures.
const MAX_LINE: u64 = 4 << 20;
/// Batches that go into the store and the log at once.
const GROUP: usize = 64;
/// Bytes of lines after which a group goes in though it holds fewer: the store takes 48 MiB at once.
const GROUP_BYTES: usize = 16 << 20;
/// Bytes of lines after which a batch is sealed though it is not full.
const BATCH_BYTES: usize = 8 << 20;
/// Bytes of lines that may wait for their batches to fill.
const WAITING_BYTES: usize = 256 << 20;

/// What stood in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    JsonLines,
    Csv,
}

/// A line that did not go in.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub file: String,
    /// From 1; in CSV the header is line 1.
    pub line: u64,
    pub field: String,
    pub rule: String,
    pub detail: String,
}

/// What came of an import so far. Counts are of durable, logged records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub lines: u64,
    pub imported: u64,
    pub refused: u64,
    /// Licences that were here before with the same content (only with `resume`).
    pub already_here: u64,
    pub batches: u64,
}

/// Records of one issuer and type that wait for their batch to fill.
#[derive(Default)]
struct Waiting {
    records: Vec<Record>,
    bytes: usize,
}

/// One run. Drop it without [`Importer::finish`] and what was not yet counted is not there.
pub struct Importer<'a> {
    exchange: &'a Exchange,
    resume: bool,
    waiting: BTreeMap<(String, TypeCode), Waiting>,
    /// Bytes of lines that wait.
    waiting_bytes: usize,
    /// Bytes of lines that are sealed and not yet in the store.
    sealed_bytes: usize,
    sealed: Vec<(SealedBatch, SealImpression)>,
    /// Identifiers that wait and are therefore not in the store yet.
    pending: BTreeSet<Identifier>,
    /// Licences that a waiting one supersedes.
    superseding: BTreeSet<Identifier>,
    progress: Progress,
    refusals: Box<dyn Write + 'a>,
    acknowledge: Box<dyn FnMut(&Progress) + 'a>,
}

impl<'a> Importer<'a> {
    /// `refusals` gets one JSON line for each fault; `acknowledge` is called after each group.
    pub fn new(
        exchange: &'a Exchange,
        resume: bool,
        refusals: Box<dyn Write + 'a>,
        acknowledge: Box<dyn FnMut(&Progress) + 'a>,
    ) -> Self {
        Self {
            exchange,
            resume,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            sealed_bytes: 0,
            sealed: Vec::new(),
            pending: BTreeSet::new(),
            superseding: BTreeSet::new(),
            progress: Progress::default(),
            refusals,
            acknowledge,
        }
    }

    /// Takes in one file; a fault of the file itself ends it, a fault of a line does not.
    pub fn file(&mut self, name: &str, format: Format, content: impl Read) -> Result<(), Problem> {
        match format {
            Format::JsonLines => self.json_lines(name, content),
            Format::Csv => self.csv(name, content),
        }
    }

    /// Seals what still waits, though its batches are not full, and reports.
    pub fn finish(mut self) -> Result<Progress, Problem> {
        self.flush()?;
        self.refusals.flush().map_err(|why| failed("refusals", &why))?;
        Ok(self.progress)
    }

    fn json_lines(&mut self, name: &str, content: impl Read) -> Result<(), Problem> {
        let mut reader = BufReader::new(content);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = (&mut reader).take(MAX_LINE + 1).read_until(b'\n', &mut line);
            if read.map_err(|why| file_problem(name, &why))? == 0 {
                break;
            }
            if line.len() as u64 > MAX_LINE {
                self.progress.lines += 1;
                self.refuse(name, number, "", "line.tooLong", "a line is at most 4 MiB")?;
                skip_line(&mut reader).map_err(|why| file_problem(name, &why))?;
                continue;
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                let parsed = Record::parse_json(text, self.exchange.catalogue);
                self.take(name, number, parsed, text.len())?;
            }
        }
        Ok(())
    }

    fn csv(&mut self, name: &str, content: impl Read) -> Result<(), Problem> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(content);
        let header = reader.headers().map_err(|why| file_problem(name, &why))?.clone();
        for row in reader.records() {
            let row = match row {
                Ok(row) => row,
                Err(why) if why.is_io_error() => return Err(file_problem(name, &why)),
                Err(why) => {
                    let number = why.position().map_or(0, csv::Position::line);
                    self.progress.lines += 1;
                    self.refuse(name, number, "", "line.csv", "not a row of CSV in UTF-8 (RFC 4180)")?;
                    continue;
                }
            };
            let number = row.position().map_or(0, csv::Position::line);
            if row.len() != header.len() {
                self.progress.lines += 1;
                self.refuse(name, number, "", "line.columns", "not as many cells as the header has names")?;
                continue;
            }
            let parsed = Record::from_row(header.iter().zip(row.iter()), self.exchange.catalogue);
            self.take(name, number, parsed, row.as_slice().len())?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        name: &str,
        number: u64,
        parsed: Result<Record, Vec<crate::licence::RecordError>>,
        bytes: usize,
    ) -> Result<(), Problem> {
        self.progress.lines += 1;
        let record = match parsed {
            Ok(record) => record,
            Err(errors) => {
                for error in &errors {
                    self.write_refusal(
                        name,
                        number,
                        &error.field,
                        error.rule.rule(),
                        &error.rule.to_string(),
                    )?;
                }
                self.progress.refused += 1;
                return Ok(());
            }
        };
        let here = self.exchange.reader.contains(&record.identifier).map_err(|why| failed("import", &why))?;
        if here && self.resume && self.is_same(&record)? {
            self.progress.already_here += 1;
            return Ok(());
        }
        if here || self.pending.contains(&record.identifier) {
            let why = "a licence with this identifier is here already";
            return self.refuse(name, number, "certificateIdentifier", "store.duplicate", why);
        }
        // A new version goes in only after the one it supersedes is durable.
        if let Some(older) = &record.supersedes {
            if self.pending.contains(older) || self.superseding.contains(older) {
                self.flush()?;
            }
            let found = self.exchange.reader.by_identifier(older).map_err(|why| failed("import", &why))?;
            let refusal = match found {
                None => Some(("store.unknownSuperseded", "the licence that this one supersedes is not here")),
                Some(found) if found.status.superseded_by.is_some() => {
                    Some(("store.alreadySuperseded", "another one supersedes that licence already"))
                }
                Some(_) => None,
            };
            if let Some((rule, why)) = refusal {
                return self.refuse(name, number, "supersedes", rule, why);
            }
            self.superseding.insert(older.clone());
        }
        self.pending.insert(record.identifier.clone());
        let key = (record.issuer_code.to_string(), record.type_code.clone());
        let waiting = self.waiting.entry(key).or_default();
        waiting.records.push(record);
        waiting.bytes += bytes;
        self.waiting_bytes += bytes;
        if waiting.records.len() >= MAX_BATCH || waiting.bytes >= BATCH_BYTES {
            let full = std::mem::take(waiting);
            self.seal(full)
        } else if self.waiting_bytes >= WAITING_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Whether the licence of this identifier that is here already has the same content.
    fn is_same(&self, record: &Record) -> Result<bool, Problem> {
        let found =
            self.exchange.reader.by_identifier(&record.identifier).map_err(|why| failed("import", &why))?;
        Ok(found.is_some_and(|found| found.record == *record))
    }

    /// Seals and commits all that waits.
    fn flush(&mut self) -> Result<(), Problem> {
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            self.seal(waiting)?;
        }
        self.commit()
    }

    /// Seals one batch; a group that is full is committed.
    fn seal(&mut self, waiting: Waiting) -> Result<(), Problem> {
        self.waiting_bytes -= waiting.bytes;
        if !waiting.records.is_empty() {
            self.sealed.push(changes::seal(self.exchange, waiting.records)?);
            self.sealed_bytes += waiting.bytes;
        }
        let full = self.sealed.len() >= GROUP || self.sealed_bytes >= GROUP_BYTES;
        if full { self.commit() } else { Ok(()) }
    }

    /// Into the store, then into the log, then counted.
    fn commit(&mut self) -> Result<(), Problem> {
        let group = std::mem::take(&mut self.sealed);
        self.sealed_bytes = 0;
        if group.is_empty() {
            return Ok(());
        }
        let manifests: Vec<Manifest> = group.iter().map(|(batch, _)| batch.manifest.clone()).collect();
        let records: u64 = manifests.iter().map(|manifest| u64::from(manifest.size)).sum();
        let identifiers: Vec<Identifier> = group
            .iter()
            .flat_map(|(batch, _)| &batch.records)
            .map(|record| record.identifier.clone())
            .collect();
        let numbers = self.exchange.issuer.add_batches(group).map_err(|why| failed("import", &why))?;
        let mut access = Access::new("import", Outcome::Granted);
        access.details.batches = range(&numbers, &manifests);
        access.details.change_number = Some(self.exchange.reader.last_change());
        self.exchange.log.append(access).map_err(|why| failed("log", &why))?;
        for identifier in &identifiers {
            self.pending.remove(identifier);
        }
        if self.pending.is_empty() {
            self.superseding.clear();
        }
        self.progress.imported += records;
        self.progress.batches += manifests.len() as u64;
        (self.acknowledge)(&self.progress);
        Ok(())
    }

    fn refuse(
        &mut self,
        name: &str,
        number: u64,
        field: &str,
        rule: &str,
        detail: &str,
    ) -> Result<(), Problem> {
        self.progress.refused += 1;
        self.write_refusal(name, number, field, rule, detail)
    }

    fn write_refusal(
        &mut self,
        file: &str,
        line: u64,
        field: &str,
        rule: &str,
        detail: &str,
    ) -> Result<(), Problem> {
        let refusal = Refusal {
            file: file.to_owned(),
            line,
            field: field.to_owned(),
            rule: rule.to_owned(),
            detail: detail.to_owned(),
        };
        let mut text = serde_json::to_vec(&refusal).map_err(|why| failed("refusals", &why))?;
        text.push(b'\n');
        self.refusals.write_all(&text).map_err(|why| failed("refusals", &why))
    }
}

/// First and last number, and the RFC 6962 root (SHA-256) over the manifests.
pub fn range<'a>(
    numbers: &[BatchNumber],
    manifests: impl IntoIterator<Item = &'a Manifest>,
) -> Option<BatchRange> {
    let hash = |parts: &[&[u8]]| crate::crypto::sha256(parts);
    let leaves: Vec<_> = manifests
        .into_iter()
        .map(|manifest| merkle::leaf_hash(&hash, manifest.to_string().as_bytes()))
        .collect();
    let (first, last) = (numbers.first()?, numbers.last()?);
    Some(BatchRange { first: first.0, last: last.0, root: hex::encode(merkle::root(&hash, &leaves)) })
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let (length, done) = match available.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), false),
        };
        reader.consume(length);
        if done {
            return Ok(());
        }
    }
}

fn file_problem(name: &str, why: &dyn std::fmt::Display) -> Problem {
    Problem::malformed("import.file", format!("{name}: {why}"))
}
