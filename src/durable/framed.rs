//! Framed files: a 16-byte header, then frames that each prove themselves.
//!
//! ```text
//! header   "licframe" (8) ‖ kind (4) ‖ format version u16 LE ‖ 0x0000
//! frame    length u32 LE ‖ CRC-32C over (length ‖ payload) u32 LE ‖ payload (1 byte to 64 MiB)
//! ```
//!
//! Each write is one frame, so a crash can leave at most one bad frame, with nothing after it, though
//! any of its sectors may be missing. A reader reports such a torn end; anything else that does not
//! read is damage, an error. To tell the two apart the rest of the file is searched for a frame that
//! proves itself, at every offset: a damaged length must not make the acknowledged frames behind it
//! look like a torn end. Prefix checksums make that search linear. So no payload may hold a frame of
//! this form in the clear, which would pass for one behind it; what this crate appends is encrypted or
//! JSON.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Disk, DurableError};

/// Length of a framed file's header.
pub const HEADER_LEN: u64 = 16;
/// The largest payload of a frame.
pub const MAX_PAYLOAD: usize = 64 << 20;
/// The format version this program writes, and the newest it reads.
pub const VERSION: u16 = 1;

const MAGIC: &[u8; 8] = b"licframe";
const FRAME_HEADER: usize = 8;

/// The header of a file of this kind.
pub fn header(kind: [u8; 4]) -> [u8; 16] {
    let mut header = [0; 16];
    let fields = MAGIC.iter().chain(&kind).copied().chain(VERSION.to_le_bytes());
    header.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    header
}

/// One frame around `payload`.
///
/// # Errors
/// [`DurableError::TooLarge`] past [`MAX_PAYLOAD`], and for an empty payload.
pub fn frame(payload: &[u8]) -> Result<Vec<u8>, DurableError> {
    let too_large = || DurableError::TooLarge { bytes: payload.len(), limit: MAX_PAYLOAD };
    if payload.is_empty() || payload.len() > MAX_PAYLOAD {
        return Err(too_large());
    }
    let length = u32::try_from(payload.len()).map_err(|_| too_large())?.to_le_bytes();
    let check = crc32c::crc32c_append(crc32c::crc32c(&length), payload).to_le_bytes();
    Ok([length.as_slice(), check.as_slice(), payload].concat())
}

/// Reads a framed file from its start.
pub struct Reader {
    path: PathBuf,
    source: BufReader<Box<dyn Read + Send>>,
    at: u64,
    end: u64,
    exact: bool,
    torn: u64,
}

/// A frame as read.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where the frame begins in its file.
    pub offset: u64,
    pub payload: Vec<u8>,
}

impl Reader {
    /// Opens a file of this kind. With `acknowledged` only so many bytes count: they must read to the
    /// last one, and what lies behind is ignored.
    ///
    /// # Errors
    /// [`DurableError::NotOurs`], [`DurableError::NewerFormat`]; [`DurableError::Damaged`] when the
    /// file is shorter than what was acknowledged.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        kind: [u8; 4],
        acknowledged: Option<u64>,
    ) -> Result<Self, DurableError> {
        let length = disk.len(path).map_err(DurableError::io("read", path))?;
        let end = acknowledged.unwrap_or(length);
        if length < end || (acknowledged.is_some() && end < HEADER_LEN) {
            return Err(DurableError::Damaged { path: path.to_owned(), offset: length });
        }
        let source = BufReader::new(disk.open(path).map_err(DurableError::io("read", path))?);
        let exact = acknowledged.is_some();
        let mut reader = Self { path: path.to_owned(), source, at: 0, end, exact, torn: 0 };
        reader.header(kind)?;
        Ok(reader)
    }

    /// The next frame; `None` at the end, torn or not.
    ///
    /// # Errors
    /// [`DurableError::Damaged`] when a frame does not prove itself and it is not a torn end.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DurableError> {
        let rest = self.end - self.at;
        if rest == 0 {
            return Ok(None);
        }
        let head = self.take(rest.min(FRAME_HEADER as u64))?;
        let Some((length, check)) = split_header(&head) else { return self.bad(head) };
        if length == 0 || length > MAX_PAYLOAD || (FRAME_HEADER + length) as u64 > rest {
            return self.bad(head);
        }
        let payload = self.take(length as u64)?;
        if checksum(length, crc32c::crc32c(&payload), length) != check {
            return self.bad([head, payload].concat());
        }
        let offset = self.at;
        self.at += (FRAME_HEADER + length) as u64;
        Ok(Some(Frame { offset, payload }))
    }

    /// Bytes up to the end of the last good frame read.
    pub fn valid_len(&self) -> u64 {
        self.at
    }

    /// Bytes of a torn end, known once [`Reader::next_frame`] gave `None`.
    pub fn torn_len(&self) -> u64 {
        self.torn
    }

    fn header(&mut self, kind: [u8; 4]) -> Result<(), DurableError> {
        let found = self.take(self.end.min(HEADER_LEN))?;
        let ours = header(kind);
        if found == ours {
            self.at = HEADER_LEN;
            return Ok(());
        }
        // A file whose creation was interrupted: part of a header, or space without content.
        let begun = self.end < HEADER_LEN && ours.starts_with(&found);
        if begun || (found.iter().all(|byte| *byte == 0) && self.only_zeros_follow()?) {
            self.torn = self.end;
            self.end = 0;
            return Ok(());
        }
        let version = found.get(12..14).and_then(|bytes| bytes.first_chunk()).map(|v| u16::from_le_bytes(*v));
        match version {
            Some(version) if found.starts_with(MAGIC) && version > VERSION => {
                Err(DurableError::NewerFormat { path: self.path.clone(), found: version, known: VERSION })
            }
            _ => Err(DurableError::NotOurs(self.path.clone())),
        }
    }

    fn only_zeros_follow(&mut self) -> Result<bool, DurableError> {
        if self.end > MAX_PAYLOAD as u64 {
            return Ok(false);
        }
        let rest = self.take(self.end.saturating_sub(HEADER_LEN))?;
        Ok(rest.iter().all(|byte| *byte == 0))
    }

    fn take(&mut self, count: u64) -> Result<Vec<u8>, DurableError> {
        let mut bytes = Vec::new();
        let read = self.source.by_ref().take(count).read_to_end(&mut bytes);
        let read = read.map_err(DurableError::io("read", &self.path))?;
        // Without an acknowledged length the end may have been cut since the file was opened: a
        // torn end.
        if read as u64 != count && self.exact {
            return Err(DurableError::Damaged { path: self.path.clone(), offset: self.at });
        }
        Ok(bytes)
    }

    /// The frame at `self.at` is bad; `begun` is what was read of it.
    fn bad(&mut self, begun: Vec<u8>) -> Result<Option<Frame>, DurableError> {
        let damaged = DurableError::Damaged { path: self.path.clone(), offset: self.at };
        let rest = self.end - self.at;
        if self.exact || rest > (FRAME_HEADER + MAX_PAYLOAD) as u64 {
            return Err(damaged);
        }
        let more = self.take(rest - begun.len() as u64)?;
        let tail = [begun, more].concat();
        if tail.get(1..).is_some_and(holds_a_frame) {
            return Err(damaged);
        }
        self.torn = rest;
        self.end = self.at;
        Ok(None)
    }
}

/// Reads a file of this kind to its end and lets go of what it holds.
///
/// # Errors
/// As [`Reader`], and whatever `each` returns after a frame.
pub fn check<E: From<DurableError>>(
    disk: &dyn Disk,
    path: &Path,
    kind: [u8; 4],
    each: &mut dyn FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = Reader::open(disk, path, kind, None)?;
    while reader.next_frame()?.is_some() {
        each()?;
    }
    Ok(())
}

fn split_header(head: &[u8]) -> Option<(usize, u32)> {
    let (length, rest) = head.split_first_chunk::<4>()?;
    let check = rest.first_chunk::<4>()?;
    Some((u32::from_le_bytes(*length) as usize, u32::from_le_bytes(*check)))
}

/// The check value of a frame from its length and the CRC of its payload.
fn checksum(length: usize, payload_crc: u32, payload_len: usize) -> u32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    crc32c::crc32c_combine(crc32c::crc32c(&length.to_le_bytes()), payload_crc, payload_len)
}

/// Whether a frame that proves itself begins anywhere in `tail`.
fn holds_a_frame(tail: &[u8]) -> bool {
    let mut crc = 0;
    let prefix: Vec<u32> = std::iter::once(0)
        .chain(tail.iter().map(|byte| {
            crc = crc32c::crc32c_append(crc, &[*byte]);
            crc
        }))
        .collect();
    (0..tail.len()).any(|at| {
        let Some((length, check)) = tail.get(at..).and_then(split_header) else { return false };
        let begin = at + FRAME_HEADER;
        if length == 0 || length > MAX_PAYLOAD {
            return false;
        }
        // CRC is linear: that of a part is that of the longer prefix less the shorter one, shifted.
        let (Some(before), Some(through)) = (prefix.get(begin), prefix.get(begin + length)) else {
            return false;
        };
        let payload = through ^ crc32c::crc32c_combine(*before, 0, length);
        checksum(length, payload, length) == check
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FaultDisk;
    use super::*;

    const KIND: [u8; 4] = *b"TEST";

    fn file(content: &[u8]) -> (FaultDisk, &'static Path) {
        let (disk, path) = (FaultDisk::new(), Path::new("d/f"));
        disk.create(path).unwrap().write(content).unwrap();
        (disk, path)
    }

    fn read(content: &[u8]) -> Result<(Vec<Vec<u8>>, u64), DurableError> {
        let (disk, path) = file(content);
        let mut reader = Reader::open(&disk, path, KIND, None)?;
        let mut payloads = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            payloads.push(frame.payload);
        }
        Ok((payloads, reader.torn_len()))
    }

    fn sample(payloads: &[&[u8]]) -> Vec<u8> {
        let mut content = header(KIND).to_vec();
        payloads.iter().for_each(|payload| content.extend(frame(payload).unwrap()));
        content
    }

    #[test]
    fn the_format_never_changes() {
        let golden = "6c69636672616d65544553540100000003000000f8831455616263";
        assert_eq!(hex::encode(sample(&[b"abc"])), golden);
    }

    #[test]
    fn a_file_cut_anywhere_loses_only_its_end() {
        let content = sample(&[b"one", b"two", b"three"]);
        for cut in 0..content.len() {
            let (payloads, torn) = read(&content[..cut]).unwrap();
            let whole: Vec<_> =
                [b"one".as_slice(), b"two", b"three"].into_iter().take(payloads.len()).collect();
            assert_eq!(payloads, whole, "cut at {cut}");
            assert_eq!(sample(&whole).len() as u64 * u64::from(cut >= 16) + torn, cut as u64);
        }
    }

    #[test]
    fn a_changed_byte_is_damage_in_the_middle_and_a_torn_end_in_the_last_frame() {
        let content = sample(&[b"one", b"two", b"three"]);
        let last = content.len() - 13;
        for at in 16..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 0x10;
            match read(&changed) {
                Err(DurableError::Damaged { offset, .. }) => {
                    assert!(at < last && offset <= at as u64, "{at}")
                }
                Ok((payloads, torn)) => assert!(at >= last && payloads.len() == 2 && torn == 13, "{at}"),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn what_was_acknowledged_must_read_to_the_last_byte() {
        let content = sample(&[b"one", b"two"]);
        let whole = content.len() as u64;
        let (disk, path) = file(&content);
        let count = |acknowledged| {
            let mut reader = Reader::open(&disk, path, KIND, Some(acknowledged))?;
            let mut count = 0;
            while reader.next_frame()?.is_some() {
                count += 1;
            }
            Ok::<_, DurableError>(count)
        };
        assert_eq!(count(whole).unwrap(), 2);
        assert_eq!(count(whole - 11).unwrap(), 1);
        assert!(matches!(count(whole - 1), Err(DurableError::Damaged { .. })));
        assert!(matches!(count(whole + 1), Err(DurableError::Damaged { .. })));
    }

    #[test]
    fn other_files_and_newer_versions_are_refused() {
        let mut newer = sample(&[b"one"]);
        newer[12] = 2;
        assert!(matches!(read(&newer), Err(DurableError::NewerFormat { found: 2, known: 1, .. })));
        assert!(matches!(read(b"something else entirely"), Err(DurableError::NotOurs(_))));
        let mut kind = sample(&[]);
        kind[8] = b'X';
        assert!(matches!(read(&kind), Err(DurableError::NotOurs(_))));
        assert!(matches!(frame(&[]), Err(DurableError::TooLarge { .. })));
        assert_eq!(read(&[0; 40]).unwrap(), (vec![], 40));
    }

    proptest! {
        #[test]
        fn the_search_finds_a_frame_at_any_place(
            before in prop::collection::vec(any::<u8>(), 0..60),
            payload in prop::collection::vec(any::<u8>(), 1..60),
            after in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let tail = [before, frame(&payload).unwrap(), after].concat();
            prop_assert!(holds_a_frame(&tail));
        }

        #[test]
        fn no_bytes_whatever_panic_the_reader(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[header(KIND).to_vec(), content].concat());
        }
    }
}
