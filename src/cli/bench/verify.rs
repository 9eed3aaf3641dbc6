//! `bench verify`: OFD files verified a second, beside the two SM2 verifications alone.
//!
//! The work and its floor take turns in short rounds. A verifier remembers that a seal's own signature holds, since an authority's seal is on all that
//! it seals. `verify` measures both: files under a seal that was never seen, which cost two SM2
//! verifications as the floor does, and the same files again, which cost one.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::lab::{SealedFile, SealedFiles};
use crate::node::Error;
use licence_seal::ofd::{Limits, verify_ofd};
use licence_seal::seal::{Ask, Trust};

#[derive(Debug, Args)]
pub(super) struct VerifyBench {
    /// How long to measure, work and floor together
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What a bench found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    bench: &'static str,
    unit: &'static str,
    /// Of files whose seals were never seen.
    rate: f64,
    floor: f64,
    /// `rate / floor`
    ratio: f64,
    goal: f64,
    /// Of files whose seals were seen before.
    known_seal_rate: f64,
    known_seal_ratio: f64,
    /// Bytes of a file.
    file_bytes: usize,
    rounds: usize,
    /// Whether release optimisation was on; figures without it mean nothing.
    optimised: bool,
}

/// Runs a bench; figures go to `out`.
pub(super) fn run(args: &VerifyBench, out: &mut dyn Write) -> Result<std::process::ExitCode, Error> {
    let figures = verify(Duration::from_secs(args.seconds))?;
    if args.json {
        serde_json::to_writer(&mut *out, &figures)?;
        writeln!(out)?;
    } else {
        writeln!(out, "verify: {:.0} files/s of {} bytes on one core", figures.rate, figures.file_bytes)?;
        writeln!(
            out,
            "again:  {:.0} files/s under seals seen before, {:.2} of the floor",
            figures.known_seal_rate, figures.known_seal_ratio
        )?;
        writeln!(out, "floor:  {:.0} pairs/s of SM2 verifications (seal and stamp) alone", figures.floor)?;
        writeln!(out, "ratio:  {:.2} (goal {:.2}), {} rounds", figures.ratio, figures.goal, figures.rounds)?;
        if !figures.optimised {
            writeln!(out, "not a release build: these figures mean nothing")?;
        }
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// Files, or pairs of signatures, in one turn.
const TURN: u32 = 20;

fn verify(time: Duration) -> Result<Figures, Error> {
    let sample = SealedFiles::make(TURN)?;
    let ask = Ask { at: sample.at, seal_only: false, catalogue: None };
    let limits = Limits::default();
    let verified = |file: &SealedFile, trust: &Trust| -> Result<(), Error> {
        let report = verify_ofd("bench.ofd", &file.bytes, trust, &ask, &limits);
        if report.verdict.passed() { Ok(()) } else { Err(report.to_text().into()) }
    };
    let mut spent = [Duration::ZERO; 3];
    let [first, again, floor] = &mut spent;
    let begun = Instant::now();
    let mut rounds = 0_u32;
    while begun.elapsed() < time || rounds == 0 {
        // Certificates and revocation list are known from another file; the seals of the turn are not.
        let trust = Trust::of(vec![sample.root.clone()], vec![sample.crl.clone()]);
        verified(&sample.other, &trust)?;
        for spent in [&mut *first, &mut *again] {
            let begun = Instant::now();
            for file in &sample.files {
                verified(file, &trust)?;
            }
            *spent += begun.elapsed();
        }
        let begun = Instant::now();
        for (key, message, signature) in sample.files.iter().flat_map(|file| &file.signatures) {
            key.verify(message, signature)?;
        }
        *floor += begun.elapsed();
        rounds += 1;
    }
    let [rate, known_seal_rate, floor] = spent.map(|spent| f64::from(rounds * TURN) / spent.as_secs_f64());
    Ok(Figures {
        bench: "verify",
        unit: "files/s",
        rate,
        floor,
        ratio: rate / floor,
        goal: 0.7,
        known_seal_rate,
        known_seal_ratio: known_seal_rate / floor,
        file_bytes: sample.other.bytes.len(),
        rounds: usize::try_from(rounds)?,
        optimised: !cfg!(debug_assertions),
    })
}
