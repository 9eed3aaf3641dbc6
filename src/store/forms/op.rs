//! One journalled operation and its byte form.
//!
//! ```text
//! payload   0x01 ‖ key number u32 BE ‖ sequence u64 BE ‖ AES-256-GCM(head ‖ change)
//! ```
//!
//! The 13 bytes in front are authenticated with the rest, so an operation can neither be moved nor
//! taken out unseen. The head says what the store's counters are **after** the operation: replaying it
//! sets them and never adds to them.

use super::codec::{Reader, Writer};
use crate::store::keys::{Bound, KeyId, Keyring, Use};
use crate::store::{BatchNumber, Counters, StatusRecord, StoreError};
use licence_seal::crypto::Random;
use licence_seal::licence::{Identifier, Record};
use licence_seal::seal::SealImpression;

const FORMAT: u8 = 1;
/// Bytes of a payload that are not encrypted.
const FRONT: usize = 13;

/// The store's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Head {
    /// Operations ever acknowledged.
    pub(crate) sequence: u64,
    pub(crate) last_batch: u64,
    pub(crate) licences: u64,
    pub(crate) last_change: u64,
}

impl Head {
    /// Whether licences and their states are the same, whatever else was changed.
    pub(crate) const fn same_licences(&self, other: &Self) -> bool {
        self.last_batch == other.last_batch
            && self.licences == other.licences
            && self.last_change == other.last_change
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.number(self.sequence).number(self.last_batch).number(self.licences).number(self.last_change);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            sequence: reader.number()?,
            last_batch: reader.number()?,
            licences: reader.number()?,
            last_change: reader.number()?,
        })
    }
}

/// Bytes of a blind identifier, number or holder. Of 42 million, two that differ have the same 12 bytes
/// with a chance of one in 10^13; 4 more would cost 20 bytes a licence.
pub(crate) const ID_KEY: usize = 12;
/// Bytes of a blind type, which only narrows a holder's licences down.
const KIND_KEY: usize = 4;
pub(crate) const HOLDER_KEY: usize = ID_KEY + KIND_KEY;
/// What is blinded: an identifier; type and number; code type and code of a holder; a type.
pub(crate) const ID: &str = "id";
pub(crate) const NUMBER: &str = "number";
pub(crate) const HOLDER: &str = "holder";
pub(crate) const KIND: &str = "type";
pub(crate) type IdKey = [u8; ID_KEY];
pub(crate) type HolderKey = [u8; HOLDER_KEY];

/// The blind keys under which a record is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) id: IdKey,
    /// Holder and type, once for each holder.
    pub(crate) holders: Vec<HolderKey>,
    /// Type and number.
    pub(crate) number: IdKey,
}

impl Entry {
    pub(crate) fn of(record: &Record, keys: &Keyring) -> Self {
        let kind = record.type_code.as_str();
        let blind_kind = keys.blind(KIND, &[kind]);
        let holder = |holder: &licence_seal::licence::Holder| {
            Self::holder(&keys.blind(HOLDER, &[holder.code_type().code(), holder.code()]), &blind_kind)
        };
        Self {
            id: id_key(keys, &record.identifier),
            holders: record.holders.iter().map(holder).collect(),
            number: number_key(keys, kind, &record.number),
        }
    }

    /// The blind holder, and the blind type.
    pub(crate) fn holder(holder: &IdKey, kind: &[u8; KIND_KEY]) -> HolderKey {
        let mut key = [0; HOLDER_KEY];
        key.iter_mut().zip(holder.iter().chain(kind)).for_each(|(to, from)| *to = *from);
        key
    }
}

pub(crate) fn id_key(keys: &Keyring, identifier: &Identifier) -> IdKey {
    keys.blind(ID, &[identifier.as_str()])
}

pub(crate) fn number_key(keys: &Keyring, type_code: &str, number: &str) -> IdKey {
    keys.blind(NUMBER, &[type_code, number])
}

/// The blind holder, and the blind type if one is given: a prefix finds all types.
pub(crate) fn holder_key(keys: &Keyring, code_type: &str, code: &str, type_code: Option<&str>) -> Vec<u8> {
    let mut key = keys.blind::<ID_KEY>(HOLDER, &[code_type, code]).to_vec();
    if let Some(type_code) = type_code {
        key.extend(keys.blind::<KIND_KEY>(KIND, &[type_code]));
    }
    key
}

/// A batch that is being added.
#[derive(Clone, Debug)]
pub(crate) struct AddedBatch {
    pub(crate) number: BatchNumber,
    /// [`super::block::pack`].
    pub(crate) packed: Vec<u8>,
}

/// What an operation changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Add {
        impressions: Vec<SealImpression>,
        batches: Vec<AddedBatch>,
        /// Older versions that end with this.
        superseded: Vec<(Identifier, StatusRecord)>,
    },
    Status(Identifier, StatusRecord),
    /// Kind, key and JSON.
    Put(String, String, Vec<u8>),
    Remove(String, String),
    /// What an import brought lies in these volumes, oldest first.
    Import(Vec<VolumeRef>),
}

/// A volume, and what makes sure that it is the one that was meant.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VolumeRef {
    pub(crate) name: String,
    /// Hash chain over its rows, in hex.
    pub(crate) chain: String,
}

/// An operation with the counters after it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) head: Head,
    pub(crate) change: Change,
}

impl Operation {
    /// The journal payload.
    pub(crate) fn seal(&self, keys: &Keyring, random: &dyn Random) -> Result<Vec<u8>, StoreError> {
        let key = keys.current();
        let front = [[FORMAT].as_slice(), &key.to_be_bytes(), &self.head.sequence.to_be_bytes()].concat();
        let mut payload = front.clone();
        let bound = Bound { key, usage: Use::Journal, place: &[&front] };
        keys.seal_onto(&mut payload, &bound, &self.encode(), random)?;
        Ok(payload)
    }

    /// The sequence number of a payload, before it is opened.
    pub(crate) fn sequence(payload: &[u8]) -> Result<u64, StoreError> {
        Self::front(payload).map(|(_, sequence)| sequence)
    }

    /// Number of the data key of a payload, and its sequence number, before it is opened.
    pub(crate) fn front(payload: &[u8]) -> Result<(KeyId, u64), StoreError> {
        let mut reader = Reader(payload);
        let format = reader.u8().ok_or_else(|| damaged(0, "it is too short"))?;
        if format != FORMAT {
            return Err(damaged(0, "its format is newer than this program"));
        }
        let read = reader.array().zip(reader.array());
        read.map(|(key, sequence)| (u32::from_be_bytes(key), u64::from_be_bytes(sequence)))
            .ok_or_else(|| damaged(0, "it is too short"))
    }

    /// Opens a journal payload.
    pub(crate) fn open(payload: &[u8], keys: &Keyring) -> Result<Self, StoreError> {
        let sequence = Self::sequence(payload)?;
        let short = || damaged(sequence, "it is too short");
        let (front, sealed) = payload.split_at_checked(FRONT).ok_or_else(short)?;
        let id = Reader(front.get(1..).unwrap_or_default()).array().ok_or_else(short)?;
        let plain = keys
            .open_sealed(&Bound { key: u32::from_be_bytes(id), usage: Use::Journal, place: &[front] }, sealed)
            .map_err(|_| damaged(sequence, "it does not authenticate"))?;
        let operation = Self::decode(&plain).ok_or_else(|| damaged(sequence, "it does not read"))?;
        if operation.head.sequence != sequence {
            return Err(damaged(sequence, "its number is another inside"));
        }
        Ok(operation)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.head.write(&mut writer);
        match &self.change {
            Change::Add { impressions, batches, superseded } => {
                writer.u8(1).number(impressions.len() as u64);
                for impression in impressions {
                    writer.bytes(&impression.seal).bytes(&impression.certificate);
                }
                writer.number(batches.len() as u64);
                for batch in batches {
                    writer.number(batch.number.0).bytes(&batch.packed);
                }
                writer.number(superseded.len() as u64);
                for (identifier, status) in superseded {
                    write_status(&mut writer, identifier, status);
                }
            }
            Change::Status(identifier, status) => {
                writer.u8(2);
                write_status(&mut writer, identifier, status);
            }
            Change::Put(kind, key, json) => {
                writer.u8(3).text(kind).text(key).bytes(json);
            }
            Change::Remove(kind, key) => {
                writer.u8(4).text(kind).text(key);
            }
            Change::Import(volumes) => {
                writer.u8(5).number(volumes.len() as u64);
                for VolumeRef { name, chain } in volumes {
                    writer.text(name).text(chain);
                }
            }
        }
        writer.finish()
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let mut reader = Reader(plain);
        let head = Head::read(&mut reader)?;
        let change = match reader.u8()? {
            1 => {
                let impression = |reader: &mut Reader<'_>| {
                    Some(SealImpression { seal: reader.bytes()?.into(), certificate: reader.bytes()?.into() })
                };
                let batch = |reader: &mut Reader<'_>| {
                    let number = BatchNumber(reader.number()?);
                    Some(AddedBatch { number, packed: reader.bytes()?.to_vec() })
                };
                Change::Add {
                    impressions: (0..reader.count()?)
                        .map(|_| impression(&mut reader))
                        .collect::<Option<_>>()?,
                    batches: (0..reader.count()?).map(|_| batch(&mut reader)).collect::<Option<_>>()?,
                    superseded: (0..reader.count()?)
                        .map(|_| read_status(&mut reader))
                        .collect::<Option<_>>()?,
                }
            }
            2 => {
                let (identifier, status) = read_status(&mut reader)?;
                Change::Status(identifier, status)
            }
            3 => Change::Put(reader.text()?.to_owned(), reader.text()?.to_owned(), reader.bytes()?.to_vec()),
            4 => Change::Remove(reader.text()?.to_owned(), reader.text()?.to_owned()),
            5 => {
                let volume = |reader: &mut Reader<'_>| {
                    let (name, chain) = (reader.text()?.to_owned(), reader.text()?.to_owned());
                    Some(VolumeRef { name, chain })
                };
                Change::Import((0..reader.count()?).map(|_| volume(&mut reader)).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        reader.is_empty().then_some(Self { head, change })
    }
}

/// Identifier and status, as they stand in the journal, in sled and in exports.
pub(crate) fn write_status(writer: &mut Writer, identifier: &Identifier, status: &StatusRecord) {
    writer.text(identifier.as_str()).text(status.state.word());
    writer.raw(&status.since.millis().to_be_bytes());
    writer.maybe_text(status.reason.as_deref()).maybe_text(status.by.as_deref());
    writer.maybe_text(status.superseded_by.as_ref().map(Identifier::as_str));
    writer.number(status.change_number);
}

pub(crate) fn read_status(reader: &mut Reader<'_>) -> Option<(Identifier, StatusRecord)> {
    let identifier = Identifier::parse(reader.text()?).ok()?;
    let state = reader.text()?.parse().ok()?;
    let since = licence_seal::time::Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
    let reason = reader.maybe_text()?.map(str::to_owned);
    let by = reader.maybe_text()?.map(str::to_owned);
    let superseded_by = match reader.maybe_text()? {
        None => None,
        Some(id) => Some(Identifier::parse(id).ok()?),
    };
    let change_number = reader.number()?;
    Some((identifier, StatusRecord { state, since, reason, by, superseded_by, change_number }))
}

fn damaged(sequence: u64, why: &'static str) -> StoreError {
    StoreError::Damaged { tree: "journal", key: sequence.to_string(), why }
}

impl From<Head> for Counters {
    fn from(head: Head) -> Self {
        let Head { sequence, last_batch, licences, last_change } = head;
        Self { operations: sequence, batches: last_batch, licences, status_changes: last_change }
    }
}
