//! The catalogue of licence types (GB/T 36902): what each type is, who may hold it, what is
//! printed on it.
//!
//! The entries are data (`schemas/`, explained in its README). A version of the catalogue is kept
//! for ever and a field's name never changes within one: sealed licences name the version they
//! were made under.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::code_type::PersonKind;
use super::embedded;
use super::identifier::TypeCode;

/// Disclosure names that every type has, before its face fields (wire names of GB/T 36903).
pub const COMMON_NAMES: [&str; 6] = [
    "certificateHolderName",
    "certificateHolderCode",
    "certificateHolderTypeCode",
    "certificateNumber",
    "certificateIssuingAuthorityName",
    "certificateAreaCode",
];

/// Why catalogue files cannot be read at all. What is merely wrong in them is a
/// [`super::CatalogueFinding`].
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CatalogueError {
    #[error("{file}: not a catalogue file: {reason} (line {line}, column {column})")]
    Syntax { file: String, reason: String, line: usize, column: usize },
    #[error("group {group} is in the index but has no file, or the other way round")]
    Groups { group: String },
    #[error("{type_code}, field {field}: there is no code list named {list}")]
    CodeList { type_code: TypeCode, field: String, list: String },
}

/// Where a type's code comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CodeSource {
    /// A public source shows the code beside the name.
    Confirmed,
    /// Seen in public use for this licence, but not beside its name.
    Inferred,
    /// Ours, under the test authority; to be replaced by the real one.
    Test,
}

/// Who holds a licence of the type.
///
/// Licences of things (a vehicle, a ship, land, a trade mark) belong to the thing; Annex A of
/// GB/T 36903 has no code for things, so their records name the person or organisation that owns
/// the thing or has the right in it, of either kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    NaturalPerson,
    LegalPerson,
    VehicleVessel,
    RealEstate,
    Other,
}

impl HolderKind {
    /// Category digit of GB/T 36902: 1 natural, 2 legal, 3 mixed, 4 other.
    pub fn category(self) -> u8 {
        match self {
            Self::NaturalPerson => 1,
            Self::LegalPerson => 2,
            Self::VehicleVessel | Self::RealEstate => 3,
            Self::Other => 4,
        }
    }

    pub fn allows(self, person: PersonKind) -> bool {
        match self {
            Self::NaturalPerson => person == PersonKind::Natural,
            Self::LegalPerson => person == PersonKind::Legal,
            Self::VehicleVessel | Self::RealEstate | Self::Other => true,
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            Self::NaturalPerson => "自然人",
            Self::LegalPerson => "法人和其他组织",
            Self::VehicleVessel => "车辆船舶",
            Self::RealEstate => "不动产",
            Self::Other => "其他",
        }
    }
}

/// How the Regulation on sharing government data (Order 809) classes the type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    Unconditional,
    Conditional,
    NotShared,
}

/// How much harm a leak does; also set per field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sensitivity {
    Public,
    Internal,
    Personal,
    Sensitive,
}

/// Level of the authorities that issue the type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IssuerLevel {
    National,
    Provincial,
    Municipal,
    District,
    Mixed,
}

/// Usual period of validity: `longTerm`, `asStated`, or an ISO 8601 duration of years or months
/// (`P5Y`, `P3M`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Validity {
    LongTerm,
    AsStated,
    Years(u8),
    Months(u8),
}

/// Not a validity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a validity is longTerm, asStated, PnY or PnM")]
pub struct NotAValidity;

impl TryFrom<String> for Validity {
    type Error = NotAValidity;
    fn try_from(text: String) -> Result<Self, NotAValidity> {
        match text.as_str() {
            "longTerm" => return Ok(Self::LongTerm),
            "asStated" => return Ok(Self::AsStated),
            _ => {}
        }
        let duration = text.strip_prefix('P').ok_or(NotAValidity)?;
        let years = duration.strip_suffix('Y').and_then(|n| n.parse().ok()).map(Self::Years);
        let months = || duration.strip_suffix('M').and_then(|n| n.parse().ok()).map(Self::Months);
        years.or_else(months).ok_or(NotAValidity)
    }
}

impl From<Validity> for String {
    fn from(validity: Validity) -> Self {
        match validity {
            Validity::LongTerm => "longTerm".to_owned(),
            Validity::AsStated => "asStated".to_owned(),
            Validity::Years(n) => format!("P{n}Y"),
            Validity::Months(n) => format!("P{n}M"),
        }
    }
}

/// The form of a face field's values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldKind {
    /// NFC, one line, at most `max` characters.
    Text,
    /// `YYYY-MM-DD`.
    Date,
    /// One of `codes`.
    Code,
    /// Decimal digits, at most `max` characters.
    Integer,
    /// Decimal text, possibly negative, at most `max` characters.
    Decimal,
    /// Decimal text, not negative, at most 6 decimal places, at most `max` characters; the unit is
    /// in the label (元 where it says nothing).
    Amount,
    /// Base64 of a PNG or JPEG of at most `max` KiB.
    Image,
    /// Several texts, together at most `max` characters; each one of `codes` if there are any.
    List,
}

impl FieldKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Date => "date",
            Self::Code => "code",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Amount => "amount",
            Self::Image => "image",
            Self::List => "list",
        }
    }
}

/// A field printed on a licence's face.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Wire name, camelCase; never changes within a catalogue version.
    pub name: String,
    /// Short name in OFD metadata, `KZ_…`.
    pub short: String,
    /// What the document prints.
    pub label: String,
    pub kind: FieldKind,
    /// Characters, or KiB of an image.
    pub max: usize,
    pub required: bool,
    pub sensitivity: Sensitivity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Synthetic values, for generated records.
    #[serde(skip)]
    pub examples: Vec<String>,
}

/// Who defined a type; the code where a public source confirms it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    pub name: String,
    pub code: Option<String>,
}

/// A licence type: one entry of the catalogue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenceType {
    pub code: TypeCode,
    pub source: CodeSource,
    pub name: String,
    pub name_en: String,
    pub defining_authority: Authority,
    pub holder: HolderKind,
    pub category: String,
    pub sector: String,
    /// The file that the entry stands in: a group of authorities.
    pub group: String,
    pub issuer_level: IssuerLevel,
    pub validity: Validity,
    pub share: Share,
    pub sensitivity: Sensitivity,
    /// What the document calls its number.
    pub number_label: String,
    #[serde(skip)]
    pub number_example: String,
    /// Whether the licence number is the holder's own code (identity card, business licence).
    pub number_is_holder_code: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub fields: Vec<Field>,
}

impl LicenceType {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Everything that can be shown of a licence of this type: the common six, then the face
    /// fields in printed order. Each has one digest in the sealed payload.
    pub fn disclosure_names(&self) -> impl Iterator<Item = &str> {
        COMMON_NAMES.into_iter().chain(self.fields.iter().map(|f| f.name.as_str()))
    }

    pub fn is_disclosure_name(&self, name: &str) -> bool {
        self.disclosure_names().any(|n| n == name)
    }

    /// Chinese label of a disclosure name.
    pub fn label(&self, name: &str) -> Option<&str> {
        match name {
            "certificateHolderName" => Some("持证主体"),
            "certificateHolderCode" => Some("持证主体代码"),
            "certificateHolderTypeCode" => Some("持证主体代码类型代码"),
            "certificateNumber" => Some(&self.number_label),
            "certificateIssuingAuthorityName" => Some("证照颁发机构"),
            "certificateAreaCode" => Some("证照所属管辖属地编码"),
            _ => self.field(name).map(|f| f.label.as_str()),
        }
    }
}

/// A group of authorities that share a catalogue file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub group: String,
    pub name: String,
    /// What a city's authority of this group is called, without the city.
    pub issuer: String,
}

/// One version of the catalogue.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub(super) version: String,
    pub(super) test_authority: Authority,
    pub(super) groups: Vec<Group>,
    pub(super) types: Vec<LicenceType>,
    by_code: HashMap<TypeCode, usize>,
}

impl Catalogue {
    /// The catalogue compiled into this binary.
    pub fn embedded() -> Result<&'static Self, CatalogueError> {
        static EMBEDDED: OnceLock<Result<Catalogue, CatalogueError>> = OnceLock::new();
        let parsed = EMBEDDED.get_or_init(|| Self::parse(embedded::INDEX, &embedded::GROUPS));
        parsed.as_ref().map_err(Clone::clone)
    }

    /// Reads an index file and the group files that it names, in its order.
    pub fn parse(index: &str, groups: &[&str]) -> Result<Self, CatalogueError> {
        let index: IndexFile = file("catalogue.json", index)?;
        let mut types = Vec::new();
        for (at, text) in groups.iter().enumerate() {
            let name = index.groups.get(at).map_or("?", |g| g.group.as_str());
            let group: GroupFile = file(name, text)?;
            if group.group != name {
                return Err(CatalogueError::Groups { group: group.group });
            }
            for entry in group.types {
                types.push(entry.resolve(name, &index.code_lists)?);
            }
        }
        if let Some(missing) = index.groups.get(groups.len()) {
            return Err(CatalogueError::Groups { group: missing.group.clone() });
        }
        let mut by_code = HashMap::with_capacity(types.len());
        for (at, entry) in types.iter().enumerate() {
            by_code.entry(entry.code.clone()).or_insert(at);
        }
        Ok(Self {
            version: index.version,
            test_authority: index.test_authority,
            groups: index.groups,
            types,
            by_code,
        })
    }

    /// The version named in sealed payloads.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The authority under which codes stand that no public source confirms.
    pub fn test_authority(&self) -> &Authority {
        &self.test_authority
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub fn get(&self, code: &TypeCode) -> Option<&LicenceType> {
        self.by_code.get(code).and_then(|at| self.types.get(*at))
    }

    /// By the text of a code, as it came in.
    pub fn find(&self, code: &str) -> Option<&LicenceType> {
        TypeCode::parse(code).ok().and_then(|code| self.get(&code))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, LicenceType> {
        self.types.iter()
    }

    pub fn len(&self) -> usize {
        self.types.len()
    }

    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

impl<'a> IntoIterator for &'a Catalogue {
    type Item = &'a LicenceType;
    type IntoIter = std::slice::Iter<'a, LicenceType>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for LicenceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

fn file<'a, T: Deserialize<'a>>(name: &str, text: &'a str) -> Result<T, CatalogueError> {
    serde_json::from_str(text).map_err(|e| CatalogueError::Syntax {
        file: name.to_owned(),
        reason: e.to_string(),
        line: e.line(),
        column: e.column(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IndexFile {
    version: String,
    test_authority: Authority,
    code_lists: BTreeMap<String, Vec<String>>,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    group: String,
    types: Vec<TypeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TypeEntry {
    code: TypeCode,
    source: CodeSource,
    name: String,
    name_en: String,
    defining_authority: Authority,
    holder: HolderKind,
    category: String,
    sector: String,
    issuer_level: IssuerLevel,
    /// Who issues it in Tianjin: for readers of the file.
    #[serde(rename = "issuerExample")]
    _issuer_example: String,
    validity: Validity,
    share: Share,
    sensitivity: Sensitivity,
    number_label: String,
    number_example: String,
    number_is_holder_code: bool,
    note: Option<String>,
    fields: Vec<FieldEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FieldEntry {
    name: String,
    short: String,
    label: String,
    kind: FieldKind,
    max: usize,
    required: bool,
    sensitivity: Sensitivity,
    #[serde(default)]
    codes: Vec<String>,
    code_list: Option<String>,
    #[serde(default)]
    examples: Vec<String>,
}

impl TypeEntry {
    fn resolve(
        self,
        group: &str,
        lists: &BTreeMap<String, Vec<String>>,
    ) -> Result<LicenceType, CatalogueError> {
        let code = self.code;
        let fields: Result<Vec<Field>, CatalogueError> =
            self.fields.into_iter().map(|field| field.resolve(&code, lists)).collect();
        Ok(LicenceType {
            fields: fields?,
            code,
            source: self.source,
            name: self.name,
            name_en: self.name_en,
            defining_authority: self.defining_authority,
            holder: self.holder,
            category: self.category,
            sector: self.sector,
            group: group.to_owned(),
            issuer_level: self.issuer_level,
            validity: self.validity,
            share: self.share,
            sensitivity: self.sensitivity,
            number_label: self.number_label,
            number_example: self.number_example,
            number_is_holder_code: self.number_is_holder_code,
            note: self.note,
        })
    }
}

impl FieldEntry {
    fn resolve(
        self,
        code: &TypeCode,
        lists: &BTreeMap<String, Vec<String>>,
    ) -> Result<Field, CatalogueError> {
        let codes = match self.code_list {
            None => self.codes,
            Some(list) => lists.get(&list).cloned().ok_or_else(|| CatalogueError::CodeList {
                type_code: code.clone(),
                field: self.name.clone(),
                list,
            })?,
        };
        Ok(Field {
            codes,
            name: self.name,
            short: self.short,
            label: self.label,
            kind: self.kind,
            max: self.max,
            required: self.required,
            sensitivity: self.sensitivity,
            examples: self.examples,
        })
    }
}

/// Joins the items of a list in the catalogue's examples.
pub(super) const EXAMPLE_SEPARATOR: char = '；';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_in_the_binary_has_224_types_with_their_own_fields() {
        let catalogue = Catalogue::embedded().unwrap();
        assert_eq!(catalogue.len(), 224);
        assert_eq!(catalogue.iter().map(|t| t.fields.len()).sum::<usize>(), 1923);
        let licence = catalogue.find("11100000mb0143028r001").unwrap();
        assert_eq!((licence.name.as_str(), licence.source), ("营业执照", CodeSource::Inferred));
        assert_eq!(licence.disclosure_names().count(), 6 + licence.fields.len());
        assert_eq!(licence.label("certificateNumber"), Some("统一社会信用代码"));
    }

    #[test]
    fn a_missing_code_list_is_named() {
        let index = r#"{"version":"x","testAuthority":{"name":"t","code":null},"codeLists":{},"groups":[{"group":"g","name":"n","issuer":"i"}]}"#;
        assert_eq!(
            Catalogue::parse(index, &[]).map(|_| ()),
            Err(CatalogueError::Groups { group: "g".to_owned() })
        );
        assert!(matches!(
            Catalogue::parse(index, &[r#"{"group":"h","types":[]}"#]),
            Err(CatalogueError::Groups { .. })
        ));
        assert!(matches!(Catalogue::parse("{", &[]), Err(CatalogueError::Syntax { .. })));
    }

    #[test]
    fn validities_survive_their_text() {
        for text in ["longTerm", "asStated", "P5Y", "P3M"] {
            assert_eq!(String::from(Validity::try_from(text.to_owned()).unwrap()), text);
        }
        assert!(Validity::try_from("P5D".to_owned()).is_err());
    }
}
