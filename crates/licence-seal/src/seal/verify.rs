//! Verifying files: a sealed licence, a seal (`.esl`), a stamp (`.dat`).
//!
//! Every check that can run does run, and the first that failed decides the verdict. The order of a
//! sealed licence's checks is that of its construction: form, what is shown, batch, stamp and seal,
//! and last whether this seal may seal for this issuer at all. Only bytes count: nothing is looked
//! up anywhere, so the same file, trust and moment always give the same report.

use super::Voice;
use super::check::{Check, SubIndication};
use super::issuers::BindingError;
use super::report::{LicenceFacts, Parts, Report, SealVerdict, Sentence, ShownField, StatusVerdict, Verdict};
use super::ses::{self, Protected};
use super::statement::StatusStatement;
use super::trust::Trust;
use super::{Manifest, Payload, SealError, SealedLicence};
use crate::crypto::{Signature, Suite, sha256};
use crate::licence::{Catalogue, Effective, State, TypeCode};
use crate::time::Timestamp;

const CANONICAL: &str = "format.canonical";
const MANIFEST: &str = "manifest";
const DISCLOSURES: &str = "disclosures";
const INCLUSION: &str = "inclusion";
const PROPERTY: &str = "stampProperty";
const BINDING: &str = "issuerBinding";
const STATUS: &str = "status";
/// How far a node's clock may be ahead of ours, in seconds.
const CLOCK_SKEW_SECS: i64 = 60;

/// What is asked of a file.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The moment for which the answer is to hold.
    pub at: Timestamp,
    /// Leave the status out.
    pub seal_only: bool,
    /// For labels of the fields shown; names alone without it.
    pub catalogue: Option<&'a Catalogue>,
}

/// Verifies a seal that stands alone.
pub fn verify_seal(file: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>) -> Report {
    let found = ses::check_seal(bytes, trust.for_seals(), ask.at);
    let seal = SealVerdict::of(found.checks.clone()).with_seal(&found);
    alone(file, "seal", seal, ask)
}

/// Verifies a stamp whose document is not at hand: all but `dataHash`.
pub fn verify_stamp(file: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>) -> Report {
    let found = ses::check_stamp(bytes, Protected::Absent, trust.for_seals(), ask.at);
    let seal = SealVerdict::of(found.checks.clone()).with_stamp(&found);
    alone(file, "stamp", seal, ask)
}

fn alone(file: &str, kind: &'static str, seal: SealVerdict, ask: &Ask<'_>) -> Report {
    let parts = Parts { kind, seal, signatures: Vec::new(), status: None, licence: None, copy: None };
    Report::of(file, ask.at, parts)
}

/// Verifies a sealed licence, and its status unless the seal alone is asked for.
pub fn verify_licence(file: &str, bytes: &[u8], trust: &Trust, ask: &Ask<'_>) -> Report {
    let report = |seal, status, licence| {
        let parts = Parts { kind: "licence", seal, signatures: Vec::new(), status, licence, copy: None };
        Report::of(file, ask.at, parts)
    };
    let licence = match SealedLicence::parse(bytes) {
        Ok(licence) => licence,
        Err(why) => {
            let mut checks = vec![Check::failed(CANONICAL, SubIndication::FormatFailure, why.to_string())];
            checks.extend(
                [DISCLOSURES, MANIFEST, INCLUSION, BINDING].map(|name| Check::skipped(name, CANONICAL)),
            );
            let seal = SealVerdict::of(checks);
            let status = (!ask.seal_only).then(|| StatusVerdict {
                verdict: Verdict::of(&[]),
                state: None,
                as_of: None,
                said_by: None,
                checks: vec![Check::skipped(STATUS, CANONICAL)],
            });
            return report(seal, status, None);
        }
    };
    let mut checks = vec![Check::ok(CANONICAL)];
    let manifest = licence.manifest();
    let fields = match Suite::from_hash_name(&licence.payload.sd_alg) {
        Some(suite) => licence.fields(suite),
        None => Err(SealError::Proof("the payload's _sd_alg is not known")),
    };
    checks.push(match &fields {
        Ok(_) => Check::ok(DISCLOSURES),
        Err(why) => Check::failed(DISCLOSURES, SubIndication::FormatFailure, why.to_string()),
    });
    checks.push(match &manifest {
        Ok(manifest) => match mismatch(&licence.payload, manifest) {
            None => Check::ok(MANIFEST),
            Some(why) => Check::failed(MANIFEST, SubIndication::SigConstraintsFailure, why),
        },
        Err(why) => Check::failed(MANIFEST, SubIndication::FormatFailure, why.to_string()),
    });
    let mut regions = Vec::new();
    let seal = match (&manifest, licence.stamp()) {
        (Ok(manifest), Ok(stamp)) => {
            checks.push(inclusion(&licence, manifest));
            stamped(checks, &licence.payload, manifest, &stamp, trust, ask, &mut regions)
        }
        (manifest, stamp) => {
            let earlier = if manifest.is_err() { MANIFEST } else { "stampFormat" };
            if let Err(why) = stamp {
                checks.push(Check::failed("stampFormat", SubIndication::FormatFailure, why.to_string()));
            }
            checks.extend([INCLUSION, BINDING].map(|name| Check::skipped(name, earlier)));
            SealVerdict::of(checks)
        }
    };
    let status = (!ask.seal_only).then(|| status(&licence, &regions, trust, ask));
    let facts = facts(&licence, fields.unwrap_or_default(), ask.catalogue);
    report(seal, status, Some(facts))
}

/// The stamp over the manifest, the seal in it, and whether it may seal for this issuer.
fn stamped(
    mut checks: Vec<Check>,
    payload: &Payload,
    manifest: &Manifest,
    stamp: &[u8],
    trust: &Trust,
    ask: &Ask<'_>,
    regions: &mut Vec<String>,
) -> SealVerdict {
    let text = manifest.to_string();
    let found = ses::check_stamp(stamp, Protected::Bytes(text.as_bytes()), trust.for_seals(), ask.at);
    let given = stamp;
    checks.extend(found.checks.iter().cloned());
    let Some(stamp) = &found.stamp else {
        checks.extend([PROPERTY, BINDING].map(|name| Check::skipped(name, "stampFormat")));
        return SealVerdict::of(checks);
    };
    if !is_one_form(stamp, given)
        && let Some(format) = checks.iter_mut().find(|check| check.name == "stampFormat")
    {
        let why = "a licence's stamp is version 4, and its bytes are the one form of what it says";
        *format = Check::failed("stampFormat", SubIndication::FormatFailure, why);
    }
    let suite = stamp.suite();
    let voice = Voice::from_property(&stamp.property);
    let at = stamp.time.unwrap_or(ask.at);
    checks.push(match voice {
        _ if suite != Some(manifest.suite) => {
            let why = "the stamp's signature is not of the manifest's suite";
            Check::failed(PROPERTY, SubIndication::CryptoConstraintsFailure, why)
        }
        Some(_) => Check::ok(PROPERTY),
        None => {
            let why = "the stamp was not set on a batch of licences: its propertyInfo says something else";
            Check::failed(PROPERTY, SubIndication::SigConstraintsFailure, why)
        }
    });
    let certificate = sha256(&[&stamp.certificate]);
    checks.push(match voice {
        None => Check::skipped(BINDING, PROPERTY),
        Some(voice) => match trust.bind(voice, &payload.issuer, &payload.type_code, &certificate, at) {
            Ok(found) => {
                *regions = found.into_iter().map(str::to_owned).collect();
                Check::ok(BINDING)
            }
            Err(why @ BindingError::UnknownIssuer(_)) => {
                Check::not_checked(BINDING, SubIndication::NoSigningCertificateFound, why.to_string())
            }
            Err(why) => Check::failed(BINDING, SubIndication::SigConstraintsFailure, why.to_string()),
        },
    });
    // In whose name it speaks is known only where a list binds it.
    let bound = checks.iter().any(|check| check.name == BINDING && check.is_ok());
    voiced(SealVerdict::of(checks).with_stamp(&found), voice.filter(|_| bound))
}

/// Whether the stamp's bytes are those that its parts give when they are written: version 4, minimal
/// identifiers, the signature as DER with the canonical value. Foreign stamps may have others.
fn is_one_form(stamp: &ses::Stamp, bytes: &[u8]) -> bool {
    let rebuild = || {
        let (suite, time) = (stamp.suite()?, stamp.time?);
        let hash = stamp.data_hash.as_slice().try_into().ok()?;
        let signature = Signature::from_der(&stamp.signature).ok()?.canonical(suite);
        let to_sign = ses::to_sign(&stamp.seal.der, time, hash, &stamp.property).ok()?;
        ses::assemble(&to_sign, &stamp.certificate, suite, &signature).ok()
    };
    rebuild().as_deref() == Some(bytes)
}

/// How payload and manifest contradict each other, if they do.
fn mismatch(payload: &Payload, manifest: &Manifest) -> Option<&'static str> {
    [
        (payload.v == super::payload::VERSION, "the payload is of another version"),
        (payload.issuer == manifest.issuer, "payload and manifest name different issuers"),
        (payload.type_code == manifest.type_code, "payload and manifest name different types"),
        (payload.sd_alg == manifest.suite.hash_name(), "payload and manifest name different hashes"),
        (payload.identifier().is_some(), "the identifier is not one of this type and issuer (GB/T 36904)"),
        (
            payload.valid_until.is_none_or(|until| until >= payload.valid_from),
            "the validity ends before it begins",
        ),
    ]
    .into_iter()
    .find_map(|(holds, why)| (!holds).then_some(why))
}

fn inclusion(licence: &SealedLicence, manifest: &Manifest) -> Check {
    match licence.root(manifest.suite, manifest.size) {
        Ok(root) if root == manifest.root => Check::ok(INCLUSION),
        Ok(_) => {
            let why =
                "the licence does not lead to the root of the batch: it was changed, or belongs to another";
            Check::failed(INCLUSION, SubIndication::HashFailure, why)
        }
        Err(why) => Check::failed(INCLUSION, SubIndication::FormatFailure, why.to_string()),
    }
}

/// The status statement, held against the issuer list of the region that bound the issuer.
fn status(licence: &SealedLicence, regions: &[String], trust: &Trust, ask: &Ask<'_>) -> StatusVerdict {
    let payload = &licence.payload;
    // Nobody need be asked whether a licence whose sealed period is over still holds.
    let by_date = State::Valid.effective(payload.valid_from, payload.valid_until, ask.at.day());
    let open = |why: String| match regions {
        [_, ..] if !by_date.is_good() => StatusVerdict { state: Some(state_words(by_date)), ..bad(by_date) },
        _ => status_verdict(Check::not_checked(STATUS, SubIndication::TryLater, why)),
    };
    let failed = |sub, why: String| status_verdict(Check::failed(STATUS, sub, why));
    let Some(token) = &licence.status else {
        return open("the file carries no status statement; ask the issuing city's node".to_owned());
    };
    let statement = match StatusStatement::parse(token) {
        Ok(statement) => statement,
        Err(why) => return failed(SubIndication::FormatFailure, why.to_string()),
    };
    let claims = &statement.claims;
    if claims.id != payload.id {
        let why = "the statement speaks of another licence".to_owned();
        return failed(SubIndication::SigConstraintsFailure, why);
    }
    if regions.is_empty() {
        return open("it is not known which city's node may speak of this issuer's licences".to_owned());
    }
    if !regions.contains(&claims.iss) {
        let why = "the statement is not by the issuing city's node".to_owned();
        return failed(SubIndication::SigConstraintsFailure, why);
    }
    let Some(node) = trust.node(&claims.iss, &statement.certificate, claims.as_of) else {
        let why = "the statement is signed with a certificate that the city's list does not name".to_owned();
        return failed(SubIndication::SigConstraintsFailure, why);
    };
    let verified = node
        .public_key()
        .map_err(|why| why.to_string())
        .and_then(|key| statement.verify(key).map_err(|why| why.to_string()));
    if let Err(why) = verified {
        return failed(SubIndication::SigCryptoFailure, why);
    }
    let state = claims.state.effective(payload.valid_from, payload.valid_until, ask.at.day());
    let verdict = if claims.as_of > ask.at.plus_secs(CLOCK_SKEW_SECS) {
        open("the statement is from after the moment asked for".to_owned())
    } else if claims.state.is_terminal() {
        // What has ended stays ended, however old the word is.
        bad(state)
    } else if claims.next_update < ask.at {
        let until = claims.next_update;
        open(format!("the statement was fresh until {until}; ask the issuing city's node again"))
    } else if state.is_good() {
        status_verdict(Check::ok(STATUS))
    } else {
        bad(state)
    };
    StatusVerdict {
        state: Some(state_words(state)),
        as_of: Some(claims.as_of),
        said_by: Some(claims.iss.clone()),
        ..verdict
    }
}

fn status_verdict(check: Check) -> StatusVerdict {
    StatusVerdict {
        verdict: Verdict::of(std::slice::from_ref(&check)),
        state: None,
        as_of: None,
        said_by: None,
        checks: vec![check],
    }
}

/// A state in which the licence cannot be relied on.
fn bad(state: Effective) -> StatusVerdict {
    let sub = match state {
        Effective::Expired => SubIndication::Expired,
        Effective::NotYetValid => SubIndication::NotYetValid,
        Effective::Declared(_) => SubIndication::Revoked,
    };
    status_verdict(Check::failed(STATUS, sub, format!("the licence is {} ({})", state.word(), state.zh())))
}

fn state_words(state: Effective) -> Sentence {
    Sentence { en: state.word().to_owned(), zh: state.zh().to_owned() }
}

/// Adds in whose name a stamp speaks.
pub fn voiced(verdict: SealVerdict, voice: Option<Voice>) -> SealVerdict {
    let seal = verdict.seal.as_ref();
    let voice = voice.zip(seal).map(|(voice, seal)| match voice {
        Voice::Issuer => {
            Sentence { en: format!("sealed by {}", seal.name), zh: format!("由{}签章", seal.name) }
        }
        Voice::Attestation => Sentence {
            en: format!("attested by {}, not sealed by the issuing authority", seal.name),
            zh: format!("由{}佐证，非颁发机构签章", seal.name),
        },
    });
    SealVerdict { voice, ..verdict }
}

fn facts(
    licence: &SealedLicence,
    fields: Vec<super::disclosure::Disclosure>,
    catalogue: Option<&Catalogue>,
) -> LicenceFacts {
    let payload = &licence.payload;
    let kind = TypeCode::parse(&payload.type_code)
        .ok()
        .zip(catalogue)
        .and_then(|(code, catalogue)| catalogue.get(&code));
    let mut shown: Vec<ShownField> = fields
        .into_iter()
        .map(|field| ShownField {
            label: kind.and_then(|kind| kind.label(&field.name)).unwrap_or(&field.name).to_owned(),
            name: field.name,
            value: field.value,
        })
        .collect();
    // As the type prints them; the file has them in the order of their bytes.
    if let Some(kind) = kind {
        let place = |name: &str| kind.disclosure_names().position(|known| known == name);
        shown.sort_by_key(|field| place(&field.name).unwrap_or(usize::MAX));
    }
    LicenceFacts {
        identifier: payload.id.clone(),
        type_code: payload.type_code.clone(),
        issuer: payload.issuer.clone(),
        issued: payload.issued.to_string(),
        valid_from: payload.valid_from.to_string(),
        valid_until: payload.valid_until.map(|day| day.to_string()),
        hidden_fields: payload.sd.len().saturating_sub(shown.len()),
        fields: shown,
    }
}
