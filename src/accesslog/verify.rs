//! Checking a log that may have been tampered with, from nothing but its files and the public key.
//!
//! Everything is derived anew, and nothing here is shared with the appending path: the tree is the
//! recursive definition of RFC 6962 over this file's own hashing, notes, bundles and paths are read
//! by this file's own code. The journal's frames are the one thing read by `durable`; what they
//! hold must be, byte for byte, what the bundles hold. A copy without the journal (an auditor's)
//! is checked by its bundles alone.
//!
//! The whole log is held in memory while it is checked.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use base64::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::note::VerifierKey;
use crate::durable::{Disk, DurableError, scan};
use licence_seal::crypto::sha256;

/// How to check.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// The node is running: entries that no checkpoint covers yet are not held against it.
    pub live: bool,
}

/// What was checked and found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// True only when every check ran and none found anything.
    pub verified: bool,
    pub origin: Option<String>,
    /// Entries under the checkpoint.
    pub size: u64,
    /// Hex.
    pub root: Option<String>,
    /// Durable entries after those.
    pub unsigned: u64,
    pub tiles_checked: u64,
    /// Whether the journal was there to compare with.
    pub journal: bool,
    pub findings: Vec<Finding>,
}

/// One way in which the log is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable name of the broken rule, `log.…`.
    pub rule: &'static str,
    /// Entry or file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.index, &self.path) {
            (Some(index), _) => write!(f, "{} entry {index}", self.rule),
            (None, Some(path)) => write!(f, "{} {path}", self.rule),
            (None, None) => f.write_str(self.rule),
        }
    }
}

/// Checks the log in `dir` under `key`. Never fails: what cannot be read is a finding.
pub fn verify(disk: &dyn Disk, dir: &Path, key: &VerifierKey, options: VerifyOptions) -> Report {
    let mut check = Check { disk, dir, report: Report::default() };
    check.run(key, options);
    check.report.verified = check.report.findings.is_empty();
    check.report
}

const FULL: usize = 256;
/// Findings after which the checks go on but no longer report.
const MAX_FINDINGS: usize = 1000;

struct Check<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    report: Report,
}

impl Check<'_> {
    fn run(&mut self, key: &VerifierKey, options: VerifyOptions) {
        // The journal first: what a running node adds meanwhile only makes the checkpoint longer.
        let journal = self.journal();
        let Some((size, root)) = self.checkpoint(key) else { return };
        self.report.size = size as u64;
        self.report.root = Some(hex::encode(root));
        let Some(entries) = self.bundles(size) else { return };

        for (index, entry) in entries.iter().enumerate() {
            self.entry(index, entry);
        }
        let mut last = String::new();
        for (index, entry) in entries.iter().enumerate() {
            let time = text(entry, "time").unwrap_or_default();
            if time < last {
                self.find("log.timeOrder", Some(index), None);
            }
            last = time;
        }
        if let Some(journal) = journal {
            self.report.journal = true;
            self.compare(&journal, &entries, options);
        }
        let leaves: Vec<_> = entries.iter().map(|entry| sha256(&[&[0], entry])).collect();
        if tree(&leaves) != root {
            self.find("log.root", None, Some("checkpoint".to_owned()));
        }
        self.tiles(leaves);
    }

    fn find(&mut self, rule: &'static str, index: Option<usize>, path: Option<String>) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { rule, index: index.map(|index| index as u64), path });
        }
    }

    fn journal(&mut self) -> Option<Vec<Vec<u8>>> {
        let dir = self.dir.join("journal");
        let mut entries = Vec::new();
        let read = scan(self.disk, &dir, *b"ALOG", |_, entry| {
            entries.push(entry.to_vec());
            Ok::<_, DurableError>(ControlFlow::Continue(()))
        });
        match read {
            Ok(()) if entries.is_empty() => None,
            Ok(()) => Some(entries),
            Err(DurableError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            Err(why) => {
                self.find("log.journal", None, Some(why.to_string()));
                Some(entries)
            }
        }
    }

    /// Size and root of a checkpoint that the key signed.
    fn checkpoint(&mut self, key: &VerifierKey) -> Option<(usize, [u8; 32])> {
        let Some(note) = self.read("checkpoint").and_then(|note| String::from_utf8(note).ok()) else {
            self.find("log.noCheckpoint", None, Some("checkpoint".to_owned()));
            return None;
        };
        let parsed = read_checkpoint(&note, key);
        if parsed.is_none() {
            self.find("log.checkpointSignature", None, Some("checkpoint".to_owned()));
        }
        let (origin, size, root) = parsed?;
        self.report.origin = Some(origin);
        Some((size, root))
    }

    fn bundles(&mut self, size: usize) -> Option<Vec<Vec<u8>>> {
        let mut entries = Vec::new();
        for number in 0..size.div_ceil(FULL) {
            let width = (size - number * FULL).min(FULL);
            let path = path("entries", number, width);
            let content = self.read(&path).or_else(|| self.read(&self::path("entries", number, FULL)));
            match content.and_then(|content| unbundle(&content, width)) {
                Some(bundle) => entries.extend(bundle),
                None => {
                    self.find("log.bundle", None, Some(path));
                    return None;
                }
            }
        }
        Some(entries)
    }

    fn entry(&mut self, index: usize, entry: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(entry) else {
            return self.find("log.entryJson", Some(index), None);
        };
        if serde_json_canonicalizer::to_vec(&value).ok().as_deref() != Some(entry) {
            self.find("log.entryCanonical", Some(index), None);
        }
        if value.get("seq").and_then(Value::as_u64) != Some(index as u64) {
            self.find("log.sequence", Some(index), None);
        }
        if value.get("v").and_then(Value::as_u64) != Some(1) {
            self.find("log.entryVersion", Some(index), None);
        }
    }

    fn compare(&mut self, journal: &[Vec<u8>], entries: &[Vec<u8>], options: VerifyOptions) {
        for (index, (one, other)) in journal.iter().zip(entries).enumerate() {
            if one != other {
                self.find("log.journalDiffers", Some(index), None);
            }
        }
        if journal.len() < entries.len() {
            // A running node may have appended after the journal was read.
            if !options.live {
                self.find("log.journalShort", Some(journal.len()), None);
            }
        } else if journal.len() > entries.len() {
            self.report.unsigned = (journal.len() - entries.len()) as u64;
            if !options.live {
                self.find("log.unsigned", Some(entries.len()), None);
            }
        }
    }

    /// Every hash of every tile, level by level.
    fn tiles(&mut self, leaves: Vec<[u8; 32]>) {
        let mut hashes = leaves;
        for level in 0.. {
            for (number, tile) in hashes.chunks(FULL).enumerate() {
                let path = path(&level.to_string(), number, tile.len());
                let full = self::path(&level.to_string(), number, FULL);
                let stored = self.read(&path).or_else(|| self.read(&full));
                let stored = stored.as_deref().map(|stored| stored.get(..tile.len() * 32));
                if stored != Some(Some(tile.concat().as_slice())) {
                    self.find("log.tile", None, Some(path));
                }
                self.report.tiles_checked += 1;
            }
            if hashes.len() < FULL {
                return;
            }
            hashes = hashes.chunks_exact(FULL).map(tree).collect();
        }
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.disk.read(&self.dir.join(path)).ok()?
    }
}

/// RFC 6962 section 2.1, as it is written there.
fn tree(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            let (left, right) = leaves.split_at(split);
            sha256(&[&[1], &tree(left), &tree(right)])
        }
    }
}

/// Origin, size and root of a note in which `key` signed exactly three lines under its own name.
fn read_checkpoint(note: &str, key: &VerifierKey) -> Option<(String, usize, [u8; 32])> {
    let (text, signatures) = note.rsplit_once("\n\n")?;
    let text = format!("{text}\n");
    let id = sha256(&[key.name.as_bytes(), &[0x0a, 0x01], &key.key.0]);
    let prefix = format!("— {} ", key.name);
    let signed = signatures.lines().any(|line| {
        let decoded = line.strip_prefix(&prefix).and_then(|line| BASE64_STANDARD.decode(line).ok());
        decoded.is_some_and(|bytes| {
            bytes.len() == 68
                && bytes.get(..4) == id.get(..4)
                && bytes.get(4..).is_some_and(|signature| key.key.verify(text.as_bytes(), signature).is_ok())
        })
    });
    let lines: Vec<_> = text.lines().collect();
    let [origin, size, root] = lines.as_slice() else { return None };
    let root = BASE64_STANDARD.decode(root).ok()?.try_into().ok()?;
    (signed && *origin == key.name).then_some(((*origin).to_owned(), size.parse().ok()?, root))
}

fn unbundle(mut content: &[u8], width: usize) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    for _ in 0..width {
        let (length, rest) = content.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        content = rest;
    }
    // A full bundle may stand in for the partial one; nothing else may follow.
    (content.is_empty() || width < FULL).then_some(entries)
}

fn path(kind: &str, number: usize, width: usize) -> String {
    let digits = number.to_string();
    let padded = format!("{}{digits}", "0".repeat((3 - digits.len() % 3) % 3));
    let mut groups = String::new();
    for (nth, digit) in padded.chars().enumerate() {
        if nth % 3 == 0 && nth > 0 {
            groups.push('/');
        }
        if nth % 3 == 0 && nth + 3 < padded.len() {
            groups.push('x');
        }
        groups.push(digit);
    }
    let partial = if width < FULL { format!(".p/{width}") } else { String::new() };
    format!("tile/{kind}/{groups}{partial}")
}

fn text(entry: &[u8], member: &str) -> Option<String> {
    let value: Value = serde_json::from_slice(entry).ok()?;
    Some(value.get(member)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::testing::{Bench, access};
    use super::super::tiles::Edge;
    use super::super::{Checkpoint, leaf_hash, publish, sign_note};
    use super::*;
    use crate::durable::{FaultDisk, Journal};
    use licence_seal::crypto::Ed25519Signer;

    const DIR: &str = "log";

    fn check(bench: &Bench) -> Report {
        verify(&bench.disk, Path::new(DIR), &bench.vkey(), VerifyOptions::default())
    }

    fn rules(bench: &Bench) -> Vec<&'static str> {
        let report = check(bench);
        assert!(!report.verified);
        report.findings.iter().map(|finding| finding.rule).collect()
    }

    fn entries(disk: &FaultDisk) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        scan(disk, &Path::new(DIR).join("journal"), *b"ALOG", |_, entry| {
            entries.push(entry.to_vec());
            Ok::<_, DurableError>(ControlFlow::Continue(()))
        })
        .unwrap();
        entries
    }

    /// Rewrites journal and, when asked, bundles and tiles, as a forger with the disk but without the
    /// signing key would.
    fn forge(bench: &Bench, entries: &[Vec<u8>], tiles: bool) {
        let journal = Path::new(DIR).join("journal");
        bench.disk.remove_dir_all(&journal).unwrap();
        let disk = Arc::new(bench.disk.clone());
        let opened = Journal::open(disk, &journal, *b"ALOG", 1 << 20, |_, _| Ok::<_, DurableError>(()));
        opened.unwrap().0.append(entries).unwrap();
        if tiles {
            bench.disk.remove_dir_all(&Path::new(DIR).join("tile")).unwrap();
            let mut edge = Edge::default();
            for entry in entries {
                edge.push(entry.as_slice().into(), leaf_hash(entry), |_| {});
            }
            publish::write_tiles(&bench.disk, Path::new(DIR), edge.partials()).unwrap();
        }
    }

    fn sample() -> Bench {
        let bench = Bench::new();
        bench.log_some(7);
        assert!(check(&bench).verified, "{:?}", check(&bench));
        bench
    }

    #[test]
    fn an_entry_changed_everywhere_but_in_the_signature_is_found() {
        let bench = sample();
        let mut forged = entries(&bench.disk);
        forged[3] = forged[2].clone();
        let changed = String::from_utf8(forged[2].clone()).unwrap().replace("\"seq\":2", "\"seq\":3");
        forged[3] = changed.into_bytes();
        forge(&bench, &forged, true);
        assert_eq!(rules(&bench), ["log.root"]);
        // Without new tiles it shows there, too.
        let bench = sample();
        forge(&bench, &forged, false);
        assert_eq!(rules(&bench), ["log.journalDiffers"]);
    }

    #[test]
    fn a_removed_entry_is_found() {
        let bench = sample();
        let mut forged = entries(&bench.disk);
        forged.remove(3);
        forge(&bench, &forged, false);
        assert!(rules(&bench).contains(&"log.journalShort"));
        forge(&bench, &forged, true);
        assert_eq!(rules(&bench), ["log.bundle"]);
        forged.truncate(2);
        forge(&bench, &forged, true);
        assert_eq!(rules(&bench), ["log.bundle"]);
    }

    #[test]
    fn reordered_entries_are_found() {
        let bench = sample();
        let mut forged = entries(&bench.disk);
        forged.swap(1, 2);
        forge(&bench, &forged, true);
        let found = rules(&bench);
        assert!(found.contains(&"log.sequence") && found.contains(&"log.root"), "{found:?}");
    }

    #[test]
    fn an_entry_appended_without_a_signature_is_found() {
        let bench = sample();
        let mut forged = entries(&bench.disk);
        let added = String::from_utf8(forged[6].clone()).unwrap().replace("\"seq\":6", "\"seq\":7");
        forged.push(added.into_bytes());
        forge(&bench, &forged, false);
        assert_eq!(rules(&bench), ["log.unsigned"]);
        let live = verify(&bench.disk, Path::new(DIR), &bench.vkey(), VerifyOptions { live: true });
        assert!(live.verified && live.unsigned == 1);
    }

    #[test]
    fn a_checkpoint_by_another_key_or_of_another_tree_is_found() {
        let bench = sample();
        let forged = entries(&bench.disk);
        let leaves: Vec<_> = forged[..5].iter().map(|entry| leaf_hash(entry)).collect();
        let text = Checkpoint { origin: bench.vkey().name, size: 5, root: tree(&leaves) }.to_string();
        let other = Ed25519Signer::from_seed(&[99; 32]).unwrap();
        let note = sign_note(&text, &bench.vkey().name, &other);
        let path = Path::new(DIR).join("checkpoint");
        bench.disk.tamper(&path, |content| *content = note.into_bytes());
        assert_eq!(rules(&bench), ["log.checkpointSignature"]);
        bench.disk.remove(&path).unwrap();
        assert_eq!(rules(&bench), ["log.noCheckpoint"]);
    }

    #[test]
    fn no_changed_byte_of_any_public_file_or_journal_goes_unnoticed() {
        let bench = sample();
        let size = check(&bench).size;
        for path in bench.disk.paths() {
            let text = path.to_string_lossy().into_owned();
            let current = text.ends_with(&format!(".p/{size}"))
                || text.ends_with("checkpoint")
                || text.contains("journal");
            if !current {
                continue;
            }
            let length = bench.disk.len(&path).unwrap() as usize;
            for at in (0..length).step_by(23) {
                let copy = bench.after_crash(0);
                copy.disk.tamper(&path, |content| content[at] ^= 4);
                assert!(!check(&copy).verified, "{text} byte {at}");
            }
        }
    }

    #[test]
    fn a_copy_without_the_journal_is_checked_by_its_bundles() {
        let bench = sample();
        bench.disk.remove_dir_all(&Path::new(DIR).join("journal")).unwrap();
        let report = check(&bench);
        assert!(report.verified && !report.journal);
        assert_eq!(report.size, 7);
        assert!(report.tiles_checked > 0);
    }

    #[test]
    fn a_stored_tile_is_compared_at_every_level() {
        let bench = Bench::new();
        let log = bench.open().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pending: Vec<_> = (0..600).map(|i| log.append_async(access("a", &i.to_string()))).collect();
        for pending in pending {
            runtime.block_on(pending).unwrap();
        }
        log.close().unwrap();
        assert!(check(&bench).verified);
        for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
            let copy = bench.after_crash(0);
            copy.disk.tamper(&Path::new(DIR).join(path), |content| content[0] ^= 1);
            assert_eq!(rules(&copy), ["log.tile"], "{path}");
        }
    }

    #[test]
    fn the_test_log_of_tessera_comes_out() {
        let base = std::env::var("LICENCE_VECTORS")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors").into());
        let base = PathBuf::from(base).join("tlog-testlog/testdata/log");
        if !base.exists() {
            println!("skipped: no tlog-testlog vectors (set LICENCE_VECTORS)");
            return;
        }
        let key = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
        let key = VerifierKey::parse(key).unwrap();
        for size in 0..=15 {
            let note = std::fs::read_to_string(base.join(format!("checkpoint.{size}"))).unwrap();
            let (_, found, root) = read_checkpoint(&note, &key).unwrap();
            assert_eq!(found, size);
            let entries = match size {
                0 => Vec::new(),
                _ => unbundle(&std::fs::read(base.join(path("entries", 0, size))).unwrap(), size).unwrap(),
            };
            let leaves: Vec<_> = entries.iter().map(|entry| sha256(&[&[0], entry])).collect();
            assert_eq!(tree(&leaves), root, "{size}");
        }
    }

    #[test]
    fn paths_of_this_file_are_those_of_the_writer() {
        for number in [0, 5, 67, 999, 1000, 1_234_067] {
            for width in [1, 255, 256] {
                let expected = super::super::tile_path(Some(2), number as u64, width as u64);
                assert_eq!(path("2", number, width), expected);
            }
        }
    }
}
