//! Why a synthetic licence could not be made.

use thiserror::Error;

use crate::licence::citizen::CitizenError;
use crate::licence::holder::HolderError;
use crate::licence::identifier::IdentifierError;
use crate::licence::uscc::UsccError;

/// A value that the generator made does not pass its own rules: a catalogue that `check` would
/// refuse, or a fault here.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum GenerateError {
    #[error("the catalogue has no types")]
    NoTypes,
    #[error("no authority issues types of group {group}")]
    NoIssuer { group: String },
    #[error(transparent)]
    Uscc(#[from] UsccError),
    #[error(transparent)]
    Citizen(#[from] CitizenError),
    #[error(transparent)]
    Holder(#[from] HolderError),
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    #[error("the record cannot be written: {0}")]
    Line(String),
}
