//! The progress line: what somebody at a terminal sees while a command works, and nobody else.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::store::{Progress, StoreError, Watch};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(500);

/// A line on the standard error that is written over; none where that is no terminal.
pub struct ProgressLine {
    terminal: bool,
    shown: Option<Instant>,
}

impl ProgressLine {
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: None }
    }

    /// Whether somebody looks, and has not been shown anything for a while.
    pub fn is_due(&self) -> bool {
        self.terminal && self.shown.is_none_or(|before| before.elapsed() >= EVERY)
    }

    pub fn show(&mut self, line: impl Display) {
        if self.terminal {
            self.shown = Some(Instant::now());
            eprint!("\r{line}\x1b[K");
        }
    }

    /// The last line stays.
    pub fn end(self) {
        if self.shown.is_some() {
            eprintln!();
        }
    }

    /// The line goes.
    pub fn clear(self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Runs long work on a store and shows its progress.
pub fn shown<T: Send>(
    watch: &Watch,
    work: impl FnOnce(&Watch) -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    let mut line = ProgressLine::new();
    if !line.terminal {
        return work(watch);
    }
    std::thread::scope(|scope| {
        let (to, from) = mpsc::channel();
        scope.spawn(move || to.send(work(watch)));
        loop {
            match from.recv_timeout(EVERY) {
                Ok(outcome) => {
                    line.clear();
                    return outcome;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => line.show(of_store(&watch.progress())),
                // Its thread ended in a panic, which the scope goes on with.
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(StoreError::Cancelled),
            }
        }
    })
}

/// Progress of long work on a store.
pub fn of_store(progress: &Progress) -> String {
    let Progress { stage, done, of } = progress;
    match of {
        0 => format!("{stage}: {done}"),
        of => format!("{stage}: {done} of {of}"),
    }
}
