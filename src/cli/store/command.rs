//! The command line of `store`, and the job that a command is.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};

use crate::cli::admin::Operator;
use crate::cli::arguments::Unechoed;
use crate::exchange::jobs::JobRequest;
use crate::keys::MasterKeySource;

/// Look after a store.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// The node's configuration file; without --url the node must not be running
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// The running node, for stats, check, export, backup, rekey --salt and rekey --data
    #[command(flatten)]
    pub operator: Operator,
    #[command(subcommand)]
    pub command: StoreCommand,
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

/// What is asked of a store, by this program or of a running node.
pub fn job(command: &StoreCommand, backup_name: impl Fn(&Path) -> Option<String>) -> Option<JobRequest> {
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
