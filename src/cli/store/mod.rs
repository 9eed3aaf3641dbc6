//! `store …`: what the operator asks a store, of a node that is not running or of one that is.
//!
//! Without `--url` the store is opened here, which needs the data folder for itself. With it the running
//! node is asked to do the work, and this program waits; reports and exit status are the same.

mod command;
mod print;
mod rekey;
mod running;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

pub use self::command::StoreArgs;
use self::command::{StoreCommand, job};
use super::open::open_node;
use super::progress::shown;
use crate::durable::{DurableError, RealDisk};
use crate::exchange::backup::{Wanted, scratch};
use crate::exchange::jobs::Means;
use crate::node::{Error, LOG_KEY_LABEL, Node, NodeSettings};
use crate::store::{OpenStore, StoreAdmin, StoreError, Watch, probe_sled};
use licence_seal::crypto::SystemRandom;
use licence_seal::licence::Catalogue;
use licence_seal::time::{Clock, SystemClock};

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
            print::report(command, &serde_json::to_value(rekey::master(config, to)?)?, None, out)
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
    open_node(NodeSettings::read(config)?).map_err(say_who_holds_it)
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
