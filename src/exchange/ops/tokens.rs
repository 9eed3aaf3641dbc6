//! Tokens: client credentials by certificate (RFC 6749 4.4, RFC 8705 2.1).

use crate::exchange::message::Answer;
use crate::exchange::problem::{Problem, failed};
use crate::exchange::request::Request;
use crate::exchange::rules;
use crate::rules::Role;
use licence_seal::evidence::AccessToken;

pub fn run(request: &Request<'_>) -> Result<Answer, Problem> {
    let Request { exchange, incoming, caller, .. } = request;
    let office = &exchange.office;
    if caller.registration.role == Role::Peer {
        return Err(Problem::forbidden(
            rules::ROLE,
            "a peer node needs no token: its requests carry the partner's signature",
        ));
    }
    let mut grant_type = None;
    let mut client_id = None;
    for (name, value) in form_urlencoded::parse(incoming.body_bytes()) {
        let place = match name.as_ref() {
            "grant_type" => &mut grant_type,
            "client_id" => &mut client_id,
            // RFC 6749 3.2: unknown parameters are ignored.
            _ => continue,
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(Problem::malformed(rules::TOKEN_REQUEST, "a parameter stands twice (RFC 6749 3.2)"));
        }
    }
    if grant_type.as_deref() != Some("client_credentials") {
        return Err(Problem::malformed(rules::TOKEN_GRANT_TYPE, "grant_type is client_credentials"));
    }
    if client_id.is_some_and(|id| id != caller.registration.id) {
        return Err(Problem::unauthenticated(
            rules::TOKEN_CLIENT,
            "client_id is not the owner of this certificate",
        ));
    }
    let now = office.clock.now();
    let jti = hex::encode(office.random.bytes::<16>().map_err(|why| failed("random", &why))?);
    let life = office.settings.token_secs;
    let id = &caller.registration.id;
    let token = AccessToken::new(&office.region, id, &caller.certificate, now, life, jti)
        .sign(exchange.keys.signer.as_ref())
        .map_err(|why| failed("token", &why))?;
    Answer::json(&serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": life }))
}

/// The `error` member that RFC 6749 5.2 wants beside ours.
pub fn oauth_error(problem: &Problem) -> &'static str {
    match (problem.rule.as_ref(), problem.status) {
        (rules::TOKEN_GRANT_TYPE, _) => "unsupported_grant_type",
        (_, 401) => "invalid_client",
        (_, 403) => "unauthorized_client",
        (_, 500..) => "server_error",
        _ => "invalid_request",
    }
}
