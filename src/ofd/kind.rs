//! What a file is, and which verification it gets.
//!
//! The ending counts where there is one that is known: a stamp that calls itself a seal is a broken
//! seal. A file without a name is told by its first bytes.

use super::{Limits, verify_ofd};
use crate::seal::report::Report;
use crate::seal::ses::{Seal, Stamp};
use crate::seal::trust::Trust;
use crate::seal::verify::{Ask, verify_licence, verify_seal, verify_stamp};

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

    /// By the first bytes; a seal or stamp must be one to be taken for it.
    pub fn by_content(bytes: &[u8]) -> Option<Self> {
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return Some(Self::Licence);
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return Some(Self::Ofd);
        }
        if Stamp::from_der(bytes).is_ok() {
            return Some(Self::Stamp);
        }
        Seal::from_der(bytes).is_ok().then_some(Self::Seal)
    }

    /// Verifies `bytes` as this kind of file; `name` is how the report calls it.
    pub fn verify(self, name: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>, limits: &Limits) -> Report {
        match self {
            Self::Licence => verify_licence(name, bytes, trust, ask),
            Self::Seal => verify_seal(name, bytes, trust, ask),
            Self::Stamp => verify_stamp(name, bytes, trust, ask),
            Self::Ofd => verify_ofd(name, bytes, trust, ask, limits),
        }
    }
}
