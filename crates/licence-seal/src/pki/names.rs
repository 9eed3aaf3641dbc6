//! Names in certificates: the subject, alternative names, and the name of a server.
//!
//! A name is kept in the form in which it is compared. A directory name is compared attribute by
//! attribute, text without regard to case, width and spacing and to the kind of string it was
//! written as (RFC 5280 7.1, with NFKC for RFC 4518): otherwise an excluded name could be used in
//! another spelling. Forms that are not evaluated are kept as that, so that a constraint on
//! them can be noticed.
//!
//! A wildcard stands for no server. Without the list of public suffixes nobody can tell
//! `*.example.com` from `*.co.uk`, and a node has a name of its own.

use std::net::IpAddr;

use unicode_normalization::UnicodeNormalization;

use super::asn1::{
    Element, Fault, IA5_STRING, OBJECT_IDENTIFIER, PRINTABLE_STRING, Reader, SEQUENCE, SET, UTF8_STRING,
    whole,
};

/// Most names in one list of a certificate.
const MAX_NAMES: usize = 8192;
/// `emailAddress` (PKCS#9) and `commonName`, content of their object identifiers.
const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// One name of a subjectAltName or of a constraint (RFC 5280 4.2.1.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GeneralName {
    /// As written.
    Email(String),
    /// In lower case.
    Dns(String),
    /// As written.
    Uri(String),
    /// 4 or 16 octets; in a constraint twice as many, the address and its mask.
    Address(Vec<u8>),
    Directory(DistinguishedName),
    /// A form that is not evaluated, by its tag.
    Other(u8),
    /// A form that would be evaluated, with a content that it cannot have, by its tag.
    Malformed(u8),
}

impl GeneralName {
    pub(super) fn read(element: &Element<'_>) -> Self {
        let text = || std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii());
        let found = match element.tag {
            0x81 => text().map(|text| Self::Email(text.to_owned())),
            0x82 => text().map(|text| Self::Dns(text.to_ascii_lowercase())),
            0x86 => text().map(|text| Self::Uri(text.to_owned())),
            0x87 => Some(Self::Address(element.content.to_vec())),
            0xa4 => DistinguishedName::read(element.content).ok().map(Self::Directory),
            other => Some(Self::Other(other)),
        };
        found.unwrap_or(Self::Malformed(element.tag))
    }

    /// GeneralNames: a SEQUENCE of at least one.
    pub(super) fn read_all(der: &[u8]) -> Result<Vec<Self>, Fault> {
        let names = whole(der, SEQUENCE)?.inside().all(MAX_NAMES)?;
        if names.is_empty() {
            return Err(Fault::Value);
        }
        Ok(names.iter().map(Self::read).collect())
    }

    /// Whether this name is written as its form has it.
    pub fn is_well_formed(&self) -> bool {
        match self {
            Self::Dns(name) => is_host(name.strip_prefix("*.").unwrap_or(name)),
            Self::Email(mailbox) => {
                mailbox.split_once('@').is_some_and(|(local, host)| !local.is_empty() && is_host(host))
            }
            Self::Uri(uri) => uri.contains(':'),
            Self::Address(octets) => matches!(octets.len(), 4 | 16),
            Self::Directory(_) | Self::Other(_) => true,
            Self::Malformed(_) => false,
        }
    }

    /// The tag of its form.
    pub(super) const fn form(&self) -> u8 {
        match self {
            Self::Email(_) => 0x81,
            Self::Dns(_) => 0x82,
            Self::Uri(_) => 0x86,
            Self::Address(_) => 0x87,
            Self::Directory(_) => 0xa4,
            Self::Other(tag) | Self::Malformed(tag) => *tag,
        }
    }
}

/// Letters, digits and hyphens in labels of 1 to 63, 253 in all, the last label no number
/// (RFC 1034 3.5, RFC 1123 2.1).
pub(super) fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !numeric
}

/// A Name (RFC 5280 4.1.2.4), in the form in which it is compared.
#[derive(Clone, Debug, Default)]
pub struct DistinguishedName {
    parts: Vec<Vec<Attribute>>,
    emails: Vec<String>,
    common_names: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Attribute {
    oid: Vec<u8>,
    value: Value,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Value {
    Text(String),
    Octets(u8, Vec<u8>),
}

/// The same name, in whatever spelling (RFC 5280 7.1).
impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for DistinguishedName {}

impl DistinguishedName {
    pub(super) fn read(der: &[u8]) -> Result<Self, Fault> {
        let mut found = Self::default();
        for part in whole(der, SEQUENCE)?.inside().all(MAX_NAMES)? {
            if part.tag != SET {
                return Err(Fault::Tag);
            }
            let mut attributes = Vec::new();
            for pair in part.inside().all(MAX_NAMES)? {
                let mut pair = whole(pair.raw, SEQUENCE)?.inside();
                let oid = pair.expect(OBJECT_IDENTIFIER)?.content;
                let value = pair.any()?;
                pair.finish()?;
                attributes.push(found.attribute(oid, &value));
            }
            if attributes.is_empty() {
                return Err(Fault::Value);
            }
            attributes.sort();
            found.parts.push(attributes);
        }
        Ok(found)
    }

    fn attribute(&mut self, oid: &[u8], value: &Element<'_>) -> Attribute {
        let value = match text(value) {
            Some(text) => {
                let normal = normal(&text);
                match oid {
                    EMAIL_ADDRESS => self.emails.push(text),
                    COMMON_NAME => self.common_names.push(text),
                    _ => {}
                }
                Value::Text(normal)
            }
            None => Value::Octets(value.tag, value.content.to_vec()),
        };
        Attribute { oid: oid.to_vec(), value }
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Its `emailAddress` attributes, as written.
    pub fn emails(&self) -> &[String] {
        &self.emails
    }

    /// Its `commonName` attributes, as written.
    pub fn common_names(&self) -> &[String] {
        &self.common_names
    }

    /// Whether it lies in the subtree of `base` (RFC 5280 4.2.1.10).
    pub fn is_under(&self, base: &Self) -> bool {
        self.parts.starts_with(&base.parts)
    }
}

/// The characters of a DirectoryString, PrintableString or IA5String; `None` for other types.
fn text(element: &Element<'_>) -> Option<String> {
    let content = element.content;
    match element.tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING | 0x12 | 0x1a => {
            std::str::from_utf8(content).ok().map(str::to_owned)
        }
        // TeletexString, which is in practice Latin-1.
        0x14 => Some(content.iter().copied().map(char::from).collect()),
        0x1e => {
            let (units, []) = content.as_chunks::<2>() else { return None };
            String::from_utf16(&units.iter().map(|unit| u16::from_be_bytes(*unit)).collect::<Vec<_>>()).ok()
        }
        0x1c => {
            let (units, []) = content.as_chunks::<4>() else { return None };
            units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
        }
        _ => None,
    }
}

fn normal(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of a subjectAltName, and whether the extension was critical.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlternativeNames {
    pub critical: bool,
    pub names: Vec<GeneralName>,
}

impl AlternativeNames {
    /// Whether one of the names is `server`: a host name in any case (RFC 9525 6.3, no wildcards),
    /// or an address (RFC 9525 6.4).
    pub fn has_server(&self, server: &str) -> bool {
        let wanted = match server.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => GeneralName::Address(v4.octets().to_vec()),
            Ok(IpAddr::V6(v6)) => GeneralName::Address(v6.octets().to_vec()),
            Err(_) if is_host(server) => GeneralName::Dns(server.to_ascii_lowercase()),
            Err(_) => return false,
        };
        self.names.contains(&wanted)
    }

    /// Whether `text` is the written form of one of the host names or addresses, to the character.
    /// Host names are kept in lower case, so `text` must be too.
    pub(super) fn has_copy(&self, text: &str) -> bool {
        self.names.iter().any(|name| match name {
            GeneralName::Dns(host) => host == text,
            GeneralName::Address(octets) => address(octets).is_some_and(|one| one.to_string() == text),
            _ => false,
        })
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Names of a distribution point as written, for comparison octet by octet.
pub(super) fn raw_names(reader: Reader<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    Ok(reader.all(MAX_NAMES)?.iter().map(|name| name.raw.to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::asn1::{self, sequence, tlv};

    fn name(parts: &[(&str, u8, &[u8])]) -> DistinguishedName {
        let parts: Vec<Vec<u8>> = parts
            .iter()
            .map(|(oid, tag, value)| {
                tlv(SET, &[&sequence(&[&asn1::oid(oid).unwrap(), &tlv(*tag, &[value])])])
            })
            .collect();
        DistinguishedName::read(&sequence(&[&parts.concat()])).unwrap()
    }

    #[test]
    fn a_directory_name_is_the_same_in_another_spelling() {
        let one = name(&[("2.5.4.6", PRINTABLE_STRING, b"CN"), ("2.5.4.10", UTF8_STRING, b"Big  Office ")]);
        let two =
            name(&[("2.5.4.6", UTF8_STRING, b"cn"), ("2.5.4.10", 0x1e, b"\0b\0i\0g\0 \0O\0F\0F\0I\0C\0E")]);
        let wide = name(&[("2.5.4.6", UTF8_STRING, "ＣＮ".as_bytes()), ("2.5.4.10", 0x14, b"big office")]);
        assert!(one.is_under(&two) && two.is_under(&wide) && wide.is_under(&one));
        assert!(one.is_under(&name(&[("2.5.4.6", UTF8_STRING, b"cn")])));
        assert!(!name(&[("2.5.4.6", UTF8_STRING, b"cn")]).is_under(&one));
        assert!(!one.is_under(&name(&[("2.5.4.10", UTF8_STRING, b"cn")])));
    }

    #[test]
    fn a_server_has_exactly_the_names_that_are_written() {
        let names = AlternativeNames {
            critical: false,
            names: vec![
                GeneralName::Dns("node.example.com".to_owned()),
                GeneralName::Dns("*.wild.example.com".to_owned()),
                GeneralName::Dns("10.0.0.1".to_owned()),
                GeneralName::Address(vec![127, 0, 0, 1]),
            ],
        };
        for (server, found) in [
            ("node.example.com", true),
            ("NODE.example.com", true),
            ("example.com", false),
            ("a.wild.example.com", false),
            ("*.wild.example.com", false),
            ("10.0.0.1", false),
            ("127.0.0.1", true),
            ("::1", false),
            ("", false),
        ] {
            assert_eq!(names.has_server(server), found, "{server}");
        }
        for (name, good) in [
            ("a-b.c", true),
            ("a_b.c", false),
            ("-a.c", false),
            ("a..c", false),
            ("a.c.", false),
            ("1", false),
        ] {
            assert_eq!(is_host(name), good, "{name}");
        }
    }
}
