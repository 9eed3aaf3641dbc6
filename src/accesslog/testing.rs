//! A log on a disk that can fail, with fixed keys and a clock that stands still.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Details, Outcome};
use super::{Access, AccessLog, LogError, LogSettings, OpenLog, VerifierKey};
use crate::durable::{Disk, FaultDisk};
use licence_seal::crypto::{Ed25519Signer, Secret, SeededRandom};
use licence_seal::time::{ManualClock, Timestamp};

const ORIGIN: &str = "licence-node.example/120000/log/1";

pub(super) struct Bench {
    pub disk: FaultDisk,
    pub clock: Arc<ManualClock>,
    seed: String,
}

impl Bench {
    pub fn new() -> Self {
        Self::seeded("log")
    }

    pub fn seeded(seed: &str) -> Self {
        let start = Timestamp::parse_rfc3339("2026-11-23T04:00:00Z").unwrap();
        Self { disk: FaultDisk::new(), clock: Arc::new(ManualClock::at(start)), seed: seed.to_owned() }
    }

    /// The same machine after power was lost.
    pub fn after_crash(&self, torn: usize) -> Self {
        self.on(self.disk.crash(torn))
    }

    /// The same, where the medium took what was not fsynced in an order of its own.
    pub fn after_reordering(&self, seed: u64) -> Self {
        self.on(self.disk.crash_reordered(seed))
    }

    fn on(&self, disk: FaultDisk) -> Self {
        Self { disk, clock: Arc::clone(&self.clock), seed: format!("{} again", self.seed) }
    }

    pub fn open(&self) -> Result<AccessLog, LogError> {
        self.open_at(Arc::new(self.disk.clone()), Path::new("log"))
    }

    pub fn open_at(&self, disk: Arc<dyn Disk>, dir: &Path) -> Result<AccessLog, LogError> {
        let mut settings = LogSettings::new(ORIGIN, "120000");
        // Tests publish when they say so.
        settings.publish_every = Duration::from_secs(3600);
        let master = Secret::from_bytes([1; 32]).aead()?;
        let random = Arc::new(SeededRandom::new(&self.seed));
        Ok(OpenLog { disk, dir, settings, master, signer: signer(), clock: self.clock.clone(), random }
            .open()?
            .0)
    }

    pub fn vkey(&self) -> VerifierKey {
        VerifierKey { name: ORIGIN.to_owned(), key: signer().public() }
    }

    /// Opens, logs `count` accesses of partner `a`, closes.
    pub fn log_some(&self, count: usize) {
        let log = self.open().unwrap();
        for i in 0..count {
            log.append(access("a", &format!("id-{i}"))).unwrap();
        }
        log.close().unwrap();
    }
}

/// A granted fetch of one licence.
pub(super) fn access(partner: &str, identifier: &str) -> Access {
    let mut access = Access::new("data", Outcome::Granted);
    access.details = Details {
        request_id: "r".to_owned(),
        partner: Some(partner.to_owned()),
        item_code: Some("item".to_owned()),
        identifiers: vec![identifier.to_owned()],
        ..Details::default()
    };
    access
}

pub(super) fn refused(partner: &str, rule: &str) -> Access {
    let mut access = access(partner, "id");
    access.outcome = Outcome::Refused;
    access.details.rule = Some(rule.to_owned());
    access
}

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(&[5; 32]).unwrap()
}
