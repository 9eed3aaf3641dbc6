//! `store stats|check|export|probe`: what the operator asks a store.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::licence::Catalogue;
use crate::store::{CheckOptions, CheckReport, StoreAdmin, Watch, probe_sled};
use crate::time::Timestamp;

/// Look after the store of a node that does not run.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    pub command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Counts and sizes.
    Stats {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Re-derive all that can be re-derived; exit status 1 if anything is wrong.
    Check {
        /// Check one batch of so many; indexes, statuses, journal and exports are checked only with 1.
        #[arg(long, default_value_t = 1)]
        every: u64,
        /// Findings listed at the most.
        #[arg(long, default_value_t = 1000)]
        findings: usize,
        /// Licences checked in a second at the most.
        #[arg(long)]
        rate: Option<u64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write an export and read it back.
    Export {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Open a sled folder and close it again, in this process alone; used by `serve`.
    Probe {
        /// The folder `sled` of a store.
        dir: PathBuf,
    },
}

/// Runs `probe`, which needs no opened store; `None` for the other commands.
pub fn probe(args: &StoreArgs) -> Option<Result<ExitCode, Box<dyn Error + Send + Sync>>> {
    match &args.command {
        StoreCommand::Probe { dir } => Some(open_and_close(dir)),
        _ => None,
    }
}

fn open_and_close(dir: &Path) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    if !dir.is_dir() {
        return Err(format!("{} is not a folder", dir.display()).into());
    }
    probe_sled(dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the commands that need an opened store.
pub fn run(
    args: &StoreArgs,
    store: &dyn StoreAdmin,
    catalogue: &Catalogue,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    match &args.command {
        StoreCommand::Stats { json } => {
            let stats = store.stats()?;
            if *json {
                return print_json(&stats, out);
            }
            writeln!(out, "store       {}", stats.store_id)?;
            writeln!(out, "licences    {} in {} batches", stats.licences, stats.batches)?;
            writeln!(out, "changes     {} of status", stats.status_changes)?;
            let (all, since) = (stats.operations, stats.operations_since_checkpoint);
            writeln!(out, "operations  {all}, {since} since the last checkpoint")?;
            match stats.exported_operations {
                Some(exported) => writeln!(out, "exported    up to operation {exported}")?,
                None => writeln!(out, "exported    never")?,
            }
            let (sled, journal) = (stats.sled_bytes, stats.journal_bytes);
            writeln!(out, "bytes       {sled} in sled, {journal} in the journal")?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Check { every, findings, rate, json } => {
            let options = CheckOptions {
                every: *every,
                max_findings: *findings,
                licences_per_second: *rate,
                watch: Watch::default(),
            };
            let report = store.check(catalogue, &options)?;
            if *json {
                print_json(&report, out)?;
            } else {
                print_report(&report, out)?;
            }
            Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        StoreCommand::Export { json } => {
            let report = store.export(now, &Watch::default())?;
            if *json {
                return print_json(&report, out);
            }
            writeln!(out, "{}", report.file.display())?;
            let (operations, batches, bytes) = (report.operations, report.batches, report.bytes);
            writeln!(
                out,
                "{operations} operations, {batches} batches, {bytes} bytes; read back and the same"
            )?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Probe { dir } => open_and_close(dir),
    }
}

fn print_report(report: &CheckReport, out: &mut dyn Write) -> std::io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{}: {}: {}", finding.name, finding.location, finding.detail)?;
    }
    if report.more_findings > 0 {
        writeln!(out, "and {} more", report.more_findings)?;
    }
    let (batches, licences, entries) = (report.batches, report.licences, report.index_entries);
    writeln!(out, "{batches} batches, {licences} licences, {entries} index entries checked")?;
    let (statuses, states) = (report.statuses, report.states);
    writeln!(out, "{statuses} status changes, {states} states, {} seals checked", report.impressions)?;
    writeln!(out, "{}", if report.is_sound() { "sound" } else { "NOT SOUND" })
}

fn print_json<T: serde::Serialize>(
    value: &T,
    out: &mut dyn Write,
) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crypto::{Secret, SystemRandom};
    use crate::durable::RealDisk;
    use crate::store::{OpenStore, Store, StoreSettings};

    fn store(dir: &Path) -> Store {
        let (settings, master) = (StoreSettings::default(), Secret::from_bytes([1; 32]));
        let random = Arc::new(SystemRandom::new());
        OpenStore { dir, settings: &settings, master: &master, random, disk: Arc::new(RealDisk) }
            .open()
            .unwrap()
    }

    fn text(command: StoreCommand, store: &Store) -> String {
        let mut out = Vec::new();
        let catalogue = Catalogue::embedded().unwrap();
        run(&StoreArgs { command }, store, catalogue, Timestamp::from_secs(1), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_command_reports_in_words_and_in_json() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        assert!(text(StoreCommand::Stats { json: false }, &store).contains("exported    never"));
        assert!(text(StoreCommand::Export { json: false }, &store).contains("read back"));
        let check = |json| StoreCommand::Check { every: 1, findings: 10, rate: None, json };
        assert!(text(check(false), &store).ends_with("sound\n"));
        let json: serde_json::Value = serde_json::from_str(&text(check(true), &store)).unwrap();
        assert_eq!(json["indexEntries"], 0);
        let json: serde_json::Value =
            serde_json::from_str(&text(StoreCommand::Stats { json: true }, &store)).unwrap();
        assert_eq!(json["exportedOperations"], 0);
    }

    #[test]
    fn the_probe_opens_a_closed_sled_and_refuses_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        drop(store(dir.path()));
        let probed = |dir: PathBuf| probe(&StoreArgs { command: StoreCommand::Probe { dir } }).unwrap();
        probed(dir.path().join("sled")).unwrap();
        assert!(probed(dir.path().join("none")).is_err());
        assert!(probe(&StoreArgs { command: StoreCommand::Stats { json: true } }).is_none());
    }
}
