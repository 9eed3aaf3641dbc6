//! How far long work has come, and the wish that it end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

use super::error::StoreError;

/// Shared by the work, which tells how far it came and asks whether to go on, and by whoever looks after it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stage: Mutex<&'static str>,
    done: AtomicU64,
    of: AtomicU64,
    cancelled: AtomicBool,
    waiting: Mutex<()>,
    wake: Condvar,
}

/// How far work has come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// A word, as `batches`; empty before the first stage.
    pub stage: String,
    /// In the unit of the stage; `of` is 0 where it is not known.
    pub done: u64,
    pub of: u64,
}

impl Watch {
    /// Has the work end at its next piece with [`StoreError::Cancelled`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        // With the lock held nobody is between looking at it and waiting.
        let _waiting = self.0.waiting.lock();
        self.0.wake.notify_all();
    }

    pub fn progress(&self) -> Progress {
        let stage = *self.0.stage.lock();
        let [done, of] = [&self.0.done, &self.0.of].map(|number| number.load(Ordering::Relaxed));
        Progress { stage: stage.to_owned(), done, of }
    }

    /// A new stage begins.
    pub(super) fn stage(&self, name: &'static str, of: u64) {
        *self.0.stage.lock() = name;
        self.0.done.store(0, Ordering::Relaxed);
        self.0.of.store(of, Ordering::Relaxed);
    }

    /// A piece of so much is done.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`]
    pub(super) fn did(&self, more: u64) -> Result<(), StoreError> {
        self.0.done.fetch_add(more, Ordering::Relaxed);
        if self.0.cancelled.load(Ordering::SeqCst) { Err(StoreError::Cancelled) } else { Ok(()) }
    }

    /// Waits, but not when the work is to end.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`]
    pub(super) fn pause(&self, time: Duration) -> Result<(), StoreError> {
        if !time.is_zero() {
            let goes_on = |_: &mut ()| !self.0.cancelled.load(Ordering::SeqCst);
            self.0.wake.wait_while_for(&mut self.0.waiting.lock(), goes_on, time);
        }
        self.did(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_work_is_to_end() {
        let watch = Watch::default();
        watch.stage("batches", 10);
        watch.did(3).unwrap();
        watch.did(2).unwrap();
        assert_eq!(watch.progress(), Progress { stage: "batches".to_owned(), done: 5, of: 10 });
        let waiting = watch.clone();
        let waits = std::thread::spawn(move || waiting.pause(Duration::from_secs(3600)));
        watch.cancel();
        assert!(matches!(waits.join().unwrap(), Err(StoreError::Cancelled)));
        assert!(watch.did(1).is_err());
    }
}
