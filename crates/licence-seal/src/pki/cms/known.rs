//! Object identifiers that are known, and limits.

/// Largest message that is read, in bytes.
pub const MAX_LEN: usize = 4 * 1024 * 1024;
/// Most certificates that go along with a message.
pub const MAX_CERTIFICATES: usize = 16;
/// Most signed attributes.
pub const MAX_ATTRIBUTES: usize = 32;

/// Content of the type `data` (RFC 5652 4).
pub const DATA: &str = "1.2.840.113549.1.7.1";
/// The same of GB/T 35275.
pub const GM_DATA: &str = "1.2.156.10197.6.1.4.2.1";
pub const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub const GM_SIGNED_DATA: &str = "1.2.156.10197.6.1.4.2.2";
pub const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
pub const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";
