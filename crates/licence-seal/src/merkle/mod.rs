//! Merkle trees of RFC 6962 section 2.1, over any hash.
//!
//! Two trees of the node have this shape: a sealed batch (under the hash of its suite) and the
//! access log (SHA-256). The hash is therefore passed in as a [`Hasher`]; this room names no
//! algorithm, and neither does it know what a leaf means. Leaves come in as *leaf hashes*: only
//! [`leaf_hash`] sees content.
//!
//! There is one way to compute a path: [`path_in`] and [`consistency_path_in`] walk a [`Nodes`], which
//! answers for complete subtrees. A slice of leaf hashes is one ([`inclusion_path`],
//! [`consistency_path`]), the tiles of a log on disk are another, so proofs of a long log cost a few
//! small reads. A cache of all nodes in memory was not taken: 64 bytes an entry is gigabytes for a
//! log kept for years. Whoever appends keeps a [`Frontier`], at most 64 hashes.
//!
//! Verifying is strict: a path has exactly the length that index and size call for, sizes are
//! never guessed, and a consistency proof from the empty tree is refused, since it says nothing.

mod frontier;
mod proof;

pub use frontier::Frontier;
pub use proof::{
    Nodes, consistency_path, consistency_path_in, inclusion_path, path_in, root_from_path, root_in,
    verify_consistency,
};

/// A hash value. Both hashes in use, SHA-256 and SM3, have 32 bytes.
pub type Hash = [u8; 32];

/// The hash under a tree.
pub trait Hasher {
    /// The hash of the concatenation of `parts`.
    fn hash(&self, parts: &[&[u8]]) -> Hash;

    /// The hash of each message; for a hash that is sooner done with many at once.
    fn hash_each(&self, messages: &[&[u8]]) -> Vec<Hash> {
        messages.iter().map(|message| self.hash(&[message])).collect()
    }
}

impl<F: Fn(&[&[u8]]) -> Hash> Hasher for F {
    fn hash(&self, parts: &[&[u8]]) -> Hash {
        self(parts)
    }
}

/// What is hashed before a leaf's content.
pub const LEAF: [u8; 1] = [0];

/// `H(0x00 ‖ content)`, RFC 6962 section 2.1.
pub fn leaf_hash<H: Hasher + ?Sized>(h: &H, content: &[u8]) -> Hash {
    h.hash(&[&LEAF, content])
}

/// `H(0x01 ‖ left ‖ right)`, RFC 6962 section 2.1.
pub fn node_hash<H: Hasher + ?Sized>(h: &H, left: &Hash, right: &Hash) -> Hash {
    h.hash(&[&[1], left, right])
}

/// The root over these leaf hashes; the empty tree's is the hash of nothing.
pub fn root<H: Hasher + ?Sized>(h: &H, leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    // Level by level; what has no neighbour is one of the next level.
    while level.len() > 1 {
        let (pairs, odd) = level.as_chunks::<2>();
        let nodes: Vec<[u8; 65]> = pairs.iter().map(|[left, right]| node(left, right)).collect();
        let mut above = h.hash_each(&nodes.iter().map(<[u8; 65]>::as_slice).collect::<Vec<_>>());
        above.extend_from_slice(odd);
        level = above;
    }
    level.first().copied().unwrap_or_else(|| h.hash(&[]))
}

/// `0x01 ‖ left ‖ right`
fn node(left: &Hash, right: &Hash) -> [u8; 65] {
    let mut node = [1; 65];
    node.iter_mut().skip(1).zip(left.iter().chain(right)).for_each(|(to, from)| *to = *from);
    node
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Hash;

    pub fn sha256(parts: &[&[u8]]) -> Hash {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().try_into().unwrap()
    }

    /// The definition of RFC 6962 section 2.1, word for word.
    pub fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            _ => {
                let split = 1 << (usize::BITS - 1 - (leaves.len() - 1).leading_zeros());
                let (left, right) = leaves.split_at(split);
                sha256(&[&[1], &naive_root(left), &naive_root(right)])
            }
        }
    }

    pub fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| super::leaf_hash(&sha256, &i.to_be_bytes())).collect()
    }
}
