//! The byte form of a sealed batch: what is compressed, then encrypted.
//!
//! ```text
//! packed   0x02 ‖ dictionary u32 BE (0: none) ‖ length of the plain form u32 BE ‖ zstd frame
//! plain    manifest ‖ stamp (impression, seconds, voice, signature) ‖ salt key ‖ schema ‖ leaves ‖ records
//! ```
//!
//! Type and issuer stand in the manifest, not in each record; hashes and the batch id stand in binary,
//! since hex and base64 of them do not compress. Records are rebuilt from their parts and not through
//! the catalogue, so an old licence can be read whatever catalogue is current; its leaf says whether it
//! is the one that was sealed. Each record has its length before it, so that one can be read without
//! the other 31. The same record form stands in the spool of an import.

use super::codec::{Reader, Writer};
use super::dictionary::Dictionaries;
use super::op::{self, Entry};
use crate::store::keys::{Blinding, Keyring, first};
use crate::store::{BatchNumber, StoreError, StoredBatch};
use licence_seal::crypto::{Digest, Signature, Suite};
use licence_seal::licence::{
    FieldValue, Holder, HolderCodeType, HolderRef, Identifier, Record, RecordRef, TypeCode, Uscc, ValueRef,
};
use licence_seal::merkle;
use licence_seal::seal::{
    BatchId, BatchSeal, MAX_BATCH, Manifest, SaltKeyId, SealedBatch, StampParts, Voice,
};
use licence_seal::time::{Day, Timestamp};

/// The largest plain form.
const MAX_PLAIN: usize = 48 << 20;
const FORMAT: u8 = 2;

/// Compresses a batch.
pub(crate) fn pack(sealed: &SealedBatch, dictionaries: &Dictionaries) -> Result<Vec<u8>, StoreError> {
    let records: Vec<Vec<u8>> = sealed.records.iter().map(encode_record).collect();
    pack_encoded(&sealed.seal, &records, dictionaries)
}

/// Compresses a batch whose records are encoded already.
pub(crate) fn pack_encoded(
    seal: &BatchSeal,
    records: &[impl AsRef<[u8]>],
    dictionaries: &Dictionaries,
) -> Result<Vec<u8>, StoreError> {
    let plain = encode(seal, records);
    let too_large = || StoreError::TooLarge { bytes: plain.len(), limit: MAX_PLAIN };
    let length = u32::try_from(plain.len()).map_err(|_| too_large())?;
    if plain.len() > MAX_PLAIN {
        return Err(too_large());
    }
    let (dictionary, frame) = dictionaries.compress(&plain)?;
    Ok([[FORMAT].as_slice(), &dictionary.to_be_bytes(), &length.to_be_bytes(), &frame].concat())
}

/// Reads a packed batch back.
pub(crate) fn unpack(
    number: BatchNumber,
    packed: &[u8],
    dictionaries: &Dictionaries,
) -> Result<StoredBatch, StoreError> {
    let plain = decompress(number, packed, dictionaries)?;
    decode(number, &plain).ok_or_else(|| damaged(number, "it decompresses but does not read"))
}

/// What of a batch its indexes and its place in the log are made of, without building its records.
pub(crate) struct Outline {
    pub(crate) manifest: Manifest,
    /// In the order of the records.
    pub(crate) entries: Vec<Entry>,
}

/// Reads the outline of a packed batch.
pub(crate) fn outline(
    number: BatchNumber,
    packed: &[u8],
    dictionaries: &Dictionaries,
    keys: &Keyring,
) -> Result<Outline, StoreError> {
    let plain = decompress(number, packed, dictionaries)?;
    let read = || {
        let mut reader = Reader(&plain);
        let front = read_seal(&mut reader)?;
        let type_code = front.manifest.type_code.as_str();
        let kind = keys.blind(op::KIND, &[type_code]);
        let mut blinding = Blinding::default();
        let holders = (0..reader.count()?)
            .map(|_| outline_record(reader.bytes()?, type_code, &mut blinding))
            .collect::<Option<Vec<_>>>()?;
        let mut keys = keys.blind_each(&blinding);
        let mut entry = |holders: &usize| {
            let (id, number) = (first(&keys.next()?), first(&keys.next()?));
            let holders =
                keys.by_ref().take(*holders).map(|key| Entry::holder(&first(&key), &kind)).collect();
            Some(Entry { id, holders, number })
        };
        let entries = holders.iter().map(&mut entry).collect::<Option<_>>()?;
        reader.is_empty().then_some(Outline { manifest: front.manifest, entries })
    };
    read().ok_or_else(|| damaged(number, "it decompresses but does not read"))
}

/// Reads the manifest of a packed batch.
pub(crate) fn manifest(
    number: BatchNumber,
    packed: &[u8],
    dictionaries: &Dictionaries,
) -> Result<Manifest, StoreError> {
    let plain = decompress(number, packed, dictionaries)?;
    let front = read_seal(&mut Reader(&plain));
    front.map(|front| front.manifest).ok_or_else(|| damaged(number, "it decompresses but does not read"))
}

/// Gathers what a record is found by: identifier, number, and each of its holders, whose number it returns.
fn outline_record(record: &[u8], type_code: &str, blinding: &mut Blinding) -> Option<usize> {
    let mut reader = Reader(record);
    blinding.push(op::ID, &[reader.text()?]);
    blinding.push(op::NUMBER, &[type_code, reader.text()?]);
    let holders = reader.count()?;
    for _ in 0..holders {
        let (_name, code, code_type) = (reader.text()?, reader.text()?, reader.text()?);
        blinding.push(op::HOLDER, &[code_type, code]);
    }
    Some(holders)
}

fn damaged(number: BatchNumber, why: &'static str) -> StoreError {
    StoreError::Damaged { tree: "batch", key: number.to_string(), why }
}

fn decompress(
    number: BatchNumber,
    packed: &[u8],
    dictionaries: &Dictionaries,
) -> Result<Vec<u8>, StoreError> {
    let damaged = |why| damaged(number, why);
    let mut reader = Reader(packed);
    if reader.u8() != Some(FORMAT) {
        return Err(damaged("a block format that this program does not know"));
    }
    let dictionary = reader.array().map(u32::from_be_bytes).ok_or(damaged("it is too short"))?;
    let length = reader.array().map(u32::from_be_bytes).and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= MAX_PLAIN).ok_or(damaged("its length is wrong"))?;
    dictionaries.decompress(dictionary, reader.0, length).map_err(damaged)
}

/// Whether a batch of so many records that is to be stored holds together, apart from its signature.
pub(crate) fn check_shape(seal: &BatchSeal, records: usize) -> Result<(), StoreError> {
    let manifest = &seal.manifest;
    let size = usize::from(manifest.size);
    if size == 0 || size > MAX_BATCH || records != size || seal.leaves.len() != size {
        return Err(StoreError::Batch("size, records and leaves differ in number"));
    }
    let suite = manifest.suite;
    if merkle::root(&suite, &seal.leaves) != manifest.root {
        return Err(StoreError::Batch("its leaves do not lead to its root"));
    }
    Ok(())
}

/// The plain form.
fn encode(seal: &BatchSeal, records: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut writer = Writer::default();
    let (manifest, stamp) = (&seal.manifest, &seal.stamp);
    writer.text(&manifest.issuer).text(&manifest.type_code).raw(manifest.batch.as_bytes());
    writer.u8(manifest.size).u8(match manifest.suite {
        Suite::Sm2Sm3 => 0,
        Suite::P256Sha256 => 1,
    });
    writer.raw(&manifest.root);
    writer.raw(&stamp.impression).raw(&stamp.time.secs().to_be_bytes());
    writer.u8(match stamp.voice {
        Voice::Issuer => 0,
        Voice::Attestation => 1,
    });
    writer.raw(stamp.signature.raw()).text(&seal.salt_key.0).text(&seal.schema);
    writer.number(seal.leaves.len() as u64);
    for leaf in &seal.leaves {
        writer.raw(leaf);
    }
    writer.number(records.len() as u64);
    for record in records {
        writer.bytes(record.as_ref());
    }
    writer.finish()
}

fn read_seal(reader: &mut Reader<'_>) -> Option<BatchSeal> {
    let (issuer, type_code) = (reader.text()?.to_owned(), reader.text()?.to_owned());
    let batch = BatchId::from_bytes(reader.array()?);
    let size = reader.u8()?;
    let suite = match reader.u8()? {
        0 => Suite::Sm2Sm3,
        1 => Suite::P256Sha256,
        _ => return None,
    };
    let manifest = Manifest { issuer, type_code, batch, size, suite, root: reader.array()? };
    let impression: Digest = reader.array()?;
    let time = Timestamp::from_secs(i64::from_be_bytes(reader.array()?));
    let voice = match reader.u8()? {
        0 => Voice::Issuer,
        1 => Voice::Attestation,
        _ => return None,
    };
    let signature = Signature::from_raw(reader.array()?);
    let salt_key = SaltKeyId(reader.text()?.to_owned());
    let schema = reader.text()?.to_owned();
    let leaves = (0..reader.count()?).map(|_| reader.array()).collect::<Option<Vec<Digest>>>()?;
    let stamp = StampParts { impression, time, voice, signature };
    Some(BatchSeal { manifest, stamp, salt_key, schema, leaves })
}

fn decode(number: BatchNumber, plain: &[u8]) -> Option<StoredBatch> {
    let mut reader = Reader(plain);
    let seal = read_seal(&mut reader)?;
    let records =
        (0..reader.count()?).map(|_| reader.bytes().map(<[u8]>::to_vec)).collect::<Option<Vec<_>>>()?;
    reader.is_empty().then_some(StoredBatch { number, seal, records })
}

impl StoredBatch {
    /// How many licences it has.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it has none, which no stored batch does.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record in a slot; `None` if there is no such slot, or it does not read.
    pub fn record(&self, slot: usize) -> Option<Record> {
        let type_code = TypeCode::parse(&self.seal.manifest.type_code).ok()?;
        let issuer = Uscc::parse(&self.seal.manifest.issuer).ok()?;
        decode_record(self.records.get(slot)?, &type_code, &issuer)
    }
}

/// A record without its type and issuer.
fn encode_record(record: &Record) -> Vec<u8> {
    let mut writer = Writer::default();
    write_record(&mut writer, record);
    writer.finish()
}

/// [`encode_record`] after what `writer` has.
pub(crate) fn write_record(writer: &mut Writer, record: &Record) {
    writer.text(record.identifier.as_str()).text(&record.number);
    writer.number(record.holders.len() as u64);
    for holder in &record.holders {
        writer.text(holder.name()).text(holder.code()).text(holder.code_type().code());
    }
    writer.text(&record.issuer_name).text(&record.area_code);
    writer.text(&record.issued.to_string()).text(&record.valid_from.to_string());
    writer.maybe_text(record.valid_until.map(|day| day.to_string()).as_deref());
    writer.text(record.state.word());
    writer.maybe_text(record.supersedes.as_ref().map(Identifier::as_str));
    writer.number(record.fields.len() as u64);
    for (name, value) in &record.fields {
        writer.text(name);
        match value {
            FieldValue::Text(text) => writer.u8(0).text(text),
            FieldValue::List(list) => {
                writer.u8(1).number(list.len() as u64);
                list.iter().fold(&mut *writer, |writer, text| writer.text(text))
            }
        };
    }
}

/// Reads what [`encode_record`] wrote.
pub(crate) fn decode_record(record: &[u8], type_code: &TypeCode, issuer: &Uscc) -> Option<Record> {
    let mut all = Reader(record);
    let reader = &mut all;
    let identifier = Identifier::parse(reader.text()?).ok()?;
    let number = reader.text()?.to_owned();
    let holder = |reader: &mut Reader<'_>| {
        let (name, code) = (reader.text()?, reader.text()?);
        Holder::new(name, code, HolderCodeType::parse(reader.text()?)?).ok()
    };
    let holders = (0..reader.count()?).map(|_| holder(&mut *reader)).collect::<Option<Vec<_>>>()?;
    let (issuer_name, area_code) = (reader.text()?.to_owned(), reader.text()?.to_owned());
    let (issued, valid_from) = (Day::parse(reader.text()?)?, Day::parse(reader.text()?)?);
    let valid_until = match reader.maybe_text()? {
        None => None,
        Some(day) => Some(Day::parse(day)?),
    };
    let state = reader.text()?.parse().ok()?;
    let supersedes = match reader.maybe_text()? {
        None => None,
        Some(id) => Some(Identifier::parse(id).ok()?),
    };
    let field = |reader: &mut Reader<'_>| {
        let name = reader.text()?.to_owned();
        let value = match reader.u8()? {
            0 => FieldValue::Text(reader.text()?.to_owned()),
            1 => {
                let texts = (0..reader.count()?).map(|_| reader.text().map(str::to_owned));
                FieldValue::List(texts.collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some((name, value))
    };
    let fields = (0..reader.count()?).map(|_| field(&mut *reader)).collect::<Option<_>>()?;
    all.is_empty().then_some(Record {
        identifier,
        type_code: type_code.clone(),
        number,
        holders,
        issuer_code: issuer.clone(),
        issuer_name,
        area_code,
        issued,
        valid_from,
        valid_until,
        state,
        supersedes,
        fields,
    })
}

/// What [`encode_record`] wrote, as far as a seal covers it, without a copy of its texts.
pub(crate) fn view_record<'a>(
    record: &'a [u8],
    type_code: &'a str,
    issuer_code: &'a str,
) -> Option<RecordRef<'a>> {
    let mut all = Reader(record);
    let reader = &mut all;
    let (identifier, number) = (reader.text()?, reader.text()?);
    let holder = |reader: &mut Reader<'a>| {
        Some(HolderRef { name: reader.text()?, code: reader.text()?, code_type: reader.text()? })
    };
    let holders = (0..reader.count()?).map(|_| holder(&mut *reader)).collect::<Option<Vec<_>>>()?;
    let (issuer_name, area_code) = (reader.text()?, reader.text()?);
    let (issued, valid_from) = (Day::parse(reader.text()?)?, Day::parse(reader.text()?)?);
    let valid_until = match reader.maybe_text()? {
        None => None,
        Some(day) => Some(Day::parse(day)?),
    };
    let _state = reader.text()?;
    let supersedes = reader.maybe_text()?;
    let field = |reader: &mut Reader<'a>| {
        let name = reader.text()?;
        let value = match reader.u8()? {
            0 => ValueRef::Text(reader.text()?),
            1 => ValueRef::List((0..reader.count()?).map(|_| reader.text()).collect::<Option<_>>()?),
            _ => return None,
        };
        Some((name, value))
    };
    let fields = (0..reader.count()?).map(|_| field(&mut *reader)).collect::<Option<_>>()?;
    all.is_empty().then_some(RecordRef {
        identifier,
        type_code,
        issuer_code,
        number,
        holders,
        issuer_name,
        area_code,
        issued,
        valid_from,
        valid_until,
        supersedes,
        fields,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use licence_seal::crypto::{Suite, sha256};
    use licence_seal::licence::{Catalogue, Generator, Region, State};
    use licence_seal::seal::BatchId;

    fn batch(records: Vec<Record>) -> SealedBatch {
        let leaves: Vec<Digest> = (1..).map(|n| [n; 32]).take(records.len()).collect();
        let seal = BatchSeal {
            manifest: Manifest {
                issuer: records[0].issuer_code.to_string(),
                type_code: records[0].type_code.to_string(),
                batch: BatchId::from_bytes([0xab; 16]),
                size: u8::try_from(records.len()).unwrap(),
                suite: Suite::Sm2Sm3,
                root: [9; 32],
            },
            stamp: StampParts {
                impression: [7; 32],
                time: Timestamp::from_secs(1_795_000_000),
                voice: Voice::Attestation,
                signature: Signature::from_raw([5; 64]),
            },
            salt_key: SaltKeyId("salt-4".into()),
            schema: "2026.1".into(),
            leaves,
        };
        SealedBatch { seal, records }
    }

    fn fixed() -> Record {
        let issuer = Uscc::parse("91350100M000100Y43").unwrap();
        let type_code = TypeCode::parse("11100000000013338W011").unwrap();
        let id =
            Identifier::parse("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.002.S");
        let old =
            Identifier::parse("1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U");
        Record {
            identifier: id.unwrap(),
            type_code,
            number: "津字第1号".into(),
            holders: vec![Holder::new("某人", "E12345678", HolderCodeType::Passport).unwrap()],
            issuer_code: issuer,
            issuer_name: "某机关".into(),
            area_code: "120000".into(),
            issued: Day::parse("2026-01-02").unwrap(),
            valid_from: Day::parse("2026-01-03").unwrap(),
            valid_until: Some(Day::parse("2030-01-02").unwrap()),
            state: State::Restricted,
            supersedes: Some(old.unwrap()),
            fields: BTreeMap::from([
                ("scope".into(), FieldValue::Text("甲".into())),
                ("items".into(), FieldValue::List(vec!["一".into(), String::new()])),
            ]),
        }
    }

    fn same(stored: &StoredBatch, batch: &SealedBatch) -> bool {
        let records: Option<Vec<Record>> = (0..stored.len()).map(|slot| stored.record(slot)).collect();
        stored.seal == batch.seal && records.as_ref() == Some(&batch.records)
    }

    fn plain(batch: &SealedBatch) -> Vec<u8> {
        encode(&batch.seal, &batch.records.iter().map(encode_record).collect::<Vec<_>>())
    }

    #[test]
    fn the_plain_form_never_changes() {
        let plain = plain(&batch(vec![fixed()]));
        assert_eq!((plain.len(), hex::encode(sha256(&[&plain])).as_str()), GOLDEN);
        assert!(same(&decode(BatchNumber(1), &plain).unwrap(), &batch(vec![fixed()])));
    }

    const GOLDEN: (usize, &str) = (518, "46b7fb0b25929e9d09a40a87cab4454928561fe41bb03e5084e20d7bfa598f11");

    #[test]
    fn records_of_every_type_survive() {
        let generator = Generator::new(Catalogue::embedded().unwrap(), 3, Region::HEBEI).unwrap();
        let none = Dictionaries::none();
        for n in 0..224 {
            let one = batch(vec![generator.record(n).unwrap()]);
            let packed = pack(&one, &none).unwrap();
            assert!(same(&unpack(BatchNumber(1), &packed, &none).unwrap(), &one), "{n}");
            let (record, encoded) = (&one.records[0], encode_record(&one.records[0]));
            let codes = (record.type_code.as_str(), record.issuer_code.as_str());
            let view = view_record(&encoded, codes.0, codes.1).unwrap();
            assert_eq!(format!("{view:?}"), format!("{:?}", record.view()));
        }
    }

    #[test]
    fn what_is_cut_or_lengthened_does_not_read() {
        let plain = plain(&batch(vec![fixed(), fixed()]));
        let decode = |plain: &[u8]| decode(BatchNumber(1), plain);
        for cut in 0..plain.len() {
            assert!(decode(&plain[..cut]).is_none(), "{cut}");
        }
        assert!(decode(&[plain.as_slice(), &[0]].concat()).is_none());
        let (record, one) = (encode_record(&fixed()), fixed());
        for cut in 0..record.len() {
            assert!(decode_record(&record[..cut], &one.type_code, &one.issuer_code).is_none(), "{cut}");
            assert!(view_record(&record[..cut], "", "").is_none(), "{cut}");
        }
        let none = Dictionaries::none();
        let packed = pack(&batch(vec![fixed()]), &none).unwrap();
        for at in 0..9 {
            let mut changed = packed.clone();
            changed[at] ^= 1;
            assert!(unpack(BatchNumber(1), &changed, &none).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_panic_the_reader(bytes: Vec<u8>) {
            let _ = decode(BatchNumber(1), &bytes).map(|batch| batch.record(0));
            let _ = view_record(&bytes, "", "");
            let _ = unpack(BatchNumber(1), &[[FORMAT].as_slice(), &bytes].concat(), &Dictionaries::none());
        }
    }
}
