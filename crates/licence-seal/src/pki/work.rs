//! What looking for one path may cost, since whoever brings certificates decides it.

use super::PkiError;

/// Most verifications of certificates' signatures for one path.
pub const MAX_SIGNATURE_CHECKS: usize = 64;

/// Most verifications of revocation lists for one path: an archive has one of each month.
pub const MAX_LIST_CHECKS: usize = 1024;

/// What was spent on one path.
#[derive(Default)]
pub(super) struct Work {
    signatures: usize,
    lists: usize,
    pub comparisons: usize,
}

impl Work {
    /// One more signature of a certificate, if it is still allowed.
    pub fn signature(&mut self) -> Result<(), PkiError> {
        one_more(&mut self.signatures, MAX_SIGNATURE_CHECKS)
    }

    /// One more signature of a list, if it is still allowed.
    pub fn list(&mut self) -> Result<(), PkiError> {
        one_more(&mut self.lists, MAX_LIST_CHECKS)
    }
}

const fn one_more(count: &mut usize, most: usize) -> Result<(), PkiError> {
    *count = count.saturating_add(1);
    if *count > most { Err(PkiError::TooMuchWork(most)) } else { Ok(()) }
}
