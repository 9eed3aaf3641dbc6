//! What `verify` answers for the golden files, and for what is none.

use std::path::Path;

use serde_json::Value;

use super::*;
use licence_seal::crypto::pem_encode;
use licence_seal::seal::MAX_SEALED_LICENCE;
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
    assert!(text.contains("3 files 文件: 1 passed 通过, 1 failed 未通过, 1 not decided 无法判定"), "{text}");
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
