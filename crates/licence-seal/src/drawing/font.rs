//! Outlines and advances of characters.

use ttf_parser::{Face, OutlineBuilder};

use super::{Affine, DrawingError, Path};

/// ASCII and GB 2312, made by `font/make.py`.
const LICENCE_SANS: &[u8] = include_bytes!("font/licence-sans.ttf");

/// A font, ready to give outlines. Cheap to make: only the table directory is read.
pub struct Font {
    face: Face<'static>,
    /// 1 / units per em.
    scale: f32,
}

/// One character's shape, in em, its baseline at y = 0 and its left side bearing at x = 0.
#[derive(Clone, PartialEq, Debug)]
pub struct Glyph {
    pub path: Path,
    /// How far the next character stands to the right, in em.
    pub advance: f32,
}

impl Font {
    /// The font that is compiled in.
    pub fn embedded() -> Result<Self, DrawingError> {
        let face = Face::parse(LICENCE_SANS, 0).map_err(|_| DrawingError::Font)?;
        let scale = 1.0 / f32::from(face.units_per_em());
        Ok(Self { face, scale })
    }

    /// The glyph of a character; one that the font lacks is an error.
    pub fn glyph(&self, character: char) -> Result<Glyph, DrawingError> {
        let id = self.face.glyph_index(character).ok_or(DrawingError::NoGlyph(character))?;
        let advance = self.face.glyph_hor_advance(id).ok_or(DrawingError::NoGlyph(character))?;
        let mut outline = Outline(Path::default());
        // A space has no outline, and none is found.
        let _ = self.face.outline_glyph(id, &mut outline);
        let path = outline.0.transformed(&Affine::scale(self.scale, -self.scale));
        Ok(Glyph { path, advance: f32::from(advance) * self.scale })
    }
}

struct Outline(Path);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to([x1, y1], [x2, y2], [x, y]);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_ascii_and_the_hanzi_of_a_seal_have_a_shape() {
        let font = Font::embedded().unwrap();
        for character in
            (0x20..0x7f).map(char::from).chain("天津市政务服务办公室电子证照专用章（）·、。".chars())
        {
            let glyph = font.glyph(character).unwrap();
            assert!(glyph.advance > 0.1 && glyph.advance < 1.1, "{character}");
            assert_eq!(glyph.path.bounds().is_none(), character == ' ', "{character}");
            if let Some([left, top, right, bottom]) = glyph.path.bounds() {
                assert!(left > -0.2 && right < 1.2 && top > -1.2 && bottom < 0.5, "{character}");
            }
        }
    }

    #[test]
    fn a_character_that_is_not_here_is_named() {
        let told = Font::embedded().unwrap().glyph('𠮷').unwrap_err();
        assert_eq!(told, DrawingError::NoGlyph('𠮷'));
        assert!(told.to_string().contains("U+20BB7"), "{told}");
    }
}
