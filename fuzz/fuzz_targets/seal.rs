//! Arbitrary bytes as a seal and as a stamp: never a panic, and without trust never a pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::seal::{Ask, Trust, verify_seal, verify_stamp};
use licence_seal::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let ask = Ask { at: Timestamp::from_secs(1_800_000_000), seal_only: true, catalogue: None };
    let trust = Trust::default();
    assert!(!verify_seal("fuzz", data, &trust, &ask).verdict.passed());
    assert!(!verify_stamp("fuzz", data, &trust, &ask).verdict.passed());
});
