//! The input of an import: cut into chunks on one thread, parsed on several.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use super::error::ImportError;
use super::refusals::Refusal;
use crate::exchange::rules;
use crate::store::{Recorded, Recorder, Recording};
use licence_seal::licence::{Catalogue, Record, RecordError};

/// What stood in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    JsonLines,
    Csv,
}

/// Longest line, in bytes: a record with its pictures.
const MAX_LINE: usize = 4 << 20;
/// Bytes of a chunk, and rows of one.
const CHUNK: usize = 1 << 20;
const ROWS: usize = 1_000;

/// Some lines of a file.
pub(super) struct Chunk {
    /// Number of its first line and of its last, from 1.
    first: u64,
    last: u64,
    content: Content,
}

enum Content {
    Lines(Vec<u8>),
    Rows {
        header: Arc<csv::StringRecord>,
        rows: Vec<(u64, Option<csv::StringRecord>)>,
    },
    /// One line past the limit.
    TooLong,
}

/// What came of a chunk.
#[derive(Default)]
pub(super) struct Parsed {
    /// Number of its last line.
    pub(super) last: u64,
    /// Lines that are not empty.
    pub(super) lines: u64,
    /// Lines that do not go in; a line may break several rules.
    pub(super) refused: u64,
    pub(super) refusals: Vec<Refusal>,
    pub(super) records: u64,
    pub(super) recorded: Recorded,
    /// CRC-32C of its bytes, and their number.
    pub(super) check: (u32, usize),
}

/// Cuts a file into chunks.
pub(super) fn chunks<'a>(
    name: &'a str,
    format: Format,
    content: impl Read + Send + 'a,
) -> Result<Box<dyn Iterator<Item = Result<Chunk, ImportError>> + Send + 'a>, ImportError> {
    Ok(match format {
        Format::JsonLines => Box::new(Lines {
            name,
            reader: BufReader::with_capacity(CHUNK, content),
            rest: Vec::new(),
            line: 1,
        }),
        Format::Csv => {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(content);
            let header = reader.headers().map_err(|why| unreadable(name, &why))?.clone();
            Box::new(Rows {
                name,
                rows: reader.into_records(),
                header: Arc::new(header),
                line: 2,
                failed: false,
            })
        }
    })
}

struct Lines<'a, R> {
    name: &'a str,
    reader: BufReader<R>,
    /// The beginning of a line whose end was not read yet.
    rest: Vec<u8>,
    /// Number of the next line.
    line: u64,
}

impl<R: Read> Iterator for Lines<'_, R> {
    type Item = Result<Chunk, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.chunk().map_err(|why| unreadable(self.name, &why)).transpose()
    }
}

impl<R: Read> Lines<'_, R> {
    fn chunk(&mut self) -> std::io::Result<Option<Chunk>> {
        let mut text = std::mem::take(&mut self.rest);
        loop {
            let before = text.len();
            text.reserve(CHUNK + 1);
            let read = (&mut self.reader).take(CHUNK as u64).read_to_end(&mut text)?;
            let end = text.get(before..).and_then(|new| new.iter().rposition(|byte| *byte == b'\n'));
            if let Some(end) = end {
                self.rest = text.split_off(before + end + 1);
                break;
            }
            if read == 0 {
                break;
            }
            if text.len() > MAX_LINE {
                skip_line(&mut self.reader)?;
                self.line += 1;
                return Ok(Some(Chunk {
                    first: self.line - 1,
                    last: self.line - 1,
                    content: Content::TooLong,
                }));
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        let first = self.line;
        let ends = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.line += ends + u64::from(!text.ends_with(b"\n"));
        Ok(Some(Chunk { first, last: self.line - 1, content: Content::Lines(text) }))
    }
}

struct Rows<'a, R> {
    name: &'a str,
    rows: csv::StringRecordsIntoIter<R>,
    header: Arc<csv::StringRecord>,
    line: u64,
    failed: bool,
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Chunk, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < ROWS && bytes < CHUNK && !self.failed {
            match self.rows.next() {
                None => break,
                Some(Ok(row)) => {
                    bytes += row.as_slice().len();
                    rows.push((row.position().map_or(0, csv::Position::line), Some(row)));
                }
                Some(Err(why)) if why.is_io_error() => {
                    self.failed = true;
                    return Some(Err(unreadable(self.name, &why)));
                }
                Some(Err(why)) => rows.push((why.position().map_or(0, csv::Position::line), None)),
            }
        }
        let last = rows.last()?.0.max(self.line);
        let chunk = Chunk {
            first: self.line,
            last,
            content: Content::Rows { header: Arc::clone(&self.header), rows },
        };
        self.line = last + 1;
        Some(Ok(chunk))
    }
}

/// Parses the lines of a chunk after line `skip`; `base` is added to a line's number for its ordinal.
pub(super) fn parse(
    chunk: Chunk,
    name: &str,
    base: u64,
    skip: u64,
    catalogue: &Catalogue,
    recorder: &Recorder,
) -> Parsed {
    let parsed = Parsed { last: chunk.last, ..Parsed::default() };
    let mut parser = Parser { name, base, skip, recording: recorder.begin(), parsed };
    match chunk.content {
        Content::TooLong => parser.refuse(chunk.first, rules::LINE_TOO_LONG, "a line is at most 4 MiB"),
        Content::Lines(text) => {
            parser.parsed.check = (crc32c::crc32c(&text), text.len());
            for (number, line) in (chunk.first..).zip(lines(&text)) {
                let line = line.trim_ascii();
                if line.is_empty() || number <= skip {
                    continue;
                }
                if line.len() > MAX_LINE {
                    parser.refuse(number, rules::LINE_TOO_LONG, "a line is at most 4 MiB");
                } else {
                    parser.take(number, Record::parse_json(line, catalogue));
                }
            }
        }
        Content::Rows { header, rows } => {
            for (number, row) in rows {
                let bytes = row.as_ref().map(csv::StringRecord::as_slice).unwrap_or_default().as_bytes();
                let (check, length) = parser.parsed.check;
                parser.parsed.check = (crc32c::crc32c_append(check, bytes), length + bytes.len());
                match row {
                    _ if number <= skip => {}
                    None => parser.refuse(number, rules::LINE_CSV, "not a row of CSV in UTF-8 (RFC 4180)"),
                    Some(row) if row.len() != header.len() => {
                        parser.refuse(
                            number,
                            rules::LINE_COLUMNS,
                            "not as many cells as the header has names",
                        );
                    }
                    Some(row) => {
                        parser.take(number, Record::from_row(header.iter().zip(row.iter()), catalogue));
                    }
                }
            }
        }
    }
    Parsed { recorded: parser.recording.finish(), ..parser.parsed }
}

/// The lines of a text, the last without its end too.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let all = rest;
        // It looks for the end of the line at many bytes at once, and reading from memory does not fail.
        let length = rest.skip_until(b'\n').unwrap_or_default();
        all.get(..length).filter(|line| !line.is_empty())
    })
}

struct Parser<'a> {
    name: &'a str,
    base: u64,
    skip: u64,
    recording: Recording<'a>,
    parsed: Parsed,
}

impl Parser<'_> {
    fn take(&mut self, number: u64, record: Result<Record, Vec<RecordError>>) {
        self.parsed.lines += 1;
        match record {
            Ok(record) => {
                self.parsed.records += 1;
                self.recording.add(&record, self.base + number);
            }
            Err(errors) => {
                self.parsed.refused += 1;
                let refusal = |error: &RecordError| {
                    let (rule, detail) = (error.rule.rule(), error.rule.to_string());
                    Refusal::new(self.name, number, &error.field, rule, &detail)
                };
                self.parsed.refusals.extend(errors.iter().map(refusal));
            }
        }
    }

    fn refuse(&mut self, number: u64, rule: &str, detail: &str) {
        if number > self.skip {
            self.parsed.lines += 1;
            self.parsed.refused += 1;
            self.parsed.refusals.push(Refusal::new(self.name, number, "", rule, detail));
        }
    }
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

fn unreadable(name: &str, why: &dyn std::fmt::Display) -> ImportError {
    ImportError::File { name: name.to_owned(), why: why.to_string() }
}
