//! What goes wrong on the way from files to a node.

use std::path::Path;

/// Any failure, told to the operator.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A failure with the path at which it happened.
pub(super) fn at(path: &Path, why: impl std::fmt::Display) -> Error {
    format!("{}: {why}", path.display()).into()
}
