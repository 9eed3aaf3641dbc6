//! What SM3 and SHA-256 have in common: rounds over words, and their steps.

use fearless_simd::Simd;

use crate::crypto::Digest;

/// A hash over blocks of 64 bytes and a state of eight words of 32 bits, big-endian, padded with a bit,
/// zeros and the length in 64 bits (GB/T 32905 5.2, FIPS 180-4 5.1.1).
pub(super) trait Rounds {
    const INITIAL: [u32; 8];

    fn compress<S: Simd>(state: &mut [S::u32s; 8], words: [S::u32s; 16]);

    /// The hash of one message by a library that does nothing beside it.
    fn alone(message: &[u8]) -> Digest;
}

/// Sixteen rounds written out: the places of words in their ring are then known when this is compiled.
#[inline(always)]
pub(super) fn sixteen(mut round: impl FnMut(usize)) {
    round(0);
    round(1);
    round(2);
    round(3);
    round(4);
    round(5);
    round(6);
    round(7);
    round(8);
    round(9);
    round(10);
    round(11);
    round(12);
    round(13);
    round(14);
    round(15);
}

#[inline(always)]
pub(super) fn rotate<S: Simd>(x: S::u32s, by: u32) -> S::u32s {
    (x << by) | (x >> (32 - by))
}

/// Of each bit that of `y` or of `z`, as `x` says.
#[inline(always)]
pub(super) fn choose<S: Simd>(x: S::u32s, y: S::u32s, z: S::u32s) -> S::u32s {
    ((y ^ z) & x) ^ z
}

/// Of each bit what two of three have.
#[inline(always)]
pub(super) fn majority<S: Simd>(x: S::u32s, y: S::u32s, z: S::u32s) -> S::u32s {
    (x & y) | ((x | y) & z)
}
