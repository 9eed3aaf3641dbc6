//! What is wrong with a record: a field and a rule, never the value.

use serde::Serialize;
use thiserror::Error;

use crate::licence::holder::HolderError;
use crate::licence::identifier::IdentifierError;
use crate::licence::uscc::UsccError;

/// Most holders of one licence.
pub const MAX_HOLDERS: usize = 100;

/// The rule that a record breaks. Carries limits and positions, never the value.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Rule {
    #[error("not JSON: line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("a record is a JSON object")]
    NotAnObject,
    #[error("stands more than once")]
    Duplicate,
    #[error("no such field")]
    Unknown,
    #[error("required")]
    Missing,
    #[error("must be a text, or several texts where the field takes several")]
    Kind,
    #[error("longer than {max}")]
    TooLong { max: usize },
    #[error("contains a control character or a mark that hides or reorders text")]
    Control,
    #[error("not a day that exists, written YYYY-MM-DD")]
    Date,
    #[error("not one of the codes of the field")]
    CodeList,
    #[error("not a whole number")]
    Integer,
    #[error("not a decimal number")]
    Decimal,
    #[error("not an amount: digits, at most 6 decimal places, not negative")]
    Amount,
    #[error("not base64")]
    Base64,
    #[error("not a PNG or JPEG picture")]
    Picture,
    #[error("picture larger than {max_kib} KiB")]
    PictureSize { max_kib: usize },
    #[error("names, codes and code types of the holders must be equally many, at most {MAX_HOLDERS}")]
    HolderCount,
    #[error("a holder of this kind cannot hold a licence of this type")]
    HolderKind,
    #[error("not a holder code type of GB/T 36903 Annex A")]
    HolderCodeType,
    #[error("the same holder stands twice")]
    HolderTwice,
    #[error(transparent)]
    Holder(HolderError),
    #[error("no such licence type in the catalogue")]
    Type,
    #[error(transparent)]
    Identifier(IdentifierError),
    #[error("is not the type in the identifier")]
    IdentifierType,
    #[error("is not the issuer in the identifier")]
    IdentifierIssuer,
    #[error(transparent)]
    Issuer(UsccError),
    #[error("an area code has 6 to 12 digits")]
    Area,
    #[error("ends before it begins")]
    DateOrder,
    #[error("not a state that an authority declares")]
    State,
    #[error("must be another licence or version of the same type")]
    Supersedes,
}

impl Rule {
    /// Stable name of the rule.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Json { .. } => "record.json",
            Self::NotAnObject => "record.object",
            Self::Duplicate => "record.duplicate",
            Self::Unknown => "record.unknownField",
            Self::Missing => "record.missing",
            Self::Kind => "record.kind",
            Self::TooLong { .. } => "record.length",
            Self::Control => "record.control",
            Self::Date => "record.date",
            Self::CodeList => "record.codeList",
            Self::Integer => "record.integer",
            Self::Decimal => "record.decimal",
            Self::Amount => "record.amount",
            Self::Base64 => "record.base64",
            Self::Picture => "record.picture",
            Self::PictureSize { .. } => "record.pictureSize",
            Self::HolderCount => "record.holderCount",
            Self::HolderKind => "record.holderKind",
            Self::HolderCodeType => "record.holderCodeType",
            Self::HolderTwice => "record.holderTwice",
            Self::Holder(e) => e.rule(),
            Self::Type => "record.type",
            Self::Identifier(e) => e.rule(),
            Self::IdentifierType => "record.identifierType",
            Self::IdentifierIssuer => "record.identifierIssuer",
            Self::Issuer(e) => e.rule(),
            Self::Area => "record.area",
            Self::DateOrder => "record.dateOrder",
            Self::State => "record.state",
            Self::Supersedes => "record.supersedes",
        }
    }
}

/// One fault of a record: where, and which rule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{field}: {rule}")]
pub struct RecordError {
    /// Wire name, `fields.NAME`, or empty for the record as a whole. A name that the catalogue
    /// does not know is shown only if it looks like a name.
    pub field: String,
    pub rule: Rule,
}

impl Serialize for RecordError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("RecordError", 2)?;
        out.serialize_field("field", &self.field)?;
        out.serialize_field("rule", self.rule.rule())?;
        out.end()
    }
}
