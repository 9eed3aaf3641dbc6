//! `serve`, `config` and `health`: what an operator runs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ConfigFile;
use crate::config::Layers;
use crate::node::{Error, NodeSettings};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigFile,
}

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

/// Arguments of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// https://… of the node
    #[arg(long)]
    url: String,
    /// PEM of the authorities of its certificate
    #[arg(long)]
    anchors: PathBuf,
}

/// Serves until SIGINT or SIGTERM; then lets requests in flight finish and closes log and store.
pub fn serve(args: &ServeArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    // Before anybody is told that the node serves, and may ask it to stop.
    let stop = StopSignals::new()?;
    let settings = NodeSettings::read(&args.config.config)?;
    let node = super::open_node(settings)?;
    let reconciled = node.reconciled;
    let vkey = node.exchange.log.verifier_key();
    let region = node.settings.region.clone();
    let running = node.serve()?;
    tracing::info!(?reconciled, "store and log agree");
    writeln!(out, "{}", json!({ "region": region, "url": running.url(), "logKey": vkey.to_string() }))?;
    out.flush()?;
    stop.wait();
    running.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// SIGINT and SIGTERM: from when this is made they no longer end the process, but [`Self::wait`].
pub struct StopSignals {
    runtime: tokio::runtime::Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub fn new() -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Blocks until the process is asked to stop, or was since this was made.
    pub fn wait(mut self) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        });
    }
}

pub fn config(command: &ConfigCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match command {
        ConfigCommand::Check(file) => {
            let settings = NodeSettings::read(&file.config)?;
            settings.master_key()?;
            settings.log_verifier()?;
            licence_seal::seal::Trust::read(&settings.files.trust)?;
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

pub fn health(args: &HealthArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let anchors = reqwest::Certificate::from_pem_bundle(&std::fs::read(&args.anchors)?)?;
    crate::peer::use_ring();
    let client = reqwest::Client::builder()
        .tls_certs_only(anchors)
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("{}/health", args.url.trim_end_matches('/'));
    let status = runtime.block_on(async { client.get(&url).send().await.map(|answer| answer.status()) });
    match status {
        Ok(status) if status.is_success() => {
            writeln!(out, "ok")?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(status) => {
            writeln!(out, "answers with {status}")?;
            Ok(ExitCode::FAILURE)
        }
        Err(why) => {
            writeln!(out, "no answer: {why}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
