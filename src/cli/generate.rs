//! `generate`: synthetic licences as JSON Lines, on the standard output or in a file.
//!
//! Threads make chunks of a fixed number of records, in turn, and compress them where the file's
//! name asks for it; one thread writes them in order. So the bytes do not depend on the number of
//! threads, and no more than two chunks a thread wait in memory. A chunk is a zstd frame or a gzip
//! member of its own: a sequence of those is a file that every reader knows.
//!
//! A file has its name only once it is whole and on disk; until then it is `NAME.part`, which a
//! failure removes. A reader that has enough (`head`) closes the pipe: then the command ends
//! without a word and with status 141, as `cat` and `seq` do in a shell. That is not 0, because
//! less was written than was asked for.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use clap::Args;

use super::progress::ProgressLine;
use crate::node::Error;
use licence_seal::licence::{Catalogue, Generator, Region};

/// Records that are made, compressed and written as one: about 4 MB.
const CHUNK: u64 = 4_096;
/// More threads are of no use, and the system may refuse them.
const MAX_THREADS: usize = 256;
/// Chunks of one thread that wait to be written.
const WAITING: usize = 2;
const ZSTD_LEVEL: i32 = 3;
/// What a shell reports of a program that the signal SIGPIPE ended.
const PIPE_CLOSED: u8 = 128 + 13;

/// Write synthetic licences of all types as JSON Lines. Nobody in them exists.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// How many.
    #[arg(long)]
    records: u64,
    /// The same seed gives the same records.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Region: 120000 Tianjin, 110000 Beijing, 130000 Hebei.
    #[arg(long, default_value = "120000")]
    region: String,
    /// Number of the first record, to make a part of a larger set. About one record in a hundred is
    /// a new version of one some 6,000 earlier, which may lie before the part.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads that make records; default: one a core. The bytes are the same with any number.
    #[arg(long)]
    threads: Option<usize>,
    /// Write to this file instead of the standard output; compressed if it ends in .zst or .gz.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl GenerateArgs {
    /// A set of Tianjin into a file.
    pub(super) fn of(records: u64, seed: u64, output: &Path) -> Self {
        let region = Region::TIANJIN.code().to_owned();
        Self { records, seed, region, first: 0, threads: None, output: Some(output.to_owned()) }
    }
}

/// How chunks are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    Plain,
    Zstd,
    Gzip,
}

impl Packing {
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("zst") => Self::Zstd,
            Some("gz") => Self::Gzip,
            _ => Self::Plain,
        }
    }

    fn pack(self, lines: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(lines),
            Self::Zstd => zstd::bulk::compress(&lines, ZSTD_LEVEL),
            Self::Gzip => {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                packed.write_all(&lines)?;
                packed.finish()
            }
        }
    }
}

/// Runs the command.
pub fn run(args: &GenerateArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let region =
        Region::parse(&args.region).ok_or("no sample data for this region: 120000, 110000 or 130000")?;
    let generator = Generator::new(Catalogue::embedded()?, args.seed, region)?;
    let end = args.first.checked_add(args.records).ok_or("too many records")?;
    let threads = match args.threads {
        Some(0) => return Err("--threads: at least one".into()),
        Some(threads) => threads.min(MAX_THREADS),
        None => thread::available_parallelism().map_or(1, usize::from),
    };
    let set = Set { generator: &generator, first: args.first, end };
    let Some(path) = &args.output else {
        return match write_all(&set, threads, Packing::Plain, out) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(why) if is_closed_pipe(&why) => Ok(ExitCode::from(PIPE_CLOSED)),
            Err(why) => Err(why),
        };
    };
    let named = |why: Error| format!("{}: {why}", path.display());
    to_file(path, |file| write_all(&set, threads, Packing::of(path), file)).map_err(named)?;
    Ok(ExitCode::SUCCESS)
}

fn is_closed_pipe(why: &Error) -> bool {
    why.downcast_ref::<io::Error>().is_some_and(|why| why.kind() == io::ErrorKind::BrokenPipe)
}

/// Fills a file that is there only if all went well. A pipe or device is written as it stands.
fn to_file(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), Error>) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fill(&mut File::options().write(true).open(path)?);
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    let filled = fill(&mut file).and_then(|()| {
        file.sync_all()?;
        Ok(fs::rename(&part, path)?)
    });
    if filled.is_err() {
        // The failure is what counts; that nothing is left behind is a courtesy.
        let _ = fs::remove_file(&part);
    }
    filled
}

/// The records to make.
struct Set<'a> {
    generator: &'a Generator<'a>,
    first: u64,
    end: u64,
}

impl Set<'_> {
    /// The records of the chunk at this place, `None` behind the last.
    fn chunk(&self, at: u64) -> Option<std::ops::Range<u64>> {
        let from = self.first.checked_add(at.checked_mul(CHUNK)?).filter(|from| *from < self.end)?;
        Some(from..self.end.min(from.saturating_add(CHUNK)))
    }

    fn lines(&self, records: std::ops::Range<u64>, packing: Packing) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        for n in records {
            self.generator.write_line(n, &mut lines)?;
        }
        Ok(packing.pack(lines)?)
    }

    /// Every `threads`th chunk from the `worker`th, until the writer has gone.
    fn work(&self, worker: u64, threads: usize, packing: Packing, done: &SyncSender<Result<Vec<u8>, Error>>) {
        let chunks = (worker..).step_by(threads).map_while(|at| self.chunk(at));
        for records in chunks {
            let made = self.lines(records, packing);
            let failed = made.is_err();
            if done.send(made).is_err() || failed {
                return;
            }
        }
    }
}

fn write_all(set: &Set<'_>, threads: usize, packing: Packing, out: &mut dyn Write) -> Result<(), Error> {
    thread::scope(|scope| {
        let workers: Vec<Receiver<_>> = (0..threads)
            .zip(0..)
            .map(|(_, worker)| {
                let (done, made) = sync_channel(WAITING);
                scope.spawn(move || set.work(worker, threads, packing, &done));
                made
            })
            .collect();
        let (records, started) = (set.end - set.first, Instant::now());
        let mut line = ProgressLine::new();
        // The chunks in order: the workers take turns.
        for (at, worker) in (0..).zip(workers.iter().cycle()).take_while(|(at, _)| set.chunk(*at).is_some()) {
            let chunk = worker.recv().map_err(|_| "a thread ended early")??;
            out.write_all(&chunk)?;
            let done = set.chunk(at).map_or(0, |records| records.end - set.first);
            if line.is_due() || done == records {
                let rate = done as f64 / started.elapsed().as_secs_f64().max(0.001);
                line.show(format_args!("{done} of {records} records, {rate:.0} a second"));
            }
        }
        out.flush()?;
        line.end();
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use licence_seal::licence::Record;

    fn args(first: u64, records: u64) -> GenerateArgs {
        GenerateArgs { records, seed: 5, region: "130000".to_owned(), first, threads: Some(2), output: None }
    }

    fn lines(args: &GenerateArgs) -> Vec<u8> {
        let mut out = Vec::new();
        run(args, &mut out).unwrap();
        out
    }

    #[test]
    fn every_line_is_a_record_and_parts_join_to_the_whole() {
        let whole = lines(&args(0, 40));
        assert_eq!([lines(&args(0, 15)), lines(&args(15, 25))].concat(), whole);
        let catalogue = Catalogue::embedded().unwrap();
        let records = whole.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let parsed: Vec<Record> = records.map(|line| Record::parse_json(line, catalogue).unwrap()).collect();
        assert_eq!(parsed.len(), 40);
    }

    #[test]
    fn the_bytes_are_the_same_with_any_number_of_threads_and_in_every_packing() {
        let dir = tempfile::tempdir().unwrap();
        let records = 3 * CHUNK + 5;
        let plain = lines(&args(7, records));
        assert_eq!(plain.iter().filter(|byte| **byte == b'\n').count(), 3 * 4_096 + 5);
        for threads in [1, 3, 8, usize::MAX] {
            assert!(
                lines(&GenerateArgs { threads: Some(threads), ..args(7, records) }) == plain,
                "{threads}"
            );
        }
        for name in ["a.jsonl", "a.jsonl.zst", "a.jsonl.gz"] {
            let packed = |threads| {
                let path = dir.path().join(name);
                let args =
                    GenerateArgs { threads: Some(threads), output: Some(path.clone()), ..args(7, records) };
                assert!(lines(&args).is_empty());
                fs::read(path).unwrap()
            };
            let file = packed(1);
            assert!(file == packed(3), "{name}");
            let mut unpacked = Vec::new();
            match Packing::of(Path::new(name)) {
                Packing::Plain => unpacked.clone_from(&file),
                Packing::Zstd => unpacked = zstd::decode_all(file.as_slice()).unwrap(),
                Packing::Gzip => {
                    flate2::read::MultiGzDecoder::new(file.as_slice())
                        .read_to_end(&mut unpacked)
                        .map(drop)
                        .unwrap();
                }
            }
            assert!(unpacked == plain, "{name}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no part is left");
    }

    /// Takes so many bytes, then fails.
    struct Narrow(usize, io::ErrorKind);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(self.1)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_ends_it_quietly_and_a_full_disk_is_an_error() {
        let run = |kind| run(&args(0, 20 * CHUNK), &mut Narrow(10 << 20, kind));
        assert_eq!(run(io::ErrorKind::BrokenPipe).unwrap(), ExitCode::from(PIPE_CLOSED));
        let told = run(io::ErrorKind::StorageFull).unwrap_err().to_string();
        assert_eq!(told, io::Error::from(io::ErrorKind::StorageFull).to_string());
    }

    #[test]
    fn a_file_that_cannot_be_filled_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        fs::write(&path, b"of old").unwrap();
        let told = to_file(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull).into())
        });
        assert!(told.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"of old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let absent = GenerateArgs { output: Some(dir.path().join("no/a.jsonl")), ..args(0, 1) };
        let told = run(&absent, &mut io::sink()).unwrap_err().to_string();
        assert!(told.contains("a.jsonl"), "{told}");
    }
}
