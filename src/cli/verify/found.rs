//! What came of all files, as words, JSON or a page, and as an exit status.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::files::read;
use crate::node::Error;
use licence_seal::ofd::{FileKind, Limits};
use licence_seal::seal::report::{Report, page, summary_page};
use licence_seal::seal::{Ask, Indication, Trust};

pub(super) const PASSED: u8 = 0;
pub(super) const FAILED: u8 = 1;
pub(super) const INDETERMINATE: u8 = 2;
pub(super) const UNREADABLE: u8 = 3;

/// What came of all files.
#[derive(Default)]
pub(super) struct Found {
    pub(super) reports: Vec<Report>,
    /// File and reason.
    unreadable: Vec<(String, String)>,
    /// In the order of asking: a report, or what could not be read.
    order: Vec<Result<usize, usize>>,
    /// A folder was among what was asked: the answer is a summary.
    pub(super) folder: bool,
}

impl Found {
    pub(super) fn look_at_all(&mut self, files: &[PathBuf], trust: &Trust, ask: &Ask<'_>) {
        for path in files {
            let name = path.display().to_string();
            match look_at(path, &name, trust, ask) {
                Ok(report) => {
                    self.order.push(Ok(self.reports.len()));
                    self.reports.push(report);
                }
                Err(why) => self.add_unreadable(name, why),
            }
        }
    }

    pub(super) fn add_unreadable(&mut self, name: String, why: String) {
        self.order.push(Err(self.unreadable.len()));
        self.unreadable.push((name, why));
    }

    pub(super) fn exit_code(&self) -> u8 {
        // A folder in which there is nothing to look at was not verified.
        let none = if self.unreadable.is_empty() && !self.reports.is_empty() { PASSED } else { UNREADABLE };
        self.reports.iter().map(exit_code).fold(none, worse)
    }

    fn count(&self, wanted: Indication) -> usize {
        self.reports.iter().filter(|report| report.verdict.indication == wanted).count()
    }

    pub(super) fn to_text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for (at, one) in self.order.iter().enumerate() {
            if at > 0 && !self.folder {
                writeln!(out)?;
            }
            match one {
                Ok(at) => match self.reports.get(*at) {
                    Some(report) if self.folder => writeln!(out, "{}", report.to_line())?,
                    Some(report) => write!(out, "{}", report.to_text())?,
                    None => {}
                },
                Err(at) => {
                    if let Some((name, why)) = self.unreadable.get(*at) {
                        writeln!(out, "{name}: not readable 无法读取: {why}")?;
                    }
                }
            }
        }
        if self.folder {
            writeln!(
                out,
                "{} files 文件: {} passed 通过, {} failed 未通过, {} not decided 无法判定, {} not readable 无法读取",
                self.order.len(),
                self.count(Indication::TotalPassed),
                self.count(Indication::TotalFailed),
                self.count(Indication::Indeterminate),
                self.unreadable.len()
            )?;
        }
        Ok(())
    }

    pub(super) fn to_json(&self, out: &mut dyn Write) -> Result<(), Error> {
        let mut objects = Vec::with_capacity(self.order.len());
        for one in &self.order {
            match one {
                Ok(at) => objects.extend(self.reports.get(*at).map(serde_json::to_value).transpose()?),
                Err(at) => {
                    let object = |(name, why): &(String, String)| unreadable(name, why);
                    objects.extend(self.unreadable.get(*at).map(object));
                }
            }
        }
        let answer = if self.folder {
            json!({
                "kind": "summary",
                "total": self.order.len(),
                "passed": self.count(Indication::TotalPassed),
                "failed": self.count(Indication::TotalFailed),
                "indeterminate": self.count(Indication::Indeterminate),
                "unreadable": self.unreadable.len(),
                "files": objects,
            })
        } else {
            let single = if objects.len() == 1 { objects.pop() } else { None };
            single.unwrap_or(Value::Array(objects))
        };
        serde_json::to_writer_pretty(&mut *out, &answer)?;
        Ok(writeln!(out)?)
    }

    pub(super) fn to_html(&self, asked: &[PathBuf], out: &mut dyn Write) -> std::io::Result<()> {
        let text = match (self.reports.as_slice(), self.folder || !self.unreadable.is_empty()) {
            ([report], false) => page(report),
            (reports, _) => {
                let asked: Vec<String> = asked.iter().map(|path| path.display().to_string()).collect();
                summary_page(&asked.join(", "), reports, &self.unreadable)
            }
        };
        out.write_all(text.as_bytes())
    }
}

fn unreadable(name: &str, why: &str) -> Value {
    json!({"file": name, "kind": "unreadable", "error": why})
}

fn exit_code(report: &Report) -> u8 {
    match report.verdict.indication {
        Indication::TotalPassed => PASSED,
        Indication::TotalFailed => FAILED,
        Indication::Indeterminate => INDETERMINATE,
    }
}

pub(super) fn worse(one: u8, other: u8) -> u8 {
    [UNREADABLE, FAILED, INDETERMINATE].into_iter().find(|code| [one, other].contains(code)).unwrap_or(PASSED)
}

fn look_at(path: &Path, name: &str, trust: &Trust, ask: &Ask<'_>) -> Result<Report, String> {
    let bytes = read(path)?;
    match FileKind::by_name(name).or_else(|| FileKind::by_content(&bytes)) {
        Some(kind) => Ok(kind.verify(name, &bytes, trust, ask, &Limits::default())),
        None => Err("neither a sealed licence nor a seal nor a stamp nor an OFD".to_owned()),
    }
}
