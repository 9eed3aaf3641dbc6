//! Catalogue: all types, one type, and the JSON Schema of its records.

use serde_json::json;

use crate::exchange::message::Answer;
use crate::exchange::problem::Problem;
use crate::exchange::request::Request;
use licence_seal::licence::{TypeSummary, json_schema};

/// The rest of the path is nothing, `/{code}` or `/{code}/schema`.
pub fn run(request: &Request<'_>) -> Result<Answer, Problem> {
    let catalogue = request.exchange.office.catalogue;
    let parts: Vec<&str> = request.rest.split('/').skip(1).collect();
    match (request.rest, parts.as_slice()) {
        ("" | "/", _) => {
            let types: Vec<TypeSummary<'_>> = catalogue.iter().map(TypeSummary::from).collect();
            Answer::json(&json!({ "version": catalogue.version(), "types": types }))
        }
        (_, [code]) => Answer::json(catalogue.find(code).ok_or_else(Problem::unknown_type)?),
        (_, [code, "schema"]) => {
            let kind = catalogue.find(code).ok_or_else(Problem::unknown_type)?;
            Answer::json(&json_schema::record_schema(kind, catalogue.version()))
        }
        _ => Err(Problem::no_such_service()),
    }
}
