//! Reading the ZIP of an OFD (APPNOTE 6.3.3; GB/T 33190-2016 asks for a ZIP with `OFD.xml` in it).
//!
//! A seal covers the bytes of entries by their names, so two readers that disagree about which bytes
//! a name stands for can be shown two documents under one seal. Libraries hide just that: they take
//! the last of two entries with one name, and believe the central directory where the local header
//! says otherwise. So the directory is read here, and refused unless there is one reading of it:
//! names are unique (without regard to case), plain and relative, and stand in one place; both headers
//! agree; entries lie end to end, so that no other file hides in front of them or between them; every
//! length and checksum is right. flate2 unpacks, into a buffer of the size that the
//! directory promised and not a byte more.

use std::borrow::Cow;
use std::collections::HashSet;

use encoding_rs::GB18030;
use unicode_normalization::UnicodeNormalization;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::settings::{Limits, RATIO_FLOOR};

/// How a package breaks the rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("not a ZIP: it has no end of central directory")]
    NotAnArchive,
    #[error("a ZIP of several disks or of the 64-bit form, which a file of this size never needs")]
    Form,
    #[error("the {0} is larger than allowed")]
    TooLarge(&'static str),
    #[error("the directory of the ZIP is broken: {0}")]
    Directory(&'static str),
    #[error("entry \"{0}\": its name is not a plain relative path")]
    Name(String),
    #[error("entry \"{0}\" stands twice (names that differ only in case are the same)")]
    Duplicate(String),
    #[error("entry \"{0}\" is encrypted")]
    Encrypted(String),
    #[error("entry \"{name}\" is packed by method {method}; only 0 and 8 are read")]
    Method { name: String, method: u16 },
    #[error("entry \"{0}\": its own header and the directory contradict each other")]
    Contradiction(String),
    #[error("entry \"{0}\" shares bytes with another one")]
    Overlap(String),
    #[error("before or between the entries lie bytes that the directory does not name")]
    Hidden,
    #[error("entry \"{name}\" unpacks to more than {ratio} times its size")]
    Bomb { name: String, ratio: usize },
    #[error("entry \"{0}\" does not unpack to what the directory promises")]
    Content(String),
}

/// One file of the package, unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Relative to the root, without a leading slash.
    pub name: String,
    pub data: Vec<u8>,
}

const END: [u8; 4] = *b"PK\x05\x06";
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const END_LEN: usize = 22;
const DIRECTORY_LEN: usize = 46;
const LOCAL_LEN: usize = 30;
const MAX_COMMENT: usize = 0xffff;
const MAX_NAME: usize = 512;
/// Folders a name may lead through.
const MAX_SEGMENTS: usize = 32;
/// General purpose bit 11: the name is UTF-8.
const UTF8: u16 = 1 << 11;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// General purpose bit 0 (encrypted), 6 (strong encryption), 13 (masked headers).
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// General purpose bit 3: sizes and checksum follow the data.
const DESCRIPTOR: u16 = 1 << 3;
/// What a descriptor may begin with.
const DESCRIBED: [u8; 4] = *b"PK\x07\x08";
/// Extra field with a second name of the entry (Info-ZIP Unicode Path, APPNOTE 4.6.9).
/// Length of the record that leads to the 64-bit form of the directory.
const LOCATOR_LEN: usize = 20;
const UNICODE_PATH: u16 = 0x7075;

/// What the central directory says of one entry.
struct Listed {
    name: String,
    /// As it stands in the directory.
    raw_name: Vec<u8>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: usize,
    unpacked: usize,
    offset: usize,
}

/// Every file of a package, in the order of its directory; folders are left out.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    if bytes.len() > limits.file {
        return Err(ArchiveError::TooLarge("file"));
    }
    let (listed, directory_at) = directory(bytes, limits)?;
    let mut spans = Vec::with_capacity(listed.len());
    let mut entries = Vec::with_capacity(listed.len());
    let mut inflate = Decompress::new(false);
    for entry in &listed {
        let (start, data) = packed(bytes, entry, directory_at)?;
        spans.push((start, entry));
        if !entry.name.ends_with('/') {
            entries.push(Entry { name: entry.name.clone(), data: unpack(entry, data, &mut inflate)? });
        } else if entry.unpacked != 0 {
            return Err(ArchiveError::Name(entry.name.clone()));
        }
    }
    end_to_end(bytes, spans, directory_at)?;
    Ok(entries)
}

/// The directory's entries, held to every rule that needs no unpacking, and where it begins.
fn directory(bytes: &[u8], limits: &Limits) -> Result<(Vec<Listed>, usize), ArchiveError> {
    let end_at = end_of_directory(bytes).ok_or(ArchiveError::NotAnArchive)?;
    let end = Fields(bytes.get(end_at..).unwrap_or_default());
    let broken = ArchiveError::Directory;
    let field = |at| end.u16(at).ok_or(broken("its end is cut off"));
    let (disk, start_disk, here, count) = (field(4)?, field(6)?, field(8)?, field(10)?);
    let size = end.size(12).ok_or(broken("its end is cut off"))?;
    let start = end.size(16).ok_or(broken("its end is cut off"))?;
    if disk != 0 || start_disk != 0 || here != count || count == u16::MAX || start == 0xffff_ffff {
        return Err(ArchiveError::Form);
    }
    if usize::from(count) > limits.entries {
        return Err(ArchiveError::TooLarge("number of entries"));
    }
    if start.checked_add(size) != Some(end_at) {
        return Err(broken("it does not end where it says"));
    }
    let mut rest = bytes.get(start..end_at).ok_or(broken("it lies outside the file"))?;
    let mut listed: Vec<Listed> = Vec::with_capacity(usize::from(count));
    let mut names = HashSet::new();
    let mut total = 0_usize;
    for _ in 0..count {
        let (entry, after) = Listed::read(rest)?;
        rest = after;
        if entry.flags & ENCRYPTED != 0 {
            return Err(ArchiveError::Encrypted(entry.name));
        }
        if entry.method != STORED && entry.method != DEFLATED {
            return Err(ArchiveError::Method { name: entry.name, method: entry.method });
        }
        if !names.insert(folded(entry.name.trim_end_matches('/'))) {
            return Err(ArchiveError::Duplicate(entry.name));
        }
        total = total.saturating_add(entry.unpacked);
        if entry.unpacked > limits.entry || total > limits.total {
            return Err(ArchiveError::TooLarge("unpacked content"));
        }
        if entry.unpacked > RATIO_FLOOR && entry.unpacked / limits.ratio > entry.packed {
            return Err(ArchiveError::Bomb { name: entry.name, ratio: limits.ratio });
        }
        listed.push(entry);
    }
    if !rest.is_empty() {
        return Err(broken("bytes follow its last entry"));
    }
    Ok((listed, start))
}

/// Where the end record begins. It is the last one of the file, its comment reaches just to the end, and
/// neither the comment nor the bytes before it hold another record: readers differ in which they take.
fn end_of_directory(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LEN)?;
    let first = last.saturating_sub(MAX_COMMENT);
    let at =
        (first..=bytes.len()).rev().find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(&END)))?;
    let record = Fields(bytes.get(at..)?);
    let comment = bytes.get(at.checked_add(END_LEN)?..)?;
    let exact = record.u16(20).map(usize::from) == Some(comment.len());
    let wide = at.checked_sub(LOCATOR_LEN).and_then(|from| bytes.get(from..at));
    let wide = wide.is_some_and(|bytes| bytes.starts_with(b"PK\x06\x07"));
    (exact && !wide && !has_record(comment)).then_some(at)
}

/// Whether bytes that are none hold the beginning of a record of a ZIP.
fn has_record(bytes: &[u8]) -> bool {
    let begins = |four: &[u8]| {
        matches!(four, [b'P', b'K', 1, 2] | [b'P', b'K', 3, 4] | [b'P', b'K', 5 | 6, 6] | [b'P', b'K', 6, 7])
    };
    bytes.windows(4).any(begins)
}

impl Listed {
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), ArchiveError> {
        let header = Fields(bytes);
        let cut = || ArchiveError::Directory("an entry is cut off");
        if !header.starts_with(&DIRECTORY) {
            return Err(ArchiveError::Directory("an entry does not begin as one"));
        }
        let half = |at| header.u16(at).ok_or_else(cut);
        let size = |at| header.size(at).ok_or_else(cut);
        let (name_len, extra, comment) = (half(28)?, half(30)?, half(32)?);
        let lengths = [name_len, extra, comment].map(usize::from);
        let body = bytes.get(DIRECTORY_LEN..).ok_or_else(cut)?;
        let (name, after) = body.split_at_checked(usize::from(name_len)).ok_or_else(cut)?;
        let rest = after.get(lengths.iter().skip(1).sum::<usize>()..).ok_or_else(cut)?;
        let beside = after.get(..after.len() - rest.len()).unwrap_or_default();
        if has_second_name(after.get(..usize::from(extra)).unwrap_or_default()) {
            return Err(ArchiveError::Name(String::from_utf8_lossy(name).into_owned()));
        }
        if has_record(beside) {
            return Err(ArchiveError::Hidden);
        }
        let entry = Self {
            name: plain_name(name, half(8)?)?,
            raw_name: name.to_vec(),
            flags: half(8)?,
            method: half(10)?,
            crc: header.u32(16).ok_or_else(cut)?,
            packed: size(20)?,
            unpacked: size(24)?,
            offset: size(42)?,
        };
        if [entry.packed, entry.unpacked, entry.offset].contains(&0xffff_ffff) {
            return Err(ArchiveError::Form);
        }
        Ok((entry, rest))
    }
}

/// What a name is to a system that knows no case: NFKC, then both ways, since some letters (ſ) have only one.
pub fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfkc().collect::<String>().to_uppercase().to_lowercase()
}

/// A name is UTF-8, or GB 18030 where it does not say that it is UTF-8 and is not; it is relative, and has no segment that leads elsewhere or that a system reads in a way
/// of its own (Windows leaves dots and spaces at the end out).
fn plain_name(bytes: &[u8], flags: u16) -> Result<String, ArchiveError> {
    let refuse = || ArchiveError::Name(String::from_utf8_lossy(bytes).into_owned());
    let name = match std::str::from_utf8(bytes) {
        Ok(name) => Cow::Borrowed(name),
        Err(_) if flags & UTF8 != 0 => return Err(refuse()),
        Err(_) => GB18030.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(refuse)?,
    };
    let path = name.strip_suffix('/').unwrap_or(&name);
    let plain = |segment: &str| !segment.is_empty() && !segment.ends_with(['.', ' ']);
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
    let deep = path.split('/').count() > MAX_SEGMENTS;
    if name.len() > MAX_NAME || deep || name.contains(odd) || !path.split('/').all(plain) {
        return Err(refuse());
    }
    Ok(name.into_owned())
}

/// Whether an extra field gives the entry another name, which some readers take.
fn has_second_name(extra: &[u8]) -> bool {
    let mut rest = extra;
    while let (Some(id), Some(length)) = (Fields(rest).u16(0), Fields(rest).u16(2)) {
        if id == UNICODE_PATH {
            return true;
        }
        rest = rest.get(4 + usize::from(length)..).unwrap_or_default();
    }
    false
}

/// Where an entry's local header begins, and its packed bytes; the header must agree with the directory.
fn packed<'a>(
    bytes: &'a [u8],
    entry: &Listed,
    directory_at: usize,
) -> Result<(usize, &'a [u8]), ArchiveError> {
    let contradiction = || ArchiveError::Contradiction(entry.name.clone());
    let before_directory = bytes.get(..directory_at).unwrap_or_default();
    let header = before_directory.get(entry.offset..).ok_or_else(contradiction)?;
    let fields = Fields(header);
    let half = |at| fields.u16(at).ok_or_else(contradiction);
    let (flags, method, name_len, extra) = (half(6)?, half(8)?, half(26)?, half(28)?);
    let name = header.get(LOCAL_LEN..).and_then(|rest| rest.get(..usize::from(name_len)));
    let told = flags & DESCRIPTOR == 0;
    let sizes = [(14, entry.crc as usize), (18, entry.packed), (22, entry.unpacked)];
    let agrees = fields.starts_with(&LOCAL)
        && (flags ^ entry.flags) & (ENCRYPTED | DESCRIPTOR) == 0
        && method == entry.method
        && name == Some(entry.raw_name.as_slice())
        && sizes.iter().all(|(at, listed)| {
            let said = fields.size(*at);
            said == Some(*listed) || (!told && said == Some(0))
        });
    if !agrees {
        return Err(contradiction());
    }
    let extra_at = LOCAL_LEN.saturating_add(usize::from(name_len));
    let from = extra_at.saturating_add(usize::from(extra));
    if has_second_name(header.get(extra_at..from).unwrap_or_default()) {
        return Err(ArchiveError::Name(entry.name.clone()));
    }
    let data = header.get(from..).and_then(|rest| rest.get(..entry.packed)).ok_or_else(contradiction)?;
    Ok((entry.offset, data))
}

fn unpack(entry: &Listed, packed: &[u8], inflate: &mut Decompress) -> Result<Vec<u8>, ArchiveError> {
    let wrong = || ArchiveError::Content(entry.name.clone());
    let data = if entry.method == STORED {
        packed.to_vec()
    } else {
        // The very buffer is what is read, so a stream that goes on where it is full is an error.
        let mut data = vec![0; entry.unpacked];
        inflate.reset(false);
        let status = inflate.decompress(packed, &mut data, FlushDecompress::Finish);
        let whole = |count: u64, bytes: &[u8]| usize::try_from(count) == Ok(bytes.len());
        let ended = matches!(status, Ok(Status::StreamEnd));
        if !ended || !whole(inflate.total_in(), packed) || !whole(inflate.total_out(), &data) {
            return Err(wrong());
        }
        data
    };
    let mut crc = Crc::new();
    crc.update(&data);
    if data.len() != entry.unpacked || crc.sum() != entry.crc { Err(wrong()) } else { Ok(data) }
}

/// No two entries share bytes, and no local header lies where the directory names none.
/// Each entry begins where the one before it ends, the first at the beginning of the file; in
/// between lies nothing but the descriptor that a header announces.
fn end_to_end(
    bytes: &[u8],
    mut spans: Vec<(usize, &Listed)>,
    directory_at: usize,
) -> Result<(), ArchiveError> {
    spans.sort_by_key(|span| span.0);
    let mut free = 0;
    let mut before = None;
    for (start, entry) in spans {
        if start < free {
            return Err(ArchiveError::Overlap(entry.name.clone()));
        }
        nothing_between(before, bytes.get(free..start).unwrap_or_default())?;
        let header = Fields(bytes.get(start..).unwrap_or_default());
        let names = [26, 28].into_iter().filter_map(|at| header.u16(at)).map(usize::from).sum::<usize>();
        free = start.saturating_add(LOCAL_LEN).saturating_add(names).saturating_add(entry.packed);
        before = Some(entry);
    }
    nothing_between(before, bytes.get(free..directory_at).unwrap_or_default())
}

fn nothing_between(before: Option<&Listed>, gap: &[u8]) -> Result<(), ArchiveError> {
    let Some(entry) = before.filter(|entry| entry.flags & DESCRIPTOR != 0) else {
        return if gap.is_empty() { Ok(()) } else { Err(ArchiveError::Hidden) };
    };
    // The checksum itself may look like the mark.
    let bare = gap.strip_prefix(&DESCRIBED).filter(|_| gap.len() == 16).unwrap_or(gap);
    let fields = Fields(bare);
    let said = [fields.size(0), fields.size(4), fields.size(8)];
    let listed = [entry.crc as usize, entry.packed, entry.unpacked].map(Some);
    if bare.len() == 12 && said == listed {
        Ok(())
    } else {
        Err(ArchiveError::Contradiction(entry.name.clone()))
    }
}

/// Little-endian fields of a record.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn starts_with(self, magic: &[u8; 4]) -> bool {
        self.0.starts_with(magic)
    }

    fn u16(self, at: usize) -> Option<u16> {
        let bytes = self.0.get(at..)?.first_chunk::<2>()?;
        Some(u16::from_le_bytes(*bytes))
    }

    fn u32(self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn size(self, at: usize) -> Option<usize> {
        usize::try_from(self.u32(at)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A package as the `zip` crate writes it, stored or deflated.
    fn zipped(files: &[(&str, &[u8])], stored: bool) -> Vec<u8> {
        let method = if stored { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, data) in files {
            writer.start_file(*name, options).unwrap();
            writer.write_all(data).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn find(bytes: &[u8], what: &[u8]) -> usize {
        bytes.windows(what.len()).position(|window| window == what).unwrap()
    }

    fn refusal(bytes: &[u8]) -> ArchiveError {
        read(bytes, &Limits::default()).unwrap_err()
    }

    #[test]
    fn what_a_library_writes_is_read() {
        for stored in [true, false] {
            let bytes = zipped(&[("OFD.xml", b"<a/>"), ("Doc_0/x", &[7; 5000]), ("empty", b"")], stored);
            let entries = read(&bytes, &Limits::default()).unwrap();
            let found: Vec<(&str, usize)> =
                entries.iter().map(|entry| (entry.name.as_str(), entry.data.len())).collect();
            assert_eq!(found, [("OFD.xml", 4), ("Doc_0/x", 5000), ("empty", 0)]);
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04", &[0; 100]] {
            assert_eq!(refusal(bytes), ArchiveError::NotAnArchive);
        }
        let mut cut = zipped(&[("a", b"1")], true);
        cut.pop();
        assert_eq!(refusal(&cut), ArchiveError::NotAnArchive);
        let mut longer = zipped(&[("a", b"1")], true);
        longer.push(0);
        assert_eq!(refusal(&longer), ArchiveError::NotAnArchive);
    }

    #[test]
    fn a_name_stands_once_and_leads_nowhere_else() {
        let mut twice = zipped(&[("Doc_0/ab", b"1"), ("Doc_0/ac", b"2")], true);
        while let Some(at) = twice.windows(8).position(|window| window == b"Doc_0/ac") {
            twice[at + 7] = b'B';
        }
        assert_eq!(refusal(&twice), ArchiveError::Duplicate("Doc_0/aB".to_owned()));
        for name in
            ["../ab.xml", "a/../b.xm", "/abc.xml1", "a\\b.xml12", "C:abc.xml", "a//b.xml1", "./abc.xml"]
        {
            let mut bytes = zipped(&[("Doc_0.xml", b"1")], true);
            while let Some(at) = bytes.windows(9).position(|window| window == b"Doc_0.xml") {
                bytes[at..at + 9].copy_from_slice(name.as_bytes());
            }
            assert_eq!(refusal(&bytes), ArchiveError::Name(name.to_owned()));
        }
    }

    #[test]
    fn header_and_directory_say_the_same() {
        let good = zipped(&[("Doc_0.xml", b"12345")], true);
        let local_name = find(&good, b"Doc_0.xml");
        let mut other = good.clone();
        other[local_name] = b'd';
        assert_eq!(refusal(&other), ArchiveError::Contradiction("Doc_0.xml".to_owned()));
        let mut changed = good.clone();
        let data = find(&good, b"12345");
        changed[data] = b'2';
        assert_eq!(refusal(&changed), ArchiveError::Content("Doc_0.xml".to_owned()));
        let directory = find(&good, &DIRECTORY);
        let mut encrypted = good.clone();
        encrypted[directory + 8] |= 1;
        assert_eq!(refusal(&encrypted), ArchiveError::Encrypted("Doc_0.xml".to_owned()));
        let mut method = good;
        method[directory + 10] = 12;
        assert_eq!(refusal(&method), ArchiveError::Method { name: "Doc_0.xml".to_owned(), method: 12 });
    }

    #[test]
    fn entries_neither_overlap_nor_hide() {
        let good = zipped(&[("a", b"1"), ("b", b"1")], true);
        let second = good.windows(4).enumerate().filter(|(_, window)| *window == DIRECTORY).nth(1).unwrap().0;
        // The directory forgets its second entry; its bytes stay.
        let end = good.len() - END_LEN;
        let mut hidden = good.clone();
        hidden.drain(second..end);
        let end = hidden.len() - END_LEN;
        hidden[end + 8] = 1;
        hidden[end + 10] = 1;
        let start = find(&good, &DIRECTORY);
        hidden[end + 12..end + 16].copy_from_slice(&u32::try_from(end - start).unwrap().to_le_bytes());
        assert_eq!(refusal(&hidden), ArchiveError::Hidden);
        let mut same = zipped(&[("a", b"1"), ("b", b"1")], true);
        // Both entries of the directory point to the first local header, which has one name only.
        same[second + 42..second + 46].copy_from_slice(&[0; 4]);
        assert_eq!(refusal(&same), ArchiveError::Contradiction("b".to_owned()));
    }

    #[test]
    fn no_other_end_hides_in_a_comment_or_before_the_end() {
        let good = zipped(&[("OFD.xml", b"<a/>")], true);
        let end = good.len() - END_LEN;
        // A comment that is a whole archive, and one with no more than the mark of an end.
        for comment in [zipped(&[("OFD.xml", b"<b/>")], true), [&END[..], &[0; 20]].concat()] {
            let mut other = good.clone();
            other[end + 20..].copy_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
            other.extend(comment);
            let told = refusal(&other);
            assert!(matches!(told, ArchiveError::NotAnArchive | ArchiveError::Directory(_)), "{told}");
        }
        // A plain comment hides nothing.
        let mut plain = good.clone();
        plain[end + 20] = 2;
        plain.extend(b"ok");
        assert!(read(&plain, &Limits::default()).is_ok());
        // The comment of the last entry ends as the locator of a 64-bit directory does.
        for (mark, told) in
            [(&b"PK\x06\x07"[..], ArchiveError::NotAnArchive), (b"PK\x06\x06", ArchiveError::Hidden)]
        {
            let mut wide = good.clone();
            let comment = [mark, &[0; 16]].concat();
            let start = find(&good, &DIRECTORY);
            wide[start + 32] = 20;
            let size = u32::try_from(end + 20 - start).unwrap();
            wide[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
            wide.splice(end..end, comment);
            assert_eq!(refusal(&wide), told);
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_gb_18030_unless_it_says_otherwise() {
        let mut bytes = zipped(&[("Doc_0/abcd", b"1")], true);
        while let Some(at) = bytes.windows(4).position(|window| window == b"abcd") {
            bytes[at..at + 4].copy_from_slice(b"\xb7\xa2\xc6\xb1");
        }
        assert_eq!(read(&bytes, &Limits::default()).unwrap()[0].name, "Doc_0/发票");
        assert_eq!(folded("Pageſ/Ａ"), folded("pages/a"));
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let zeros = vec![0; 8 << 20];
        let bomb = zipped(&[("OFD.xml", &zeros)], false);
        assert!(matches!(refusal(&bomb), ArchiveError::Bomb { .. }));
        let small = Limits { total: 1 << 20, ..Limits::default() };
        assert_eq!(read(&bomb, &small).unwrap_err(), ArchiveError::TooLarge("unpacked content"));
        let few = Limits { entries: 1, ..Limits::default() };
        let two = zipped(&[("a", b""), ("b", b"")], true);
        assert_eq!(read(&two, &few).unwrap_err(), ArchiveError::TooLarge("number of entries"));
        // A directory that promises less than the stream holds.
        let mut liar = zipped(&[("OFD.xml", &[0; 5000])], false);
        let at = find(&liar, &DIRECTORY) + 24;
        liar[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
        liar[22..26].copy_from_slice(&100_u32.to_le_bytes());
        assert_eq!(refusal(&liar), ArchiveError::Content("OFD.xml".to_owned()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(read(&bytes, &Limits::default()).is_err());
        }

        #[test]
        fn one_byte_changed_never_panics_and_never_changes_what_is_read(
            at in any::<proptest::sample::Index>(), to in any::<u8>()
        ) {
            let good = zipped(&[("OFD.xml", b"<a/>"), ("Doc_0/Document.xml", &[7; 300])], false);
            let before = read(&good, &Limits::default()).unwrap();
            let mut changed = good.clone();
            changed[at.index(good.len())] = to;
            if let Ok(after) = read(&changed, &Limits::default()) {
                prop_assert_eq!(after, before);
            }
        }
    }
}
