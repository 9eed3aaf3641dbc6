//! Arbitrary bytes as certificates and revocation lists, one DER element after another, and as a
//! path: the first certificate is the leaf, the last one the anchor, all are intermediates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::pki::asn1::Reader;
use licence_seal::pki::{Anchors, Certificate, Crl, Terms, Usage, validate};
use licence_seal::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let _ = (Certificate::from_der(data), Crl::from_der(data), Certificate::from_pem_all(data));
    let (mut certificates, mut crls) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(data);
    while let Ok(element) = reader.any() {
        certificates.extend(Certificate::from_der(element.raw).ok());
        crls.extend(Crl::from_der(element.raw).ok());
    }
    let (Some(leaf), Some(anchor)) = (certificates.first(), certificates.last()) else { return };
    let _ = leaf.check_server_name("node.example.com");
    for usage in [Usage::Any, Usage::Sign, Usage::TlsServer, Usage::TlsClient] {
        let terms = Terms::strict(Timestamp::from_secs(1_800_000_000), usage);
        let nobody = Anchors::default();
        assert!(validate(leaf, &certificates, &nobody, &crls, &terms).is_err());
        let anchors = Anchors::new(vec![anchor.clone()]);
        let terms = terms.without_required_revocation();
        let _ = validate(leaf, &certificates, &anchors, &crls, &terms);
    }
});
