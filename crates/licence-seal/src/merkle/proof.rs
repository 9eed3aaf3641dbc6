//! Inclusion and consistency, made and checked.

use super::{Hash, Hasher, node_hash};

/// Roots of complete subtrees of a tree.
pub trait Nodes {
    /// The root over the `2^level` leaves from `index · 2^level` on; `None` when they are not all
    /// there or cannot be read.
    fn node(&self, level: u32, index: u64) -> Option<Hash>;
}

/// The root of the first `size` leaves. `None` when a node is missing or `size` is 0.
pub fn root_in<H: Hasher + ?Sized, N: Nodes + ?Sized>(h: &H, nodes: &N, size: u64) -> Option<Hash> {
    range_root(h, nodes, 0, size)
}

/// The audit path of leaf `index` in the tree of `size` leaves, leaf end first
/// (RFC 6962 section 2.1.1). `None` when `index` is not in the tree or a node is missing.
pub fn path_in<H: Hasher + ?Sized, N: Nodes + ?Sized>(
    h: &H,
    nodes: &N,
    index: u64,
    size: u64,
) -> Option<Vec<Hash>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(h, nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(h, nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The proof that the tree of `size1` leaves is a prefix of that of `size2` (RFC 6962 section
/// 2.1.2). `None` when `size1` is 0 or more than `size2`, or a node is missing.
pub fn consistency_path_in<H: Hasher + ?Sized, N: Nodes + ?Sized>(
    h: &H,
    nodes: &N,
    size1: u64,
    size2: u64,
) -> Option<Vec<Hash>> {
    if size1 == 0 || size1 > size2 {
        return None;
    }
    let (mut start, mut end) = (0, size2);
    let mut path = Vec::new();
    while end != size1 {
        let middle = start + split(end - start);
        if size1 <= middle {
            path.push(range_root(h, nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(h, nodes, start, middle)?);
            start = middle;
        }
    }
    // The old tree's root is known to the verifier; only a part of it has to be sent.
    if start != 0 {
        path.push(range_root(h, nodes, start, end)?);
    }
    path.reverse();
    Some(path)
}

/// [`path_in`] over a slice of all leaf hashes.
pub fn inclusion_path<H: Hasher + ?Sized>(h: &H, leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    path_in(h, &Slice { h, leaves }, index, leaves.len() as u64)
}

/// [`consistency_path_in`] from the first `size1` leaves of a slice to all of it.
pub fn consistency_path<H: Hasher + ?Sized>(h: &H, leaves: &[Hash], size1: u64) -> Option<Vec<Hash>> {
    consistency_path_in(h, &Slice { h, leaves }, size1, leaves.len() as u64)
}

/// The root that `leaf` (a leaf hash) at `index` of `size` leaves leads to along `path`; `None` when
/// the index is outside the tree or the path is not of exactly the right length
/// (RFC 9162 section 2.1.3.2).
pub fn root_from_path<H: Hasher + ?Sized>(
    h: &H,
    index: u64,
    size: u64,
    leaf: &Hash,
    path: &[Hash],
) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut node = *leaf;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            node = node_hash(h, sibling, &node);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(h, &node, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(node)
}

/// True only when `path` proves that the tree of `size1` leaves and `root1` is a prefix of that of
/// `size2` and `root2` (RFC 9162 section 2.1.4.2). `size1` = 0 and `size1` > `size2` are refused.
pub fn verify_consistency<H: Hasher + ?Sized>(
    h: &H,
    size1: u64,
    size2: u64,
    root1: &Hash,
    root2: &Hash,
    path: &[Hash],
) -> bool {
    if size1 == 0 || size1 > size2 {
        return false;
    }
    if size1 == size2 {
        return path.is_empty() && root1 == root2;
    }
    // When the old tree is complete its root opens the path, unsent.
    let (first, rest) = if size1.is_power_of_two() {
        (root1, path)
    } else {
        match path.split_first() {
            Some(split) => split,
            None => return false,
        }
    };
    let shift = (size1 - 1).trailing_ones();
    let (mut at, mut last) = ((size1 - 1) >> shift, (size2 - 1) >> shift);
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(h, sibling, &old);
            new = node_hash(h, sibling, &new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(h, &new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == *root1 && new == *root2
}

/// The largest power of two below `count`, for `count` > 1.
fn split(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// The root of leaves `start..end`, where `start` is a multiple of the power of two at or above
/// `end - start`, as it is for every subtree of RFC 6962.
fn range_root<H: Hasher + ?Sized, N: Nodes + ?Sized>(h: &H, nodes: &N, start: u64, end: u64) -> Option<Hash> {
    let count = end.checked_sub(start)?;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    if count == 0 {
        return None;
    }
    let middle = start + split(count);
    let left = range_root(h, nodes, start, middle)?;
    let right = range_root(h, nodes, middle, end)?;
    Some(node_hash(h, &left, &right))
}

struct Slice<'a, H: ?Sized> {
    h: &'a H,
    leaves: &'a [Hash],
}

impl<H: Hasher + ?Sized> Nodes for Slice<'_, H> {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        if level == 0 {
            return self.leaves.get(usize::try_from(index).ok()?).copied();
        }
        let left = self.node(level - 1, index * 2)?;
        let right = self.node(level - 1, index * 2 + 1)?;
        Some(node_hash(self.h, &left, &right))
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use base64::prelude::*;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::testing::{leaves, naive_root, sha256};
    use super::*;

    #[test]
    fn every_leaf_of_every_tree_up_to_forty_is_proved() {
        let all = leaves(40);
        for size in 1..=all.len() {
            let root = naive_root(&all[..size]);
            for index in 0..size as u64 {
                let path = inclusion_path(&sha256, &all[..size], index).unwrap();
                let leaf = &all[index as usize];
                let found = root_from_path(&sha256, index, size as u64, leaf, &path);
                assert_eq!(found, Some(root), "{index} of {size}");
            }
            assert_eq!(inclusion_path(&sha256, &all[..size], size as u64), None);
        }
    }

    #[test]
    fn every_prefix_of_every_tree_up_to_forty_is_consistent() {
        let all = leaves(40);
        for size2 in 1..=all.len() {
            for size1 in 1..=size2 {
                let path = consistency_path(&sha256, &all[..size2], size1 as u64).unwrap();
                let (old, new) = (naive_root(&all[..size1]), naive_root(&all[..size2]));
                let holds = verify_consistency(&sha256, size1 as u64, size2 as u64, &old, &new, &path);
                assert!(holds, "{size1} to {size2}");
            }
        }
        assert_eq!(consistency_path(&sha256, &all, 0), None);
        assert_eq!(consistency_path(&sha256, &all, 41), None);
    }

    proptest! {
        #[test]
        fn no_single_changed_bit_of_an_inclusion_proof_is_accepted(size in 1usize..90, pick: u64, bit in 0usize..256) {
            let all = leaves(size);
            let index = pick % size as u64;
            let root = naive_root(&all);
            let path = inclusion_path(&sha256, &all, index).unwrap();
            let leaf = all[index as usize];
            let accepts = |leaf: &Hash, path: &[Hash]| {
                root_from_path(&sha256, index, size as u64, leaf, path) == Some(root)
            };
            prop_assert!(accepts(&leaf, &path));
            prop_assert!(!accepts(&flipped(leaf, bit), &path));
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = flipped(changed[at], bit);
                prop_assert!(!accepts(&leaf, &changed));
            }
            let mut longer = path.clone();
            longer.push(root);
            prop_assert_eq!(root_from_path(&sha256, index, size as u64, &leaf, &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                prop_assert_eq!(root_from_path(&sha256, index, size as u64, &leaf, shorter), None);
            }
        }

        #[test]
        fn no_single_changed_bit_of_a_consistency_proof_is_accepted(size in 2usize..90, pick: usize, bit in 0usize..256) {
            let all = leaves(size);
            let first = 1 + pick % (size - 1);
            let (old, new) = (naive_root(&all[..first]), naive_root(&all));
            let path = consistency_path(&sha256, &all, first as u64).unwrap();
            let accepts = |old: &Hash, new: &Hash, path: &[Hash]| {
                verify_consistency(&sha256, first as u64, size as u64, old, new, path)
            };
            prop_assert!(accepts(&old, &new, &path));
            prop_assert!(!accepts(&flipped(old, bit), &new, &path));
            prop_assert!(!accepts(&old, &flipped(new, bit), &path));
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = flipped(changed[at], bit);
                prop_assert!(!accepts(&old, &new, &changed));
            }
        }
    }

    #[test]
    fn the_inclusion_vectors_of_transparency_dev_come_out() {
        let Some(files) = vector_files("tlog-merkle/testdata/inclusion") else { return };
        assert_eq!(files.len(), 98);
        for file in files {
            let case = read(&file);
            let outcome = || {
                let leaf = hash(&case["leafHash"])?;
                let found = root_from_path(
                    &sha256,
                    case["leafIdx"].as_u64()?,
                    case["treeSize"].as_u64()?,
                    &leaf,
                    &path(&case)?,
                )?;
                (found == hash(&case["root"])?).then_some(())
            };
            assert_eq!(outcome().is_none(), case["wantErr"].as_bool().unwrap(), "{}", file.display());
        }
    }

    #[test]
    fn the_consistency_vectors_of_transparency_dev_come_out() {
        let Some(files) = vector_files("tlog-merkle/testdata/consistency") else { return };
        assert_eq!(files.len(), 98);
        for file in files {
            // Its roots have 12 bytes, which a 32-byte type cannot hold.
            if file.ends_with("additional/sizes-are-equal-one-and-proof-is-empty.json") {
                continue;
            }
            let case = read(&file);
            let outcome = || {
                let (size1, size2) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
                let (root1, root2) = (hash(&case["root1"])?, hash(&case["root2"])?);
                verify_consistency(&sha256, size1, size2, &root1, &root2, &path(&case)?).then_some(())
            };
            assert_eq!(outcome().is_none(), case["wantErr"].as_bool().unwrap(), "{}", file.display());
        }
    }

    #[test]
    fn the_roots_of_the_tessera_test_log_come_out() {
        let Some(base) = vectors("tlog-testlog/testdata/log") else { return };
        for size in 0..=15usize {
            let note = std::fs::read_to_string(base.join(format!("checkpoint.{size}"))).unwrap();
            let expected = BASE64_STANDARD.decode(note.lines().nth(2).unwrap()).unwrap();
            let tile = match size {
                0 => Vec::new(),
                _ => std::fs::read(base.join(format!("tile/0/000.p/{size}"))).unwrap(),
            };
            let (leaves, odd) = tile.as_chunks::<32>();
            assert!(odd.is_empty());
            assert_eq!(super::super::root(&sha256, leaves).as_slice(), expected, "size {size}");
        }
    }

    fn flipped(mut hash: Hash, bit: usize) -> Hash {
        hash[bit / 8] ^= 1 << (bit % 8);
        hash
    }

    fn vectors(folder: &str) -> Option<PathBuf> {
        let base = std::env::var("LICENCE_VECTORS")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into());
        let path = Path::new(&base).join(folder);
        if !path.exists() {
            println!("skipped: no {folder} (set LICENCE_VECTORS)");
            return None;
        }
        Some(path)
    }

    fn vector_files(folder: &str) -> Option<Vec<PathBuf>> {
        let mut open = vec![vectors(folder)?];
        let mut files = Vec::new();
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { files.push(path) }
            }
        }
        Some(files)
    }

    fn read(file: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    fn hash(value: &Value) -> Option<Hash> {
        BASE64_STANDARD.decode(value.as_str()?).ok()?.try_into().ok()
    }

    fn path(case: &Value) -> Option<Vec<Hash>> {
        match &case["proof"] {
            Value::Null => Some(Vec::new()),
            proof => proof.as_array()?.iter().map(hash).collect(),
        }
    }
}
