//! `log search|verify|proof`: which log is read, and under which keys.

mod read;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;

use super::arguments::ConfigFile;
use crate::accesslog::Keys;
use crate::durable::RealDisk;
use crate::node::{Error, LOG_KEY_LABEL, NodeSettings};

#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Find entries; needs the configuration, because entries are encrypted
    Search {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        args: read::SearchArgs,
    },
    /// Prove that nothing was changed or taken out
    Verify {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: read::VerifyArgs,
    },
    /// Prove that one entry stands in the log
    Proof {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: read::ProofArgs,
    },
}

pub fn run(command: LogCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let disk = Arc::new(RealDisk);
    let of = |config: &Option<PathBuf>, dir: Option<PathBuf>, key: Option<_>| -> Result<_, Error> {
        let settings = config.as_deref().map(NodeSettings::read).transpose()?;
        let dir = match (dir, &settings) {
            (Some(dir), _) => dir,
            (None, Some(settings)) => settings.log_dir(),
            (None, None) => return Err("give the log's directory, or --config FILE".into()),
        };
        let key = match (key, &settings) {
            (Some(key), _) => key,
            (None, Some(settings)) => settings.log_verifier()?,
            (None, None) => return Err("give --key NAME+ID+KEY, or --config FILE".into()),
        };
        Ok((dir, key))
    };
    let done = match command {
        LogCommand::Search { config, args } => {
            let settings = NodeSettings::read(&config.config)?;
            if settings.master_keyed().is_interrupted()? {
                return Err(
                    "a change of the master key was interrupted; `serve` or `store stats` ends it".into()
                );
            }
            let master = settings.master_key()?.derive(LOG_KEY_LABEL).aead()?;
            let keys = Keys::new(disk.clone(), &settings.log_dir(), master);
            read::search(disk.as_ref(), &settings.log_dir(), &settings.log_origin, &keys, &args, out)?;
            true
        }
        LogCommand::Verify { config, args } => {
            let (dir, key) = of(&config, args.dir.clone(), args.key.clone())?;
            read::verify(disk.as_ref(), &dir, &key, &args, out)?
        }
        LogCommand::Proof { config, args } => {
            let (dir, key) = of(&config, args.dir.clone(), args.key.clone())?;
            read::proof(disk.as_ref(), &dir, &key, args.index, out)?
        }
    };
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
