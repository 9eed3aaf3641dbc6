//! A seal's picture: drawn here when none is given, checked when one is.
//!
//! The drawn seal looks as the rules for official seals (国发〔1999〕25号) and custom have it: round,
//! red, a five-pointed star in the middle, the name along the ring from left to right with the feet of
//! the characters towards the star, and what the seal is for in a straight line below. 40 mm across
//! with a ring of 1.2 mm. Long names get narrower characters, not a larger seal.
//!
//! The picture goes into every file that the seal seals, so the PNG is made to fit
//! [`MAX_OWN_PICTURE`]: two bits a pixel, and as many pixels as fit. The SVG has the same shapes
//! without that limit, for print and for pages.

use super::Picture;
use super::error::SesError;
use super::limits::MAX_OWN_PICTURE;
use crate::drawing::{Affine, Colour, DrawingError, Font, Glyph, Path, png, png_size, svg};

/// Longest name that is drawn, in characters.
pub const MAX_NAME: usize = 30;
/// Longest text below the star, in characters.
pub const MAX_LOWER_TEXT: usize = 16;

const RED: Colour = [0xd6, 0x1f, 0x26];
/// Side of the picture, in mm.
const SIDE: u8 = 40;
const CENTRE: [f32; 2] = [20.0, 20.0];
/// The ring: outer and inner radius, in mm.
const RING: (f32, f32) = (19.8, 18.6);
const STAR_RADIUS: f32 = 6.2;
/// Where the heads of the name's characters stand, in mm from the centre.
const NAME_RADIUS: f32 = 17.5;
/// Angle from one character of the name to the next, at most, in degrees.
const MAX_STEP: f32 = 32.0;
/// Angle that the name may take, without and with a text below, in degrees.
const NAME_ARC: (f32, f32) = (290.0, 232.0);
/// Height of the name's characters when few and when many, in mm.
const NAME_HEIGHT: (f32, f32) = (6.2, 4.4);
/// Middle of the text below the star, in mm below the centre; its height and greatest width.
const LOWER: (f32, f32, f32) = (10.9, 3.6, 23.0);
/// Height and depth of a hanzi's ink above and below the baseline, in em.
const INK: (f32, f32) = (0.84, 0.11);
/// Sides in pixels that are tried, from the largest down.
const SIDES: [u32; 13] = [256, 240, 224, 208, 192, 176, 168, 160, 152, 144, 128, 112, 96];
/// Pixels a side that a given picture may have.
const MAX_PIXELS: usize = 4096;
/// Millimetres a side that a given picture may have.
const MAX_MM: u32 = 100;

/// A seal as drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drawn {
    pub svg: String,
    /// Below [`MAX_OWN_PICTURE`].
    pub png: Vec<u8>,
    /// Side of the square, in mm.
    pub side: u32,
}

impl Drawn {
    /// The PNG as the picture of a seal.
    pub fn picture(&self) -> Picture {
        Picture { kind: "PNG".to_owned(), data: self.png.clone(), width: self.side, height: self.side }
    }
}

/// Draws the round red seal of `name` (1 to [`MAX_NAME`] characters), with `lower` (1 to
/// [`MAX_LOWER_TEXT`]) below the star. A character that the font lacks is an error that names it.
pub fn draw(name: &str, lower: Option<&str>) -> Result<Drawn, SesError> {
    let font = Font::embedded()?;
    let mut shape = Path::ring(CENTRE, RING.0, RING.1);
    shape.push(&Path::star(CENTRE, STAR_RADIUS));
    let arc = if lower.is_some() { NAME_ARC.1 } else { NAME_ARC.0 };
    shape.push(&along_the_ring(&glyphs(&font, name, MAX_NAME)?, arc));
    if let Some(lower) = lower {
        shape.push(&below_the_star(&glyphs(&font, lower, MAX_LOWER_TEXT)?));
    }
    let side = f32::from(SIDE);
    for pixels in SIDES {
        // At most 256, so exact.
        let scale = u16::try_from(pixels).map_or(1.0, f32::from) / side;
        let png = png(&shape, [pixels; 2], scale, RED)?;
        if png.len() <= MAX_OWN_PICTURE {
            return Ok(Drawn { svg: svg(&shape, side, side, RED), png, side: u32::from(SIDE) });
        }
    }
    Err(SesError::TooLong("the picture"))
}

fn glyphs(font: &Font, text: &str, longest: usize) -> Result<Vec<Glyph>, SesError> {
    let count = text.chars().count();
    if count == 0 || count > longest {
        return Err(SesError::Picture(
            "a name of 1 to 30 characters and a lower text of 1 to 16 can be drawn",
        ));
    }
    Ok(text.chars().map(|character| font.glyph(character)).collect::<Result<_, DrawingError>>()?)
}

/// Characters evenly spread over an arc whose middle is at the top.
fn along_the_ring(glyphs: &[Glyph], arc: f32) -> Path {
    let count = count(glyphs);
    let step = (arc / count).min(MAX_STEP);
    // From few (8) to many (30) the characters get lower.
    let many = ((count - 8.0) / 22.0).clamp(0.0, 1.0);
    let height = NAME_HEIGHT.0 + (NAME_HEIGHT.1 - NAME_HEIGHT.0) * many;
    // What one character may take at its foot, where the arc is shortest.
    let foot = NAME_RADIUS - height;
    let room = 2.0 * foot * (step / 2.0).to_radians().tan();
    let width = (height * 0.92).min(room * 1.02);
    let mut path = Path::default();
    let mut angle = -step * (count - 1.0) / 2.0;
    for glyph in glyphs {
        let place = set(glyph, width, height)
            .then(Affine::translate(0.0, -foot))
            .then(Affine::rotate(angle))
            .then(Affine::translate(CENTRE[0], CENTRE[1]));
        path.push(&glyph.path.transformed(&place));
        angle += step;
    }
    path
}

/// Characters in a straight line.
fn below_the_star(glyphs: &[Glyph]) -> Path {
    let (middle, height, widest) = LOWER;
    let count = count(glyphs);
    let width = (widest / count).min(height);
    let mut path = Path::default();
    let mut x = CENTRE[0] - width * (count - 1.0) / 2.0;
    for glyph in glyphs {
        let place =
            set(glyph, width * 0.96, height).then(Affine::translate(x, CENTRE[1] + middle + height / 2.0));
        path.push(&glyph.path.transformed(&place));
        x += width;
    }
    path
}

/// Puts a glyph's box, `width` × `height` mm, with the middle of its foot at the origin.
fn set(glyph: &Glyph, width: f32, height: f32) -> Affine {
    let em = height / (INK.0 + INK.1);
    // A narrow Latin letter is not pulled to the width of a hanzi.
    Affine::translate(-glyph.advance / 2.0, -INK.1).then(Affine::scale(width.min(em), em))
}

fn count(glyphs: &[Glyph]) -> f32 {
    u16::try_from(glyphs.len()).map_or(1.0, f32::from)
}

/// A picture of one's own, from a file: PNG, JPEG, GIF or BMP. `width` and `height` in mm, 1 to 100.
///
/// It must be what it says and small enough to go along with every file. A PNG is decoded to its end;
/// of the other kinds the header is read.
pub fn given(data: &[u8], width: u32, height: u32) -> Result<Picture, SesError> {
    if !(1..=MAX_MM).contains(&width) || !(1..=MAX_MM).contains(&height) {
        return Err(SesError::Picture("a seal is 1 to 100 mm wide and high"));
    }
    if data.len() > MAX_OWN_PICTURE {
        return Err(SesError::Picture("over 4096 bytes: it goes into every file that the seal seals"));
    }
    let kind = match imagesize::image_type(data) {
        Ok(imagesize::ImageType::Png) => "PNG",
        Ok(imagesize::ImageType::Jpeg) => "JPG",
        Ok(imagesize::ImageType::Gif) => "GIF",
        Ok(imagesize::ImageType::Bmp) => "BMP",
        _ => return Err(SesError::Picture("not a PNG, JPEG, GIF or BMP")),
    };
    if kind == "PNG" {
        png_size(data)?;
    } else {
        let size = imagesize::blob_size(data).map_err(|_| SesError::Picture("its header cannot be read"))?;
        if !(1..=MAX_PIXELS).contains(&size.width) || !(1..=MAX_PIXELS).contains(&size.height) {
            return Err(SesError::Picture("1 to 4096 pixels wide and high"));
        }
    }
    Ok(Picture { kind: kind.to_owned(), data: data.to_vec(), width, height })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The widest strokes there are, so the largest pictures.
    const DENSE: &str = "囊馕矗麟鬻麝爨灏襄疆赢羸蠹霹雳罐鹳戆饕餮鼹鼷黥黯髓髑髅魑魅魍魉鳜鳝籍簸蟹巍";

    fn dense(count: usize) -> String {
        DENSE.chars().cycle().take(count).collect()
    }

    #[test]
    fn a_seal_of_any_name_fits_into_every_file() {
        for count in [1, 2, 4, 5, 8, 12, 17, 22, 26, 30] {
            for lower in [None, Some("电子证照专用章")] {
                let drawn = draw(&dense(count), lower).unwrap();
                assert!(drawn.png.len() <= MAX_OWN_PICTURE, "{count}: {}", drawn.png.len());
                let [width, height] = png_size(&drawn.png).unwrap();
                assert!(width == height && width >= 96, "{count}: {width}");
                assert_eq!(given(&drawn.png, 40, 40).unwrap(), drawn.picture());
                assert!(drawn.svg.starts_with("<svg ") && !drawn.svg.contains("NaN"));
            }
        }
    }

    #[test]
    fn nothing_of_a_seal_stands_outside_its_ring() {
        let font = Font::embedded().unwrap();
        let far = |path: &Path| {
            let points = path.segments().iter().filter_map(|segment| match *segment {
                crate::drawing::Segment::Move(to) | crate::drawing::Segment::Line(to) => Some(to),
                _ => None,
            });
            points.map(|[x, y]| (x - CENTRE[0]).hypot(y - CENTRE[1])).fold(0.0, f32::max)
        };
        for count in 1..=MAX_NAME {
            let name = along_the_ring(&glyphs(&font, &dense(count), MAX_NAME).unwrap(), NAME_ARC.0);
            assert!(far(&name) < RING.1, "{count}: {}", far(&name));
        }
        for count in 1..=MAX_LOWER_TEXT {
            let lower = below_the_star(&glyphs(&font, &dense(count), MAX_LOWER_TEXT).unwrap());
            assert!(far(&lower) < RING.1, "{count}: {}", far(&lower));
        }
    }

    #[test]
    fn the_same_name_gives_the_same_bytes_and_another_name_others() {
        let drawn = draw("天津市示例局", None).unwrap();
        assert_eq!(draw("天津市示例局", None).unwrap(), drawn);
        assert_ne!(draw("天津市示范局", None).unwrap().png, drawn.png);
        assert_ne!(draw("天津市示例局", Some("专用章")).unwrap().png, drawn.png);
    }

    #[test]
    fn a_name_that_cannot_be_drawn_is_refused_with_the_reason() {
        assert_eq!(draw("示例𠮷局", None), Err(SesError::Drawing(DrawingError::NoGlyph('𠮷'))));
        for (name, lower) in
            [("", None), (&dense(31), None), ("示例局", Some("")), ("示例局", Some(&dense(17)))]
        {
            assert!(matches!(draw(name, lower), Err(SesError::Picture(_))), "{name}");
        }
    }

    #[test]
    fn a_given_picture_is_real_and_within_limits() {
        let png = draw("示例局", None).unwrap().png;
        assert_eq!(given(&png, 42, 42).unwrap().kind, "PNG");
        for (data, width, height) in [
            (&png[..], 0, 40),
            (&png, 40, 101),
            (&png[..png.len() / 2], 40, 40),
            (b"<svg/>", 40, 40),
            (b"", 40, 40),
            (b"GIF89a\0\0\0\0", 40, 40),
            (&[0; MAX_OWN_PICTURE + 1], 40, 40),
        ] {
            assert!(given(data, width, height).is_err(), "{} bytes, {width} × {height}", data.len());
        }
        assert_eq!(given(b"GIF89a\x10\0\x10\0\x80\0\0", 40, 40).unwrap().kind, "GIF");
    }

    proptest! {
        #[test]
        fn arbitrary_names_never_panic_the_drawing(name in "\\PC{0,12}", lower in proptest::option::of("\\PC{0,6}")) {
            let _ = draw(&name, lower.as_deref());
        }

        #[test]
        fn arbitrary_pictures_never_panic(data: Vec<u8>, kind in 0_usize..4) {
            let heads: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM"];
            let _ = given(&[heads[kind], &data].concat(), 40, 40);
        }
    }
}
