//! One message: what its bytes say, and whether its signature holds.

use super::error::{At, CmsError};
use super::known::{
    CONTENT_TYPE, DATA, GM_DATA, GM_SIGNED_DATA, MAX_ATTRIBUTES, MAX_CERTIFICATES, MAX_LEN, MESSAGE_DIGEST,
    SIGNED_DATA, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2, SIGNING_TIME,
};
use super::verified::Verified;
use crate::crypto::{CertificateKey, Signature, SignatureAlgorithm, Suite, sha1};
use crate::pki::Certificate;
use crate::pki::asn1::{
    self, Element, Fault, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, SET, explicit, tlv,
};
use crate::time::Timestamp;

/// Most entries of a list that is only passed over.
const MAX_PASSED: usize = 64;
/// `[0]` primitive: an implicit OCTET STRING.
const KEY_ID: u8 = 0x80;

/// A message with one signer. Nothing of it is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedData {
    /// Type of the content, dotted.
    pub content_type: String,
    /// The content, where it lies inside.
    pub content: Option<Vec<u8>>,
    /// What went along and is a certificate that can be read.
    pub certificates: Vec<Certificate>,
    signer: SignerInfo,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct SignerInfo {
    id: SignerId,
    hash: String,
    algorithm: String,
    attributes: Option<Attributes>,
    signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum SignerId {
    IssuerAndSerial { issuer: Vec<u8>, serial: Vec<u8> },
    SubjectKeyId(Vec<u8>),
}

impl SignerId {
    fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.issuer_der() == issuer && certificate.serial() == serial
            }
            Self::SubjectKeyId(id) => certificate.subject_key_id() == Some(id),
        }
    }
}

impl SignedData {
    /// Parses one message (`ContentInfo`, RFC 5652 3 and 5); the whole input must be it.
    pub fn from_der(der: &[u8]) -> Result<Self, CmsError> {
        if der.len() > MAX_LEN {
            return Err(CmsError::TooLong(MAX_LEN));
        }
        if let [SEQUENCE, 0x80, ..] = der {
            return Err(CmsError::Indefinite);
        }
        let mut outer = asn1::whole(der, SEQUENCE).at("ContentInfo")?.inside();
        let kind = outer.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("contentType")?;
        if kind != SIGNED_DATA && kind != GM_SIGNED_DATA {
            return Err(CmsError::NotSignedData(kind));
        }
        let wrapped = outer.expect(explicit(0)).at("content")?;
        outer.finish().at("ContentInfo")?;
        let mut fields = asn1::whole(wrapped.content, SEQUENCE).at("SignedData")?.inside();

        version(&mut fields, &[1, 3, 4, 5])?;
        let announced = algorithms(fields.expect(SET).at("digestAlgorithms")?)?;
        let mut info = fields.expect(SEQUENCE).at("encapContentInfo")?.inside();
        let content_type = info.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("eContentType")?;
        let content = match info.optional(explicit(0)).at("eContent")? {
            Some(wrapped) => {
                Some(asn1::whole(wrapped.content, OCTET_STRING).at("eContent")?.content.to_vec())
            }
            None => None,
        };
        info.finish().at("encapContentInfo")?;
        let certificates = match fields.optional(explicit(0)).at("certificates")? {
            Some(set) => certificates(set)?,
            None => Vec::new(),
        };
        // Revocation lists that go along are passed over: a verifier brings its own.
        fields.optional(explicit(1)).at("crls")?;
        let signers = fields.expect(SET).at("signerInfos")?.inside().all(MAX_PASSED).at("signerInfos")?;
        fields.finish().at("SignedData")?;
        let [signer] = signers.as_slice() else {
            return Err(CmsError::Signers(signers.len()));
        };
        let signer = SignerInfo::read(signer)?;
        if !announced.contains(&signer.hash) {
            return Err(CmsError::DigestNotAnnounced);
        }
        Ok(Self { content_type, content, certificates, signer })
    }

    /// Verifies the signature, over the content inside or the one given; if both are there, they
    /// must be the same.
    pub fn verify(&self, given: Option<&[u8]>, known: &[Certificate]) -> Result<Verified, CmsError> {
        let content = match (&self.content, given) {
            (Some(inside), Some(given)) if inside != given => return Err(CmsError::OtherContent),
            (Some(inside), _) => inside.as_slice(),
            (None, Some(given)) => given,
            (None, None) => return Err(CmsError::NoContent),
        };
        let candidates = self.certificates.iter().chain(known);
        let certificate = candidates
            .into_iter()
            .find(|certificate| self.signer.id.names(certificate))
            .ok_or(CmsError::NoSignerCertificate)?;
        let hash = hash_of(&self.signer.hash)?;
        let mut signing_time = None;
        let signed = match &self.signer.attributes {
            None if self.content_type != DATA && self.content_type != GM_DATA => {
                return Err(CmsError::Attribute("contentType"));
            }
            None if Attributes::are_the_content(content) => return Err(CmsError::AttributesAsContent),
            None => content,
            Some(attributes) => {
                attributes.check(&self.content_type, hash.hash(&[content]).as_slice(), certificate)?;
                signing_time = attributes.signing_time()?;
                &attributes.set
            }
        };
        self.signer.check_signature(certificate, hash, signed)?;
        Ok(Verified { signer: certificate.clone(), carried: self.certificates.clone(), signing_time })
    }
}

/// What a signer of RSA writes: the key's algorithm alone (RFC 3370 3.2), or with its hash.
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";

impl SignerInfo {
    fn read(element: &Element<'_>) -> Result<Self, CmsError> {
        if element.tag != SEQUENCE {
            return Err(CmsError::Der { place: "SignerInfo", fault: Fault::Tag });
        }
        let mut fields = element.inside();
        version(&mut fields, &[1, 3])?;
        let id = match fields.optional(KEY_ID).at("sid")? {
            Some(id) => SignerId::SubjectKeyId(id.content.to_vec()),
            None => {
                let mut pair = fields.expect(SEQUENCE).at("sid")?.inside();
                let issuer = pair.expect(SEQUENCE).at("sid.issuer")?.raw.to_vec();
                let serial = pair.expect(INTEGER).at("sid.serialNumber")?.content.to_vec();
                pair.finish().at("sid")?;
                SignerId::IssuerAndSerial { issuer, serial }
            }
        };
        let hash = algorithm(fields.expect(SEQUENCE).at("digestAlgorithm")?, "digestAlgorithm")?;
        let attributes = match fields.optional(explicit(0)).at("signedAttrs")? {
            Some(list) => Some(Attributes::read(list)?),
            None => None,
        };
        let algorithm = algorithm(fields.expect(SEQUENCE).at("signatureAlgorithm")?, "signatureAlgorithm")?;
        let signature = fields.expect(OCTET_STRING).at("signature")?.content.to_vec();
        fields.optional(explicit(1)).at("unsignedAttrs")?;
        fields.finish().at("SignerInfo")?;
        Ok(Self { id, hash, algorithm, attributes, signature })
    }

    /// Hash, signature algorithm and key must be of one suite: nobody chooses a weaker mixture. Public
    /// time stamp authorities sign with RSA, which is no suite's; it goes with SHA-256 alone.
    fn check_signature(&self, by: &Certificate, hash: Suite, signed: &[u8]) -> Result<(), CmsError> {
        if let Ok(key @ CertificateKey::Rsa(_)) = by.certificate_key() {
            let named = [RSA_ENCRYPTION, SHA256_WITH_RSA].contains(&self.algorithm.as_str());
            if !named || hash != Suite::P256Sha256 {
                return Err(CmsError::Algorithm(self.algorithm.clone()));
            }
            return Ok(key.verify(SignatureAlgorithm::RsaSha256, signed, &self.signature)?);
        }
        let signature = Suite::from_seen_signature_oid(&self.algorithm)
            .ok_or_else(|| CmsError::Algorithm(self.algorithm.clone()))?;
        let key = by.public_key().map_err(CmsError::Key)?;
        if signature != hash || signature != key.suite() {
            return Err(CmsError::Mixed { hash, signature, key: key.suite() });
        }
        Ok(key.verify(signed, &Signature::from_der_or_raw(&self.signature)?)?)
    }
}

/// The signed attributes: their bytes as they are hashed, and what they say.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Attributes {
    /// DER of the SET.
    set: Vec<u8>,
    /// Type, dotted; concatenated values.
    found: Vec<(String, Vec<u8>)>,
}

impl Attributes {
    fn read(list: Element<'_>) -> Result<Self, CmsError> {
        let place = "signedAttrs";
        let mut found = Vec::new();
        for entry in list.inside().all(MAX_ATTRIBUTES).at(place)? {
            if entry.tag != SEQUENCE {
                return Err(CmsError::Der { place, fault: Fault::Tag });
            }
            let mut fields = entry.inside();
            let kind = fields.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at(place)?;
            let values = fields.expect(SET).at(place)?.content.to_vec();
            fields.finish().at(place)?;
            found.push((kind, values));
        }
        Ok(Self { set: tlv(SET, &[list.content]), found })
    }

    /// Whether content without signed attributes could have been some (see the head of the room).
    fn are_the_content(content: &[u8]) -> bool {
        let read = asn1::whole(content, SET).map(Self::read);
        matches!(read, Ok(Ok(attributes)) if attributes.found.iter().any(|entry| entry.0 == MESSAGE_DIGEST))
    }

    /// The one value of an attribute that may be there at most once, with one value.
    fn value(&self, kind: &str, name: &'static str) -> Result<Option<Element<'_>>, CmsError> {
        let mut entries = self.found.iter().filter(|entry| entry.0 == kind);
        let Some((_, values)) = entries.next() else {
            return Ok(None);
        };
        let mut reader = Reader::new(values);
        match (reader.any(), reader.is_empty(), entries.next()) {
            (Ok(value), true, None) => Ok(Some(value)),
            _ => Err(CmsError::Attribute(name)),
        }
    }

    fn check(&self, content_type: &str, digest: &[u8], certificate: &Certificate) -> Result<(), CmsError> {
        let missing = CmsError::Attribute;
        let kind = self.value(CONTENT_TYPE, "contentType")?.ok_or(missing("contentType"))?;
        if kind.tag != OBJECT_IDENTIFIER || kind.oid().at("contentType")? != content_type {
            return Err(CmsError::ContentType);
        }
        let found = self.value(MESSAGE_DIGEST, "messageDigest")?.ok_or(missing("messageDigest"))?;
        if found.tag != OCTET_STRING || found.content != digest {
            return Err(CmsError::Digest);
        }
        let named = [
            self.value(SIGNING_CERTIFICATE_V2, "signingCertificateV2")?.map(|value| (value, true)),
            self.value(SIGNING_CERTIFICATE, "signingCertificate")?.map(|value| (value, false)),
        ];
        for (value, second_form) in named.into_iter().flatten() {
            if !names_certificate(value, second_form, certificate)? {
                return Err(CmsError::OtherCertificate);
            }
        }
        Ok(())
    }

    fn signing_time(&self) -> Result<Option<Timestamp>, CmsError> {
        let value = self.value(SIGNING_TIME, "signingTime")?;
        value.map(|value| value.seen_time()).transpose().at("signingTime")
    }
}

/// Whether the first entry of a signing-certificate attribute is the certificate's digest: SHA-1 in
/// the first form (RFC 2634 5.4), SHA-256 or the hash that it names in the second (RFC 5035 3).
fn names_certificate(
    value: Element<'_>,
    second_form: bool,
    certificate: &Certificate,
) -> Result<bool, CmsError> {
    let place = "signingCertificate";
    if value.tag != SEQUENCE {
        return Err(CmsError::Der { place, fault: Fault::Tag });
    }
    let mut entries = value.inside().expect(SEQUENCE).at(place)?.inside();
    let mut first = entries.expect(SEQUENCE).at(place)?.inside();
    let der = certificate.der();
    let expected = if second_form {
        let named = first.optional(SEQUENCE).at(place)?.map(|id| algorithm(id, place)).transpose()?;
        let hash = named.map_or(Ok(Suite::P256Sha256), |oid| hash_of(&oid))?;
        hash.hash(&[der]).to_vec()
    } else {
        sha1(der).to_vec()
    };
    Ok(first.expect(OCTET_STRING).at(place)?.content == expected)
}

fn version(from: &mut Reader<'_>, known: &[u32]) -> Result<(), CmsError> {
    let version = from.expect(INTEGER).and_then(|value| value.to_u32()).at("version")?;
    if known.contains(&version) { Ok(()) } else { Err(CmsError::Version(version)) }
}

fn hash_of(oid: &str) -> Result<Suite, CmsError> {
    Suite::from_seen_hash(oid).ok_or_else(|| CmsError::Algorithm(oid.to_owned()))
}

/// The identifier of an AlgorithmIdentifier; its parameters decide nothing for the algorithms here.
fn algorithm(element: Element<'_>, place: &'static str) -> Result<String, CmsError> {
    element.inside().expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at(place)
}

fn algorithms(set: Element<'_>) -> Result<Vec<String>, CmsError> {
    let place = "digestAlgorithms";
    set.inside().all(MAX_PASSED).at(place)?.into_iter().map(|element| algorithm(element, place)).collect()
}

/// The X.509 certificates of a set; other kinds, and what cannot be read, serve nobody.
fn certificates(set: Element<'_>) -> Result<Vec<Certificate>, CmsError> {
    let entries = set.inside().all(MAX_CERTIFICATES).at("certificates")?;
    let plain = entries.iter().filter(|entry| entry.tag == SEQUENCE);
    Ok(plain.filter_map(|entry| Certificate::from_der(entry.raw).ok()).collect())
}

/// Verifies the signature of a message over `content`, which may also lie inside it; `known` are
/// certificates in which the signer is looked for besides those that go along.
pub fn verify_detached(der: &[u8], content: &[u8], known: &[Certificate]) -> Result<Verified, CmsError> {
    SignedData::from_der(der)?.verify(Some(content), known)
}

/// Verifies the signature of a message over the content inside it, and returns both.
pub fn verify_attached(der: &[u8], known: &[Certificate]) -> Result<(Verified, Vec<u8>), CmsError> {
    let message = SignedData::from_der(der)?;
    let verified = message.verify(None, known)?;
    Ok((verified, message.content.ok_or(CmsError::NoContent)?))
}
