//! The picture of the golden seals: a red ring on transparent ground, as a PNG.
//!
//! Four shades of a palette in stored (uncompressed) blocks: the bytes depend on nothing but this
//! file, so a golden seal stays what it is when the drawing or a compression library changes.

use flate2::Crc;

/// Side of the square, in pixels.
const SIDE: i32 = 112;
/// The outer ring and a thin one inside it, as outer and inner radius in quarter pixels.
const RINGS: [(i32, i32); 2] = [(220, 200), (184, 180)];

/// A plain red seal ring, PNG, below 4 KiB.
pub fn plain_ring() -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..SIDE {
        rows.push(0); // filter: none
        for x in (0..SIDE).step_by(4) {
            let byte = (x..x + 4).fold(0, |byte, x| (byte << 2) | shade(x, y));
            rows.push(byte);
        }
    }
    let side = u32::try_from(SIDE).unwrap_or(0).to_be_bytes();
    let header = [side.as_slice(), &side, &[2, 3, 0, 0, 0]].concat();
    let red = [0xd6, 0x1f, 0x26];
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"PLTE", &red.repeat(4)),
        chunk(b"tRNS", &[0, 85, 170, 255]),
        chunk(b"IDAT", &stored(&rows)),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// How much of a pixel the rings cover, 0 to 3, from 16 samples.
fn shade(x: i32, y: i32) -> u8 {
    let mut hits = 0;
    for sample in 0..16 {
        // In eighths of a pixel, from the centre.
        let dx = (x - SIDE / 2) * 8 + (sample % 4) * 2 + 1;
        let dy = (y - SIDE / 2) * 8 + (sample / 4) * 2 + 1;
        let square = dx * dx + dy * dy;
        if RINGS.iter().any(|(outer, inner)| square <= 4 * outer * outer && square >= 4 * inner * inner) {
            hits += 1;
        }
    }
    (hits + 2) / 5
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap_or(0).to_be_bytes();
    [length.as_slice(), kind, data, &crc.sum().to_be_bytes()].concat()
}

/// A zlib stream of one stored block (RFC 1950, RFC 1951 3.2.4); `data` is below 64 KiB.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(0);
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let head = [0x78, 0x01, 0x01];
    let sum = (b << 16) | a;
    [head.as_slice(), &length.to_le_bytes(), &(!length).to_le_bytes(), data, &sum.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_ring_is_a_small_picture_that_inflates() {
        let png = plain_ring();
        assert!(png.len() <= super::super::MAX_OWN_PICTURE);
        let at = png.windows(4).position(|name| name == b"IDAT").unwrap();
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&png[at + 4..]).read_to_end(&mut rows).unwrap();
        assert_eq!(rows.len(), 112 * 29);
        // The centre is empty, the rim is red.
        assert_eq!(rows[56 * 29 + 14], 0);
        assert!(rows[56 * 29 + 1] != 0);
    }
}
