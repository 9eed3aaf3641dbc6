//! The auditor's commands, on a log's directory.
//!
//! They only read, so they work beside a running node and on a copy. Which directory, and where the
//! keys come from, is wired by the caller.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::accesslog::{self, Filter, Found, Keys, LogError, Outcome, VerifierKey, VerifyOptions};
use crate::durable::Disk;
use licence_seal::time::{Day, Timestamp};

/// `log search`: every filter that is given must match.
#[derive(Args, Clone, Debug, Default)]
pub struct SearchArgs {
    /// From this instant (RFC 3339) or day (YYYY-MM-DD, Asia/Shanghai) on
    #[arg(long, value_name = "TIME", value_parser = from_time)]
    pub from: Option<Timestamp>,
    /// Before this instant, or up to the end of this day
    #[arg(long, value_name = "TIME", value_parser = until_time)]
    pub until: Option<Timestamp>,
    /// Operation: search, data, verify, issue, status, import, …
    #[arg(long)]
    pub op: Option<String>,
    /// granted, refused or failed
    #[arg(long, value_parser = outcome)]
    pub outcome: Option<Outcome>,
    /// Request id
    #[arg(long)]
    pub request: Option<String>,
    /// Partner
    #[arg(long)]
    pub partner: Option<String>,
    /// Operator
    #[arg(long)]
    pub operator: Option<String>,
    /// Code of the matter
    #[arg(long)]
    pub item: Option<String>,
    /// Case number
    #[arg(long)]
    pub case: Option<String>,
    /// Licence identifier
    #[arg(long)]
    pub identifier: Option<String>,
    /// Holder's code; read from standard input when given as "-", to keep it out of the process list
    #[arg(long)]
    pub holder: Option<String>,
    /// At most so many entries
    #[arg(long)]
    pub limit: Option<usize>,
    /// One JSON array instead of lines
    #[arg(long)]
    pub json: bool,
}

/// `log verify`
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// Directory of the log, or of a copy; default: that of the configuration
    pub dir: Option<PathBuf>,
    /// The log's verifier key (NAME+ID+KEY); default: that of the configuration
    #[arg(long, value_name = "VKEY", value_parser = vkey)]
    pub key: Option<VerifierKey>,
    /// The node is running: entries that no checkpoint covers yet are not held against it
    #[arg(long)]
    pub live: bool,
    /// One JSON object instead of words
    #[arg(long)]
    pub json: bool,
}

/// `log proof`
#[derive(Args, Clone, Debug, Default)]
pub struct ProofArgs {
    /// Index of the entry, as a receipt or a search gives it
    pub index: u64,
    /// Directory of the log, or of a copy; default: that of the configuration
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The log's verifier key (NAME+ID+KEY); default: that of the configuration
    #[arg(long, value_name = "VKEY", value_parser = vkey)]
    pub key: Option<VerifierKey>,
}

/// Why a command did not do what it says.
#[derive(Debug, thiserror::Error)]
pub enum LogCommandError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot read or write: {0}")]
    Io(#[from] io::Error),
}

impl SearchArgs {
    /// The filter that these arguments mean.
    ///
    /// # Errors
    /// When the holder's code is to come from standard input and cannot be read.
    pub fn filter(&self) -> io::Result<Filter> {
        let mut holder = self.holder.clone();
        if holder.as_deref() == Some("-") {
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            holder = Some(line.trim().to_owned());
        }
        Ok(Filter {
            from: self.from,
            until: self.until,
            op: self.op.clone(),
            outcome: self.outcome,
            request_id: self.request.clone(),
            partner: self.partner.clone(),
            operator: self.operator.clone(),
            item_code: self.item.clone(),
            case_number: self.case.clone(),
            identifier: self.identifier.clone(),
            holder,
            limit: self.limit,
        })
    }
}

/// Prints the entries of the log in `dir` that match; gives how many.
pub fn search(
    disk: &dyn Disk,
    dir: &Path,
    origin: &str,
    keys: &Keys,
    args: &SearchArgs,
    out: &mut dyn Write,
) -> Result<usize, LogCommandError> {
    let found = accesslog::search(disk, dir, origin, keys, None, &args.filter()?)?;
    if args.json {
        let all: Vec<_> = found.iter().map(found_json).collect();
        writeln!(out, "{:#}", Value::from(all))?;
    } else {
        for one in &found {
            writeln!(out, "{}", found_line(one))?;
        }
    }
    Ok(found.len())
}

/// Checks the log in `dir` and prints the report. True, for exit status 0, only when it is whole.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    key: &VerifierKey,
    args: &VerifyArgs,
    out: &mut dyn Write,
) -> Result<bool, LogCommandError> {
    let report = accesslog::verify(disk, dir, key, VerifyOptions { live: args.live });
    if args.json {
        writeln!(out, "{:#}", json!(report))?;
        return Ok(report.verified);
    }
    let root = report.root.as_deref().unwrap_or("none");
    writeln!(out, "log      {}", report.origin.as_deref().unwrap_or(&key.name))?;
    writeln!(out, "entries  {} under the checkpoint, {} after it", report.size, report.unsigned)?;
    writeln!(out, "root     {root}")?;
    let journal = if report.journal { "compared" } else { "not here" };
    writeln!(out, "tiles    {} compared; journal {journal}", report.tiles_checked)?;
    for finding in &report.findings {
        writeln!(out, "WRONG    {finding}")?;
    }
    let verdict = if report.verified {
        "VERIFIED: nothing under this checkpoint was changed or taken out"
    } else {
        "NOT VERIFIED"
    };
    writeln!(out, "{verdict}")?;
    Ok(report.verified)
}

/// Prints the inclusion proof of an entry as JSON. True only when it holds under `key`.
pub fn proof(
    disk: &dyn Disk,
    dir: &Path,
    key: &VerifierKey,
    index: u64,
    out: &mut dyn Write,
) -> Result<bool, LogCommandError> {
    let (leaf, proof) = accesslog::prove(disk, dir, index)?;
    let checkpoint = proof.verify(&leaf, key);
    let shown = json!({
        "index": index,
        "leafHash": hex::encode(leaf),
        "size": checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        "path": proof.path,
        "checkpoint": proof.checkpoint,
        "verified": checkpoint.is_some(),
    });
    writeln!(out, "{shown:#}")?;
    Ok(checkpoint.is_some())
}

fn found_json(found: &Found) -> Value {
    let entry = &found.entry;
    json!({
        "index": found.index,
        "leafHash": hex::encode(found.leaf_hash),
        "time": entry.time,
        "region": entry.region,
        "op": entry.op,
        "outcome": entry.outcome,
        "part": entry.part,
        "requestDigest": entry.request_digest,
        "details": found.details,
    })
}

fn found_line(found: &Found) -> String {
    let entry = &found.entry;
    let mut line = format!("{:>8}  {}  {} {}", found.index, entry.time, entry.op, entry.outcome.name());
    let Some(details) = &found.details else { return line + "  (the month's key was destroyed)" };
    let texts = [
        ("partner", &details.partner),
        ("operator", &details.operator),
        ("item", &details.item_code),
        ("case", &details.case_number),
        ("source", &details.source),
        ("rule", &details.rule),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            line.push_str(&format!("  {name}={}", printable(text)));
        }
    }
    for identifier in &details.identifiers {
        line.push_str(&format!("  {}", printable(identifier)));
    }
    line
}

/// What others sent must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn from_time(text: &str) -> Result<Timestamp, String> {
    time(text, 0)
}

fn until_time(text: &str) -> Result<Timestamp, String> {
    time(text, 1)
}

fn time(text: &str, days: i64) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .or_else(|| Some(Day::parse(text)?.plus_days(days).start()))
        .ok_or_else(|| "neither RFC 3339 nor YYYY-MM-DD".to_owned())
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text).ok_or_else(|| "granted, refused or failed".to_owned())
}

fn vkey(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::accesslog::{Access, LogSettings, OpenLog};
    use crate::durable::FaultDisk;
    use licence_seal::crypto::{AeadKey, Ed25519Signer, Secret, SeededRandom};
    use licence_seal::time::ManualClock;

    #[derive(Parser)]
    struct Search {
        #[command(flatten)]
        args: SearchArgs,
    }

    const ORIGIN: &str = "log.example/1";

    fn master() -> AeadKey {
        Secret::from_bytes([1; 32]).aead().unwrap()
    }

    fn sample() -> (FaultDisk, &'static Path, VerifierKey) {
        let (disk, dir) = (FaultDisk::new(), Path::new("log"));
        let start = Timestamp::parse_rfc3339("2026-11-23T04:00:00Z").unwrap();
        let clock = Arc::new(ManualClock::at(start));
        let opened = OpenLog {
            disk: Arc::new(disk.clone()),
            dir,
            settings: LogSettings::new(ORIGIN, "120000"),
            master: master(),
            signer: Ed25519Signer::from_seed(&[5; 32]).unwrap(),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new("cli")),
        };
        let log = opened.open().unwrap().0;
        for partner in ["a", "b\u{1b}[2J", "a"] {
            let mut access = Access::new("data", Outcome::Granted);
            access.details.partner = Some(partner.into());
            log.append(access).unwrap();
            clock.advance_secs(86_400);
        }
        log.close().unwrap();
        let key = log.verifier_key();
        (disk, dir, key)
    }

    fn found(disk: &FaultDisk, flags: &[&str]) -> String {
        let args = Search::try_parse_from([&["search"], flags].concat()).unwrap().args;
        let keys = Keys::new(Arc::new(disk.clone()), Path::new("log"), master());
        let mut out = Vec::new();
        search(disk, Path::new("log"), ORIGIN, &keys, &args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn flags_become_filters_and_output_cannot_steer_the_terminal() {
        let (disk, ..) = sample();
        assert_eq!(found(&disk, &["--partner", "a"]).lines().count(), 2);
        assert_eq!(found(&disk, &["--from", "2026-11-24", "--until", "2026-11-24"]).lines().count(), 1);
        assert!(!found(&disk, &[]).contains('\u{1b}'));
        let json: Value = serde_json::from_str(&found(&disk, &["--json", "--outcome", "granted"])).unwrap();
        assert_eq!(json[2]["details"]["counter"], 2);
        assert!(Search::try_parse_from(["search", "--outcome", "maybe"]).is_err());
        assert!(Search::try_parse_from(["search", "--from", "yesterday"]).is_err());
    }

    #[test]
    fn a_whole_log_and_its_proofs_verify_and_a_changed_one_does_not() {
        let (disk, dir, key) = sample();
        let mut out = Vec::new();
        assert!(verify(&disk, dir, &key, &VerifyArgs::default(), &mut out).unwrap());
        assert!(proof(&disk, dir, &key, 2, &mut out).unwrap());
        assert!(proof(&disk, dir, &key, 3, &mut out).is_err());
        disk.tamper(&dir.join("tile/0/000.p/3"), |tile| tile[70] ^= 1);
        assert!(!verify(&disk, dir, &key, &VerifyArgs::default(), &mut out).unwrap());
        assert!(!proof(&disk, dir, &key, 1, &mut out).unwrap());
        assert!(String::from_utf8(out).unwrap().contains("WRONG    log.tile tile/0/000.p/3"));
    }
}
