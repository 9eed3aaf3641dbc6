//! One certificate, parsed once.

use std::fmt;
use std::sync::Arc;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::PkiError;
use super::asn1::{self, BIT_STRING, Reader, SEQUENCE};
use crate::crypto::{Digest, PublicKey, Signature, Suite, pem_decode_all, sha256};
use crate::time::Timestamp;

/// Largest certificate that is looked at, in bytes.
const MAX_LEN: usize = 64 * 1024;

const OID_EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// `basicConstraints` (RFC 5280 4.2.1.9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicConstraints {
    pub ca: bool,
    pub path_len: Option<u32>,
}

/// `keyUsage` (RFC 5280 4.2.1.3), the bits that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUsage {
    pub digital_signature: bool,
    pub non_repudiation: bool,
    pub key_cert_sign: bool,
    pub crl_sign: bool,
}

/// `extKeyUsage` (RFC 5280 4.2.1.12), the purposes that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedKeyUsage {
    pub any: bool,
    pub server_auth: bool,
    pub client_auth: bool,
}

/// An X.509 certificate: its bytes, and what they say.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    fingerprint: Digest,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    signature_oid: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    subject: String,
    issuer: String,
    common_name: Option<String>,
    serial: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
    key: Result<PublicKey, String>,
    extensions: Extensions,
}

#[derive(Default)]
struct Extensions {
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<ExtendedKeyUsage>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    name_constraints: bool,
    unknown_critical: Option<String>,
}

impl Certificate {
    /// Parses DER; the whole input must be one certificate, its outer structure strict DER.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let refuse = PkiError::CertificateFormat;
        if der.len() > MAX_LEN {
            return Err(refuse("longer than 64 KiB"));
        }
        let outer = SignedParts::read(der)?;
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| refuse("x509-parser refuses it"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow it"));
        }
        let validity = parsed.validity();
        let extensions = Extensions::read(&parsed)?;
        Ok(Self(Arc::new(Parsed {
            fingerprint: sha256(&[der]),
            tbs: outer.tbs.to_vec(),
            signature: outer.signature.to_vec(),
            signature_oid: outer.algorithm,
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            common_name: common_name(parsed.subject()),
            serial: parsed.raw_serial().to_vec(),
            not_before: Timestamp::from_secs(validity.not_before.timestamp()),
            not_after: Timestamp::from_secs(validity.not_after.timestamp()),
            key: public_key(parsed.public_key()),
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

    /// The subject's key, or that it is of a kind not supported.
    pub fn public_key(&self) -> Result<&PublicKey, PkiError> {
        self.0.key.as_ref().map_err(|algorithm| self.unsupported(algorithm))
    }

    /// Object identifier of the signature algorithm, dotted.
    pub fn signature_oid(&self) -> &str {
        &self.0.signature_oid
    }

    /// The suite under which the issuer signed.
    pub fn signature_suite(&self) -> Option<Suite> {
        Suite::from_signature_oid(&self.0.signature_oid)
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

    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.authority_key_id.as_deref()
    }

    pub fn has_name_constraints(&self) -> bool {
        self.0.extensions.name_constraints
    }

    /// The first critical extension that is not understood, dotted.
    pub fn unknown_critical_extension(&self) -> Option<&str> {
        self.0.extensions.unknown_critical.as_deref()
    }

    /// Verifies this certificate's signature with its issuer's key.
    pub fn verify_signature(&self, issuer: &PublicKey) -> Result<(), PkiError> {
        let invalid = || PkiError::SignatureInvalid { subject: self.subject().to_owned() };
        let suite = self.signature_suite().ok_or_else(|| self.unsupported(&self.0.signature_oid))?;
        if suite != issuer.suite() {
            return Err(invalid());
        }
        let signature = Signature::from_der(&self.0.signature).map_err(|_| invalid())?;
        issuer.verify(&self.0.tbs, &signature).map_err(|_| invalid())
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
    pub algorithm: String,
    pub signature: &'a [u8],
}

impl<'a> SignedParts<'a> {
    pub fn read(der: &'a [u8]) -> Result<Self, PkiError> {
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
        let algorithm = algorithm.inside().expect(asn1::OBJECT_IDENTIFIER)?.oid()?;
        Ok(Self { tbs: tbs.raw, algorithm, signature })
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next().and_then(|value| value.as_str().ok()).map(str::to_owned)
}

/// The key, or the identifier of its algorithm or curve.
fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, String> {
    let algorithm = info.algorithm.algorithm.to_id_string();
    if algorithm != OID_EC_PUBLIC_KEY {
        return Err(algorithm);
    }
    let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let curve = curve.map(|oid| oid.to_id_string()).ok_or(algorithm)?;
    let suite = Suite::from_curve_oid(&curve).ok_or_else(|| curve.clone())?;
    PublicKey::from_point(suite, info.subject_public_key.data.as_ref()).map_err(|why| why.to_string())
}

impl Extensions {
    fn read(certificate: &X509Certificate<'_>) -> Result<Self, PkiError> {
        let refuse = PkiError::CertificateFormat;
        if certificate.extensions_map().is_err() {
            return Err(refuse("an extension stands there twice"));
        }
        if certificate.version() != X509Version::V3 && !certificate.extensions().is_empty() {
            return Err(refuse("extensions without version 3"));
        }
        let mut found = Self::default();
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    found.basic_constraints = Some(BasicConstraints {
                        ca: constraints.ca,
                        path_len: constraints.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(usage) => {
                    found.key_usage = Some(KeyUsage {
                        digital_signature: usage.digital_signature(),
                        non_repudiation: usage.non_repudiation(),
                        key_cert_sign: usage.key_cert_sign(),
                        crl_sign: usage.crl_sign(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    found.extended_key_usage = Some(ExtendedKeyUsage {
                        any: usage.any,
                        server_auth: usage.server_auth,
                        client_auth: usage.client_auth,
                    });
                }
                ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    found.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::NameConstraints(_) => found.name_constraints = true,
                // Without policy constraints every policy is acceptable.
                ParsedExtension::SubjectAlternativeName(_)
                | ParsedExtension::CertificatePolicies(_)
                | ParsedExtension::CRLDistributionPoints(_) => {}
                ParsedExtension::ParseError { .. } => {
                    return Err(refuse("an extension that is known does not parse"));
                }
                _ if extension.critical => {
                    found.unknown_critical.get_or_insert(extension.oid.to_id_string());
                }
                _ => {}
            }
        }
        Ok(found)
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
