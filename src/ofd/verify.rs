//! The checks of an OFD's signatures, and the report.
//!
//! Every check that can run does run, and nothing is rendered. A signature passes only if the parts
//! it names are unchanged, the parts that make up its document are among them, and the stamp or plain
//! signature over `Signature.xml` holds. What a signature may leave out: its own `Signature.xml` and
//! value (they hold the digests), the list of signatures and the files of other listed signatures (so
//! that a further signature can be set). An unlisted part that nothing refers to is named in the
//! report, but decides nothing: no reader shows it.
//!
//! A plain signature (`Type="Sign"`) often carries no certificate. Then the certificates of the trust
//! folder are tried, since nothing else could make it trusted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::package::{Document, Package, ROOT};
use super::settings::Limits;
use super::signature::{self, CheckMethod, Kind, Listed, Signature};
use super::xml;
use super::{OfdError, page_seal};
use crate::crypto::{Digest, PublicKey, Signature as Value, Suite};
use crate::pki::cms::{self, CmsError};
use crate::pki::{Certificate, Terms, Usage};
use crate::seal::check::{Check, SubIndication};
use crate::seal::report::{
    ChainLink, Coverage, NotCovered, Parts, Place, Report, SealVerdict, Sentence, time_proof,
};
use crate::seal::ses::{self, Protected, Stamp, TimeProof};
use crate::seal::trust::Trust;
use crate::seal::verify::{Ask, verify_licence};
use crate::time::Timestamp;

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
/// How far a signer's clock may be ahead of ours, in seconds.
const CLOCK_SKEW_SECS: i64 = 60;
/// Certificates of the trust folder that are tried for a plain signature.
const MAX_TRIED: usize = 256;
/// Names listed in a reason.
const NAMED: usize = 5;
/// Ending of a sealed licence that goes along as an attachment.
const LICENCE: &str = ".licence.json";

/// Verifies an OFD: each of its signatures, and a sealed licence that it carries.
pub fn verify_ofd(file: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>, limits: &Limits) -> Report {
    let report = |seal, signatures, licence: Option<Report>| {
        let (status, licence) = licence.map_or((None, None), |report| (report.status, report.licence));
        Report::of(file, ask.at, Parts { kind: "ofd", seal, signatures, status, licence })
    };
    let package = match Package::open(bytes, limits) {
        Ok(package) => package,
        Err(why @ OfdError::Encrypted(_)) => {
            let check = Check::not_checked(ENCRYPTION, SubIndication::SignedDataNotFound, why.to_string());
            return report(SealVerdict::of(vec![check]), Vec::new(), None);
        }
        Err(why) => {
            let failed = Check::failed(PACKAGE, SubIndication::FormatFailure, why.to_string());
            let checks =
                vec![failed, Check::skipped(STRUCTURE, PACKAGE), Check::skipped(SIGNATURES, PACKAGE)];
            return report(SealVerdict::of(checks), Vec::new(), None);
        }
    };
    let mut checks = vec![Check::ok(PACKAGE)];
    let documents = match structure(&package) {
        Ok(documents) => documents,
        Err(why) => {
            checks.push(Check::failed(STRUCTURE, SubIndication::FormatFailure, why));
            checks.push(Check::skipped(SIGNATURES, STRUCTURE));
            return report(SealVerdict::of(checks), Vec::new(), None);
        }
    };
    checks.push(Check::ok(STRUCTURE));
    let lists: Result<Vec<Vec<Listed>>, OfdError> =
        documents.iter().map(|document| signature::list(&package, document)).collect();
    let lists = match lists {
        Ok(lists) => lists,
        Err(why) => {
            checks.push(Check::failed(SIGNATURES, SubIndication::FormatFailure, why.to_string()));
            return report(SealVerdict::of(checks), Vec::new(), None);
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
    let report = report(SealVerdict::of(checks), signatures, attached.map(|(_, licence)| licence));
    Report { copy: page.copy, ..report }
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
    /// What a document, by its root, is made of.
    made_of: RefCell<BTreeMap<String, Rc<BTreeSet<&'a str>>>>,
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
        let found = known.entry(document.root.clone());
        Rc::clone(found.or_insert_with(|| Rc::new(self.package.reachable(document))))
    }

    /// Everything about one signature.
    fn signature(&self, document: &Document, listed: &Listed) -> SealVerdict {
        let kind = match listed.kind {
            Kind::Seal => "seal",
            Kind::Sign => "sign",
        };
        let named = |verdict| SealVerdict { id: Some(listed.id.clone()), kind: Some(kind), ..verdict };
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
                return named(SealVerdict::of([failed].into_iter().chain(rest).collect()));
            }
        };
        let mut checks = vec![Check::ok(FORMAT)];
        let coverage = self.content(document, listed, &found, &mut checks);
        let verdict = if listed.kind == Kind::Seal || Stamp::from_der(value).is_ok() {
            self.sealed(document, listed, &found, value, checks)
        } else {
            self.plain(listed, &found, value, checks)
        };
        SealVerdict { coverage, ..named(verdict) }
    }

    /// Whether what the signature names is unchanged, and whether that is the whole document.
    fn content(
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
        covered: &BTreeSet<&str>,
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
    fn is_unlisted(&self, name: &str) -> bool {
        let text = || std::str::from_utf8(self.package.get(name)?).ok();
        !self.read.contains_key(name)
            && text().is_some_and(|text| text.contains("SignedInfo"))
            && self.package.part(name, "Signature").is_ok()
    }

    /// A stamp over `Signature.xml`.
    fn sealed(
        &self,
        document: &Document,
        listed: &Listed,
        found: &Signature,
        value: &[u8],
        mut checks: Vec<Check>,
    ) -> SealVerdict {
        let signed = self.package.get(&listed.entry).unwrap_or_default();
        let verdict = ses::check_stamp(value, Protected::Bytes(signed), self.trust.for_seals(), self.ask.at);
        checks.extend(verdict.checks.iter().cloned());
        match &verdict.stamp {
            Some(stamp) => {
                checks.push(algorithm(found, stamp.suite()));
                checks.push(self.range(listed, stamp));
                checks.push(self.seal_file(listed, found, stamp));
            }
            None => {
                checks.extend([ALGORITHM, RANGE, SEAL_FILE].map(|name| Check::skipped(name, "stampFormat")))
            }
        }
        let (places, place) = places(document, found);
        checks.push(place);
        SealVerdict { places, ..SealVerdict::of(checks).with_stamp(&verdict) }
    }

    /// Whether `propertyInfo` means this `Signature.xml`. Makers also write other words there, which
    /// say nothing; the data hash binds the file in any case.
    fn range(&self, listed: &Listed, stamp: &Stamp) -> Check {
        match self.package.resolve(ROOT, &stamp.property) {
            Some(entry) if entry == listed.entry => Check::ok(RANGE),
            Some(other) => {
                let why = format!("the stamp says that it was set on {other}");
                Check::failed(RANGE, SubIndication::SigConstraintsFailure, why)
            }
            None if stamp.property.trim().is_empty() => {
                let why = "the stamp names no range; its data hash binds the file";
                Check::ok(RANGE).because(why)
            }
            None => {
                let shown: String = stamp.property.chars().take(120).collect();
                Check::ok(RANGE).because(format!("it says \"{shown}\", which is no part of this file"))
            }
        }
    }

    fn seal_file(&self, listed: &Listed, found: &Signature, stamp: &Stamp) -> Check {
        let Some(location) = &found.seal else {
            return Check::ok(SEAL_FILE).because("no seal file goes along");
        };
        match self.package.resolve(&listed.entry, location).and_then(|entry| self.package.get(entry)) {
            Some(bytes) if bytes == stamp.seal.der => Check::ok(SEAL_FILE),
            Some(_) => {
                let why = format!("{location} is not the seal in the stamp");
                Check::failed(SEAL_FILE, SubIndication::SigConstraintsFailure, why)
            }
            None => {
                let why = format!("{location} is not in the package");
                Check::failed(SEAL_FILE, SubIndication::FormatFailure, why)
            }
        }
    }

    /// A plain signature over `Signature.xml`, its signer looked for among the trusted certificates.
    fn plain(&self, listed: &Listed, found: &Signature, value: &[u8], mut checks: Vec<Check>) -> SealVerdict {
        let signed = self.package.get(&listed.entry).unwrap_or_default();
        let now = self.ask.at;
        let time = found.claimed_time();
        let in_future = time.is_some_and(|time| time > now.plus_secs(CLOCK_SKEW_SECS));
        let at = time.filter(|_| !in_future).unwrap_or(now);
        let Signer { suite, chain } = match Value::from_der_or_raw(value) {
            Ok(value) => self.bare(signed, &value, (at, now), &mut checks),
            Err(_) => self.message(signed, value, (at, now), &mut checks),
        };
        checks.push(signing_time(time, in_future));
        checks.push(algorithm(found, suite));
        SealVerdict {
            signing_time: time,
            time_proof: time.map(|_| time_proof(&TimeProof::Claimed)),
            suite: suite.map(Suite::name),
            signer_chain: ChainLink::all(&chain),
            ..SealVerdict::of(checks)
        }
    }

    /// r and s alone: whoever made them is looked for.
    fn bare(
        &self,
        signed: &[u8],
        value: &Value,
        (at, now): (Timestamp, Timestamp),
        checks: &mut Vec<Check>,
    ) -> Signer {
        let Some(signer) = self.signer_of(signed, value) else {
            let why = "the file does not carry the signer's certificate, and no certificate of the trust folder verifies the signature";
            let open = |name| Check::not_checked(name, SubIndication::NoCertificateChainFound, why);
            checks.extend([PLAIN, SIGNER].map(open));
            return Signer::default();
        };
        let (check, chain) = ses::check_certificate(SIGNER, signer, self.trust.for_seals(), at, now);
        checks.extend([Check::ok(PLAIN), check]);
        Signer { suite: suite_of(signer), chain }
    }

    /// A signed message (GB/T 35275, RFC 5652) over `Signature.xml`, or over its digest.
    fn message(
        &self,
        signed: &[u8],
        value: &[u8],
        (at, now): (Timestamp, Timestamp),
        checks: &mut Vec<Check>,
    ) -> Signer {
        let trust = self.trust.for_seals();
        let verified = match cms::verify_detached(value, signed, &trust.intermediates) {
            Err(CmsError::OtherContent) => of_digest(signed, value, &trust.intermediates),
            other => other.map(|verified| (verified, None)),
        };
        let (verified, note) = match verified {
            Ok(verified) => verified,
            Err(why) => {
                checks.extend([ses::message_check(PLAIN, &why), Check::skipped(SIGNER, PLAIN)]);
                return Signer::default();
            }
        };
        let ok = Check::ok(PLAIN);
        checks.push(match note {
            Some(note) => ok.because(note),
            None => ok,
        });
        let terms = Terms { at, now, revocation: trust.revocation, usage: Usage::Sign, proved: false };
        let (check, chain) = match verified.chain(&trust.intermediates, &trust.anchors, &trust.crls, &terms) {
            Ok(chain) => (Check::ok(SIGNER), chain),
            Err(why) => (ses::path_check(SIGNER, &why), Vec::new()),
        };
        checks.push(check);
        Signer { suite: suite_of(&verified.signer), chain }
    }

    fn signer_of(&self, signed: &[u8], value: &Value) -> Option<&Certificate> {
        let trust = self.trust.for_seals();
        let candidates = trust.anchors.iter().chain(&trust.intermediates).take(MAX_TRIED);
        let verifies = |candidate: &&Certificate| {
            candidate.public_key().is_ok_and(|key| key.verify(signed, value).is_ok())
        };
        candidates.into_iter().find(verifies)
    }
}

/// Who made a plain signature, as far as it is known.
#[derive(Default)]
struct Signer {
    suite: Option<Suite>,
    chain: Vec<Certificate>,
}

fn suite_of(signer: &Certificate) -> Option<Suite> {
    signer.public_key().ok().map(PublicKey::suite)
}

/// A message whose content is the digest of `signed`, as some makers have it.
fn of_digest(
    signed: &[u8],
    value: &[u8],
    known: &[Certificate],
) -> Result<(cms::Verified, Option<&'static str>), CmsError> {
    let (verified, content) = cms::verify_attached(value, known)?;
    let is_digest = Suite::ALL.into_iter().any(|suite| suite.hash(&[signed]).as_slice() == content);
    if is_digest {
        Ok((verified, Some("the message is over the digest of Signature.xml")))
    } else {
        Err(CmsError::OtherContent)
    }
}

fn signing_time(time: Option<Timestamp>, in_future: bool) -> Check {
    match time {
        None => {
            let why = "Signature.xml says no time that can be read";
            Check::not_checked(TIME, SubIndication::NoPoe, why)
        }
        Some(time) if in_future => {
            let why = format!("it claims to be signed at {time}, which has not come yet");
            Check::failed(TIME, SubIndication::SigConstraintsFailure, why)
        }
        Some(_) => Check::ok(TIME).because("claimed by the signer, under the signature"),
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

/// Where the stamp is shown, and whether such places are there.
fn places(document: &Document, found: &Signature) -> (Vec<Place>, Check) {
    let place = |stamp: &signature::StampAnnot| Place {
        page: document.pages.iter().position(|(id, _)| *id == stamp.page).map(|at| at + 1),
        boundary: stamp.boundary,
        clip: stamp.clip,
    };
    let places: Vec<Place> = found.stamps.iter().map(place).collect();
    let wrong = places.iter().find(|place| {
        let sized = place.boundary.is_some_and(|[_, _, width, height]| width > 0.0 && height > 0.0);
        place.page.is_none() || !sized
    });
    let check = match wrong {
        _ if places.is_empty() => Check::ok(PLACE).because("the stamp is not shown on a page"),
        None => Check::ok(PLACE),
        Some(_) => {
            let why = "a place of the stamp has no page or no size";
            Check::failed(PLACE, SubIndication::FormatFailure, why)
        }
    };
    (places, check)
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
