//! Files of certificates, and of keys that only their owner may read.

use std::fs;
use std::path::Path;

use super::error::Error;
use crate::keys::{Passphrase, encrypt_key_pem};
use licence_seal::crypto::{KeyFile, PrivateKey, Random, Suite, pem_encode};
use licence_seal::pki::Certificate;

pub(super) fn new_key(
    file: &Path,
    suite: Suite,
    passphrase: Option<&Passphrase>,
    random: &dyn Random,
) -> Result<PrivateKey, Error> {
    let pkcs8: KeyFile = PrivateKey::generate(suite, random)?;
    write_key(file, &pkcs8, passphrase, random)?;
    Ok(PrivateKey::from_pkcs8(&pkcs8)?)
}

pub(super) fn write_key(
    file: &Path,
    pkcs8: &KeyFile,
    passphrase: Option<&Passphrase>,
    random: &dyn Random,
) -> Result<(), Error> {
    let pem = match passphrase {
        Some(passphrase) => encrypt_key_pem(pkcs8, passphrase, random)?,
        None => PrivateKey::to_pem(pkcs8)?,
    };
    write_secret(file, pem.as_bytes())
}

/// Writes a file that only its owner may read.
pub(super) fn write_secret(path: &Path, content: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}

pub(super) fn private_folder(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?)
}

pub(super) fn write_certificate(path: &Path, certificate: &Certificate) -> Result<(), Error> {
    Ok(fs::write(path, pem_encode("CERTIFICATE", certificate.der())?)?)
}
