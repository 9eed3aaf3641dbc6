//! The two hot paths of an import, on one core: reading a record and sealing it.
//!
//! `cargo bench --bench hot_path [-- PART…]`, where a part is `parse`, `parse-floor`, `seal`, `seal-floor`
//! or `sign`; without one, all. The parts take turns in rounds and the best turn of each counts,
//! since a shared machine can only make a turn longer. A floor is what no reader or sealer of these
//! bytes can be without: a JSON parser that checks nothing, and the suite's hash over what it must hash,
//! one text after the other.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use licence_seal::crypto::{PrivateKey, Secret, SeededRandom, Signer, Suite};
use licence_seal::licence::{Catalogue, Generator, Record, Region};
use licence_seal::seal::{
    MAX_BATCH, Payload, SaltKey, SaltKeyId, SealImpression, SealedBatch, SealingKey, Voice, disclosure,
};
use licence_seal::time::Timestamp;

const RECORDS: u64 = 8_000;
const ROUNDS: usize = 15;
/// Bytes of a seal and of a certificate, as in files of the field: a picture of 4 KB and its chain.
const SEAL_BYTES: usize = 6_000;
const CERTIFICATE_BYTES: usize = 700;
/// Signatures in a turn.
const SIGNATURES: usize = 200;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let catalogue = Catalogue::embedded()?;
    let generator = Generator::new(catalogue, 1, Region::TIANJIN)?;
    let records: Vec<Record> = (0..RECORDS).map(|n| generator.record(n)).collect::<Result<_, _>>()?;
    let lines: Vec<String> = records.iter().map(|record| record.to_json().to_string()).collect();
    let batches = batches(&records);
    let sealed: usize = batches.iter().map(Vec::len).sum();

    let suite = Suite::Sm2Sm3;
    let random = SeededRandom::new("hot path");
    let signer: Arc<dyn Signer> = Arc::new(PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &random)?)?);
    let impression = SealImpression {
        seal: vec![0x30; SEAL_BYTES].into(),
        certificate: vec![0x30; CERTIFICATE_BYTES].into(),
    };
    let key = SealingKey::new(impression, Arc::clone(&signer), Voice::Issuer)?;
    let salt_key = SaltKey::new(SaltKeyId("bench".into()), &Secret::from_bytes([7; 32]));
    let now = Timestamp::from_secs(1_795_000_000);
    let hashed = hashed(&batches, catalogue, &salt_key, suite)?;

    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let mut best: BTreeMap<&str, (Duration, usize)> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut turn = |part, items, work: &mut dyn FnMut() -> Result<(), Failure>| -> Result<(), Failure> {
            if wanted(part) {
                let begun = Instant::now();
                work()?;
                let spent = begun.elapsed();
                let entry = best.entry(part).or_insert((spent, items));
                entry.0 = entry.0.min(spent);
            }
            Ok(())
        };
        turn("parse", lines.len(), &mut || {
            for line in &lines {
                black_box(Record::parse_json(line.as_bytes(), catalogue).map_err(|why| format!("{why:?}"))?);
            }
            Ok(())
        })?;
        turn("parse-floor", lines.len(), &mut || {
            for line in &lines {
                black_box(serde_json::from_slice::<serde_json::Value>(line.as_bytes())?);
            }
            Ok(())
        })?;
        // Made before the turn and dropped after it: an import makes and drops records elsewhere.
        let mut waiting = if wanted("seal") { batches.clone() } else { Vec::new() };
        let mut done = Vec::with_capacity(batches.len());
        turn("seal", sealed, &mut || {
            for batch in waiting.drain(..) {
                done.push(SealedBatch::seal(batch, catalogue, &key, &salt_key, now, &random)?);
            }
            Ok(())
        })?;
        turn("seal-floor", sealed, &mut || {
            for text in &hashed {
                black_box(suite.hash(&[text]));
            }
            Ok(())
        })?;
        turn("sign", SIGNATURES, &mut || {
            for _ in 0..SIGNATURES {
                black_box(signer.sign(black_box(b"a manifest's digest, as it stands in a stamp"))?);
            }
            Ok(())
        })?;
    }

    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{} records of {} bytes; {sealed} of them in full batches", lines.len(), bytes / lines.len());
    let each = |part: &str| best.get(part).map(|(spent, items)| spent.as_secs_f64() * 1e6 / *items as f64);
    for (part, unit) in [
        ("parse", "a record"),
        ("parse-floor", "a record: serde_json::Value of the same lines"),
        ("seal", "a record, its share of the signature included"),
        ("seal-floor", "a record: SM3 of the same disclosures and payloads"),
        ("sign", "an SM2 signature"),
    ] {
        if let Some(micros) = each(part) {
            println!("{part:12} {micros:7.2} µs {unit}");
        }
    }
    for (part, floor) in [("parse", "parse-floor"), ("seal", "seal-floor")] {
        if let (Some(work), Some(least)) = (each(part), each(floor)) {
            println!("{part:12} {:7.2} of its floor", work / least);
        }
    }
    if cfg!(debug_assertions) {
        println!("not an optimised build: these figures mean nothing");
    }
    Ok(())
}

/// Full batches, each of one type and issuer.
fn batches(records: &[Record]) -> Vec<Vec<Record>> {
    let mut kinds: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for record in records {
        kinds.entry((&record.type_code, &record.issuer_code)).or_default().push(record.clone());
    }
    let full =
        |records: &Vec<Record>| records.chunks_exact(MAX_BATCH).map(<[Record]>::to_vec).collect::<Vec<_>>();
    kinds.values().flat_map(full).collect()
}

/// Every disclosure and payload that sealing `batches` has to hash.
fn hashed(
    batches: &[Vec<Record>],
    catalogue: &Catalogue,
    salt_key: &SaltKey,
    suite: Suite,
) -> Result<Vec<Vec<u8>>, Failure> {
    let batch = licence_seal::seal::BatchId::from_bytes([1; 16]);
    let mut texts = Vec::new();
    for record in batches.iter().flatten() {
        let kind = catalogue.get(&record.type_code).ok_or("a type that is not in the catalogue")?;
        let salts = salt_key.salts(&batch, record.identifier.as_str());
        for (name, value) in record.disclosed() {
            texts.push(disclosure::encode(&salts.salt(&name), &name, &(&value).into()).into_bytes());
        }
        let payload = Payload::of(record, kind, catalogue.version(), &batch, salt_key, suite);
        texts.push(serde_json::to_vec(&payload)?);
    }
    Ok(texts)
}
