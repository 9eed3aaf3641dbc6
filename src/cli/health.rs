//! `health`: whether a node answers.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::node::Error;

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

pub fn run(args: &HealthArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
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
