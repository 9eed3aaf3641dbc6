//! Arbitrary bytes as a signed message and as a time stamp: never a panic, never a proof.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::pki::cms::verify_detached;
use licence_seal::pki::timestamp::Token;

fuzz_target!(|data: &[u8]| {
    assert!(verify_detached(data, b"content", &[]).is_err());
    if let Ok(token) = Token::from_der(data) {
        assert!(token.verify(b"content", &[]).is_err());
    }
});
