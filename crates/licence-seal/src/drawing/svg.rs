//! Paths as an SVG picture.

use std::fmt::Write;

use super::{Colour, Path, Segment};

/// One shape of one colour on transparent ground; `width` and `height` in mm, which are also the
/// path's units. Paths only: no text, no font, no style that a viewer could read otherwise.
pub fn svg(path: &Path, width: f32, height: f32, [red, green, blue]: Colour) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" \
         viewBox=\"0 0 {width} {height}\"><path fill=\"#{red:02x}{green:02x}{blue:02x}\" d=\"{}\"/></svg>\n",
        data(path)
    )
}

/// SVG path data, to a thousandth of a unit.
fn data(path: &Path) -> String {
    let mut text = String::new();
    for segment in path.segments() {
        match *segment {
            Segment::Move(to) => command(&mut text, 'M', &[to]),
            Segment::Line(to) => command(&mut text, 'L', &[to]),
            Segment::Quad(one, to) => command(&mut text, 'Q', &[one, to]),
            Segment::Cubic(one, two, to) => command(&mut text, 'C', &[one, two, to]),
            Segment::Close => command(&mut text, 'Z', &[]),
        }
    }
    text
}

fn command(text: &mut String, letter: char, points: &[[f32; 2]]) {
    text.push(letter);
    for (at, value) in points.iter().flatten().enumerate() {
        let rounded = (value * 1000.0).round() / 1000.0;
        let space = if at == 0 { "" } else { " " };
        // Writing to a String cannot fail. Adding zero turns -0 into 0.
        let _ = write!(text, "{space}{}", rounded + 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_in_svg_words() {
        let mut path = Path::default();
        path.move_to(-0.0001, 1.0);
        path.line_to(2.5, 3.000_4);
        path.quad_to(1.0, 1.0, 2.0, 2.0);
        path.cubic_to([1.0, 1.0], [2.0, 2.0], [3.0, 3.0]);
        path.close();
        let picture = svg(&path, 40.0, 40.0, [0xd6, 0x1f, 0x26]);
        assert!(picture.contains("d=\"M0 1L2.5 3Q1 1 2 2C1 1 2 2 3 3Z\""), "{picture}");
        assert!(picture.contains("width=\"40mm\"") && picture.contains("fill=\"#d61f26\""));
    }
}
