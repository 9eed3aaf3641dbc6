//! What of a request goes into the access log. It is filled in as the request is understood, so that
//! a refused one is on record with all that was known when the rule refused.

use tokio::sync::OwnedMutexGuard;

use super::admission::Caller;
use super::message::Incoming;
use super::problem::{Fault, Problem};
use super::rules;
use crate::accesslog::{Access, BatchRange, Details, Jti, Logged, Outcome};
use licence_seal::crypto::sha256;
use licence_seal::evidence::{CLOCK_SKEW_SECS, LogPlace, b64};
use licence_seal::licence::{BasisKind, RawContext, RequestContext};
use licence_seal::time::Timestamp;

/// An entry in the making.
pub struct Draft {
    access: Access,
    /// Keeps other changes waiting until this one is logged.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Draft {
    /// `word` is the log's for the operation.
    pub fn new(word: &str, request_id: &str, incoming: &Incoming, nonce: &[u8; 16], caller: &Caller) -> Self {
        let mut access = Access::new(word, Outcome::Granted);
        access.request_digest = sha256(&[nonce, incoming.body_bytes()]);
        access.details = Details {
            request_id: request_id.to_owned(),
            partner: Some(caller.id.clone()),
            certificate: Some(hex::encode(caller.certificate)),
            source: Some(caller.address.to_string()),
            nonce: Some(b64(nonce)),
            ..Details::default()
        };
        Self { access, _turn: None }
    }

    pub fn request_id(&self) -> &str {
        &self.access.details.request_id
    }

    /// The daily limit that the log holds this access against.
    pub fn limit(&mut self, daily: Option<u64>) {
        self.access.daily_limit = daily;
    }

    /// What admission found out: who asks through another city, and the signature's `jti`.
    pub fn identify(&mut self, caller: &Caller) {
        self.access.details.partner = Some(caller.id.clone());
        if let Some(via) = &caller.via {
            self.note("via", via.as_str());
        }
        if let Some((_, claims)) = &caller.signature {
            let expires = Timestamp::from_secs(claims.exp).plus_secs(CLOCK_SKEW_SECS);
            self.access.jti = Some(Jti { value: claims.jti.clone(), expires });
        }
    }

    /// Checks the context and puts it on record.
    pub fn context(&mut self, raw: RawContext) -> Result<RequestContext, Problem> {
        // Also what is there of an incomplete context belongs on record.
        let details = &mut self.access.details;
        details.item_code.clone_from(&raw.item_code);
        details.case_number.clone_from(&raw.case_number);
        details.operator.clone_from(&raw.operator);
        details.operator_org.clone_from(&raw.operator_org);
        for text in [
            &mut details.item_code,
            &mut details.case_number,
            &mut details.operator,
            &mut details.operator_org,
        ]
        .into_iter()
        .flatten()
        {
            *text = text.chars().take(200).collect();
        }
        let context = raw.check().map_err(|errors| {
            let faults = errors.iter().map(|why| Fault {
                field: format!("context.{}", why.element()),
                rule: why.rule().to_owned(),
                detail: why.to_string(),
            });
            let faults: Vec<_> = faults.collect();
            let rule = errors.first().map_or(rules::CONTEXT_MISSING, |why| why.rule());
            Problem::missing(rule, "the context of the request is not complete").with_errors(faults)
        })?;
        let details = &mut self.access.details;
        details.item_code = Some(context.item_code.clone());
        details.item_name = Some(context.item_name.clone());
        details.case_number = Some(context.case_number.clone());
        details.operator = Some(context.operator.clone());
        details.operator_org = Some(context.operator_org.clone());
        details.purpose = Some(context.purpose.clone());
        let kind = match context.basis.kind {
            BasisKind::Statutory => "statutory",
            BasisKind::Consent => "consent",
        };
        details.basis = Some(format!("{kind}: {}", context.basis.code));
        Ok(context)
    }

    /// The holder concerned; the log keeps only a blind index of the code.
    pub fn holder(&mut self, code: &str) {
        self.access.holders.push(code.to_owned());
    }

    pub fn identifier(&mut self, identifier: &str) {
        self.access.details.identifiers.push(identifier.to_owned());
    }

    pub fn fields(&mut self, fields: impl IntoIterator<Item = String>) {
        self.access.details.fields.extend(fields);
    }

    pub fn target(&mut self, regions: &str) {
        self.access.details.target_region = Some(regions.to_owned());
    }

    /// Keeps the turn of a change until the draft is dropped, which is after it was logged.
    pub fn keep_turn(&mut self, turn: OwnedMutexGuard<()>) {
        self._turn = Some(turn);
    }

    pub fn change(&mut self, number: u64) {
        self.access.details.change_number = Some(number);
    }

    pub fn batches(&mut self, range: BatchRange) {
        self.access.details.batches = Some(range);
    }

    pub fn note(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.access.details.detail.insert(name.to_owned(), value.into());
    }

    /// Drops all that can be long, and the daily limit: what is left always fits into an entry.
    pub fn bare(&mut self) {
        self.access.daily_limit = None;
        self.access.details.identifiers.clear();
        self.access.details.fields.clear();
        self.access.details.detail.clear();
        self.access.holders.clear();
    }

    /// A rule that the caller is not told of: what it sees is an answer like any other.
    pub fn silent_rule(&mut self, rule: &str) {
        self.access.details.rule = Some(rule.to_owned());
        self.access.outcome = Outcome::Refused;
    }

    pub fn refused(&mut self, problem: &Problem) {
        self.access.outcome = if problem.is_failure() { Outcome::Failed } else { Outcome::Refused };
        self.access.details.rule = Some(problem.rule.to_string());
    }

    /// An entry ahead of the request's own: what is about to be done. It takes no receipt counter.
    pub fn intent(&self, op: &str) -> Access {
        let mut access = Access { op: op.to_owned(), jti: None, ..self.access.clone() };
        let partner = access.details.partner.take();
        access.details.detail.insert("by".to_owned(), partner.into());
        access
    }

    pub fn access(&self) -> Access {
        self.access.clone()
    }
}

/// Where an access stands, for its receipt.
pub fn place(logged: &Logged) -> LogPlace {
    LogPlace {
        origin: logged.origin.clone(),
        index: logged.first_index,
        count: logged.count,
        leaves: logged.leaf_hashes.iter().map(|leaf| b64(leaf)).collect(),
    }
}
