//! Whom and what a request is about, as it is written: holder, identifier, type.

use serde::Deserialize;

use super::problem::Problem;
use super::rules;
use licence_seal::licence::{Catalogue, HolderCodeType, Identifier, LicenceType, TypeCode, check_code};

/// Whom a licence belongs to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HolderQuery {
    pub code: String,
    /// Code type of GB/T 36903 annex A, for example `111`.
    pub code_type: String,
    /// Needed by `verify` only.
    #[serde(default)]
    pub name: Option<String>,
}

impl HolderQuery {
    /// The type of its code, which is one of that type.
    pub fn checked_type(&self) -> Result<HolderCodeType, Problem> {
        let code_type = HolderCodeType::parse(&self.code_type).ok_or_else(|| {
            Problem::malformed(
                rules::HOLDER_CODE_TYPE,
                "not a holder code type of GB/T 36903 annex A, such as 111 or 001",
            )
        })?;
        check_code(&self.code, code_type).map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
        Ok(code_type)
    }
}

pub fn parse_identifier(text: &str) -> Result<Identifier, Problem> {
    Identifier::parse(text).map_err(|why| Problem::malformed(why.rule(), why.to_string()))
}

pub fn known_type(catalogue: &'static Catalogue, code: &str) -> Result<&'static LicenceType, Problem> {
    let code = TypeCode::parse(code).map_err(|why| Problem::malformed(why.rule(), why.to_string()))?;
    catalogue.get(&code).ok_or_else(Problem::unknown_type)
}

/// Each of `names` is a field of the type.
pub fn check_fields<'a>(
    kind: &LicenceType,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), Problem> {
    match names.into_iter().find(|name| !kind.is_disclosure_name(name)) {
        None => Ok(()),
        Some(name) => Err(Problem::malformed(
            rules::FIELDS_UNKNOWN,
            format!("{} is not a field of this type", quoted(name)),
        )),
    }
}

/// A name from outside, cut to what an error message bears.
fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(64).collect::<String>())
}
