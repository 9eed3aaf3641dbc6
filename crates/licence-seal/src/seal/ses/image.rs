//! Whether a seal's picture is what it says it is.
//!
//! The picture is shown beside a verdict, so a file that lies about it is not let through: bytes of
//! another kind than declared, more pixels than a seal can need, a PNG that does not decode, an SVG
//! that runs or fetches something. What makers write carelessly and harmlessly is let through and
//! said: `jpg` for `JPEG`, no millimetres. Work is bounded by the size of the seal and by the pixels;
//! the bytes of GIF, JPEG and BMP are looked at up to their size, not decoded.
//!
//! Decoding costs about as much as verifying a signature, and an authority's seal is on all that it
//! seals: the last few pictures that decoded are remembered by their digest.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::Picture;
use crate::crypto::{Digest, sha256};

/// Most pixels on a side.
const MAX_PIXELS: usize = 4096;
/// Most bytes of decoded pixels.
const MAX_DECODED: usize = 64 * 1024 * 1024;
/// Largest declared side, in millimetres.
const MAX_MILLIMETRES: u32 = 500;
/// Deepest nesting of an SVG.
const MAX_DEPTH: usize = 64;

/// How a picture lies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PictureFault {
    #[error("the picture is empty")]
    Empty,
    #[error("the type \"{0}\" of the picture is not known")]
    UnknownKind(String),
    #[error("the picture is declared as {declared}, its bytes are {found}")]
    OtherKind { declared: &'static str, found: &'static str },
    #[error("the picture does not show its size: {0}")]
    NoSize(String),
    #[error("the picture has {width} × {height} pixels; a seal has 1 to 4096 on a side")]
    Pixels { width: usize, height: usize },
    #[error("the picture is declared as {width} × {height} mm; a seal has at most 500 on a side")]
    Millimetres { width: u32, height: u32 },
    #[error("the picture does not decode: {0}")]
    Undecodable(String),
    #[error("the picture runs or fetches something: {0}")]
    Active(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    Gif,
    Bmp,
    Svg,
    Ofd,
}

impl Kind {
    const ALL: [(Self, &'static str, &'static [&'static str]); 6] = [
        (Self::Png, "PNG", &["png"]),
        (Self::Jpeg, "JPEG", &["jpg", "jpeg"]),
        (Self::Gif, "GIF", &["gif"]),
        (Self::Bmp, "BMP", &["bmp"]),
        (Self::Svg, "SVG", &["svg", "svg+xml"]),
        (Self::Ofd, "OFD", &["ofd"]),
    ];

    fn named(declared: &str) -> Option<Self> {
        let plain = declared.trim().to_ascii_lowercase();
        let plain = plain.trim_start_matches("image/").trim_start_matches('.');
        Self::ALL.into_iter().find(|(_, _, names)| names.contains(&plain)).map(|entry| entry.0)
    }

    fn of(data: &[u8]) -> Option<Self> {
        match data {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'P', b'K', 3, 4, ..] => Some(Self::Ofd),
            _ => {
                let text = std::str::from_utf8(data).ok()?;
                text.trim_start_matches('\u{feff}').trim_start().starts_with('<').then_some(Self::Svg)
            }
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, ..)| *kind == self).map_or("", |entry| entry.1)
    }
}

/// Checks a picture; what it lacks harmlessly comes back as a note.
pub(super) fn check(picture: &Picture) -> Result<Option<String>, PictureFault> {
    let Picture { kind, data, width, height } = picture;
    if data.is_empty() {
        return Err(PictureFault::Empty);
    }
    let declared = Kind::named(kind).ok_or_else(|| PictureFault::UnknownKind(kind.clone()))?;
    let found = Kind::of(data).map_or("of no kind that is known", Kind::name);
    if declared.name() != found {
        return Err(PictureFault::OtherKind { declared: declared.name(), found });
    }
    if (*width).max(*height) > MAX_MILLIMETRES {
        return Err(PictureFault::Millimetres { width: *width, height: *height });
    }
    match declared {
        Kind::Svg => passive_svg(data)?,
        Kind::Ofd => {
            let read = zip::ZipArchive::new(Cursor::new(data));
            read.map_err(|why| PictureFault::Undecodable(why.to_string()))?;
        }
        _ => {
            let size = imagesize::blob_size(data).map_err(|why| PictureFault::NoSize(why.to_string()))?;
            let sides = 1..=MAX_PIXELS;
            if !sides.contains(&size.width) || !sides.contains(&size.height) {
                return Err(PictureFault::Pixels { width: size.width, height: size.height });
            }
            if declared == Kind::Png {
                decode_png(data).map_err(PictureFault::Undecodable)?;
            }
        }
    }
    let no_size = *width == 0 || *height == 0;
    Ok(no_size.then(|| format!("the seal gives no size for it: {width} × {height} mm")))
}

/// Pictures that are remembered.
const MAX_REMEMBERED: usize = 32;

/// Digests of pictures that decoded, the newest last.
static DECODED: Mutex<VecDeque<Digest>> = Mutex::new(VecDeque::new());

/// Decodes row by row, so that no more than a row is held.
fn decode_png(data: &[u8]) -> Result<(), String> {
    let digest = sha256(&[data]);
    let remembered = || DECODED.lock().unwrap_or_else(PoisonError::into_inner);
    if remembered().contains(&digest) {
        return Ok(());
    }
    let limits = png::Limits { bytes: MAX_DECODED };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(data), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|why| why.to_string())?;
    if reader.output_buffer_size().is_none_or(|size| size > MAX_DECODED) {
        return Err("more than 64 MiB of pixels".to_owned());
    }
    while reader.next_row().map_err(|why| why.to_string())?.is_some() {}
    let mut remembered = remembered();
    if remembered.len() >= MAX_REMEMBERED {
        remembered.pop_front();
    }
    remembered.push_back(digest);
    Ok(())
}

/// An SVG that only draws: well formed, no script, no handler, nothing fetched, no entity.
fn passive_svg(data: &[u8]) -> Result<(), PictureFault> {
    let broken = |why: String| PictureFault::Undecodable(why);
    let active = |what: &str| Err(PictureFault::Active(what.to_owned()));
    let text = std::str::from_utf8(data).map_err(|why| broken(why.to_string()))?;
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut depth = 0_usize;
    let mut rooted = false;
    // What a style says may be torn apart by comments: it is judged as a whole.
    let (mut styles, mut style_depth) = (String::new(), None);
    loop {
        match reader.read_event().map_err(|why| broken(why.to_string()))? {
            Event::Eof if fetches(&styles) => return active("a style that fetches"),
            Event::Eof if rooted && depth == 0 => return Ok(()),
            Event::Eof => return Err(broken("it ends too early".to_owned())),
            event @ (Event::Start(_) | Event::Empty(_)) => {
                let opens = matches!(event, Event::Start(_));
                let (Event::Start(element) | Event::Empty(element)) = event else { continue };
                if depth == 0 && (rooted || element.local_name().as_ref() != "svg") {
                    return Err(broken("its root is not one svg".to_owned()));
                }
                rooted = true;
                if opens && element.local_name().as_ref().eq_ignore_ascii_case("style") {
                    style_depth.get_or_insert(depth);
                }
                passive_element(&element)?;
                depth = depth.saturating_add(usize::from(opens));
                if depth > MAX_DEPTH {
                    return Err(broken(format!("nested deeper than {MAX_DEPTH}")));
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                style_depth = style_depth.filter(|opened| *opened < depth);
            }
            Event::DocType(declared) if declared.as_ref().contains('[') => {
                return active("a DOCTYPE that declares");
            }
            Event::PI(_) => return active("a processing instruction"),
            Event::GeneralRef(entity) => {
                let name = entity.as_ref();
                if !name.starts_with('#') && !matches!(name, "lt" | "gt" | "amp" | "apos" | "quot") {
                    return active(&format!("the entity {name}"));
                }
                if style_depth.is_some() {
                    return active("a reference in a style");
                }
            }
            Event::Text(text) if style_depth.is_some() => styles.push_str(text.as_ref()),
            Event::CData(text) if style_depth.is_some() => styles.push_str(text.as_ref()),
            Event::Decl(_) | Event::Comment(_) | Event::DocType(_) | Event::Text(_) | Event::CData(_) => {}
        }
    }
}

fn passive_element(element: &BytesStart<'_>) -> Result<(), PictureFault> {
    let active = |what: String| Err(PictureFault::Active(what));
    let name = element.local_name();
    let name = name.as_ref();
    let lower = name.to_ascii_lowercase();
    if ["script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "link"]
        .contains(&lower.as_str())
    {
        return active(format!("the element {name}"));
    }
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|why| PictureFault::Undecodable(why.to_string()))?;
        let key = attribute.key.local_name();
        let key = key.as_ref().to_ascii_lowercase();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|why| PictureFault::Undecodable(why.to_string()))?;
        let plain: String = value.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        let plain = plain.to_ascii_lowercase();
        let inside =
            ["#", "data:image/png;", "data:image/jpeg;"].iter().any(|start| plain.starts_with(start));
        let refers = matches!(key.as_str(), "href" | "src") && !plain.is_empty() && !inside;
        if key.starts_with("on") || refers || plain.contains("javascript:") || fetches(&plain) {
            return active(format!("the attribute {key} of {name}"));
        }
    }
    Ok(())
}

/// Whether a style brings something in from elsewhere: `@import`, or `url(…)` of anything but a part
/// of the picture itself. A backslash can spell either in another way.
fn fetches(style: &str) -> bool {
    let plain: String = style.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
    let plain = plain.to_ascii_lowercase();
    let spelt = plain.contains("@import") || plain.contains('\\');
    spelt || plain.split("url(").skip(1).any(|target| !target.starts_with('#'))
}
