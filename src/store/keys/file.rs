//! The key file: its body, and how it is wrapped and authenticated under the master key.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::{Disk, DurableError, replace_file};
use crate::store::StoreError;
use licence_seal::crypto::{AeadKey, Random, Secret, hmac_sha256};

/// Name of the key file in the store's folder and in that of the exports.
pub(crate) const KEY_FILE: &str = "keys.json";
pub(super) const FORMAT: u32 = 1;

/// Number of a key in the key file, from 1.
pub(crate) type KeyId = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Data,
    Index,
    Files,
    Salt,
}

impl Purpose {
    pub(super) const ALL: [Self; 4] = [Self::Data, Self::Index, Self::Files, Self::Salt];

    pub(super) const fn name(self) -> &'static str {
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
pub(super) struct KeyFileBody {
    pub(super) format: u32,
    pub(super) store: String,
    /// Tells a wrong master key from a damaged file.
    pub(super) master: String,
    pub(super) keys: Vec<WrappedKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrappedKey {
    pub(super) id: KeyId,
    pub(super) purpose: Purpose,
    pub(super) wrapped: String,
}

impl KeyFileBody {
    /// # Errors
    /// As [`Keyring::open`].
    pub(super) fn read(disk: &dyn Disk, dir: &Path, master: &Secret) -> Result<Self, StoreError> {
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

    pub(super) fn save(&self, disk: &dyn Disk, dirs: &[&Path], master: &Secret) -> Result<(), StoreError> {
        let content = sign(&key_file_key(master), KEY_FILE, self);
        for dir in dirs {
            replace_file(disk, &dir.join(KEY_FILE), &content)?;
        }
        Ok(())
    }
}

impl WrappedKey {
    pub(super) fn is_older_data(&self, current: KeyId) -> bool {
        self.purpose == Purpose::Data && self.id < current
    }

    pub(super) fn generate(
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

pub(super) fn wrapping_key(master: &Secret) -> Result<AeadKey, StoreError> {
    Ok(master.derive("licence-store/wrap/v1").aead()?)
}

pub(super) fn wrap_place(store: &[u8; 16], purpose: Purpose, id: KeyId) -> Vec<u8> {
    [b"licence-store/key/v1\0", store.as_slice(), purpose.name().as_bytes(), &id.to_be_bytes()].concat()
}

pub(super) fn key_file_key(master: &Secret) -> Secret {
    master.derive("licence-store/key-file/v1")
}

/// 8 bytes that say nothing about the key but whether it is the same.
pub(super) fn master_check(master: &Secret) -> [u8; 8] {
    master.derive("licence-store/master-check/v1").expose().first_chunk().copied().unwrap_or_default()
}

pub(super) fn sign<T: Serialize>(key: &Secret, label: &str, body: &T) -> Vec<u8> {
    // Side files are made of strings and integers, for which neither step can fail.
    let body = serde_json::to_value(body).unwrap_or_default();
    let mac = mac(key, label, &body);
    serde_json_canonicalizer::to_vec(&Signed { body, mac }).unwrap_or_default()
}

pub(super) fn verify<T: DeserializeOwned>(key: &Secret, label: &str, content: &[u8]) -> Option<T> {
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
