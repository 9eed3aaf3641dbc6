//! The annotated copy (加注件): drawn anew from the allowed fields, for one purpose and one recipient.
//!
//! It is not a picture of the licence with parts blacked out: a sealed licence that was cut to the
//! allowed fields is all that there is to draw from. Purpose, recipient and expiry lie over every page
//! and stand in full at its foot; the node seals it. The authority's seal is in the attachment, as
//! evidence, and is not drawn: the authority did not see this page.

use super::WriteError;
use super::face::draw;
use super::licence::Unsealed;
use super::page::{Colour, Drawing, Font, Shape};
use super::shown::Shown;
use super::text::{self, clean, fit, width};
use super::write::{Document, Indexed};
use crate::licence::{LicenceType, MmBox};
use crate::seal::SealedLicence;
use crate::time::Timestamp;

/// Longest purpose, in characters (that of a request's context), and longest name.
pub const MAX_PURPOSE: usize = 200;
pub const MAX_NAME: usize = 100;

const RED: Colour = [176, 30, 30];
const WATERMARK: Colour = [90, 110, 150];
const WATERMARK_ALPHA: u8 = 60;
const WATERMARK_SIZE: f32 = 4.2;
/// Longest line of the watermark, in ems; the foot has all of it.
const WATERMARK_EMS: f32 = 20.0;
/// sin and cos of 25 degrees: the lines rise to the right.
const SLANT: (f32, f32) = (0.422_618, 0.906_308);

/// For whom, for what, until when, and by whom a copy is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    pub made_at: Timestamp,
    /// The maker: the node's organisation.
    pub by: String,
    pub purpose: String,
    pub recipient: String,
    pub expires: Timestamp,
}

impl Annotation {
    fn check(&self) -> Result<(), WriteError> {
        for (name, text, most) in [
            ("by", &self.by, MAX_NAME),
            ("purpose", &self.purpose, MAX_PURPOSE),
            ("recipient", &self.recipient, MAX_NAME),
        ] {
            if text.trim().is_empty() || text.chars().count() > most {
                return Err(WriteError::Annotation { name, most });
            }
        }
        if self.expires <= self.made_at { Err(WriteError::Expires) } else { Ok(()) }
    }

    /// The four fields of GB/T 36903 for copies; times as `yyyyMMddHHmmss` in Asia/Shanghai.
    fn metadata(&self) -> [(String, String); 4] {
        let digits = |at: Timestamp| at.shanghai().chars().filter(char::is_ascii_digit).collect();
        [
            ("JZJZZSJ".to_owned(), digits(self.made_at)),
            ("JZJZZZ".to_owned(), clean(&self.by)),
            ("JZJZZSY".to_owned(), clean(&self.purpose)),
            ("JZJYXQJZSJ".to_owned(), digits(self.expires)),
        ]
    }

    fn foot(&self) -> String {
        clean(&format!(
            "加注件：仅供{}使用；用途：{}；有效期至 {}。由{}于 {} 制作。",
            quoted(&self.recipient),
            quoted(&self.purpose),
            self.expires.shanghai(),
            quoted(&self.by),
            self.made_at.shanghai()
        ))
    }

    fn watermark(&self) -> [String; 3] {
        let short = |text: String| {
            let text = clean(&text);
            let mut lines = text::wrap(&text, WATERMARK_EMS - 1.0).into_iter();
            let first = lines.next().unwrap_or_default();
            if lines.next().is_some() { format!("{first}…") } else { first }
        };
        [
            short(format!("仅供{}使用", self.recipient)),
            short(format!("用途：{}", self.purpose)),
            short(format!("有效期至 {}", self.expires.shanghai())),
        ]
    }
}

/// A text between brackets that do not stand in it: whoever words a purpose does not word the line.
fn quoted(text: &str) -> String {
    format!("「{}」", text.replace(['「', '」'], ""))
}

/// Draws an annotated copy of what `sealed` shows. The same arguments give the same bytes.
///
/// # Errors
/// As [`super::licence_ofd`]; and when a text of the annotation is empty or too long, or it expires
/// before it is made.
pub fn annotated_copy(
    sealed: &SealedLicence,
    kind: &LicenceType,
    annotation: &Annotation,
) -> Result<Unsealed, WriteError> {
    annotation.check()?;
    let shown = Shown::of(sealed, kind)?;
    let mut face = draw(&shown)?;
    badge(&mut face.drawing);
    let marked = watermark(&mut face.drawing, &annotation.watermark());
    let noted = foot(&mut face.drawing, face.foot, &annotation.foot())?;
    for name in ["JZJZZSJ", "JZJZZZ"] {
        face.index.push(Indexed { name: name.to_owned(), objects: noted.clone() });
    }
    for name in ["JZJZZSY", "JZJYXQJZSJ"] {
        let objects = noted.iter().chain(&marked).copied().collect();
        face.index.push(Indexed { name: name.to_owned(), objects });
    }
    let mut data = shown.metadata();
    data.extend(annotation.metadata());
    let said: Vec<&[u8]> =
        data.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
    let document = Document {
        id: shown
            .document_id(&[&[b"copy".as_slice(), annotation.recipient.as_bytes()], said.as_slice()].concat()),
        title: format!("{}（加注件）", kind.name),
        created: annotation.made_at.day(),
        data,
        drawing: face.drawing,
        index: face.index,
        attachment: shown.bytes,
    };
    // Over the line at the foot, which is what the node answers for.
    let seal_box = MmBox {
        x: face.foot.x + face.foot.width - face.seal_box.width,
        y: face.foot.y + face.foot.height - face.seal_box.height + 2.0,
        ..face.seal_box
    };
    Ok(Unsealed { file: document.pack()?, seal_box })
}

/// `加注件` in a frame, upper left on the first page.
fn badge(drawing: &mut Drawing) {
    let area = MmBox { x: 20.0, y: 16.0, width: 22.0, height: 8.0 };
    drawing.draw_over(0);
    drawing.outline(area, RED, 0.5);
    if let Some(fitted) = fit("加注件", &area, 5.0, 5.0) {
        drawing.text(area, &fitted, Font::Hei, RED, true);
    }
}

/// The line at the foot of every page; gives page and object of each.
fn foot(drawing: &mut Drawing, area: MmBox, text: &str) -> Result<Vec<(u32, u32)>, WriteError> {
    let fitted = fit(text, &area, 2.6, 1.4).ok_or_else(|| WriteError::DoesNotFit(text.to_owned()))?;
    Ok(on_every_page(drawing, |drawing, _, _| drawing.text(area, &fitted, Font::Song, RED, false)))
}

/// Slanted lines all over every page, over the content and pale; gives page and object of each.
fn watermark(drawing: &mut Drawing, lines: &[String; 3]) -> Vec<(u32, u32)> {
    let size = WATERMARK_SIZE;
    let (sin, cos) = SLANT;
    let long = lines.iter().map(|line| width(line) * size).fold(0.0, f32::max);
    let high = lines.len() as f32 * size * text::LEADING;
    let (wide, tall) = (long * cos + high * sin, long * sin + high * cos);
    let line = |(at, text): (usize, &String)| Shape::Text {
        font: Font::Hei,
        size,
        colour: WATERMARK,
        alpha: WATERMARK_ALPHA,
        turn: Some([cos, -sin, sin, cos, 0.0, long * sin]),
        start: ((long - width(text) * size) / 2.0, (at as f32 * text::LEADING + text::BASELINE) * size),
        text: text.clone(),
    };
    let shapes: Vec<Shape> = lines.iter().enumerate().map(line).collect();
    on_every_page(drawing, |drawing, page_width, page_height| {
        let (columns, rows) = (times(page_width, wide), times(page_height, tall));
        let mut drawn = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let (step_x, step_y) = (page_width / columns as f32, page_height / rows as f32);
                let boundary = MmBox {
                    x: column as f32 * step_x + (step_x - wide) / 2.0,
                    y: row as f32 * step_y + (step_y - tall) / 2.0,
                    width: wide,
                    height: tall,
                };
                drawn.extend(shapes.iter().map(|shape| drawing.draw(boundary, shape.clone())));
            }
        }
        drawn
    })
}

/// How often something of this length is repeated over another, with room between.
fn times(over: f32, length: f32) -> u16 {
    (over / (length + 12.0)).floor().clamp(1.0, 5.0) as u16
}

/// Draws over each page, told its size; gives page and object of all that was drawn.
fn on_every_page(
    drawing: &mut Drawing,
    mut draw: impl FnMut(&mut Drawing, f32, f32) -> Vec<u32>,
) -> Vec<(u32, u32)> {
    let mut drawn = Vec::new();
    for at in 0..drawing.pages.len() {
        drawing.draw_over(at);
        let Some((id, width, height)) = drawing.page().map(|page| (page.id, page.width, page.height)) else {
            continue;
        };
        drawn.extend(draw(drawing, width, height).into_iter().map(|object| (id, object)));
    }
    drawn
}
