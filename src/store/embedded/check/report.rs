//! A check under way: what it looks at, and what it found.

use std::borrow::Cow;
use std::sync::Arc;

use crate::durable::Disk;
use crate::store::embedded::engine::Engine;
use crate::store::embedded::places::Places;
use crate::store::forms::op::Head;
use crate::store::{CheckOptions, CheckReport, Finding};

/// What a check needs beside the engine.
pub(crate) struct Checked<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) places: &'a Places,
    /// Bytes of index entries that are sorted in memory.
    pub(crate) sort_bytes: usize,
    /// An import has sled to itself: batches beyond the counters are its own.
    pub(crate) loading: bool,
}

pub(super) struct Check<'a> {
    pub(super) engine: &'a Engine,
    pub(super) disk: &'a dyn Disk,
    /// The counters when the check began; what came later is not looked at.
    pub(super) head: Head,
    pub(super) options: &'a CheckOptions,
    pub(super) report: CheckReport,
}

impl Check<'_> {
    pub(super) fn add(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        location: impl Into<String>,
        detail: impl Into<String>,
    ) {
        if self.report.findings.len() < self.options.max_findings {
            let (name, location, detail) = (name.into(), location.into(), detail.into());
            self.report.findings.push(Finding { name, location, detail });
        } else {
            self.report.more_findings += 1;
        }
    }
}
