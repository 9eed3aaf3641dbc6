//! The checks of a seal and of a stamp, by name (GB/T 38540-2020 6.3 and 7.3).
//!
//! Every check that can run does run, also after another failed, so that a report shows all that is
//! wrong. The moment: a seal alone is judged at the moment of the question; the seal in a stamp, its
//! maker and its signer are judged when the stamp was set, which must not lie in the future. A time
//! stamp proves that time; without one it is the signer's own claim, and a certificate revoked later
//! for a reason that leaves doubt who held the key is not passed, but INDETERMINATE.
//!
//! In V4 and V5 certificate, algorithm and time stamp stand outside what is signed. They are bound
//! by comparison: the certificate with the list in the seal, which its maker signed; the algorithm
//! with the key; the time stamp's digest with the signature value. The reasons say so.

use super::error::SesError;
use super::moment::{Moment, Proof, TimeProof, check_time_stamp};
use super::signed::{Judge, Signed};
use super::{CertList, Seal, Stamp, Trust, image};
use crate::crypto::{Digest, Suite};
use crate::pki::Certificate;
use crate::seal::check::{Check, Indication, Outcome, SubIndication, conclude};
use crate::time::Timestamp;

const SEAL_CHECKS: [&str; 7] = [
    "sealFormat",
    "sealVersion",
    "sealMakerSignature",
    "sealMakerCertificate",
    "sealValidity",
    "sealCertList",
    "sealPicture",
];
const STAMP_CHECKS: [&str; 7] = [
    "stampFormat",
    "stampVersion",
    "signerInSealCertList",
    "stampSignature",
    "signerCertificate",
    "signingTime",
    "dataHash",
];

/// What a stamp is set on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protected<'a> {
    /// The very bytes; they are hashed with the stamp's suite.
    Bytes(&'a [u8]),
    /// Their hash under the stamp's suite.
    Hash(&'a Digest),
    /// Not at hand: `dataHash` is not checked.
    Absent,
}

/// What came of a seal.
#[derive(Clone, Debug)]
pub struct SealVerdict {
    /// `None` if it could not be parsed.
    pub seal: Option<Seal>,
    pub checks: Vec<Check>,
    /// The maker's certificate first, the anchor last; empty if no path was good.
    pub maker_chain: Vec<Certificate>,
    /// Likewise of the authority that time-stamped the seal; empty also without a good time stamp.
    pub time_stamp_chain: Vec<Certificate>,
}

impl SealVerdict {
    pub fn conclude(&self) -> (Indication, Option<SubIndication>) {
        conclude(&self.checks)
    }
}

/// What came of a stamp.
#[derive(Clone, Debug)]
pub struct StampVerdict {
    /// `None` if it could not be parsed.
    pub stamp: Option<Stamp>,
    pub checks: Vec<Check>,
    /// When it was set: as `time_proof` proves, else as the signer claims. `None` if it says no time
    /// that can be read.
    pub signing_time: Option<Timestamp>,
    pub time_proof: TimeProof,
    pub maker_chain: Vec<Certificate>,
    /// The signer's certificate first, the anchor last; empty if no path was good.
    pub signer_chain: Vec<Certificate>,
    /// Likewise of the authority that time-stamped the stamp.
    pub time_stamp_chain: Vec<Certificate>,
    /// Likewise of the authority that time-stamped the seal (V5).
    pub seal_time_stamp_chain: Vec<Certificate>,
}

impl StampVerdict {
    pub fn conclude(&self) -> (Indication, Option<SubIndication>) {
        conclude(&self.checks)
    }
}

/// Checks a seal that stands alone (`*.esl`), at a moment.
pub fn check_seal(der: &[u8], trust: &Trust, at: Timestamp) -> SealVerdict {
    match Seal::from_der(der) {
        Ok(seal) => {
            let judge = Judge { trust, at, now: at, proved: false };
            let (mut checks, maker_chain) = seal_checks(&seal, &judge);
            let (time_stamp, proof) = seal_time_stamp(&seal, trust, at);
            checks.extend(time_stamp);
            SealVerdict { checks, maker_chain, time_stamp_chain: chain(proof), seal: Some(seal) }
        }
        Err(why) => SealVerdict {
            seal: None,
            checks: unreadable(&SEAL_CHECKS, &why),
            maker_chain: Vec::new(),
            time_stamp_chain: Vec::new(),
        },
    }
}

/// Checks a stamp (`SignedValue.dat`, or out of a sealed licence); `now` is when it is asked.
pub fn check_stamp(der: &[u8], protected: Protected<'_>, trust: &Trust, now: Timestamp) -> StampVerdict {
    match Stamp::from_der(der) {
        Ok(stamp) => check_parsed_stamp(stamp, protected, trust, now),
        Err(why) => StampVerdict {
            stamp: None,
            checks: unreadable(&STAMP_CHECKS, &why),
            signing_time: None,
            time_proof: TimeProof::Claimed,
            maker_chain: Vec::new(),
            signer_chain: Vec::new(),
            time_stamp_chain: Vec::new(),
            seal_time_stamp_chain: Vec::new(),
        },
    }
}

fn check_parsed_stamp(stamp: Stamp, protected: Protected<'_>, trust: &Trust, now: Timestamp) -> StampVerdict {
    let (seal_time_stamp, seal_proof) = seal_time_stamp(&stamp.seal, trust, now);
    let token = stamp.time_stamp.as_deref();
    let (time_stamp, proof) = time_stamp("timeStamp", token, &stamp.signature, trust, now);
    let moment = Moment::of(&stamp, proof.as_ref(), seal_proof.as_ref(), now);
    let judge = Judge { trust, at: moment.at, now, proved: proof.is_some() };

    let mut checks = vec![Check::ok("stampFormat"), version_check("stampVersion", stamp.check_version())];
    let (seal_checks, maker_chain) = seal_checks(&stamp.seal, &judge);
    checks.extend(seal_checks);
    checks.extend(seal_time_stamp);
    checks.push(in_cert_list(&stamp));
    let signed = Signed {
        bytes: &stamp.to_sign,
        certificate: &stamp.certificate,
        algorithm: &stamp.algorithm,
        signature: &stamp.signature,
        unsigned: (!stamp.signs_certificate()).then_some(
            "certificate and algorithm stand outside what was signed; seal's list and key bind them",
        ),
        shared: false,
    };
    let (signature, certificate, signer_chain) =
        signed.check(("stampSignature", "signerCertificate"), &judge);
    checks.extend([signature, certificate, moment.check, data_hash(&stamp, protected)]);
    checks.extend(time_stamp);
    StampVerdict {
        checks,
        signing_time: moment.signing_time,
        time_proof: moment.proof,
        maker_chain,
        signer_chain,
        time_stamp_chain: chain(proof),
        seal_time_stamp_chain: chain(seal_proof),
        stamp: Some(stamp),
    }
}

/// All checks of a seal but that of its time stamp, which is there for a V5 seal only.
fn seal_checks(seal: &Seal, judge: &Judge<'_>) -> (Vec<Check>, Vec<Certificate>) {
    let signed = Signed {
        bytes: &seal.signed,
        certificate: &seal.maker_certificate,
        algorithm: &seal.algorithm,
        signature: &seal.signature,
        unsigned: (seal.version != super::Version::V1)
            .then_some("certificate and algorithm stand outside what was signed; path and key bind them"),
        shared: true,
    };
    let (signature, certificate, chain) = signed.check(("sealMakerSignature", "sealMakerCertificate"), judge);
    let maker_unknown = certificate.outcome == Outcome::NotChecked;
    let checks = vec![
        Check::ok("sealFormat"),
        version_check("sealVersion", seal.check_version()),
        signature,
        certificate,
        validity(seal, judge.at, maker_unknown),
        cert_list(&seal.certs),
        match image::check(&seal.picture) {
            Ok(None) => Check::ok("sealPicture"),
            Ok(Some(note)) => Check::ok("sealPicture").because(note),
            Err(why) => Check::failed("sealPicture", SubIndication::FormatFailure, why.to_string()),
        },
    ];
    (checks, chain)
}

fn validity(seal: &Seal, at: Timestamp, maker_unknown: bool) -> Check {
    let (from, until) = (seal.valid_from, seal.valid_until);
    let (sub, why) = if at < from {
        (SubIndication::NotYetValid, format!("the seal is valid from {from}, judged at {at}"))
    } else if at > until {
        (SubIndication::Expired, format!("the seal was valid until {until}, judged at {at}"))
    } else {
        return Check::ok("sealValidity");
    };
    if maker_unknown {
        // The period is the maker's word, and nobody knows this maker: it decides nothing.
        let why = format!("{why}; its maker, who says so, is not trusted");
        return Check::not_checked("sealValidity", SubIndication::NoCertificateChainFound, why);
    }
    Check::failed("sealValidity", sub, why)
}

fn cert_list(certs: &CertList) -> Check {
    let failed = |sub, why: String| Check::failed("sealCertList", sub, why);
    if certs.is_empty() {
        let why = "the seal names nobody who may use it".to_owned();
        return failed(SubIndication::SigConstraintsFailure, why);
    }
    if let Some(hash) = certs.unsupported_hash() {
        let why = format!("its list of digests uses the hash {hash}");
        return failed(SubIndication::CryptoConstraintsFailure, why);
    }
    if let Some(length) = certs.wrong_length() {
        let why = format!("its list of digests has one of {length} bytes, which no hash here gives");
        return failed(SubIndication::FormatFailure, why);
    }
    Check::ok("sealCertList")
}

fn in_cert_list(stamp: &Stamp) -> Check {
    let name = "signerInSealCertList";
    if !stamp.seal.certs.contains(&stamp.certificate) {
        let why = "the signer's certificate is not among those that may use this seal";
        return Check::failed(name, SubIndication::SigConstraintsFailure, why);
    }
    Check::ok(name).because(match stamp.seal.certs {
        CertList::Certificates(_) => "the certificate stands in the list, byte for byte",
        CertList::Digests(_) => "the digest of the certificate stands in the list",
    })
}

fn unreadable(names: &[&'static str], why: &SesError) -> Vec<Check> {
    let mut names = names.iter();
    let Some(format) = names.next() else {
        return Vec::new();
    };
    let mut checks = vec![Check::failed(format, SubIndication::FormatFailure, why.to_string())];
    checks.extend(names.map(|name| Check::skipped(name, format)));
    checks
}

fn version_check(name: &'static str, version: Result<(), SesError>) -> Check {
    match version {
        Ok(()) => Check::ok(name),
        Err(why) => Check::failed(name, SubIndication::FormatFailure, why.to_string()),
    }
}

fn seal_time_stamp(seal: &Seal, trust: &Trust, now: Timestamp) -> (Option<Check>, Option<Proof>) {
    time_stamp("sealTimeStamp", seal.time_stamp.as_deref(), &seal.signature, trust, now)
}

/// The check of a time stamp, if one is there, and what it proves, if it holds.
fn time_stamp(
    name: &'static str,
    token: Option<&[u8]>,
    stamped: &[u8],
    trust: &Trust,
    now: Timestamp,
) -> (Option<Check>, Option<Proof>) {
    match token.map(|token| check_time_stamp(name, token, stamped, trust, now)) {
        None => (None, None),
        Some(Ok((check, proof))) => (Some(check), Some(proof)),
        Some(Err(check)) => (Some(check), None),
    }
}

fn chain(proof: Option<Proof>) -> Vec<Certificate> {
    proof.map(|proof| proof.chain).unwrap_or_default()
}

fn data_hash(stamp: &Stamp, protected: Protected<'_>) -> Check {
    let name = "dataHash";
    let length = stamp.data_hash.len();
    if length != size_of::<Digest>() {
        let why = format!("the stamp has a hash of {length} bytes, which no hash here gives");
        return Check::failed(name, SubIndication::HashFailure, why);
    }
    let found = match (protected, stamp.suite()) {
        (Protected::Absent, _) => {
            let why = "the sealed document is not here";
            return Check::not_checked(name, SubIndication::SignedDataNotFound, why);
        }
        (Protected::Hash(hash), _) => *hash,
        (Protected::Bytes(bytes), Some(suite)) => suite.hash(&[bytes]),
        (Protected::Bytes(_), None) => return Check::skipped(name, "stampSignature"),
    };
    if found.as_slice() == stamp.data_hash {
        return Check::ok(name);
    }
    let why = match protected {
        Protected::Bytes(bytes) if is_identity_hash(stamp, bytes) => {
            "the hash is not of the document alone: the signer's identity (ZA) was hashed before it, which \
             the standard does for signatures only"
        }
        _ => "the document is not the one that was sealed",
    };
    Check::failed(name, SubIndication::HashFailure, why)
}

/// Whether `dataHash` is the hash of an SM2 signature, which some makers take for it.
fn is_identity_hash(stamp: &Stamp, bytes: &[u8]) -> bool {
    let Ok(signer) = Certificate::from_der(&stamp.certificate) else { return false };
    let key = signer.public_key().ok().filter(|key| key.suite() == Suite::Sm2Sm3);
    key.is_some_and(|key| key.digest_to_sign(bytes).as_slice() == stamp.data_hash)
}
