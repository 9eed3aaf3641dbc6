//! How much of a seal or stamp is read.

/// Largest seal that is read, in bytes.
pub const MAX_SEAL: usize = 4 * 1024 * 1024;
/// Largest stamp that is read, in bytes.
pub const MAX_STAMP: usize = 5 * 1024 * 1024;
/// Largest picture of a foreign seal, in bytes.
pub const MAX_PICTURE: usize = 1024 * 1024;
/// Largest picture of a seal made here: it goes into every file that the seal seals.
pub const MAX_OWN_PICTURE: usize = 4096;
/// Most certificates or digests in a seal's list.
pub const MAX_CERTS: usize = 64;
