//! The checks of an OFD's signatures, and the report.
//!
//! Every check that can run does run, and nothing is rendered. A signature passes only if the parts
//! it names are unchanged, the parts that make up its document are among them, and the stamp or plain
//! signature over `Signature.xml` holds. What a signature may leave out: its own `Signature.xml` and
//! value (they hold the digests), the list of signatures and the files of other listed signatures (so
//! that a further signature can be set). An unlisted part that nothing refers to is named in the
//! report, but decides nothing: no reader shows it.
//!
//! | file | decides |
//! |---|---|
//! | `content` | references and coverage: whether it is the whole document, unchanged |
//! | `sealed`, `plain` | the stamp, or the plain signature, over `Signature.xml` |

mod content;
mod plain;
mod sealed;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::package::{Document, Package};
use super::settings::Limits;
use super::signature::{self, Kind, Listed, Signature};
use super::xml;
use super::{OfdError, page_seal};
use crate::crypto::{Digest, Suite};
use crate::seal::report::{Parts, Report, SealVerdict, Sentence};
use crate::seal::ses::Stamp;
use crate::seal::{Ask, Check, SubIndication, Trust, verify_licence};

const PACKAGE: &str = "ofd.package";
const ENCRYPTION: &str = "ofd.encryption";
const STRUCTURE: &str = "ofd.structure";
const SIGNATURES: &str = "ofd.signatures";
const FORMAT: &str = "signature.format";
const METHOD: &str = "referencesMethod";
const REFERENCES: &str = "references";
const COVERAGE: &str = "coverage";
const ALGORITHM: &str = "signatureMethod";
const RANGE: &str = "stampRange";
const SEAL_FILE: &str = "sealFile";
const PLACE: &str = "stampAnnot";
const PLAIN: &str = "plainSignature";
const SIGNER: &str = "signerCertificate";
const TIME: &str = "signingTime";
/// Names listed in a reason.
const NAMED: usize = 5;
/// Ending of a sealed licence that goes along as an attachment.
const LICENCE: &str = ".licence.json";

/// Verifies an OFD: each of its signatures, and a sealed licence that it carries.
pub fn verify_ofd(file: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>, limits: &Limits) -> Report {
    let name = file;
    let report = |seal, signatures, licence: Option<Report>, copy| {
        let (status, licence) = licence.map_or((None, None), |report| (report.status, report.licence));
        let parts = Parts { kind: "ofd", seal, signatures, status, licence, copy };
        Report::of(name, ask.at, parts)
    };
    let package = match Package::open(bytes, limits) {
        Ok(package) => package,
        Err(why @ OfdError::Encrypted(_)) => {
            let check = Check::not_checked(ENCRYPTION, SubIndication::SignedDataNotFound, why.to_string());
            return report(SealVerdict::of(vec![check]), Vec::new(), None, None);
        }
        Err(why) => {
            let failed = Check::failed(PACKAGE, SubIndication::FormatFailure, why.to_string());
            let checks =
                vec![failed, Check::skipped(STRUCTURE, PACKAGE), Check::skipped(SIGNATURES, PACKAGE)];
            return report(SealVerdict::of(checks), Vec::new(), None, None);
        }
    };
    let mut checks = vec![Check::ok(PACKAGE)];
    let documents = match structure(&package) {
        Ok(documents) => documents,
        Err(why) => {
            checks.push(Check::failed(STRUCTURE, SubIndication::FormatFailure, why));
            checks.push(Check::skipped(SIGNATURES, STRUCTURE));
            return report(SealVerdict::of(checks), Vec::new(), None, None);
        }
    };
    checks.push(Check::ok(STRUCTURE));
    let lists = match lists(&package, &documents) {
        Ok(lists) => lists,
        Err(why) => {
            checks.push(Check::failed(SIGNATURES, SubIndication::FormatFailure, why.to_string()));
            return report(SealVerdict::of(checks), Vec::new(), None, None);
        }
    };
    checks.push(signed(&lists));
    let file = File::new(&package, &lists, trust, ask);
    let mut signatures = Vec::new();
    for (document, list) in documents.iter().zip(&lists) {
        signatures.extend(list.iter().map(|listed| file.signature(document, listed)));
    }
    let attached = attached(&package, &documents, trust, ask);
    let licence = attached.as_ref().map(|(_, licence)| licence);
    let page = page_seal::judge(&documents, &mut signatures, licence, trust, ask.at);
    checks.extend(page.checks);
    if let Some((name, licence)) = &attached {
        signatures.push(SealVerdict {
            id: Some(name.clone()),
            kind: Some("licence"),
            ..licence.seal.clone()
        });
    }
    report(SealVerdict::of(checks), signatures, attached.map(|(_, licence)| licence), page.copy)
}

/// The documents; every part that a reader could take for XML reads in one way, whether it is looked
/// at here or not. Attachments under other names than `*.xml` are nothing that is drawn. One sealed
/// licence may go along: a second one would be shown by others and vouched for by nobody here.
fn structure(package: &Package) -> Result<Vec<Document>, String> {
    let documents = package.documents().map_err(|why| why.to_string())?;
    let attachments = documents.iter().flat_map(|document| &document.attachments);
    let licences: BTreeSet<&str> =
        attachments.map(|(_, entry)| entry.as_str()).filter(|entry| is_licence(entry)).collect();
    if licences.len() > 1 {
        return Err("more than one sealed licence goes along".to_owned());
    }
    let attached = |name: &str| {
        let is_page = |document: &Document| document.pages.iter().any(|(_, page)| page == name);
        let is_attached = |document: &Document| document.attachments.iter().any(|(_, file)| file == name);
        documents.iter().any(is_attached) && !documents.iter().any(is_page)
    };
    for name in package.names() {
        let Some(bytes) = package.get(name) else { continue };
        let is_xml = name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("xml"));
        if is_xml || (xml::looks_like_xml(bytes) && !attached(name)) {
            xml::check_plain(bytes).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(documents)
}

/// The lists of all documents; the limit on signatures holds for them together, and no two documents
/// have one list.
fn lists(package: &Package, documents: &[Document]) -> Result<Vec<Vec<Listed>>, OfdError> {
    let mut lists: Vec<Vec<Listed>> = Vec::with_capacity(documents.len());
    for (number, document) in documents.iter().enumerate() {
        let same = |other: &Document| other.signatures.is_some() && other.signatures == document.signatures;
        if let Some(list) = documents.iter().take(number).find_map(|other| same(other).then_some(&other.root))
        {
            return Err(OfdError::DocumentTwice(list.clone()));
        }
        lists.push(signature::list(package, document)?);
        if lists.iter().map(Vec::len).sum::<usize>() > package.limits().signatures {
            return Err(OfdError::TooManySignatures(package.limits().signatures));
        }
    }
    Ok(lists)
}

/// Every document must be signed, or nothing is known of it.
fn signed(lists: &[Vec<Listed>]) -> Check {
    let open = |why: String| Check::not_checked(SIGNATURES, SubIndication::NoSigningCertificateFound, why);
    if lists.iter().all(Vec::is_empty) {
        return open("the file carries no signature".to_owned());
    }
    match lists.iter().position(Vec::is_empty) {
        Some(at) => open(format!("document {} of {} carries no signature", at + 1, lists.len())),
        None => {
            let count: usize = lists.iter().map(Vec::len).sum();
            Check::ok(SIGNATURES).because(format!("{count} in the list"))
        }
    }
}

fn is_licence(entry: &str) -> bool {
    entry.to_ascii_lowercase().ends_with(LICENCE)
}

/// The sealed licence among the attachments, and what came of it.
fn attached(
    package: &Package,
    documents: &[Document],
    trust: &Trust,
    ask: &Ask<'_>,
) -> Option<(String, Report)> {
    let mut all = documents.iter().flat_map(|document| &document.attachments);
    let (name, entry) = all.find(|(_, entry)| is_licence(entry))?;
    let bytes = package.get(entry)?;
    let name = if name.is_empty() { entry } else { name };
    Some((name.clone(), verify_licence(name, bytes, trust, ask)))
}

/// What all signatures of a file share.
struct File<'a> {
    package: &'a Package,
    trust: &'a Trust,
    ask: &'a Ask<'a>,
    /// Entries that belong to the signatures themselves: whose they are.
    machinery: BTreeMap<String, String>,
    /// What each listed `Signature.xml` says.
    read: BTreeMap<String, Result<Signature, OfdError>>,
    /// Digests of entries, each computed once.
    digests: RefCell<HashMap<(Suite, &'a str), Digest>>,
    /// Whether an entry is a signature that no list names.
    unlisted: RefCell<HashMap<&'a str, bool>>,
    /// What a document, by its number, is made of.
    made_of: RefCell<BTreeMap<usize, Rc<BTreeSet<&'a str>>>>,
}

impl<'a> File<'a> {
    fn new(package: &'a Package, lists: &[Vec<Listed>], trust: &'a Trust, ask: &'a Ask<'a>) -> Self {
        let mut machinery = BTreeMap::new();
        let mut all = BTreeMap::new();
        for listed in lists.iter().flatten() {
            machinery.insert(listed.entry.clone(), listed.id.clone());
            let read = Signature::read(package, &listed.entry);
            let locations = read.iter().flat_map(|found| [Some(&found.signed_value), found.seal.as_ref()]);
            for location in locations.flatten() {
                if let Some(entry) = package.resolve(&listed.entry, location) {
                    machinery.entry(entry.to_owned()).or_insert_with(|| listed.id.clone());
                }
            }
            all.insert(listed.entry.clone(), read);
        }
        Self {
            package,
            trust,
            ask,
            machinery,
            read: all,
            digests: RefCell::default(),
            unlisted: RefCell::default(),
            made_of: RefCell::default(),
        }
    }

    fn digest(&self, suite: Suite, entry: &'a str) -> Option<Digest> {
        let key = (suite, entry);
        if let Some(known) = self.digests.borrow().get(&key) {
            return Some(*known);
        }
        let digest = suite.hash(&[self.package.get(entry)?]);
        self.digests.borrow_mut().insert(key, digest);
        Some(digest)
    }

    fn made_of(&self, document: &Document) -> Rc<BTreeSet<&'a str>> {
        let mut known = self.made_of.borrow_mut();
        let found = known.entry(document.number());
        Rc::clone(found.or_insert_with(|| Rc::new(self.package.reachable(document))))
    }

    /// Everything about one signature.
    fn signature(&self, document: &Document, listed: &Listed) -> SealVerdict {
        let mut kind = match listed.kind {
            Kind::Seal => "seal",
            Kind::Sign => "sign",
        };
        let named = |kind, verdict| SealVerdict { id: Some(listed.id.clone()), kind: Some(kind), ..verdict };
        let missing = || Err(OfdError::Missing(listed.entry.clone()));
        let read = self.read.get(&listed.entry).cloned().unwrap_or_else(missing);
        let value = |found: &Signature| {
            let location = &found.signed_value;
            let entry = self.package.resolve(&listed.entry, location);
            entry
                .and_then(|entry| self.package.get(entry))
                .ok_or_else(|| OfdError::Dangling { part: listed.entry.clone(), location: location.clone() })
        };
        let (found, value) = match read.and_then(|found| value(&found).map(|value| (found, value))) {
            Ok(both) => both,
            Err(why) => {
                let failed = Check::failed(FORMAT, SubIndication::FormatFailure, why.to_string());
                let rest = [METHOD, REFERENCES, COVERAGE].map(|name| Check::skipped(name, FORMAT));
                return named(kind, SealVerdict::of([failed].into_iter().chain(rest).collect()));
            }
        };
        let mut checks = vec![Check::ok(FORMAT)];
        let coverage = self.content(document, listed, &found, &mut checks);
        // The list says which kind it is, and is under no signature: what it is, its value says.
        let verdict = if listed.kind == Kind::Seal || Stamp::from_der(value).is_ok() {
            kind = "seal";
            self.sealed(document, listed, &found, value, checks)
        } else {
            self.plain(listed, &found, value, checks)
        };
        SealVerdict { coverage, ..named(kind, verdict) }
    }
}

/// Whether the algorithm that `Signature.xml` names is the one that was used.
fn algorithm(found: &Signature, used: Option<Suite>) -> Check {
    let Some(named) = found.method.as_deref() else {
        return Check::ok(ALGORITHM).because("Signature.xml names none");
    };
    let is_oid = named.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let shown: String = named.chars().take(80).collect();
    match (Suite::from_signature_oid(named), used) {
        (Some(said), Some(used)) if said != used => {
            let why = format!("Signature.xml names an algorithm of {said}, the signature is of {used}");
            Check::failed(ALGORITHM, SubIndication::CryptoConstraintsFailure, why)
        }
        (Some(_), _) => Check::ok(ALGORITHM),
        (None, _) if is_oid && !is_sm2(named) => {
            let why = format!("Signature.xml names the algorithm {shown}, which is not supported");
            Check::failed(ALGORITHM, SubIndication::CryptoConstraintsFailure, why)
        }
        (None, _) => Check::ok(ALGORITHM).because(format!("it says \"{shown}\"")),
    }
}

/// Identifiers under that of the SM2 curve, which makers write for the signature too.
fn is_sm2(oid: &str) -> bool {
    let curve = Suite::Sm2Sm3.curve_oid();
    oid.strip_prefix(curve).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn words(en: &str, zh: &str) -> Sentence {
    Sentence { en: en.to_owned(), zh: zh.to_owned() }
}

/// The first few, and how many more.
fn names(all: &[&str]) -> String {
    let shown: Vec<&str> = all.iter().copied().take(NAMED).collect();
    let more = all.len().saturating_sub(NAMED);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
