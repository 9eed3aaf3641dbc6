//! Finds what is wrong in a catalogue that can be read.

use std::collections::HashMap;

use serde::Serialize;

use super::catalogue::{COMMON_NAMES, Catalogue, CodeSource, Field, FieldKind, LicenceType};
use super::strict_json::Json;
use super::syntax;
use super::uscc::Uscc;

/// The longest text a field may take.
const MAX_TEXT: usize = 10_000;
/// The largest picture, in KiB.
const MAX_PICTURE: usize = 1_024;

/// One thing that is wrong in a catalogue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueFinding {
    /// Code of the type; empty for the catalogue as a whole.
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Stable name of the broken rule.
    pub rule: &'static str,
    pub detail: String,
}

/// Everything that is wrong: codes that are not distinct or stand under no valid authority, names
/// and labels that are empty, not names, repeated, or clash with the common six, code lists and
/// lengths that make no sense, examples that their own field refuses.
pub fn check_catalogue(catalogue: &Catalogue) -> Vec<CatalogueFinding> {
    let mut findings = Findings::default();
    if catalogue.version.is_empty() {
        findings.add("catalogue.version", "the catalogue has no version");
    }
    let test_authority = catalogue.test_authority.code.as_deref().unwrap_or_default();
    if let Err(broken) = Uscc::parse(test_authority) {
        findings.add("catalogue.testAuthority", &broken.to_string());
    }
    let mut codes: HashMap<&str, &str> = HashMap::new();
    let mut names: HashMap<&str, &str> = HashMap::new();
    for entry in catalogue {
        findings.code = entry.code.to_string();
        if let Some(other) = codes.insert(entry.code.as_str(), &entry.name) {
            findings.add("type.codeTwice", &format!("{} and {other} have the same code", entry.name));
        }
        if names.insert(&entry.name, entry.code.as_str()).is_some() {
            findings.add("type.nameTwice", &entry.name);
        }
        check_type(entry, test_authority, &mut findings);
    }
    findings.list
}

#[derive(Default)]
struct Findings {
    code: String,
    field: Option<String>,
    list: Vec<CatalogueFinding>,
}

impl Findings {
    fn add(&mut self, rule: &'static str, detail: &str) {
        self.list.push(CatalogueFinding {
            code: self.code.clone(),
            field: self.field.clone(),
            rule,
            detail: detail.to_owned(),
        });
    }

    fn require(&mut self, holds: bool, rule: &'static str, detail: &str) {
        if !holds {
            self.add(rule, detail);
        }
    }
}

fn check_type(entry: &LicenceType, test_authority: &str, findings: &mut Findings) {
    if let Err(broken) = entry.code.check_strict() {
        findings.add("type.authority", &broken.to_string());
    }
    let is_test = entry.source == CodeSource::Test;
    let under_test = entry.code.authority() == test_authority;
    findings.require(
        is_test == under_test,
        "type.source",
        "test codes, and only those, stand under the test authority",
    );
    match entry.defining_authority.code.as_deref() {
        Some(code) => {
            findings.require(Uscc::parse(code).is_ok(), "type.definingAuthority", code);
            findings.require(is_test || code == entry.code.authority(), "type.definingAuthority", code);
        }
        None => {
            findings.require(is_test, "type.definingAuthority", "a real code without its authority's code")
        }
    }
    for (text, what) in [
        (&entry.name, "name"),
        (&entry.name_en, "nameEn"),
        (&entry.defining_authority.name, "definingAuthority.name"),
        (&entry.category, "category"),
        (&entry.sector, "sector"),
        (&entry.number_label, "numberLabel"),
        (&entry.number_example, "numberExample"),
    ] {
        findings.require(is_clean(text), "type.text", what);
    }
    findings.require(!entry.fields.is_empty(), "type.fields", "no face fields");
    let (mut names, mut shorts, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for field in &entry.fields {
        findings.field = Some(field.name.clone());
        check_face_field(field, findings);
        for (list, text, rule) in [
            (&mut names, &field.name, "field.nameTwice"),
            (&mut shorts, &field.short, "field.shortTwice"),
            (&mut labels, &field.label, "field.labelTwice"),
        ] {
            findings.require(!list.contains(&text), rule, text);
            list.push(text);
        }
    }
    findings.field = None;
}

fn check_face_field(field: &Field, findings: &mut Findings) {
    let camel_case = field.name.starts_with(|c: char| c.is_ascii_lowercase())
        && field.name.bytes().all(|b| b.is_ascii_alphanumeric());
    findings.require(camel_case, "field.name", "a name is camelCase");
    findings.require(
        !COMMON_NAMES.contains(&field.name.as_str()),
        "field.clash",
        "the name is one of the common six",
    );
    let short = field.short.strip_prefix("KZ_").unwrap_or_default();
    let is_short = !short.is_empty() && short.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    findings.require(is_short, "field.short", &field.short);
    findings.require(is_clean(&field.label), "field.label", &field.label);
    let largest = if field.kind == FieldKind::Image { MAX_PICTURE } else { MAX_TEXT };
    findings.require((1..=largest).contains(&field.max), "field.max", &field.max.to_string());
    findings.require(
        field.kind != FieldKind::Date || field.max >= 10,
        "field.max",
        "a day has 10 characters",
    );
    let takes_codes = matches!(field.kind, FieldKind::Code | FieldKind::List);
    findings.require(
        takes_codes || field.codes.is_empty(),
        "field.codes",
        "codes on a field of another kind",
    );
    findings.require(field.kind != FieldKind::Code || !field.codes.is_empty(), "field.codes", "no codes");
    for (at, code) in field.codes.iter().enumerate() {
        let fits = is_clean(code) && code.chars().count() <= field.max;
        findings.require(fits && !field.codes.iter().take(at).any(|c| c == code), "field.codes", code);
    }
    for example in &field.examples {
        let items = example.split(super::catalogue::EXAMPLE_SEPARATOR).map(|item| Json::Text(item.into()));
        let value = match field.kind {
            FieldKind::List => Json::List(items.collect()),
            _ => Json::Text(example.into()),
        };
        if let Err(rule) = super::record::check_field(field, &value) {
            findings.add("field.example", rule.rule());
        }
    }
    let has_example = !field.examples.is_empty() || field.kind == FieldKind::Image;
    findings.require(has_example, "field.example", "no example");
}

fn is_clean(text: &str) -> bool {
    !text.is_empty() && syntax::clean(text) == text && !text.chars().any(syntax::is_forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut Catalogue)) -> Vec<&'static str> {
        let mut catalogue = Catalogue::embedded().unwrap().clone();
        change(&mut catalogue);
        check_catalogue(&catalogue).into_iter().map(|f| f.rule).collect()
    }

    #[test]
    fn nothing_is_wrong_in_the_catalogue_of_the_binary() {
        assert_eq!(check_catalogue(Catalogue::embedded().unwrap()), []);
    }

    #[test]
    fn each_fault_is_found_by_its_name() {
        assert_eq!(rules(|c| c.types[1].code = c.types[0].code.clone()), ["type.codeTwice"]);
        assert_eq!(rules(|c| c.types[0].source = CodeSource::Confirmed)[0], "type.source");
        assert_eq!(rules(|c| c.types[0].name.clear())[0], "type.text");
        assert_eq!(rules(|c| c.types[0].fields[0].name = "certificateNumber".to_owned()), ["field.clash"]);
        assert_eq!(rules(|c| c.types[0].fields[0].label.clear()), ["field.label"]);
        assert_eq!(
            rules(|c| c.types[0].fields[0].name = c.types[0].fields[1].name.clone()),
            ["field.nameTwice"]
        );
        assert_eq!(rules(|c| c.types[0].fields[0].examples.clear()), ["field.example"]);
        assert!(rules(|c| c.types[0].fields[0].codes.clear()).contains(&"field.codes"));
        assert_eq!(rules(|c| c.test_authority.code = None)[0], "catalogue.testAuthority");
    }
}
