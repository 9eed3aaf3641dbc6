//! The file of refused lines: line, field and rule, never the value.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

use super::error::ImportError;

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

impl Refusal {
    pub(super) fn new(file: &str, line: u64, field: &str, rule: &str, detail: &str) -> Self {
        let own = str::to_owned;
        Self { file: own(file), line, field: own(field), rule: own(rule), detail: own(detail) }
    }
}

/// JSON lines of [`Refusal`]s, or nowhere.
pub(super) struct Refusals(Option<BufWriter<File>>);

impl Refusals {
    /// Opens the file, cut to `length`: what was written after the last checkpoint is written again.
    pub(super) fn open(path: Option<&Path>, length: u64) -> Result<Self, ImportError> {
        let Some(path) = path else { return Ok(Self(None)) };
        let open = || {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.set_len(length.min(file.metadata()?.len()))?;
            file.seek(SeekFrom::End(0))?;
            Ok::<_, std::io::Error>(file)
        };
        let file = open().map_err(|why| ImportError::RefusedFile { path: path.to_owned(), why })?;
        Ok(Self(Some(BufWriter::new(file))))
    }

    pub(super) fn write(&mut self, refusal: &Refusal) -> Result<(), ImportError> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut text = serde_json::to_vec(refusal)?;
        text.push(b'\n');
        file.write_all(&text).map_err(ImportError::Refusals)
    }

    /// Makes what was written last, and says how long the file is.
    pub(super) fn save(&mut self) -> Result<u64, ImportError> {
        let Some(file) = &mut self.0 else { return Ok(0) };
        let mut save = || {
            file.flush()?;
            file.get_ref().sync_data()?;
            file.stream_position()
        };
        save().map_err(ImportError::Refusals)
    }
}
