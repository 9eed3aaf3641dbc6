//! An OFD package: its entries by name, how its parts refer to each other, and its documents.
//!
//! Paths follow GB/T 33190-2016 as the field reads it: a leading slash means the root of the package,
//! anything else is relative to the folder of the part that says it, and where that leads nowhere, to a
//! folder above it, up to the root (makers mean the document's folder, or leave the slash out). A path
//! that climbs above the root leads nowhere.
//!
//! Readers differ in all this. What a document is made of is therefore found as loosely as any of them
//! may read it, so that nothing that is shown somewhere escapes the seal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::OfdError;
use super::archive::{self, ArchiveError, Entry, folded};
use super::settings::Limits;
use super::xml::{Element, looks_like_xml};

/// The entry that every OFD begins with.
pub const ROOT: &str = "OFD.xml";
/// Where GM/T 0099-2020 keeps what is needed to decrypt a package.
/// Longest location that is looked at, in bytes: twice the longest name.
const MAX_LOCATION: usize = 1024;
const ENCRYPTIONS: &str = "encryptions.xml";

/// The unpacked entries of an OFD.
#[derive(Debug)]
pub struct Package {
    entries: BTreeMap<String, Vec<u8>>,
    limits: Limits,
    /// Names as the loosest reader finds them, and the last segments of these.
    loose: HashMap<String, String>,
    files: HashSet<String>,
}

/// One document of a package (`DocBody`).
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Entry of `Document.xml`.
    pub root: String,
    /// Entry of `Signatures.xml`, if the document names one.
    pub signatures: Option<String>,
    /// `CustomData` of its `DocInfo`: name and value, in order.
    pub custom_data: Vec<(String, String)>,
    /// Page ID and entry, in order.
    pub pages: Vec<(String, String)>,
    /// Attachments: name as shown, and entry.
    pub attachments: Vec<(String, String)>,
    /// Its place among the documents of the package.
    number: usize,
}

impl Document {
    /// Its place among the documents of the package.
    pub const fn number(&self) -> usize {
        self.number
    }
}

impl Package {
    /// Unpacks an OFD; an encrypted one is refused by name.
    pub fn open(bytes: &[u8], limits: &Limits) -> Result<Self, OfdError> {
        let entries = archive::read(bytes, limits).map_err(|why| match why {
            ArchiveError::Encrypted(name) => OfdError::Encrypted(name),
            other => OfdError::Archive(other),
        })?;
        let entries: BTreeMap<String, Vec<u8>> =
            entries.into_iter().map(|Entry { name, data }| (name, data)).collect();
        let package = Self::of(entries, limits);
        let encrypted = package
            .names()
            .find(|name| name.rsplit('/').next().is_some_and(|file| file.eq_ignore_ascii_case(ENCRYPTIONS)));
        match encrypted {
            Some(name) => Err(OfdError::Encrypted(name.to_owned())),
            None => Ok(package),
        }
    }

    fn of(entries: BTreeMap<String, Vec<u8>>, limits: &Limits) -> Self {
        let loose: HashMap<String, String> =
            entries.keys().map(|name| (folded(name), name.clone())).collect();
        let files = loose.keys().map(|name| last(name).to_owned()).collect();
        Self { entries, limits: *limits, loose, files }
    }

    /// Names of all entries, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// The entries by name, for whoever goes on to write.
    pub fn into_entries(self) -> BTreeMap<String, Vec<u8>> {
        self.entries
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The entry that `location` means where `part` says it: seen from the part's folder, else from a
    /// folder above it up to the root, as several makers mean it.
    pub fn resolve(&self, part: &str, location: &str) -> Option<&str> {
        let location = location.trim();
        // No entry has so long a name, however many turns its path takes.
        if location.len() > MAX_LOCATION {
            return None;
        }
        let found = |folder: &str, path: &str| {
            let (name, _) = self.entries.get_key_value(join(folder, path)?.as_str())?;
            Some(name.as_str())
        };
        match location.strip_prefix('/') {
            Some(absolute) => found("", absolute),
            None => folders(part).find_map(|folder| found(folder, location)),
        }
    }

    /// Every entry that some reader could take `location` for: from any folder above the part, without
    /// regard to case, with backslashes, escapes, white space, and climbing that stops at the root.
    fn meanings(&self, part: &str, location: &str) -> Vec<&str> {
        let location = location.trim();
        if location.is_empty() || location.len() > MAX_LOCATION {
            return Vec::new();
        }
        let location = folded(&unescaped(location).replace('\\', "/"));
        // Most words name no file at all.
        if !self.files.contains(last(&location).trim()) {
            return Vec::new();
        }
        let from = folded(part);
        let mut found: Vec<&str> = folders(&from)
            .filter_map(|folder| self.loose.get(&clamped(folder, &location)).map(String::as_str))
            .collect();
        found.dedup();
        found
    }

    /// Parses the part that `location` means; its root element must have this name.
    pub fn part(&self, entry: &str, root: &'static str) -> Result<Element, OfdError> {
        let bytes = self.get(entry).ok_or_else(|| OfdError::Missing(entry.to_owned()))?;
        let parsed = Element::parse(bytes, &self.limits)
            .map_err(|why| OfdError::Xml { part: entry.to_owned(), why })?;
        parsed.named(root).ok_or_else(|| OfdError::Root { part: entry.to_owned(), wanted: root })
    }

    /// The documents that `OFD.xml` names, at least one.
    pub fn documents(&self) -> Result<Vec<Document>, OfdError> {
        let root = self.part(ROOT, "OFD")?;
        let mut found: Vec<Document> = Vec::new();
        let mut pages = 0_usize;
        for (number, body) in root.children_named("DocBody").enumerate() {
            if number >= self.limits.documents {
                return Err(OfdError::TooManyDocuments(self.limits.documents));
            }
            let document = self.document(number, body)?;
            if found.iter().any(|other| other.root == document.root) {
                return Err(OfdError::DocumentTwice(document.root));
            }
            // One part's limit holds for the pages of all documents together.
            pages = pages.saturating_add(document.pages.len()).saturating_add(document.attachments.len());
            if pages > self.limits.xml_elements {
                return Err(OfdError::TooManyPages(self.limits.xml_elements));
            }
            found.push(document);
        }
        if found.is_empty() { Err(OfdError::NoDocument) } else { Ok(found) }
    }

    fn document(&self, number: usize, body: &Element) -> Result<Document, OfdError> {
        let refer = |part: &str, location: &str| {
            self.resolve(part, location)
                .map(str::to_owned)
                .ok_or_else(|| OfdError::Dangling { part: part.to_owned(), location: location.to_owned() })
        };
        let location = body.child_text("DocRoot").ok_or(OfdError::NoDocument)?;
        let root = refer(ROOT, location)?;
        let signatures = body.child_text("Signatures").map(|location| refer(ROOT, location)).transpose()?;
        let custom_data = body
            .child("DocInfo")
            .and_then(|info| info.child("CustomDatas"))
            .into_iter()
            .flat_map(|datas| datas.children_named("CustomData"))
            .map(|data| (data.attribute("Name").unwrap_or_default().to_owned(), data.text().to_owned()))
            .collect();
        let document = self.part(&root, "Document")?;
        let pages = document.child("Pages").ok_or(OfdError::NoPages)?;
        let pages = pages
            .children_named("Page")
            .map(|page| {
                let entry = refer(&root, page.attribute("BaseLoc").unwrap_or_default())?;
                Ok((page.attribute("ID").unwrap_or_default().to_owned(), entry))
            })
            .collect::<Result<Vec<_>, OfdError>>()?;
        let mut attachments = Vec::new();
        if let Some(list) = document.child_text("Attachments") {
            let list = refer(&root, list)?;
            for attachment in self.part(&list, "Attachments")?.children_named("Attachment") {
                if let Some(file) = attachment.child_text("FileLoc") {
                    let name = attachment.attribute("Name").unwrap_or_default().to_owned();
                    // One that is gone shows nothing; that it was there is under the seal all the same.
                    if let Some(entry) = self.resolve(&list, file) {
                        attachments.push((name, entry.to_owned()));
                    }
                }
            }
        }
        Ok(Document { root, signatures, custom_data, pages, attachments, number })
    }

    /// Every entry that a document is made of: whatever its `DocBody`, its root, or a part reached from
    /// there names in an attribute or text that could lead to an entry. Where one of them cannot be
    /// read, nobody knows what it names: then it is every entry.
    pub fn reachable<'a>(&'a self, document: &Document) -> BTreeSet<&'a str> {
        let mut found: BTreeSet<&'a str> = BTreeSet::new();
        let mut next: Vec<&'a str> = Vec::new();
        let mut reach = |part: &str, word: &str, next: &mut Vec<&'a str>| {
            next.extend(self.meanings(part, word).into_iter().filter(|entry| found.insert(entry)));
        };
        reach(ROOT, &document.root, &mut next);
        let head = self.part(ROOT, "OFD").ok();
        let body = head.as_ref().and_then(|head| head.children_named("DocBody").nth(document.number));
        // Beside the root: versions, a cover.
        for part in body.iter().flat_map(|body| &body.children).filter(|part| part.name != "Signatures") {
            part.walk(&mut |element| {
                for word in element.attribute_values().chain([element.text()]) {
                    reach(ROOT, word, &mut next);
                }
            });
        }
        while let Some(part) = next.pop() {
            let Some(bytes) = self.get(part).filter(|bytes| looks_like_xml(bytes)) else { continue };
            let Ok(tree) = Element::parse(bytes, &self.limits) else { return self.names().collect() };
            // Media of a resource file are relative to the folder that its root names.
            let base = tree.attribute("BaseLoc").filter(|base| base.len() <= MAX_LOCATION);
            tree.walk(&mut |element| {
                for word in element.attribute_values().chain([element.text()]) {
                    reach(part, word, &mut next);
                    if let Some(base) = base.filter(|_| word.len() <= MAX_LOCATION) {
                        reach(part, &format!("{base}/{word}"), &mut next);
                    }
                }
            });
        }
        if let Some((root, _)) = self.entries.get_key_value(ROOT) {
            found.insert(root);
        }
        found
    }
}

/// The folder of a part, and those above it up to the root.
fn folders(part: &str) -> impl Iterator<Item = &str> {
    let mut next = Some(part);
    std::iter::from_fn(move || {
        let path = next?;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        next = (!path.is_empty() && path != folder).then_some(folder);
        (path != folder).then_some(folder)
    })
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// `%XX` as the bytes they stand for (RFC 3986 2.1); text that has none stays what it is.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// `path` seen from `folder` by a reader that stops at the root and trims what it finds.
fn clamped(folder: &str, path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut segments: Vec<&str> =
        folder.split('/').filter(|segment| !absolute && !segment.is_empty()).collect();
    for segment in path.split('/').map(str::trim) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    segments.join("/")
}

/// `path` seen from `folder`, without `.` and `..`; `None` if it climbs above the root.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()?),
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(names: &[&str]) -> Package {
        let entries = names.iter().map(|name| ((*name).to_owned(), b"<a/>".to_vec())).collect();
        Package::of(entries, &Limits::default())
    }

    #[test]
    fn a_path_is_relative_to_its_part_or_else_to_the_root() {
        let package = package(&["OFD.xml", "Doc_0/Signs/S/x.xml", "Doc_0/y.xml", "S/x.xml"]);
        let from = "Doc_0/Signs/Signatures.xml";
        for (location, found) in [
            ("S/x.xml", Some("Doc_0/Signs/S/x.xml")),
            ("/S/x.xml", Some("S/x.xml")),
            (" ../y.xml ", Some("Doc_0/y.xml")),
            ("./../y.xml", Some("Doc_0/y.xml")),
            ("Doc_0/y.xml", Some("Doc_0/y.xml")),
            ("y.xml", Some("Doc_0/y.xml")),
            ("../../../OFD.xml", None),
            ("/../OFD.xml", None),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(package.resolve(from, location), found, "{location}");
        }
    }

    #[test]
    fn what_any_reader_may_take_a_path_for_belongs_to_the_document() {
        let package = package(&["Doc_0/Annots/A_0.xml", "OFD.xml"]);
        for location in [
            "Annots/A_0.xml",
            "ANNOTS/a_0.XML",
            "Annots\\A_0.xml",
            "../../../Doc_0/Annots/A_0.xml",
            "/../Doc_0/Annots/A_0.xml",
            " Annots / A_0.xml ",
            "Annots/A%5f0.xml",
        ] {
            assert_eq!(
                package.meanings("Doc_0/Document.xml", location),
                ["Doc_0/Annots/A_0.xml"],
                "{location}"
            );
        }
        assert!(package.meanings("Doc_0/Document.xml", "A_1.xml").is_empty());
    }
}
