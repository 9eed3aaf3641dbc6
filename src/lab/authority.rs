//! A test authority: a self-signed certificate whose key lies in a file.

use std::path::Path;

use super::error::Error;
use super::files::new_key;
use crate::keys::Passphrase;
use licence_seal::crypto::{PrivateKey, Random, Suite};
use licence_seal::pki::Certificate;
use licence_seal::pki::issue::{self, Name, Validity};
use licence_seal::time::Timestamp;

/// Life of everything that is made here, in days.
pub(super) const DAYS: i64 = 365;
/// Certificates are valid from a little before now, for clocks that differ.
pub(super) const EARLIER_SECS: i64 = 3600;

pub(super) struct Authority {
    pub(super) certificate: Certificate,
    key: PrivateKey,
}

impl Authority {
    /// Makes one; its key goes into the file.
    pub(super) fn create(
        key_file: &Path,
        suite: Suite,
        name: &str,
        validity: Validity,
        passphrase: Option<&Passphrase>,
        random: &dyn Random,
    ) -> Result<Self, Error> {
        let key = new_key(key_file, suite, passphrase, random)?;
        let made = issue::Authority::self_signed(&Name::new(name), validity, &key, random)?;
        Ok(Self { certificate: made.certificate().clone(), key })
    }

    /// What certificates and lists are issued with.
    pub(super) fn issuer(&self) -> Result<issue::Authority<'_>, Error> {
        Ok(issue::Authority::new(self.certificate.clone(), &self.key)?)
    }
}

/// From a little before `now`, for a year.
pub(super) fn validity(now: Timestamp) -> Validity {
    Validity { not_before: now.plus_secs(-EARLIER_SECS), not_after: now.plus_secs(DAYS * 86_400) }
}
