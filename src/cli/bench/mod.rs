//! `bench …`: how fast this machine does it, beside a floor taken in the same run.
//!
//! Machines are shared and noisy, so a rate alone says little: the ratio to the floor is what can be
//! compared from one machine and day to another.

mod import;
mod read;
mod verify;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::node::Error;

/// Measure a rate beside its floor
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// OFD files verified a second on one core, beside the two SM2 verifications alone
    Verify(verify::VerifyBench),
    /// Licences imported a second, sealed and durable, beside a store that promises nothing
    Import(import::ImportBench),
    /// Reads of a store by identifier, holder and number, beside reading a block alone
    Read(read::ReadBench),
}

/// Runs a bench; figures go to `out`.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<std::process::ExitCode, Error> {
    match &args.what {
        What::Verify(args) => verify::run(args, out),
        What::Import(args) => import::run(args, out),
        What::Read(args) => read::run(args, out),
    }
}
