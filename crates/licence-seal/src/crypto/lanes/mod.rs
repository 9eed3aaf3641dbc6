//! Hashes of many messages at once, each message in a lane of the machine's vectors.
//!
//! One message cannot be hashed faster than its rounds follow one another; eight or sixteen beside one
//! another take hardly longer than one. Where the machine has no vectors of eight lanes (AVX2, AVX-512),
//! and for a few messages left over, the `sm3` crate and ring hash one after the other.
//!
//! SM3 and SHA-256 are of one build, and so share all of this but their [`Rounds`].

mod rounds;
mod sha256;
mod sm3;

use std::ops::RangeInclusive;

use fearless_simd::{Level, Simd, SimdBase, dispatch};
use zeroize::{Zeroize, ZeroizeOnDrop};

use self::rounds::Rounds;
use self::sha256::Sha256Rounds;
use self::sm3::Sm3Rounds;
use super::{Digest, Suite, sha256};

const BLOCK: usize = 64;
const LANES: RangeInclusive<usize> = 8..=MAX_LANES;
const MAX_LANES: usize = 16;
/// Fewer messages than this are sooner hashed one by one; without optimisation, any number is.
const WORTH_IT: usize = if cfg!(debug_assertions) { usize::MAX } else { 4 };

/// Where hashing begins: after the blocks that all messages have before them.
#[derive(Clone, Copy)]
struct Start {
    state: [u32; 8],
    /// Bytes in those blocks.
    before: u64,
}

/// SM3 (GB/T 32905) of each message, in their order.
fn sm3_each(messages: &[&[u8]]) -> Vec<Digest> {
    dispatch!(Level::new(), simd => hash_each::<Sm3Rounds, _>(simd, messages, WORTH_IT))
}

impl Suite {
    /// [`Self::hash`] of each message by itself, in their order: for SM3 several times sooner.
    pub fn hash_each(self, messages: &[&[u8]]) -> Vec<Digest> {
        match self {
            Self::P256Sha256 => messages.iter().map(|message| sha256(&[message])).collect(),
            Self::Sm2Sm3 => sm3_each(messages),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104) of many messages under one key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct HmacLanes {
    /// The states after the first block, which holds the key.
    inner: [u32; 8],
    outer: [u32; 8],
}

impl HmacLanes {
    /// For a key of at most 64 bytes; longer ones would be hashed first, and nothing here has one.
    pub fn new(key: &[u8]) -> Self {
        let state = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(key).for_each(|(to, byte)| *to ^= byte);
            let states = dispatch!(Level::new(), simd => {
                after_blocks::<Sha256Rounds, _>(simd, Sha256Rounds::INITIAL, &[&block])
            });
            states.first().copied().unwrap_or_default()
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    /// The code of each message, in their order; `None` if they are sooner made one by one. A first block
    /// that messages have in common with the one before them is hashed once.
    pub fn each(&self, messages: &[&[u8]]) -> Option<Vec<Digest>> {
        dispatch!(Level::new(), simd => self.each_in(simd, messages, WORTH_IT))
    }

    #[inline(always)]
    fn each_in<S: Simd>(&self, simd: S, messages: &[&[u8]], worth_it: usize) -> Option<Vec<Digest>> {
        if !LANES.contains(&S::u32s::LEN) || messages.len() < worth_it {
            return None;
        }
        let inner = self.inner_hashes(simd, messages);
        let mut codes = vec![[0; 32]; messages.len()];
        let start = Start { state: self.outer, before: BLOCK as u64 };
        let jobs = inner.iter().zip(&mut codes).map(|(rest, digest)| Job { start, rest, digest });
        hash_jobs::<Sha256Rounds, S>(simd, &mut jobs.collect::<Vec<_>>());
        Some(codes)
    }

    #[inline(always)]
    fn inner_hashes<S: Simd>(&self, simd: S, messages: &[&[u8]]) -> Vec<Digest> {
        let firsts = messages.iter().filter_map(|message| message.first_chunk());
        let mut firsts: Vec<&[u8; BLOCK]> = firsts.collect();
        firsts.dedup();
        let states = after_blocks::<Sha256Rounds, S>(simd, self.inner, &firsts);
        let mut begun = firsts.iter().zip(&states).peekable();
        let mut digests = vec![[0; 32]; messages.len()];
        let key_only = Start { state: self.inner, before: BLOCK as u64 };
        let mut jobs = Vec::with_capacity(messages.len());
        for (message, digest) in messages.iter().zip(&mut digests) {
            jobs.push(match message.split_first_chunk::<BLOCK>() {
                None => Job { start: key_only, rest: message, digest },
                Some((first, rest)) => {
                    while begun.next_if(|(block, _)| **block != first).is_some() {}
                    let state = begun.peek().map_or(self.inner, |(_, state)| **state);
                    Job { start: Start { state, before: 2 * BLOCK as u64 }, rest, digest }
                }
            });
        }
        // Rests of one length end in one block, so hardly a lane runs empty.
        jobs.sort_by_key(|job| last_block(job.rest));
        hash_jobs::<Sha256Rounds, S>(simd, &mut jobs);
        digests
    }
}

/// A message of which a beginning was hashed, and where its hash goes.
struct Job<'m, 'd> {
    start: Start,
    rest: &'m [u8],
    digest: &'d mut Digest,
}

#[inline(always)]
fn hash_each<R: Rounds, S: Simd>(simd: S, messages: &[&[u8]], worth_it: usize) -> Vec<Digest> {
    let start = Start { state: R::INITIAL, before: 0 };
    let mut digests = vec![[0; 32]; messages.len()];
    let jobs = messages.iter().zip(&mut digests).map(|(rest, digest)| Job { start, rest, digest });
    let mut jobs: Vec<Job<'_, '_>> = jobs.collect();
    jobs.sort_by_key(|job| last_block(job.rest));
    for group in jobs.chunks_mut(S::u32s::LEN.max(1)) {
        if LANES.contains(&S::u32s::LEN) && group.len() >= worth_it {
            hash_group::<R, S>(simd, group);
        } else {
            group.iter_mut().for_each(|job| *job.digest = R::alone(job.rest));
        }
    }
    digests
}

#[inline(always)]
fn hash_jobs<R: Rounds, S: Simd>(simd: S, jobs: &mut [Job<'_, '_>]) {
    for group in jobs.chunks_mut(S::u32s::LEN.max(1)) {
        hash_group::<R, S>(simd, group);
    }
}

/// The states after one block each.
#[inline(always)]
fn after_blocks<R: Rounds, S: Simd>(simd: S, from: [u32; 8], blocks: &[&[u8; BLOCK]]) -> Vec<[u32; 8]> {
    let mut states = Vec::with_capacity(blocks.len());
    for group in blocks.chunks(S::u32s::LEN.max(1)) {
        let mut state = from.map(|word| S::u32s::splat(simd, word));
        R::compress::<S>(&mut state, words(simd, group.iter().map(|block| **block)));
        states.extend((0..group.len()).map(|lane| lane_of::<S>(&state, lane)));
    }
    states
}

/// Hashes at most as many messages as there are lanes.
#[inline(always)]
fn hash_group<R: Rounds, S: Simd>(simd: S, group: &mut [Job<'_, '_>]) {
    let mut starts = [[0; MAX_LANES]; 8];
    for (lane, job) in group.iter().enumerate() {
        for (lanes, word) in starts.iter_mut().zip(job.start.state) {
            lanes.get_mut(lane).into_iter().for_each(|to| *to = word);
        }
    }
    let mut state = starts.map(|lanes| vector(simd, &lanes));
    let last = group.iter().map(|job| last_block(job.rest)).max().unwrap_or(0);
    for at in 0..=last {
        R::compress::<S>(
            &mut state,
            words(simd, group.iter().map(|job| block(job.rest, at, job.start.before))),
        );
        for (lane, job) in group.iter_mut().enumerate().filter(|(_, job)| last_block(job.rest) == at) {
            for (bytes, word) in job.digest.as_chunks_mut().0.iter_mut().zip(lane_of::<S>(&state, lane)) {
                *bytes = word.to_be_bytes();
            }
        }
    }
}

#[inline(always)]
fn vector<S: Simd>(simd: S, lanes: &[u32; MAX_LANES]) -> S::u32s {
    lanes.get(..S::u32s::LEN).map_or(S::u32s::splat(simd, 0), |lanes| S::u32s::from_slice(simd, lanes))
}

/// What a state is in one lane.
#[inline(always)]
fn lane_of<S: Simd>(state: &[S::u32s; 8], lane: usize) -> [u32; 8] {
    state.each_ref().map(|lanes| lanes.as_slice().get(lane).copied().unwrap_or_default())
}

/// The words of blocks, of each lane one: word `j` of all lanes is vector `j`.
#[inline(always)]
fn words<S: Simd>(simd: S, blocks: impl Iterator<Item = [u8; BLOCK]>) -> [S::u32s; 16] {
    // The words of a lane's block stand in one row, or half of them in one and half in another.
    let mut rows = [S::u32s::splat(simd, 0); 16];
    for (lane, block) in blocks.enumerate() {
        let mut row = [0; 16];
        row.iter_mut().zip(block.as_chunks().0).for_each(|(to, word)| *to = u32::from_be_bytes(*word));
        for (half, words) in row.chunks_exact(S::u32s::LEN).enumerate() {
            if let Some(row) = rows.get_mut(half * S::u32s::LEN + lane) {
                *row = S::u32s::from_slice(simd, words);
            }
        }
    }
    transpose::<S>(rows)
}

/// Of squares of as many rows as there are lanes: row `i` of lane `j` becomes row `j` of lane `i`. Each step
/// shuffles the upper half of the rows into the lower, which turns the place of an element (row ‖ lane,
/// in bits) by one bit.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "places within a square of at most 16 rows")]
fn transpose<S: Simd>(mut rows: [S::u32s; 16]) -> [S::u32s; 16] {
    let size = S::u32s::LEN.min(16);
    for _ in 0..size.ilog2() {
        let before = rows;
        for (at, row) in rows.iter_mut().enumerate() {
            let first = at / size * size + at % size / 2;
            let (one, other) = (before[first], before[first + size / 2]);
            *row = if at % 2 == 0 { one.zip_low(other) } else { one.zip_high(other) };
        }
    }
    rows
}

/// Number of the block that the padding ends in: a byte 0x80 and the length in 8 follow.
#[inline(always)]
fn last_block(message: &[u8]) -> usize {
    (message.len() + 8) / BLOCK
}

/// Block `at` of the padded message, which has `before` bytes before it; zeros after its last.
#[inline(always)]
fn block(message: &[u8], at: usize, before: u64) -> [u8; BLOCK] {
    let rest = message.get(at * BLOCK..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut block = [0; BLOCK];
    if let Some(to) = block.get_mut(..rest.len()) {
        to.copy_from_slice(rest);
    }
    let end = message.len().checked_sub(at * BLOCK);
    if let Some(mark) = end.and_then(|end| block.get_mut(end)) {
        *mark = 0x80;
    }
    if at == last_block(message)
        && let Some(length) = block.last_chunk_mut()
    {
        *length = ((before + message.len() as u64) * 8).to_be_bytes();
    }
    block
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::hmac;

    use super::*;

    fn one_by_one<R: Rounds>(messages: &[&[u8]]) -> Vec<Digest> {
        messages.iter().map(|message| R::alone(message)).collect()
    }

    /// Under every kind of vector that this machine has.
    fn in_all_lanes<R: Rounds>(messages: &[&[u8]]) -> Vec<Vec<Digest>> {
        let mut all = vec![dispatch!(Level::new(), simd => hash_each::<R, _>(simd, messages, 1))];
        #[cfg(target_arch = "x86_64")]
        {
            let level = Level::new();
            all.extend(level.as_avx2().map(|simd| hash_each::<R, _>(simd, messages, 1)));
            all.extend(level.as_sse4_2().map(|simd| hash_each::<R, _>(simd, messages, 1)));
        }
        all
    }

    fn codes_in_all_lanes(key: &HmacLanes, messages: &[&[u8]]) -> Vec<Vec<Digest>> {
        let mut all = vec![dispatch!(Level::new(), simd => key.each_in(simd, messages, 0))];
        #[cfg(target_arch = "x86_64")]
        all.extend(Level::new().as_avx2().map(|simd| key.each_in(simd, messages, 0)));
        all.into_iter().flatten().collect()
    }

    fn codes_one_by_one(key: &[u8], messages: &[&[u8]]) -> Vec<Digest> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        messages.iter().map(|message| hmac::sign(&key, message).as_ref().try_into().unwrap()).collect()
    }

    fn every_length(bytes: &[u8]) -> Vec<&[u8]> {
        (0..=bytes.len()).rev().map(|end| &bytes[..end]).collect()
    }

    #[test]
    fn messages_of_every_length_hash_as_they_do_alone() {
        let bytes: Vec<u8> = (0..300_u32).map(|n| (n * n) as u8).collect();
        let messages = every_length(&bytes);
        for digests in in_all_lanes::<Sm3Rounds>(&messages) {
            assert_eq!(digests, one_by_one::<Sm3Rounds>(&messages));
        }
        for digests in in_all_lanes::<Sha256Rounds>(&messages) {
            assert_eq!(digests, one_by_one::<Sha256Rounds>(&messages));
        }
        assert_eq!(sm3_each(&messages), one_by_one::<Sm3Rounds>(&messages));
        assert!(sm3_each(&[]).is_empty());
    }

    #[test]
    fn codes_of_every_length_of_message_and_key_are_those_of_ring() {
        let bytes: Vec<u8> = (0..200_u32).map(|n| (n * n + 7) as u8).collect();
        let messages = every_length(&bytes);
        // And some that have their first block in common with others, beside each other or not.
        let alike = [&bytes[..90], &bytes[..64], &bytes[..70], &bytes[9..150], &bytes[..90]];
        let messages: Vec<&[u8]> = messages.into_iter().chain(alike.repeat(5)).collect();
        for length in [0, 1, 32, 63, 64] {
            let key = &bytes[..length];
            for codes in codes_in_all_lanes(&HmacLanes::new(key), &messages) {
                assert_eq!(codes, codes_one_by_one(key, &messages));
            }
        }
    }

    #[test]
    fn the_examples_of_the_standards_come_out_in_every_lane() {
        // GB/T 32905-2016, annex A; FIPS 180-2, B.1 and the NIST vector of 448 bits.
        let long = b"abcd".repeat(16);
        in_every_lane::<Sm3Rounds>(
            [b"abc", &long],
            [
                "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
                "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
            ],
        );
        in_every_lane::<Sha256Rounds>(
            [b"abc", b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"],
            [
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ],
        );
    }

    fn in_every_lane<R: Rounds>(messages: [&[u8]; 2], expected: [&str; 2]) {
        let messages: Vec<&[u8]> = messages.into_iter().cycle().take(2 * MAX_LANES).collect();
        for digests in in_all_lanes::<R>(&messages) {
            for pair in digests.chunks(2) {
                assert_eq!(pair.iter().map(hex::encode).collect::<Vec<_>>(), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn any_messages_hash_as_they_do_alone(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40),
            key in proptest::collection::vec(any::<u8>(), 0..=64),
        ) {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            for digests in in_all_lanes::<Sm3Rounds>(&messages) {
                prop_assert_eq!(digests, one_by_one::<Sm3Rounds>(&messages));
            }
            for digests in in_all_lanes::<Sha256Rounds>(&messages) {
                prop_assert_eq!(digests, one_by_one::<Sha256Rounds>(&messages));
            }
            for codes in codes_in_all_lanes(&HmacLanes::new(&key), &messages) {
                prop_assert_eq!(codes, codes_one_by_one(&key, &messages));
            }
        }
    }
}
