//! The layout of a licence's face, from its type: what stands where on a page, in millimetres.
//!
//! Pure data: whoever draws (an OFD, a page for a clerk) puts values into the boxes. It is a plain
//! table in the printed order, not a picture of the official form, whose artwork no public source
//! gives.

use serde::Serialize;

use super::catalogue::{Field, FieldKind, LicenceType};

/// A4 portrait.
const PAGE: (f32, f32) = (210.0, 297.0);
const MARGIN: f32 = 20.0;
const TITLE_HEIGHT: f32 = 16.0;
const LABEL_WIDTH: f32 = 45.0;
const LINE: f32 = 6.0;
const GAP: f32 = 2.0;
/// Height of a row that holds a picture.
const PICTURE: f32 = 30.0;
/// Chinese characters of 10.5 pt (3.7 mm) in one line of a value box.
const CHARACTERS_A_LINE: usize = 32;
const MAX_LINES: usize = 4;

/// A rectangle on the page; the origin is the upper left corner.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct MmBox {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

/// A label and the box of its value.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceRow {
    /// Disclosure name, or the wire name of a plain date.
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub label_box: MmBox,
    pub value_box: MmBox,
}

/// One page.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceLayout {
    pub page_width: f32,
    pub page_height: f32,
    pub title: String,
    pub title_box: MmBox,
    pub rows: Vec<FaceRow>,
    /// Where the seal's picture goes: lower right, over authority and date, as on paper.
    pub seal_box: MmBox,
}

impl FaceLayout {
    /// Title, number, holder, face fields, then authority and dates.
    pub fn of(licence_type: &LicenceType) -> Self {
        let common =
            |name: &'static str| (name, licence_type.label(name).unwrap_or(name), FieldKind::Text, 1);
        let face = licence_type
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.label.as_str(), field.kind, lines(field)));
        let mut entries = vec![common("certificateNumber"), common("certificateHolderName")];
        if !licence_type.number_is_holder_code {
            entries.push(common("certificateHolderCode"));
        }
        entries.extend(face);
        entries.extend([
            common("certificateIssuingAuthorityName"),
            ("certificateIssuedDate", "发证日期", FieldKind::Date, 1),
            ("certificateEffectiveDate", "有效期自", FieldKind::Date, 1),
            ("certificateExpiringDate", "有效期至", FieldKind::Date, 1),
        ]);

        let top = MARGIN + TITLE_HEIGHT + GAP;
        let height = |kind, lines: u8| {
            if kind == FieldKind::Image { PICTURE } else { f32::from(lines) * LINE }
        };
        let wanted: f32 = entries.iter().map(|(_, _, kind, lines)| height(*kind, *lines) + GAP).sum();
        // A type with many long fields is set closer rather than on a second page.
        let scale = ((PAGE.1 - MARGIN - top) / wanted).min(1.0);
        let mut y = top;
        let rows = entries
            .into_iter()
            .map(|(name, label, kind, lines)| {
                let row = height(kind, lines) * scale;
                let label_box = MmBox { x: MARGIN, y, width: LABEL_WIDTH, height: row };
                let x = MARGIN + LABEL_WIDTH + GAP;
                let value_box = MmBox { x, y, width: PAGE.0 - MARGIN - x, height: row };
                y += row + GAP * scale;
                FaceRow { name: name.to_owned(), label: label.to_owned(), kind, label_box, value_box }
            })
            .collect();
        Self {
            page_width: PAGE.0,
            page_height: PAGE.1,
            title: licence_type.name.clone(),
            title_box: MmBox { x: MARGIN, y: MARGIN, width: PAGE.0 - 2.0 * MARGIN, height: TITLE_HEIGHT },
            rows,
            seal_box: MmBox { x: 140.0, y: PAGE.1 - MARGIN - 40.0, width: 40.0, height: 40.0 },
        }
    }
}

/// Lines that the longest value of a field is given.
fn lines(field: &Field) -> u8 {
    let lines = field.max.div_ceil(CHARACTERS_A_LINE).clamp(1, MAX_LINES);
    u8::try_from(lines).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Catalogue;
    use super::*;

    #[test]
    fn every_type_fits_its_page_and_no_box_touches_another() {
        for licence_type in Catalogue::embedded().unwrap() {
            let layout = FaceLayout::of(licence_type);
            let mut floor = layout.title_box.y + layout.title_box.height;
            for row in &layout.rows {
                assert!(row.value_box.y >= floor, "{licence_type}: {}", row.name);
                assert!(row.label_box.x + row.label_box.width <= row.value_box.x);
                assert!(row.value_box.x + row.value_box.width <= layout.page_width);
                assert!(row.value_box.height >= 3.0, "{licence_type}: {}", row.name);
                floor = row.value_box.y + row.value_box.height;
            }
            assert!(floor <= layout.page_height - MARGIN + 0.5, "{licence_type}: {floor}");
            for field in &licence_type.fields {
                assert!(layout.rows.iter().any(|row| row.name == field.name));
            }
        }
    }
}
