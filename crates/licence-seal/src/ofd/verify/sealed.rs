//! A stamp over `Signature.xml`: what its seal says is the room of seals' business; here, whether it
//! belongs to this signature of this file, and where it is shown.

use super::{ALGORITHM, File, PLACE, RANGE, SEAL_FILE, algorithm};
use crate::ofd::package::{Document, ROOT};
use crate::ofd::signature::{self, Listed, Signature};
use crate::seal::report::{Place, SealVerdict};
use crate::seal::ses::{self, Protected, Stamp};
use crate::seal::{Check, SubIndication};

impl File<'_> {
    /// A stamp over `Signature.xml`.
    pub(super) fn sealed(
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
