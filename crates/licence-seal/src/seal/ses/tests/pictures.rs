//! Pictures: those that are what they say, those that are careless, and those that lie.

use proptest::prelude::*;

use super::image::check;
use super::*;

const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

fn picture(kind: &str, data: &[u8], millimetres: u32) -> Picture {
    Picture { kind: kind.to_owned(), data: data.to_vec(), width: millimetres, height: millimetres }
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![0x7f; width as usize * height as usize * 4]).unwrap();
    writer.finish().unwrap();
    out
}

/// A PNG header that claims this size, over pixels of another.
fn lying_png(width: u32, height: u32) -> Vec<u8> {
    let mut data = png(2, 2);
    data[16..20].copy_from_slice(&width.to_be_bytes());
    data[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&data[12..29]);
    data[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    data
}

fn ofd() -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("OFD.xml", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(b"<OFD/>").unwrap();
    writer.finish().unwrap().into_inner()
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut data = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    data.extend(width.to_le_bytes());
    data.extend(height.to_le_bytes());
    data.resize(54, 0);
    data
}

const JPEG: &[u8] = &[
    0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0xff, 0xc0, 0, 11,
    8, 0, 16, 0, 16, 1, 1, 0x11, 0, 0xff, 0xd9,
];
const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><style>.a{fill:url(#g)}</style>
<defs><linearGradient id="g"/></defs><circle class="a" r="20"/><use href="#g"/><text>章 &amp; &#x7ae0;</text></svg>"##;

#[test]
fn a_picture_of_each_kind_is_what_it_says() {
    for (kind, data) in [
        ("PNG", png(2, 2)),
        ("png", plain_ring::plain_ring()),
        ("JPEG", JPEG.to_vec()),
        ("jpg", JPEG.to_vec()),
        ("GIF", DOT.to_vec()),
        ("bmp", bmp(16, 16)),
        ("ofd", ofd()),
        ("SVG", SVG.as_bytes().to_vec()),
        ("image/svg+xml", format!("\u{feff}<?xml version=\"1.0\"?><!DOCTYPE svg>{SVG}").into_bytes()),
    ] {
        assert_eq!(check(&picture(kind, &data, 40)), Ok(None), "{kind}");
    }
    let note = check(&picture("GIF", DOT, 0)).unwrap().unwrap();
    assert!(note.contains("no size"));
    assert_eq!(check(&picture("GIF", DOT, 500)), Ok(None));
}

#[test]
fn a_picture_that_lies_is_refused() {
    let huge_gif = b"GIF89a\xff\xff\xff\xff\0\0\0;".to_vec();
    let mut torn = plain_ring::plain_ring();
    torn.truncate(torn.len() / 2);
    let mut flipped = png(64, 64);
    let at = flipped.windows(4).position(|name| name == b"IDAT").unwrap() + 12;
    flipped[at] ^= 0x55;
    let mut truncated_zip = ofd();
    truncated_zip.truncate(40);
    for (why, kind, data, millimetres) in [
        ("empty", "PNG", Vec::new(), 40),
        ("unknown type", "TIFF", b"II*\0".to_vec(), 40),
        ("another kind", "PNG", DOT.to_vec(), 40),
        ("another kind", "JPG", png(2, 2), 40),
        ("no kind", "PNG", b"picture".to_vec(), 40),
        ("no zip", "ofd", b"picture".to_vec(), 40),
        ("torn zip", "ofd", truncated_zip, 40),
        ("huge", "GIF", huge_gif, 40),
        ("no pixels", "PNG", lying_png(0, 2), 40),
        ("a wide claim", "PNG", lying_png(4097, 2), 40),
        ("a bomb", "PNG", lying_png(u32::MAX / 2, u32::MAX / 2), 40),
        ("too few pixels", "PNG", lying_png(4096, 4096), 40),
        ("torn", "PNG", torn, 40),
        ("flipped", "PNG", flipped, 40),
        ("header only", "PNG", PNG.to_vec(), 40),
        ("header only", "BMP", b"BM".to_vec(), 40),
        ("wide", "BMP", bmp(5000, 1), 40),
        ("half a metre and more", "GIF", DOT.to_vec(), 501),
    ] {
        assert!(check(&picture(kind, &data, millimetres)).is_err(), "{why} {kind}");
    }
    let world = World::new(Suite::P256Sha256);
    let lying = SealSpec { picture: picture("PNG", DOT, 40), ..world.spec() };
    let stamp = world.stamp(&world.seal(&lying), NOW, "owner", world.owner.der());
    assert_eq!(bad(&world.check(&stamp).checks), failed("sealPicture", SubIndication::FormatFailure));
    let empty = foreign::Foreign { picture: Vec::new(), ..foreign::Foreign::new(&world) };
    assert_eq!(bad(&empty.check().checks), failed("sealPicture", SubIndication::FormatFailure));
}

#[test]
fn an_svg_that_runs_or_fetches_is_refused() {
    let deep = format!("{}{}", "<g>".repeat(70), "</g>".repeat(70));
    for inside in [
        "<script>1</script>",
        "<SCRIPT/>",
        "<x:script xmlns:x='http://www.w3.org/2000/svg'/>",
        "<foreignObject/>",
        "<image href='http://a.example/x.png'/>",
        "<image xlink:href='//a.example/x.png'/>",
        "<image href='data:image/svg+xml;base64,AAAA'/>",
        "<image href='&#104;ttp://a.example'/>",
        "<a href=' java\tscript:alert(1)'/>",
        "<set attributeName='href' to='javascript:alert(1)'/>",
        "<g onload='x()'/>",
        "<g style='fill:url(http://a.example)'/>",
        "<g style='fill:u\\72l(http://a.example)'/>",
        "<g fill='url( \"//a.example#g\")'/>",
        "<style>@import 'x'</style>",
        "<style>@im<!-- -->port 'x'</style>",
        "<style>@imp&#111;rt 'x'</style>",
        "<style><![CDATA[a{b:url(x)}]]></style>",
        "&outside;",
        "<?xml-stylesheet href='x'?>",
        "<g>",
        "</g>",
        "<g a='1' a='2'/>",
        deep.as_str(),
    ] {
        let svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>");
        assert!(check(&picture("SVG", svg.as_bytes(), 40)).is_err(), "{inside}");
    }
    for whole in [
        "<html/>",
        "<svg/><svg/>",
        "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg>&a;</svg>",
        "<?xml-stylesheet href='x'?><svg/>",
        "<",
        "<svg",
    ] {
        assert!(check(&picture("SVG", whole.as_bytes(), 40)).is_err(), "{whole}");
    }
}

proptest! {
    #[test]
    fn arbitrary_pictures_never_panic(
        kind in prop::sample::select(vec!["PNG", "JPG", "GIF", "BMP", "SVG", "ofd"]),
        tail in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let starts: [&[u8]; 7] =
            [&PNG, &[0xff, 0xd8, 0xff], b"GIF89a", b"BM", b"PK\x03\x04", b"<svg>", b""];
        for start in starts {
            let _ = check(&picture(kind, &[start, &tail].concat(), 40));
        }
    }

    #[test]
    fn arbitrary_changes_of_a_png_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        static RING: LazyLock<Vec<u8>> = LazyLock::new(plain_ring::plain_ring);
        let mut data = RING.clone();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        let _ = check(&picture("PNG", &data, 40));
    }
}
