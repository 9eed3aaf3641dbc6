//! Golden files of both suites, byte for byte: formats that can never change.
//!
//! Everything is made anew and compared with `tests/golden/<suite>/`. SM2 signs deterministically
//! and its keys come from a seed, so there the signature values are made anew too. P-256 keys and
//! signatures are random: there only the public keys and the signature values are taken from the
//! stored files, and a stored signature is handed out only for a message that it verifies over.
//!
//! With `LICENCE_NODE_WRITE_GOLDEN=1` files that are missing are written; one that exists never is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ses::{Seal, Stamp};
use super::testing::{City, ROLES, TYPE, asked_at, catalogue, seeded};
use super::trust::Trust;
use super::verify::{Ask, verify_licence, verify_seal, verify_stamp};
use super::{Payload, SealedLicence, Voice, canonical, disclosure};
use crate::crypto::{CryptoError, PublicKey, SeededRandom, Signature, Signer, Suite};
use crate::licence::{State, TypeCode};
use crate::pki::Certificate;
use crate::pki::asn1::{BIT_STRING, SEQUENCE, whole};

type Files = BTreeMap<String, Vec<u8>>;

fn folder(suite: Suite) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(suite.name())
}

fn stored(suite: Suite) -> Files {
    fn walk(root: &Path, dir: &Path, files: &mut Files) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Files::new();
    walk(&folder(suite), &folder(suite), &mut files);
    files
}

/// Hands out a stored signature for just the message that it verifies over.
struct Replay {
    key: PublicKey,
    pool: Arc<Vec<Signature>>,
}

impl Signer for Replay {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        let fits = |signature: &&Signature| self.key.verify(message, signature).is_ok();
        self.pool.iter().find(fits).copied().ok_or(CryptoError::Signing)
    }
}

/// Every signature value in the stored files.
fn signatures(files: &Files) -> Vec<Signature> {
    use base64::Engine;
    let b64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut pool = Vec::new();
    for (name, bytes) in files {
        let value = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("der" | "crl") => {
                let mut outer = whole(bytes, SEQUENCE).unwrap().inside();
                outer.any().unwrap();
                outer.any().unwrap();
                outer.expect(BIT_STRING).unwrap().bits().unwrap().to_vec()
            }
            Some("esl") => Seal::from_der(bytes).unwrap().signature,
            Some("dat") => Stamp::from_der(bytes).unwrap().signature,
            Some("jwt") => {
                let token = std::str::from_utf8(bytes).unwrap();
                b64.decode(token.rsplit_once('.').unwrap().1).unwrap()
            }
            _ => continue,
        };
        pool.push(Signature::from_der_or_raw(&value).unwrap());
    }
    pool
}

fn city(suite: Suite, stored: &Files) -> City {
    let seed = format!("licence-node golden/{}", suite.name());
    if suite == Suite::Sm2Sm3 || stored.is_empty() {
        return City::pictured(suite, "120000", &seeded(suite, &seed));
    }
    let pool = Arc::new(signatures(stored));
    City::pictured(suite, "120000", &|role| {
        let der = stored.get(&format!("certificates/{role}.der")).expect(role);
        let key = Certificate::from_der(der).unwrap().public_key().unwrap().clone();
        Arc::new(Replay { key, pool: Arc::clone(&pool) })
    })
}

/// All files of a suite, made anew.
fn made(city: &City) -> Files {
    let mut files = Files::new();
    let mut put = |name: &str, bytes: Vec<u8>| assert!(files.insert(name.to_owned(), bytes).is_none());
    for role in ROLES {
        put(&format!("certificates/{role}.der"), city.certificate(role).der().to_vec());
    }
    for (name, bytes) in city.trust_files(&city.list()) {
        put(&format!("trust/{name}"), bytes);
    }
    put("seal.esl", city.seal.clone());
    put("attestation.esl", city.attestation_seal.clone());

    let random = SeededRandom::new("licence-node golden batch");
    let batch = city.batch(Voice::Issuer, 3, &random);
    let sealed = &batch.sealed;
    put("manifest.txt", sealed.seal.manifest.to_string().into_bytes());
    put("stamp.dat", sealed.seal.stamp.rebuild(&sealed.seal.manifest, &batch.impression).unwrap());
    let mut records = Vec::new();
    for record in &sealed.records {
        records.extend(canonical(&record.to_json()).unwrap());
        records.push(b'\n');
    }
    put("records.jsonl", records);
    put(
        "leaves.txt",
        sealed.seal.leaves.iter().map(|leaf| format!("{}\n", hex::encode(leaf))).collect::<String>().into(),
    );
    put("root.txt", format!("{}\n", hex::encode(sealed.seal.manifest.root)).into_bytes());

    let kind = catalogue().get(&TypeCode::parse(TYPE).unwrap()).unwrap();
    for (index, record) in sealed.records.iter().enumerate() {
        let (suite, id) = (city.suite, record.identifier.to_string());
        let batch_id = &sealed.seal.manifest.batch;
        let payload = Payload::of(record, kind, &sealed.seal.schema, batch_id, &city.salt_key, suite);
        put(&format!("licence-{index}.payload.json"), canonical(&payload).unwrap());
        let salts = city.salt_key.salts(batch_id, &id);
        let (mut shown, mut decoys) = (String::new(), String::new());
        for name in kind.disclosure_names() {
            match record.disclosed().get(name) {
                Some(value) => {
                    let text = disclosure::encode(&salts.salt(name), name, &value.into());
                    shown += &format!("{name}\t{text}\t{}\n", disclosure::digest(suite, &text));
                }
                None => decoys += &format!("{name}\t{}\n", salts.decoy(suite, name)),
            }
        }
        put(&format!("licence-{index}.disclosures.txt"), shown.into_bytes());
        put(&format!("licence-{index}.decoys.txt"), decoys.into_bytes());
    }

    // All fields and a good status; four fields and a revoked one; no field and no status.
    let four = ["certificateHolderName", "certificateNumber", "address", "level"];
    let whole = batch.cut(0, &|_| true);
    let status = city.say(&city.statement(&whole.payload.id, State::Valid));
    put("licence-0.status.jwt", status.clone().into_bytes());
    put("licence-0.licence.json", with_status(whole, status.clone()).to_bytes().unwrap());
    let good = status;
    let some = batch.cut(1, &|name| four.contains(&name));
    let status = city.say(&city.statement(&some.payload.id, State::Revoked));
    put("licence-1.status.jwt", status.clone().into_bytes());
    put("licence-1.licence.json", with_status(some, status).to_bytes().unwrap());
    put("licence-2.licence.json", batch.cut(2, &|_| false).to_bytes().unwrap());

    let attested = city.batch(Voice::Attestation, 1, &random);
    let parts = &attested.sealed;
    put("attested.dat", parts.seal.stamp.rebuild(&parts.seal.manifest, &attested.impression).unwrap());
    // The same licence as the first, so the same statement: a second signature on it would differ.
    put("attested.licence.json", with_status(attested.cut(0, &|_| true), good).to_bytes().unwrap());
    files
}

fn with_status(licence: SealedLicence, status: String) -> SealedLicence {
    SealedLicence { status: Some(status), ..licence }
}

fn write_missing(suite: Suite, files: &Files) {
    for (name, bytes) in files {
        let path = folder(suite).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        if let Ok(mut file) = file {
            std::io::Write::write_all(&mut file, bytes).unwrap();
        }
    }
}

#[test]
fn every_golden_file_is_made_again_byte_for_byte() {
    for suite in Suite::ALL {
        let mut before = stored(suite);
        let files = made(&city(suite, &before));
        if std::env::var_os("LICENCE_NODE_WRITE_GOLDEN").is_some() {
            write_missing(suite, &files);
            before = stored(suite);
        }
        for (name, bytes) in &files {
            assert!(before.get(name) == Some(bytes), "tests/golden/{suite}/{name} is not what is made now");
        }
        let made: Vec<_> = files.keys().collect();
        assert_eq!(before.keys().collect::<Vec<_>>(), made, "files that nobody makes");
    }
}

#[test]
fn the_golden_files_verify_as_their_readme_says() {
    for suite in Suite::ALL {
        let (files, trust) = (stored(suite), Trust::read(&folder(suite).join("trust")).unwrap());
        let ask = Ask { at: asked_at(), seal_only: false, catalogue: Some(catalogue()) };
        for (name, word, zh) in [
            ("licence-0.licence.json", "TOTAL_PASSED", "有效"),
            ("licence-1.licence.json", "TOTAL_FAILED", "印章有效，但证照状态：吊销"),
            ("licence-2.licence.json", "INDETERMINATE", "印章有效，状态未核"),
            ("attested.licence.json", "TOTAL_PASSED", "有效"),
        ] {
            let report = verify_licence(name, &files[name], &trust, &ask);
            assert_eq!(report.verdict.indication.word(), word, "{}", report.to_text());
            assert_eq!(report.summary.zh, zh);
        }
        for name in ["seal.esl", "attestation.esl"] {
            assert!(verify_seal(name, &files[name], &trust, &ask).verdict.passed());
        }
        for name in ["stamp.dat", "attested.dat"] {
            let report = verify_stamp(name, &files[name], &trust, &ask);
            assert_eq!(report.open_checks().map(|check| check.name).collect::<Vec<_>>(), ["dataHash"]);
        }
    }
}

#[test]
fn no_golden_file_holds_a_private_key() {
    for suite in Suite::ALL {
        for (name, bytes) in stored(suite) {
            assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "{name}");
        }
    }
}

#[test]
fn the_format_document_quotes_the_golden_files() {
    let document = include_str!("../../../../docs/formats.md");
    let files = stored(Suite::Sm2Sm3);
    let text = |name: &str| std::str::from_utf8(&files[name]).unwrap();
    for line in text("manifest.txt").lines() {
        assert!(document.contains(&format!("\n{line} ")), "{line}");
    }
    for word in text("licence-0.disclosures.txt").lines().next().unwrap().split('\t') {
        assert!(document.contains(word), "{word}");
    }
    let tail = text("licence-0.payload.json").split_once("],").unwrap().1;
    assert!(document.contains(tail), "{tail}");
    for role in ["owner", "attest", "node"] {
        let digest = hex::encode(crate::crypto::sha256(&[&files[&format!("certificates/{role}.der")]]));
        assert!(document.contains(&digest), "{role}");
    }
}
