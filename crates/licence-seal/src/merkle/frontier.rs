//! The right edge of a growing tree: all that appending needs to know of what came before.

use super::{Hash, Hasher, node_hash};

/// The roots of the complete subtrees a tree of `size` leaves falls into, largest first: one for
/// each 1 in the binary form of `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Takes up a stored frontier. `None` unless there is one peak for each 1 bit of `size`.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtree roots, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf hash.
    pub fn append<H: Hasher + ?Sized>(&mut self, h: &H, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(h, &left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the tree so far; the hash of nothing while it is empty.
    pub fn root<H: Hasher + ?Sized>(&self, h: &H) -> Hash {
        let mut from_the_right = self.peaks.iter().rev();
        match from_the_right.next() {
            None => h.hash(&[]),
            Some(last) => from_the_right.fold(*last, |right, left| node_hash(h, left, &right)),
        }
    }

    /// `size` as u64 little-endian, then the peaks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_le_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak));
        bytes
    }

    /// The reverse of [`Frontier::to_bytes`]; `None` for anything it cannot have written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<8>()?;
        let (peaks, odd) = rest.as_chunks::<32>();
        if !odd.is_empty() {
            return None;
        }
        Self::from_parts(u64::from_le_bytes(*size), peaks.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{leaves, naive_root, sha256};
    use super::*;

    #[test]
    fn the_root_is_the_definition_s_at_every_size() {
        let all = leaves(70);
        let mut frontier = Frontier::default();
        for size in 0..=all.len() {
            assert_eq!(frontier.root(&sha256), naive_root(&all[..size]), "size {size}");
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Some(frontier.clone()));
            if let Some(leaf) = all.get(size) {
                frontier.append(&sha256, *leaf);
            }
        }
    }

    #[test]
    fn a_frontier_with_the_wrong_number_of_peaks_is_refused() {
        assert_eq!(Frontier::from_parts(3, leaves(1)), None);
        assert_eq!(Frontier::from_parts(0, leaves(1)), None);
        assert_eq!(Frontier::from_bytes(&[0; 7]), None);
        assert_eq!(Frontier::from_bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 9]), None);
    }
}
