//! The volumes of an import as they are written.

use std::path::PathBuf;

use super::state::{OpenVolume, State};
use super::work::PackedBatch;
use crate::durable::DurableError;
use crate::store::embedded::volume::{self, VOLUME_BYTES, Volume, batch_row};
use crate::store::forms::rows::RowWriter;
use crate::store::{StatusRecord, Store, StoreError};
use licence_seal::crypto::Digest;
use licence_seal::licence;

/// Bytes after which a volume is followed by another, a unit more or less. Tests have several.
const FULL: u64 = if cfg!(test) { 16 << 10 } else { VOLUME_BYTES };

/// Writes the volumes of an import.
pub(super) struct Volumes<'s> {
    store: &'s Store,
    writer: Option<RowWriter<'s>>,
    first: u64,
    licences: u64,
    /// Digests of the seals that stand in the volumes already.
    impressions: Vec<Digest>,
}

impl<'s> Volumes<'s> {
    pub(super) fn open(store: &'s Store, state: &State) -> Result<Self, StoreError> {
        let mut volumes = Self { store, writer: None, first: 0, licences: 0, impressions: Vec::new() };
        volumes.place(state)?;
        if let Some(OpenVolume { first, licences, rows }) = &state.open_volume {
            let path = volumes.temporary();
            let (keys, random) = (&*store.engine.keys, &*store.engine.random);
            volumes.writer = Some(RowWriter::reopen(&*store.disk, &path, rows.clone(), keys, random)?);
            (volumes.first, volumes.licences) = (*first, *licences);
        }
        Ok(volumes)
    }

    fn temporary(&self) -> PathBuf {
        self.store.places.exports.join("import.tmp")
    }

    pub(super) fn take(&mut self, state: &mut State, batch: PackedBatch) -> Result<(), StoreError> {
        if self.writer.is_none() {
            let (keys, random) = (&*self.store.engine.keys, &*self.store.engine.random);
            self.writer = Some(RowWriter::create(&*self.store.disk, &self.temporary(), keys, random)?);
            (self.first, self.licences) = (state.before.last_batch + state.batches + 1, 0);
        }
        let Some(writer) = &mut self.writer else { return Err(StoreError::Closed) };
        if !self.impressions.contains(&batch.digest) {
            if batch.impression.digest() != batch.digest {
                return Err(StoreError::Batch("the impression is not the one of its stamp"));
            }
            writer.row(&volume::impression_row(&batch.impression))?;
            self.impressions.push(batch.digest);
        }
        state.batches += 1;
        writer.row(&batch_row(state.before.last_batch + state.batches, &batch.packed))?;
        for (older, newer) in batch.superseded {
            state.changes += 1;
            let status = StatusRecord {
                state: licence::State::Superseded,
                since: batch.time,
                reason: None,
                by: None,
                superseded_by: Some(newer),
                change_number: state.before.last_change + state.changes,
            };
            writer.row(&volume::status_row(&older, &status))?;
        }
        state.licences += batch.licences;
        self.licences += batch.licences;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.bytes() >= FULL)
    }

    /// Ends the volume that is being written; [`Volumes::place`] follows once the state is saved.
    pub(super) fn close(&mut self, state: &mut State) -> Result<(), StoreError> {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let rows = writer.sync()?;
        let volume = Volume::new(self.first, state.before.last_batch + state.batches, self.licences, rows);
        // Its name must be there before the state names it, under one name or the other.
        let dir = &self.store.places.exports;
        self.store.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
        state.volumes.push(volume);
        state.open_volume = None;
        Ok(())
    }

    /// Gives the last volume of a saved state its name, unless it has it.
    pub(super) fn place(&self, state: &State) -> Result<(), StoreError> {
        let Some(volume) = state.volumes.last().filter(|_| state.open_volume.is_none()) else {
            return Ok(());
        };
        let (disk, dir) = (&self.store.disk, &self.store.places.exports);
        let (temporary, path) = (self.temporary(), dir.join(volume.file()));
        if disk.len(&path).is_ok() {
            return Ok(());
        }
        disk.rename(&temporary, &path).map_err(DurableError::io("rename", &temporary))?;
        Ok(disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?)
    }

    pub(super) fn save(&mut self, state: &mut State) -> Result<(), StoreError> {
        if let Some(writer) = &mut self.writer {
            let rows = writer.sync()?;
            let dir = &self.store.places.exports;
            self.store.disk.sync_dir(dir).map_err(DurableError::io("sync", dir))?;
            state.open_volume = Some(OpenVolume { first: self.first, licences: self.licences, rows });
        }
        Ok(())
    }
}
