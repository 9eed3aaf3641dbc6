//! The short form of the catalogue, as `catalogue list --json` and `GET /v1/catalogue` show it.

use serde::Serialize;

use super::catalogue::{CodeSource, Field, FieldKind, HolderKind, LicenceType, Share};

/// A type as it stands in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeSummary<'a> {
    code: &'a str,
    name: &'a str,
    name_en: &'a str,
    holder: HolderKind,
    category: &'a str,
    sector: &'a str,
    share: Share,
    source: CodeSource,
    fields: Vec<FieldSummary<'a>>,
}

/// A face field as it stands in a list.
#[derive(Serialize)]
struct FieldSummary<'a> {
    name: &'a str,
    label: &'a str,
    kind: FieldKind,
    required: bool,
}

impl<'a> From<&'a LicenceType> for TypeSummary<'a> {
    fn from(entry: &'a LicenceType) -> Self {
        let field = |f: &'a Field| FieldSummary {
            name: &f.name,
            label: &f.label,
            kind: f.kind,
            required: f.required,
        };
        Self {
            code: entry.code.as_str(),
            name: &entry.name,
            name_en: &entry.name_en,
            holder: entry.holder,
            category: &entry.category,
            sector: &entry.sector,
            share: entry.share,
            source: entry.source,
            fields: entry.fields.iter().map(field).collect(),
        }
    }
}
