//! Paths as a PNG of one colour on transparent ground.

use ::png::{BitDepth, ColorType, Compression, Decoder, Encoder, Filter, Limits};
use tiny_skia::{FillRule, Mask, PathBuilder, Transform};

use super::{Colour, DrawingError, Path, Segment};

/// Largest side of a picture, in pixels.
const MAX_SIDE: u32 = 4096;
/// Memory that decoding a picture may take, in bytes.
const MAX_MEMORY: usize = 64 * 1024 * 1024;

/// Bits of a pixel: four shades, the fewest that still look smooth.
const BITS: u8 = 2;
/// The deepest shade.
const DEEPEST: u8 = (1 << BITS) - 1;

/// Draws a shape. `width` and `height` in pixels; `scale` is pixels for each unit of the path.
/// The same arguments give the same bytes.
pub fn png(
    path: &Path,
    [width, height]: [u32; 2],
    scale: f32,
    colour: Colour,
) -> Result<Vec<u8>, DrawingError> {
    let coverage = coverage(path, [width, height], scale)?;
    let row_length = usize::try_from(width).map_err(|_| DrawingError::Size)?;
    let pixels_of_a_byte = usize::from(8 / BITS);
    let mut rows = Vec::new();
    for row in coverage.chunks(row_length) {
        for pixels in row.chunks(pixels_of_a_byte) {
            let shade = |at| shade(pixels.get(at).copied().unwrap_or_default());
            rows.push((0..pixels_of_a_byte).fold(0, |byte, at| (byte << BITS) | shade(at)));
        }
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Two);
    encoder.set_palette(colour.repeat(usize::from(DEEPEST) + 1));
    encoder.set_trns((0..=DEEPEST).map(|shade| shade * (255 / DEEPEST)).collect::<Vec<u8>>());
    encoder.set_compression(Compression::High);
    encoder.set_filter(Filter::NoFilter);
    let told = |why: ::png::EncodingError| DrawingError::Png(why.to_string());
    let mut writer = encoder.write_header().map_err(told)?;
    writer.write_image_data(&rows).map_err(told)?;
    writer.finish().map_err(told)?;
    Ok(out)
}

/// The shade nearest to a coverage.
fn shade(covered: u8) -> u8 {
    let step = 255 / DEEPEST;
    covered.saturating_add(step / 2) / step
}

/// How much of each pixel the shape covers, 0 to 255, row by row.
fn coverage(path: &Path, [width, height]: [u32; 2], scale: f32) -> Result<Vec<u8>, DrawingError> {
    if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        return Err(DrawingError::Size);
    }
    let mut builder = PathBuilder::new();
    for segment in path.segments() {
        match *segment {
            Segment::Move([x, y]) => builder.move_to(x, y),
            Segment::Line([x, y]) => builder.line_to(x, y),
            Segment::Quad([a, b], [x, y]) => builder.quad_to(a, b, x, y),
            Segment::Cubic([a, b], [c, d], [x, y]) => builder.cubic_to(a, b, c, d, x, y),
            Segment::Close => builder.close(),
        }
    }
    let mut mask = Mask::new(width, height).ok_or(DrawingError::Size)?;
    if let Some(path) = builder.finish() {
        mask.fill_path(&path, FillRule::Winding, true, Transform::from_scale(scale, scale));
    }
    Ok(mask.data().to_vec())
}

/// Decodes a PNG to its end, in bounded memory; its width and height in pixels.
pub fn png_size(bytes: &[u8]) -> Result<[u32; 2], DrawingError> {
    let told = |why: ::png::DecodingError| DrawingError::Png(why.to_string());
    let mut reader = Decoder::new_with_limits(std::io::Cursor::new(bytes), Limits { bytes: MAX_MEMORY })
        .read_info()
        .map_err(told)?;
    let (width, height) = reader.info().size();
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(DrawingError::Size);
    }
    while reader.next_row().map_err(told)?.is_some() {}
    reader.finish().map_err(told)?;
    Ok([width, height])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ring_is_drawn_and_decodes() {
        let ring = Path::ring([20.0, 20.0], 19.0, 15.0);
        let picture = png(&ring, [81, 80], 2.0, [200, 0, 0]).unwrap();
        assert_eq!(png_size(&picture), Ok([81, 80]));
        assert_eq!(picture, png(&ring, [81, 80], 2.0, [200, 0, 0]).unwrap());
        let mut decoder = Decoder::new(std::io::Cursor::new(&picture));
        decoder.set_transformations(::png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let alpha = |x: usize, y: usize| pixels[(y * 81 + x) * 4 + 3];
        assert_eq!((alpha(40, 40), alpha(5, 40), alpha(0, 0)), (0, 255, 0));
        assert_eq!(png(&ring, [0, 1], 1.0, [0; 3]), Err(DrawingError::Size));
        assert_eq!(png(&ring, [1, 5000], 1.0, [0; 3]), Err(DrawingError::Size));
    }

    #[test]
    fn a_picture_that_is_cut_off_or_lies_about_its_size_is_none() {
        let picture = png(&Path::star([9.0, 9.0], 8.0), [18, 18], 1.0, [0; 3]).unwrap();
        for end in 0..picture.len() - 12 {
            assert!(png_size(&picture[..end]).is_err(), "{end}");
        }
        let mut larger = picture.clone();
        larger[18] = 0x7f;
        assert!(png_size(&larger).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_the_decoder(bytes: Vec<u8>) {
            let head = [b"\x89PNG\r\n\x1a\n".as_slice(), &bytes].concat();
            let _ = png_size(&head);
            let _ = png_size(&bytes);
        }
    }
}
