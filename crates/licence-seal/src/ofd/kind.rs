//! What a file is, and which verification it gets.
//!
//! The ending counts where there is one that is known: a stamp that calls itself a seal is a broken
//! seal. A file without a name is told by its first bytes.

use super::{Limits, verify_ofd};
use crate::pki::asn1::{self, INTEGER, SEQUENCE};
use crate::seal::report::Report;
use crate::seal::ses::{Seal, Stamp};
use crate::seal::{Ask, Trust, verify_licence, verify_seal, verify_stamp};

/// The kinds of file that can be verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// `*.licence.json`
    Licence,
    /// `*.esl`
    Seal,
    /// `*.dat`
    Stamp,
    /// `*.ofd`
    Ofd,
}

impl FileKind {
    /// By the ending of a file's name.
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let endings = [
            (".licence.json", Self::Licence),
            (".esl", Self::Seal),
            (".dat", Self::Stamp),
            (".ofd", Self::Ofd),
        ];
        endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| kind)
    }

    /// By the first bytes; a seal or stamp must at least begin as one.
    pub fn by_content(bytes: &[u8]) -> Option<Self> {
        let says = |member: &[u8]| bytes.windows(member.len()).any(|window| window == member);
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return (says(b"\"payload\"") && says(b"\"proof\"")).then_some(Self::Licence);
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return Some(Self::Ofd);
        }
        if Stamp::from_der(bytes).is_ok() {
            return Some(Self::Stamp);
        }
        if Seal::from_der(bytes).is_ok() {
            return Some(Self::Seal);
        }
        Self::of_broken(bytes)
    }

    /// DER that begins as a seal or stamp and is none: a broken one, about which a report says more
    /// than that it is nothing.
    fn of_broken(bytes: &[u8]) -> Option<Self> {
        let marked = bytes.get(..64).is_some_and(|start| start.windows(4).any(|four| four == b"\x16\x02ES"));
        let first = asn1::whole(bytes, SEQUENCE).ok()?.inside().expect(SEQUENCE).ok()?;
        match first.inside().peek() {
            Some(INTEGER) if marked => Some(Self::Stamp),
            Some(SEQUENCE) if marked => Some(Self::Seal),
            _ => None,
        }
    }

    /// Verifies `bytes` as this kind of file; `name` is how the report calls it.
    pub fn verify(self, name: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>, limits: &Limits) -> Report {
        let report = match self {
            Self::Licence => verify_licence(name, bytes, trust, ask),
            Self::Seal => verify_seal(name, bytes, trust, ask),
            Self::Stamp => verify_stamp(name, bytes, trust, ask),
            Self::Ofd => verify_ofd(name, bytes, trust, ask, limits),
        };
        report.about(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::asn1::{sequence, tlv};

    #[test]
    fn a_broken_seal_is_still_taken_for_one() {
        let header = sequence(&[&tlv(0x16, &[b"ES"]), &[2, 1, 4]]);
        let seal = sequence(&[&sequence(&[&header]), &[4, 60], &[0; 60]]);
        assert_eq!(FileKind::by_content(&seal), Some(FileKind::Seal));
        let stamp = sequence(&[&sequence(&[&[2, 1, 4], &seal])]);
        assert_eq!(FileKind::by_content(&stamp), Some(FileKind::Stamp));
        let other = sequence(&[&sequence(&[&[2, 1, 4], &[4, 60], &[0; 60]])]);
        assert_eq!(FileKind::by_content(&other), None);
    }
}
