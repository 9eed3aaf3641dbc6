//! Adding a signature to an OFD, ours or another maker's (GB/T 33190-2016, signatures; GB/T 38540-2020, 7).
//!
//! A new signature covers every entry of the package, earlier signatures too, but not itself, its
//! value, and the list `Signatures.xml`: the list must be able to grow, or the second signature would
//! break the first. Who wants to be the last covers the list as well (`lock`); where an earlier
//! signature did so, no other is added. Entries that are there keep their bytes; the two that must
//! change (`OFD.xml` for the first signature, the list for each) get an insertion and nothing else.
//!
//! What a verifier would refuse is not made: the seal's own signature, its period and the
//! certificate's, the key, and the seal's list of signers are checked before anything is signed.
//! The alternative, to sign first and verify the result, would leave a bad stamp in the world.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;

use super::page::{DECLARATION, NAMESPACE, boxed};
use super::signature::{self, Signature};
use super::write::pack;
use super::xml::Element;
use super::{Document, Limits, OfdError, Package, WriteError};
use crate::crypto::Signer;
use crate::licence::face::MmBox;
use crate::pki::Certificate;
use crate::seal::check::Outcome;
use crate::seal::ses::{self, Seal, Trust, Version, check_seal};
use crate::time::Timestamp;

/// How far in from the edges a seal stands for which no place is named, in millimetres.
const INSET: f32 = 20.0;

/// Asks an authority for a time stamp token (GB/T 20520, RFC 3161) over a signature value.
pub type TimeStamper<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// Where a seal's picture goes, at the size that the seal says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place {
    /// Upper left corner on a page, from 1; millimetres.
    At { page: usize, x: f32, y: f32 },
    /// Lower right on a page, from 1, a little in from its edges.
    LowerRight { page: usize },
    /// In the middle of a box on a page, from 1.
    Within { page: usize, area: MmBox },
    /// 骑缝: a slice of it at the right edge of each page, halfway down.
    Straddle,
}

/// What kind of signature.
#[derive(Clone, Copy)]
pub enum Mark<'a> {
    /// `Type="Seal"`: a stamp with a V4 seal (DER).
    Stamp { seal: &'a [u8], place: Place, time_stamp: Option<TimeStamper<'a>> },
    /// `Type="Sign"`: r and s over `Signature.xml`, nothing to see, and no certificate in it.
    Plain,
}

/// Who signs, how, and when.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The signer's, DER.
    pub certificate: &'a [u8],
    pub signer: &'a dyn Signer,
    pub mark: Mark<'a>,
    /// Written in whole seconds.
    pub at: Timestamp,
    /// Covers the list of signatures too: no other can follow.
    pub lock: bool,
}

/// Adds one signature; gives the new file.
///
/// # Errors
/// [`WriteError`] names the rule: a file that cannot be read in one way, an earlier signature that
/// allows no other, a seal or certificate that may not sign now, a place that is not on a page.
pub fn sign(file: &[u8], signing: &Signing<'_>, limits: &Limits) -> Result<Vec<u8>, WriteError> {
    let at = Timestamp::from_secs(signing.at.secs());
    may_sign(signing, at)?;
    let package = Package::open(file, limits)?;
    let [document] =
        <[Document; 1]>::try_from(package.documents()?).map_err(|_| WriteError::SeveralDocuments)?;
    let list = List::of(&package, &document)?;
    let place = Folder::new(&package, &document, &list);
    let stamps = match signing.mark {
        Mark::Stamp { seal, place, .. } => stamps(&package, &document, &Seal::from_der(seal)?, place)?,
        Mark::Plain => Vec::new(),
    };
    let ids = Ids { first: list.highest + 1, stamps: stamps.len() };

    let mut changed = BTreeMap::new();
    changed.insert(place.list.clone(), list.with(&ids, signing.mark, &place)?);
    if document.signatures.is_none() {
        changed.insert(super::package::ROOT.to_owned(), root_with_list(&package, &place.list, limits)?);
    }
    if let Mark::Stamp { seal, .. } = signing.mark {
        changed.insert(place.file("Seal.esl"), seal.to_vec());
    }
    let mut entries = package.into_entries();
    entries.extend(changed);

    let descriptor = descriptor(signing, at, &entries, &place, &ids, &stamps);
    let value = value(signing, at, &descriptor, &place)?;
    entries.insert(place.file("Signature.xml"), descriptor);
    entries.insert(place.file("SignedValue.dat"), value);
    pack(entries.iter().map(|(name, data)| (name.as_str(), data.as_slice())))
}

/// Whether this seal and this certificate may sign with this key at this moment.
fn may_sign(signing: &Signing<'_>, at: Timestamp) -> Result<(), WriteError> {
    let certificate = Certificate::from_der(signing.certificate)?;
    if certificate.public_key()? != signing.signer.public_key() {
        return Err(WriteError::OtherKey);
    }
    if at < certificate.not_before() || at > certificate.not_after() {
        return Err(WriteError::CertificatePeriod {
            from: certificate.not_before(),
            until: certificate.not_after(),
        });
    }
    let Mark::Stamp { seal: der, .. } = signing.mark else {
        return Ok(());
    };
    // Nobody is trusted here: what fails all the same fails for everybody.
    let verdict = check_seal(der, &Trust::default(), at);
    if let Some(failed) = verdict.checks.iter().find(|check| check.outcome == Outcome::Failed) {
        let reason = failed.reason.clone().unwrap_or_default();
        return Err(WriteError::Seal { check: failed.name, reason });
    }
    let seal = Seal::from_der(der)?;
    if seal.version != Version::V4 {
        return Err(WriteError::SealVersion(seal.version.number()));
    }
    if at < seal.valid_from || at > seal.valid_until {
        return Err(WriteError::SealPeriod { from: seal.valid_from, until: seal.valid_until });
    }
    if !seal.certs.contains(signing.certificate) {
        return Err(WriteError::NotInSeal);
    }
    Ok(())
}

/// The list of signatures that is there.
struct List<'a> {
    /// `None` before the first signature.
    text: Option<&'a str>,
    /// Highest number in an identifier so far.
    highest: u32,
    limits: &'a Limits,
    length: usize,
}

impl<'a> List<'a> {
    fn of(package: &'a Package, document: &Document) -> Result<Self, WriteError> {
        let limits = package.limits();
        let Some(entry) = &document.signatures else {
            return Ok(Self { text: None, highest: 0, limits, length: 0 });
        };
        let listed = signature::list(package, document)?;
        if listed.len() >= limits.signatures {
            return Err(OfdError::TooManySignatures(limits.signatures).into());
        }
        let tree = package.part(entry, "Signatures")?;
        let mut highest = tree.child_text("MaxSignId").map_or(0, number);
        for one in &listed {
            let earlier = Signature::read(package, &one.entry)?;
            let covers = |file: &str| package.resolve(&one.entry, file) == Some(entry);
            if earlier.references.iter().any(|reference| covers(&reference.file)) {
                return Err(WriteError::Locked(one.id.clone()));
            }
            let ids = earlier.stamps.iter().map(|stamp| stamp.id.as_str()).chain([one.id.as_str()]);
            highest = ids.map(number).fold(highest, u32::max);
        }
        let text = package.get(entry).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(Self { text, highest, limits, length: listed.len() })
    }

    /// `Signatures.xml` with one more signature.
    fn with(&self, ids: &Ids, mark: Mark<'_>, place: &Folder) -> Result<Vec<u8>, WriteError> {
        let kind = match mark {
            Mark::Stamp { .. } => "Seal",
            Mark::Plain => "Sign",
        };
        let entry = |prefix: &str| {
            let location = escape_path(&place.file("Signature.xml"));
            format!("<{prefix}Signature ID=\"{}\" Type=\"{kind}\" BaseLoc=\"{location}\"/>", ids.signature())
        };
        let Some(text) = self.text else {
            let whole = format!(
                "{DECLARATION}<ofd:Signatures {NAMESPACE}><ofd:MaxSignId>{}</ofd:MaxSignId>{}</ofd:Signatures>",
                ids.last(),
                entry("ofd:")
            );
            return Ok(whole.into_bytes());
        };
        let cannot = || WriteError::Edit(place.list.clone());
        // A list that was emptied (`<Signatures/>`) has no end tag to insert before.
        let end = text.rfind("</").ok_or_else(cannot)?;
        let mut new = text.to_owned();
        new.insert_str(end, &entry(prefix(text.get(end..).unwrap_or_default())));
        if let Some((begin, rest)) = new.split_once("MaxSignId>").map(|(a, b)| (a.len(), b)) {
            let begin = begin + "MaxSignId>".len();
            let old = rest.find('<').ok_or_else(cannot)?;
            new.replace_range(begin..begin + old, &ids.last());
        }
        let read = Element::parse(new.as_bytes(), self.limits).map_err(|_| cannot())?;
        let last = read.children_named("Signature").last();
        let added = last.and_then(|one| one.attribute("ID")) == Some(ids.signature().as_str());
        if !added || read.children_named("Signature").count() != self.length + 1 {
            return Err(cannot());
        }
        Ok(new.into_bytes())
    }
}

/// `OFD.xml` with the place of the list, after the document's root as the schema wants it.
fn root_with_list(package: &Package, list: &str, limits: &Limits) -> Result<Vec<u8>, WriteError> {
    let cannot = || WriteError::Edit(super::package::ROOT.to_owned());
    let text = package.get(super::package::ROOT).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let mut new = text.ok_or_else(cannot)?.to_owned();
    // The second time that the name stands before `>` is its end tag.
    let (end, word) = new.match_indices("DocRoot>").nth(1).ok_or_else(cannot)?;
    let after = end + word.len();
    let tag = new.get(..after).and_then(|before| before.rfind("</")).ok_or_else(cannot)?;
    let prefix = prefix(new.get(tag..).unwrap_or_default()).to_owned();
    new.insert_str(after, &format!("<{prefix}Signatures>{}</{prefix}Signatures>", escape_path(list)));
    let read = Element::parse(new.as_bytes(), limits).map_err(|_| cannot())?;
    let said = read.child("DocBody").and_then(|body| body.child_text("Signatures"));
    if said == Some(format!("/{list}").as_str()) { Ok(new.into_bytes()) } else { Err(cannot()) }
}

/// `ofd:` of an end tag `</ofd:Name>`.
fn prefix(end_tag: &str) -> &str {
    let name = end_tag.trim_start_matches("</");
    let name = name.split('>').next().unwrap_or_default();
    name.find(':').and_then(|colon| name.get(..=colon)).unwrap_or_default()
}

/// The digits at the end of an identifier.
fn number(id: &str) -> u32 {
    let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    // Room for the numbers that follow, whatever a foreign file claims.
    digits.parse().unwrap_or(0_u32).min(u32::MAX / 2)
}

fn escape_path(entry: &str) -> String {
    format!("/{}", escape(entry))
}

/// Identifiers of one new signature and its stamps, `s001` and so on as the standard suggests.
struct Ids {
    first: u32,
    stamps: usize,
}

impl Ids {
    fn signature(&self) -> String {
        format!("s{:03}", self.first)
    }

    fn stamp(&self, at: usize) -> String {
        format!("s{:03}", u32::try_from(at).map_or(self.first, |at| self.first + 1 + at))
    }

    fn last(&self) -> String {
        self.stamps.checked_sub(1).map_or_else(|| self.signature(), |at| self.stamp(at))
    }
}

/// Where a new signature's files go.
struct Folder {
    list: String,
    folder: String,
}

impl Folder {
    fn new(package: &Package, document: &Document, list: &List<'_>) -> Self {
        let beside =
            |entry: &str| entry.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let free = |folder: &str| {
            let folder = folder.to_lowercase();
            !package.names().any(|name| name.to_lowercase().starts_with(&folder))
        };
        let numbered = |stem: String| {
            let mut names = (list.length..).map(move |n| format!("{stem}{n}/"));
            names.find(|folder| free(folder)).unwrap_or_default()
        };
        match &document.signatures {
            Some(entry) => Self { folder: numbered(format!("{}Sign_", beside(entry))), list: entry.clone() },
            None => {
                let signs = format!("{}Signs", beside(&document.root));
                // A folder of that name that no list speaks of is left alone.
                let signs = if free(&format!("{signs}/")) { format!("{signs}/") } else { numbered(signs) };
                Self { list: format!("{signs}Signatures.xml"), folder: format!("{signs}Sign_0/") }
            }
        }
    }

    fn file(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}

/// One `StampAnnot`: page identifier, place, and the part of the picture that is shown.
struct StampAt {
    page: String,
    boundary: MmBox,
    clip: Option<MmBox>,
}

fn stamps(
    package: &Package,
    document: &Document,
    seal: &Seal,
    place: Place,
) -> Result<Vec<StampAt>, WriteError> {
    let (width, height) = (seal.picture.width as f32, seal.picture.height as f32);
    if width < 1.0 || height < 1.0 {
        return Err(WriteError::SealPicture);
    }
    let on = |number: usize, corner: &dyn Fn((f32, f32)) -> (f32, f32)| {
        let page = number.checked_sub(1).and_then(|at| document.pages.get(at));
        let (id, entry) = page.ok_or(WriteError::NoSuchPage(number))?;
        let area = page_size(package, document, entry)?;
        let (x, y) = corner(area);
        let boundary = MmBox { x, y, width, height };
        let on_page = x >= 0.0 && y >= 0.0 && x + width <= area.0 && y + height <= area.1;
        if !on_page {
            return Err(WriteError::OffPage(number));
        }
        Ok(vec![StampAt { page: id.clone(), boundary, clip: None }])
    };
    match place {
        Place::At { page, x, y } => on(page, &|_| (x, y)),
        Place::LowerRight { page } => on(page, &|(page_width, page_height)| {
            ((page_width - width - INSET).max(0.0), (page_height - height - INSET).max(0.0))
        }),
        Place::Within { page, area } => {
            on(page, &|_| (area.x + (area.width - width) / 2.0, area.y + (area.height - height) / 2.0))
        }
        Place::Straddle => {
            let count = document.pages.len();
            if count < 2 {
                return Err(WriteError::StraddleOnePage);
            }
            let slice = width / count as f32;
            let slice_on = |(at, (id, entry)): (usize, &(String, String))| {
                let (page_width, page_height) = page_size(package, document, entry)?;
                let clip = MmBox { x: slice * at as f32, y: 0.0, width: slice, height };
                let (x, y) = (page_width - slice - clip.x, (page_height - height) / 2.0);
                if y < 0.0 {
                    return Err(WriteError::OffPage(at + 1));
                }
                let boundary = MmBox { x, y, width, height };
                Ok(StampAt { page: id.clone(), boundary, clip: Some(clip) })
            };
            document.pages.iter().enumerate().map(slice_on).collect()
        }
    }
}

/// Width and height of a page: its own area, or the document's.
fn page_size(package: &Package, document: &Document, entry: &str) -> Result<(f32, f32), WriteError> {
    let size = |area: Option<&Element>| {
        let numbers: Option<Vec<f32>> = area?
            .child_text("PhysicalBox")?
            .split_whitespace()
            .map(|number| number.parse().ok().filter(|number: &f32| number.is_finite()))
            .collect();
        match numbers?.as_slice() {
            [_, _, width, height] => Some((*width, *height)),
            _ => None,
        }
    };
    let page = package.part(entry, "Page")?;
    if let Some(found) = size(page.child("Area")) {
        return Ok(found);
    }
    let root = package.part(&document.root, "Document")?;
    let found = size(root.child("CommonData").and_then(|common| common.child("PageArea")));
    found.ok_or_else(|| OfdError::Lacks { part: document.root.clone(), what: "PhysicalBox" }.into())
}

/// `Signature.xml`: the digests of all entries, and where the stamps are.
fn descriptor(
    signing: &Signing<'_>,
    at: Timestamp,
    entries: &BTreeMap<String, Vec<u8>>,
    place: &Folder,
    ids: &Ids,
    stamps: &[StampAt],
) -> Vec<u8> {
    let suite = signing.signer.suite();
    let covered = entries.iter().filter(|(name, _)| signing.lock || **name != place.list);
    let references: String = covered
        .map(|(name, data)| {
            let digest = STANDARD.encode(suite.hash(&[data]));
            format!(
                "<ofd:Reference FileRef=\"{}\"><ofd:CheckValue>{digest}</ofd:CheckValue></ofd:Reference>",
                escape_path(name)
            )
        })
        .collect();
    let stamps: String = stamps
        .iter()
        .enumerate()
        .map(|(at, StampAt { page, boundary, clip })| {
            let clip = clip.map(|clip| format!(" Clip=\"{}\"", boxed(&clip))).unwrap_or_default();
            format!(
                "<ofd:StampAnnot ID=\"{}\" PageRef=\"{}\" Boundary=\"{}\"{clip}/>",
                ids.stamp(at),
                escape(page.as_str()),
                boxed(boundary)
            )
        })
        .collect();
    let seal = match signing.mark {
        Mark::Stamp { .. } => {
            let file = escape_path(&place.file("Seal.esl"));
            format!("<ofd:Seal><ofd:BaseLoc>{file}</ofd:BaseLoc></ofd:Seal>")
        }
        Mark::Plain => String::new(),
    };
    format!(
        "{DECLARATION}<ofd:Signature {NAMESPACE}><ofd:SignedInfo>\
         <ofd:Provider ProviderName=\"licence-node\" Version=\"{}\" Company=\"licence-node\"/>\
         <ofd:SignatureMethod>{}</ofd:SignatureMethod><ofd:SignatureDateTime>{}</ofd:SignatureDateTime>\
         <ofd:References CheckMethod=\"{}\">{references}</ofd:References>{stamps}{seal}</ofd:SignedInfo>\
         <ofd:SignedValue>{}</ofd:SignedValue></ofd:Signature>",
        env!("CARGO_PKG_VERSION"),
        suite.signature_oid(),
        at.generalized(),
        suite.hash_oid(),
        escape_path(&place.file("SignedValue.dat")),
    )
    .into_bytes()
}

/// `SignedValue.dat`.
fn value(
    signing: &Signing<'_>,
    at: Timestamp,
    descriptor: &[u8],
    place: &Folder,
) -> Result<Vec<u8>, WriteError> {
    let Mark::Stamp { seal, time_stamp, .. } = signing.mark else {
        return Ok(signing.signer.sign(descriptor)?.to_der());
    };
    let suite = signing.signer.suite();
    let property = format!("/{}", place.file("Signature.xml"));
    let to_sign = ses::to_sign(seal, at, &suite.hash(&[descriptor]), &property)?;
    let signature = signing.signer.sign(&to_sign)?;
    let token = time_stamp.map(|ask| ask(&signature.to_der())).transpose().map_err(WriteError::TimeStamp)?;
    let stamp = ses::assemble(&to_sign, signing.certificate, suite, &signature)?;
    Ok(match token {
        Some(token) => ses::with_time_stamp(&stamp, &token)?,
        None => stamp,
    })
}

#[cfg(test)]
mod tests;
