//! The key file under another master key: the same keys, of the same numbers, wrapped anew.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::file::{
    KEY_FILE, KeyFileBody, key_file_key, master_check, sign, verify, wrap_place, wrapping_key,
};
use super::keyring::Keyring;
use crate::durable::Disk;
use crate::store::{StoreError, StoreSettings};
use licence_seal::crypto::{Random, Secret};

/// The key files of a store: its own, and the copy beside the exports. The master key is known by them alone.
pub struct KeyFiles<'a> {
    pub disk: &'a dyn Disk,
    /// The folder of the store.
    pub dir: &'a Path,
    pub settings: &'a StoreSettings,
}

impl KeyFiles<'_> {
    /// Where they lie.
    pub fn dirs(&self) -> [PathBuf; 2] {
        [self.dir.to_owned(), self.settings.exports_of(self.dir)]
    }

    /// What each of them is under the master key `to`. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::SameMasterKey`]; [`StoreError::WrongMasterKey`] if `from` is not the one in force;
    /// [`StoreError::KeyFile`] if the key file is missing or was changed.
    pub fn rewrapped(
        &self,
        from: &Secret,
        to: &Secret,
        random: &dyn Random,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, StoreError> {
        let mut body = KeyFileBody::read(self.disk, self.dir, from)?;
        if master_check(from) == master_check(to) {
            return Err(StoreError::SameMasterKey);
        }
        let fault = |why| StoreError::KeyFile { path: self.dir.join(KEY_FILE), why };
        let store: [u8; 16] =
            hex::decode(&body.store).ok().and_then(|store| store.try_into().ok()).unwrap_or_default();
        let (old, new) = (wrapping_key(from)?, wrapping_key(to)?);
        for key in &mut body.keys {
            let place = wrap_place(&store, key.purpose, key.id);
            let wrapped = STANDARD.decode(&key.wrapped).map_err(|_| fault("it was changed"))?;
            let secret = old.open(&place, &wrapped).map(Zeroizing::new);
            let secret = secret.map_err(|_| fault("its keys do not unwrap"))?;
            key.wrapped = STANDARD.encode(new.seal(&place, &secret, random)?);
        }
        body.master = hex::encode(master_check(to));
        let content = sign(&key_file_key(to), KEY_FILE, &body);
        // Nothing takes the place of a key file that does not open.
        verify(&key_file_key(to), KEY_FILE, &content)
            .and_then(|body| Keyring::unwrap(body, to))
            .ok_or_else(|| fault("its keys do not unwrap again"))?;
        Ok(self.dirs().map(|dir| (dir.join(KEY_FILE), content.clone())).to_vec())
    }

    /// Opens each of them.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`], [`StoreError::KeyFile`]
    pub fn check(&self, master: &Secret) -> Result<(), StoreError> {
        self.dirs().iter().try_for_each(|dir| Keyring::open(self.disk, dir, master).map(|_| ()))
    }
}
