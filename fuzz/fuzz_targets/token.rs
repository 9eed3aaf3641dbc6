//! Arbitrary text as each kind of token that a peer or partner sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::evidence::{Receipt, RequestSignature};
use licence_seal::seal::StatusStatement;

fuzz_target!(|data: &str| {
    let _ = RequestSignature::peek(data);
    let _ = RequestSignature::certificate(data);
    let _ = Receipt::certificate(data);
    let _ = StatusStatement::parse(data);
});
