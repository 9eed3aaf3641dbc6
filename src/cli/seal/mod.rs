//! `seal create|show|list|export`: making seals, and looking at them.
//!
//! None of these is a verdict on a seal; that is `verify`.

mod create;
mod file;
mod list;
mod show;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::arguments::ConfigFile;
use crate::node::Error;
use licence_seal::time::Clock;

/// `seal create|show|list|export`
#[derive(Debug, Subcommand)]
pub enum SealCommand {
    /// Make a seal (GB/T 38540 version 4): seal.esl, and when its picture is drawn seal.svg and seal.png
    Create(Box<create::CreateArgs>),
    /// Show all that a seal says; nothing of it is verified
    Show {
        /// A seal, *.esl
        file: PathBuf,
        /// One JSON object instead of lines
        #[arg(long)]
        json: bool,
        /// Write the seal's picture to this file
        #[arg(long, value_name = "OUT")]
        picture: Option<PathBuf>,
    },
    /// List the seals in the node's folder
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// One JSON array instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Copy a seal, which holds no private key, out of the node's folder
    Export {
        #[command(flatten)]
        config: ConfigFile,
        /// Issuer code, "attestation" or "node"
        id: String,
        /// File to write
        #[arg(long)]
        out: PathBuf,
    },
}

pub fn run(command: &SealCommand, clock: &dyn Clock, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match command {
        SealCommand::Create(args) => create::run(args, clock.now(), out)?,
        SealCommand::Show { file, json, picture } => show::run(file, *json, picture.as_deref(), out)?,
        SealCommand::List { config, json } => list::list(&config.config, *json, clock.now(), out)?,
        SealCommand::Export { config, id, out: to } => list::export(&config.config, id, to, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
