//! Group commit: many callers, one writer thread, one fsync for all that came in meanwhile.
//!
//! State that depends on the order of appends (sequence numbers, counters, what was seen before)
//! belongs to a [`Ledger`], which lives on the writer thread: it *stages* each request in the order of
//! hand-in, and learns afterwards whether the whole group became durable or none of it. No caller
//! hears anything, not even a refusal, before that.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{DurableError, Journal};

/// What the writer thread asks for each request.
pub trait Ledger: Send + 'static {
    type Request: Send + 'static;
    type Reply: Send + 'static;
    type Refusal: Send + 'static;

    /// Assigns state to `request`, on top of what is staged already. Nothing staged may be shown to
    /// anybody before [`Ledger::committed`].
    fn stage(&mut self, request: Self::Request) -> Result<Staged<Self::Reply>, Self::Refusal>;

    /// All that was staged is durable.
    fn committed(&mut self);

    /// Nothing that was staged since the last `committed` happened: forget it.
    fn rolled_back(&mut self);
}

/// A staged request: what to make durable, and what to answer then.
pub struct Staged<R> {
    /// At most [`super::framed::MAX_PAYLOAD`] together with their lengths, or the group fails.
    pub payloads: Vec<Vec<u8>>,
    pub reply: R,
}

/// Bounds of a [`Committer`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests waiting; further ones are refused with [`CommitError::Overloaded`].
    pub queue: usize,
    /// Requests in one group.
    pub group: usize,
    /// Payload bytes after which a group is closed.
    pub group_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue: 16_384, group: 1024, group_bytes: 4 << 20 }
    }
}

/// Why a request has no reply.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError<R> {
    /// The ledger refused it; nothing was written for it.
    #[error("refused")]
    Refused(R),
    /// Not durable; it counts as not having happened.
    #[error(transparent)]
    Failed(DurableError),
    #[error("too many requests are waiting to be written")]
    Overloaded,
    #[error("closed")]
    Closed,
}

/// The outcome of a request.
pub type Outcome<L> = Result<<L as Ledger>::Reply, CommitError<<L as Ledger>::Refusal>>;

/// The writer thread of a [`Journal`]. Dropping it, or [`Committer::close`], writes what was handed in
/// and ends the thread.
pub struct Committer<L: Ledger> {
    sender: Sender<Message<L>>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

type Task<L> = Box<dyn FnOnce(&mut Journal, &mut L) + Send>;

enum Message<L: Ledger> {
    Request(L::Request, ReplyTo<Outcome<L>>),
    Run(Task<L>),
    Stop,
}

enum ReplyTo<T> {
    Thread(SyncSender<T>),
    Task(oneshot::Sender<T>),
}

impl<T> ReplyTo<T> {
    fn send(self, outcome: T) {
        // A caller that no longer waits has given up its answer, not its request.
        match self {
            Self::Thread(sender) => drop(sender.send(outcome)),
            Self::Task(sender) => drop(sender.send(outcome)),
        }
    }
}

impl<L: Ledger> Committer<L> {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, journal: Journal, ledger: L, limits: Limits) -> Result<Self, DurableError> {
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut writer =
            Writer { journal, ledger, receiver, waiting: Arc::clone(&waiting), limits, held: None };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run())
            .map_err(DurableError::io("start the writer of", name.as_ref()))?;
        Ok(Self { sender, waiting, queue: limits.queue, thread: Mutex::new(Some(thread)) })
    }

    /// Hands in a request and blocks until it is durable. Not for async tasks.
    pub fn submit(&self, request: L::Request) -> Outcome<L> {
        let (to, from) = mpsc::sync_channel(1);
        self.hand_in(request, ReplyTo::Thread(to))?;
        from.recv().unwrap_or(Err(CommitError::Closed))
    }

    /// Hands in a request at once, which fixes its place, and gives what to await. Dropping that does not
    /// take the request back.
    pub fn submit_async(&self, request: L::Request) -> impl Future<Output = Outcome<L>> + Send + use<L> {
        let (to, from) = oneshot::channel();
        let handed_in = self.hand_in(request, ReplyTo::Task(to));
        async move {
            handed_in?;
            from.await.unwrap_or(Err(CommitError::Closed))
        }
    }

    /// Runs `task` on the writer thread between two groups and blocks for its result; `None` when
    /// closed.
    pub fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Journal, &mut L) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, from) = mpsc::sync_channel(1);
        let boxed: Task<L> = Box::new(move |journal, ledger| drop(to.send(task(journal, ledger))));
        self.sender.send(Message::Run(boxed)).ok()?;
        from.recv().ok()
    }

    /// Writes what was handed in and ends the thread; later requests get [`CommitError::Closed`].
    pub fn close(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = self.sender.send(Message::Stop);
            let _ = thread.join();
        }
    }

    fn hand_in(
        &self,
        request: L::Request,
        reply: ReplyTo<Outcome<L>>,
    ) -> Result<(), CommitError<L::Refusal>> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(CommitError::Overloaded);
        }
        self.sender.send(Message::Request(request, reply)).map_err(|_| CommitError::Closed)
    }
}

impl<L: Ledger> Drop for Committer<L> {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer<L: Ledger> {
    journal: Journal,
    ledger: L,
    receiver: Receiver<Message<L>>,
    waiting: Arc<AtomicUsize>,
    limits: Limits,
    /// A message that ended the last group and has its turn now.
    held: Option<Message<L>>,
}

impl<L: Ledger> Writer<L> {
    fn run(&mut self) {
        loop {
            let message = match self.held.take() {
                Some(message) => message,
                None => match self.receiver.recv() {
                    Ok(message) => message,
                    Err(_) => return,
                },
            };
            match message {
                Message::Stop => return,
                Message::Run(task) => task(&mut self.journal, &mut self.ledger),
                Message::Request(request, reply) => self.group(request, reply),
            }
        }
    }

    fn group(&mut self, request: L::Request, reply: ReplyTo<Outcome<L>>) {
        let mut payloads = Vec::new();
        let mut outcomes = Vec::new();
        let (mut bytes, mut next) = (0, Some((request, reply)));
        while let Some((request, reply)) = next.take() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let outcome = self.ledger.stage(request).map(|staged| {
                bytes += staged.payloads.iter().map(Vec::len).sum::<usize>();
                payloads.extend(staged.payloads);
                staged.reply
            });
            outcomes.push((outcome, reply));
            if outcomes.len() < self.limits.group && bytes < self.limits.group_bytes {
                match self.receiver.try_recv() {
                    Ok(Message::Request(request, reply)) => next = Some((request, reply)),
                    Ok(other) => self.held = Some(other),
                    Err(_) => {}
                }
            }
        }
        let written = if payloads.is_empty() { Ok(()) } else { self.journal.append(&payloads).map(|_| ()) };
        match &written {
            Ok(()) => self.ledger.committed(),
            Err(_) => self.ledger.rolled_back(),
        }
        for (outcome, reply) in outcomes {
            reply.send(match &written {
                Ok(()) => outcome.map_err(CommitError::Refused),
                Err(why) => Err(CommitError::Failed(why.clone())),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use super::super::{FaultDisk, Plan};
    use super::*;

    /// Numbers its requests; refuses the empty one.
    #[derive(Default)]
    struct Numbers {
        committed: u64,
        staged: u64,
    }

    impl Ledger for Numbers {
        type Request = String;
        type Reply = u64;
        type Refusal = &'static str;

        fn stage(&mut self, request: String) -> Result<Staged<u64>, &'static str> {
            if request.is_empty() {
                return Err("empty");
            }
            self.staged += 1;
            let payloads = vec![format!("{} {request}", self.staged).into_bytes()];
            Ok(Staged { payloads, reply: self.staged })
        }

        fn committed(&mut self) {
            self.committed = self.staged;
        }

        fn rolled_back(&mut self) {
            self.staged = self.committed;
        }
    }

    fn replay(disk: &FaultDisk) -> (Journal, Vec<String>) {
        let mut seen = Vec::new();
        let opened =
            Journal::open(Arc::new(disk.clone()), Path::new("j"), *b"TEST", 1 << 20, |_, payload| {
                seen.push(String::from_utf8(payload.to_vec()).unwrap());
                Ok::<_, DurableError>(())
            });
        (opened.unwrap().0, seen)
    }

    fn start(disk: &FaultDisk, limits: Limits) -> Committer<Numbers> {
        Committer::start("test", replay(disk).0, Numbers::default(), limits).unwrap()
    }

    #[test]
    fn every_answered_request_of_many_threads_lasts_under_the_number_it_was_told() {
        let disk = FaultDisk::new();
        let committer = Arc::new(start(&disk, Limits::default()));
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let committer = Arc::clone(&committer);
                std::thread::spawn(move || {
                    let submit = |i| {
                        let text = format!("{thread}.{i}");
                        (committer.submit(text.clone()).unwrap(), text)
                    };
                    (0..50).map(submit).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut told: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        told.sort();
        let expected: Vec<_> = told.iter().map(|(number, text)| format!("{number} {text}")).collect();
        assert_eq!(replay(&disk.crash(0)).1, expected);
        assert_eq!(told.last().unwrap().0, 400);
    }

    #[test]
    fn a_failed_group_is_rolled_back_and_the_next_takes_its_numbers() {
        let disk = FaultDisk::new();
        let committer = start(&disk, Limits::default());
        assert_eq!(committer.submit("a".into()).unwrap(), 1);
        disk.plan(Plan::FailAt(1, ErrorKind::StorageFull));
        assert!(matches!(committer.submit("b".into()), Err(CommitError::Failed(_))));
        assert!(matches!(committer.submit(String::new()), Err(CommitError::Refused("empty"))));
        assert_eq!(committer.submit("c".into()).unwrap(), 2);
        committer.close();
        assert!(matches!(committer.submit("d".into()), Err(CommitError::Closed)));
        assert_eq!(replay(&disk.crash(0)).1, ["1 a", "2 c"]);
    }

    #[test]
    fn async_callers_are_served_in_the_order_of_hand_in_by_few_writes() {
        let disk = FaultDisk::new();
        let committer = start(&disk, Limits { queue: 100, ..Limits::default() });
        let (hold, held) = mpsc::channel::<()>();
        let (begun, running) = mpsc::channel();
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| {
                committer.run(move |_, _| {
                    begun.send(()).unwrap();
                    held.recv().unwrap();
                })
            });
            running.recv().unwrap();
            let pending: Vec<_> = (0..101).map(|i| committer.submit_async(format!("{i}"))).collect();
            disk.plan(Plan::Work);
            hold.send(()).unwrap();
            blocked.join().unwrap().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for (i, pending) in (0..101).zip(pending) {
                match runtime.block_on(pending) {
                    Ok(number) => assert_eq!(number, i + 1),
                    Err(why) => assert!(i == 100 && matches!(why, CommitError::Overloaded)),
                }
            }
        });
        assert!(disk.calls() <= 8, "{} calls", disk.calls());
    }
}
