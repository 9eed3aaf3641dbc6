//! The one way in and out.
//!
//! Every request of a known caller, granted, refused or broken, passes in one order: recognised → its log
//! entry drafted → admitted → rate, role and place → body → the operation → logged → its receipt signed. It
//! leaves only after its entry is durable, so no operation can forget the log. Callers come in by their
//! certificate; other entrances (a console's accounts) will differ in how a caller is recognised and
//! admitted, and in nothing after that.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::admission::{self, Caller, Credentials};
use super::draft::{Draft, place};
use super::media;
use super::message::{Answer, Incoming, Outgoing};
use super::office::Exchange;
use super::operations::{Body, Operation, TABLE};
use super::ops::tokens::oauth_error;
use super::problem::Problem;
use super::request::Request;
use super::rules;
use crate::accesslog::LogError;
use licence_seal::crypto::sha256;
use licence_seal::evidence::{Receipt, b64};

/// The log's word for what no operation offers.
const UNKNOWN: &str = "unknown";

/// The exchange with its operations.
#[derive(Clone)]
pub struct Passage {
    pub exchange: Arc<Exchange>,
    table: &'static [Operation],
}

impl Passage {
    pub const fn new(exchange: Arc<Exchange>) -> Self {
        Self::with(exchange, TABLE)
    }

    /// With other operations than [`TABLE`] has.
    pub const fn with(exchange: Arc<Exchange>, table: &'static [Operation]) -> Self {
        Self { exchange, table }
    }

    /// The operation at `path`, if there is one; its method may be another.
    fn find(&self, method: &str, path: &str) -> Option<&'static Operation> {
        let mut at_path = self.table.iter().filter(|operation| operation.path.rest(path).is_some());
        let first = at_path.clone().next();
        at_path.find(|operation| operation.method == method).or(first)
    }

    /// How large the body of a request may be, in bytes, and for a file the place that it takes until it is
    /// answered.
    pub fn body_limit(
        &self,
        method: &str,
        path: &str,
    ) -> Result<(usize, Option<OwnedSemaphorePermit>), Problem> {
        let body = self.find(method, path).map_or(Body::None, |operation| operation.body);
        let place = matches!(body, Body::File(_)).then(|| self.exchange.upload_place()).transpose()?;
        Ok((body.limit(&self.exchange.office.settings), place))
    }

    /// Answers one request. The answer of a known caller leaves only after its log entry is durable.
    pub async fn handle(&self, incoming: Incoming) -> Outgoing {
        let exchange = &self.exchange;
        let office = &exchange.office;
        let operation = self.find(&incoming.method, &incoming.path);
        let (Ok(nonce), Ok(id)) = (office.random.bytes::<16>(), office.random.bytes::<16>()) else {
            return refusal(None, &Problem::internal(), String::new());
        };
        let request_id = hex::encode(id);
        let mut caller = match admission::recognise(exchange, &incoming) {
            Ok(caller) => caller,
            Err(problem) => {
                exchange.log.count_unknown(&incoming.address.to_string(), &problem.rule);
                return refusal(operation, &problem, request_id);
            }
        };
        let word = operation.map_or(UNKNOWN, |operation| operation.word);
        let mut draft = Draft::new(word, &request_id, &incoming, &nonce, &caller);
        let needed = operation.map_or(Credentials::Token, |operation| operation.credentials);
        let outcome = match admission::admit(exchange, &incoming, needed, &mut caller) {
            Ok(()) => {
                draft.identify(&caller);
                self.run(operation, &incoming, &caller, &mut draft).await
            }
            Err(problem) => Err(problem),
        };
        let mut outgoing = match outcome {
            Ok(answer) => Outgoing {
                status: 200,
                content_type: answer.content_type,
                body: answer.body,
                request_id,
                receipt: None,
                peer_receipt: answer.peer_receipt,
            },
            Err(problem) => {
                draft.refused(&problem);
                refusal(operation, &problem, request_id)
            }
        };
        let mut logged = exchange.log.append_async(draft.access()).await;
        let refused = match &logged {
            // Others used the rest of the limit while this request was answered.
            Err(LogError::DailyLimit { .. }) => {
                Some(Problem::forbidden(rules::GRANT_DAILY_LIMIT, "the daily limit of the grant is used up"))
            }
            Err(LogError::EntryTooLarge { .. }) => Some(Problem::malformed(
                rules::LOG_ENTRY_TOO_LARGE,
                "the request names more than a log entry can hold",
            )),
            _ => None,
        };
        if let Some(problem) = refused {
            draft.bare();
            draft.refused(&problem);
            outgoing = refusal(operation, &problem, outgoing.request_id);
            logged = exchange.log.append_async(draft.access()).await;
        }
        let logged = match logged {
            Ok(logged) => logged,
            Err(why) => {
                // Without its entry the answer must not leave.
                tracing::error!(rule = why.rule(), %why, request_id = outgoing.request_id, "the access could not be logged");
                let request_id = outgoing.request_id;
                return refusal(operation, &Problem::internal(), request_id);
            }
        };
        let receipt = Receipt {
            iss: office.region.clone(),
            aud: caller.id.clone(),
            iat: logged.time.secs(),
            request_id: outgoing.request_id.clone(),
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            status: outgoing.status,
            request_digest: b64(&sha256(&[&nonce, incoming.body_bytes()])),
            nonce: b64(&nonce),
            request_jti: caller.signature.as_ref().map(|(_, claims)| claims.jti.clone()),
            answer_digest: b64(&sha256(&[&outgoing.body])),
            log: place(&logged),
            counter: logged.counter.unwrap_or_default(),
            certificate: b64(&caller.certificate),
        };
        match receipt.sign(exchange.keys.signer.as_ref(), &exchange.keys.certificate) {
            Ok(receipt) => outgoing.receipt = Some(receipt),
            Err(why) => {
                tracing::error!(%why, request_id = outgoing.request_id, "the receipt could not be signed");
                return refusal(operation, &Problem::internal(), outgoing.request_id);
            }
        }
        outgoing
    }

    async fn run(
        &self,
        operation: Option<&Operation>,
        incoming: &Incoming,
        caller: &Caller,
        draft: &mut Draft,
    ) -> Result<Answer, Problem> {
        let exchange = &self.exchange;
        let minute = exchange.office.clock.now().secs().div_euclid(60);
        if exchange.rate.count(&caller.id, minute) >= exchange.office.settings.requests_per_minute {
            return Err(Problem::too_many(rules::RATE_MINUTE, "too many requests this minute"));
        }
        let operation = operation.ok_or_else(Problem::no_such_service)?;
        if operation.role.is_some_and(|role| role != caller.role) {
            return Err(Problem::forbidden(rules::ROLE, "the caller's role does not offer this"));
        }
        let rest = operation.path.rest(&incoming.path).filter(|_| operation.method == incoming.method);
        let rest = rest.ok_or_else(Problem::no_such_service)?;
        operation.body.check(incoming)?;
        (operation.run)(Request { exchange, incoming, rest, caller, draft }).await
    }
}

fn refusal(operation: Option<&Operation>, problem: &Problem, request_id: String) -> Outgoing {
    let mut body = problem.body(&request_id);
    let is_form = operation.is_some_and(|operation| matches!(operation.body, Body::Form(_)));
    if let (true, Some(object)) = (is_form, body.as_object_mut()) {
        object.insert("error".to_owned(), oauth_error(problem).into());
    }
    Outgoing {
        status: problem.status,
        content_type: media::PROBLEM_JSON,
        body: serde_json::to_vec(&body).unwrap_or_default(),
        request_id,
        receipt: None,
        peer_receipt: None,
    }
}
