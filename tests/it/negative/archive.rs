//! The ZIP: what could be read in two ways, or costs more than it should.

use licence_seal::seal::SubIndication::{FormatFailure, SignedDataNotFound};

use super::world::{World, zip};
use super::zips::{Entry, Zip, crc, deflate};
use super::{Case, Given};

const PAGE: &str = "Doc_0/Pages/Page_0/Content.xml";
const IMAGE: &str = "Doc_0/Res/picture.png";
const MIB: usize = 1 << 20;

type Change = fn(&mut Zip);

/// Entries and directory, changed in one place: what is wrong, and words of the reason.
const CHANGES: &[(&str, &str, Change)] = &[
    // Names.
    ("two entries of one name", "stands twice", |zip| again(zip, PAGE, PAGE)),
    ("two entries whose names differ in case", "stands twice", |zip| {
        again(zip, PAGE, "doc_0/pages/page_0/CONTENT.XML");
    }),
    ("two entries whose names differ in the case of a letter that is not ASCII", "stands twice", |zip| {
        zip.entries.push(Entry::stored("é", b"1"));
        zip.entries.push(Entry::stored("É", b"2"));
    }),
    ("a folder of the name of a file", "stands twice", |zip| {
        zip.entries.push(Entry::stored(&format!("{PAGE}/"), b""));
    }),
    ("a name that leads up", "plain relative path", |zip| again(zip, PAGE, "../x")),
    ("a name that leads up and down again", "plain relative path", |zip| again(zip, PAGE, "a/../../x")),
    ("a name that ends above", "plain relative path", |zip| again(zip, PAGE, "a/..")),
    ("an absolute name", "plain relative path", |zip| again(zip, PAGE, "/etc/x")),
    ("a name with a drive", "plain relative path", |zip| again(zip, PAGE, "C:/x")),
    ("a name with a stream", "plain relative path", |zip| again(zip, PAGE, "OFD.xml:x")),
    ("a name with backslashes", "plain relative path", |zip| again(zip, PAGE, "Doc_0\\x.xml")),
    ("a name of the network", "plain relative path", |zip| again(zip, PAGE, "\\\\host\\x")),
    ("a name with a dot segment", "plain relative path", |zip| again(zip, PAGE, "./OFD.xml")),
    ("a name with an empty segment", "plain relative path", |zip| again(zip, PAGE, "Doc_0//x")),
    ("a name with a line break", "plain relative path", |zip| again(zip, PAGE, "a\nb")),
    ("a name with a zero byte", "plain relative path", |zip| again(zip, PAGE, "OFD.xml\0x")),
    ("a name with a control character of two bytes", "plain relative path", |zip| {
        again(zip, PAGE, "a\u{85}b");
    }),
    ("a name that ends in a dot", "plain relative path", |zip| again(zip, PAGE, "OFD.xml.")),
    ("a name that ends in a space", "plain relative path", |zip| again(zip, PAGE, "OFD.xml ")),
    ("a folder that ends in a dot", "plain relative path", |zip| again(zip, PAGE, "Doc_0./x")),
    ("no name", "plain relative path", |zip| again(zip, PAGE, "")),
    ("a slash as a name", "plain relative path", |zip| again(zip, PAGE, "/")),
    ("a name that is not UTF-8", "plain relative path", |zip| {
        zip.entries.push(Entry::stored("", b"").named(b"\xb5\xda\xd2\xbb"));
    }),
    ("a name of 600 bytes", "plain relative path", |zip| again(zip, PAGE, &"x".repeat(600))),
    ("a folder with content", "plain relative path", |zip| {
        zip.entries.push(Entry::stored("folder/", b"content"));
    }),
    ("another name in an extra field", "plain relative path", |zip| {
        zip.entry(IMAGE).listed.extra = unicode_path(IMAGE, PAGE);
    }),
    ("another name in the extra field of its own header", "plain relative path", |zip| {
        zip.entry(IMAGE).local.extra = unicode_path(IMAGE, PAGE);
    }),
    ("an extra field that is cut off", "plain relative path", |zip| {
        zip.entry(IMAGE).listed.extra = vec![0x75, 0x70, 9, 0, 1];
    }),
    // Headers against the directory.
    ("another name in its own header", "contradict", |zip| zip.entry(IMAGE).local.name = b"x".to_vec()),
    ("another case in its own header", "contradict", |zip| zip.entry(PAGE).local.name[0] = b'd'),
    ("another method in its own header", "contradict", |zip| zip.entry(PAGE).local.method = 0),
    ("another checksum in its own header", "contradict", |zip| zip.entry(PAGE).local.crc ^= 1),
    ("another packed size in its own header", "contradict", |zip| zip.entry(PAGE).local.packed += 1),
    ("another size in its own header", "contradict", |zip| zip.entry(PAGE).local.unpacked += 1),
    ("encrypted in its own header alone", "contradict", |zip| zip.entry(PAGE).local.flags |= 1),
    ("a size that follows, in its own header alone", "contradict", |zip| {
        zip.entry(PAGE).local.flags |= 8;
    }),
    ("a size that follows, in the directory alone", "contradict", |zip| {
        zip.entry(PAGE).listed.flags |= 8;
    }),
    ("an offset into the data of another entry", "contradict", |zip| zip.entry(PAGE).offset = Some(7)),
    ("an offset behind the file", "contradict", |zip| zip.entry(PAGE).offset = Some(0x7fff_ffff)),
    ("the offset of another entry", "contradict", |zip| zip.entry(PAGE).offset = Some(0)),
    ("a packed size up to the directory and over it", "contradict", |zip| {
        zip.entry(PAGE).both(|header| header.packed = 0x00ff_ffff);
    }),
    // Content.
    ("a wrong checksum", "does not unpack", |zip| zip.entry(PAGE).both(|header| header.crc ^= 1)),
    ("content changed under its checksum", "does not unpack", |zip| {
        *zip.entry(IMAGE) = Entry::stored(IMAGE, b"one");
        zip.entry(IMAGE).packed = b"two".to_vec();
    }),
    ("a stream longer than its size", "does not unpack", |zip| {
        zip.entry(PAGE).both(|header| header.unpacked -= 1);
    }),
    ("a stream shorter than its size", "does not unpack", |zip| {
        zip.entry(PAGE).both(|header| header.unpacked += 1);
    }),
    ("a stored entry of two sizes", "does not unpack", |zip| {
        *zip.entry(PAGE) = Entry::stored(PAGE, b"<a/>");
        zip.entry(PAGE).both(|header| header.unpacked = 3);
    }),
    ("a stream that ends before its bytes do", "does not unpack", |zip| {
        let entry = zip.entry(PAGE);
        entry.packed.extend(b"more");
        entry.both(|header| header.packed += 4);
    }),
    ("a stream that is cut off", "does not unpack", |zip| {
        let entry = zip.entry(PAGE);
        entry.packed.truncate(entry.packed.len() - 3);
        entry.both(|header| header.packed -= 3);
    }),
    ("a stream that is none", "does not unpack", |zip| zip.entry(PAGE).packed.fill(0xff)),
    ("a method that is not read", "method 12", |zip| zip.entry(PAGE).both(|header| header.method = 12)),
    ("the method of another compression", "method 9", |zip| {
        zip.entry(PAGE).both(|header| header.method = 9);
    }),
    ("the method of an encryption", "method 99", |zip| {
        zip.entry(PAGE).both(|header| header.method = 99);
    }),
    // Bombs.
    ("an entry that unpacks to a thousand times its size", "times its size", |zip| {
        zip.entries.push(Entry::deflated("x", &vec![0; 4 * MIB]));
    }),
    ("a ZIP of zeros in the ZIP", "times its size", |zip| {
        let inner = Zip {
            before: Vec::new(),
            entries: vec![Entry::stored("x", &vec![0; 4 * MIB])],
            end: Default::default(),
        };
        zip.entries.push(Entry::deflated("x.zip", &inner.build()));
    }),
    ("an entry that claims 65 MiB", "unpacked content is larger", |zip| {
        zip.entry(PAGE).both(|header| (header.packed, header.unpacked) = (65 << 20, 65 << 20));
    }),
    ("entries that claim more than 128 MiB together", "unpacked content is larger", |zip| {
        for name in ["x", "y", "z"] {
            let mut entry = Entry::stored(name, b"");
            entry.both(|header| (header.packed, header.unpacked) = (1 << 20, 60 << 20));
            zip.entries.push(entry);
        }
    }),
    ("five thousand entries", "number of entries", |zip| {
        zip.entries.extend((0..5000).map(|n| Entry::stored(&format!("x/{n}"), b"")));
    }),
    ("an entry over another one, packed once", "shares bytes", |zip| {
        // The first entry's data is the second entry, header and all.
        let inner = Entry::stored("inner", b"content");
        let data = [&inner.local.local()[..], b"content"].concat();
        let outer = Entry::stored("outer", &data);
        let at = zip.build_prefix() as u32 + outer.local.local().len() as u32;
        zip.entries.push(outer);
        let mut second = inner;
        second.offset = Some(at);
        // Its own bytes are written again behind it, under a name that the directory has too.
        second.is_listed = true;
        zip.entries.push(second);
    }),
    // What the directory does not name.
    ("an entry that the directory does not name", "does not name", |zip| {
        let mut hidden = Entry::stored(PAGE, b"<ofd:Page/>");
        hidden.is_listed = false;
        zip.entries.insert(1, hidden);
    }),
    ("an entry before all others that the directory does not name", "does not name", |zip| {
        let mut hidden = Entry::stored("OFD.xml", b"<ofd:OFD/>");
        hidden.is_listed = false;
        zip.entries.insert(0, hidden);
    }),
    ("an entry behind all others that the directory does not name", "does not name", |zip| {
        let mut hidden = Entry::stored("OFD.xml", b"<ofd:OFD/>");
        hidden.is_listed = false;
        zip.entries.push(hidden);
    }),
    ("another file in front, with every offset right", "does not name", |zip| {
        zip.before = b"%PDF-1.7\n% another file\n".to_vec();
    }),
    ("bytes between two entries", "does not name", |zip| {
        zip.entries[2].after = b"hidden".to_vec();
    }),
    ("bytes between the entries and the directory", "does not name", |zip| {
        zip.entries.last_mut().unwrap().after = b"hidden".to_vec();
    }),
    ("a size that follows, and another one than the directory's", "contradict", |zip| {
        let entry = zip.entry(PAGE);
        entry.both(|header| header.flags |= 8);
        entry.after = [b"PK\x07\x08", &[0; 12][..]].concat();
    }),
    ("a size that should follow and does not", "contradict", |zip| {
        zip.entry(PAGE).both(|header| header.flags |= 8);
    }),
    // The end.
    ("a disk of several", "several disks", |zip| zip.end.disk = 1),
    ("two counts", "several disks", |zip| zip.end.count_here = Some(3)),
    ("a count of the 64-bit form", "64-bit form", |zip| {
        (zip.end.count_here, zip.end.count) = (Some(0xffff), Some(0xffff));
    }),
    ("a start of the 64-bit form", "64-bit form", |zip| zip.end.start = Some(0xffff_ffff)),
    ("sizes of the 64-bit form", "64-bit form", |zip| {
        let entry = zip.entry(PAGE);
        let sizes = [u64::from(entry.listed.unpacked), u64::from(entry.listed.packed)];
        let sizes = sizes.map(u64::to_le_bytes).concat();
        entry.both(|header| {
            (header.packed, header.unpacked) = (u32::MAX, u32::MAX);
            header.extra = [&[1, 0, 16, 0], &sizes[..]].concat();
        });
    }),
    ("a count one too small", "bytes follow its last entry", |zip| {
        let count = zip.entries.len() as u16 - 1;
        (zip.end.count_here, zip.end.count) = (Some(count), Some(count));
    }),
    ("a count one too large", "does not begin as one", |zip| {
        let count = zip.entries.len() as u16 + 1;
        (zip.end.count_here, zip.end.count) = (Some(count), Some(count));
        zip.end.before = vec![0; 46];
        zip.end.size = Some(0);
        zip.end.start = Some(0);
        let whole = zip.build();
        let start = whole.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        let end = whole.len() - 22;
        (zip.end.start, zip.end.size) = (Some(start as u32), Some((end - start) as u32));
    }),
    ("a directory of another size", "does not end where it says", |zip| zip.end.size = Some(46)),
    ("a directory that begins elsewhere", "does not end where it says", |zip| zip.end.start = Some(0)),
    ("bytes between the directory and the end", "does not end where it says", |zip| {
        zip.end.before = b"hidden".to_vec();
    }),
    ("a second end in the comment", "does not", |zip| {
        let end = zip.build().len() as u32;
        let mut inner = b"PK\x05\x06".to_vec();
        inner.extend([0; 8]);
        inner.extend(0_u32.to_le_bytes());
        inner.extend(end.to_le_bytes());
        inner.extend([0, 0]);
        zip.end.comment = inner;
    }),
];

type Bytes = fn(Vec<u8>) -> Vec<u8>;

/// The whole file, changed.
const FILES: &[(&str, &str, Bytes)] = &[
    ("no bytes", "not a ZIP", |_| Vec::new()),
    ("a text", "not a ZIP", |_| b"%PDF-1.7".to_vec()),
    ("the first half of the file", "not a ZIP", |file| file[..file.len() / 2].to_vec()),
    ("the last byte missing", "not a ZIP", |file| file[..file.len() - 1].to_vec()),
    ("a byte behind the end", "not a ZIP", |file| [file, vec![0]].concat()),
    ("a byte in front", "does not end where it says", |file| [vec![0], file].concat()),
    ("the file twice", "does not end where it says", |file| [file.clone(), file].concat()),
    ("zeros up to 21 MiB", "file is larger", |file| [file, vec![0; 21 << 20]].concat()),
    ("an end alone", "OFD.xml is not in the package", |_| [b"PK\x05\x06", &[0; 18][..]].concat()),
    ("a directory entry cut off by the end", "cut off", |file| {
        let start = file.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        let mut cut = file[..start + 40].to_vec();
        cut.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        cut.extend(40_u32.to_le_bytes());
        cut.extend((start as u32).to_le_bytes());
        cut.extend([0, 0]);
        cut
    }),
];

pub fn cases(world: &World) -> Vec<Case> {
    let base = zip(&world.sealed());
    let mut cases: Vec<Case> = CHANGES
        .iter()
        .map(|(name, why, change)| {
            let mut changed = base.clone();
            change(&mut changed);
            Case::failed(*name, "ofd.package", FormatFailure, *why, Given::file(changed.build()))
        })
        .collect();
    cases.extend(FILES.iter().map(|(name, why, change)| {
        let check = if *name == "an end alone" { "ofd.structure" } else { "ofd.package" };
        Case::failed(*name, check, FormatFailure, *why, Given::file(change(base.build())))
    }));
    for (name, bit) in [("encrypted", 0), ("encrypted strongly", 6), ("with hidden headers", 13)] {
        let mut changed = base.clone();
        changed.entry(PAGE).both(|header| header.flags |= 1 << bit);
        let given = Given::file(changed.build());
        cases.push(Case::open(format!("an entry {name}"), "ofd.encryption", SignedDataNotFound, PAGE, given));
    }
    cases
}

/// One more entry of this name with the content of another.
fn again(zip: &mut Zip, from: &str, name: &str) {
    let copy = zip.entry(from).clone().named(name.as_bytes());
    zip.entries.push(copy);
}

/// Info-ZIP's Unicode path: readers that know it take this name in the place of the other.
fn unicode_path(name: &str, instead: &str) -> Vec<u8> {
    let content = [&[1], &crc(name.as_bytes()).to_le_bytes()[..], instead.as_bytes()].concat();
    [&[0x75, 0x70], &(content.len() as u16).to_le_bytes()[..], &content].concat()
}

impl Zip {
    /// Where the next entry would begin.
    fn build_prefix(&self) -> usize {
        let entries = self.entries.iter();
        entries.map(|entry| entry.local.local().len() + entry.packed.len() + entry.after.len()).sum()
    }
}

#[test]
fn what_is_packed_by_hand_is_read() {
    let entries = World::unsigned();
    let mut zip = zip(&entries);
    // A size that follows, as writers to a pipe do.
    let entry = zip.entry(PAGE);
    let (crc, packed, unpacked) = (entry.listed.crc, entry.listed.packed, entry.listed.unpacked);
    entry.both(|header| header.flags |= 8);
    (entry.local.crc, entry.local.packed, entry.local.unpacked) = (0, 0, 0);
    entry.after = [&b"PK\x07\x08"[..], &[crc, packed, unpacked].map(u32::to_le_bytes).concat()].concat();
    zip.entries.push(Entry::stored("folder/", b""));
    zip.end.comment = b"comment".to_vec();
    let package = licence_seal::ofd::Package::open(&zip.build(), &Default::default()).unwrap();
    assert_eq!(package.into_entries(), entries);
    assert!(deflate(b"x").len() < 10);
}
