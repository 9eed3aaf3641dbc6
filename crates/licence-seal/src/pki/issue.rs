//! A small certification authority, for tests, the demo and `init`.
//!
//! It writes DER by hand over the [`Signer`] trait: the builders of x509-cert want a key type of
//! their own for each algorithm, and a key behind a cryptographic machine has none. It is no
//! product of its own: no requests, no register, no state. Moments and randomness are passed in.

use std::net::IpAddr;

use super::asn1::{
    self, BOOLEAN, ENUMERATED, OCTET_STRING, PRINTABLE_STRING, SET, UTF8_STRING, bit_string,
    certificate_time, explicit, integer, sequence, tlv, unsigned,
};
use super::{Certificate, Crl, PkiError, RevocationReason};
use crate::crypto::{PublicKey, Random, Signer, Suite, sha256};
use crate::time::Timestamp;

const BASIC_CONSTRAINTS: &str = "2.5.29.19";
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
const SUBJECT_KEY_ID: &str = "2.5.29.14";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";
const CRL_NUMBER: &str = "2.5.29.20";
const REASON_CODE: &str = "2.5.29.21";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

/// Bits of `keyUsage`, as [`Extension::key_usage`] takes them: the first bit is the highest.
pub const DIGITAL_SIGNATURE: u8 = 0x80;
pub const NON_REPUDIATION: u8 = 0x40;
pub const KEY_CERT_SIGN: u8 = 0x04;
pub const CRL_SIGN: u8 = 0x02;

/// A subject: country CN, optionally an organisation, a common name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    common_name: String,
    organization: Option<String>,
}

impl Name {
    pub fn new(common_name: &str) -> Self {
        Self { common_name: common_name.to_owned(), organization: None }
    }

    #[cfg(test)]
    fn with_organization(self, organization: &str) -> Self {
        Self { organization: Some(organization.to_owned()), ..self }
    }

    fn to_der(&self) -> Result<Vec<u8>, PkiError> {
        let part = |oid, tag, value: &str| -> Result<Vec<u8>, PkiError> {
            let pair = sequence(&[&dotted(oid)?, &tlv(tag, &[value.as_bytes()])]);
            Ok(tlv(SET, &[&pair]))
        };
        let mut parts = vec![part("2.5.4.6", PRINTABLE_STRING, "CN")?];
        if let Some(organization) = &self.organization {
            parts.push(part("2.5.4.10", UTF8_STRING, organization)?);
        }
        parts.push(part("2.5.4.3", UTF8_STRING, &self.common_name)?);
        Ok(sequence(&[&parts.concat()]))
    }
}

/// First and last second of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    pub const fn days(from: Timestamp, days: i64) -> Self {
        Self { not_before: from, not_after: from.plus_secs(days.saturating_mul(86_400)) }
    }
}

/// One extension: identifier, criticality, DER of its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    pub oid: &'static str,
    pub critical: bool,
    pub value: Vec<u8>,
}

impl Extension {
    pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Self {
        let ca = if ca { tlv(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
        let path_len = path_len.map(|len| integer(u64::from(len))).unwrap_or_default();
        Self { oid: BASIC_CONSTRAINTS, critical: true, value: sequence(&[&ca, &path_len]) }
    }

    /// `bits` is the first octet of the BIT STRING, for example [`DIGITAL_SIGNATURE`].
    pub fn key_usage(bits: u8) -> Self {
        let unused = u8::try_from(bits.trailing_zeros()).unwrap_or(0) & 7;
        Self { oid: KEY_USAGE, critical: true, value: tlv(asn1::BIT_STRING, &[&[unused, bits]]) }
    }

    fn purposes(oids: &[&str]) -> Result<Self, PkiError> {
        let oids: Vec<Vec<u8>> = oids.iter().map(|oid| dotted(oid)).collect::<Result<_, _>>()?;
        Ok(Self { oid: EXTENDED_KEY_USAGE, critical: false, value: sequence(&[&oids.concat()]) })
    }

    fn alternative_names(dns: &[String], addresses: &[IpAddr]) -> Self {
        let mut names = Vec::new();
        for name in dns {
            names.extend(tlv(0x82, &[name.as_bytes()]));
        }
        for address in addresses {
            names.extend(match address {
                IpAddr::V4(v4) => tlv(0x87, &[&v4.octets()]),
                IpAddr::V6(v6) => tlv(0x87, &[&v6.octets()]),
            });
        }
        Self { oid: SUBJECT_ALT_NAME, critical: false, value: sequence(&[&names]) }
    }

    fn to_der(&self) -> Result<Vec<u8>, PkiError> {
        let critical = if self.critical { tlv(BOOLEAN, &[&[0xff]]) } else { Vec::new() };
        Ok(sequence(&[&dotted(self.oid)?, &critical, &tlv(OCTET_STRING, &[&self.value])]))
    }
}

/// What a certificate is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Profile {
    /// An authority; `path_len` authorities may stand below it.
    Authority {
        path_len: Option<u8>,
    },
    /// A TLS server, which is a client of its peers too.
    TlsServer {
        dns: Vec<String>,
        addresses: Vec<IpAddr>,
    },
    TlsClient,
    /// Signs seals (制章).
    SealMaker,
    /// Signs with a seal (签章): `digitalSignature` and `nonRepudiation`.
    SealOwner,
    /// Signs tokens, receipts and status statements of a node.
    NodeSigning,
    /// Signs directories and issuer lists.
    Directory,
    /// A time stamp authority: its one purpose is critical (RFC 3161 2.3).
    TimeStamping,
    /// Exactly these extensions, beside the key identifiers.
    Custom(Vec<Extension>),
}

impl Profile {
    fn extensions(&self) -> Result<Vec<Extension>, PkiError> {
        let end_entity = |bits| vec![Extension::basic_constraints(false, None), Extension::key_usage(bits)];
        Ok(match self {
            Self::Authority { path_len } => vec![
                Extension::basic_constraints(true, *path_len),
                Extension::key_usage(KEY_CERT_SIGN | CRL_SIGN),
            ],
            Self::TlsServer { dns, addresses } => {
                let mut found = end_entity(DIGITAL_SIGNATURE);
                found.push(Extension::purposes(&[SERVER_AUTH, CLIENT_AUTH])?);
                found.push(Extension::alternative_names(dns, addresses));
                found
            }
            Self::TlsClient => {
                let mut found = end_entity(DIGITAL_SIGNATURE);
                found.push(Extension::purposes(&[CLIENT_AUTH])?);
                found
            }
            Self::SealMaker | Self::SealOwner => end_entity(DIGITAL_SIGNATURE | NON_REPUDIATION),
            Self::NodeSigning | Self::Directory => end_entity(DIGITAL_SIGNATURE),
            Self::TimeStamping => {
                let mut found = end_entity(DIGITAL_SIGNATURE | NON_REPUDIATION);
                found.push(Extension { critical: true, ..Extension::purposes(&[TIME_STAMPING])? });
                found
            }
            Self::Custom(extensions) => extensions.clone(),
        })
    }
}

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub name: &'a Name,
    pub key: &'a PublicKey,
    pub validity: Validity,
    pub profile: Profile,
}

/// One entry of a revocation list.
#[derive(Clone, Debug)]
pub struct Revocation<'a> {
    pub certificate: &'a Certificate,
    pub at: Timestamp,
    pub reason: RevocationReason,
}

/// A certification authority: its certificate and its key.
#[derive(Clone)]
pub struct Authority<'a> {
    certificate: Certificate,
    signer: &'a dyn Signer,
}

impl<'a> Authority<'a> {
    /// A new root, without limit on the authorities below it.
    pub fn self_signed(
        name: &Name,
        validity: Validity,
        signer: &'a dyn Signer,
        random: &dyn Random,
    ) -> Result<Self, PkiError> {
        let profile = Profile::Authority { path_len: None };
        let request = Request { name, key: signer.public_key(), validity, profile };
        let certificate = build(&request, &name.to_der()?, signer, random)?;
        Ok(Self { certificate, signer })
    }

    /// An authority from its certificate and the key that belongs to it.
    pub fn new(certificate: Certificate, signer: &'a dyn Signer) -> Result<Self, PkiError> {
        if certificate.public_key()? != signer.public_key() {
            return Err(PkiError::KeyMismatch { subject: certificate.subject().to_owned() });
        }
        Ok(Self { certificate, signer })
    }

    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Issues a certificate. The key may be of the other suite.
    pub fn issue(&self, request: &Request<'_>, random: &dyn Random) -> Result<Certificate, PkiError> {
        build(request, self.certificate.subject_der(), self.signer, random)
    }

    /// Issues a complete revocation list.
    pub fn crl(
        &self,
        revoked: &[Revocation<'_>],
        number: u64,
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<Crl, PkiError> {
        let algorithm = signature_algorithm(self.signer.suite())?;
        let mut entries = Vec::new();
        for entry in revoked {
            let reason = Extension {
                oid: REASON_CODE,
                critical: false,
                value: tlv(ENUMERATED, &[&[entry.reason.code()]]),
            };
            let serial = tlv(asn1::INTEGER, &[entry.certificate.serial()]);
            let reason = sequence(&[&reason.to_der()?]);
            entries.extend(sequence(&[&serial, &certificate_time(entry.at), &reason]));
        }
        // An empty list must be absent (RFC 5280 5.1.2.6).
        let entries = if entries.is_empty() { Vec::new() } else { sequence(&[&entries]) };
        let number = Extension { oid: CRL_NUMBER, critical: false, value: integer(number) };
        let extensions = [authority_key_id(self.signer.public_key()).to_der()?, number.to_der()?].concat();
        let tbs = sequence(&[
            &integer(1),
            &algorithm,
            self.certificate.subject_der(),
            &certificate_time(this_update),
            &certificate_time(next_update),
            &entries,
            &tlv(explicit(0), &[&sequence(&[&extensions])]),
        ]);
        Crl::from_der(&signed(&tbs, &algorithm, self.signer)?)
    }
}

fn build(
    request: &Request<'_>,
    issuer: &[u8],
    signer: &dyn Signer,
    random: &dyn Random,
) -> Result<Certificate, PkiError> {
    let algorithm = signature_algorithm(signer.suite())?;
    // 126 random bits; the top ones are fixed so that the number is positive and 16 octets long.
    let mut serial: [u8; 16] = random.bytes()?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    let mut extensions = request.profile.extensions()?;
    extensions.push(Extension {
        oid: SUBJECT_KEY_ID,
        critical: false,
        value: tlv(OCTET_STRING, &[&key_id(request.key)]),
    });
    extensions.push(authority_key_id(signer.public_key()));
    let extensions: Vec<Vec<u8>> = extensions.iter().map(Extension::to_der).collect::<Result<_, _>>()?;
    let Validity { not_before, not_after } = request.validity;
    let tbs = sequence(&[
        &tlv(explicit(0), &[&integer(2)]),
        &unsigned(&serial),
        &algorithm,
        issuer,
        &sequence(&[&certificate_time(not_before), &certificate_time(not_after)]),
        &request.name.to_der()?,
        &request.key.to_spki(),
        &tlv(explicit(3), &[&sequence(&[&extensions.concat()])]),
    ]);
    Certificate::from_der(&signed(&tbs, &algorithm, signer)?)
}

fn signed(tbs: &[u8], algorithm: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, PkiError> {
    let signature = signer.sign(tbs)?;
    Ok(sequence(&[tbs, algorithm, &bit_string(&signature.to_der())]))
}

/// AlgorithmIdentifier without parameters, as RFC 5758 3.2 has it for ECDSA and GB/T 20518 for SM2.
fn signature_algorithm(suite: Suite) -> Result<Vec<u8>, PkiError> {
    Ok(sequence(&[&dotted(suite.signature_oid())?]))
}

/// Leftmost 160 bits of SHA-256 over the point (RFC 7093 2, method 1).
fn key_id(key: &PublicKey) -> Vec<u8> {
    sha256(&[key.point()]).into_iter().take(20).collect()
}

fn authority_key_id(key: &PublicKey) -> Extension {
    let value = sequence(&[&tlv(0x80, &[&key_id(key)])]);
    Extension { oid: AUTHORITY_KEY_ID, critical: false, value }
}

fn dotted(oid: &str) -> Result<Vec<u8>, PkiError> {
    asn1::oid(oid).ok_or(PkiError::CertificateFormat("an object identifier is none"))
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::crypto::{PrivateKey, SeededRandom, pem_encode};

    const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);

    fn key(suite: Suite, seed: &str) -> PrivateKey {
        PrivateKey::from_pkcs8(&PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap()).unwrap()
    }

    fn server(by: &Authority<'_>, key: &PublicKey) -> Certificate {
        let profile = Profile::TlsServer {
            dns: vec!["node.example".to_owned()],
            addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        };
        let name = Name::new("node.example").with_organization("天津市政务服务办公室");
        let request = Request { name: &name, key, validity: Validity::days(NOW, 365), profile };
        by.issue(&request, &SeededRandom::new("server")).unwrap()
    }

    #[test]
    fn an_issued_certificate_says_what_was_asked() {
        for suite in Suite::ALL {
            let (root_key, leaf_key) = (key(suite, "root"), key(suite, "leaf"));
            let validity = Validity::days(NOW, 3650);
            let random = SeededRandom::new("root");
            let root = Authority::self_signed(&Name::new("根"), validity, &root_key, &random).unwrap();
            let leaf = server(&root, leaf_key.public_key());
            assert_eq!(leaf.common_name(), Some("node.example"));
            assert_eq!(leaf.issuer_der(), root.certificate().subject_der());
            assert_eq!(leaf.authority_key_id(), root.certificate().subject_key_id());
            assert_eq!(leaf.public_key().unwrap(), leaf_key.public_key());
            assert_eq!((leaf.not_before(), leaf.not_after()), (NOW, NOW.plus_secs(365 * 86_400)));
            assert_eq!((leaf.serial().len(), leaf.serial_hex().len()), (16, 32));
            let usage = leaf.extended_key_usage().unwrap();
            assert!(usage.server_auth && usage.client_auth && !usage.any);
            assert_eq!(
                Authority::new(leaf, &root_key).map(|_| ()).unwrap_err().rule(),
                "certificate.keyMismatch"
            );
        }
    }

    #[test]
    fn a_list_survives_its_bytes() {
        for suite in Suite::ALL {
            let (root_key, leaf_key) = (key(suite, "root"), key(suite, "leaf"));
            let random = SeededRandom::new("root");
            let validity = Validity::days(NOW, 3650);
            let root = Authority::self_signed(&Name::new("root"), validity, &root_key, &random).unwrap();
            let leaf = server(&root, leaf_key.public_key());
            let entry = Revocation { certificate: &leaf, at: NOW, reason: RevocationReason::KeyCompromise };
            let crl = root.crl(&[entry], 300, NOW, NOW.plus_secs(60)).unwrap();
            crl.verify(root.certificate()).unwrap();
            let found = crl.find(leaf.serial()).unwrap();
            assert_eq!((found.at, found.reason), (NOW, RevocationReason::KeyCompromise));
            assert_eq!(crl.find(root.certificate().serial()), None);
            for at in 0..crl.der().len() {
                let mut changed = crl.der().to_vec();
                changed[at] ^= 1;
                let refused = Crl::from_der(&changed).and_then(|crl| crl.verify(root.certificate()));
                assert!(refused.is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn rustls_accepts_a_p256_certificate_and_list() {
        use rustls::RootCertStore;
        use rustls::client::WebPkiServerVerifier;
        use rustls::client::danger::ServerCertVerifier;
        use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
        let (root_key, leaf_key) = (key(Suite::P256Sha256, "root"), key(Suite::P256Sha256, "leaf"));
        let random = SeededRandom::new("root");
        let validity = Validity::days(NOW, 3650);
        let root = Authority::self_signed(&Name::new("root"), validity, &root_key, &random).unwrap();
        let leaf = server(&root, leaf_key.public_key());
        let verify = |crl: Crl| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(root.certificate().der().to_vec())).unwrap();
            let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .with_crls([CertificateRevocationListDer::from(crl.der().to_vec())])
                .build()
                .unwrap();
            let seconds = u64::try_from(NOW.secs() + 5).unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            ["node.example", "127.0.0.1"].map(|name| {
                let end_entity = CertificateDer::from(leaf.der().to_vec());
                let name = ServerName::try_from(name).unwrap();
                verifier.verify_server_cert(&end_entity, &[], &name, &[], now).is_ok()
            })
        };
        assert_eq!(verify(root.crl(&[], 1, NOW, NOW.plus_secs(60)).unwrap()), [true, true]);
        let entry = Revocation { certificate: &leaf, at: NOW, reason: RevocationReason::Superseded };
        assert_eq!(verify(root.crl(&[entry], 2, NOW, NOW.plus_secs(60)).unwrap()), [false, false]);
    }

    #[test]
    fn openssl_verifies_a_chain() {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: openssl is not here");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for suite in Suite::ALL {
            let (root_key, leaf_key) = (key(suite, "root"), key(suite, "leaf"));
            let random = SeededRandom::new("root");
            let validity = Validity::days(NOW, 3650);
            let root = Authority::self_signed(&Name::new("root"), validity, &root_key, &random).unwrap();
            let leaf = server(&root, leaf_key.public_key());
            let crl = root.crl(&[], 1, NOW, NOW.plus_secs(60)).unwrap();
            let write = |name: &str, label, der: &[u8]| {
                let path = dir.path().join(name);
                std::fs::write(&path, pem_encode(label, der).unwrap()).unwrap();
                path
            };
            let mut verify = Command::new("openssl");
            verify.args(["verify", "-attime", &NOW.plus_secs(5).secs().to_string(), "-CAfile"]).arg(write(
                "root.pem",
                "CERTIFICATE",
                root.certificate().der(),
            ));
            // The user id that -vfyopt sets reaches certificates, but not revocation lists.
            match suite {
                Suite::Sm2Sm3 => verify.args(["-vfyopt", "distid:1234567812345678"]),
                Suite::P256Sha256 => {
                    verify.args(["-crl_check", "-CRLfile"]).arg(write("crl.pem", "X509 CRL", crl.der()))
                }
            };
            let output = verify.arg(write("leaf.pem", "CERTIFICATE", leaf.der())).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{suite}: {said}");
        }
    }
}
