//! What a licence is: its type, its identifier, its record, its holder, its status, and the
//! context in which somebody may ask for it.
//!
//! Everything here is pure: no I/O, no clock, no randomness. A value that exists has been checked
//! ("parse, don't validate"): a [`Record`] fits its type, an [`Identifier`] has its check
//! character, a [`Uscc`] has both of its own.
//!
//! - The **catalogue** is data in `schemas/`, compiled into the binary, so that a node never runs
//!   with a half-written one; a type's fields are not Rust types. The alternative, a struct for
//!   each of 224 types, would make every new type a release.
//! - Validation is written by hand against the catalogue, not run through a JSON Schema engine: it
//!   reports all faults of a record at once, as a field and a rule and never the value, and it
//!   knows rules that no schema can say (check characters, dates in order). The JSON Schema that
//!   partners get comes from the same catalogue entry, and a test holds the two together.
//! - Text is normalised to NFC and trimmed on the way in, days are written `YYYY-MM-DD`; after
//!   that a record has exactly one wire form, and seals are made over it.
//!
//! Sources: GB/T 36902 (catalogue), 36903 (metadata), 36904 (identifier), GB 32100 and GB 11714
//! (organisation codes), GB 11643 (citizen number), ISO/IEC 7064. What was read and what was only
//! seen in use is said where it matters.

mod catalogue;
mod citizen;
mod code_type;
mod context;
mod embedded;
mod holder;
mod identifier;
pub mod json_schema;
mod lint;
mod masks;
mod record;
mod status;
mod strict_json;
mod summary;
mod syntax;
mod uscc;

#[cfg(feature = "make")]
mod face;
#[cfg(feature = "samples")]
mod generate;

pub use catalogue::{
    Authority, COMMON_NAMES, Catalogue, CatalogueError, CodeSource, Field, FieldKind, Group, HolderKind,
    IssuerLevel, LicenceType, NotAValidity, Sensitivity, Share, Validity,
};
pub use citizen::{CitizenError, CitizenNumber};
pub use code_type::{HolderCodeType, PersonKind};
pub use context::{Basis, BasisKind, ContextError, RawContext, RequestContext};
pub use holder::{Holder, HolderError, check_code};
pub use identifier::{Identifier, IdentifierError, Part, TypeCode};
pub use lint::{CatalogueFinding, check_catalogue};
pub use masks::mask_identity_number;
pub use record::{FieldValue, HolderRef, Record, RecordError, RecordRef, Rule, ValueRef};
pub use status::{Effective, State, UnknownState};
pub use summary::TypeSummary;
pub use syntax::clean as clean_text;
pub use uscc::{Uscc, UsccError};

#[cfg(feature = "make")]
pub use face::{FaceLayout, FaceRow, MmBox};
#[cfg(feature = "samples")]
pub use generate::{Dice, GenerateError, Generator, Issuer, Region, issuers};
