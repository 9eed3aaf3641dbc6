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

mod list;
mod mark;
mod place;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;

use self::list::{Folder, Ids, List, escape_path, root_with_list};
pub use self::mark::{Mark, TimeStamper};
pub use self::place::Place;
use self::place::{StampAt, stamps};
use super::page::{DECLARATION, NAMESPACE, boxed};
use super::write::pack;
use super::{Document, Limits, Package, WriteError, package};
use crate::crypto::Signer;
use crate::pki::Certificate;
use crate::seal::Outcome;
use crate::seal::ses::{self, Seal, Trust, Version, check_seal};
use crate::time::Timestamp;

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
    let folder = Folder::new(&package, &document, &list);
    let stamps = match signing.mark {
        Mark::Stamp { seal, place, .. } => stamps(&package, &document, &Seal::from_der(seal)?, place)?,
        Mark::Plain => Vec::new(),
    };
    let ids = Ids { first: list.highest + 1, stamps: stamps.len() };

    let mut changed = BTreeMap::new();
    changed.insert(folder.list.clone(), list.with(&ids, signing.mark, &folder)?);
    if document.signatures.is_none() {
        changed.insert(package::ROOT.to_owned(), root_with_list(&package, &folder.list, limits)?);
    }
    if let Mark::Stamp { seal, .. } = signing.mark {
        changed.insert(folder.file("Seal.esl"), seal.to_vec());
    }
    let mut entries = package.into_entries();
    entries.extend(changed);

    let descriptor = descriptor(signing, at, &entries, &folder, &ids, &stamps);
    let value = value(signing, at, &descriptor, &folder)?;
    entries.insert(folder.file("Signature.xml"), descriptor);
    entries.insert(folder.file("SignedValue.dat"), value);
    let signed = pack(entries.iter().map(|(name, data)| (name.as_str(), data.as_slice())))?;
    // What was read within the limits may not be any more; then it is better not to sign.
    let package = Package::open(&signed, limits)?;
    for document in package.documents()? {
        crate::ofd::signature::list(&package, &document)?;
    }
    Ok(signed)
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
    if certificate.key_usage().is_some_and(|bits| !bits.digital_signature && !bits.non_repudiation) {
        return Err(WriteError::KeyUsage);
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

/// `Signature.xml`: the digests of all entries, and where the stamps are.
fn descriptor(
    signing: &Signing<'_>,
    at: Timestamp,
    entries: &BTreeMap<String, Vec<u8>>,
    folder: &Folder,
    ids: &Ids,
    stamps: &[StampAt],
) -> Vec<u8> {
    let suite = signing.signer.suite();
    let covered = entries.iter().filter(|(name, _)| signing.lock || **name != folder.list);
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
            let file = escape_path(&folder.file("Seal.esl"));
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
        escape_path(&folder.file("SignedValue.dat")),
    )
    .into_bytes()
}

/// `SignedValue.dat`.
fn value(
    signing: &Signing<'_>,
    at: Timestamp,
    descriptor: &[u8],
    folder: &Folder,
) -> Result<Vec<u8>, WriteError> {
    let Mark::Stamp { seal, time_stamp, .. } = signing.mark else {
        return Ok(signing.signer.sign(descriptor)?.to_der());
    };
    let suite = signing.signer.suite();
    let property = format!("/{}", folder.file("Signature.xml"));
    let to_sign = ses::to_sign(seal, at, &suite.hash(&[descriptor]), &property)?;
    let signature = signing.signer.sign(&to_sign)?;
    let token = time_stamp.map(|ask| ask(&signature.to_der())).transpose().map_err(WriteError::TimeStamp)?;
    let stamp = ses::assemble(&to_sign, signing.certificate, suite, &signature)?;
    Ok(match token {
        Some(token) => ses::with_time_stamp(&stamp, &token)?,
        None => stamp,
    })
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
