//! Shapes: glyph outlines of a font that lies here, paths, and what is made of them (SVG, PNG).
//!
//! A seal or a page must look the same on every machine, so no font of the system is asked: one font
//! is compiled in (`font/README.md` says from what it was made), and text becomes outlines before it
//! leaves this room. Text set by an SVG renderer would have been shorter, and another picture wherever
//! the font differs. A character that the font lacks is an error that names it: an empty box on an
//! official seal is worse than no seal.
//!
//! The room knows millimetres and shapes, and nothing of seals or pages. Coordinates run right and
//! down, as in SVG and OFD.
//!
//! | file | decides |
//! |---|---|
//! | `font` | outlines and advances of characters |
//! | `path` | shapes and how they are moved |
//! | `svg` | paths as an SVG picture |
//! | `png` | paths as a PNG of one colour on transparent ground |

mod font;
mod path;
mod png;
mod svg;

pub use font::{Font, Glyph};
pub use path::{Affine, Path, Segment};
pub use png::{png, png_size};
pub use svg::svg;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Why something could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrawingError {
    #[error("the font has no character \"{0}\" (U+{code:04X})", code = u32::from(*.0))]
    NoGlyph(char),
    #[error("the font cannot be read")]
    Font,
    #[error("a picture has 1 to 4096 pixels a side")]
    Size,
    #[error("the picture is no PNG that can be decoded: {0}")]
    Png(String),
}
