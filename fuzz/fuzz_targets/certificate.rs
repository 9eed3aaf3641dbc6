//! Arbitrary bytes as a certificate and as a revocation list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_node::pki::{Anchors, Certificate, Crl, Terms, Usage, validate};
use licence_node::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let _ = Crl::from_der(data);
    if let Ok(certificate) = Certificate::from_der(data) {
        let terms = Terms::strict(Timestamp::from_secs(1_800_000_000), Usage::Any);
        assert!(validate(&certificate, &[], &Anchors::default(), &[], &terms).is_err());
    }
});
