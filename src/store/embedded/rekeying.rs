//! Keeps an import from beginning while the data key is being changed, and the other way round.

use parking_lot::{Mutex, MutexGuard};

use crate::store::StoreError;

/// Whether the data key is being changed. An import holds it while it begins, so that neither of the two begins
/// within the other.
#[derive(Default)]
pub(crate) struct Rekeying(Mutex<bool>);

impl Rekeying {
    /// For an import that begins.
    ///
    /// # Errors
    /// [`StoreError::Rekeying`]
    pub(crate) fn none(&self) -> Result<MutexGuard<'_, bool>, StoreError> {
        let rekeying = self.lock();
        if *rekeying { Err(StoreError::Rekeying) } else { Ok(rekeying) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock()
    }
}

/// A change that ends when this is dropped.
pub(super) struct Begun<'a>(pub(super) &'a Rekeying);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
    }
}
