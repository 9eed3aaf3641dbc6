//! What a file holds: as programs read it, as the medium keeps it, and what is between the two.

use super::dice::Dice;

/// What a medium writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Content {
    now: Vec<u8>,
    lasting: Vec<u8>,
    /// Writes that no fsync has made last, oldest first.
    pending: Vec<Write>,
    /// An fsync failed: later ones on the file prove nothing.
    lost: bool,
}

#[derive(Clone)]
struct Write {
    offset: usize,
    bytes: Vec<u8>,
}

impl Write {
    /// Puts into `sector`, which begins at `start` in the file, what this write has for it; whether
    /// there was anything.
    fn apply(&self, start: usize, sector: &mut [u8]) -> bool {
        let from = start.max(self.offset);
        let end = (start + sector.len()).min(self.offset + self.bytes.len());
        let to = sector.iter_mut().skip(from - start);
        let bytes = self.bytes.iter().skip(from - self.offset).take(end.saturating_sub(from));
        to.zip(bytes).for_each(|(to, from)| *to = *from);
        from < end
    }
}

impl Content {
    pub(super) fn lasting(bytes: Vec<u8>) -> Self {
        Self { now: bytes.clone(), lasting: bytes, ..Self::default() }
    }

    pub(super) fn now(&self) -> &[u8] {
        &self.now
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.pending.push(Write { offset: self.now.len(), bytes: bytes.to_vec() });
        self.now.extend_from_slice(bytes);
    }

    pub(super) fn sync(&mut self, done: bool) {
        self.lost |= !done;
        if !self.lost {
            // All there is are appends and cuts, so the rest of `now` is all that is missing.
            self.lasting.extend(self.now.iter().skip(self.lasting.len()));
            self.pending.clear();
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.now.truncate(len);
        self.lasting.truncate(len);
        for write in &mut self.pending {
            write.bytes.truncate(len.saturating_sub(write.offset));
        }
        self.sync(true);
    }

    /// Up to `torn` bytes of what was not fsynced are there, from the start on.
    pub(super) fn torn(&self, torn: usize) -> Vec<u8> {
        self.now.iter().copied().take(self.lasting.len().saturating_add(torn)).collect()
    }

    /// Every sector that was written since the last fsync holds what it held at some moment since
    /// then; the length is that of any of those moments. What never arrived reads as zeros.
    pub(super) fn reordered(&self, dice: &Dice) -> Vec<u8> {
        let odds = dice.odds();
        let mut after = self.lasting.clone();
        after.resize(self.length_after(dice), 0);
        let first = self.lasting.len() / SECTOR;
        for (number, sector) in after.chunks_mut(SECTOR).enumerate().skip(first) {
            let mut moment = sector.to_vec();
            for write in &self.pending {
                if write.apply(number * SECTOR, &mut moment) && dice.happened(odds) {
                    sector.copy_from_slice(&moment);
                }
            }
        }
        after
    }

    fn length_after(&self, dice: &Dice) -> usize {
        let (from, to) = (self.lasting.len(), self.now.len());
        if dice.happened(4) {
            return to;
        }
        let cut = from.next_multiple_of(SECTOR) + SECTOR * dice.below((to - from).div_ceil(SECTOR));
        if dice.happened(2) { from } else { cut.min(to) }
    }
}
