//! The journal: append durably, replay in order, let go of what is no longer needed.

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::replace_from;
use super::segments::{self, Position};
use super::{Disk, DiskFile, DurableError, framed};

/// A segmented append-only journal in a directory of its own. One process, one `Journal`: hold a
/// [`super::DirLock`].
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    kind: [u8; 4],
    segment_bytes: u64,
    current: Option<Current>,
    /// The last segment that was used, and its acknowledged length.
    last: (u64, u64),
    next: u64,
}

struct Current {
    file: Box<dyn DiskFile>,
    number: u64,
    length: u64,
    /// What [`Journal::last`] was before anything was appended to this one.
    before: Option<(u64, u64)>,
}

/// What opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Payloads handed to the visitor.
    pub payloads: u64,
    /// Bytes of an append that a crash interrupted; they were never acknowledged and are left out.
    pub torn_bytes: u64,
}

/// What a copy of a journal consists of, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// The last segment that was ever appended to, 0 if none.
    pub through: u64,
    /// Names of files in the journal's folder that nobody appends to any more.
    pub segments: Vec<String>,
    /// A small file of another content than here: its name, and what it holds in the copy.
    pub floor: (String, Vec<u8>),
}

impl Journal {
    /// Opens or creates the journal in `dir` and hands every payload to `replay`, oldest first. A
    /// segment past `segment_bytes` is followed by a new one.
    ///
    /// # Errors
    /// Damage anywhere but in a torn end, a missing segment, an unknown format; what `replay` returns.
    pub fn open<E: From<DurableError>>(
        disk: Arc<dyn Disk>,
        dir: &Path,
        kind: [u8; 4],
        segment_bytes: u64,
        mut replay: impl FnMut(Position, &[u8]) -> Result<(), E>,
    ) -> Result<(Self, Replayed), E> {
        disk.create_dir_all(dir).map_err(DurableError::io("create", dir))?;
        let mut found = Replayed::default();
        let end = segments::read_all(&*disk, dir, kind, &mut |position, payload| {
            found.payloads += 1;
            replay(position, payload)?;
            Ok::<_, E>(ControlFlow::Continue(()))
        })?;
        found.torn_bytes = end.torn;
        if end.segment != 0 {
            make_last(&*disk, &segments::segment_path(dir, end.segment), end.valid)?;
            disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        }
        let journal = Self {
            disk,
            dir: dir.to_owned(),
            kind,
            segment_bytes,
            current: None,
            last: (end.segment, end.valid),
            next: end.highest + 1,
        };
        Ok((journal, found))
    }

    /// Appends `payloads` as a whole; they last on return.
    ///
    /// # Errors
    /// Nothing was acknowledged; whether a crash right now would keep the payloads is unknown, a
    /// later append makes sure that they are gone.
    pub fn append<P: AsRef<[u8]>>(&mut self, payloads: &[P]) -> Result<Position, DurableError> {
        let frame = framed::frame(&segments::pack(payloads))?;
        let full = |current: &Current| current.length + frame.len() as u64 > self.segment_bytes;
        if self.current.as_ref().is_some_and(full) {
            self.current = None;
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.create()?,
        };
        let path = segments::segment_path(&self.dir, current.number);
        let written = current.file.write(&frame).map_err(DurableError::io("write", &path));
        let written = written.and_then(|()| current.file.sync().map_err(DurableError::io("sync", &path)));
        if let Err(why) = written {
            self.abandon(current);
            return Err(why);
        }
        let position = Position { segment: current.number, offset: current.length };
        current.length += frame.len() as u64;
        current.before = None;
        self.last = (current.number, current.length);
        self.current = Some(current);
        Ok(position)
    }

    /// Ends the current segment; the next append opens a new one. Returns the last segment that was
    /// ever appended to, 0 if none: everything acknowledged so far lies in it or before it.
    pub fn rotate(&mut self) -> u64 {
        self.current = None;
        self.last.0
    }

    /// Ends the current segment and says what a copy needs that begins after segment `after`: everything
    /// acknowledged so far, and nothing later. The files stay as they are until
    /// [`Journal::remove_through`] takes them away.
    pub fn freeze(&mut self, after: u64) -> Result<Frozen, DurableError> {
        let through = self.rotate();
        let floor = segments::floor(&*self.disk, &self.dir)?.max(after.saturating_add(1));
        let wanted = |number: &u64| (floor..=through).contains(number);
        let numbers = segments::numbers(&*self.disk, &self.dir)?.into_iter().filter(wanted);
        let name = |number| segments::segment_path(Path::new(""), number).to_string_lossy().into_owned();
        Ok(Frozen {
            through,
            segments: numbers.map(name).collect(),
            floor: (segments::FLOOR_FILE.to_owned(), segments::floor_content(floor)),
        })
    }

    /// Removes all segments up to and including `segment`, except the one being appended to. To be
    /// called only when all they hold is kept elsewhere.
    pub fn remove_through(&mut self, segment: u64) -> Result<(), DurableError> {
        let limit = self.current.as_ref().map_or(self.next, |current| current.number);
        let floor = segment.saturating_add(1).min(limit);
        if floor <= segments::floor(&*self.disk, &self.dir)? {
            return Ok(());
        }
        segments::set_floor(&*self.disk, &self.dir, floor)?;
        for number in segments::numbers(&*self.disk, &self.dir)?.into_iter().take_while(|n| *n < floor) {
            let path = segments::segment_path(&self.dir, number);
            self.disk.remove(&path).map_err(DurableError::io("remove", &path))?;
        }
        self.disk.sync_dir(&self.dir).map_err(DurableError::io("sync", &self.dir))
    }

    /// Never writes to `current` again. The space of what was not acknowledged is given back, or a full
    /// disk would fill up with failed appends; where that fails, too, what stays is harmless.
    fn abandon(&mut self, current: Current) {
        let path = segments::segment_path(&self.dir, current.number);
        drop(current.file);
        let _ = match current.before {
            // Should the name come back in a crash: it is used only if nothing was appended since.
            Some(before) => {
                self.last = before;
                self.disk.remove(&path)
            }
            None => self.disk.truncate(&path, current.length),
        };
    }

    fn create(&mut self) -> Result<Current, DurableError> {
        let number = self.next;
        // A number is used once, whether or not its creation succeeds.
        self.next += 1;
        let path = segments::segment_path(&self.dir, number);
        let (previous, acknowledged) = self.last;
        let opening = framed::frame(&segments::opening(previous, acknowledged))?;
        let begin = [framed::header(self.kind).as_slice(), &opening].concat();
        let mut file = self.disk.create(&path).map_err(DurableError::io("create", &path))?;
        let written = file
            .write(&begin)
            .map_err(DurableError::io("write", &path))
            .and_then(|()| file.sync().map_err(DurableError::io("sync", &path)))
            .and_then(|()| self.disk.sync_dir(&self.dir).map_err(DurableError::io("sync", &self.dir)));
        if let Err(why) = written {
            // Only to spare a full disk; the file is harmless if it stays.
            let _ = self.disk.remove(&path);
            return Err(why);
        }
        let before = Some(std::mem::replace(&mut self.last, (number, begin.len() as u64)));
        Ok(Current { file, number, length: begin.len() as u64, before })
    }
}

/// Makes the first `length` bytes of a segment last, which may so far be in the page cache only and are
/// now built upon. An fsync does not do: if one failed in an earlier process, the kernel may still show
/// what it could not write, and call it clean. So all is written anew, under the same name.
fn make_last(disk: &dyn Disk, path: &Path, length: u64) -> Result<(), DurableError> {
    let mut from = disk.open(path).map_err(DurableError::io("open", path))?.take(length);
    match replace_from(disk, path, &mut from) {
        // A full disk is no reason not to start: then an fsync has to do.
        Err(DurableError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => {
            let mut file = disk.append(path).map_err(DurableError::io("open", path))?;
            file.sync().map_err(DurableError::io("sync", path))
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FaultDisk, Plan};
    use super::*;

    const DIR: &str = "journal";
    const KIND: [u8; 4] = *b"TEST";

    fn open(disk: &FaultDisk) -> Result<(Journal, Vec<String>, Replayed), DurableError> {
        let mut seen = Vec::new();
        let (journal, replayed) =
            Journal::open(Arc::new(disk.clone()), Path::new(DIR), KIND, 150, |_, payload| {
                seen.push(String::from_utf8(payload.to_vec()).unwrap());
                Ok::<_, DurableError>(())
            })?;
        Ok((journal, seen, replayed))
    }

    fn segment(number: u64) -> PathBuf {
        segments::segment_path(Path::new(DIR), number)
    }

    #[test]
    fn what_was_appended_is_replayed_in_order_across_segments_and_starts() {
        let disk = FaultDisk::new();
        let mut expected = Vec::new();
        for start in 0..4 {
            let (mut journal, seen, replayed) = open(&disk).unwrap();
            assert_eq!(seen, expected);
            assert_eq!(replayed, Replayed { payloads: expected.len() as u64, torn_bytes: 0 });
            for append in 0..5 {
                let pair = [format!("{start}.{append}.a"), format!("{start}.{append}.b")];
                journal.append(&pair).unwrap();
                expected.extend(pair);
            }
        }
        assert!(disk.list(Path::new(DIR)).unwrap().len() > 4);
    }

    #[test]
    fn a_copy_of_a_frozen_journal_holds_what_was_acknowledged_then_from_where_it_is_asked() {
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        let append = |journal: &mut Journal, name: &str| {
            for n in 0..8 {
                journal.append(&[format!("{name}.{n}")]).unwrap();
            }
        };
        append(&mut journal, "a");
        let after = journal.rotate();
        append(&mut journal, "b");
        let frozen = [journal.freeze(0).unwrap(), journal.freeze(after).unwrap()];
        let nothing = journal.freeze(frozen[0].through).unwrap();
        append(&mut journal, "c");
        for (frozen, begins, count) in [(&frozen[0], "a.0", 16), (&frozen[1], "b.0", 8), (&nothing, "", 0)] {
            let copy = FaultDisk::new();
            copy.create_dir_all(Path::new(DIR)).unwrap();
            let (name, content) = &frozen.floor;
            copy.create(&Path::new(DIR).join(name)).unwrap().write(content).unwrap();
            for name in &frozen.segments {
                let path = Path::new(DIR).join(name);
                copy.create(&path).unwrap().write(&disk.read(&path).unwrap().unwrap()).unwrap();
            }
            let (mut journal, seen, _) = open(&copy).unwrap();
            assert_eq!((seen.len(), seen.first().map_or("", String::as_str)), (count, begins));
            let position = journal.append(&["more"]).unwrap();
            assert!(position.segment > frozen.through);
        }
    }

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_is_halved_at_any_crash() {
        for torn in [0, 1, 7, 20, 10_000] {
            for stop in 0..60 {
                let disk = FaultDisk::new();
                let (mut journal, ..) = open(&disk).unwrap();
                disk.plan(Plan::StopAt(stop));
                let mut acknowledged = Vec::new();
                let mut tried = Vec::new();
                for append in 0..12 {
                    let pair = [format!("{append}.a"), format!("{append}.b")];
                    tried.extend(pair.clone());
                    if journal.append(&pair).is_err() {
                        break;
                    }
                    acknowledged.extend(pair);
                }
                let after = disk.crash(torn);
                let (mut journal, seen, _) = open(&after).unwrap();
                assert!(seen.starts_with(&acknowledged), "stop {stop} torn {torn}: {seen:?}");
                assert!(tried.starts_with(&seen) && seen.len() % 2 == 0, "stop {stop} torn {torn}");
                journal.append(&["more"]).unwrap();
                let (_, again, _) = open(&after.crash(0)).unwrap();
                assert_eq!(again.len(), seen.len() + 1);
            }
        }
    }

    #[test]
    fn after_any_one_failed_call_the_journal_goes_on_without_the_failed_append() {
        for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
            for fail in 0..60 {
                let disk = FaultDisk::new();
                let (mut journal, ..) = open(&disk).unwrap();
                disk.plan(Plan::FailAt(fail, kind));
                let mut acknowledged = Vec::new();
                for append in 0..12 {
                    let one = format!("payload {append}");
                    if journal.append(&[&one]).is_ok() {
                        acknowledged.push(one);
                    }
                }
                assert!(acknowledged.len() >= 11);
                disk.plan(Plan::Work);
                journal.append(&["last"]).unwrap();
                acknowledged.push("last".into());
                let (_, seen, _) = open(&disk.crash(0)).unwrap();
                assert_eq!(seen, acknowledged, "failed call {fail}");
                let (_, seen, _) = open(&disk.crash(usize::MAX)).unwrap();
                assert_eq!(seen, acknowledged, "failed call {fail}");
            }
        }
    }

    #[test]
    fn removed_segments_stay_removed_and_missing_ones_are_noticed() {
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        journal.append(&["old"]).unwrap();
        let through = journal.rotate();
        journal.append(&["new"]).unwrap();
        journal.remove_through(through).unwrap();
        let disk = disk.crash(0);
        let (mut journal, seen, _) = open(&disk).unwrap();
        assert_eq!(seen, ["new"]);
        let last = journal.rotate();
        journal.remove_through(last).unwrap();
        assert!(open(&disk).unwrap().1.is_empty());
        journal.append(&["newest"]).unwrap();
        assert_eq!(open(&disk).unwrap().1, ["newest"]);
        journal.append(&["x".repeat(120)]).unwrap();
        assert_eq!(open(&disk.crash(0)).unwrap().1.len(), 2);
    }

    #[test]
    fn a_lost_segment_is_an_error() {
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        for _ in 0..3 {
            journal.append(&["x".repeat(100)]).unwrap();
        }
        disk.remove(&segment(2)).unwrap();
        assert!(matches!(open(&disk), Err(DurableError::MissingSegment { segment: 2, .. })));
    }

    #[test]
    fn damage_before_the_end_is_an_error_that_names_the_file() {
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        for _ in 0..3 {
            journal.append(&["x".repeat(30)]).unwrap();
        }
        disk.tamper(&segment(1), |content| content[60] ^= 1);
        let found = open(&disk).err();
        assert!(
            matches!(found, Some(DurableError::Damaged { ref path, .. }) if *path == segment(1)),
            "{found:?}"
        );
        // The acknowledged end of a segment that others follow is no torn end.
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        for _ in 0..2 {
            journal.append(&["x".repeat(100)]).unwrap();
        }
        disk.tamper(&segment(1), |content| content.truncate(content.len() - 1));
        assert!(matches!(open(&disk), Err(DurableError::Damaged { .. })));
    }

    #[test]
    fn a_failed_append_may_come_back_only_if_nothing_followed_it() {
        let disk = FaultDisk::new();
        let (mut journal, ..) = open(&disk).unwrap();
        journal.append(&["first"]).unwrap();
        disk.plan(Plan::StopAt(1));
        assert!(journal.append(&["unsure"]).is_err());
        disk.plan(Plan::Work);
        assert_eq!(open(&disk.crash(0)).unwrap().1, ["first"]);
        assert_eq!(open(&disk.crash(1000)).unwrap().1, ["first", "unsure"]);
        journal.append(&["second"]).unwrap();
        assert_eq!(open(&disk.crash(1000)).unwrap().1, ["first", "second"]);
    }
}
