//! The files of a journal and how they follow one another.
//!
//! A segment is a framed file `segment-NNNNNNNNNN`. Its first frame, the **opening**, names the segment
//! before it and how many bytes of that one were acknowledged; so the order of the segments, their
//! completeness, and where an abandoned one ends are all facts on disk. A segment that no later
//! opening names was never used: its creation failed. `floor` holds the number of the oldest segment
//! that must be there.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::framed::Reader;
use super::{Disk, DurableError, replace_file};

/// Holds the number of the oldest segment that must be there.
pub(super) const FLOOR_FILE: &str = "floor";

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

/// What the reading of a journal ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The last segment in use, or 0.
    pub segment: u64,
    /// Its length up to the last good frame.
    pub valid: u64,
    /// What lies torn behind that.
    pub torn: u64,
    /// The highest number that any file has, or that was ever removed.
    pub highest: u64,
}

/// Reads a journal's payloads in order without taking part in it; the journal may be in use. `visit`
/// can stop the reading.
///
/// # Errors
/// As [`super::Journal::open`], and whatever `visit` returns.
pub fn scan<E: From<DurableError>>(
    disk: &dyn Disk,
    dir: &Path,
    kind: [u8; 4],
    mut visit: impl FnMut(Position, &[u8]) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    read_all(disk, dir, kind, &mut visit).map(|_| ())
}

pub(super) fn read_all<E: From<DurableError>>(
    disk: &dyn Disk,
    dir: &Path,
    kind: [u8; 4],
    visit: &mut impl FnMut(Position, &[u8]) -> Result<ControlFlow<()>, E>,
) -> Result<End, E> {
    let (links, highest) = chain(disk, dir, kind)?;
    let mut end = End { highest, ..End::default() };
    for link in links {
        let path = segment_path(dir, link.segment);
        let mut reader = Reader::open(disk, &path, kind, link.acknowledged)?;
        let mut opening = true;
        while let Some(frame) = reader.next_frame()? {
            if std::mem::take(&mut opening) {
                continue;
            }
            let position = Position { segment: link.segment, offset: frame.offset };
            let damaged = || DurableError::Damaged { path: path.clone(), offset: frame.offset };
            let mut rest = frame.payload.as_slice();
            while !rest.is_empty() {
                let (payload, more) = unpack(rest).ok_or_else(damaged)?;
                rest = more;
                if visit(position, payload)?.is_break() {
                    return Ok(end);
                }
            }
        }
        end.segment = link.segment;
        end.valid = reader.valid_len();
        end.torn = reader.torn_len();
    }
    Ok(end)
}

/// The payload of the frame that holds `payloads`: each with its length as u32 LE before it.
pub(super) fn pack<P: AsRef<[u8]>>(payloads: &[P]) -> Vec<u8> {
    let mut packed = Vec::new();
    for payload in payloads {
        let payload = payload.as_ref();
        // A longer one cannot get into a frame, whose own limit is far below.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(payload);
    }
    packed
}

fn unpack(packed: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// The payload of an opening: segment before (0: none) and its acknowledged length, u64 LE each.
pub(super) fn opening(previous: u64, acknowledged: u64) -> Vec<u8> {
    [previous.to_le_bytes(), acknowledged.to_le_bytes()].concat()
}

pub(super) fn segment_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("segment-{segment:010}"))
}

/// Numbers of all segment files in `dir`, ascending.
pub(super) fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, DurableError> {
    let names = disk.list(dir).map_err(DurableError::io("list", dir))?;
    let number = |name: String| {
        let number = name.strip_prefix("segment-")?.parse().ok()?;
        (name == format!("segment-{number:010}")).then_some(number)
    };
    let mut numbers: Vec<u64> = names.into_iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The oldest segment that must be there.
pub(super) fn floor(disk: &dyn Disk, dir: &Path) -> Result<u64, DurableError> {
    let path = dir.join(FLOOR_FILE);
    let Some(content) = disk.read(&path).map_err(DurableError::io("read", &path))? else { return Ok(1) };
    let number = std::str::from_utf8(&content).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
    number.filter(|number| *number > 0).ok_or(DurableError::Damaged { path, offset: 0 })
}

pub(super) fn set_floor(disk: &dyn Disk, dir: &Path, floor: u64) -> Result<(), DurableError> {
    replace_file(disk, &dir.join(FLOOR_FILE), &floor_content(floor))
}

/// What [`FLOOR_FILE`] holds.
pub(super) fn floor_content(floor: u64) -> Vec<u8> {
    format!("{floor}\n").into_bytes()
}

struct Link {
    segment: u64,
    acknowledged: Option<u64>,
}

/// The segments in use, oldest first, and the highest number ever used.
fn chain(disk: &dyn Disk, dir: &Path, kind: [u8; 4]) -> Result<(Vec<Link>, u64), DurableError> {
    let (numbers, floor) = (numbers(disk, dir)?, floor(disk, dir)?);
    let highest = numbers.last().copied().unwrap_or(0).max(floor - 1);
    let mut links = Vec::new();
    let mut newest_first = numbers.iter().rev().copied().filter(|number| *number >= floor);
    let mut wanted = None;
    while let Some(segment) = match wanted {
        Some((segment, _)) => Some(segment),
        None => newest_first.next(),
    } {
        let path = segment_path(dir, segment);
        let acknowledged = wanted.map(|(_, acknowledged)| acknowledged);
        if acknowledged.is_some() && numbers.binary_search(&segment).is_err() {
            return Err(DurableError::MissingSegment { dir: dir.to_owned(), segment });
        }
        let Some(frame) = Reader::open(disk, &path, kind, acknowledged)?.next_frame()? else {
            match acknowledged {
                // The newest: its creation did not get to the end. The one before may be in use.
                None => continue,
                Some(_) => return Err(DurableError::Damaged { path, offset: 0 }),
            }
        };
        links.push(Link { segment, acknowledged });
        let (previous, length) =
            read_opening(&frame.payload).ok_or(DurableError::Damaged { path, offset: frame.offset })?;
        if previous < floor {
            break;
        }
        if previous >= segment {
            return Err(DurableError::Damaged { path: segment_path(dir, segment), offset: frame.offset });
        }
        wanted = Some((previous, length));
    }
    links.reverse();
    Ok((links, highest))
}

fn read_opening(payload: &[u8]) -> Option<(u64, u64)> {
    let (previous, rest) = payload.split_first_chunk::<8>()?;
    let acknowledged = <[u8; 8]>::try_from(rest).ok()?;
    Some((u64::from_le_bytes(*previous), u64::from_le_bytes(acknowledged)))
}
