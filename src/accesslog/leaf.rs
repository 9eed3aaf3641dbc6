//! What the log's files begin with, and how an entry becomes a leaf of its tree.

use licence_seal::merkle::{self, Hash};

/// Kind of the journal's files.
pub const JOURNAL_KIND: [u8; 4] = *b"ALOG";

/// The log's tree is over SHA-256 whatever the suites of seals (C2SP tlog-tiles).
pub fn tree_hash(parts: &[&[u8]]) -> Hash {
    licence_seal::crypto::sha256(parts)
}

/// The leaf hash of an entry's bytes.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    merkle::leaf_hash(&tree_hash, entry)
}
