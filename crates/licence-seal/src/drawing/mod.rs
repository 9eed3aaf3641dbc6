//! Shapes: glyph outlines of a font that lies here, paths, and what is made of them (SVG, PNG).
//!
//! A seal or a page must look the same on every machine, so no font of the system is asked: one font
//! is compiled in (`font/README.md` says from what it was made), and text becomes outlines before it
//! leaves this room. Text set by an SVG renderer would have been shorter, and another picture wherever
//! the font differs. A character that the font lacks is an error that names it: an empty box on an
//! official seal is worse than no seal.
//!
//! The room knows millimetres and shapes, and nothing of seals or pages. Coordinates run right and
//! down, as in SVG and OFD. Only makers draw: without the feature `make` nothing is here but the error.
//!
//! | file | decides |
//! |---|---|
//! | `font` | outlines and advances of characters |
//! | `path` | shapes and how they are moved |
//! | `svg` | paths as an SVG picture |
//! | `png` | paths as a PNG of one colour on transparent ground |

mod error;
#[cfg(feature = "make")]
mod font;
#[cfg(feature = "make")]
mod path;
#[cfg(feature = "make")]
mod png;
#[cfg(feature = "make")]
mod svg;

pub use error::DrawingError;
#[cfg(feature = "make")]
pub use {
    font::{Font, Glyph},
    path::{Affine, Path, Segment},
    png::{png, png_size},
    svg::svg,
};

/// Red, green, blue.
pub type Colour = [u8; 3];
