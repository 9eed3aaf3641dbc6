//! `POST /v1/licences/file`: the annotated copy (加注件) of a licence, as an OFD.
//!
//! It is drawn anew from the sealed licence that `data` would give, so nothing that is not granted can
//! be in it. For whom and for what it is made the caller cannot choose: recipient is the name under
//! which the caller is registered (in another city: in that city's signed directory), purpose the
//! context's. Only of a licence in force a copy is made, since paper does not show a state; `data`
//! tells the state of any other. The node answers for the page with a seal of its own; a page that no
//! verifier would accept, because the issuer list does not name that seal, is not made.

use std::fmt;
use std::sync::Arc;

use super::admission::Caller;
use super::licences::{self, Wanted};
use super::problem::{Problem, national};
use super::record::Draft;
use super::wire::FileRequest;
use super::{Answer, Exchange, Incoming, failed, parse, regions};
use crate::rules::Operation;
use licence_seal::crypto::Signer;
use licence_seal::licence::{Effective, LicenceType, State};
use licence_seal::ofd::{
    Annotation, Limits, MAX_NAME, Mark, Place, Signing, WriteError, annotated_copy, sign,
};
use licence_seal::seal::SealedLicence;
use licence_seal::seal::ses::{Seal, SesError};
use licence_seal::time::{Day, Timestamp};

pub const PATH: &str = "/v1/licences/file";
/// An OFD document.
pub const OFD: &str = "application/ofd";

/// The node's own seal, for annotated copies.
#[derive(Clone)]
pub struct NodeSeal {
    /// DER of the `SESeal`.
    seal: Vec<u8>,
    /// DER of the signer's certificate, one of the seal's list.
    certificate: Vec<u8>,
    signer: Arc<dyn Signer>,
    /// Whose it is, as the seal says.
    name: String,
}

impl NodeSeal {
    /// # Errors
    /// When `seal` is no seal.
    pub fn new(seal: Vec<u8>, certificate: Vec<u8>, signer: Arc<dyn Signer>) -> Result<Self, SesError> {
        let name = Seal::from_der(&seal)?.name;
        Ok(Self { seal, certificate, signer, name })
    }

    fn seal_copy(
        &self,
        licence: &SealedLicence,
        kind: &LicenceType,
        annotation: &Annotation,
    ) -> Result<Vec<u8>, WriteError> {
        let drawn = annotated_copy(licence, kind, annotation)?;
        let place = Place::Within { page: 1, area: drawn.seal_box };
        let signing = Signing {
            certificate: &self.certificate,
            signer: self.signer.as_ref(),
            mark: Mark::Stamp { seal: &self.seal, place, time_stamp: None },
            at: annotation.made_at,
            lock: false,
        };
        sign(&drawn.file, &signing, &Limits::default())
    }
}

impl fmt::Debug for NodeSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSeal({:?})", self.name)
    }
}

pub(super) async fn copy(
    exchange: &Arc<Exchange>,
    incoming: &Incoming,
    caller: &Caller,
    draft: &mut Draft,
) -> Result<Answer, Problem> {
    let request: FileRequest = parse(incoming)?;
    let context = draft.context(request.context.clone())?;
    let wanted = Wanted::of(exchange, &request.identifier, request.fields.as_deref(), draft)?;
    if let Some(region) = regions::elsewhere(exchange, caller, request.region.as_deref())? {
        draft.target(&region);
        regions::check_signed(exchange, caller, std::slice::from_ref(&region))?;
        let (identifier, purpose) = (&wanted.identifier, &context.purpose);
        return regions::fetch_copy(exchange, incoming, caller, &region, identifier, purpose, draft).await;
    }
    let now = exchange.clock.now();
    let last = last_day(request.expires.as_deref(), now.day(), exchange.settings.copy_days)?;
    let seal = node_seal(exchange, now)?.clone();
    let cut = licences::cut(exchange, caller, Operation::File, &context, &wanted, draft)?;
    in_force(licences::effective(exchange, &cut.found))?;
    // No copy outlasts its licence.
    let last = cut.found.record.valid_until.map_or(last, |end| last.min(end));
    let annotation = Annotation {
        made_at: now,
        by: short(&seal.name),
        purpose: context.purpose,
        recipient: short(&caller.name),
        expires: last.plus_days(1).start().plus_secs(-1),
    };
    let (licence, kind) = (cut.licence, wanted.kind);
    let file = exchange
        .work("copy", move || seal.seal_copy(&licence, kind, &annotation))
        .await?
        .map_err(|why| failed("copy", &why))?;
    draft.fields(cut.shown);
    draft.note("expires", last.to_string());
    Ok(Answer { content_type: OFD, body: file, peer_receipt: None })
}

/// The last day on which the copy may be used.
fn last_day(asked: Option<&str>, today: Day, most: i64) -> Result<Day, Problem> {
    let latest = today.plus_days(most);
    let last = asked.map_or(Some(latest), Day::parse);
    last.filter(|last| (today..=latest).contains(last)).ok_or_else(|| {
        let detail = format!("expires is a day, YYYY-MM-DD, from today to {most} days from now");
        Problem::malformed("file.expires", detail)
    })
}

/// A copy is made only of what holds today.
fn in_force(state: Effective) -> Result<(), Problem> {
    let code = match state {
        state if state.is_good() => return Ok(()),
        Effective::Expired => national::EXPIRED,
        Effective::Declared(State::Restricted | State::Suspended) => national::RESTRICTED,
        Effective::Declared(_) => national::ENDED,
        Effective::NotYetValid => national::OTHER,
    };
    let detail = "a copy is made only of a licence in force; data tells its state";
    Err(Problem { code, ..Problem::conflict("licence.notInForce", detail) })
}

/// The node's seal, if verifiers will take it for a node's.
fn node_seal(exchange: &Exchange, now: Timestamp) -> Result<&NodeSeal, Problem> {
    let none = |why| Problem::unavailable(national::NO_SUCH_SERVICE, "file.noSeal", why);
    let seal = exchange.sealing.node.as_ref();
    let seal = seal.ok_or_else(|| none("this node has no seal of its own to make copies under"))?;
    match exchange.held().trust.node(&exchange.region, &seal.certificate, now) {
        Some(_) => Ok(seal),
        None => Err(none("the city's issuer list does not name the node's seal")),
    }
}

/// A name, cut to what fits a copy.
fn short(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    name.chars().take(MAX_NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_on_a_day_from_today_to_the_latest() {
        let today = Day::parse("2026-11-23").unwrap();
        let last = |asked| last_day(asked, today, 30).map(|day| day.to_string());
        assert_eq!(last(None).unwrap(), "2026-12-23");
        for day in ["2026-11-23", "2026-12-23"] {
            assert_eq!(last(Some(day)).unwrap(), day);
        }
        for day in ["2026-11-22", "2026-12-24", "2026-11-31", "", "tomorrow"] {
            assert_eq!(last(Some(day)).unwrap_err().rule, "file.expires", "{day}");
        }
    }

    #[test]
    fn only_what_is_in_force_is_copied_and_the_number_says_why_not() {
        assert!(in_force(Effective::Declared(State::Valid)).is_ok());
        for (state, code) in [
            (Effective::Expired, 22),
            (Effective::NotYetValid, 99),
            (Effective::Declared(State::Restricted), 23),
            (Effective::Declared(State::Suspended), 23),
            (Effective::Declared(State::Revoked), 21),
            (Effective::Declared(State::Superseded), 21),
        ] {
            assert_eq!(in_force(state).unwrap_err().code, code, "{state:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_to_what_a_copy_holds() {
        assert_eq!(short("示例局"), "示例局");
        let cut = short(&"局".repeat(200));
        assert_eq!((cut.chars().count(), cut.chars().last()), (MAX_NAME, Some('…')));
    }
}
