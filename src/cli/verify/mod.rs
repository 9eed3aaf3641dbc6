//! `verify FILE…`: a report on each file, for a clerk or as JSON, without any network.
//!
//! A folder stands for the files in it that have one of the known endings; then the answer is one
//! summary, a line for each file.
//!
//! What a file is, is told by its ending (`.licence.json`, `.esl`, `.dat`, `.ofd`), and where that
//! says nothing by its first bytes. A file that is what it claims to be but is broken is a failure
//! (1); not readable (3) is what could not be looked at. Over several files the worst counts, in the
//! order 3, 1, 2, 0: a file that nobody looked at must not hide behind one that failed.

mod files;
mod found;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::files::{files_below, read};
use self::found::{Found, UNREADABLE};
use crate::node::Error;
use licence_seal::licence::Catalogue;
use licence_seal::seal::{Ask, Trust};
use licence_seal::time::{Clock, Day, Timestamp};

/// Verify OFD documents (.ofd), sealed licences (.licence.json), seals (.esl) and stamps (.dat), offline.
///
/// A folder is looked through for files with these endings, and gives one summary.
///
/// Exit status: 0 passed, 1 failed, 2 indeterminate, 3 not readable; the worst of several files, in
/// the order 3, 1, 2, 0.
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// Files to verify, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Trust folder: anchors/, directory/, issuers/, crl/, or just certificates
    #[arg(long, value_name = "DIR")]
    pub trust: Option<PathBuf>,
    /// Further revocation lists, DER or PEM
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// Answer for this instant (RFC 3339), or for the end of this day (YYYY-MM-DD, Asia/Shanghai);
    /// today is now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Moment>,
    /// Leave a licence's status out
    #[arg(long)]
    pub seal_only: bool,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    pub report: Format,
}

/// The form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Words, in English and Chinese.
    #[default]
    Text,
    /// One object; an array of them for several files.
    Json,
    /// One page to read and print, in Chinese and English.
    Html,
}

/// What `--at` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Instant(Timestamp),
    Day(Day),
}

impl Moment {
    /// A day that is over is asked at its last millisecond; the day that is running, now.
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Day(day) if day == now.day() => now,
            Self::Day(day) => Timestamp::from_millis(day.plus_days(1).start().millis().saturating_sub(1)),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let instant = || Timestamp::parse_rfc3339(text).map(Moment::Instant);
    Day::parse(text)
        .map(Moment::Day)
        .or_else(instant)
        .ok_or_else(|| "not RFC 3339 (2026-11-23T12:00:00+08:00) and not a day (2026-11-23)".to_owned())
}

/// Verifies the files. Reports go to `out`; what keeps all files from being looked at goes to `err`.
///
/// # Errors
/// Only when `out` or `err` cannot be written.
pub fn run(
    args: &VerifyArgs,
    clock: &dyn Clock,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitCode, Error> {
    Ok(ExitCode::from(verify(args, clock, out, err)?))
}

fn verify(
    args: &VerifyArgs,
    clock: &dyn Clock,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, Error> {
    let trust = match trust(args) {
        Ok(trust) => trust,
        Err(why) => {
            writeln!(err, "{why}")?;
            return Ok(UNREADABLE);
        }
    };
    let now = clock.now();
    let ask = Ask {
        at: args.at.map_or(now, |at| at.instant(now)),
        seal_only: args.seal_only,
        catalogue: Catalogue::embedded().ok(),
    };
    let mut found = Found::default();
    for path in &args.files {
        if path.is_dir() {
            found.folder = true;
            match files_below(path) {
                Ok(files) => found.look_at_all(&files, &trust, &ask),
                Err(why) => found.add_unreadable(path.display().to_string(), why),
            }
        } else {
            found.look_at_all(std::slice::from_ref(path), &trust, &ask);
        }
    }
    if args.trust.is_none() && found.reports.iter().any(|report| !report.verdict.passed()) {
        writeln!(err, "no trust folder was given (--trust DIR), so nobody is trusted 未指定信任目录")?;
    }
    match args.report {
        Format::Json => found.to_json(out)?,
        Format::Html => found.to_html(&args.files, out)?,
        Format::Text => found.to_text(out)?,
    }
    Ok(found.exit_code())
}

fn trust(args: &VerifyArgs) -> Result<Trust, String> {
    let mut trust = match &args.trust {
        Some(dir) => Trust::read(dir).map_err(|why| why.to_string())?,
        None => Trust::default(),
    };
    for path in &args.crl {
        let name = path.display();
        let bytes = read(path).map_err(|why| format!("{name}: {why}"))?;
        trust.add_crls(&bytes).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(trust)
}

#[cfg(test)]
mod tests;
