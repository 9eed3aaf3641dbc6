//! Media types of bodies.

/// JSON.
pub const JSON: &str = "application/json";
/// A sealed licence.
pub const LICENCE_JSON: &str = "application/licence+json";
/// An OFD document.
pub const OFD: &str = "application/ofd";
/// A file of any kind.
pub const BYTES: &str = "application/octet-stream";
/// A report as a page.
pub const HTML: &str = "text/html; charset=utf-8";
/// A problem (RFC 9457 3).
pub const PROBLEM_JSON: &str = "application/problem+json";
