//! `GET /v1/catalogue` and `GET /v1/catalogue/{code}/schema`.

use serde_json::json;

use super::problem::Problem;
use super::{Answer, Exchange};
use licence_seal::licence::{TypeSummary, json_schema};

pub const PATH: &str = "/v1/catalogue";

pub fn show(exchange: &Exchange, path: &str) -> Result<Answer, Problem> {
    let catalogue = exchange.catalogue;
    let rest = path.strip_prefix(PATH).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    match (rest, parts.as_slice()) {
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
