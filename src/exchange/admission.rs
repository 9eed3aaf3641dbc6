//! Who is asking: certificate, registration, token, request signature, in this order.
//!
//! TLS proves only that the caller holds the key of the certificate. Whose it is, and whether it may
//! still be used, is looked up at every request, so that a revocation works at once on connections
//! that are already open and on resumed sessions.

use std::net::IpAddr;
use std::sync::Arc;

use super::message::Incoming;
use super::office::Exchange;
use super::problem::Problem;
use super::rules;
use crate::rules::{Registration, RegistrationError, Role};
use licence_seal::crypto::{Digest, sha256};
use licence_seal::evidence::{AccessToken, CLOCK_SKEW_SECS, EvidenceError, RequestFacts, RequestSignature};
use licence_seal::pki::{self, Certificate, Terms, Usage};

/// A caller that is known, though perhaps not welcome.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Partner id for grants, log and receipts: `<region>/<id>` when it asks through another city.
    pub id: String,
    /// As registered here, or in the directory of the city that it asks through.
    pub name: String,
    pub role: Role,
    pub registration: Arc<Registration>,
    /// Fingerprint of the certificate that TLS proved.
    pub certificate: Digest,
    pub address: IpAddr,
    /// Region of the city that passed the request on.
    pub via: Option<String>,
    /// The verified request signature, as it came, and its claims.
    pub signature: Option<(String, RequestSignature)>,
}

/// What a caller must show beside its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// An access token; the request's signature, where the caller must sign.
    Token,
    /// Nothing: this is where tokens are had.
    Certificate,
}

/// Looks the certificate up. Unknown callers are only counted, not logged one by one.
pub fn recognise(exchange: &Exchange, incoming: &Incoming) -> Result<Caller, Problem> {
    let der = incoming.chain.first().ok_or_else(|| {
        Problem::unauthenticated(
            rules::CERTIFICATE_MISSING,
            "a client certificate is needed for every request",
        )
    })?;
    let certificate = sha256(&[der]);
    let registration = exchange
        .registrations()
        .by_certificate(&certificate)
        .ok_or_else(|| registration_problem(&RegistrationError::Unknown))?;
    Ok(Caller {
        id: registration.id.clone(),
        name: registration.name.clone(),
        role: registration.role,
        registration,
        certificate,
        address: incoming.address,
        via: None,
        signature: None,
    })
}

/// Checks that a recognised caller may come in; completes it with what its signature says.
pub fn admit(
    exchange: &Exchange,
    incoming: &Incoming,
    needed: Credentials,
    caller: &mut Caller,
) -> Result<(), Problem> {
    let now = exchange.office.clock.now();
    let wants_token = needed == Credentials::Certificate;
    caller.registration.admit(now, caller.address).map_err(|why| registration_problem(&why))?;
    check_certificate(exchange, incoming)?;
    if !wants_token && caller.role != Role::Peer {
        check_token(exchange, incoming, caller)?;
    }
    // What was not read cannot be held against a signature.
    incoming.body.as_ref().map_err(Clone::clone)?;
    let must_sign = caller.role == Role::Peer || caller.registration.must_sign;
    match &incoming.signature {
        Some(token) => check_signature(exchange, incoming, caller, token),
        None if must_sign && !wants_token => Err(Problem::unauthenticated(
            rules::SIGNATURE_REQUIRED,
            "this request needs the partner's signature in Licence-Request-Signature",
        )),
        None => Ok(()),
    }
}

fn registration_problem(why: &RegistrationError) -> Problem {
    Problem::unauthenticated(why.rule(), why.to_string())
}

/// Chain, validity and revocation of the client certificate, now.
fn check_certificate(exchange: &Exchange, incoming: &Incoming) -> Result<(), Problem> {
    let broken = |why: &pki::PkiError| {
        let rule = why.rule();
        let rule = if rule.starts_with("path.") { format!("certificate.{rule}") } else { rule.to_owned() };
        Problem::unauthenticated(rule, why.to_string())
    };
    let mut chain = Vec::with_capacity(incoming.chain.len());
    for der in incoming.chain.iter().take(pki::MAX_DEPTH) {
        chain.push(Certificate::from_der(der).map_err(|why| broken(&why))?);
    }
    let trusts = exchange.trust_snapshot();
    let terms = Terms::strict(exchange.office.clock.now(), Usage::TlsClient);
    let terms =
        if exchange.office.settings.require_crl { terms } else { terms.without_required_revocation() };
    let (leaf, intermediates) =
        chain.split_first().ok_or_else(|| registration_problem(&RegistrationError::Unknown))?;
    pki::validate(leaf, intermediates, &trusts.client_anchors, &trusts.client_crls, &terms)
        .map(|_| ())
        .map_err(|why| broken(&why))
}

fn check_token(exchange: &Exchange, incoming: &Incoming, caller: &Caller) -> Result<(), Problem> {
    let header = incoming.authorization.as_deref().unwrap_or_default();
    let token = header.strip_prefix("Bearer ").ok_or_else(|| {
        Problem::unauthenticated(rules::TOKEN_MISSING, "an access token is needed: Authorization: Bearer …")
    })?;
    let no_token = |why: &EvidenceError| {
        Problem::unauthenticated(format!("token.{}", why.rule()), format!("access token: {why}"))
    };
    let claims = AccessToken::verify(
        token,
        &exchange.office.region,
        exchange.keys.signer.public_key(),
        &caller.certificate,
        exchange.office.clock.now(),
        exchange.office.settings.token_secs,
    )
    .map_err(|why| no_token(&why))?;
    if claims.client_id != caller.registration.id {
        return Err(no_token(&EvidenceError::Issuer(claims.client_id)));
    }
    Ok(())
}

/// A partner of this city signs with its TLS certificate; a partner of another city is looked up in
/// that city's directory. Each `jti` is accepted once.
fn check_signature(
    exchange: &Exchange,
    incoming: &Incoming,
    caller: &mut Caller,
    token: &str,
) -> Result<(), Problem> {
    let now = exchange.office.clock.now();
    let unsigned = |why: EvidenceError| {
        Problem::unauthenticated(format!("signature.{}", why.rule()), format!("request signature: {why}"))
    };
    let certificate = RequestSignature::certificate(token).map_err(unsigned)?;
    let fingerprint = sha256(&[&certificate]);
    let (claims, _) = RequestSignature::peek(token).map_err(unsigned)?;
    let home = if caller.role == Role::Peer {
        caller.registration.id.clone()
    } else {
        exchange.office.region.clone()
    };
    let name = if caller.role == Role::Peer {
        let trusts = exchange.trust_snapshot();
        let directory = trusts.directories.get(&home).ok_or_else(|| {
            Problem::unauthenticated(
                rules::SIGNATURE_DIRECTORY,
                "the directory of the asking city is not here",
            )
        })?;
        directory.find(&claims.iss, &fingerprint, now).map_err(unsigned)?.name.clone()
    } else if fingerprint != caller.certificate || claims.iss != caller.registration.id {
        return Err(unsigned(EvidenceError::OtherCertificate));
    } else {
        caller.name.clone()
    };
    let parsed =
        Certificate::from_der(&certificate).map_err(|_| unsigned(EvidenceError::OtherCertificate))?;
    let key = parsed.public_key().map_err(|_| unsigned(EvidenceError::OtherCertificate))?;
    let facts = RequestFacts {
        home: &home,
        answering: &exchange.office.region,
        method: &incoming.method,
        path: &incoming.path,
        body: incoming.body_bytes(),
    };
    let claims = RequestSignature::verify(token, key, &facts, now).map_err(unsigned)?;
    // From here on it is the partner's own request, whoever carried it.
    let id = if caller.role == Role::Peer { format!("{home}/{}", claims.iss) } else { caller.id.clone() };
    let until = claims.exp.saturating_add(CLOCK_SKEW_SECS);
    let first = exchange.replays.claim(&format!("{id}/{}", claims.jti), until, now);
    if !first || exchange.log.seen(&id, &claims.jti) {
        return Err(Problem::unauthenticated(
            rules::SIGNATURE_REPLAYED,
            "this signed request was received before",
        ));
    }
    if caller.role == Role::Peer {
        caller.via = Some(home);
        caller.role = Role::Partner;
        caller.id = id;
        caller.name = name;
    }
    caller.signature = Some((token.to_owned(), claims));
    Ok(())
}
