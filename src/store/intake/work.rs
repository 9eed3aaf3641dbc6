//! Sealing: what one thread makes of some chunks of a partition.

use super::resolve::Resolved;
use super::spool::{self, ChunkAt, ChunkReader, Partition, Spool, Spooled};
use crate::store::forms::block;
use crate::store::{LicenceReader, Store, StoreError};
use licence_seal::crypto::Digest;
use licence_seal::licence::{Identifier, RecordRef, TypeCode, Uscc};
use licence_seal::seal::{BatchSeal, MAX_BATCH, SealImpression};
use licence_seal::time::Timestamp;

/// Chunks of a partition that are sealed as one piece of work.
const UNIT: usize = 64;
/// Bytes of spooled records after which a batch is sealed though it is not full.
const BATCH_BYTES: usize = 8 << 20;

/// Seals records of one type and issuer as a batch; called on several threads.
pub type SealRecords<'a, E> = dyn Fn(&[RecordRef<'_>]) -> Result<(BatchSeal, SealImpression), E> + Sync + 'a;

/// Some chunks of one partition.
pub(super) struct Unit<'a> {
    partition: &'a Partition,
    chunks: &'a [ChunkAt],
}

pub(super) fn units(spool: &Spool) -> impl Iterator<Item = Unit<'_>> {
    spool
        .chunks()
        .iter()
        .flat_map(|(partition, chunks)| chunks.chunks(UNIT).map(move |chunks| Unit { partition, chunks }))
}

/// A batch that is sealed and packed, without its number.
pub(super) struct PackedBatch {
    pub(super) packed: Vec<u8>,
    pub(super) licences: u64,
    pub(super) digest: Digest,
    pub(super) impression: SealImpression,
    pub(super) time: Timestamp,
    /// Superseded and superseding.
    pub(super) superseded: Vec<(Identifier, Identifier)>,
}

/// What came of a unit.
#[derive(Default)]
pub(super) struct UnitDone {
    pub(super) batches: Vec<PackedBatch>,
    /// Ordinals.
    pub(super) duplicates: Vec<u64>,
    pub(super) already_here: u64,
}

/// What the sealing threads share.
pub(super) struct Work<'a, E> {
    pub(super) store: &'a Store,
    pub(super) reader: &'a ChunkReader,
    pub(super) resolved: &'a Resolved,
    pub(super) again: bool,
    pub(super) seal: &'a SealRecords<'a, E>,
}

impl<E: From<StoreError>> Work<'_, E> {
    pub(super) fn unit(&self, Unit { partition, chunks: places }: Unit<'_>) -> Result<UnitDone, E> {
        let mut done = UnitDone::default();
        let mut waiting = Waiting::default();
        let damaged = || self.reader.damaged();
        let chunks = places.iter().map(|at| self.reader.chunk(*at)).collect::<Result<Vec<_>, _>>()?;
        for (at, plain) in places.iter().zip(&chunks) {
            let (found, records) = spool::read(plain).ok_or_else(damaged)?;
            if found != *partition || records.len() as u64 != u64::from(at.records) {
                return Err(damaged().into());
            }
            for spooled in records {
                if self.resolved.refused.contains(spooled.ordinal) {
                    continue;
                }
                if self.resolved.here.contains(spooled.ordinal) {
                    match self.again && self.is_here(partition, spooled.record)? {
                        true => done.already_here += 1,
                        false => done.duplicates.push(spooled.ordinal),
                    }
                    continue;
                }
                waiting.bytes += spooled.record.len();
                waiting.records.push(spooled);
                if waiting.records.len() >= MAX_BATCH || waiting.bytes >= BATCH_BYTES {
                    done.batches.push(self.batch(partition, &std::mem::take(&mut waiting).records)?);
                }
            }
        }
        if !waiting.records.is_empty() {
            done.batches.push(self.batch(partition, &waiting.records)?);
        }
        Ok(done)
    }

    /// Whether the store has this record with the same content.
    fn is_here(&self, partition: &Partition, record: &[u8]) -> Result<bool, StoreError> {
        let read = || {
            let type_code = TypeCode::parse(&partition.type_code).ok()?;
            block::decode_record(record, &type_code, &Uscc::parse(&partition.issuer).ok()?)
        };
        let record = read().ok_or_else(|| self.reader.damaged())?;
        Ok(self.store.by_identifier(&record.identifier)?.is_some_and(|found| found.record == record))
    }

    fn batch(&self, partition: &Partition, spooled: &[Spooled<'_>]) -> Result<PackedBatch, E> {
        let damaged = || self.reader.damaged();
        let Partition { issuer, type_code } = partition;
        let views = spooled
            .iter()
            .map(|spooled| block::view_record(spooled.record, type_code, issuer))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(damaged)?;
        let (sealed, impression) = (self.seal)(&views)?;
        block::check_shape(&sealed, spooled.len())?;
        let records: Vec<&[u8]> = spooled.iter().map(|spooled| spooled.record).collect();
        let packed = block::pack_encoded(&sealed, &records, &self.store.engine.dictionaries)?;
        let identifier = |text: &str| Identifier::parse(text).map_err(|_| damaged());
        let mut superseded = Vec::new();
        for (spooled, view) in spooled.iter().zip(&views) {
            if let Some(older) = view.supersedes
                && self.resolved.superseding.contains(spooled.ordinal)
            {
                superseded.push((identifier(older)?, identifier(view.identifier)?));
            }
        }
        let (digest, time) = (sealed.stamp.impression, sealed.stamp.time);
        Ok(PackedBatch { packed, licences: spooled.len() as u64, digest, impression, time, superseded })
    }
}

/// Records that wait for their batch to fill.
#[derive(Default)]
struct Waiting<'a> {
    records: Vec<Spooled<'a>>,
    bytes: usize,
}
