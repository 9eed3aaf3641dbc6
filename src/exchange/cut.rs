//! A licence cut to the fields that grants and request allow: what `data` gives and a copy is drawn from.

use std::collections::BTreeSet;

use super::grants;
use super::problem::{Problem, failed};
use super::request::Request;
use super::rules;
use super::standing::statement;
use super::subject::{check_fields, known_type, parse_identifier};
use crate::rules::{Operation, decide};
use crate::store::Found;
use licence_seal::licence::{Identifier, LicenceType, RequestContext};
use licence_seal::seal::SealedLicence;

/// A licence that is asked for by its identifier, with some of its fields.
pub struct Wanted {
    pub identifier: Identifier,
    pub kind: &'static LicenceType,
    /// `None`: all that may be shown.
    fields: Option<BTreeSet<String>>,
}

impl Wanted {
    /// # Errors
    /// When the request names no licence of a known type, or what is no field of it.
    pub fn of(
        request: &mut Request<'_>,
        identifier: &str,
        fields: Option<&[String]>,
    ) -> Result<Self, Problem> {
        let identifier = parse_identifier(identifier)?;
        request.draft.identifier(identifier.as_str());
        let kind = known_type(request.exchange.office.catalogue, identifier.type_code().as_str())?;
        check_fields(kind, fields.into_iter().flatten())?;
        let fields = fields.map(|fields| fields.iter().cloned().collect());
        Ok(Self { identifier, kind, fields })
    }
}

/// What was cut out for a caller.
pub struct Cut {
    pub found: Found,
    /// With just the fields that grants and request allow, and its status statement.
    pub licence: SealedLicence,
    /// Names of these fields.
    pub shown: Vec<String>,
}

/// Cuts the fields out that the grants for `operation` and the request allow.
pub async fn cut(
    request: &mut Request<'_>,
    operation: Operation,
    context: &RequestContext,
    wanted: Wanted,
) -> Result<Cut, Problem> {
    let Request { exchange, caller, draft, .. } = request;
    let Wanted { identifier, kind, fields } = wanted;
    let registrations = exchange.registrations();
    let ask = grants::ask(exchange, caller, operation, Some(kind.code.as_str()), context);
    let granted = decide(registrations.grants(), &ask).map_err(grants::refused)?.fields(kind.code.as_str());
    draft.limit(grants::daily_limit(registrations.grants(), &ask));
    if let Some(outside) = fields.iter().flatten().find(|name| !granted.allows(name)) {
        let detail = format!("no grant for the field {outside} of this type of licence");
        return Err(Problem::forbidden(rules::GRANT_FIELDS, detail));
    }
    let (catalogue, now) = (exchange.office.catalogue, exchange.office.clock.now());
    let read = exchange.read("licence", move |reader| {
        let show =
            |name: &str| granted.allows(name) && fields.as_ref().is_none_or(|only| only.contains(name));
        let Some(found) = reader.by_identifier(&identifier)? else { return Ok(None) };
        let licence = reader.cut(&found, catalogue, &show);
        let shown = kind.disclosure_names().filter(|name| show(name)).map(str::to_owned).collect();
        Ok(Some((found, licence, shown)))
    });
    let read = read.await?.ok_or_else(|| Problem::not_found("no such licence in this city's store"))?;
    let (found, licence, shown): (Found, _, Vec<String>) = read;
    for holder in &found.record.holders {
        draft.holder(holder.code());
    }
    let mut licence = licence.map_err(|why| failed("licence", &why))?;
    licence.status = Some(statement(exchange, &found, now)?);
    Ok(Cut { found, licence, shown })
}
