//! `verify FILE…`: a report on each file, for a clerk or as JSON, without any network.
//!
//! A folder stands for the files in it that have one of the known endings; then the answer is one
//! summary, a line for each file.
//!
//! What a file is, is told by its ending (`.licence.json`, `.esl`, `.dat`, `.ofd`), and where that
//! says nothing by its first bytes. A file that is what it claims to be but is broken is a failure
//! (1); not readable (3) is what could not be looked at. Over several files the worst counts, in the
//! order 3, 1, 2, 0: a file that nobody looked at must not hide behind one that failed.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::node::Error;
use licence_seal::licence::Catalogue;
use licence_seal::ofd::{FileKind, Limits};
use licence_seal::seal::report::{Report, page, summary_page};
use licence_seal::seal::{Ask, Indication, MAX_SEALED_LICENCE, Trust};
use licence_seal::time::{Clock, Day, Timestamp};

const PASSED: u8 = 0;
const FAILED: u8 = 1;
const INDETERMINATE: u8 = 2;
const UNREADABLE: u8 = 3;
/// How deep folders are looked through, and how many files are taken at once.
const MAX_FOLDERS: usize = 16;
const MAX_FILES: usize = 10_000;

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
                Err(why) => found.refuse(path.display().to_string(), why),
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
        Format::Html => found.to_html(args, out)?,
        Format::Text => found.to_text(out)?,
    }
    Ok(found.exit_code())
}

/// What came of all files.
#[derive(Default)]
struct Found {
    reports: Vec<Report>,
    /// File and reason.
    unreadable: Vec<(String, String)>,
    /// In the order of asking: a report, or what could not be read.
    order: Vec<Result<usize, usize>>,
    /// A folder was among what was asked: the answer is a summary.
    folder: bool,
}

impl Found {
    fn look_at_all(&mut self, files: &[PathBuf], trust: &Trust, ask: &Ask<'_>) {
        for path in files {
            let name = path.display().to_string();
            match look_at(path, &name, trust, ask) {
                Ok(report) => {
                    self.order.push(Ok(self.reports.len()));
                    self.reports.push(report);
                }
                Err(why) => self.refuse(name, why),
            }
        }
    }

    fn refuse(&mut self, name: String, why: String) {
        self.order.push(Err(self.unreadable.len()));
        self.unreadable.push((name, why));
    }

    fn exit_code(&self) -> u8 {
        // A folder in which there is nothing to look at was not verified.
        let none = if self.unreadable.is_empty() && !self.reports.is_empty() { PASSED } else { UNREADABLE };
        self.reports.iter().map(exit_code).fold(none, worse)
    }

    fn count(&self, wanted: Indication) -> usize {
        self.reports.iter().filter(|report| report.verdict.indication == wanted).count()
    }

    fn to_text(&self, out: &mut dyn Write) -> std::io::Result<()> {
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

    fn to_json(&self, out: &mut dyn Write) -> Result<(), Error> {
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

    fn to_html(&self, args: &VerifyArgs, out: &mut dyn Write) -> std::io::Result<()> {
        let text = match (self.reports.as_slice(), self.folder || !self.unreadable.is_empty()) {
            ([report], false) => page(report),
            (reports, _) => {
                let asked: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
                summary_page(&asked.join(", "), reports, &self.unreadable)
            }
        };
        out.write_all(text.as_bytes())
    }
}

/// Files below a folder that have one of the known endings, in the order of their paths. Links are
/// not followed.
fn files_below(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|why| format!("{}: {why}", folder.display()))?;
            let kind = entry.file_type().map_err(|why| why.to_string())?;
            let path = entry.path();
            if kind.is_dir() {
                if depth >= MAX_FOLDERS {
                    return Err(format!("{}: folders deeper than {MAX_FOLDERS}", path.display()));
                }
                open.push((path, depth + 1));
            } else if kind.is_file() && FileKind::by_name(&entry.file_name().to_string_lossy()).is_some() {
                found.push(path);
            }
            if found.len() > MAX_FILES {
                return Err(format!("more than {MAX_FILES} files; verify its folders one by one"));
            }
        }
    }
    found.sort();
    if found.is_empty() { Err("a folder without a file to verify".to_owned()) } else { Ok(found) }
}

fn unreadable(name: &str, why: &str) -> Value {
    json!({"file": name, "kind": "unreadable", "error": why})
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

fn exit_code(report: &Report) -> u8 {
    match report.verdict.indication {
        Indication::TotalPassed => PASSED,
        Indication::TotalFailed => FAILED,
        Indication::Indeterminate => INDETERMINATE,
    }
}

fn worse(one: u8, other: u8) -> u8 {
    [UNREADABLE, FAILED, INDETERMINATE].into_iter().find(|code| [one, other].contains(code)).unwrap_or(PASSED)
}

fn look_at(path: &Path, name: &str, trust: &Trust, ask: &Ask<'_>) -> Result<Report, String> {
    let bytes = read(path)?;
    match FileKind::by_name(name).or_else(|| FileKind::by_content(&bytes)) {
        Some(kind) => Ok(kind.verify(name, &bytes, trust, ask, &Limits::default())),
        None => Err("neither a sealed licence nor a seal nor a stamp nor an OFD".to_owned()),
    }
}

/// Reads a file of at most 20 MiB; whatever its size is said to be, not a byte more is taken in.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let limit = u64::try_from(MAX_SEALED_LICENCE).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    if file.metadata().map_err(|why| why.to_string())?.is_dir() {
        return Err("a folder, not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|why| why.to_string())?;
    if bytes.len() > MAX_SEALED_LICENCE {
        return Err(format!("larger than {} MiB", MAX_SEALED_LICENCE >> 20));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use licence_seal::crypto::pem_encode;
    use licence_seal::seal::ses::{Seal, Stamp};
    use licence_seal::time::ManualClock;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    /// When the golden files are good.
    const AT: &str = "2026-11-23T13:05:06+08:00";

    fn args(files: &[&Path]) -> VerifyArgs {
        let files = files.iter().map(|file| file.to_path_buf()).collect();
        VerifyArgs { files, at: moment(AT).ok(), ..VerifyArgs::default() }
    }

    fn ask(args: &VerifyArgs) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let clock = ManualClock::at(Timestamp::parse_rfc3339(AT).unwrap());
        let code = verify(args, &clock, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn golden(name: &str) -> PathBuf {
        Path::new(GOLDEN).join("sm2-sm3").join(name)
    }

    fn trusting(files: &[&Path]) -> VerifyArgs {
        VerifyArgs { trust: Some(golden("trust")), ..args(files) }
    }

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: VerifyArgs,
    }

    #[test]
    fn the_command_line_says_what_is_asked() {
        use clap::Parser;
        let line = "verify a b --trust T --crl c --crl d --at 2026-11-23 --seal-only --report json";
        let args = Line::try_parse_from(line.split(' ')).unwrap().args;
        assert_eq!((args.files.len(), args.crl.len(), args.report), (2, 2, Format::Json));
        assert!(args.seal_only && args.trust.is_some());
        assert_eq!(args.at, Day::parse("2026-11-23").map(Moment::Day));
        for bad in ["verify", "verify a --at yesterday", "verify a --report pdf"] {
            assert!(Line::try_parse_from(bad.split(' ')).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_verdict_has_its_exit_code_and_the_worst_counts() {
        let [good, revoked, silent] = [0, 1, 2].map(|n| golden(&format!("licence-{n}.licence.json")));
        let absent = golden("absent.licence.json");
        for (files, code) in [
            (vec![&good], 0),
            (vec![&revoked], 1),
            (vec![&silent], 2),
            (vec![&absent], 3),
            (vec![&good, &silent], 2),
            (vec![&silent, &revoked, &good], 1),
            (vec![&absent, &revoked], 3),
        ] {
            let files: Vec<&Path> = files.into_iter().map(PathBuf::as_path).collect();
            assert_eq!(ask(&trusting(&files)).0, code, "{files:?}");
        }
        let seal_only = VerifyArgs { seal_only: true, ..trusting(&[&revoked, &silent]) };
        assert_eq!(ask(&seal_only).0, 0);
        assert_eq!(ask(&args(&[&good])).0, 2);
        let stale = VerifyArgs { at: moment("2026-11-25").ok(), ..trusting(&[&good]) };
        let (code, text, _) = ask(&stale);
        assert_eq!(code, 2);
        assert!(text.contains("印章有效，状态未核"), "{text}");
        assert_eq!(ask(&VerifyArgs { at: moment("2031-03-01").ok(), ..trusting(&[&good]) }).0, 1);
        assert_eq!(ask(&VerifyArgs { at: None, ..trusting(&[&good, &golden("seal.esl")]) }).0, 0);
    }

    #[test]
    fn one_file_gives_an_object_and_several_an_array() {
        let good = golden("licence-0.licence.json");
        let json = |files: &[&Path]| {
            let (_, text, _) = ask(&VerifyArgs { report: Format::Json, ..trusting(files) });
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let one = json(&[&good]);
        assert_eq!(one["verdict"]["indication"], "TOTAL_PASSED");
        assert_eq!(one["file"], good.display().to_string());
        let two = json(&[&good, Path::new("absent.esl")]);
        assert_eq!(two[0], one);
        assert_eq!(two[1]["kind"], "unreadable");
        assert!(two[1]["error"].is_string());
    }

    #[test]
    fn a_file_is_known_by_its_ending_or_else_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        for (from, to, code, word) in [
            ("licence-0.licence.json", "x.json", 0, "valid"),
            ("seal.esl", "y", 0, "the seal is good"),
            ("stamp.dat", "z.bin", 2, "dataHash"),
            ("seal.esl", "seal.dat", 1, "stampFormat"),
            ("stamp.dat", "x.licence.json", 1, "format.canonical"),
        ] {
            let to = dir.path().join(to);
            std::fs::copy(golden(from), &to).unwrap();
            let (found, text, _) = ask(&trusting(&[&to]));
            assert_eq!(found, code, "{text}");
            assert!(text.contains(word), "{text}");
        }
        for (name, bytes, why) in [
            ("a.ofd", b"PK\x03\x04".as_slice(), "ofd.package"),
            ("b", b"PK\x03\x04....", "ofd.package"),
            ("c.txt", b"hello", "neither"),
            ("d", b"", "neither"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let (code, text, _) = ask(&trusting(&[&path]));
            assert_eq!(code, if why == "neither" { 3 } else { 1 });
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn a_folder_gives_one_summary() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("more");
        std::fs::create_dir(&below).unwrap();
        assert_eq!(ask(&trusting(&[dir.path()])).0, 3);
        for (from, to) in [(0, "a.licence.json"), (2, "more/c.licence.json"), (1, "b.licence.json")] {
            std::fs::copy(golden(&format!("licence-{from}.licence.json")), dir.path().join(to)).unwrap();
        }
        std::fs::write(dir.path().join("README"), "not looked at").unwrap();
        let (code, text, _) = ask(&trusting(&[dir.path()]));
        assert_eq!((code, text.lines().count()), (1, 4), "{text}");
        assert!(
            text.contains("3 files 文件: 1 passed 通过, 1 failed 未通过, 1 not decided 无法判定"),
            "{text}"
        );
        let json = VerifyArgs { report: Format::Json, ..trusting(&[dir.path()]) };
        let summary: Value = serde_json::from_str(&ask(&json).1).unwrap();
        assert_eq!((summary["kind"].as_str(), summary["total"].as_u64()), (Some("summary"), Some(3)));
        assert_eq!(summary["files"][1]["verdict"]["indication"], "TOTAL_FAILED");
        let html = VerifyArgs { report: Format::Html, ..trusting(&[dir.path()]) };
        let page = ask(&html).1;
        assert_eq!(page.matches("<section").count(), 3);
        assert!(page.contains("批量核验汇总") && !page.contains("<script"));
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.licence.json");
        std::fs::File::create(&path).unwrap().set_len(MAX_SEALED_LICENCE as u64 + 1).unwrap();
        let (code, text, _) = ask(&trusting(&[&path]));
        assert_eq!(code, 3);
        assert!(text.contains("larger than 20 MiB"), "{text}");
    }

    #[test]
    fn a_trust_folder_or_list_that_cannot_be_read_stops_everything() {
        let good = golden("licence-0.licence.json");
        let absent = VerifyArgs { trust: Some(golden("absent")), ..args(&[&good]) };
        let (code, out, err) = ask(&absent);
        assert_eq!((code, out.as_str()), (3, ""));
        assert!(err.contains("is not a folder"), "{err}");
        let no_list = VerifyArgs { crl: vec![golden("manifest.txt")], ..trusting(&[&good]) };
        assert_eq!(ask(&no_list).0, 3);
        let twice = VerifyArgs { crl: vec![golden("trust/crl/120000.crl")], ..trusting(&[&good]) };
        assert_eq!(ask(&twice).0, 0);
    }

    #[test]
    fn a_day_means_its_end_and_today_means_now() {
        let now = Timestamp::parse_rfc3339(AT).unwrap();
        assert_eq!(moment("2026-11-23").unwrap().instant(now), now);
        assert_eq!(moment("2026-11-22").unwrap().instant(now).rfc3339(), "2026-11-22T15:59:59.999Z");
        assert_eq!(moment(AT).unwrap().instant(now), now);
        assert!(moment("23.11.2026").is_err());
    }

    /// Seals and stamps of another maker, and anchors taken out of them.
    #[test]
    fn seals_and_stamps_of_other_makers_come_out_as_they_should() {
        let base = std::env::var("LICENCE_VECTORS")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors").into());
        let base = Path::new(&base).join("ofd-seal");
        if !base.is_dir() {
            println!("skipped: no ofd-seal vectors (set LICENCE_VECTORS)");
            return;
        }
        for name in ["UserV1.esl", "UserV4.esl", "UserV5.esl", "SignedValueV4.dat", "SignedValueV5.dat"] {
            let path = base.join(name);
            let bytes = std::fs::read(&path).unwrap();
            let (mut anchors, at) = match Seal::from_der(&bytes) {
                Ok(seal) => (vec![seal.maker_certificate], seal.valid_from.plus_secs(86_400)),
                Err(_) => {
                    let stamp = Stamp::from_der(&bytes).unwrap();
                    let anchors = vec![stamp.seal.maker_certificate, stamp.certificate];
                    (anchors, stamp.time.unwrap().plus_secs(86_400))
                }
            };
            anchors.dedup();
            let at = Some(Moment::Instant(at));
            let (code, text, _) = ask(&VerifyArgs { at, ..args(&[&path]) });
            assert_eq!(code, 2, "{text}");
            assert!(text.contains("INDETERMINATE (NO_CERTIFICATE_CHAIN_FOUND)"), "{text}");

            let dir = tempfile::tempdir().unwrap();
            for (n, anchor) in anchors.iter().enumerate() {
                let pem = pem_encode("CERTIFICATE", anchor).unwrap();
                std::fs::write(dir.path().join(format!("{n}.pem")), pem).unwrap();
            }
            let trusted = VerifyArgs { at, trust: Some(dir.path().to_owned()), ..args(&[&path]) };
            let (code, text, _) = ask(&trusted);
            let marked = |mark: &str| -> Vec<&str> {
                let found = text.lines().filter_map(|line| line.trim_start().strip_prefix(mark));
                found.filter_map(|line| line.split_whitespace().next()).collect()
            };
            // The certificates of V5 ran out in 2022, their seal begins in 2026: there is no moment
            // at which both hold, and the report says so.
            let expired: &[&str] = match name {
                "UserV5.esl" => &["sealMakerCertificate"],
                "SignedValueV5.dat" => &["sealMakerCertificate", "signerCertificate"],
                _ => &[],
            };
            assert_eq!(marked("FAILED "), expired, "{text}");
            let open: &[&str] = if name.ends_with(".dat") { &["dataHash"] } else { &[] };
            assert_eq!(marked("not checked "), open, "{text}");
            let wanted = match (expired, open) {
                ([], []) => 0,
                ([], _) => 2,
                _ => 1,
            };
            assert_eq!(code, wanted, "{text}");
        }
    }
}
