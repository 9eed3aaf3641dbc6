//! One certificate, parsed once.

use std::fmt;
use std::sync::Arc;

use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::x509::X509Name;

use super::PkiError;
use super::asn1::{self, BIT_STRING, Fault, Reader, SEQUENCE};
use super::constraints::NameConstraints;
use super::extensions::{AuthorityKeyId, BasicConstraints, ExtendedKeyUsage, Extensions, KeyUsage};
use super::names::{AlternativeNames, DistinguishedName};
use super::scope::DistributionPoint;
use super::verified::Verified;
use crate::crypto::{
    CertificateKey, CryptoError, Digest, PublicKey, SignatureAlgorithm, pem_decode_all, sha256,
};
use crate::time::Timestamp;

/// Largest certificate that is looked at, in bytes.
const MAX_LEN: usize = 128 * 1024;

/// An X.509 certificate: its bytes, and what they say.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    fingerprint: Digest,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    signature_oid: String,
    algorithm: Result<SignatureAlgorithm, String>,
    subject_der: Vec<u8>,
    subject_name: DistinguishedName,
    issuer_der: Vec<u8>,
    issuer_name: DistinguishedName,
    subject: String,
    issuer: String,
    common_name: Option<String>,
    serial: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
    is_version_3: bool,
    spki: Vec<u8>,
    key: Result<CertificateKey, String>,
    extensions: Extensions,
}

impl Certificate {
    /// Parses DER; the whole input must be one certificate, its outer structure strict DER.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let refuse = PkiError::CertificateFormat;
        if der.len() > MAX_LEN {
            return Err(refuse("longer than 128 KiB"));
        }
        let outer = SignedParts::read(der)?;
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| refuse("x509-parser refuses it"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow it"));
        }
        let validity = parsed.validity();
        let (subject_der, issuer_der) = (parsed.subject().as_raw(), parsed.issuer().as_raw());
        let extensions = Extensions::read(&parsed)?;
        Ok(Self(Arc::new(Parsed {
            fingerprint: sha256(&[der]),
            tbs: outer.tbs.to_vec(),
            signature: outer.signature.to_vec(),
            signature_oid: outer.algorithm.oid,
            algorithm: outer.algorithm.known,
            subject_name: DistinguishedName::read(subject_der)
                .map_err(|_| refuse("its subject is no name"))?,
            subject_der: subject_der.to_vec(),
            issuer_der: issuer_der.to_vec(),
            issuer_name: DistinguishedName::read(issuer_der).map_err(|_| refuse("its issuer is no name"))?,
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            common_name: common_name(parsed.subject()),
            serial: parsed.raw_serial().to_vec(),
            not_before: Timestamp::from_secs(validity.not_before.timestamp()),
            not_after: Timestamp::from_secs(validity.not_after.timestamp()),
            is_version_3: parsed.version() == X509Version::V3,
            key: CertificateKey::from_spki(parsed.public_key().raw).map_err(unsupported),
            spki: parsed.public_key().raw.to_vec(),
            extensions,
            der: der.to_vec(),
        })))
    }

    /// Every certificate of a PEM text; other blocks are passed over.
    pub fn from_pem_all(pem: &[u8]) -> Result<Vec<Self>, PkiError> {
        pem_decode_all("CERTIFICATE", pem)?.iter().map(|der| Self::from_der(der)).collect()
    }

    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> Digest {
        self.0.fingerprint
    }

    /// The bytes under the issuer's signature.
    pub fn tbs(&self) -> &[u8] {
        &self.0.tbs
    }

    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject_der
    }

    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// Content octets of the serial number's INTEGER.
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The serial number in lower-case hex, without leading zero octets.
    pub fn serial_hex(&self) -> String {
        let digits: Vec<u8> = self.0.serial.iter().copied().skip_while(|byte| *byte == 0).collect();
        hex::encode(digits)
    }

    pub fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// The last second of validity, included.
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The subject's key if it is of a suite; other kinds cannot sign seals, tokens or statements.
    pub fn public_key(&self) -> Result<&PublicKey, PkiError> {
        let other = || self.unsupported("a key of neither suite");
        self.certificate_key().and_then(|key| key.suite_key().ok_or_else(other))
    }

    /// The subject's key of any supported kind, for verifying certificates and lists.
    pub fn certificate_key(&self) -> Result<&CertificateKey, PkiError> {
        self.0.key.as_ref().map_err(|algorithm| self.unsupported(algorithm))
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    pub fn is_version_3(&self) -> bool {
        self.0.is_version_3
    }

    /// Issuer and subject are the same name (RFC 5280 3.2).
    pub fn is_self_issued(&self) -> bool {
        self.0.subject_name == self.0.issuer_name
    }

    /// Object identifier of the signature algorithm, dotted.
    pub fn signature_oid(&self) -> &str {
        &self.0.signature_oid
    }

    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.extensions.basic_constraints
    }

    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.extensions.key_usage
    }

    pub fn extended_key_usage(&self) -> Option<ExtendedKeyUsage> {
        self.0.extensions.extended_key_usage
    }

    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.subject_key_id.as_deref()
    }

    /// Key identifier of the issuer.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.authority_key_id.as_ref()?.key.as_deref()
    }

    /// All of the extension that identifies the issuer's key.
    pub fn authority_key(&self) -> Option<&AuthorityKeyId> {
        self.0.extensions.authority_key_id.as_ref()
    }

    /// The subject, in the form in which names are compared.
    pub fn subject_name(&self) -> &DistinguishedName {
        &self.0.subject_name
    }

    /// The issuer, in the form in which names are compared.
    pub fn issuer_name(&self) -> &DistinguishedName {
        &self.0.issuer_name
    }

    pub fn alternative_names(&self) -> Option<&AlternativeNames> {
        self.0.extensions.alternative_names.as_ref()
    }

    /// Whether it is a certificate of the server `name`, a host name or an address. Only its
    /// alternative names count, and no wildcard (RFC 9525 6).
    pub fn check_server_name(&self, name: &str) -> Result<(), PkiError> {
        let named = self.alternative_names().is_some_and(|names| names.has_server(name));
        let refused =
            || PkiError::NotThisServer { subject: self.subject().to_owned(), name: name.to_owned() };
        if named { Ok(()) } else { Err(refused()) }
    }

    /// Its name constraints, or how they are broken.
    pub fn name_constraints(&self) -> Option<Result<&NameConstraints, Fault>> {
        self.0.extensions.name_constraints.as_ref().map(|found| found.as_ref().map_err(|why| *why))
    }

    pub fn distribution_points(&self) -> &[DistributionPoint] {
        &self.0.extensions.distribution_points
    }

    /// Whether it constrains policies, which are not evaluated.
    pub fn constrains_policies(&self) -> bool {
        self.0.extensions.constrains_policies
    }

    /// Whether the extension is there and critical.
    pub fn is_critical(&self, oid: &str) -> bool {
        self.0.extensions.critical.iter().any(|critical| critical == oid)
    }

    /// The first critical extension that is not understood, dotted.
    pub fn unknown_critical_extension(&self) -> Option<&str> {
        self.0.extensions.unknown_critical.as_deref()
    }

    /// Verifies this certificate's signature with the key of `issuer`, and nothing else; one that is
    /// known to verify is not verified again.
    pub(super) fn verify_once(&self, issuer: &Self, known: &Verified) -> Result<(), PkiError> {
        let algorithm = self.0.algorithm.as_ref().map_err(|algorithm| self.unsupported(algorithm))?;
        let key = issuer.certificate_key()?;
        known.once(issuer.spki(), &self.0.fingerprint, || {
            key.verify(*algorithm, &self.0.tbs, &self.0.signature)
                .map_err(|_| PkiError::SignatureInvalid { subject: self.subject().to_owned() })
        })
    }

    fn unsupported(&self, algorithm: &str) -> PkiError {
        PkiError::AlgorithmUnsupported { subject: self.subject().to_owned(), algorithm: algorithm.to_owned() }
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, serial {})", self.subject(), self.serial_hex())
    }
}

/// The three parts of `SEQUENCE { tbs, AlgorithmIdentifier, BIT STRING }`, which certificates and
/// revocation lists share. The outer algorithm is not signed; it must equal the signed one.
pub(super) struct SignedParts<'a> {
    pub tbs: &'a [u8],
    pub algorithm: Algorithm,
    pub signature: &'a [u8],
}

/// An AlgorithmIdentifier: its object identifier, and the algorithm or why it is not supported.
pub(super) struct Algorithm {
    pub oid: String,
    pub known: Result<SignatureAlgorithm, String>,
}

impl<'a> SignedParts<'a> {
    pub fn read(der: &'a [u8]) -> Result<Self, PkiError> {
        asn1::strict(der)?;
        let mut outer = asn1::whole(der, SEQUENCE)?.inside();
        let tbs = outer.expect(SEQUENCE)?;
        let algorithm = outer.expect(SEQUENCE)?;
        let signature = outer.expect(BIT_STRING)?.bits()?;
        outer.finish()?;
        // In both kinds the first SEQUENCE inside the tbs is the signed algorithm.
        let mut inside: Reader<'_> = tbs.inside();
        let inner = loop {
            let element = inside.any()?;
            if element.tag == SEQUENCE {
                break element;
            }
        };
        if inner.raw != algorithm.raw {
            return Err(PkiError::CertificateFormat("its two signature algorithms differ"));
        }
        let oid = algorithm.inside().expect(asn1::OBJECT_IDENTIFIER)?.oid()?;
        let known = SignatureAlgorithm::from_der(algorithm.raw).map_err(unsupported);
        Ok(Self { tbs: tbs.raw, algorithm: Algorithm { oid, known }, signature })
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next().and_then(|value| value.as_str().ok()).map(str::to_owned)
}

fn unsupported(why: CryptoError) -> String {
    match why {
        CryptoError::Unsupported(what) => what,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::Crl;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Certificate::from_der(&bytes).is_err());
            prop_assert!(Crl::from_der(&bytes).is_err());
            let _ = Certificate::from_pem_all(&bytes);
        }
    }
}
