//! The command line: a file for each command.
//!
//! A command that reports has `--json`; exit status 0 only when it did what it says.

mod bench;
pub mod catalogue;
pub mod demo;
pub mod generate;
pub mod identifier;
mod import;
mod init;
pub mod log;
mod ofd;
mod operate;
mod operator;
mod partner;
mod query;
mod seal;
pub mod setup;
pub mod store;
pub mod verify;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::accesslog::Keys;
use crate::durable::RealDisk;
use crate::node::{Error, LOG_KEY_LABEL, Node, NodeSettings};
use licence_seal::crypto::SystemRandom;
use licence_seal::time::{Clock, Day, SystemClock};

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
    Serve(operate::ServeArgs),
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
    Log(LogCommand),
    /// Check a receipt
    #[command(subcommand)]
    Receipt(query::ReceiptCommand),
    /// The store: sizes, check, export, backup and back; of a running node too
    Store(store::StoreArgs),
    /// The configuration: check it, or explain every value
    #[command(subcommand)]
    Config(operate::ConfigCommand),
    /// Whether a node answers
    Health(operate::HealthArgs),
    /// Measure a rate beside its floor
    Bench(bench::BenchArgs),
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Find entries; needs the configuration, because entries are encrypted
    Search {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        args: log::SearchArgs,
    },
    /// Prove that nothing was changed or taken out
    Verify {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: log::VerifyArgs,
    },
    /// Prove that one entry stands in the log
    Proof {
        #[arg(long)]
        config: Option<PathBuf>,
        #[command(flatten)]
        args: log::ProofArgs,
    },
}

/// `--config FILE`
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The node's configuration file
    #[arg(long)]
    pub config: PathBuf,
}

/// Parses a value that may hold a secret by mistake: an error names the rule and never the value.
#[derive(Clone, Copy)]
pub struct Unechoed<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Unechoed<T> {
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> Default for Unechoed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> clap::builder::TypedValueParser for Unechoed<T>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let name = argument.map(ToString::to_string).unwrap_or_default();
        let refuse = |why: String| {
            let text = format!("{name}: {why}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, text).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refuse("not UTF-8".to_owned()))?;
        text.parse().map_err(|why: T::Err| refuse(why.to_string()))
    }
}

/// Parses an argument that is a day.
fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "not a day that exists, written YYYY-MM-DD".to_owned())
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
        Command::Serve(args) => operate::serve(&args, &mut out),
        Command::Import(args) => import::run(&args, &mut out),
        Command::Generate(args) => generate::run(&args, &mut out),
        Command::Catalogue(args) => catalogue::run(&args, &mut out),
        Command::Identifier(args) => identifier::run(&args, &mut out),
        Command::Seal(command) => seal::run(&command, &SystemClock, &mut out),
        Command::Verify(args) => verify::run(&args, &SystemClock, &mut out, &mut std::io::stderr()),
        Command::Ofd(command) => ofd::run(&command, SystemClock.now(), &mut out),
        Command::Partner(args) => partner::run(&args, &mut out),
        Command::Query(args) => query::run(&args, &mut out),
        Command::Log(command) => log_command(command, &mut out),
        Command::Receipt(command) => query::receipt(&command, &mut out),
        Command::Store(args) => store::run(&args, &mut out),
        Command::Config(command) => operate::config(&command, &mut out),
        Command::Health(args) => operate::health(&args, &mut out),
        Command::Bench(args) => bench::run(&args, &mut out),
    }
}

/// Opens the node of a configuration with the machine's clock and randomness.
pub fn open_node(mut settings: NodeSettings) -> Result<Node, Error> {
    // After an unclean stop sled is opened in a process of its own first: a panic there ends only that.
    let program = std::env::current_exe()?;
    settings.store.probe = Some(vec![program.into(), "store".into(), "probe".into()]);
    Node::open(settings, Arc::new(SystemClock), Arc::new(SystemRandom::new()))
}

fn log_command(command: LogCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
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
            log::search(disk.as_ref(), &settings.log_dir(), &settings.log_origin, &keys, &args, out)?;
            true
        }
        LogCommand::Verify { config, args } => {
            let (dir, key) = of(&config, args.dir.clone(), args.key.clone())?;
            log::verify(disk.as_ref(), &dir, &key, &args, out)?
        }
        LogCommand::Proof { config, args } => {
            let (dir, key) = of(&config, args.dir.clone(), args.key.clone())?;
            log::proof(disk.as_ref(), &dir, &key, args.index, out)?
        }
    };
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
