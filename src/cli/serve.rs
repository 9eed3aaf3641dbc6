//! `serve`.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::ConfigFile;
use super::open::open_node;
use crate::node::{Error, NodeSettings};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigFile,
}

/// Serves until SIGINT or SIGTERM; then lets requests in flight finish and closes log and store.
pub fn run(args: &ServeArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    // Before anybody is told that the node serves, and may ask it to stop.
    let stop = StopSignals::new()?;
    let settings = NodeSettings::read(&args.config.config)?;
    let node = open_node(settings)?;
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
