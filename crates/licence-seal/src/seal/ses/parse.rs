//! Reading seals and stamps of the three versions, bounded, keeping what was signed as it came.

use super::error::{At, SesError};
use super::limits::{MAX_CERTS, MAX_PICTURE, MAX_SEAL, MAX_STAMP};
use crate::crypto::{Digest, Suite};
use crate::pki::asn1::{
    self, BIT_STRING, BOOLEAN, Element, Fault, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING,
    Reader, SEQUENCE, explicit,
};
use crate::time::Timestamp;

/// Most extensions of a seal or stamp.
const MAX_EXTENSIONS: usize = 64;
/// Longest text (name, vendor, number, property) in bytes.
const MAX_TEXT: usize = 4096;

/// Which standard's structure a seal or stamp has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// GM/T 0031-2014
    V1,
    /// GB/T 38540-2020
    V4,
    /// GM/T 0031-2025
    V5,
}

impl Version {
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }
}

/// Who may sign with a seal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertList {
    /// Certificates, DER.
    Certificates(Vec<Vec<u8>>),
    /// Digests of certificates: name or identifier of the hash, value.
    Digests(Vec<(String, Vec<u8>)>),
}

impl CertList {
    /// A list of digests of these certificates, under the suite's hash.
    pub fn digests(suite: Suite, certificates: &[&[u8]]) -> Self {
        let entry = |der: &&[u8]| (suite.hash_oid().to_owned(), suite.hash(&[der]).to_vec());
        Self::Digests(certificates.iter().map(entry).collect())
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Certificates(list) => list.len(),
            Self::Digests(list) => list.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the certificate (DER) is in the list, byte for byte or by its digest.
    pub fn contains(&self, certificate: &[u8]) -> bool {
        match self {
            Self::Certificates(list) => list.iter().any(|der| der == certificate),
            Self::Digests(list) => list.iter().any(|(hash, value)| {
                Suite::from_seen_hash(hash)
                    .is_some_and(|suite| suite.hash(&[certificate]).as_slice() == value)
            }),
        }
    }

    /// The length of the first digest that its hash does not give, in bytes.
    pub fn wrong_length(&self) -> Option<usize> {
        match self {
            Self::Certificates(_) => None,
            Self::Digests(list) => {
                list.iter().map(|entry| entry.1.len()).find(|length| *length != size_of::<Digest>())
            }
        }
    }

    /// The first hash of a list of digests that is not supported.
    pub fn unsupported_hash(&self) -> Option<&str> {
        match self {
            Self::Certificates(_) => None,
            Self::Digests(list) => {
                list.iter().map(|entry| entry.0.as_str()).find(|hash| Suite::from_seen_hash(hash).is_none())
            }
        }
    }
}

/// A seal's picture; width and height in millimetres.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// `PNG`, `GIF`, `ofd`, … as the maker wrote it.
    pub kind: String,
    pub data: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// What an `SESeal` says. Nothing of it is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seal {
    pub der: Vec<u8>,
    /// The bytes under the maker's signature.
    pub signed: Vec<u8>,
    /// Structure found.
    pub version: Version,
    /// `ID` of the header; `ES` in a seal.
    pub header_id: String,
    /// Version that the header claims.
    pub header_version: u32,
    pub vendor: String,
    pub es_id: String,
    /// 1 unit, 2 person; others are seen.
    pub kind: u32,
    pub name: String,
    pub certs: CertList,
    pub created: Timestamp,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
    pub picture: Picture,
    /// DER as embedded.
    pub maker_certificate: Vec<u8>,
    /// Object identifier, dotted.
    pub algorithm: String,
    pub signature: Vec<u8>,
    pub time_stamp: Option<Vec<u8>>,
}

impl Seal {
    /// Parses one seal (`*.esl`); the whole input must be it.
    pub fn from_der(der: &[u8]) -> Result<Self, SesError> {
        if der.len() > MAX_SEAL {
            return Err(SesError::TooLong("the seal"));
        }
        Self::read(asn1::whole(der, SEQUENCE).at("SESeal")?)
    }

    fn read(outer: Element<'_>) -> Result<Self, SesError> {
        let mut parts = outer.inside();
        let info = parts.expect(SEQUENCE).at("eSealInfo")?;
        let first = parts.peek();
        let v1 = first == Some(SEQUENCE);
        let mut sign_info = if v1 { parts.expect(SEQUENCE).at("signInfo")?.inside() } else { parts };
        let certificate = sign_info.expect(OCTET_STRING).at("cert")?;
        let algorithm = sign_info.expect(OBJECT_IDENTIFIER).at("signAlgID")?;
        let signature = sign_info.expect(BIT_STRING).and_then(|value| value.bits()).at("signedValue")?;
        let time_stamp = if v1 { None } else { time_stamp(&mut sign_info)? };
        sign_info.finish().at("SESeal")?;
        if v1 {
            parts.finish().at("SESeal")?;
        }
        let signed =
            if v1 { asn1::sequence(&[info.raw, certificate.raw, algorithm.raw]) } else { info.raw.to_vec() };

        let mut fields = info.inside();
        let mut header = fields.expect(SEQUENCE).at("header")?.inside();
        let header_id = text(&mut header, "header.ID")?;
        let header_version = number(&mut header, "header.version")?;
        let vendor = text(&mut header, "header.Vid")?;
        header.finish().at("header")?;
        let version = match (v1, header_version, &time_stamp) {
            (true, ..) => Version::V1,
            (false, 5, _) | (false, _, Some(_)) => Version::V5,
            (false, ..) => Version::V4,
        };
        let es_id = text(&mut fields, "esID")?;
        let property = fields.expect(SEQUENCE).at("property")?;
        let Property { kind, name, certs, created, valid_from, valid_until } =
            Property::read(property.inside(), v1)?;
        let picture = picture(fields.expect(SEQUENCE).at("picture")?.inside())?;
        if let Some(extensions) = fields.optional(SEQUENCE).at("extDatas")? {
            no_critical_extensions(extensions)?;
        }
        fields.finish().at("eSealInfo")?;
        Ok(Self {
            der: outer.raw.to_vec(),
            signed,
            version,
            header_id,
            header_version,
            vendor,
            es_id,
            kind,
            name,
            certs,
            created,
            valid_from,
            valid_until,
            picture,
            maker_certificate: certificate.content.to_vec(),
            algorithm: algorithm.oid().at("signAlgID")?,
            signature: signature.to_vec(),
            time_stamp,
        })
    }

    /// The suite of the maker's signature.
    pub fn suite(&self) -> Option<Suite> {
        Suite::from_seen_signature_oid(&self.algorithm)
    }

    /// Whether header and structure are those of one known version.
    pub fn check_version(&self) -> Result<(), SesError> {
        if self.header_id != "ES" {
            return Err(SesError::Header(self.header_id.clone()));
        }
        match self.header_version {
            known @ (1 | 4 | 5) if known == self.version.number() => Ok(()),
            known @ (1 | 4 | 5) => Err(SesError::Shape(known)),
            unknown => Err(SesError::Version(unknown)),
        }
    }
}

struct Property {
    kind: u32,
    name: String,
    certs: CertList,
    created: Timestamp,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

impl Property {
    fn read(mut fields: Reader<'_>, v1: bool) -> Result<Self, SesError> {
        let kind = number(&mut fields, "property.type")?;
        let name = text(&mut fields, "property.name")?;
        let list_kind = if v1 { 1 } else { number(&mut fields, "property.certListType")? };
        let list = fields.expect(SEQUENCE).at("property.certList")?.inside();
        let entries = list.all(MAX_CERTS).at("property.certList")?;
        let certs = match list_kind {
            1 => CertList::Certificates(octets(&entries)?),
            2 => CertList::Digests(digests(&entries)?),
            other => return Err(SesError::CertListKind(other)),
        };
        let mut time = |place| fields.any().and_then(|value| value.seen_time()).at(place);
        let (created, valid_from, valid_until) =
            (time("property.createDate")?, time("property.validStart")?, time("property.validEnd")?);
        fields.finish().at("property")?;
        Ok(Self { kind, name, certs, created, valid_from, valid_until })
    }
}

fn octets(entries: &[Element<'_>]) -> Result<Vec<Vec<u8>>, SesError> {
    let read = |entry: &Element<'_>| match entry.tag {
        OCTET_STRING => Ok(entry.content.to_vec()),
        _ => Err(Fault::Tag),
    };
    entries.iter().map(|entry| read(entry).at("property.certList")).collect()
}

fn digests(entries: &[Element<'_>]) -> Result<Vec<(String, Vec<u8>)>, SesError> {
    let place = "property.certDigestList";
    let read = |entry: &Element<'_>| {
        if entry.tag != SEQUENCE {
            return Err(SesError::Der { place, fault: Fault::Tag });
        }
        let mut pair = entry.inside();
        let name = text(&mut pair, place)?;
        let value = pair.expect(OCTET_STRING).at(place)?.content.to_vec();
        pair.finish().at(place)?;
        Ok((name, value))
    };
    entries.iter().map(read).collect()
}

fn picture(mut fields: Reader<'_>) -> Result<Picture, SesError> {
    let kind = text(&mut fields, "picture.type")?;
    let data = fields.expect(OCTET_STRING).at("picture.data")?.content;
    if data.len() > MAX_PICTURE {
        return Err(SesError::TooLong("the picture"));
    }
    let width = number(&mut fields, "picture.width")?;
    let height = number(&mut fields, "picture.height")?;
    fields.finish().at("picture")?;
    Ok(Picture { kind, data: data.to_vec(), width, height })
}

/// Extensions are counted and read; one that must be understood is refused.
fn no_critical_extensions(list: Element<'_>) -> Result<(), SesError> {
    for entry in list.inside().all(MAX_EXTENSIONS).at("extDatas")? {
        if entry.tag != SEQUENCE {
            return Err(SesError::Der { place: "extDatas", fault: Fault::Tag });
        }
        let mut fields = entry.inside();
        let oid = fields.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("extDatas.extnID")?;
        let critical = match fields.optional(BOOLEAN).at("extDatas.critical")? {
            Some(value) => value.boolean().at("extDatas.critical")?,
            None => false,
        };
        fields.expect(OCTET_STRING).at("extDatas.extnValue")?;
        fields.finish().at("extDatas")?;
        if critical {
            return Err(SesError::CriticalExtension(oid));
        }
    }
    Ok(())
}

/// What an `SES_Signature` says. Nothing of it is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub der: Vec<u8>,
    /// `TBS_Sign` as received: the bytes under the signer's signature.
    pub to_sign: Vec<u8>,
    /// Version that `TBS_Sign` claims.
    pub version: u32,
    pub seal: Seal,
    /// Claimed by the signer. `None`: a V1 stamp whose time is no text that can be read.
    pub time: Option<Timestamp>,
    pub data_hash: Vec<u8>,
    /// Protection range; in an OFD the path of `Signature.xml`.
    pub property: String,
    /// Signer's certificate, DER as embedded.
    pub certificate: Vec<u8>,
    /// Object identifier, dotted.
    pub algorithm: String,
    pub signature: Vec<u8>,
    pub time_stamp: Option<Vec<u8>>,
    /// Structure of version 1.
    v1: bool,
}

impl Stamp {
    /// Parses one stamp (`SignedValue.dat`); the whole input must be it.
    pub fn from_der(der: &[u8]) -> Result<Self, SesError> {
        if der.len() > MAX_STAMP {
            return Err(SesError::TooLong("the stamp"));
        }
        let mut outer = asn1::whole(der, SEQUENCE).at("SES_Signature")?.inside();
        let to_sign = outer.expect(SEQUENCE).at("toSign")?;
        let v1 = outer.peek() == Some(BIT_STRING);

        let mut fields = to_sign.inside();
        let version = number(&mut fields, "toSign.version")?;
        let seal = Seal::read(fields.expect(SEQUENCE).at("toSign.eseal")?)?;
        let time = if v1 {
            let bits = fields.expect(BIT_STRING).and_then(|value| value.bits()).at("toSign.timeInfo")?;
            time_of_text(bits)
        } else {
            Some(fields.any().and_then(|value| value.seen_time()).at("toSign.timeInfo")?)
        };
        let data_hash = fields.expect(BIT_STRING).and_then(|value| value.bits()).at("toSign.dataHash")?;
        let property = text(&mut fields, "toSign.propertyInfo")?;
        // V1 has certificate and algorithm inside what is signed, the others beside it.
        let (certificate, algorithm) = if v1 {
            signer(&mut fields)?
        } else {
            let wrapped = fields.optional(explicit(0)).at("toSign.extDatas")?;
            if let Some(wrapped) = wrapped.filter(|wrapped| !wrapped.content.is_empty()) {
                let mut inside = wrapped.inside();
                no_critical_extensions(inside.expect(SEQUENCE).at("toSign.extDatas")?)?;
                inside.finish().at("toSign.extDatas")?;
            }
            signer(&mut outer)?
        };
        fields.finish().at("toSign")?;
        let signature = outer.expect(BIT_STRING).and_then(|value| value.bits()).at("signature")?;
        let time_stamp = if v1 { None } else { time_stamp(&mut outer)? };
        outer.finish().at("SES_Signature")?;
        Ok(Self {
            der: der.to_vec(),
            to_sign: to_sign.raw.to_vec(),
            version,
            seal,
            time,
            data_hash: data_hash.to_vec(),
            property,
            certificate,
            algorithm,
            signature: signature.to_vec(),
            time_stamp,
            v1,
        })
    }

    /// The suite of the stamp's signature, whose hash is that of `dataHash`.
    pub fn suite(&self) -> Option<Suite> {
        Suite::from_seen_signature_oid(&self.algorithm)
    }

    /// Whether certificate and algorithm are among the signed bytes: only V1 has them there.
    pub const fn signs_certificate(&self) -> bool {
        self.v1
    }

    /// Whether the version is known, and the structure its own.
    pub fn check_version(&self) -> Result<(), SesError> {
        match (self.version, self.v1) {
            (1, true) | (4 | 5, false) => Ok(()),
            (known @ (1 | 4 | 5), _) => Err(SesError::Shape(known)),
            (unknown, _) => Err(SesError::Version(unknown)),
        }
    }
}

fn signer(from: &mut Reader<'_>) -> Result<(Vec<u8>, String), SesError> {
    let certificate = from.expect(OCTET_STRING).at("cert")?.content.to_vec();
    let algorithm = from.expect(OBJECT_IDENTIFIER).and_then(|id| id.oid()).at("signatureAlgID")?;
    Ok((certificate, algorithm))
}

fn time_stamp(from: &mut Reader<'_>) -> Result<Option<Vec<u8>>, SesError> {
    let Some(wrapped) = from.optional(explicit(0)).at("timeStamp")? else {
        return Ok(None);
    };
    let mut inside = wrapped.inside();
    let token = inside.expect(BIT_STRING).and_then(|value| value.bits()).at("timeStamp")?.to_vec();
    inside.finish().at("timeStamp")?;
    Ok(Some(token))
}

/// A V1 time is text in a BIT STRING: RFC 3339, or the digits of a GeneralizedTime.
fn time_of_text(bits: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(bits).ok()?;
    Timestamp::parse_rfc3339(text)
        .or_else(|| Element { tag: GENERALIZED_TIME, raw: bits, content: bits }.seen_time().ok())
}

fn number(from: &mut Reader<'_>, place: &'static str) -> Result<u32, SesError> {
    from.expect(INTEGER).and_then(|value| value.to_u32()).at(place)
}

/// A text of any of the three kinds: makers do not agree which is meant where.
fn text(from: &mut Reader<'_>, place: &'static str) -> Result<String, SesError> {
    let text = from.any().and_then(|value| value.text()).at(place)?;
    if text.len() > MAX_TEXT { Err(SesError::TooLong(place)) } else { Ok(text.to_owned()) }
}
