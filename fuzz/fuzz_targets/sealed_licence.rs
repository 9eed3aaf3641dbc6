//! Arbitrary bytes as a sealed licence: never a panic, and without trust never a pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::seal::{Ask, Trust, verify_licence};
use licence_seal::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let ask = Ask { at: Timestamp::from_secs(1_800_000_000), seal_only: false, catalogue: None };
    assert!(!verify_licence("fuzz", data, &Trust::default(), &ask).verdict.passed());
});
