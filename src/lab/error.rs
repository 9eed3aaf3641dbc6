//! What goes wrong in the making.

/// Any failure, told to whoever tries the node out.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
