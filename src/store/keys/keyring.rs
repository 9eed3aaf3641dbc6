//! The keys of an open store: sealing and opening under them, blind keys, and newer ones that come in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::{RwLock, RwLockReadGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::blind::{Blinding, first, write_blinded};
use super::file::{
    FORMAT, KEY_FILE, KeyFileBody, KeyId, Purpose, WrappedKey, master_check, sign, verify, wrap_place,
    wrapping_key,
};
use crate::durable::Disk;
use crate::store::StoreError;
use crate::store::settings::Folders;
use licence_seal::crypto::{AeadKey, CryptoError, Hmac, Random, Secret};
use licence_seal::seal::{SaltKey, SaltKeyId, SaltKeys};

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
pub(crate) enum Use {
    Block,
    Journal,
    Export,
    /// What an import keeps until it is done.
    Spool,
}

/// What a ciphertext is bound to: elsewhere it does not open.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) key: KeyId,
    pub(crate) usage: Use,
    pub(crate) place: &'a [&'a [u8]],
}

/// The unwrapped keys of a store.
pub(crate) struct Keyring {
    pub(crate) store: [u8; 16],
    ring: RwLock<Ring>,
    index: Hmac,
    files: Secret,
}

impl Keyring {
    /// Makes the keys of a new store and writes its key file.
    pub(crate) fn create(
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
    pub(crate) fn add(
        &self,
        purpose: Purpose,
        disk: &dyn Disk,
        folders: Folders<'_>,
        master: &Secret,
        random: &dyn Random,
    ) -> Result<KeyId, StoreError> {
        let mut body = KeyFileBody::read(disk, folders.own, master)?;
        let id = body.keys.iter().map(|key| key.id).max().unwrap_or_default() + 1;
        body.keys.push(WrappedKey::generate(&self.store, id, purpose, master, random)?);
        // The copy first: what is written under the key must find it in whichever file is left.
        body.save(disk, &[folders.exports, folders.own], master)?;
        let added = Self::open(disk, folders.own, master)?;
        *self.ring.write() = added.ring.into_inner();
        Ok(id)
    }

    /// Takes the data keys before the current one out of the key file and its copy. Those who read with them
    /// now may end: they leave memory with the next [`Keyring::add`] or opening.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub(crate) fn retire(
        &self,
        disk: &dyn Disk,
        folders: Folders<'_>,
        master: &Secret,
    ) -> Result<Vec<KeyId>, StoreError> {
        let mut body = KeyFileBody::read(disk, folders.own, master)?;
        let current = self.current();
        let retired = body.keys.extract_if(.., |key| key.is_older_data(current)).map(|key| key.id).collect();
        body.save(disk, &[folders.exports, folders.own], master)?;
        Ok(retired)
    }

    /// Whether the key file has data keys before the current one.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub(crate) fn has_older(&self, disk: &dyn Disk, dir: &Path, master: &Secret) -> Result<bool, StoreError> {
        let current = self.current();
        let body = KeyFileBody::read(disk, dir, master)?;
        Ok(body.keys.iter().any(|key| key.is_older_data(current)))
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read()
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`]; [`StoreError::KeyFile`] if it is missing or was changed.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, master: &Secret) -> Result<Self, StoreError> {
        let body = KeyFileBody::read(disk, dir, master)?;
        let fault = |why| StoreError::KeyFile { path: dir.join(KEY_FILE), why };
        Self::unwrap(body, master).ok_or_else(|| fault("its keys do not unwrap"))
    }

    pub(super) fn unwrap(body: KeyFileBody, master: &Secret) -> Option<Self> {
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

    /// Encrypts behind what `to` holds. As a rule the key is [`Keyring::current`], asked once for what is written
    /// and its number.
    pub(crate) fn seal_onto(
        &self,
        to: &mut Vec<u8>,
        bound: &Bound<'_>,
        plain: &[u8],
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        let key = self.key(bound.key)?;
        Ok(key.of(bound.usage).seal_onto(to, &self.authenticated(bound), plain, random)?)
    }

    /// As [`Keyring::seal_onto`], with the key's number before it: `key number u32 BE ‖ ciphertext`.
    pub(crate) fn seal_numbered(
        &self,
        to: &mut Vec<u8>,
        bound: &Bound<'_>,
        plain: &[u8],
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        to.extend(bound.key.to_be_bytes());
        self.seal_onto(to, bound, plain, random)
    }

    /// Opens what [`Keyring::seal_numbered`] made at the same place.
    pub(crate) fn open_numbered(
        &self,
        usage: Use,
        place: &[&[u8]],
        numbered: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let (key, sealed) = numbered.split_first_chunk().ok_or(CryptoError::Decryption)?;
        self.open_sealed(&Bound { key: u32::from_be_bytes(*key), usage, place }, sealed)
    }

    /// Opens what [`Keyring::seal_onto`] made, bound to the same.
    pub(crate) fn open_sealed(&self, bound: &Bound<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.key(bound.key)?.of(bound.usage).open(&self.authenticated(bound), sealed)?)
    }

    /// Number of the key that encrypts now.
    pub(crate) fn current(&self) -> KeyId {
        self.ring().current
    }

    /// A blind key: the first N bytes, at most 32, of HMAC-SHA-256(index key, label ‖ 0 ‖ each part with its length).
    pub(crate) fn blind<const N: usize>(&self, label: &str, parts: &[&str]) -> [u8; N] {
        // In one piece, since short pieces cost more to hash than to gather.
        let mut message = Vec::with_capacity(128);
        write_blinded(&mut message, label, parts);
        first(&self.index.code(&[&message]))
    }

    /// The blind keys of what was gathered, in its order.
    pub(crate) fn blind_each(&self, gathered: &Blinding) -> impl Iterator<Item = [u8; 32]> {
        self.index.code_each(&gathered.0.slices()).into_iter()
    }

    pub(crate) fn salt(&self, id: &SaltKeyId) -> Result<SaltKey, StoreError> {
        Ok(self.ring().salts.find(id)?.clone())
    }

    /// The salt key for new batches.
    pub(crate) fn current_salt(&self) -> SaltKey {
        self.ring().current_salt.clone()
    }

    /// The bytes of a side file.
    pub(crate) fn sign_file<T: Serialize>(&self, label: &str, body: &T) -> Vec<u8> {
        sign(&self.files, label, body)
    }

    /// Reads a side file of this format.
    ///
    /// # Errors
    /// Why not: it is not exactly what was written under this label, or by a newer program.
    pub(crate) fn verify_file<T: DeserializeOwned>(
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

    fn authenticated(&self, bound: &Bound<'_>) -> Vec<u8> {
        let usage: &[u8] = match bound.usage {
            Use::Block => b"licence-store/block/v1\0",
            Use::Journal => b"licence-store/journal/v1\0",
            Use::Export => b"licence-store/export/v1\0",
            Use::Spool => b"licence-store/spool/v1\0",
        };
        [usage, &self.store, &bound.key.to_be_bytes(), &bound.place.concat()].concat()
    }
}

/// Number of the data key of a value, by its first part.
pub(crate) fn key_number(first_part: &[u8]) -> Option<KeyId> {
    Some(u32::from_be_bytes(*first_part.get(1..)?.first_chunk()?))
}
