//! `bench import`: licences imported a second, sealed and durable, beside a store that promises nothing.
//!
//! A node of its own is laid out in a temporary folder and imports a generated file, from the first byte
//! read to the export that makes it safe. The floor ([`crate::store::floor`]) takes in the same file
//! before and after, so that a machine that gets slower or faster meanwhile is seen in both.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::cli::generate::{self, GenerateArgs};
use crate::cli::init::{self, InitArgs};
use crate::cli::open::open_node;
use crate::exchange::import::{Format, Importer, Options};
use crate::node::{Error, NodeSettings};
use crate::store::{StoreAdmin, StoreSettings, floor, peak_resident_bytes};
use licence_seal::crypto::{PrivateKey, Signer, Suite, SystemRandom};

/// Signatures that are timed for their share.
const SIGNATURES: u32 = 400;
/// Ticks a second in `/proc/self/stat`, which Linux fixes for programs.
const TICKS: f64 = 100.0;

#[derive(Debug, Args)]
pub(super) struct ImportBench {
    /// How many licences
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Seed of the licences
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder in which a temporary one is made; default: that of the system
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the bench found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    bench: &'static str,
    unit: &'static str,
    records: u64,
    /// Licences a second, from the first byte read to the export.
    rate: f64,
    /// Mean of the two floors.
    floor: f64,
    floors: [f64; 2],
    ratio: f64,
    goal: f64,
    seconds: f64,
    cpu_seconds: f64,
    /// Share of the CPU time that goes into signatures: their number times the time of one.
    signing_share: f64,
    signature_micros: f64,
    batches: u64,
    mean_fill: f64,
    /// Bytes of sled a licence, and of the volumes and the export.
    store_bytes_per_record: f64,
    export_bytes_per_record: f64,
    input_bytes_per_record: f64,
    /// Largest resident set of the process up to the end of the import; 0 where the system does not say.
    peak_rss_bytes: u64,
    cores: usize,
    /// Whether release optimisation was on; figures without it mean nothing.
    optimised: bool,
}

pub(super) fn run(args: &ImportBench, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let scratch = match &args.scratch {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let input = scratch.path().join("records.jsonl");
    generate::run(&GenerateArgs::of(args.records, args.seed, &input), &mut std::io::sink())?;
    let first = floor_rate(&scratch.path().join("floor"), &input, args.records)?;
    let mut figures = import(args, scratch.path(), &input)?;
    let second = floor_rate(&scratch.path().join("floor"), &input, args.records)?;
    figures.floors = [first, second];
    figures.floor = (first + second) / 2.0;
    figures.ratio = figures.rate / figures.floor;
    if args.json {
        serde_json::to_writer(&mut *out, &figures)?;
        writeln!(out)?;
    } else {
        print(&figures, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(figures: &Figures, out: &mut dyn Write) -> std::io::Result<()> {
    let Figures { rate, seconds, cpu_seconds, floor, floors: [first, second], ratio, goal, .. } = figures;
    writeln!(out, "import: {rate:.0} licences/s, {seconds:.1} s, {cpu_seconds:.1} s of CPU")?;
    writeln!(out, "floor:  {floor:.0} licences/s ({first:.0} before, {second:.0} after)")?;
    writeln!(out, "ratio:  {ratio:.2} (goal {goal:.2})")?;
    writeln!(
        out,
        "seals:  {} batches of {:.1}, {:.0} us a signature, {:.1} % of the CPU time",
        figures.batches,
        figures.mean_fill,
        figures.signature_micros,
        figures.signing_share * 100.0
    )?;
    writeln!(
        out,
        "bytes a licence: {:.0} in sled, {:.0} in volumes and export, {:.0} as JSON Lines; peak RSS {} MiB",
        figures.store_bytes_per_record,
        figures.export_bytes_per_record,
        figures.input_bytes_per_record,
        figures.peak_rss_bytes >> 20
    )?;
    if !figures.optimised {
        writeln!(out, "not a release build: these figures mean nothing")?;
    }
    Ok(())
}

fn floor_rate(dir: &Path, input: &Path, records: u64) -> Result<f64, Error> {
    let begun = Instant::now();
    let written = floor::write(dir, &StoreSettings::default(), File::open(input)?)?;
    let spent = begun.elapsed().as_secs_f64();
    std::fs::remove_dir_all(dir)?;
    if written != records {
        return Err("the floor did not write every record".into());
    }
    Ok(records as f64 / spent)
}

fn import(args: &ImportBench, dir: &Path, input: &Path) -> Result<Figures, Error> {
    let node_dir = dir.join("node");
    init::run(&InitArgs::of(&node_dir), &mut std::io::sink())?;
    let node = open_node(NodeSettings::read(&node_dir.join("node.toml"))?)?;
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let mut importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()))?;
    importer.file("records.jsonl", Format::JsonLines, File::open(input)?)?;
    let done = importer.finish()?;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    if done.imported != args.records {
        return Err(format!("{} of {} licences were imported", done.imported, args.records).into());
    }
    let peak_rss_bytes = peak_resident_bytes().unwrap_or(0);
    let stats = node.store.stats()?;
    node.close()?;
    let signature = signature_seconds()?;
    let of_each = |bytes: u64| bytes as f64 / args.records as f64;
    Ok(Figures {
        bench: "import",
        unit: "licences/s",
        records: args.records,
        rate: args.records as f64 / seconds,
        floor: 0.0,
        floors: [0.0; 2],
        ratio: 0.0,
        goal: 0.35,
        seconds,
        cpu_seconds,
        signing_share: done.batches as f64 * signature / cpu_seconds,
        signature_micros: signature * 1e6,
        batches: done.batches,
        mean_fill: done.imported as f64 / (done.batches as f64).max(1.0),
        store_bytes_per_record: of_each(stats.sled_bytes),
        export_bytes_per_record: of_each(done.export_bytes),
        input_bytes_per_record: of_each(std::fs::metadata(input)?.len()),
        peak_rss_bytes,
        cores: crate::parallel::threads(),
        optimised: !cfg!(debug_assertions),
    })
}

/// Mean time of one SM2 signature on this machine.
fn signature_seconds() -> Result<f64, Error> {
    let random = SystemRandom::new();
    let key = PrivateKey::from_pkcs8(&PrivateKey::generate(Suite::Sm2Sm3, &random)?)?;
    let begun = Instant::now();
    for number in 0..SIGNATURES {
        key.sign(&number.to_be_bytes())?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(SIGNATURES))
}

/// CPU time of this process so far; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything; utime and stime are fields 14 and 15.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_of_an_import_that_happened() {
        let args = ImportBench { records: 300, seed: 4, scratch: None, json: true };
        let mut out = Vec::new();
        run(&args, &mut out).unwrap();
        let figures: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(figures["records"], 300);
        for name in ["rate", "floor", "ratio", "seconds", "storeBytesPerRecord", "exportBytesPerRecord"] {
            assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {figures}");
        }
        assert!(figures["meanFill"].as_f64().unwrap() >= 1.0);
    }
}
