//! A fetched licence is verified offline, by whoever holds the file and a trust folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use licence_node::cli::demo::cities::{Cities, MATTER};
use licence_node::exchange::import::{Format, Importer, Options};
use licence_node::lab::City;
use licence_seal::crypto::{Secret, Suite, SystemRandom};
use licence_seal::licence::{Catalogue, Record, Region, State};
use licence_seal::pki::Certificate;
use licence_seal::seal::report::Report;
use licence_seal::seal::{
    Ask, Indication, Outcome, SaltKey, SaltKeyId, SealImpression, SealedBatch, SealedLicence, SealingKey,
    Trust, Voice, verify_licence,
};
use licence_seal::time::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::child::{self, Ran, context};
use super::support::for_each;

/// What an agency took home: the licence in several cuts, the trust folder, and the seals' files.
struct Home {
    _dir: tempfile::TempDir,
    trust: PathBuf,
    seals: PathBuf,
    record: Record,
    /// The fields asked for, and the answer to it.
    cuts: Vec<(Vec<String>, Vec<u8>)>,
}

/// Boots the cities once, fetches through HTTPS as the agency, and stops them: what follows is offline.
fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
        let cities = Cities::start(dir.path(), Suite::Sm2Sm3, clock, random).unwrap();
        let city = &cities.tianjin;
        // Ten licences of one type and authority make a batch with a path to prove.
        let all = child::records(11, 0..3_000);
        let today = SystemClock.now().day();
        let good = |record: &&Record| {
            record.state == State::Valid
                && record.fields.len() >= 4
                && record.state.effective(record.valid_from, record.valid_until, today).is_good()
        };
        let first = all.iter().find(good).unwrap();
        let batch: Vec<&Record> =
            all.iter().filter(good).filter(|record| record.type_code == first.type_code).take(10).collect();
        assert!(batch.len() > 4);
        let record = batch[3].clone();
        let lines = child::json_lines(batch);
        let node = &city.running.node;
        let importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()));
        let mut importer = importer.unwrap();
        importer.file("sample", Format::JsonLines, lines.as_bytes()).unwrap();
        assert_eq!(importer.finish().unwrap().refused, 0);

        let shown: Vec<String> = record.disclosed().into_keys().collect();
        let wanted = [
            shown.clone(),
            shown[..1].to_vec(),
            shown[1..].to_vec(),
            shown.iter().step_by(2).cloned().collect(),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cuts = runtime.block_on(async {
            let mut operator = cities.client(city, city, "operator").unwrap();
            operator.authenticate().await.unwrap();
            let grant = json!({ "putGrant": {
                "id": "data", "partner": "agency", "operations": ["data"], "types": ["*"], "fields": ["*"],
                "matters": [MATTER], "from": SystemClock.now().plus_secs(-60),
            }});
            assert_eq!(operator.ask("/v1/admin", &grant, None).await.unwrap().status, 200);
            let mut agency = cities.client(city, city, "agency").unwrap();
            agency.authenticate().await.unwrap();
            let mut cuts = Vec::new();
            for fields in wanted {
                let body = json!({ "context": context(), "identifier": record.identifier, "fields": fields });
                let answer = agency.ask("/v1/licences/data", &body, None).await.unwrap();
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                cuts.push((fields, answer.body));
            }
            cuts
        });
        let (trust, seals) = (city.files.dir.join("trust"), city.files.dir.join("seals"));
        cities.stop().unwrap();
        Home { _dir: dir, trust, seals, record, cuts }
    })
}

impl Home {
    /// The licence with all its fields.
    fn licence(&self) -> &[u8] {
        &self.cuts[0].1
    }

    fn trust(&self) -> Trust {
        Trust::read(&self.trust).unwrap()
    }
}

fn ask(at: Timestamp, seal_only: bool) -> Ask<'static> {
    Ask { at, seal_only, catalogue: Some(Catalogue::embedded().unwrap()) }
}

fn report(bytes: &[u8], trust: &Trust) -> Report {
    verify_licence("a.licence.json", bytes, trust, &ask(SystemClock.now(), false))
}

/// `verify` in an empty folder that holds nothing but the file.
fn verify(bytes: &[u8], name: &str, args: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), bytes).unwrap();
    child::run(dir.path(), [&["verify", name], args].concat())
}

fn trusting<'a>(trust: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["--trust", trust.to_str().unwrap()], more].concat()
}

#[test]
fn a_fetched_licence_verifies_in_an_empty_folder_with_the_trust_folder_alone() {
    let home = home();
    let told = verify(home.licence(), "my.licence.json", &trusting(&home.trust, &[])).ok();
    assert!(told.contains("valid: the seal is good and the licence holds"), "{told}");
    assert!(told.contains("有效"), "{told}");
    let json =
        verify(home.licence(), "my.licence.json", &trusting(&home.trust, &["--report", "json"])).json();
    assert_eq!(json["kind"], "licence");
    assert_eq!(json["verdict"], json!({ "indication": "TOTAL_PASSED" }));
    for verdict in ["seal", "status"] {
        assert_eq!(json[verdict]["indication"], "TOTAL_PASSED", "{json:#}");
        for check in json[verdict]["checks"].as_array().unwrap() {
            assert_eq!(check["outcome"], "ok", "{check}");
            assert!(check["name"].is_string());
        }
    }
    let names: BTreeSet<&str> = json["seal"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|check| check["name"].as_str())
        .collect();
    for name in ["format.canonical", "disclosures", "manifest", "inclusion", "issuerBinding"] {
        assert!(names.contains(name), "{names:?}");
    }
    assert_eq!(json["seal"]["suite"], "sm2-sm3");
    assert_eq!(json["licence"]["identifier"], home.record.identifier.as_str());
    assert_eq!(json["status"]["state"]["en"], "valid");
    assert_eq!(json["status"]["saidBy"], "120000");
    assert!(json["summary"]["en"].is_string() && json["summary"]["zh"].is_string());
    let shown: BTreeMap<&str, &Value> = json["licence"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap(), &field["value"]))
        .collect();
    for (name, value) in home.record.disclosed() {
        assert_eq!(*shown[name.as_str()], serde_json::to_value(value).unwrap());
    }
}

#[test]
fn any_part_of_the_fields_verifies_whether_the_node_cut_it_or_its_holder() {
    let home = home();
    let trust = home.trust();
    for (fields, bytes) in &home.cuts {
        let report = report(bytes, &trust);
        assert!(report.verdict.passed(), "{}", report.summary.en);
        let shown: BTreeSet<String> =
            report.licence.unwrap().fields.into_iter().map(|field| field.name).collect();
        assert_eq!(shown, fields.iter().cloned().collect());
    }
    let whole = SealedLicence::parse(home.licence()).unwrap();
    let count = whole.disclosures.len();
    let mut dice = child::Dice::new(3);
    let masks = (0..count).map(|at| 1 << at).chain([0, u64::MAX]).chain((0..20).map(|_| dice.roll()));
    for mask in masks.collect::<Vec<u64>>() {
        let mut part = whole.clone();
        let mut at = 0;
        part.disclosures.retain(|_| {
            at += 1;
            mask & (1 << (at - 1)) != 0
        });
        let kept = part.disclosures.len();
        let report = report(&part.to_bytes().unwrap(), &trust);
        assert!(report.verdict.passed(), "{mask:b}: {}", report.summary.en);
        let licence = report.licence.unwrap();
        assert_eq!(
            (licence.fields.len(), licence.fields.len() + licence.hidden_fields),
            (kept, whole.payload.sd.len())
        );
    }
}

/// The check that a report names as not ok.
fn named(report: &Report) -> Option<&'static str> {
    report.open_checks().find(|check| check.outcome != Outcome::Ok).map(|check| check.name)
}

#[test]
fn every_single_changed_byte_is_refused_and_the_check_named() {
    let home = home();
    let bytes = home.licence();
    assert!(report(bytes, &home.trust()).verdict.passed());
    let trust = home.trust();
    let named_by = Mutex::new(BTreeMap::<&str, usize>::new());
    for_each(bytes.len(), |at| {
        let mut changed = bytes.to_vec();
        // The lowest bit keeps letters letters and digits digits, so that the file stays well formed where
        // it can; the other bits are tried on every eighth byte.
        changed[at] ^= 1;
        let first = report(&changed, &trust);
        assert!(!first.verdict.passed(), "byte {at} of {}", bytes.len());
        let name = named(&first).unwrap_or_else(|| panic!("byte {at}: no check named"));
        *named_by.lock().unwrap().entry(name).or_default() += 1;
        if at % 8 == 0 {
            changed[at] = bytes[at] ^ (2 << (at / 8 % 7));
            let other = report(&changed, &trust);
            assert!(!other.verdict.passed() && named(&other).is_some(), "byte {at}");
        }
    });
    let named = named_by.into_inner().unwrap();
    println!("{} bytes: {named:?}", bytes.len());
    assert_eq!(named.values().sum::<usize>(), bytes.len());
    for check in ["format.canonical", "disclosures", "inclusion", "status"] {
        assert!(named.contains_key(check), "{named:?}");
    }
}

#[test]
fn the_program_refuses_changed_files_with_its_exit_codes() {
    let home = home();
    let bytes = home.licence();
    let mut dice = child::Dice::new(17);
    for _ in 0..20 {
        let at = usize::try_from(dice.below(bytes.len() as u64)).unwrap();
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let ran = verify(&changed, "my.licence.json", &trusting(&home.trust, &["--report", "json"]));
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let checks: Vec<&Value> = ["seal", "status"]
            .iter()
            .flat_map(|verdict| report[verdict]["checks"].as_array().into_iter().flatten())
            .collect();
        assert_eq!(ran.code, Some(1), "byte {at}: {}", ran.out);
        assert!(
            checks.iter().any(|check| check["outcome"] == "failed" && check["reason"].is_string()),
            "{at}"
        );
    }
    // Not a licence: broken contents under its name are a failure, what nobody can look at is unreadable.
    assert_eq!(verify(b"{}", "a.licence.json", &trusting(&home.trust, &[])).code, Some(1));
    assert_eq!(verify(b"hello", "a.txt", &trusting(&home.trust, &[])).code, Some(3));
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(child::run(elsewhere.path(), ["verify", "absent.licence.json"]).code, Some(3));
    let nowhere = elsewhere.path().join("nowhere");
    assert_eq!(verify(bytes, "my.licence.json", &trusting(&nowhere, &[])).code, Some(3));
}

#[test]
fn without_the_right_trust_nothing_is_decided() {
    let home = home();
    let dir = tempfile::tempdir().unwrap();
    let random = SystemRandom::new();
    let other = dir.path().join("other");
    City::create(Region::BEIJING, &other, Suite::Sm2Sm3, SystemClock.now(), &random).unwrap();
    for (what, trust) in [("another city's", other.join("trust")), ("an empty", dir.path().to_path_buf())] {
        let ran = verify(home.licence(), "my.licence.json", &trusting(&trust, &[]));
        assert_eq!(ran.code, Some(2), "{what} trust folder: {}", ran.out);
        assert!(ran.out.contains("not decided") && ran.out.contains("无法判定"), "{}", ran.out);
    }
    assert_eq!(verify(home.licence(), "my.licence.json", &[]).code, Some(2));
}

#[test]
fn a_stale_status_leaves_the_seal_good_and_the_status_open() {
    let home = home();
    let later = SystemClock.now().plus_secs(2 * 86_400).to_string();
    let told = verify(home.licence(), "my.licence.json", &trusting(&home.trust, &["--at", &later])).ended(2);
    assert!(told.contains("印章有效，状态未核"), "{told}");
    let seal_only = ["--at", &later, "--seal-only", "--report", "json"];
    let json = verify(home.licence(), "my.licence.json", &trusting(&home.trust, &seal_only)).json();
    assert_eq!(json["verdict"]["indication"], "TOTAL_PASSED");
    assert!(json.get("status").is_none());
    let before = SystemClock.now().plus_secs(-86_400).to_string();
    let early = verify(home.licence(), "my.licence.json", &trusting(&home.trust, &["--at", &before]));
    assert_eq!(early.code, Some(1), "before anything was sealed: {}", early.out);

    // No statement at all, and the statement of another licence.
    let trust = home.trust();
    let mut silent = SealedLicence::parse(home.licence()).unwrap();
    let statement = silent.status.take().unwrap();
    let said = report(&silent.to_bytes().unwrap(), &trust);
    assert_eq!(said.verdict.indication, Indication::Indeterminate);
    assert_eq!(said.seal.verdict.indication, Indication::TotalPassed);
    let mut other = forged(home, None, Voice::Issuer);
    other.status = Some(statement);
    let said = report(&other.to_bytes().unwrap(), &trust);
    assert_eq!(said.seal.verdict.indication, Indication::TotalPassed, "{}", said.summary.en);
    assert_eq!(said.status.unwrap().verdict.indication, Indication::TotalFailed);
}

/// A licence of another holder of the same kind, under a seal that lies in the city's folder: the
/// issuer's own, or that of `sealer`.
fn forged(home: &Home, sealer: Option<&str>, voice: Voice) -> SealedLicence {
    let catalogue = Catalogue::embedded().unwrap();
    let record = child::records(12, 0..3_000)
        .into_iter()
        .find(|record| record.type_code == home.record.type_code)
        .unwrap();
    let folder = home.seals.join(sealer.unwrap_or(record.issuer_code.as_str()));
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let certificate = Certificate::from_pem_all(&read("certificate.pem")).unwrap().remove(0);
    let impression = SealImpression { seal: read("seal.esl").into(), certificate: certificate.der().into() };
    let signer = licence_node::keys::read_key(&folder.join("key.pem"), None).unwrap();
    let key = SealingKey::new(impression, Arc::new(signer), voice).unwrap();
    let salt_key = SaltKey::new(SaltKeyId("test".to_owned()), &Secret::from_bytes([7; 32]));
    let random = SystemRandom::new();
    let (batch, impression) =
        SealedBatch::seal(vec![record], catalogue, &key, &salt_key, SystemClock.now(), &random).unwrap();
    batch.licence(0, catalogue, &impression, &salt_key, &|_| true).unwrap()
}

#[test]
fn another_authoritys_valid_seal_is_refused() {
    let home = home();
    let trust = home.trust();
    let at = SystemClock.now();
    let issuer = home.record.issuer_code.as_str();
    let other = fs::read_dir(&home.seals)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name != issuer && name != "attestation")
        .unwrap();
    let own = forged(home, None, Voice::Issuer).to_bytes().unwrap();
    assert!(verify_licence("own", &own, &trust, &ask(at, true)).verdict.passed());
    // Another authority; the library's seal as if it were the authority's; an authority's as if it
    // were the library's.
    for (sealer, voice) in [
        (other.as_str(), Voice::Issuer),
        ("attestation", Voice::Issuer),
        (other.as_str(), Voice::Attestation),
        (issuer, Voice::Attestation),
    ] {
        let bytes = forged(home, Some(sealer), voice).to_bytes().unwrap();
        let report = verify_licence("foreign", &bytes, &trust, &ask(at, true));
        assert_eq!(report.verdict.indication, Indication::TotalFailed, "{sealer} as {voice:?}");
        let open: Vec<&str> = report.open_checks().map(|check| check.name).collect();
        assert_eq!(open, ["issuerBinding"], "{sealer} as {voice:?}");
        let ran = verify(&bytes, "foreign.licence.json", &trusting(&home.trust, &["--seal-only"]));
        assert!(ran.ended(1).contains("issuerBinding"));
    }
    let attested = forged(home, Some("attestation"), Voice::Attestation).to_bytes().unwrap();
    let report = verify_licence("attested", &attested, &trust, &ask(at, true));
    assert!(report.verdict.passed(), "{}", report.summary.en);
    assert!(report.seal.voice.unwrap().en.starts_with("attested by"));
}
