//! Inputs that once crashed, hung, were wrongly accepted, or are made to: `tests/crashes/TARGET/*`,
//! by the names of the fuzz targets. Each is read again, as its target reads it.

use std::fs;
use std::path::Path;

use licence_seal::ofd::{Limits, Package, verify_ofd};
use licence_seal::pki::timestamp::Token;
use licence_seal::pki::{Certificate, Crl};
use licence_seal::seal::{Ask, Trust, verify_licence, verify_seal, verify_stamp};
use licence_seal::time::Timestamp;

fn replay(target: &str, name: &str, data: &[u8]) {
    let ask = Ask { at: Timestamp::from_secs(1_800_000_000), seal_only: false, catalogue: None };
    let trust = Trust::default();
    let passed = match target {
        "ofd" => {
            assert!(
                Package::open(data, &Limits::default()).and_then(|found| found.documents()).is_err(),
                "{name}"
            );
            verify_ofd(name, data, &trust, &ask, &Limits::default()).verdict.passed()
        }
        "seal" => {
            verify_seal(name, data, &trust, &ask).verdict.passed()
                || verify_stamp(name, data, &trust, &ask).verdict.passed()
        }
        "certificate" => Certificate::from_der(data).is_ok() || Crl::from_der(data).is_ok(),
        "sealed_licence" => verify_licence(name, data, &trust, &ask).verdict.passed(),
        "timestamp" => Token::from_der(data).is_ok(),
        other => panic!("tests/crashes/{other}: no target of this name"),
    };
    assert!(!passed, "{target}/{name} is accepted");
}

#[test]
fn every_stored_crash_is_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashes");
    let mut count = 0;
    for target in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        if !target.is_dir() {
            continue;
        }
        let of = target.file_name().unwrap().to_str().unwrap().to_owned();
        for input in fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path()) {
            let name = input.file_name().unwrap().to_str().unwrap().to_owned();
            replay(&of, &name, &fs::read(&input).unwrap());
            count += 1;
        }
    }
    println!("stored crashes: {count}");
    assert!(count >= 20);
}
