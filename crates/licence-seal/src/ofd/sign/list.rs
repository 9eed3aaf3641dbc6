//! The list of signatures with one more, and where the new one's files and identifiers go.
//!
//! A foreign list is not written anew: one element is inserted, with the list's own prefix, and its
//! highest identifier replaced, so that whatever else its maker put there stays. What came of it is
//! read again, and refused unless it says just that.

use quick_xml::escape::escape;

use super::Mark;
use crate::ofd::page::{DECLARATION, NAMESPACE};
use crate::ofd::signature::{self, Signature};
use crate::ofd::xml::Element;
use crate::ofd::{Document, Limits, OfdError, Package, WriteError};

/// The list of signatures that is there.
pub struct List<'a> {
    /// `None` before the first signature.
    text: Option<&'a str>,
    /// Highest number in an identifier so far.
    pub highest: u32,
    limits: &'a Limits,
    length: usize,
}

impl<'a> List<'a> {
    pub fn of(package: &'a Package, document: &Document) -> Result<Self, WriteError> {
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
        if highest > MAX_NUMBER {
            return Err(WriteError::Edit(entry.clone()));
        }
        let text = package.get(entry).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(Self { text, highest, limits, length: listed.len() })
    }

    /// `Signatures.xml` with one more signature.
    pub fn with(&self, ids: &Ids, mark: Mark<'_>, folder: &Folder) -> Result<Vec<u8>, WriteError> {
        let kind = match mark {
            Mark::Stamp { .. } => "Seal",
            Mark::Plain => "Sign",
        };
        let entry = |prefix: &str| {
            let location = escape_path(&folder.file("Signature.xml"));
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
        let cannot = || WriteError::Edit(folder.list.clone());
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
        let counted = read.child_text("MaxSignId").is_none_or(|highest| highest == ids.last());
        if !added || !counted || read.children_named("Signature").count() != self.length + 1 {
            return Err(cannot());
        }
        Ok(new.into_bytes())
    }
}

/// `OFD.xml` with the place of the list, after the document's root as the schema wants it.
pub fn root_with_list(package: &Package, list: &str, limits: &Limits) -> Result<Vec<u8>, WriteError> {
    let cannot = || WriteError::Edit(crate::ofd::package::ROOT.to_owned());
    let text = package.get(crate::ofd::package::ROOT).and_then(|bytes| std::str::from_utf8(bytes).ok());
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

/// Highest number after which others may follow.
const MAX_NUMBER: u32 = u32::MAX / 2;

/// The digits at the end of an identifier; one beyond all numbers counts as the highest.
fn number(id: &str) -> u32 {
    let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u32::MAX) }
}

pub fn escape_path(entry: &str) -> String {
    format!("/{}", escape(entry))
}

/// Identifiers of one new signature and its stamps, `s001` and so on as the standard suggests.
pub struct Ids {
    pub first: u32,
    pub stamps: usize,
}

impl Ids {
    pub fn signature(&self) -> String {
        format!("s{:03}", self.first)
    }

    pub fn stamp(&self, at: usize) -> String {
        format!("s{:03}", u32::try_from(at).map_or(self.first, |at| self.first + 1 + at))
    }

    pub fn last(&self) -> String {
        self.stamps.checked_sub(1).map_or_else(|| self.signature(), |at| self.stamp(at))
    }
}

/// Where a new signature's files go.
pub struct Folder {
    pub list: String,
    folder: String,
}

impl Folder {
    pub fn new(package: &Package, document: &Document, list: &List<'_>) -> Self {
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

    pub fn file(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }
}
