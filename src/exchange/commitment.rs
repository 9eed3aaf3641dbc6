//! How the access log commits to sealed batches: leaves of their manifests, and roots over ranges of them.

use crate::accesslog::BatchRange;
use licence_seal::crypto::{Digest, sha256};
use licence_seal::merkle;
use licence_seal::seal::Manifest;

/// Manifests that one entry of the log commits to.
pub const MANIFESTS_AN_ENTRY: u64 = 4096;

/// The RFC 6962 leaf hash (SHA-256) of a manifest.
pub fn manifest_leaf(manifest: &Manifest) -> Digest {
    merkle::leaf_hash(&|parts: &[&[u8]]| sha256(parts), manifest.to_string().as_bytes())
}

/// Consecutive batches from `first` on, and the RFC 6962 root (SHA-256) over their manifests.
pub fn range(first: u64, manifests: &[Digest]) -> BatchRange {
    let root = merkle::root(&|parts: &[&[u8]]| sha256(parts), manifests);
    BatchRange { first, last: first + (manifests.len() as u64).max(1) - 1, root: hex::encode(root) }
}
