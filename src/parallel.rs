//! Work on several threads whose results come back in order.
//!
//! Imports, checks and rebuilds have the same shape: a source that is read in order, work on each piece
//! that needs nothing but the piece, and results that must be taken in the order of the source. One
//! function does it, with a bounded number of pieces on the way, so memory does not grow with the
//! source. Alternative not taken: a work-stealing pool (rayon), which has no bound between a source that
//! is read and results that are written.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

/// Threads for such work: as many as the machine has cores.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Pieces on the way for each thread.
const AHEAD: usize = 4;
/// And for all at the least: pieces differ in size, and a small one is taken after the large one before it.
const AT_LEAST: usize = 32;

/// Does `work` on each of `inputs` on `threads` threads and hands the results to `take` in order. The
/// inputs are drawn on a thread of their own, `take` runs on the caller's.
///
/// # Errors
/// The first error in the order of the inputs, of drawing, working or taking; nothing is taken after
/// it.
///
/// # Panics
/// When one of them does.
pub fn ordered<I, T, E>(
    threads: usize,
    inputs: impl Iterator<Item = Result<I, E>> + Send,
    work: impl Fn(I) -> Result<T, E> + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E>
where
    I: Send,
    T: Send,
    E: Send,
{
    let threads = threads.max(1);
    let capacity = (threads * AHEAD).max(AT_LEAST);
    // A ticket for each piece on the way: whoever draws takes one, taking the result gives it back.
    let (give, tickets) = sync_channel::<()>(capacity);
    for _ in 0..capacity {
        let _ = give.try_send(());
    }
    let (to_work, from_source) = sync_channel::<(u64, Result<I, E>)>(capacity);
    // `None`: a piece is missing, since working on it panicked.
    let (to_take, from_work) = sync_channel::<Option<(u64, Result<T, E>)>>(capacity);
    let from_source = Mutex::new(from_source);
    std::thread::scope(|scope| {
        scope.spawn(move || draw(inputs, &tickets, &to_work));
        for _ in 0..threads {
            let (from, to, work) = (&from_source, to_take.clone(), &work);
            scope.spawn(move || {
                loop {
                    let next = from.lock().recv();
                    let Ok((number, input)) = next else { return };
                    let done = catch_unwind(AssertUnwindSafe(|| input.and_then(work)));
                    let done = done.unwrap_or_else(|panic| {
                        // Or all would wait for it for ever.
                        let _ = to.send(None);
                        resume_unwind(panic)
                    });
                    if to.send(Some((number, done))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(to_take);
        let outcome = in_order(&from_work, &give, &mut take);
        // Whoever still sends is told that nobody takes.
        drop((from_work, give));
        outcome
    })
}

fn draw<I, E>(
    inputs: impl Iterator<Item = Result<I, E>>,
    tickets: &Receiver<()>,
    to: &SyncSender<(u64, Result<I, E>)>,
) {
    for (number, input) in (0..).zip(inputs) {
        let last = input.is_err();
        if tickets.recv().is_err() || to.send((number, input)).is_err() || last {
            return;
        }
    }
}

fn in_order<T, E>(
    from: &Receiver<Option<(u64, Result<T, E>)>>,
    give: &SyncSender<()>,
    take: &mut impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let (mut waiting, mut next) = (BTreeMap::new(), 0);
    while let Ok(Some((number, result))) = from.recv() {
        waiting.insert(number, result);
        while let Some(result) = waiting.remove(&next) {
            take(result?)?;
            next += 1;
            let _ = give.try_send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let inputs = (0..1000u64).map(Ok::<_, ()>);
            let take = |n| {
                seen.push(n);
                Ok(())
            };
            ordered(threads, inputs, |n| Ok(n * 2), take).unwrap();
            assert_eq!(seen, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_ends_it_wherever_it_arose() {
        for place in ["draw", "work", "take"] {
            let mut taken = Vec::new();
            let fails = |at: &str, n: u64| if at == place && n == 100 { Err(n) } else { Ok(n) };
            let inputs = (0..).map(|n| fails("draw", n));
            let take = |n| {
                taken.push(fails("take", n)?);
                Ok(())
            };
            let done = ordered(3, inputs, |n| fails("work", n), take);
            assert_eq!(done, Err(100), "{place}");
            assert_eq!(taken, (0..100).collect::<Vec<_>>(), "{place}");
        }
    }

    #[test]
    fn a_panic_of_any_of_them_ends_it() {
        for place in ["draw", "work", "take"] {
            let panics = |at: &str, n: u64| assert!(at != place || n != 100, "as it should");
            let inputs = (0..).inspect(|n| panics("draw", *n)).map(Ok::<u64, ()>);
            let work = |n| {
                panics("work", n);
                Ok(n)
            };
            let take = |n| {
                panics("take", n);
                Ok(())
            };
            assert!(catch_unwind(AssertUnwindSafe(|| ordered(3, inputs, work, take))).is_err(), "{place}");
        }
    }

    #[test]
    fn no_more_is_drawn_ahead_than_is_allowed() {
        for (threads, allowed) in [(2, AT_LEAST), (20, 20 * AHEAD)] {
            let drawn = std::sync::atomic::AtomicUsize::new(0);
            let inputs =
                (0..500).map(|_| Ok::<_, ()>(drawn.fetch_add(1, std::sync::atomic::Ordering::SeqCst)));
            let take = |at| {
                let ahead = drawn.load(std::sync::atomic::Ordering::SeqCst) - at;
                assert!(ahead <= allowed + 1, "{ahead}");
                Ok(())
            };
            ordered(threads, inputs, Ok, take).unwrap();
        }
    }
}
