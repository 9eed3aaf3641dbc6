//! `demo`: three cities' nodes on loopback with sample data, and a tour through the main job.

pub mod cities;
mod paper;
mod proof;
mod step;
mod tour;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use self::cities::Cities;
use crate::node::Error;
use licence_seal::crypto::{Suite, SystemRandom};
use licence_seal::time::SystemClock;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the tour; exit status 0 only if every step came out as it should
    #[arg(long)]
    once: bool,
    /// Generated licences in each city
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(100..=100_000))]
    records: u64,
    /// Suite of the seals
    #[arg(long, default_value = "sm2-sm3")]
    suite: Suite,
}

pub fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let folder = tempfile::Builder::new().prefix("licence-node-demo-").tempdir()?;
    let cities =
        Cities::start(folder.path(), args.suite, Arc::new(SystemClock), Arc::new(SystemRandom::new()))?;
    let outcome = tour::walk(&cities, args.records, out)?;
    if args.once || outcome.failed > 0 {
        cities.stop()?;
        writeln!(out, "\n{} steps, {} failed", outcome.steps, outcome.failed)?;
        return Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let stop = super::serve::StopSignals::new()?;
    stay(&cities, &outcome, out)?;
    stop.wait();
    cities.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// Addresses, and commands to copy.
fn stay(cities: &Cities, outcome: &tour::Outcome, out: &mut dyn Write) -> Result<(), Error> {
    writeln!(out, "\nThe nodes stay up until Ctrl-C. 节点持续运行，按 Ctrl-C 结束。")?;
    for city in cities.all() {
        writeln!(out, "  {} {}  {}", city.files.region.code(), city.files.region.name(), city.running.url())?;
    }
    let home = &cities.tianjin;
    let dir = &home.files.dir;
    let client = dir.join("clients/agency");
    let curl = format!(
        "curl -sS --cacert {} --cert {} --key {}",
        shown(&dir.join("certs/ca.pem")),
        shown(&client.with_extension("pem")),
        shown(&client.with_extension("key.pem"))
    );
    let url = home.running.url();
    let program = shown(&std::env::current_exe()?);
    let body = dir.join("request.json");
    std::fs::write(&body, serde_json::to_vec(&outcome.request)?)?;
    writeln!(out, "\nAs the agency, in a shell 以机构身份试用:")?;
    writeln!(
        out,
        "  TOKEN=$({curl} -d grant_type=client_credentials {url}/oauth2/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    )?;
    writeln!(
        out,
        "  {curl} -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' --data-binary @{} -D - -o my.licence.json {url}/v1/licences/data",
        shown(&body)
    )?;
    writeln!(out, "  {program} verify --trust {} my.licence.json", shown(&dir.join("trust")))?;
    writeln!(out, "As the auditor 以审计员身份:")?;
    let config = shown(&dir.join("node.toml"));
    writeln!(out, "  {program} log search --config {config} --partner agency")?;
    writeln!(out, "  {program} log verify --config {config} --live")?;
    writeln!(out, "As the operator 以运维身份:")?;
    writeln!(out, "  {program} partner list --config {config} --url {url}")?;
    Ok(out.flush()?)
}

/// A path as a shell takes it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
