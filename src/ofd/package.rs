//! An OFD package: its entries by name, how its parts refer to each other, and its documents.
//!
//! Paths follow GB/T 33190-2016 as the field reads it: a leading slash means the root of the package,
//! anything else is relative to the part that says it, and where that leads nowhere, to the root
//! (several makers leave the slash out). A path that climbs above the root leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::OfdError;
use super::archive::{self, ArchiveError, Entry};
use super::settings::Limits;
use super::xml::{Element, looks_like_xml};

/// The entry that every OFD begins with.
pub const ROOT: &str = "OFD.xml";
/// Where GM/T 0099-2020 keeps what is needed to decrypt a package.
const ENCRYPTIONS: &str = "encryptions.xml";

/// The unpacked entries of an OFD.
#[derive(Debug)]
pub struct Package {
    entries: BTreeMap<String, Vec<u8>>,
    limits: Limits,
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

impl Package {
    /// Unpacks an OFD; an encrypted one is refused by name.
    pub fn open(bytes: &[u8], limits: &Limits) -> Result<Self, OfdError> {
        let entries = archive::read(bytes, limits).map_err(|why| match why {
            ArchiveError::Encrypted(name) => OfdError::Encrypted(name),
            other => OfdError::Archive(other),
        })?;
        let entries: BTreeMap<String, Vec<u8>> =
            entries.into_iter().map(|Entry { name, data }| (name, data)).collect();
        let package = Self { entries, limits: *limits };
        let encrypted = package
            .names()
            .find(|name| name.rsplit('/').next().is_some_and(|file| file.eq_ignore_ascii_case(ENCRYPTIONS)));
        match encrypted {
            Some(name) => Err(OfdError::Encrypted(name.to_owned())),
            None => Ok(package),
        }
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

    /// The entry that `location` means where `part` says it.
    pub fn resolve(&self, part: &str, location: &str) -> Option<&str> {
        self.meanings(part, location).next()
    }

    /// Every entry that a reader could take `location` for: seen from the part, and from the root.
    fn meanings(&self, part: &str, location: &str) -> impl Iterator<Item = &str> {
        let location = location.trim();
        let folder = part.rsplit_once('/').map_or("", |(folder, _)| folder);
        let paths = match location.strip_prefix('/') {
            Some(absolute) => [join("", absolute), None],
            None => [join(folder, location), join("", location)],
        };
        let found = paths.map(|path| self.entries.get_key_value(path?.as_str()));
        found.into_iter().flatten().map(|(name, _)| name.as_str())
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
        let bodies = root.children_named("DocBody").enumerate();
        let found: Vec<Document> =
            bodies.map(|(number, body)| self.document(number, body)).collect::<Result<_, _>>()?;
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
                    attachments.push((name, refer(&list, file)?));
                }
            }
        }
        Ok(Document { root, signatures, custom_data, pages, attachments, number })
    }

    /// Every entry that a document is made of: whatever its `DocBody`, its root, or a part reached from
    /// there names in an attribute or text that could lead to an entry. Where one of them cannot be
    /// read, nobody knows what it names: then it is every entry.
    pub fn reachable(&self, document: &Document) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = self.meanings(ROOT, &document.root).collect();
        let head = self.part(ROOT, "OFD").ok();
        let body = head.as_ref().and_then(|head| head.children_named("DocBody").nth(document.number));
        // Beside the root: versions, a cover.
        for part in body.iter().flat_map(|body| &body.children).filter(|part| part.name != "Signatures") {
            part.walk(&mut |element| {
                let words = element.attribute_values().chain([element.text()]);
                next.extend(words.flat_map(|word| self.meanings(ROOT, word)));
            });
        }
        while let Some(part) = next.pop() {
            if !found.insert(part) {
                continue;
            }
            let Some(bytes) = self.get(part).filter(|bytes| looks_like_xml(bytes)) else { continue };
            let Ok(tree) = Element::parse(bytes, &self.limits) else { return self.names().collect() };
            // Media of a resource file are relative to the folder that its root names.
            let base = tree.attribute("BaseLoc").map(|base| format!("{base}/"));
            tree.walk(&mut |element| {
                for word in element.attribute_values().chain([element.text()]) {
                    next.extend(self.meanings(part, word));
                    if let Some(base) = &base {
                        next.extend(self.meanings(part, &format!("{base}{word}")));
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
        Package { entries, limits: Limits::default() }
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
            ("../../../OFD.xml", None),
            ("/../OFD.xml", None),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(package.resolve(from, location), found, "{location}");
        }
    }
}
