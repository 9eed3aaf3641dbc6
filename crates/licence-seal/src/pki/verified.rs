//! Signatures that were verified before.
//!
//! A city's files are all under the same few authorities; without this, each file costs the
//! verification of its whole chain and of every list again. What is remembered is a digest over
//! the key and the whole signed object, and only that the one verified under the other: names,
//! times, rights and revocation are judged anew each time, and a failure is never remembered.
//! When it is full it begins anew, so that a stranger's certificates cannot make it grow.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crypto::{Digest, sha256};

/// Most signatures that are remembered; 32 bytes each.
const CAPACITY: usize = 4096;

#[derive(Default)]
pub(super) struct Verified(Mutex<HashSet<Digest>>);

impl Verified {
    /// Calls `verify` unless it is known that the object with `fingerprint` verifies under `key`,
    /// DER SubjectPublicKeyInfo.
    pub fn once<E>(
        &self,
        key: &[u8],
        fingerprint: &Digest,
        verify: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let pair = sha256(&[key, fingerprint]);
        if self.known().contains(&pair) {
            return Ok(());
        }
        verify()?;
        let mut known = self.known();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(pair);
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({})", self.known().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::PkiError;

    #[test]
    fn a_success_is_remembered_for_its_key_and_object_and_a_failure_never() {
        let known = Verified::default();
        let refused = || Err(PkiError::TooMuchWork(0));
        assert!(known.once(b"key", &[1; 32], refused).is_err());
        assert!(known.once(b"key", &[1; 32], || Ok::<(), PkiError>(())).is_ok());
        assert!(known.once(b"key", &[1; 32], refused).is_ok());
        assert!(known.once(b"another", &[1; 32], refused).is_err());
        assert!(known.once(b"key", &[2; 32], refused).is_err());
    }

    #[test]
    fn it_never_grows_past_its_capacity() {
        let known = Verified::default();
        for n in 0..3 * CAPACITY {
            known.once(&n.to_be_bytes(), &[0; 32], || Ok::<(), PkiError>(())).unwrap();
            assert!(known.known().len() <= CAPACITY);
        }
    }
}
