//! Import: many records from JSON Lines or CSV, sealed in full batches, all of them or none.
//!
//! Lines are refused one by one, with line, field and rule and never the value; the good ones go in
//! together at the end, in one step of the store, and are committed to the access log then. The store's
//! [`Intake`] does the work; here are the input, the refusals, the seals, and the log. It can be stopped
//! or killed at any point and taken up again with the same input.

mod error;
mod lines;
mod refusals;

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::error::ImportError;
pub use self::lines::Format;
pub use self::refusals::Refusal;
use self::refusals::Refusals;
use super::commitment::{MANIFESTS_AN_ENTRY, range};
use super::office::Exchange;
use crate::accesslog::{Access, Outcome};
use crate::parallel;
use crate::store::{Committed, Intake, Phase, Refused, SealWatcher, Sealed, Store, StoreAdmin, Watch};

/// Pause between two reports of progress.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// What an import is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    #[default]
    Reading,
    Resolving,
    Sealing,
    Loading,
    Logging,
    Done,
}

/// What came of an import so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub stage: Stage,
    /// Lines read, empty ones not counted.
    pub lines: u64,
    pub refused: u64,
    /// Records that were read and are not refused so far.
    pub records: u64,
    /// Records that are sealed.
    pub sealed: u64,
    /// Records that are in the database and not in the store yet.
    pub loaded: u64,
    /// Records that are in the store; all at once, at the end.
    pub imported: u64,
    /// Licences that were here before with the same content (only with `resume`).
    pub already_here: u64,
    pub batches: u64,
    /// Size of the export at its end.
    #[serde(skip)]
    pub export_bytes: u64,
}

/// How to import.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Take up an interrupted import, and count licences that are here already instead of refusing them.
    pub resume: bool,
    /// Where refused lines are listed.
    pub refused: Option<&'a Path>,
}

/// What a resumed import must know; kept by the store.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Note {
    files: Vec<FileNote>,
    lines: u64,
    refused: u64,
    records: u64,
    refusals_bytes: u64,
}

/// How far a file was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileNote {
    name: String,
    /// Added to the number of a line for its place in the whole input.
    base: u64,
    last_line: u64,
    /// CRC-32C up to there.
    check: u32,
    done: bool,
}

/// One run.
pub struct Importer<'a> {
    exchange: &'a Exchange,
    store: &'a Store,
    intake: Intake<'a>,
    resume: bool,
    /// Files of this run so far.
    file: usize,
    since_checkpoint: u64,
    checkpoint_every: u64,
    book: Book<'a>,
}

/// Keeps count, lists what is refused, and reports.
struct Book<'a> {
    note: Note,
    refusals: Refusals,
    progress: Progress,
    report: Box<dyn FnMut(&Progress) + 'a>,
    reported: Instant,
}

impl<'a> Importer<'a> {
    /// `report` hears of the progress now and then. `store` is the one that `exchange` reads.
    pub fn new(
        exchange: &'a Exchange,
        store: &'a Store,
        options: Options<'_>,
        report: Box<dyn FnMut(&Progress) + 'a>,
    ) -> Result<Self, ImportError> {
        let intake = Intake::begin(store, options.resume)?;
        let note: Note = match intake.note() {
            serde_json::Value::Null => Note::default(),
            note => serde_json::from_value(note.clone())?,
        };
        let refusals = Refusals::open(options.refused, note.refusals_bytes)?;
        let sealed = intake.sealed();
        let progress = Progress {
            lines: note.lines,
            refused: note.refused,
            records: note.records,
            sealed: sealed.licences,
            batches: sealed.batches,
            already_here: sealed.already_here,
            ..Progress::default()
        };
        let mut book = Book { note, refusals, progress, report, reported: Instant::now() };
        book.enter(Stage::Reading);
        Ok(Self {
            exchange,
            store,
            intake,
            resume: options.resume,
            file: 0,
            since_checkpoint: 0,
            checkpoint_every: store.import_checkpoint(),
            book,
        })
    }

    /// Takes in one file; a fault of the file itself ends it, a fault of a line does not.
    pub fn file(&mut self, name: &str, format: Format, content: impl Read + Send) -> Result<(), ImportError> {
        let place = self.file;
        self.file += 1;
        if self.intake.phase() != Phase::Reading && place >= self.book.note.files.len() {
            return Err(ImportError::AllRead(name.to_owned()));
        }
        let known = self.book.note.file(place, name)?;
        if known.done || self.intake.phase() != Phase::Reading {
            return Ok(());
        }
        let (catalogue, recorder) = (self.exchange.office.catalogue, self.intake.recorder());
        let (mut check, mut last) = (0, 0);
        parallel::ordered(
            parallel::threads(),
            lines::chunks(name, format, content)?,
            |chunk| Ok(lines::parse(chunk, name, known.base, known.last_line, catalogue, &recorder)),
            |parsed| {
                check = crc32c::crc32c_combine(check, parsed.check.0, parsed.check.1);
                let skipped = last < known.last_line;
                last = parsed.last;
                // The same bytes are cut at the same lines.
                if skipped && (last > known.last_line || last == known.last_line && check != known.check) {
                    return Err(ImportError::OtherContent(name.to_owned()));
                }
                if last <= known.last_line {
                    return Ok(());
                }
                self.since_checkpoint += parsed.records;
                self.book.read(&parsed)?;
                self.intake.add(parsed.recorded)?;
                self.book.note.read_to(place, last, check, false);
                if self.since_checkpoint >= self.checkpoint_every {
                    self.since_checkpoint = 0;
                    self.intake.checkpoint(self.book.noted()?)?;
                }
                Ok(())
            },
        )?;
        if last < known.last_line {
            return Err(ImportError::Shorter(name.to_owned()));
        }
        self.book.note.read_to(place, last, check, true);
        Ok(())
    }

    /// Seals what was read, stores it in one step, commits it to the log, and exports the store: an import
    /// is done only when there is a whole copy of what it brought.
    pub fn finish(self) -> Result<Progress, ImportError> {
        let Self { exchange, store, mut intake, resume, mut book, .. } = self;
        if let Some(missing) = book.note.files.iter().find(|file| !file.done) {
            return Err(ImportError::Missing(missing.name.clone()));
        }
        if intake.phase() == Phase::Reading {
            intake.checkpoint(book.noted()?)?;
        }
        if intake.phase() != Phase::Loading {
            book.enter(Stage::Resolving);
            book.resolve(&mut intake)?;
            book.enter(Stage::Sealing);
            intake.seal(resume, &|records| Ok(exchange.seal(records)?), &mut book)?;
        }
        book.refusals.save()?;
        book.enter(Stage::Loading);
        let committed = intake.commit(&mut |loaded| {
            book.progress.loaded = loaded;
            book.tell();
        })?;
        book.enter(Stage::Logging);
        log(exchange, &committed)?;
        book.progress.imported = committed.licences;
        // The volumes were read back; with the state beside them they are a whole copy of the store.
        if committed.licences > 0 {
            let export = store.export(exchange.office.clock.now(), &Watch::default());
            book.progress.export_bytes = export.map_err(ImportError::Export)?.bytes;
        }
        book.enter(Stage::Done);
        Ok(book.progress)
    }
}

impl Note {
    /// What is known of the file at this place of the input, whose name is `name`.
    fn file(&mut self, place: usize, name: &str) -> Result<FileNote, ImportError> {
        if self.files.len() <= place {
            let base = self.files.last().map_or(0, |file| file.base + file.last_line + 1);
            self.files.push(FileNote { name: name.to_owned(), base, ..FileNote::default() });
        }
        let known = self.files.get(place).cloned().unwrap_or_default();
        if known.name == name {
            return Ok(known);
        }
        Err(ImportError::OtherFile { known: known.name, given: name.to_owned() })
    }

    fn read_to(&mut self, place: usize, last_line: u64, check: u32, done: bool) {
        if let Some(file) = self.files.get_mut(place) {
            (file.last_line, file.check, file.done) = (last_line, check, done);
        }
    }
}

impl Book<'_> {
    fn read(&mut self, parsed: &lines::Parsed) -> Result<(), ImportError> {
        for refusal in &parsed.refusals {
            self.refusals.write(refusal)?;
        }
        self.progress.lines += parsed.lines;
        self.progress.refused += parsed.refused;
        self.progress.records += parsed.records;
        self.tell();
        Ok(())
    }

    fn resolve(&mut self, intake: &mut Intake<'_>) -> Result<(), ImportError> {
        // A resumed sealing resolves anew; its refusals were counted and listed then.
        let counted = intake.phase() == Phase::Sealing;
        let mut refused = Vec::new();
        intake.resolve(&mut |ordinal, why| {
            if !counted {
                refused.push((ordinal, why));
            }
        })?;
        refused.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        for (ordinal, why) in refused {
            self.refuse(ordinal, why)?;
        }
        Ok(intake.begin_sealing(self.noted()?)?)
    }

    fn refuse(&mut self, ordinal: u64, why: Refused) -> Result<(), ImportError> {
        let file = self.note.files.iter().rev().find(|file| file.base < ordinal);
        let (name, base) = file.map_or(("", 0), |file| (file.name.as_str(), file.base));
        let refusal = Refusal::new(name, ordinal - base, why.field(), why.rule(), why.detail());
        self.progress.refused += 1;
        self.progress.records = self.progress.records.saturating_sub(1);
        self.refusals.write(&refusal)
    }

    /// What a resumed import must know of this moment.
    fn noted(&mut self) -> Result<serde_json::Value, ImportError> {
        self.note.lines = self.progress.lines;
        self.note.refused = self.progress.refused;
        self.note.records = self.progress.records;
        self.note.refusals_bytes = self.refusals.save()?;
        Ok(serde_json::to_value(&self.note)?)
    }

    fn enter(&mut self, stage: Stage) {
        self.progress.stage = stage;
        self.reported = Instant::now();
        (self.report)(&self.progress);
    }

    fn tell(&mut self) {
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            (self.report)(&self.progress);
        }
    }
}

impl SealWatcher<ImportError> for Book<'_> {
    fn sealed(&mut self, so_far: &Sealed, duplicates: &[u64]) -> Result<(), ImportError> {
        for ordinal in duplicates {
            self.refuse(*ordinal, Refused::Duplicate)?;
        }
        self.progress.sealed = so_far.licences;
        self.progress.batches = so_far.batches;
        self.progress.already_here = so_far.already_here;
        self.tell();
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<serde_json::Value, ImportError> {
        self.noted()
    }
}

/// Commits the manifests to the access log.
fn log(exchange: &Exchange, committed: &Committed) -> Result<(), ImportError> {
    let mut first = committed.first_batch;
    let mut entries = committed.manifests.chunks(MANIFESTS_AN_ENTRY as usize).peekable();
    while let Some(manifests) = entries.next() {
        let mut access = Access::new("import", Outcome::Granted);
        access.details.batches = Some(range(first, manifests));
        first += manifests.len() as u64;
        if entries.peek().is_none() {
            access.details.change_number = Some(committed.last_change);
        }
        exchange.log.append(access)?;
    }
    Ok(())
}
