//! The trust folder: all that a verifier holds, and all that it needs offline.
//!
//! ```text
//! anchors/*                certificate authorities of seals (makers and owners)
//! intermediates/*          authorities between a signer and an anchor; they are not trusted by themselves
//! directory/<region>.pem   the directory certificate of a city, pinned
//! issuers/<region>.jwt     that city's issuer list, signed with it
//! crl/*                    certificate revocation lists
//! ```
//!
//! Certificates and lists may be PEM or DER. Whoever has nothing but anchors can lay them in the
//! folder itself: there, files that end in `.pem`, `.crt`, `.cer` or `.der` are anchors and those
//! that end in `.crl` revocation lists. A hidden file is passed over; any other file in one of the
//! five folders must be what belongs there.
//!
//! An absent part is no error: what cannot be checked without it is reported as not checked, and
//! never as passed. A part that is there but cannot be read is an error, because a verifier that
//! silently drops a revocation list is worse than one that stops.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, io};

use super::Voice;
use super::issuers::{BindingError, IssuerList};
use super::{SealError, ses};
use crate::crypto::Digest;
use crate::pki::{Anchors, Certificate, Crl, PkiError};
use crate::time::Timestamp;

/// The folder itself and its parts, in the order in which they need one another: an issuer list is read
/// with the directory certificate of its city.
const PARTS: [&str; 6] = ["", "anchors", "intermediates", "crl", "directory", "issuers"];

/// Who sealed the page of a licence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSealer<'a> {
    /// The authority, or the library for it: the licence itself.
    Voice(Voice),
    /// A node of this region: an annotated copy (加注件).
    Node(&'a str),
}

/// A read trust folder.
#[derive(Debug, Default)]
pub struct Trust {
    seals: ses::Trust,
    lists: BTreeMap<String, IssuerList>,
    directories: BTreeMap<String, Certificate>,
}

impl Trust {
    /// Anchors and revocation lists alone, without issuer lists.
    pub fn of(anchors: Vec<Certificate>, crls: Vec<Crl>) -> Self {
        let seals = ses::Trust { anchors: Anchors::new(anchors), crls, ..ses::Trust::default() };
        Self { seals, ..Self::default() }
    }

    /// Reads a trust folder.
    ///
    /// # Errors
    /// [`SealError::Trust`] names the first file that cannot be read or is not what belongs there.
    pub fn read(dir: &Path) -> Result<Self, SealError> {
        if !dir.is_dir() {
            return Err(SealError::Trust(format!("{} is not a folder", dir.display())));
        }
        let mut found = Vec::new();
        for part in PARTS {
            let below = if part.is_empty() { dir.to_owned() } else { dir.join(part) };
            let files = folder_files(&below).map_err(|why| SealError::Trust(why.to_string()))?;
            let under = |name| if part.is_empty() { name } else { format!("{part}/{name}") };
            found.extend(files.into_iter().map(|(name, bytes)| (under(name), bytes)));
        }
        Self::from_files(found)
    }

    /// From the files that a trust folder would hold, for who has none: each by its path in the folder
    /// (`anchors/city.pem`) with its bytes, in any order.
    ///
    /// # Errors
    /// [`SealError::Trust`] names the first file that is not what belongs there.
    pub fn from_files<N: AsRef<str>, B: AsRef<[u8]>>(
        files: impl IntoIterator<Item = (N, B)>,
    ) -> Result<Self, SealError> {
        let files: Vec<(N, B)> = files.into_iter().collect();
        let mut trust = Self::default();
        for part in PARTS {
            let mut here: Vec<(&str, &[u8])> = Vec::new();
            for (path, bytes) in &files {
                let (folder, name) = path.as_ref().rsplit_once('/').unwrap_or(("", path.as_ref()));
                if folder == part && !name.starts_with('.') {
                    here.push((name, bytes.as_ref()));
                }
            }
            here.sort_unstable();
            for (name, bytes) in here {
                trust.add_file(part, name, bytes)?;
            }
        }
        Ok(trust)
    }

    /// Takes up one file of the folder's `part`.
    fn add_file(&mut self, part: &str, name: &str, bytes: &[u8]) -> Result<(), SealError> {
        match part {
            "anchors" => self.add_anchors(name, bytes)?,
            "intermediates" => {
                self.seals.intermediates.extend(certificates(bytes).map_err(|why| bad(name, why))?);
            }
            "crl" => self.add_crls(bytes).map_err(|why| bad(name, why))?,
            "directory" => {
                let mut found = certificates(bytes).map_err(|why| bad(name, why))?;
                let (Some(certificate), true) = (found.pop(), found.is_empty()) else {
                    return Err(bad(name, "not one certificate"));
                };
                if self.directories.insert(stem(name), certificate).is_some() {
                    return Err(bad(name, "a second certificate for this region"));
                }
            }
            "issuers" => {
                let token = String::from_utf8(bytes.to_vec()).map_err(|why| bad(name, why))?;
                self.add_list(&stem(name), token.trim()).map_err(|why| bad(name, why))?;
            }
            _ => match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
                Some("pem" | "crt" | "cer" | "der") => self.add_anchors(name, bytes)?,
                Some("crl") => self.add_crls(bytes).map_err(|why| bad(name, why))?,
                _ => {}
            },
        }
        Ok(())
    }

    fn add_anchors(&mut self, name: &str, bytes: &[u8]) -> Result<(), SealError> {
        let found = certificates(bytes).map_err(|why| bad(name, why))?;
        if found.is_empty() {
            return Err(bad(name, "no certificate in it"));
        }
        for certificate in found {
            if !self.seals.anchors.contains(&certificate) {
                self.seals.anchors.push(certificate);
            }
        }
        Ok(())
    }

    /// Takes up revocation lists, DER or PEM; there must be at least one.
    pub fn add_crls(&mut self, bytes: &[u8]) -> Result<(), PkiError> {
        if !is_pem(bytes) {
            self.seals.crls.push(Crl::from_der(bytes)?);
            return Ok(());
        }
        let found = Crl::from_pem_all(bytes)?;
        if found.is_empty() {
            return Err(PkiError::CrlFormat("no revocation list in the PEM file"));
        }
        self.seals.crls.extend(found);
        Ok(())
    }

    /// What seals and signers are held against; revocation must be known.
    pub const fn for_seals(&self) -> &ses::Trust {
        &self.seals
    }

    fn add_list(&mut self, region: &str, token: &str) -> Result<(), String> {
        let pinned =
            self.directories.get(region).ok_or("the directory certificate of this region is not here")?;
        let key = pinned.public_key().map_err(|why| why.to_string())?;
        let list = IssuerList::verify(token, region, key).map_err(|why| why.to_string())?;
        match self.lists.insert(region.to_owned(), list) {
            None => Ok(()),
            Some(_) => Err("a second list for this region".to_owned()),
        }
    }

    /// The pinned directory certificate of a city.
    pub fn directory(&self, region: &str) -> Option<&Certificate> {
        self.directories.get(region)
    }

    /// Regions whose issuer list is here.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.lists.keys().map(String::as_str)
    }

    pub fn list(&self, region: &str) -> Option<&IssuerList> {
        self.lists.get(region)
    }

    /// The regions whose lists bind `certificate` to the issuer; otherwise the most telling reason
    /// why none does.
    pub fn bind(
        &self,
        voice: Voice,
        issuer: &str,
        type_code: &str,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<Vec<&str>, BindingError> {
        let mut bound = Vec::new();
        let mut why = BindingError::UnknownIssuer(issuer.to_owned());
        for (region, list) in &self.lists {
            match list.bind(voice, issuer, type_code, certificate, at) {
                Ok(()) => bound.push(region.as_str()),
                Err(BindingError::UnknownIssuer(_)) => {}
                Err(BindingError::NotAttestation) if !list.may_name(issuer) => {}
                Err(nearer) => why = nearer,
            }
        }
        if bound.is_empty() { Err(why) } else { Ok(bound) }
    }

    /// Whether a list that may speak of this authority names it.
    pub fn names_issuer(&self, issuer: &str) -> bool {
        self.lists
            .values()
            .any(|list| list.may_name(issuer) && list.issuers.iter().any(|named| named.code == issuer))
    }

    /// Whose seal `certificate` is where it stands on the page of a licence.
    ///
    /// # Errors
    /// [`BindingError::OtherPage`] when no list lets it stand there.
    pub fn page_sealer(
        &self,
        issuer: &str,
        type_code: &str,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<PageSealer<'_>, BindingError> {
        let voices = [Voice::Issuer, Voice::Attestation].into_iter();
        let mut bound = voices.filter(|voice| self.bind(*voice, issuer, type_code, certificate, at).is_ok());
        if let Some(voice) = bound.next() {
            return Ok(PageSealer::Voice(voice));
        }
        let mut lists = self.lists.iter();
        let node = lists.find(|(_, list)| list.may_name(issuer) && list.is_node(certificate, at));
        node.map(|(region, _)| PageSealer::Node(region))
            .ok_or_else(|| BindingError::OtherPage(issuer.to_owned()))
    }

    /// A node's certificate, if the issuer list of `region` names it at `at`.
    pub fn node(&self, region: &str, certificate: &[u8], at: Timestamp) -> Option<Certificate> {
        let list = self.lists.get(region)?;
        let certificate = Certificate::from_der(certificate).ok()?;
        list.is_node(&certificate.fingerprint(), at).then_some(certificate)
    }
}

/// A certificate or list in DER is a SEQUENCE with a length of two octets or more; no text begins so.
fn is_pem(bytes: &[u8]) -> bool {
    !matches!(bytes, [0x30, 0x81..=0x84, ..])
}

/// The certificates of a PEM text, or the one that is DER.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, PkiError> {
    if is_pem(bytes) { Certificate::from_pem_all(bytes) } else { Ok(vec![Certificate::from_der(bytes)?]) }
}

/// Name and bytes of each file in a folder, in the order of their names; none where there is no folder.
/// Hidden files and folders are passed over.
///
/// # Errors
/// Whatever the file system says; the text names the folder or file.
pub fn folder_files(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let told = |what: &dyn fmt::Display, why: io::Error| io::Error::new(why.kind(), format!("{what}: {why}"));
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(told(&dir.display(), why)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| told(&dir.display(), why))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).map_err(|why| told(&name, why))?;
            found.push((name, bytes));
        }
    }
    found.sort();
    Ok(found)
}

fn stem(name: &str) -> String {
    name.split('.').next().unwrap_or_default().to_owned()
}

fn bad(name: &str, why: impl fmt::Display) -> SealError {
    SealError::Trust(format!("{name}: {why}"))
}
