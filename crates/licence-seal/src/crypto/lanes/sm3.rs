//! SM3 (GB/T 32905).

use fearless_simd::Simd;
use sm3::{Digest as _, Sm3};

use super::rounds::{Rounds, choose, majority, rotate, sixteen};
use crate::crypto::Digest;

pub struct Sm3Rounds;

impl Rounds for Sm3Rounds {
    /// GB/T 32905 5.1.
    const INITIAL: [u32; 8] = [
        0x7380_166f,
        0x4914_b2b9,
        0x1724_42d7,
        0xda8a_0600,
        0xa96f_30bc,
        0x1631_38aa,
        0xe38d_ee4d,
        0xb0fb_0e4e,
    ];

    /// GB/T 32905 5.3.2 and 5.3.3, with the expanded words made as they are needed.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "places below 16 in an array of 16")]
    fn compress<S: Simd>(state: &mut [S::u32s; 8], mut w: [S::u32s; 16]) {
        let rotate = rotate::<S>;
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        for begun in 0..4 {
            sixteen(
                #[inline(always)]
                |j| {
                    let word = w[j];
                    if begun > 0 || j >= 12 {
                        let x = w[(j + 4) % 16] ^ w[(j + 11) % 16] ^ rotate(w[(j + 1) % 16], 15);
                        let p1 = x ^ rotate(x, 15) ^ rotate(x, 23);
                        w[(j + 4) % 16] = p1 ^ rotate(w[(j + 7) % 16], 7) ^ w[(j + 14) % 16];
                    }
                    let (t, ff, gg) = match begun {
                        0 => (0x79cc_4519_u32, a ^ b ^ c, e ^ f ^ g),
                        _ => (0x7a87_9d8a, majority::<S>(a, b, c), choose::<S>(e, f, g)),
                    };
                    let a12 = rotate(a, 12);
                    let ss1 = rotate(a12 + e + t.rotate_left((16 * begun + j as u32) % 32), 7);
                    let tt1 = ff + d + (ss1 ^ a12) + (word ^ w[(j + 4) % 16]);
                    let tt2 = gg + h + ss1 + word;
                    (d, c, b, a) = (c, rotate(b, 9), a, tt1);
                    (h, g, f, e) = (g, rotate(f, 19), e, tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17));
                },
            );
        }
        for (before, after) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *before ^= after;
        }
    }

    fn alone(message: &[u8]) -> Digest {
        Sm3::digest(message).into()
    }
}
