//! SM3 (GB/T 32905) of many messages at once, each in a lane of the machine's vectors.
//!
//! One message cannot be hashed faster than its rounds follow one another; eight or sixteen beside
//! one another take hardly longer than one. Where the machine has no vectors of eight lanes (AVX2, AVX-512),
//! and for a few messages left over, the `sm3` crate hashes one after the other.

use fearless_simd::{Level, Simd, SimdBase, dispatch};
use sm3::{Digest as _, Sm3};

use super::Digest;

const BLOCK: usize = 64;
const LANES: std::ops::RangeInclusive<usize> = 8..=MAX_LANES;
const MAX_LANES: usize = 16;
/// Fewer messages than this are sooner hashed one by one; without optimisation, any number is.
const WORTH_IT: usize = if cfg!(debug_assertions) { usize::MAX } else { 4 };
/// GB/T 32905 5.1.
const INITIAL: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

/// The hash of each message, in their order.
pub fn sm3_each(messages: &[&[u8]]) -> Vec<Digest> {
    dispatch!(Level::new(), simd => hash_each(simd, messages, WORTH_IT))
}

#[inline(always)]
fn hash_each<S: Simd>(simd: S, messages: &[&[u8]], worth_it: usize) -> Vec<Digest> {
    let mut digests = vec![[0; 32]; messages.len()];
    // Messages of one length end in one block, so hardly a lane runs empty.
    let mut pairs: Vec<(&[u8], &mut Digest)> = messages.iter().copied().zip(&mut digests).collect();
    pairs.sort_by_key(|(message, _)| message.len());
    for group in pairs.chunks_mut(S::u32s::LEN.max(1)) {
        if LANES.contains(&S::u32s::LEN) && group.len() >= worth_it {
            hash_group(simd, group);
        } else {
            group.iter_mut().for_each(|(message, digest)| **digest = Sm3::digest(message).into());
        }
    }
    digests
}

/// Hashes at most as many messages as there are lanes.
#[inline(always)]
fn hash_group<S: Simd>(simd: S, group: &mut [(&[u8], &mut Digest)]) {
    let mut state = INITIAL.map(|word| S::u32s::splat(simd, word));
    let last = group.iter().map(|(message, _)| last_block(message)).max().unwrap_or(0);
    for at in 0..=last {
        let mut words = [[0; MAX_LANES]; 16];
        for (lane, (message, _)) in group.iter().enumerate() {
            for (lanes, bytes) in words.iter_mut().zip(block(message, at).as_chunks().0) {
                if let Some(word) = lanes.get_mut(lane) {
                    *word = u32::from_be_bytes(*bytes);
                }
            }
        }
        let vector =
            |lanes: [u32; MAX_LANES]| lanes.get(..S::u32s::LEN).map(|lanes| S::u32s::from_slice(simd, lanes));
        compress::<S>(&mut state, words.map(|lanes| vector(lanes).unwrap_or(S::u32s::splat(simd, 0))));
        for (lane, (_, digest)) in
            group.iter_mut().enumerate().filter(|(_, (message, _))| last_block(message) == at)
        {
            for (bytes, lanes) in digest.as_chunks_mut().0.iter_mut().zip(&state) {
                *bytes = lanes.as_slice().get(lane).copied().unwrap_or_default().to_be_bytes();
            }
        }
    }
}

/// Number of the block that the padding ends in (GB/T 32905 5.2): a byte 0x80 and the length in 8 follow.
#[inline(always)]
fn last_block(message: &[u8]) -> usize {
    (message.len() + 8) / BLOCK
}

/// Block `at` of the padded message; zeros after its last.
#[inline(always)]
fn block(message: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = message.get(at * BLOCK..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    let end = message.len().checked_sub(at * BLOCK);
    if let Some(mark) = end.and_then(|end| block.get_mut(end)) {
        *mark = 0x80;
    }
    if at == last_block(message)
        && let Some(length) = block.last_chunk_mut()
    {
        *length = (message.len() as u64 * 8).to_be_bytes();
    }
    block
}

/// GB/T 32905 5.3.2 and 5.3.3, with the expanded words made as they are needed.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "an index modulo 16 is in an array of 16")]
fn compress<S: Simd>(state: &mut [S::u32s; 8], mut w: [S::u32s; 16]) {
    let rotate = |x: S::u32s, by: u32| (x << by) | (x >> (32 - by));
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for j in 0..64_usize {
        let word = w[j % 16];
        if j >= 12 {
            let x = w[(j + 4) % 16] ^ w[(j + 11) % 16] ^ rotate(w[(j + 1) % 16], 15);
            let p1 = x ^ rotate(x, 15) ^ rotate(x, 23);
            w[(j + 4) % 16] = p1 ^ rotate(w[(j + 7) % 16], 7) ^ w[(j + 14) % 16];
        }
        let t = if j < 16 { 0x79cc_4519_u32 } else { 0x7a87_9d8a }.rotate_left(j as u32 % 32);
        let (ff, gg) =
            if j < 16 { (a ^ b ^ c, e ^ f ^ g) } else { ((a & b) | ((a | b) & c), ((f ^ g) & e) ^ g) };
        let a12 = rotate(a, 12);
        let ss1 = rotate(a12 + e + t, 7);
        let tt1 = ff + d + (ss1 ^ a12) + (word ^ w[(j + 4) % 16]);
        let tt2 = gg + h + ss1 + word;
        (d, c, b, a) = (c, rotate(b, 9), a, tt1);
        (h, g, f, e) = (g, rotate(f, 19), e, tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17));
    }
    for (before, after) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *before ^= after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(messages: &[&[u8]]) -> Vec<Digest> {
        messages.iter().map(|message| Sm3::digest(message).into()).collect()
    }

    /// Under every kind of vector that this machine has.
    fn in_all_lanes(messages: &[&[u8]]) -> Vec<Vec<Digest>> {
        let mut all = vec![sm3_each(messages), dispatch!(Level::new(), simd => hash_each(simd, messages, 1))];
        #[cfg(target_arch = "x86_64")]
        {
            let level = Level::new();
            all.extend(level.as_avx2().map(|simd| hash_each(simd, messages, 1)));
            all.extend(level.as_sse4_2().map(|simd| hash_each(simd, messages, 1)));
        }
        all
    }

    #[test]
    fn messages_of_every_length_hash_as_they_do_alone() {
        let bytes: Vec<u8> = (0..300_u32).map(|n| (n * n) as u8).collect();
        let messages: Vec<&[u8]> = (0..=bytes.len()).rev().map(|end| &bytes[..end]).collect();
        for digests in in_all_lanes(&messages) {
            assert_eq!(digests, one_by_one(&messages));
        }
        assert!(sm3_each(&[]).is_empty());
    }

    #[test]
    fn the_examples_of_the_standard_come_out_in_every_lane() {
        // GB/T 32905-2016, annex A.
        let (short, long) = (b"abc".as_slice(), b"abcd".repeat(16));
        let messages: Vec<&[u8]> = [short, &long].into_iter().cycle().take(2 * MAX_LANES).collect();
        for digests in in_all_lanes(&messages) {
            for pair in digests.chunks(2) {
                assert_eq!(
                    pair.iter().map(hex::encode).collect::<Vec<_>>(),
                    [
                        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
                        "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
                    ]
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_messages_hash_as_they_do_alone(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40)
        ) {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            for digests in in_all_lanes(&messages) {
                prop_assert_eq!(digests, one_by_one(&messages));
            }
        }
    }
}
