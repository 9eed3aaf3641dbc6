//! The command line: a file for each command.
//!
//! A command that reports has `--json`; exit status 0 only when it did what it says.

mod admin;
mod arguments;
mod bench;
mod catalogue;
mod config;
pub mod demo;
mod generate;
mod health;
mod identifier;
mod import;
mod init;
mod log;
mod ofd;
mod open;
mod partner;
mod progress;
mod query;
mod seal;
mod serve;
mod store;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::node::Error;
use licence_seal::time::{Clock, SystemClock};

/// An exchange node for electronic licences (电子证照).
#[derive(Debug, Parser)]
#[command(name = "licence-node", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Three cities' nodes on loopback with sample data, and a tour through the main job
    Demo(demo::DemoArgs),
    /// Lay out a node's folder: configuration, test authority, keys, seals, trust
    Init(init::InitArgs),
    /// Serve
    Serve(serve::ServeArgs),
    /// Take in licences from JSON Lines or CSV (also .gz and .zst); the node must not be running
    Import(import::ImportArgs),
    /// Write synthetic licences of all types as JSON Lines
    Generate(generate::GenerateArgs),
    /// The licence types
    Catalogue(catalogue::CatalogueArgs),
    /// Check or make identifiers and codes
    Identifier(identifier::IdentifierArgs),
    /// Make seals, and look at them
    #[command(subcommand)]
    Seal(seal::SealCommand),
    Verify(verify::VerifyArgs),
    /// Licences as OFD, annotated copies, and seals on OFD files
    #[command(subcommand)]
    Ofd(ofd::OfdCommand),
    /// Registrations and grants, changed through the running node
    Partner(partner::PartnerArgs),
    /// Ask a node, as an agency's system does
    Query(query::QueryArgs),
    /// The access log: search and prove
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Check a receipt
    #[command(subcommand)]
    Receipt(query::ReceiptCommand),
    /// The store: sizes, check, export, backup and back; of a running node too
    Store(store::StoreArgs),
    /// The configuration: check it, or explain every value
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Whether a node answers
    Health(health::HealthArgs),
    /// Measure a rate beside its floor
    Bench(bench::BenchArgs),
}

/// The command line itself was wrong (sysexits.h).
const EX_USAGE: u8 = 64;

/// What the program says of itself, filtered by `LICENCE_NODE_LOG` (`level` or `target=level`, by commas).
fn log_to_stderr() {
    let set = std::env::var("LICENCE_NODE_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let usual = || Targets::new().with_default(Level::WARN).with_target("licence_node", Level::INFO);
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(set.unwrap_or_else(usual)).with(lines).init();
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            // clap's own status for a usage error is 2, which `verify` gives for "not decided".
            let wrong = why.use_stderr();
            let _ = why.print();
            return if wrong { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    log_to_stderr();
    match run(cli.command) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("licence-node: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Error> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Demo(args) => demo::run(&args, &mut out),
        Command::Init(args) => init::run(&args, &mut out),
        Command::Serve(args) => serve::run(&args, &mut out),
        Command::Import(args) => import::run(&args, &mut out),
        Command::Generate(args) => generate::run(&args, &mut out),
        Command::Catalogue(args) => catalogue::run(&args, &mut out),
        Command::Identifier(args) => identifier::run(&args, &mut out),
        Command::Seal(command) => seal::run(&command, &SystemClock, &mut out),
        Command::Verify(args) => verify::run(&args, &SystemClock, &mut out, &mut std::io::stderr()),
        Command::Ofd(command) => ofd::run(&command, SystemClock.now(), &mut out),
        Command::Partner(args) => partner::run(&args, &mut out),
        Command::Query(args) => query::run(&args, &mut out),
        Command::Log(command) => log::run(command, &mut out),
        Command::Receipt(command) => query::receipt(&command, &mut out),
        Command::Store(args) => store::run(&args, &mut out),
        Command::Config(command) => config::run(&command, &mut out),
        Command::Health(args) => health::run(&args, &mut out),
        Command::Bench(args) => bench::run(&args, &mut out),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
