//! What a signature covers: whether its references are unchanged, and whether they are the document.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{COVERAGE, File, METHOD, REFERENCES, names, words};
use crate::ofd::package::Document;
use crate::ofd::signature::{CheckMethod, Listed, Signature};
use crate::ofd::xml;
use crate::seal::report::{Coverage, NotCovered};
use crate::seal::{Check, SubIndication};

impl<'a> File<'a> {
    /// Whether what the signature names is unchanged, and whether that is the whole document.
    pub(super) fn content(
        &self,
        document: &Document,
        listed: &Listed,
        found: &Signature,
        checks: &mut Vec<Check>,
    ) -> Option<Coverage> {
        let suite = match &found.check_method {
            CheckMethod::Known(suite) => *suite,
            CheckMethod::Refused(name) => {
                let why = format!("the references are digests by {name}, which is too weak or not known");
                checks.push(Check::failed(METHOD, SubIndication::CryptoConstraintsFailure, why));
                checks.extend([REFERENCES, COVERAGE].map(|check| Check::skipped(check, METHOD)));
                return None;
            }
        };
        checks.push(Check::ok(METHOD).because(suite.hash_name()));
        let mut covered = BTreeSet::new();
        let mut changed = Vec::new();
        let mut absent = Vec::new();
        for reference in &found.references {
            let entry = self.package.resolve(&listed.entry, &reference.file);
            let Some(entry) = entry else {
                absent.push(reference.file.as_str());
                continue;
            };
            covered.insert(entry);
            if reference.digest.as_deref() != self.digest(suite, entry).as_ref().map(<[u8; 32]>::as_slice) {
                changed.push(entry);
            }
        }
        checks.push(self.references(document, found, &changed, &absent));
        let value = self.package.resolve(&listed.entry, &found.signed_value);
        let (coverage, check) = self.coverage(document, listed, value, &covered);
        checks.push(check);
        Some(coverage)
    }

    fn references(&self, document: &Document, found: &Signature, changed: &[&str], absent: &[&str]) -> Check {
        if !absent.is_empty() {
            let why = format!("what was signed is no longer in the package: {}", names(absent));
            return Check::failed(REFERENCES, SubIndication::HashFailure, why);
        }
        match changed {
            [] => Check::ok(REFERENCES).because(format!("{} unchanged", found.references.len())),
            [only] if document.signatures.as_deref() == Some(only) => {
                let why = format!(
                    "{only} was changed: a signature was added or taken out, which this one does not allow"
                );
                Check::failed(REFERENCES, SubIndication::HashFailure, why)
            }
            _ => {
                let why = format!("changed since it was signed: {}", names(changed));
                Check::failed(REFERENCES, SubIndication::HashFailure, why)
            }
        }
    }

    fn coverage(
        &self,
        document: &Document,
        listed: &Listed,
        value: Option<&str>,
        covered: &BTreeSet<&'a str>,
    ) -> (Coverage, Check) {
        let open: Vec<&str> = self.package.names().filter(|name| !covered.contains(name)).collect();
        let own = |name: &str| self.machinery.get(name) == Some(&listed.id);
        let is_list = |name: &str| document.signatures.as_deref() == Some(name);
        // Whoever adds a signature can say of any part that it belongs to it: of these files too, only
        // those are left out that the document is not made of.
        let itself = |name: &str| name == listed.entry || Some(name) == value;
        let beyond: Vec<&str> = open.iter().copied().filter(|name| !is_list(name) && !itself(name)).collect();
        // What a document is made of need be found out only where something is left.
        let made_of = if beyond.is_empty() { Rc::default() } else { self.made_of(document) };
        let missing: Vec<&str> = beyond.iter().copied().filter(|name| made_of.contains(name)).collect();
        let why = |name: &str| match self.machinery.get(name) {
            _ if missing.contains(&name) => {
                words("PART OF THE DOCUMENT, not protected", "文档内容，未受保护")
            }
            _ if own(name) => words("the signature itself", "签名自身"),
            Some(id) => words(&format!("belongs to signature {id}"), &format!("属于签名 {id}")),
            None if is_list(name) => {
                words("left open so that signatures can be added", "未保护，以便追加签章")
            }
            None => words("nothing in the document refers to it", "文档未引用"),
        };
        let not_covered =
            open.iter().map(|name| NotCovered { part: (*name).to_owned(), why: why(name) }).collect();
        let coverage = Coverage { covered: covered.len(), parts: self.package.len(), not_covered };
        let unlisted: Vec<&str> = covered.iter().copied().filter(|name| self.is_unlisted(name)).collect();
        let check = if !unlisted.is_empty() {
            let why = format!("signatures that it covers are no longer in the list: {}", names(&unlisted));
            Check::failed(COVERAGE, SubIndication::SigConstraintsFailure, why)
        } else if missing.is_empty() {
            let stray = beyond.iter().filter(|name| !self.machinery.contains_key(**name)).count();
            let check = Check::ok(COVERAGE);
            if stray == 0 {
                check.because("every part of the document")
            } else {
                check.because(format!("every part of the document; {stray} stray files are not part of it"))
            }
        } else {
            let why = format!("parts of the document are not under the signature: {}", names(&missing));
            Check::failed(COVERAGE, SubIndication::SigConstraintsFailure, why)
        };
        (coverage, check)
    }

    /// Whether an entry is a signature that no list names: no signature covers the list, so a line of
    /// it can be taken out, and with it a signature that a later one vouches for.
    fn is_unlisted(&self, name: &'a str) -> bool {
        if let Some(known) = self.unlisted.borrow().get(name) {
            return *known;
        }
        let root = || self.package.get(name).and_then(xml::root_name);
        // An XML signature of another kind (RFC 3275) has the same name and not the same parts.
        let unlisted = !self.read.contains_key(name)
            && root().as_deref() == Some("Signature")
            && Signature::read(self.package, name).is_ok();
        self.unlisted.borrow_mut().insert(name, unlisted);
        unlisted
    }
}
