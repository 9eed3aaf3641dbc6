//! The key file: the store's keys, each wrapped under the master key.
//!
//! A store has one identity and these keys, made once: `data` encrypts blocks, journal and exports
//! (a key of its own derived for each), `index` makes blind keys, `files` authenticates side files,
//! `salt` salts disclosures. A key's number stands beside all it made, so a newer one can come in
//! beside it. The file is one canonical JSON text with an HMAC under the master key: a changed, added
//! or removed entry is seen. It lies outside sled, and every export has a copy.

mod rewrap;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use rewrap::KeyFiles;

use super::StoreError;
use super::open::Places;
use crate::durable::{Disk, DurableError, replace_file};
use licence_seal::crypto::{AeadKey, CryptoError, Digest, Hmac, Messages, Random, Secret, hmac_sha256};
use licence_seal::seal::{SaltKey, SaltKeyId, SaltKeys};

/// Name of the key file in the store's folder and in that of the exports.
pub(super) const KEY_FILE: &str = "keys.json";
const FORMAT: u32 = 1;

/// Number of a key in the key file, from 1.
pub(super) type KeyId = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Purpose {
    Data,
    Index,
    Files,
    Salt,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::Data, Self::Index, Self::Files, Self::Salt];

    const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::Files => "files",
            Self::Salt => "salt",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyFileBody {
    format: u32,
    store: String,
    /// Tells a wrong master key from a damaged file.
    master: String,
    keys: Vec<WrappedKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrappedKey {
    id: KeyId,
    purpose: Purpose,
    wrapped: String,
}

impl KeyFileBody {
    /// # Errors
    /// As [`Keyring::open`].
    fn read(disk: &dyn Disk, dir: &Path, master: &Secret) -> Result<Self, StoreError> {
        let path = dir.join(KEY_FILE);
        let fault = |why| StoreError::KeyFile { path: path.clone(), why };
        let content = disk.read(&path).map_err(DurableError::io("read", &path))?;
        let content = content.ok_or(fault("it is missing"))?;
        let signed: Signed = serde_json::from_slice(&content).map_err(|_| fault("it was changed"))?;
        let format = signed.body.get("format").and_then(serde_json::Value::as_u64);
        if format.is_some_and(|format| format > u64::from(FORMAT)) {
            return Err(fault("its format is newer than this program"));
        }
        if signed.body.get("master").and_then(|check| check.as_str())
            != Some(&hex::encode(master_check(master)))
        {
            return Err(StoreError::WrongMasterKey(path));
        }
        verify(&key_file_key(master), KEY_FILE, &content).ok_or(fault("it was changed"))
    }

    fn save(&self, disk: &dyn Disk, dirs: &[&Path], master: &Secret) -> Result<(), StoreError> {
        let content = sign(&key_file_key(master), KEY_FILE, self);
        for dir in dirs {
            replace_file(disk, &dir.join(KEY_FILE), &content)?;
        }
        Ok(())
    }
}

impl WrappedKey {
    fn is_older_data(&self, current: KeyId) -> bool {
        self.purpose == Purpose::Data && self.id < current
    }

    fn generate(
        store: &[u8; 16],
        id: KeyId,
        purpose: Purpose,
        master: &Secret,
        random: &dyn Random,
    ) -> Result<Self, StoreError> {
        let secret = Secret::generate(random)?;
        let wrapped = wrapping_key(master)?.seal(&wrap_place(store, purpose, id), secret.expose(), random)?;
        Ok(Self { id, purpose, wrapped: STANDARD.encode(wrapped) })
    }
}

/// A side file: its body, and an HMAC over its label and canonical body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    body: serde_json::Value,
    mac: String,
}

/// The keys that come in while the store is open.
struct Ring {
    data: BTreeMap<KeyId, Arc<DataKeys>>,
    current: KeyId,
    salts: SaltKeys,
    current_salt: SaltKey,
}

struct DataKeys {
    block: AeadKey,
    journal: AeadKey,
    export: AeadKey,
    spool: AeadKey,
}

impl DataKeys {
    const fn of(&self, usage: Use) -> &AeadKey {
        match usage {
            Use::Block => &self.block,
            Use::Journal => &self.journal,
            Use::Export => &self.export,
            Use::Spool => &self.spool,
        }
    }
}

/// What a data key is used for.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Block,
    Journal,
    Export,
    /// What an import keeps until it is done.
    Spool,
}

/// The unwrapped keys of a store.
pub(super) struct Keyring {
    pub(super) store: [u8; 16],
    ring: RwLock<Ring>,
    index: Hmac,
    files: Secret,
}

impl Keyring {
    /// Makes the keys of a new store and writes its key file.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        master: &Secret,
        random: &dyn Random,
    ) -> Result<Self, StoreError> {
        let store: [u8; 16] = random.bytes()?;
        let mut keys = Vec::new();
        for (id, purpose) in (1..).zip(Purpose::ALL) {
            keys.push(WrappedKey::generate(&store, id, purpose, master, random)?);
        }
        let master_check = hex::encode(master_check(master));
        let body = KeyFileBody { format: FORMAT, store: hex::encode(store), master: master_check, keys };
        body.save(disk, &[dir], master)?;
        Self::open(disk, dir, master)
    }

    /// Adds a data or salt key to the key file and to its copy beside the exports. It is current on return.
    ///
    /// # Errors
    /// As [`Keyring::open`]; the keys in use are as they were.
    pub(super) fn add(
        &self,
        purpose: Purpose,
        disk: &dyn Disk,
        places: &Places,
        master: &Secret,
        random: &dyn Random,
    ) -> Result<KeyId, StoreError> {
        let mut body = KeyFileBody::read(disk, &places.dir, master)?;
        let id = body.keys.iter().map(|key| key.id).max().unwrap_or_default() + 1;
        body.keys.push(WrappedKey::generate(&self.store, id, purpose, master, random)?);
        // The copy first: what is written under the key must find it in whichever file is left.
        body.save(disk, &[&places.exports, &places.dir], master)?;
        let added = Self::open(disk, &places.dir, master)?;
        let ring = added.ring.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(id)
    }

    /// Takes the data keys before the current one out of the key file and its copy. Those who read with them
    /// now may end: they leave memory with the next [`Keyring::add`] or opening.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub(super) fn retire(
        &self,
        disk: &dyn Disk,
        places: &Places,
        master: &Secret,
    ) -> Result<Vec<KeyId>, StoreError> {
        let mut body = KeyFileBody::read(disk, &places.dir, master)?;
        let current = self.current();
        let retired = body.keys.extract_if(.., |key| key.is_older_data(current)).map(|key| key.id).collect();
        body.save(disk, &[&places.exports, &places.dir], master)?;
        Ok(retired)
    }

    /// Whether the key file has data keys before the current one.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub(super) fn has_older(
        &self,
        disk: &dyn Disk,
        places: &Places,
        master: &Secret,
    ) -> Result<bool, StoreError> {
        let current = self.current();
        let body = KeyFileBody::read(disk, &places.dir, master)?;
        Ok(body.keys.iter().any(|key| key.is_older_data(current)))
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]; [`StoreError::KeyFile`] if it is missing or was changed.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, master: &Secret) -> Result<Self, StoreError> {
        let body = KeyFileBody::read(disk, dir, master)?;
        let fault = |why| StoreError::KeyFile { path: dir.join(KEY_FILE), why };
        Self::unwrap(body, master).ok_or_else(|| fault("its keys do not unwrap"))
    }

    fn unwrap(body: KeyFileBody, master: &Secret) -> Option<Self> {
        let store: [u8; 16] = hex::decode(&body.store).ok()?.try_into().ok()?;
        let wrapping = wrapping_key(master).ok()?;
        let (mut data, mut salts) = (BTreeMap::new(), SaltKeys::default());
        let (mut index, mut files, mut current_salt) = (None, None, None);
        for WrappedKey { id, purpose, wrapped } in body.keys {
            let wrapped = STANDARD.decode(wrapped).ok()?;
            let bytes = wrapping.open(&wrap_place(&store, purpose, id), &wrapped).ok()?;
            let secret = Secret::from_slice(&bytes)?;
            match purpose {
                Purpose::Index => index = Some(Hmac::new(&secret)),
                Purpose::Files => files = Some(secret),
                Purpose::Data => {
                    let of = |label| secret.derive(label).aead().ok();
                    let (block, journal) = (of("block")?, of("journal")?);
                    let (export, spool) = (of("export")?, of("spool")?);
                    data.insert(id, Arc::new(DataKeys { block, journal, export, spool }));
                }
                Purpose::Salt => {
                    let key = SaltKey::new(SaltKeyId(format!("salt-{id}")), &secret);
                    salts.0.insert(key.id.clone(), key.clone());
                    current_salt = Some(key);
                }
            }
        }
        let current = *data.last_key_value()?.0;
        let (index, files, current_salt) = (index?, files?, current_salt?);
        let ring = RwLock::new(Ring { data, current, salts, current_salt });
        Some(Self { store, ring, index, files })
    }

    /// Encrypts under key `id`, behind what `to` holds: as a rule [`Keyring::current`], asked once for what is
    /// written and its number.
    pub(super) fn seal_onto(
        &self,
        to: &mut Vec<u8>,
        id: KeyId,
        usage: Use,
        place: &[&[u8]],
        plain: &[u8],
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        Ok(self.key(id)?.of(usage).seal_onto(to, &self.place(usage, place, id), plain, random)?)
    }

    /// As [`Keyring::seal_onto`], with the key's number before it: `key number u32 BE ‖ ciphertext`.
    pub(super) fn seal_numbered(
        &self,
        to: &mut Vec<u8>,
        id: KeyId,
        usage: Use,
        place: &[&[u8]],
        plain: &[u8],
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        to.extend(id.to_be_bytes());
        self.seal_onto(to, id, usage, place, plain, random)
    }

    /// Opens what [`Keyring::seal_numbered`] made at the same place.
    pub(super) fn open_numbered(
        &self,
        usage: Use,
        place: &[&[u8]],
        numbered: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let (id, sealed) = numbered.split_first_chunk().ok_or(CryptoError::Decryption)?;
        self.open_sealed(usage, place, u32::from_be_bytes(*id), sealed)
    }

    /// Opens what [`Keyring::seal_onto`] made at the same place under key `id`.
    pub(super) fn open_sealed(
        &self,
        usage: Use,
        place: &[&[u8]],
        id: KeyId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        Ok(self.key(id)?.of(usage).open(&self.place(usage, place, id), sealed)?)
    }

    /// Number of the key that encrypts now.
    pub(super) fn current(&self) -> KeyId {
        self.ring().current
    }

    /// A blind key: the first N bytes, at most 32, of HMAC-SHA-256(index key, label ‖ 0 ‖ each part with its length).
    pub(super) fn blind<const N: usize>(&self, label: &str, parts: &[&str]) -> [u8; N] {
        // In one piece, since short pieces cost more to hash than to gather.
        let mut message = Vec::with_capacity(128);
        write_blinded(&mut message, label, parts);
        first(&self.index.code(&[&message]))
    }

    /// The blind keys of what was gathered, in its order.
    pub(super) fn blind_each(&self, gathered: &Blinding) -> impl Iterator<Item = [u8; 32]> {
        self.index.code_each(&gathered.0.slices()).into_iter()
    }

    pub(super) fn salt(&self, id: &SaltKeyId) -> Result<SaltKey, StoreError> {
        Ok(self.ring().salts.find(id)?.clone())
    }

    /// The salt key for new batches.
    pub(super) fn current_salt(&self) -> SaltKey {
        self.ring().current_salt.clone()
    }

    /// The bytes of a side file.
    pub(super) fn sign_file<T: Serialize>(&self, label: &str, body: &T) -> Vec<u8> {
        sign(&self.files, label, body)
    }

    /// Reads a side file of this format.
    ///
    /// # Errors
    /// Why not: it is not exactly what was written under this label, or by a newer program.
    pub(super) fn verify_file<T: DeserializeOwned>(
        &self,
        label: &str,
        format: u32,
        content: &[u8],
    ) -> Result<T, &'static str> {
        const CHANGED: &str = "it was changed, or belongs to another store";
        let body: serde_json::Value = verify(&self.files, label, content).ok_or(CHANGED)?;
        match body.get("format").and_then(serde_json::Value::as_u64) {
            Some(found) if found == u64::from(format) => serde_json::from_value(body).map_err(|_| CHANGED),
            Some(found) if found < u64::from(format) => {
                Err("its format is older than this program reads: make it anew from an export")
            }
            _ => Err("its format is newer than this program"),
        }
    }

    fn key(&self, id: KeyId) -> Result<Arc<DataKeys>, StoreError> {
        self.ring().data.get(&id).map(Arc::clone).ok_or_else(|| StoreError::Damaged {
            tree: "keys",
            key: id.to_string(),
            why: "there is no such data key",
        })
    }

    fn place(&self, usage: Use, place: &[&[u8]], id: KeyId) -> Vec<u8> {
        let usage: &[u8] = match usage {
            Use::Block => b"licence-store/block/v1\0",
            Use::Journal => b"licence-store/journal/v1\0",
            Use::Export => b"licence-store/export/v1\0",
            Use::Spool => b"licence-store/spool/v1\0",
        };
        [usage, &self.store, &id.to_be_bytes(), &place.concat()].concat()
    }
}

/// What is to be blinded together: of many, several times sooner than one by one.
#[derive(Default)]
pub(super) struct Blinding(Messages);

impl Blinding {
    /// Adds what [`Keyring::blind`] would be given.
    pub(super) fn push(&mut self, label: &str, parts: &[&str]) {
        self.0.push(|out| write_blinded(out, label, parts));
    }
}

fn write_blinded(out: &mut Vec<u8>, label: &str, parts: &[&str]) {
    out.extend_from_slice(label.as_bytes());
    out.push(0);
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
}

/// A blind key at the length that is kept of it.
pub(super) fn first<const N: usize>(code: &Digest) -> [u8; N] {
    let mut key = [0; N];
    key.iter_mut().zip(code).for_each(|(to, from)| *to = *from);
    key
}

fn wrapping_key(master: &Secret) -> Result<AeadKey, StoreError> {
    Ok(master.derive("licence-store/wrap/v1").aead()?)
}

fn wrap_place(store: &[u8; 16], purpose: Purpose, id: KeyId) -> Vec<u8> {
    [b"licence-store/key/v1\0", store.as_slice(), purpose.name().as_bytes(), &id.to_be_bytes()].concat()
}

fn key_file_key(master: &Secret) -> Secret {
    master.derive("licence-store/key-file/v1")
}

/// 8 bytes that say nothing about the key but whether it is the same.
fn master_check(master: &Secret) -> [u8; 8] {
    master.derive("licence-store/master-check/v1").expose().first_chunk().copied().unwrap_or_default()
}

fn sign<T: Serialize>(key: &Secret, label: &str, body: &T) -> Vec<u8> {
    // Side files are made of strings and integers, for which neither step can fail.
    let body = serde_json::to_value(body).unwrap_or_default();
    let mac = mac(key, label, &body);
    serde_json_canonicalizer::to_vec(&Signed { body, mac }).unwrap_or_default()
}

fn verify<T: DeserializeOwned>(key: &Secret, label: &str, content: &[u8]) -> Option<T> {
    let signed: Signed = serde_json::from_slice(content).ok()?;
    if serde_json_canonicalizer::to_vec(&signed).ok()? != content
        || signed.mac != mac(key, label, &signed.body)
    {
        return None;
    }
    serde_json::from_value(signed.body).ok()
}

fn mac(key: &Secret, label: &str, body: &serde_json::Value) -> String {
    let body = serde_json_canonicalizer::to_vec(body).unwrap_or_default();
    hex::encode(hmac_sha256(key.expose(), &[label.as_bytes(), b"\0", &body]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::durable::FaultDisk;
    use licence_seal::crypto::SeededRandom;

    fn master() -> Secret {
        Secret::from_bytes([3; 32])
    }

    fn made() -> (FaultDisk, Keyring) {
        let disk = FaultDisk::new();
        disk.create_dir_all(Path::new("s")).unwrap();
        let keys = Keyring::create(&disk, Path::new("s"), &master(), &SeededRandom::new("keys")).unwrap();
        (disk, keys)
    }

    #[test]
    fn keys_come_back_and_only_under_their_master_key() {
        let (disk, keys) = made();
        let again = Keyring::open(&disk, Path::new("s"), &master()).unwrap();
        assert_eq!(again.blind::<12>("id", &["a"]), keys.blind::<12>("id", &["a"]));
        let (mut sealed, random) = (Vec::new(), SeededRandom::new("r"));
        keys.seal_numbered(&mut sealed, 1, Use::Block, &[b"x"], b"plain", &random).unwrap();
        assert_eq!(again.open_numbered(Use::Block, &[b"x"], &sealed).unwrap(), b"plain");
        assert_eq!(again.open_sealed(Use::Block, &[b"x"], 1, &sealed[4..]).unwrap(), b"plain");
        assert!(again.open_numbered(Use::Journal, &[b"x"], &sealed).is_err());
        assert!(again.open_numbered(Use::Block, &[b"y"], &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(again.open_numbered(Use::Block, &[b"x"], &bad).is_err());
            assert!(again.open_numbered(Use::Block, &[b"x"], &sealed[..at]).is_err());
        }
        let wrong = Keyring::open(&disk, Path::new("s"), &Secret::from_bytes([4; 32]));
        assert!(matches!(wrong, Err(StoreError::WrongMasterKey(_))));
    }

    #[test]
    fn every_changed_byte_of_the_key_file_is_refused() {
        let (disk, _) = made();
        let path = Path::new("s").join(KEY_FILE);
        let length = disk.read(&path).unwrap().unwrap().len();
        for at in 0..length {
            disk.tamper(&path, |content| content[at] ^= 1);
            assert!(Keyring::open(&disk, Path::new("s"), &master()).is_err(), "byte {at}");
            disk.tamper(&path, |content| content[at] ^= 1);
        }
        Keyring::open(&disk, Path::new("s"), &master()).unwrap();
    }

    #[test]
    fn blind_keys_do_not_run_together() {
        let (_, keys) = made();
        assert_ne!(keys.blind::<12>("number", &["a", "bc"]), keys.blind::<12>("number", &["ab", "c"]));
        assert_ne!(keys.blind::<12>("number", &["a"]), keys.blind::<12>("holder", &["a"]));
        let mut together = Blinding::default();
        let parts = [["a", "b"], ["", "c"], ["津", ""]].repeat(3);
        parts.iter().for_each(|parts| together.push("number", parts));
        let alone: Vec<[u8; 32]> = parts.iter().map(|parts| keys.blind("number", parts)).collect();
        assert_eq!(keys.blind_each(&together).collect::<Vec<_>>(), alone);
        let longer: [u8; 16] = keys.blind("id", &["a"]);
        assert!(longer.starts_with(&keys.blind::<12>("id", &["a"])));
    }

    #[test]
    fn a_side_file_is_read_only_under_its_own_label() {
        let (_, keys) = made();
        let body = serde_json::json!({ "format": 3 });
        let content = keys.sign_file("checkpoint", &body);
        assert_eq!(keys.verify_file("checkpoint", 3, &content), Ok(body));
        assert!(keys.verify_file::<serde_json::Value>("export", 3, &content).is_err());
        let newer = keys.verify_file::<serde_json::Value>("checkpoint", 2, &content);
        assert!(newer.unwrap_err().contains("newer"));
    }
}
