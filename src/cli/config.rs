//! `config check|explain`.

use std::io::Write;
use std::process::ExitCode;

use clap::Subcommand;

use super::arguments::ConfigFile;
use crate::config::Layers;
use crate::node::{Error, NodeSettings};
use licence_seal::seal::Trust;

/// `config check|explain`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and all files that it names
    Check(ConfigFile),
    /// Show every value in force and where it comes from
    Explain {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON array instead of lines
        #[arg(long)]
        json: bool,
    },
}

pub fn run(command: &ConfigCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match command {
        ConfigCommand::Check(file) => {
            let settings = NodeSettings::read(&file.config)?;
            settings.master_key()?;
            settings.log_verifier()?;
            Trust::read(&settings.files.trust)?;
            writeln!(out, "{}: ok, region {}", file.config.display(), settings.region)?;
        }
        ConfigCommand::Explain { file, json } => {
            let layers = Layers::new::<NodeSettings>(&file.config)?;
            // A secret that stands where its source belongs is refused here, and so never shown.
            let settings = layers.read::<NodeSettings>()?;
            let values = layers.explain()?;
            if *json {
                serde_json::to_writer_pretty(&mut *out, &values)?;
                writeln!(out)?;
            } else {
                for value in values {
                    writeln!(out, "{} = {}    ({})", value.key, value.value, value.source)?;
                }
                writeln!(out, "# {}", settings.store.memory_line())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
