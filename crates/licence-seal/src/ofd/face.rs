//! The face of a licence, drawn from what it shows ([`Shown`]).
//!
//! The layout is the one of the type's face; a row that has nothing to show is left out, and those
//! below it move up: absent and withheld look the same, as they do under the seal. What does not fit
//! its box at a size that can be read stands in full on a further page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::WriteError;
use super::page::{Colour, Drawing, Font};
use super::shown::Shown;
use super::text::{self, Fitted, clean, fit};
use super::write::Indexed;
use crate::licence::{FaceLayout, FaceRow, FieldKind, FieldValue, LicenceType, MmBox};

const INK: Colour = [20, 20, 20];
const LABEL: Colour = [110, 80, 45];
const FRAME: Colour = [170, 135, 80];
const RULE: Colour = [205, 185, 150];
/// Sizes of text, in millimetres: 3.7 is 10.5 pt, 2.1 is 6 pt.
const TITLE: f32 = 9.0;
const LARGEST: f32 = 3.7;
const SMALLEST: f32 = 2.1;
/// Room between a value and the lines around it.
const PADDING: f32 = 1.0;
/// The frame's distance from the page's edge; the foot stands within it.
const EDGE: f32 = 6.0;
const FOOT_HEIGHT: f32 = 11.0;
const CODE_SIDE: f32 = 22.0;
/// Pixels along the side of a module.
const CODE_PIXELS: usize = 8;
/// Height of a row of one line, and how much rows grow where there is room.
const ONE_LINE: f32 = 6.0;
const MOST_STRETCH: f32 = 1.6;
const SEE_ANNEX: &str = "（见附页）";

/// A face that was drawn.
#[derive(Clone, Debug)]
pub struct Face {
    pub drawing: Drawing,
    pub index: Vec<Indexed>,
    /// Where the authority's seal belongs on the first page.
    pub seal_box: MmBox,
    /// Free room at the foot of every page, above the identifier's line.
    pub foot: MmBox,
}

/// Draws what is shown.
pub fn draw(shown: &Shown<'_>) -> Result<Face, WriteError> {
    let layout = FaceLayout::of(shown.kind);
    let mut painter = Painter { shown, drawing: Drawing::default(), index: Vec::new(), annex: Vec::new() };
    painter.page(&layout);
    painter.title(&layout)?;
    let bottom = painter.rows(&layout)?;
    let annex = std::mem::take(&mut painter.annex);
    painter.further_pages(&layout, &annex);

    let MmBox { x, y, width, height } = layout.seal_box;
    // Over authority and dates, the last rows, wherever they have come to stand.
    let seal_box = MmBox { x, y: (bottom + 4.0 - height).min(y), width, height };
    let foot = foot(&layout);
    Ok(Face { drawing: painter.drawing, index: painter.index, seal_box, foot })
}

fn foot(layout: &FaceLayout) -> MmBox {
    let side = EDGE + 6.0;
    let y = layout.page_height - EDGE - FOOT_HEIGHT - 3.0;
    MmBox { x: side, y, width: layout.page_width - 2.0 * side, height: FOOT_HEIGHT - 3.0 }
}

struct Painter<'a, 'b> {
    shown: &'b Shown<'a>,
    drawing: Drawing,
    index: Vec<Indexed>,
    /// Rows that go onto a further page: label, value, short name.
    annex: Vec<(String, String, String)>,
}

impl Painter<'_, '_> {
    /// A new page with frame and identifier.
    fn page(&mut self, layout: &FaceLayout) {
        let (width, height) = (layout.page_width, layout.page_height);
        self.drawing.add_page(width, height);
        for (inset, pen) in [(EDGE, 0.7), (EDGE + 1.3, 0.2)] {
            let area = MmBox { x: inset, y: inset, width: width - 2.0 * inset, height: height - 2.0 * inset };
            self.drawing.outline(area, FRAME, pen);
        }
        let foot = foot(layout);
        let area = MmBox { y: foot.y + foot.height, height: 3.0, ..foot };
        let text = format!("证照标识　{}", clean(&self.shown.sealed.payload.id));
        if let Some(fitted) = fit(&text, &area, 2.3, 1.5) {
            let drawn = self.drawing.text(area, &fitted, Font::Song, LABEL, true);
            self.refer("ZZBS", &drawn);
        }
    }

    /// Title in the middle, code in the upper right corner.
    fn title(&mut self, layout: &FaceLayout) -> Result<(), WriteError> {
        let side = CODE_SIDE + 4.0;
        let area = MmBox {
            x: layout.title_box.x + side,
            width: layout.title_box.width - 2.0 * side,
            ..layout.title_box
        };
        let fitted = fit(&clean(&layout.title), &area, TITLE, 3.0)
            .ok_or_else(|| WriteError::DoesNotFit(layout.title.clone()))?;
        let drawn = self.drawing.text(area, &fitted, Font::Hei, INK, true);
        self.refer("ZZMC", &drawn);
        let right = layout.title_box.x + layout.title_box.width;
        let code = MmBox {
            x: right - CODE_SIDE,
            y: layout.title_box.y + layout.title_box.height - CODE_SIDE - 1.0,
            width: CODE_SIDE,
            height: CODE_SIDE,
        };
        let data = code_picture(&self.shown.sealed.payload.id)?;
        let id = self.drawing.picture(code, "PNG", data);
        self.refer("ZZBS", &[id]);
        Ok(())
    }

    /// The table; gives its lower edge.
    fn rows(&mut self, layout: &FaceLayout) -> Result<f32, WriteError> {
        let Some((first, last)) = layout.rows.first().zip(layout.rows.last()) else {
            return Ok(layout.title_box.y + layout.title_box.height);
        };
        let mut rows = Vec::with_capacity(layout.rows.len());
        for row in &layout.rows {
            rows.extend(self.prepare(row)?);
        }
        let (left, right) = (first.label_box.x, last.value_box.x + last.value_box.width);
        let column = first.label_box.x + first.label_box.width;
        let top = layout.title_box.y + layout.title_box.height + 1.0;
        // Rows are as high as they need, and with room to spare a little higher.
        let room = foot(layout).y - 3.0 - top;
        let stretch = (room / rows.iter().map(|row| row.height).sum::<f32>()).min(MOST_STRETCH);
        let mut y = top;
        for row in &rows {
            if y > top {
                self.drawing.line(MmBox { x: left, y, width: right - left, height: 0.0 }, RULE, 0.15);
            }
            let height = row.height * stretch;
            self.row(row, layout, MmBox { x: left, y, width: right - left, height })?;
            y += height;
        }
        self.drawing.line(MmBox { x: column, y: top, width: 0.0, height: y - top }, RULE, 0.15);
        self.drawing.outline(MmBox { x: left, y: top, width: right - left, height: y - top }, FRAME, 0.35);
        Ok(y)
    }

    /// What a row is to show, and the height that it needs; `None` if it has nothing to show.
    fn prepare<'r>(&mut self, row: &'r FaceRow) -> Result<Option<Prepared<'r>>, WriteError> {
        let area = padded(row.value_box, row.value_box.y, row.value_box.height);
        let short = short_name(&row.name, self.shown.kind).to_owned();
        if row.kind == FieldKind::Image {
            let Some(value) = self.shown.values.get(&row.name) else {
                return Ok(None);
            };
            let picture = picture(value, area).ok_or_else(|| WriteError::Picture(row.name.clone()))?;
            let height = row.value_box.height + 2.0 * PADDING;
            return Ok(Some(Prepared { row, short, content: Content::Picture(picture), height }));
        }
        let Some(value) = self.shown.printed(row) else {
            return Ok(None);
        };
        let fitted = fit(&value, &area, LARGEST, SMALLEST).unwrap_or_else(|| {
            self.annex.push((row.label.clone(), value, short.clone()));
            let size = (area.height / text::LEADING).min(LARGEST);
            Fitted { size, lines: vec![SEE_ANNEX.to_owned()] }
        });
        // The least is what the face gives a row of one line, closer where it has many.
        let least = row.value_box.height.min(ONE_LINE);
        let height = least.max(fitted.height() + PADDING);
        Ok(Some(Prepared { row, short, content: Content::Text(fitted), height }))
    }

    fn row(&mut self, prepared: &Prepared<'_>, layout: &FaceLayout, area: MmBox) -> Result<(), WriteError> {
        let Prepared { row, short, content, .. } = prepared;
        let value_box = padded(row.value_box, area.y, area.height);
        let drawn = match content {
            Content::Text(fitted) => self.drawing.text(value_box, fitted, Font::Song, INK, false),
            Content::Picture((format, data, size)) => {
                let y = area.y + (area.height - size.height) / 2.0;
                vec![self.drawing.picture(MmBox { y, ..*size }, format, data.clone())]
            }
        };
        self.refer(short, &drawn);
        let label_box = padded(MmBox { x: layout.title_box.x, ..row.label_box }, area.y, area.height);
        let label = fit(&clean(&row.label), &label_box, LARGEST, 1.5)
            .ok_or_else(|| WriteError::DoesNotFit(row.label.clone()))?;
        self.drawing.text(label_box, &label, Font::Song, LABEL, false);
        Ok(())
    }

    /// Values too long for their box, in full, each under its label.
    fn further_pages(&mut self, layout: &FaceLayout, annex: &[(String, String, String)]) {
        let left = layout.title_box.x;
        let width = layout.title_box.width;
        let (top, bottom) = (layout.title_box.y, foot(layout).y - 2.0);
        let step = LARGEST * 1.4;
        let mut y = bottom;
        for (label, value, short) in annex {
            let lines = text::wrap(value, width / LARGEST);
            let whole =
                [(label, Font::Hei, LABEL)].into_iter().chain(lines.iter().map(|l| (l, Font::Song, INK)));
            for (line, font, colour) in whole {
                if y + step > bottom {
                    self.page(layout);
                    y = top;
                }
                let area = MmBox { x: left, y, width, height: step };
                let fitted = Fitted { size: LARGEST, lines: vec![clean(line)] };
                let drawn = self.drawing.text(area, &fitted, font, colour, false);
                if font == Font::Song {
                    self.refer(short, &drawn);
                }
                y += step;
            }
            y += step;
        }
    }

    fn refer(&mut self, short: &str, objects: &[u32]) {
        let Some(page) = self.drawing.page().map(|page| page.id) else { return };
        let objects = objects.iter().map(|object| (page, *object));
        match self.index.iter_mut().find(|datum| datum.name == short) {
            Some(datum) => datum.objects.extend(objects),
            None => self.index.push(Indexed { name: short.to_owned(), objects: objects.collect() }),
        }
    }
}

/// Short name of a row, in metadata and data index.
fn short_name<'k>(name: &'k str, kind: &'k LicenceType) -> &'k str {
    match name {
        "certificateNumber" => "ZZBH",
        "certificateHolderName" => "CZZT",
        "certificateHolderCode" => "CZZTDM",
        "certificateHolderTypeCode" => "CZZTDMLXDM",
        "certificateIssuingAuthorityName" => "ZZBFJG",
        "certificateIssuedDate" => "ZZBFRQ",
        "certificateEffectiveDate" => "ZZYXQQSRQ",
        "certificateExpiringDate" => "ZZYXQJZRQ",
        _ => kind.field(name).map_or(name, |field| &field.short),
    }
}

/// A row that is to be drawn.
struct Prepared<'r> {
    row: &'r FaceRow,
    short: String,
    content: Content,
    height: f32,
}

enum Content {
    Text(Fitted),
    Picture(Picture),
}

/// Format, bytes, place.
type Picture = (&'static str, Vec<u8>, MmBox);

/// A box within its row, at this height, with room beside what stands in it.
fn padded(area: MmBox, y: f32, height: f32) -> MmBox {
    MmBox { x: area.x + PADDING, y, width: area.width - 2.0 * PADDING, height }
}

/// Format, bytes and place of a picture, as large as its proportions allow, at the left of its box.
fn picture(value: &FieldValue, area: MmBox) -> Option<Picture> {
    let data = STANDARD.decode(value.texts().concat()).ok()?;
    let format = if data.starts_with(b"\x89PNG") { "PNG" } else { "JPEG" };
    let size = imagesize::blob_size(&data).ok()?;
    let (width, height) = (size.width.max(1) as f32, size.height.max(1) as f32);
    let scale = (area.width / width).min(area.height / height);
    let place = MmBox { width: width * scale, height: height * scale, ..area };
    Some((format, data, place))
}

/// A QR code of `text` as a PNG of one bit a pixel. (As a filled path it would need no pixels, and a
/// reader in the field draws the outlines only.)
fn code_picture(text: &str) -> Result<Vec<u8>, WriteError> {
    let cannot = || WriteError::DoesNotFit(text.to_owned());
    let code = qrcode::QrCode::new(text).map_err(|_| cannot())?;
    let modules = code.to_colors();
    let side = code.width() * CODE_PIXELS;
    let mut rows = Vec::new();
    for row in modules.chunks(code.width()) {
        let light = |module: &qrcode::Color| [*module == qrcode::Color::Light; CODE_PIXELS];
        let bits: Vec<bool> = row.iter().flat_map(light).collect();
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|eight| {
                eight.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
            })
            .collect();
        rows.extend(bytes.repeat(CODE_PIXELS));
    }
    let side = u32::try_from(side).map_err(|_| cannot())?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().map_err(|_| cannot())?;
    writer.write_image_data(&rows).map_err(|_| cannot())?;
    writer.finish().map_err(|_| cannot())?;
    Ok(file)
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
