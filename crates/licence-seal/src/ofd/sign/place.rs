//! Where a seal's picture is shown: on one page, or in slices over all of them.

use crate::licence::MmBox;
use crate::ofd::xml::Element;
use crate::ofd::{Document, OfdError, Package, WriteError};
use crate::seal::ses::Seal;

/// How far in from the edges a seal stands for which no place is named, in millimetres.
const INSET: f32 = 20.0;

/// Where a seal's picture goes, at the size that the seal says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place {
    /// Upper left corner on a page, from 1; millimetres.
    At { page: usize, x: f32, y: f32 },
    /// Lower right on a page, from 1, a little in from its edges.
    LowerRight { page: usize },
    /// In the middle of a box on a page, from 1.
    Within { page: usize, area: MmBox },
    /// 骑缝: a slice of it at the right edge of each page, halfway down.
    Straddle,
}

/// One `StampAnnot`: page identifier, place, and the part of the picture that is shown.
pub struct StampAt {
    pub page: String,
    pub boundary: MmBox,
    pub clip: Option<MmBox>,
}

pub fn stamps(
    package: &Package,
    document: &Document,
    seal: &Seal,
    place: Place,
) -> Result<Vec<StampAt>, WriteError> {
    let (width, height) = (seal.picture.width as f32, seal.picture.height as f32);
    if width < 1.0 || height < 1.0 {
        return Err(WriteError::SealPicture);
    }
    let on = |number: usize, corner: &dyn Fn((f32, f32)) -> (f32, f32)| {
        let page = number.checked_sub(1).and_then(|at| document.pages.get(at));
        let (id, entry) = page.ok_or(WriteError::NoSuchPage(number))?;
        let area = page_size(package, document, entry)?;
        let (x, y) = corner(area);
        let boundary = MmBox { x, y, width, height };
        let on_page = x >= 0.0 && y >= 0.0 && x + width <= area.0 && y + height <= area.1;
        if !on_page {
            return Err(WriteError::OffPage(number));
        }
        Ok(vec![StampAt { page: id.clone(), boundary, clip: None }])
    };
    match place {
        Place::At { page, x, y } => on(page, &|_| (x, y)),
        Place::LowerRight { page } => on(page, &|(page_width, page_height)| {
            ((page_width - width - INSET).max(0.0), (page_height - height - INSET).max(0.0))
        }),
        Place::Within { page, area } => {
            on(page, &|_| (area.x + (area.width - width) / 2.0, area.y + (area.height - height) / 2.0))
        }
        Place::Straddle => {
            let count = document.pages.len();
            if count < 2 {
                return Err(WriteError::StraddleOnePage);
            }
            let slice = width / count as f32;
            let slice_on = |(at, (id, entry)): (usize, &(String, String))| {
                let (page_width, page_height) = page_size(package, document, entry)?;
                let clip = MmBox { x: slice * at as f32, y: 0.0, width: slice, height };
                let (x, y) = (page_width - slice - clip.x, (page_height - height) / 2.0);
                if y < 0.0 {
                    return Err(WriteError::OffPage(at + 1));
                }
                let boundary = MmBox { x, y, width, height };
                Ok(StampAt { page: id.clone(), boundary, clip: Some(clip) })
            };
            document.pages.iter().enumerate().map(slice_on).collect()
        }
    }
}

/// Width and height of a page: its own area, or the document's.
fn page_size(package: &Package, document: &Document, entry: &str) -> Result<(f32, f32), WriteError> {
    let size = |area: Option<&Element>| {
        let numbers: Option<Vec<f32>> = area?
            .child_text("PhysicalBox")?
            .split_whitespace()
            .map(|number| number.parse().ok().filter(|number: &f32| number.is_finite()))
            .collect();
        match numbers?.as_slice() {
            [_, _, width, height] => Some((*width, *height)),
            _ => None,
        }
    };
    let page = package.part(entry, "Page")?;
    if let Some(found) = size(page.child("Area")) {
        return Ok(found);
    }
    let root = package.part(&document.root, "Document")?;
    let found = size(root.child("CommonData").and_then(|common| common.child("PageArea")));
    found.ok_or_else(|| OfdError::Lacks { part: document.root.clone(), what: "PhysicalBox" }.into())
}
