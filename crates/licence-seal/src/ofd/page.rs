//! What is drawn on a page, and how it is written as `Content.xml` (GB/T 33190-2016, pages and
//! graphic units). All measures are millimetres from the upper left corner.
//!
//! Only what a licence needs: text, pictures, lines. Every object has an identifier
//! that is unique in the document, so that the data index can point at it.

use quick_xml::escape::escape;

use super::text::{self, Fitted};
use crate::licence::MmBox;

/// Name space of every element of an OFD.
pub const NAMESPACE: &str = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
/// First line of every part.
pub const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Red, green, blue.
pub type Colour = [u8; 3];

/// A typeface of the document; `ID`s 1 and 2 are theirs in every document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Font {
    Song = 1,
    Hei = 2,
}

/// The last identifier that is taken before anything is drawn.
const RESERVED_IDS: u32 = Font::Hei as u32;

/// What an object shows.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    Text {
        font: Font,
        size: f32,
        colour: Colour,
        /// 255 is opaque.
        alpha: u8,
        /// Matrix a b c d e f of the standard; `None` is upright.
        turn: Option<[f32; 6]>,
        /// Where its baseline begins, within the object.
        start: (f32, f32),
        text: String,
    },
    /// Commands M, L, C of the standard's abbreviated form, within the boundary; the pen's width.
    Path { data: String, colour: Colour, pen: f32 },
    /// Fills its boundary.
    Picture { resource: u32 },
}

/// One graphic unit.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    pub id: u32,
    pub boundary: MmBox,
    pub shape: Shape,
}

/// One page; `over` is drawn after `body`.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    pub id: u32,
    pub width: f32,
    pub height: f32,
    layers: [u32; 2],
    pub body: Vec<Object>,
    pub over: Vec<Object>,
}

/// A picture that pages refer to.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    pub id: u32,
    /// `PNG` or `JPEG`.
    pub format: &'static str,
    pub data: Vec<u8>,
}

/// All pages and pictures of a document, and the identifiers given so far.
#[derive(Clone, PartialEq, Debug)]
pub struct Drawing {
    pub pages: Vec<Page>,
    pub pictures: Vec<Picture>,
    last_id: u32,
    /// The page and layer that are drawn onto.
    at: usize,
    over: bool,
}

impl Default for Drawing {
    fn default() -> Self {
        Self { pages: Vec::new(), pictures: Vec::new(), last_id: RESERVED_IDS, at: 0, over: false }
    }
}

impl Drawing {
    /// The largest identifier in use.
    pub fn last_id(&self) -> u32 {
        self.last_id
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Begins a page; objects then go onto it.
    pub fn add_page(&mut self, width: f32, height: f32) {
        let (id, layers) = (self.next_id(), [self.next_id(), self.next_id()]);
        (self.at, self.over) = (self.pages.len(), false);
        self.pages.push(Page { id, width, height, layers, body: Vec::new(), over: Vec::new() });
    }

    /// Goes back to page `at`, from 0; objects then go over what is there.
    pub fn draw_over(&mut self, at: usize) {
        (self.at, self.over) = (at, true);
    }

    /// The page that is drawn onto.
    pub fn page(&self) -> Option<&Page> {
        self.pages.get(self.at)
    }

    /// Draws onto it; gives the object's identifier.
    pub fn draw(&mut self, boundary: MmBox, shape: Shape) -> u32 {
        let id = self.next_id();
        if let Some(page) = self.pages.get_mut(self.at) {
            let layer = if self.over { &mut page.over } else { &mut page.body };
            layer.push(Object { id, boundary, shape });
        }
        id
    }

    /// Text that was fitted, centred in the height of `area`, from its left edge or in its middle;
    /// gives an object for each line. (An object may hold several lines, and a reader in the field
    /// sets them one over the other.)
    pub fn text(
        &mut self,
        area: MmBox,
        fitted: &Fitted,
        font: Font,
        colour: Colour,
        centred: bool,
    ) -> Vec<u32> {
        let size = fitted.size;
        let mut y = area.y + (area.height - fitted.height()).max(0.0) / 2.0;
        let mut drawn = Vec::with_capacity(fitted.lines.len());
        for text in &fitted.lines {
            let room = (area.width - text::width(text) * size).max(0.0);
            let start = (if centred { room / 2.0 } else { 0.0 }, text::BASELINE * size);
            let boundary = MmBox { y, height: text::LEADING * size, ..area };
            let text = text.clone();
            drawn.push(
                self.draw(boundary, Shape::Text { font, size, colour, alpha: 255, turn: None, start, text }),
            );
            y += text::LEADING * size;
        }
        drawn
    }

    /// A rectangle's outline; the pen runs along the edge of `area`.
    pub fn outline(&mut self, area: MmBox, colour: Colour, pen: f32) {
        let (near, right, bottom) = (mm(pen / 2.0), mm(area.width + pen / 2.0), mm(area.height + pen / 2.0));
        let data = format!(
            "M {near} {near} L {right} {near} L {right} {bottom} L {near} {bottom} L {near} {near} C"
        );
        self.draw(around(area, pen), Shape::Path { data, colour, pen });
    }

    /// A straight line along the upper or left edge of a box of no height or no width.
    pub fn line(&mut self, area: MmBox, colour: Colour, pen: f32) {
        let near = mm(pen / 2.0);
        let (right, bottom) = (mm(area.width + pen / 2.0), mm(area.height + pen / 2.0));
        let data = format!("M {near} {near} L {right} {bottom}");
        self.draw(around(area, pen), Shape::Path { data, colour, pen });
    }

    /// Keeps a picture and draws it into `area`.
    pub fn picture(&mut self, area: MmBox, format: &'static str, data: Vec<u8>) -> u32 {
        let id = self.next_id();
        self.pictures.push(Picture { id, format, data });
        self.draw(area, Shape::Picture { resource: id })
    }
}

fn around(area: MmBox, pen: f32) -> MmBox {
    MmBox { x: area.x - pen / 2.0, y: area.y - pen / 2.0, width: area.width + pen, height: area.height + pen }
}

impl Page {
    /// `Content.xml`.
    pub fn to_xml(&self) -> String {
        let layer = |id: u32, kind: &str, objects: &[Object]| {
            let inside: String = objects.iter().map(Object::to_xml).collect();
            let layer = format!("<ofd:Layer ID=\"{id}\" Type=\"{kind}\">{inside}</ofd:Layer>");
            if objects.is_empty() { String::new() } else { layer }
        };
        let [body, over] = self.layers;
        format!(
            "{DECLARATION}<ofd:Page {NAMESPACE}><ofd:Area><ofd:PhysicalBox>0 0 {} {}</ofd:PhysicalBox></ofd:Area>\
             <ofd:Content>{}{}</ofd:Content></ofd:Page>",
            mm(self.width),
            mm(self.height),
            layer(body, "Body", &self.body),
            layer(over, "Foreground", &self.over),
        )
    }
}

impl Object {
    fn to_xml(&self) -> String {
        let (id, boundary) = (self.id, boxed(&self.boundary));
        match &self.shape {
            Shape::Text { font, size, colour, alpha, turn, start: (x, y), text } => {
                let turn = turn.map(|matrix| format!(" CTM=\"{}\"", numbers(&matrix))).unwrap_or_default();
                let pale = if *alpha == 255 { String::new() } else { format!(" Alpha=\"{alpha}\"") };
                format!(
                    "<ofd:TextObject ID=\"{id}\" Boundary=\"{boundary}\" Font=\"{}\" Size=\"{}\"{turn}>\
                     <ofd:FillColor Value=\"{}\"{pale}/><ofd:TextCode X=\"{}\" Y=\"{}\"{}>{}</ofd:TextCode></ofd:TextObject>",
                    *font as u32,
                    mm(*size),
                    value(*colour),
                    mm(*x),
                    mm(*y),
                    steps(text, *size),
                    escape(text)
                )
            }
            Shape::Path { data, colour, pen } => {
                format!(
                    "<ofd:PathObject ID=\"{id}\" Boundary=\"{boundary}\" LineWidth=\"{}\">\
                     <ofd:StrokeColor Value=\"{}\"/><ofd:AbbreviatedData>{data}</ofd:AbbreviatedData></ofd:PathObject>",
                    mm(*pen),
                    value(*colour)
                )
            }
            Shape::Picture { resource } => {
                let MmBox { width, height, .. } = self.boundary;
                format!(
                    "<ofd:ImageObject ID=\"{id}\" Boundary=\"{boundary}\" CTM=\"{} 0 0 {} 0 0\" ResourceID=\"{resource}\"/>",
                    mm(width),
                    mm(height)
                )
            }
        }
    }
}

/// ` DeltaX="…"`: how far each character but the last is from the next.
fn steps(text: &str, size: f32) -> String {
    let steps: Vec<String> = text.chars().map(|c| mm(text::advance(c) * size)).collect();
    match steps.split_last() {
        Some((_, but_last)) if !but_last.is_empty() => format!(" DeltaX=\"{}\"", but_last.join(" ")),
        _ => String::new(),
    }
}

/// A length with at most three decimal places.
pub fn mm(length: f32) -> String {
    let text = format!("{length:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `x y width height`.
pub fn boxed(area: &MmBox) -> String {
    numbers(&[area.x, area.y, area.width, area.height])
}

fn numbers(values: &[f32]) -> String {
    values.iter().map(|value| mm(*value)).collect::<Vec<_>>().join(" ")
}

fn value([red, green, blue]: Colour) -> String {
    format!("{red} {green} {blue}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_no_idle_digits() {
        for (length, text) in [(0.0, "0"), (-0.0001, "0"), (3.0, "3"), (3.175, "3.175"), (40.5, "40.5")] {
            assert_eq!(mm(length), text);
        }
    }

    #[test]
    fn a_text_says_where_each_character_stands_and_is_escaped() {
        assert_eq!(steps("你 <&a", 3.0), " DeltaX=\"3 1.5 1.5 1.5\"");
        assert_eq!(steps("你", 3.0), "");
        let shape = Shape::Text {
            font: Font::Song,
            size: 3.0,
            colour: [1, 2, 3],
            alpha: 60,
            turn: None,
            start: (0.0, 3.0),
            text: "<&".into(),
        };
        let boundary = MmBox { x: 1.0, y: 2.0, width: 3.0, height: 4.0 };
        assert_eq!(
            Object { id: 7, boundary, shape }.to_xml(),
            "<ofd:TextObject ID=\"7\" Boundary=\"1 2 3 4\" Font=\"1\" Size=\"3\"><ofd:FillColor Value=\"1 2 3\" \
             Alpha=\"60\"/><ofd:TextCode X=\"0\" Y=\"3\" DeltaX=\"1.5\">&lt;&amp;</ofd:TextCode></ofd:TextObject>"
        );
    }

    #[test]
    fn every_object_of_a_document_has_its_own_identifier() {
        let mut drawing = Drawing::default();
        let area = MmBox { x: 1.0, y: 2.0, width: 3.0, height: 4.0 };
        for _ in 0..2 {
            drawing.add_page(210.0, 297.0);
            drawing.outline(area, [1, 2, 3], 0.2);
            drawing.picture(area, "PNG", Vec::new());
        }
        let xml: String = drawing.pages.iter().map(Page::to_xml).collect();
        let mut ids: Vec<&str> =
            xml.split(" ID=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), all), (6, 6));
        assert_eq!(drawing.last_id(), 14);
    }
}
