//! Why something could not be drawn.

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
