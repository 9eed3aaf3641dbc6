//! Getting sled out of a deadlock of its own.
//!
//! sled 0.34 shortens its file on one of seven threads that also write its buffers. Whoever lengthens the
//! file again before that is done waits for it, and holds a lock that each of those threads needs to end the
//! writing it is at (`SegmentAccountant::bump_tip`; issue #1412 of sled). If all seven are at one, none is
//! left to shorten the file, and all writing stands still for good. sled begins another thread only when more
//! than seven pieces of work wait and one more comes, which then nobody brings.
//!
//! So writing is watched, and where it stands still, work is brought: flushes of another database, empty and
//! without a file, which are done at once. The thread that sled begins for them takes the work that waited
//! before them first.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;

/// Between two looks; what did not move from one to the next stands still.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// More than the pieces of work that may wait before sled begins a thread.
const PIECES: usize = 8;

/// Calls that write to one database.
#[derive(Debug, Default)]
pub(super) struct Writing {
    under_way: AtomicUsize,
    /// Begun and ended.
    moves: AtomicU64,
}

/// A call that is under way.
pub(super) struct UnderWay<'a>(&'a Writing);

impl Writing {
    /// The calls of a database that was opened, watched as long as it is there.
    pub(super) fn watched() -> Arc<Self> {
        static WATCH: LazyLock<Watch> = LazyLock::new(Watch::begin);
        let writing = Arc::new(Self::default());
        WATCH.add(&writing);
        writing
    }

    /// To be held during a call.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.moves.fetch_add(1, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The databases of this process, which share sled's threads.
struct Watch(Arc<Mutex<Vec<Watched>>>);

struct Watched {
    writing: Weak<Writing>,
    /// Moves at the last look.
    seen: u64,
}

impl Watch {
    fn begin() -> Self {
        let watched = Arc::new(Mutex::default());
        let here = Arc::clone(&watched);
        // Not on the thread: a process that ended meanwhile would leave the files behind.
        let idle = Idle::open();
        let look = move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                if stands_still(&mut here.lock()) {
                    tracing::warn!("sled stands still: its threads are given other work");
                    idle.as_ref().map_or_else(|| tracing::error!("there is none"), Idle::bring_work);
                }
            }
        };
        if let Err(why) = std::thread::Builder::new().name("sled-watch".into()).spawn(look) {
            tracing::error!(%why, "nobody will see it if sled stands still");
        }
        Self(watched)
    }

    fn add(&self, writing: &Arc<Writing>) {
        let watched = Watched { writing: Arc::downgrade(writing), seen: 0 };
        self.0.lock().push(watched);
    }
}

/// Whether a call is under way in a database where none began or ended since the last look.
fn stands_still(watched: &mut Vec<Watched>) -> bool {
    let mut still = false;
    watched.retain_mut(|one| {
        let Some(writing) = one.writing.upgrade() else { return false };
        let moves = writing.moves.load(Ordering::Relaxed);
        still |= moves == one.seen && writing.under_way.load(Ordering::Relaxed) > 0;
        one.seen = moves;
        true
    });
    still
}

/// A database with nothing in it and nothing to write.
struct Idle(sled::Db);

impl Idle {
    /// `None` if there is no room for one among the temporary files.
    fn open() -> Option<Self> {
        let open = || {
            // Its files may go at once: they stay open as long as they are needed.
            let dir = tempfile::tempdir().ok()?;
            let config =
                sled::Config::default().path(dir.path()).cache_capacity(1 << 20).flush_every_ms(None);
            let db = config.open().ok()?;
            db.flush().ok()?;
            Some(Self(db))
        };
        let opened = open();
        if opened.is_none() {
            tracing::error!("no database can be opened among the temporary files: sled would stand still");
        }
        opened
    }

    fn bring_work(&self) {
        for _ in 0..PIECES {
            // Asked once, it is with sled's threads; nobody waits for its end.
            let flush = std::pin::pin!(self.0.flush_async());
            let _handed_over = flush.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_move_between_two_looks_stands_still() {
        let (one, other) = (Arc::new(Writing::default()), Arc::new(Writing::default()));
        let watch = |writing: &Arc<Writing>| Watched { writing: Arc::downgrade(writing), seen: 0 };
        let mut watched = vec![watch(&one), watch(&other)];
        assert!(!stands_still(&mut watched));
        let call = one.begin();
        assert!(!stands_still(&mut watched), "it began just now");
        drop(other.begin());
        assert!(stands_still(&mut watched), "another database moves, this one does not");
        let second = one.begin();
        assert!(!stands_still(&mut watched), "another call of it began");
        drop(second);
        assert!(!stands_still(&mut watched), "and ended");
        assert!(stands_still(&mut watched));
        drop(call);
        assert!(!stands_still(&mut watched));
        drop(one);
        stands_still(&mut watched);
        assert_eq!(watched.len(), 1);
    }

    #[test]
    fn work_of_an_idle_database_is_done_at_once_and_leaves_nothing() {
        let idle = Idle::open().unwrap();
        for _ in 0..20 {
            idle.bring_work();
        }
        // Handed over after those, and so done after them.
        let last = std::pin::pin!(idle.0.flush_async());
        let mut last = last;
        while last.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            std::thread::yield_now();
        }
        assert_eq!(idle.0.flush().unwrap(), 0);
    }
}
