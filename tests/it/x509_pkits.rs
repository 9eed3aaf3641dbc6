//! NIST's path validation test suite, as far as the names of its end entity certificates say what
//! must come out: `Valid…` and `Invalid…`.
//!
//! The other cases ask for sets of policies, which are not evaluated here. Authorities that
//! constrain policies are refused, so that no case that must fail passes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use licence_seal::pki::{Anchors, Certificate, Crl, Terms, Usage, validate};
use licence_seal::time::Timestamp;

use super::support::vectors;

/// Valid paths that are refused, by the beginning of their names: the rule, and why it is kept.
const NOT_MET: [(&str, &str, &str); 10] = [
    ("ValidDSA", "path.algorithm", "DSA is not supported"),
    ("ValidPolicyMapping", "path.policy", POLICY),
    ("ValidinhibitAnyPolicy", "path.policy", POLICY),
    ("ValidinhibitPolicyMapping", "path.policy", POLICY),
    ("ValidrequireExplicitPolicy", "path.policy", POLICY),
    ("ValidSelfIssuedinhibit", "path.policy", POLICY),
    ("ValidSelfIssuedrequire", "path.policy", POLICY),
    ("ValidIDPwithindirectCRL", "path.revocationUnknown", INDIRECT),
    ("ValidcRLIssuer", "path.revocationUnknown", INDIRECT),
    ("ValiddeltaCRLTest5", "path.revoked", "a delta list never takes back a revocation"),
];

const POLICY: &str = "an authority constrains policies, which are not evaluated";
const INDIRECT: &str = "lists of other authorities' certificates are not supported";

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn every_path_of_pkits_that_must_fail_fails() {
    let folder = vectors().join("pkits");
    if !folder.is_dir() {
        println!("skipped: no pkits vectors (set LICENCE_VECTORS)");
        return;
    }
    let certificates = files(&folder.join("certs"));
    let (leaves, authorities): (BTreeMap<_, _>, BTreeMap<_, _>) =
        certificates.into_iter().partition(|(name, _)| name.ends_with("EE"));
    let anchor = Certificate::from_der(&authorities["TrustAnchorRootCertificate"]).unwrap();
    let anchors = Anchors::new(vec![anchor]);
    let authorities: Vec<Certificate> =
        authorities.values().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let lists = files(&folder.join("crls"));
    let lists: Vec<Crl> = lists.values().filter_map(|der| Crl::from_der(der).ok()).collect();
    let terms = Terms::strict(Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap(), Usage::Any);

    let mut wrong = Vec::new();
    let mut used = [false; NOT_MET.len()];
    let (mut passed, mut refused, mut not_met) = (0, 0, 0);
    for (name, der) in &leaves {
        let valid = name.starts_with("Valid");
        if !valid && !name.starts_with("Invalid") {
            continue;
        }
        let outcome = Certificate::from_der(der)
            .and_then(|leaf| validate(&leaf, &authorities, &anchors, &lists, &terms).map(drop));
        let listed = NOT_MET.iter().position(|(begins, ..)| name.starts_with(begins));
        match (valid, outcome, listed) {
            (true, Ok(()), None) => passed += 1,
            (false, Err(_), None) => refused += 1,
            (true, Err(why), Some(at)) if why.rule() == NOT_MET[at].1 => {
                not_met += 1;
                used[at] = true;
            }
            (_, outcome, _) => wrong.push(format!("{name}: {outcome:?}")),
        }
    }
    println!("pkits: {passed} passed, {refused} refused, {not_met} not met");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(used.iter().all(|used| *used), "the list names what is met: {used:?}");
}
