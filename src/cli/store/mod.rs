//! `store …`: what the operator asks a store, of a node that is not running or of one that is.
//!
//! Without `--url` the store is opened here, which needs the data folder for itself. With it the running
//! node is asked to do the work, and this program waits; reports and exit status are the same.

mod print;
mod rekey;
mod running;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::Unechoed;
use super::operator::Operator;
use crate::durable::{DurableError, RealDisk};
use crate::exchange::backup::{Wanted, scratch};
use crate::exchange::jobs::{JobRequest, Means};
use crate::keys::MasterKeySource;
use crate::node::{Error, LOG_KEY_LABEL, Node, NodeSettings};
use crate::store::{OpenStore, Progress, StoreAdmin, StoreError, Watch, probe_sled};
use licence_seal::crypto::SystemRandom;
use licence_seal::licence::Catalogue;
use licence_seal::time::{Clock, SystemClock};

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Look after a store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The node's configuration file; without --url the node must not be running
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The running node, for stats, check, export, backup, rekey --salt and rekey --data
    #[command(flatten)]
    operator: Operator,
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Counts and sizes
    Stats {
        /// What each type has, too; walks over the whole store
        #[arg(long)]
        by_type: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Re-derive all that can be re-derived; exit status 1 if anything is wrong
    Check {
        /// Check one batch of so many; indexes, statuses, journal and exports are checked only with 1
        #[arg(long, default_value_t = 1)]
        every: u64,
        /// Findings listed at the most
        #[arg(long, default_value_t = 1000)]
        findings: usize,
        /// Licences checked in a second at the most
        #[arg(long)]
        rate: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write an export and read it back
    Export {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the database anew from an export, without the room that it does not use
    Compact {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring in a newer key; with --data write what lies under older ones anew. Ended early, it goes on at the
    /// next call
    #[command(group(ArgGroup::new("which").required(true).args(["salt", "data", "master"])))]
    Rekey {
        /// A salt key for what is sealed from now on; the older ones stay
        #[arg(long)]
        salt: bool,
        /// A data key; the older ones go when nothing refers to them any more
        #[arg(long)]
        data: bool,
        /// Values of the database written anew in a second at the most
        #[arg(long, conflicts_with_all = ["salt", "master"])]
        rate: Option<u64>,
        /// The master key: all that it wraps, of store and access log, is wrapped under the key of --to. The node
        /// must not be running
        #[arg(long, requires = "to")]
        master: bool,
        /// Where the new master key comes from, as files.master_key is to name it: PATH (from the folder of the
        /// configuration), env:NAME, command:PROGRAM ARGUMENT…
        #[arg(long, value_name = "SOURCE", conflicts_with_all = ["salt", "data"], value_parser = Unechoed::<MasterKeySource>::new())]
        to: Option<MasterKeySource>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy store and access log to a folder of backups, only what is new there
    Backup {
        /// The folder; with --url the name of one below the node's store.backup_dir, or nothing for that itself
        dir: Option<PathBuf>,
        /// Backups kept in the folder, this one included; default: all
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Lay a backup out where there is no store and no log, proved on the way
    Restore {
        /// The folder of the backups
        dir: PathBuf,
        /// Number of the backup; default: the newest
        #[arg(long)]
        backup: Option<u64>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Restore a backup into a temporary folder and prove it; exit status 0 only if it is proved. The node
    /// may be running
    Drill {
        /// The folder of the backups
        dir: PathBuf,
        /// Number of the backup; default: the newest
        #[arg(long)]
        backup: Option<u64>,
        /// Check one batch of so many
        #[arg(long, default_value_t = 1)]
        every: u64,
        /// Where the temporary folder is made, on a disk that can take the whole store; default: the machine's
        #[arg(long)]
        scratch: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a sled folder and close it again, in this process alone; used by `serve`
    #[command(hide = true)]
    Probe {
        /// The folder `sled` of a store
        dir: PathBuf,
    },
}

/// Exit status 0 only if it was done, and of `check` and `drill` only if all is well.
pub fn run(args: &StoreArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    if let StoreCommand::Probe { dir } = &args.command {
        return open_and_close(dir);
    }
    let config = args.config.as_deref().ok_or("give --config FILE")?;
    match &args.command {
        StoreCommand::Restore { dir, backup, .. } if args.operator.url.is_none() => {
            let settings = NodeSettings::read(config)?;
            let (data, store, log) = (&settings.files.data, settings.store_dir(), settings.log_dir());
            let report = with_wanted(&settings, dir, *backup, |wanted| wanted.restore(data, &store, &log))?;
            print::report(&args.command, &serde_json::to_value(report)?, None, out)
        }
        StoreCommand::Drill { dir, backup, every, scratch: parent, json } => {
            let settings = NodeSettings::read(config)?;
            let (folder, catalogue) = (scratch(parent.as_deref())?, Catalogue::embedded()?);
            let act = |wanted: &Wanted<'_>| wanted.drill(folder.path(), catalogue, *every);
            let drilled = with_wanted(&settings, dir, *backup, act);
            // What could not be removed would stay, with all licences in it.
            folder.close()?;
            let report = match drilled {
                Ok(report) => serde_json::to_value(report)?,
                Err(why) if *json => {
                    let rule = why.downcast_ref().map(StoreError::rule);
                    json!({ "proved": false, "rule": rule, "detail": why.to_string() })
                }
                Err(why) => return Err(why),
            };
            print::report(&args.command, &report, None, out)
        }
        command if args.operator.url.is_some() => running::ask(&args.operator, config, command, out),
        command @ StoreCommand::Compact { .. } => {
            let node = open(config)?;
            node.store.export(SystemClock.now(), &Watch::default())?;
            node.close()?;
            let settings = node.settings.clone();
            drop(node);
            let (dir, master) = (&settings.store_dir(), &settings.master_key()?);
            let (random, disk) = (Arc::new(SystemRandom::new()), Arc::new(RealDisk));
            let report = OpenStore { dir, settings: &settings.store, master, random, disk }.compact()?;
            print::report(command, &serde_json::to_value(report)?, None, out)
        }
        command @ StoreCommand::Rekey { to: Some(to), .. } => {
            print::report(command, &rekey::master(config, to)?, None, out)
        }
        command => {
            let node = open(config)?;
            let code = alone(command, &node, out)?;
            node.close()?;
            Ok(code)
        }
    }
}

fn open(config: &Path) -> Result<Node, Error> {
    super::open_node(NodeSettings::read(config)?).map_err(say_who_holds_it)
}

/// What is asked of a store, by this program or of a running node.
fn job(command: &StoreCommand, backup_name: impl Fn(&Path) -> Option<String>) -> Option<JobRequest> {
    Some(match command {
        StoreCommand::Stats { by_type: true, .. } => JobRequest::Breakdown {},
        StoreCommand::Check { every, findings, rate, .. } => {
            JobRequest::Check { every: *every, findings: Some(*findings), licences_per_second: *rate }
        }
        StoreCommand::Export { .. } => JobRequest::Export {},
        StoreCommand::Backup { dir, keep, .. } => JobRequest::Backup {
            to: dir.as_deref().and_then(backup_name).map(PathBuf::from),
            keep: keep.map(|keep| keep as usize),
        },
        StoreCommand::Rekey { salt: true, .. } => JobRequest::RekeySalt {},
        StoreCommand::Rekey { data: true, rate, .. } => JobRequest::RekeyData { values_per_second: *rate },
        _ => return None,
    })
}

/// Does the work in this process.
fn alone(command: &StoreCommand, node: &Node, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let stats = || Ok::<_, Error>(serde_json::to_value(node.store.stats()?)?);
    let Some(request) = job(command, |_| None) else { return print::report(command, &stats()?, None, out) };
    let backups = match command {
        StoreCommand::Backup { dir, .. } => {
            let dir = dir.as_ref().or(node.settings.store.backup_dir.as_ref());
            Some(dir.ok_or("give the folder of the backups, or set store.backup_dir")?)
        }
        _ => None,
    };
    let work = request.resolve(backups.map(PathBuf::as_path))?;
    let (log, kind) = (&node.exchange.log, work.kind());
    let means = Means {
        store: node.store.clone(),
        log: Arc::clone(log),
        catalogue: node.exchange.office.catalogue,
        master: node.settings.files.master_key.clone(),
        now: SystemClock.now(),
    };
    let work = || shown(&Watch::default(), |watch| work.run(&means, watch));
    let report =
        if let StoreCommand::Rekey { .. } = command { rekey::logged(log, kind, work)? } else { work()? };
    match command {
        StoreCommand::Stats { .. } => print::report(command, &stats()?, Some(&report), out),
        _ => print::report(command, &report, None, out),
    }
}

/// Runs long work and shows its progress on a terminal.
fn shown<T: Send>(
    watch: &Watch,
    work: impl FnOnce(&Watch) -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    if !std::io::stderr().is_terminal() {
        return work(watch);
    }
    std::thread::scope(|scope| {
        let (to, from) = mpsc::channel();
        scope.spawn(move || to.send(work(watch)));
        loop {
            match from.recv_timeout(SHOW_EVERY) {
                Ok(outcome) => {
                    eprint!("\r\x1b[K");
                    return outcome;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => show(&watch.progress()),
                // Its thread ended in a panic, which the scope goes on with.
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(StoreError::Cancelled),
            }
        }
    })
}

/// Shows progress on a terminal.
fn show(progress: &Progress) {
    let Progress { stage, done, of } = progress;
    match of {
        0 => eprint!("\r{stage}: {done}\x1b[K"),
        of => eprint!("\r{stage}: {done} of {of}\x1b[K"),
    }
}

/// Long work on a backup, with what the configuration says.
fn with_wanted<T: Send>(
    settings: &NodeSettings,
    from: &Path,
    number: Option<u64>,
    act: impl FnOnce(&Wanted<'_>) -> Result<T, StoreError> + Send,
) -> Result<T, Error> {
    let watch = Watch::default();
    let master = settings.master_key()?;
    let wanted = Wanted {
        from,
        number,
        settings: &settings.store,
        master: &master,
        log_label: LOG_KEY_LABEL,
        log_verifier: settings.log_verifier()?,
        random: Arc::new(SystemRandom::new()),
        disk: Arc::new(RealDisk),
        watch: watch.clone(),
    };
    Ok(shown(&watch, |_| act(&wanted))?)
}

fn open_and_close(dir: &Path) -> Result<ExitCode, Error> {
    if !dir.is_dir() {
        return Err(format!("{} is not a folder", dir.display()).into());
    }
    probe_sled(dir)?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever is told that the folder is held learns how to ask its holder.
fn say_who_holds_it(why: Error) -> Error {
    match why.downcast_ref() {
        Some(DurableError::Locked(_)) => {
            format!("{why}; if it is the running node, ask it with --url https://… of the node").into()
        }
        _ => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreSettings};
    use licence_seal::crypto::Secret;

    fn store(dir: &Path) -> Store {
        let (settings, master) = (StoreSettings::default(), Secret::from_bytes([1; 32]));
        let random = Arc::new(SystemRandom::new());
        OpenStore { dir, settings: &settings, master: &master, random, disk: Arc::new(RealDisk) }
            .open()
            .unwrap()
    }

    #[test]
    fn the_probe_opens_a_closed_sled_and_refuses_what_is_none() {
        let dir = tempfile::tempdir().unwrap();
        drop(store(dir.path()));
        open_and_close(&dir.path().join("sled")).unwrap();
        assert!(open_and_close(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_held_folder_is_told_with_the_way_to_ask_its_holder() {
        let told = say_who_holds_it(DurableError::Locked("data".into()).into()).to_string();
        assert!(told.contains("another process holds data") && told.contains("--url"), "{told}");
        assert_eq!(say_who_holds_it("else".into()).to_string(), "else");
    }
}
