//! `bench read`: reads of a store that is there, by identifier, holder and number.
//!
//! The store holds a generated set, so the keys to ask for are made from its seed. The first phase
//! after the opening is told apart: with the system's cache dropped before, it is the cold one. The floor
//! is what no read can be without: one block by its number, decrypted and decompressed, without an
//! index and without a record built from it.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::cli::arguments::ConfigFile;
use crate::cli::open::open_node;
use crate::node::{Error, NodeSettings};
use crate::store::{BatchNumber, LicenceReader, Store, resident_bytes};
use licence_seal::licence::{Catalogue, Generator, Record, Region};

/// Keys that are made for a phase, and asked for in turn.
const KEYS: u64 = 50_000;
/// Licences of a holder that a read fetches at the most.
const OF_HOLDER: usize = 100;

#[derive(Debug, Args)]
pub(super) struct ReadBench {
    #[command(flatten)]
    config: ConfigFile,
    /// Size of the generated set that was imported
    #[arg(long)]
    records: u64,
    /// Its seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of each phase
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    bench: &'static str,
    unit: &'static str,
    records: u64,
    open_seconds: f64,
    phases: Vec<Phase>,
    /// Reads a second by identifier on one thread, beside the floor on one thread.
    rate: f64,
    floor: f64,
    ratio: f64,
    rss_bytes: u64,
    optimised: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Phase {
    by: &'static str,
    threads: usize,
    /// Right after the opening.
    first: bool,
    reads: usize,
    per_second: f64,
    p50_micros: f64,
    p99_micros: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Identifier,
    Holder,
    Number,
    Block,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Identifier => "identifier",
            Self::Holder => "holder",
            Self::Number => "number",
            Self::Block => "block alone (floor)",
        }
    }
}

pub(super) fn run(args: &ReadBench, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let settings = NodeSettings::read(&args.config.config)?;
    let generator = Generator::new(Catalogue::embedded()?, args.seed, Region::TIANJIN)?;
    // Before the opening, so that it does not warm anything up. A prime step meets all of the set.
    let count = KEYS.min(args.records);
    let step = 1_000_000_007 % args.records.max(1);
    let keys: Vec<Record> = (0..count)
        .map(|n| generator.record(n.wrapping_mul(step.max(1)) % args.records.max(1)))
        .collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let node = open_node(settings)?;
    let open_seconds = begun.elapsed().as_secs_f64();
    let bench = Bench { store: &node.store, keys: &keys, time: Duration::from_secs(args.seconds) };
    let mut phases = vec![bench.phase(By::Identifier, 1, true)?];
    for by in [By::Identifier, By::Holder, By::Number, By::Block] {
        for threads in [1, 2] {
            phases.push(bench.phase(by, threads, false)?);
        }
    }
    let of = |by: By| phases.iter().find(|one| one.by == by.name() && one.threads == 1 && !one.first);
    let rate = of(By::Identifier).map_or(0.0, |phase| phase.per_second);
    let floor = of(By::Block).map_or(0.0, |phase| phase.per_second);
    let figures = Figures {
        bench: "read",
        unit: "reads/s",
        records: args.records,
        open_seconds,
        phases,
        rate,
        floor,
        ratio: rate / floor,
        rss_bytes: resident_bytes().unwrap_or(0),
        optimised: !cfg!(debug_assertions),
    };
    node.close()?;
    if args.json {
        serde_json::to_writer(&mut *out, &figures)?;
        writeln!(out)?;
    } else {
        print(&figures, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(figures: &Figures, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "opened in {:.2} s; {} MiB resident at the end",
        figures.open_seconds,
        figures.rss_bytes >> 20
    )?;
    writeln!(out, "{:<22} {:>7} {:>10} {:>9} {:>9}", "read by", "threads", "a second", "p50 us", "p99 us")?;
    for phase in &figures.phases {
        let by = format!("{}{}", phase.by, if phase.first { ", first" } else { "" });
        let (rate, p50, p99) = (phase.per_second, phase.p50_micros, phase.p99_micros);
        writeln!(out, "{by:<22} {:>7} {rate:>10.0} {p50:>9.0} {p99:>9.0}", phase.threads)?;
    }
    writeln!(out, "ratio to the floor, one thread: {:.2}", figures.ratio)?;
    if !figures.optimised {
        writeln!(out, "not a release build: these figures mean nothing")?;
    }
    Ok(())
}

struct Bench<'a> {
    store: &'a Store,
    keys: &'a [Record],
    time: Duration,
}

impl Bench<'_> {
    fn phase(&self, by: By, threads: usize, first: bool) -> Result<Phase, Error> {
        let stop = AtomicBool::new(false);
        let begun = Instant::now();
        let runs: Vec<Result<Vec<Duration>, Error>> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn({
                        let stop = &stop;
                        move || self.reads(by, thread, stop)
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|_| Err("a reader panicked".into())))
                .collect()
        });
        let spent = begun.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for run in runs {
            times.extend(run?);
        }
        times.sort_unstable();
        let at = |share: f64| {
            let place = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Ok(Phase {
            by: by.name(),
            threads,
            first,
            reads: times.len(),
            per_second: times.len() as f64 / spent,
            p50_micros: at(0.5),
            p99_micros: at(0.99),
        })
    }

    /// Reads until the time is over; every licence that was asked for must be there.
    fn reads(&self, by: By, thread: usize, stop: &AtomicBool) -> Result<Vec<Duration>, Error> {
        let (mut times, begun) = (Vec::new(), Instant::now());
        let last = self.store.last_batch();
        for (number, key) in (0_u64..).zip(self.keys.iter().cycle().skip(thread * self.keys.len() / 2)) {
            let asked = Instant::now();
            let found = match by {
                By::Identifier => self
                    .store
                    .by_identifier(&key.identifier)?
                    .is_some_and(|found| found.record.number == key.number),
                By::Holder => {
                    let holder = key.holders.first().ok_or("a licence without a holder")?;
                    let found = self.store.by_holder(holder.code_type(), holder.code(), None, OF_HOLDER)?;
                    found.len() == OF_HOLDER
                        || found.iter().any(|found| found.record.identifier == key.identifier)
                }
                By::Number => {
                    let found = self.store.by_number(&key.type_code, &key.number)?;
                    found.iter().any(|found| found.record.identifier == key.identifier)
                }
                By::Block => {
                    let number =
                        1 + number.wrapping_mul(1_000_000_007).wrapping_add(thread as u64) % last.max(1);
                    self.store.manifest(BatchNumber(number))?.is_some()
                }
            };
            times.push(asked.elapsed());
            if !found {
                stop.store(true, Ordering::Relaxed);
                return Err(format!("{} was not found by {}", key.identifier, by.name()).into());
            }
            if begun.elapsed() >= self.time || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::generate::{self, GenerateArgs};
    use crate::cli::init::{self, InitArgs};
    use crate::exchange::import::{Format, Importer, Options};

    #[test]
    fn every_phase_reads_what_was_imported() {
        let dir = tempfile::tempdir().unwrap();
        let (node_dir, input) = (dir.path().join("node"), dir.path().join("a.jsonl"));
        init::run(&InitArgs::of(&node_dir), &mut std::io::sink()).unwrap();
        generate::run(&GenerateArgs::of(200, 9, &input), &mut std::io::sink()).unwrap();
        let config = node_dir.join("node.toml");
        let node = open_node(NodeSettings::read(&config).unwrap()).unwrap();
        let importer = Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ()));
        let mut importer = importer.unwrap();
        importer.file("a", Format::JsonLines, std::fs::File::open(&input).unwrap()).unwrap();
        assert_eq!(importer.finish().unwrap().imported, 200);
        node.close().unwrap();
        drop(node);
        let args = ReadBench { config: ConfigFile { config }, records: 200, seed: 9, seconds: 0, json: true };
        let mut out = Vec::new();
        run(&args, &mut out).unwrap();
        let figures: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let phases = figures["phases"].as_array().unwrap();
        assert_eq!(phases.len(), 9);
        assert!(phases.iter().all(|phase| phase["reads"].as_u64() >= phase["threads"].as_u64()));
    }
}
