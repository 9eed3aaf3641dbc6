//! `import`: licences from files into the store.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::arguments::ConfigFile;
use super::open::open_node;
use super::progress::ProgressLine;
use crate::exchange::import::{Format, ImportError, Importer, Options, Progress, Stage};
use crate::node::{Error, NodeSettings};
use crate::store::Intake;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// JSON Lines (.jsonl, .ndjson) or CSV (.csv), also with .gz or .zst
    #[arg(required_unless_present = "abandon")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
    /// Take up an interrupted import, with the same files; count licences that are here already instead
    /// of refusing them
    #[arg(long)]
    resume: bool,
    /// Drop an interrupted import; nothing of it goes in
    #[arg(long, conflicts_with_all = ["resume", "files"])]
    abandon: bool,
    /// Where refused lines are listed; default: refused.jsonl in the current folder
    #[arg(long, default_value = "refused.jsonl")]
    refused: PathBuf,
    /// Report progress and the result as JSON lines
    #[arg(long)]
    json: bool,
}

/// Exit status 0 only if no line was refused.
pub fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let node = open_node(NodeSettings::read(&args.config.config)?)?;
    if args.abandon {
        let dropped = Intake::abandon(&node.store)?;
        node.close()?;
        writeln!(out, "{}", if dropped { "the interrupted import is dropped" } else { "there is none" })?;
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let mut line = ProgressLine::new();
    let result = {
        let mut pace = Pace::new(started);
        let report = |progress: &Progress| {
            if args.json {
                let report = json!({ "progress": progress, "seconds": started.elapsed().as_secs_f64() });
                let _ = writeln!(out, "{report}").and_then(|()| out.flush());
            } else {
                line.show(pace.line(progress));
            }
        };
        let options = Options { resume: args.resume, refused: Some(&args.refused) };
        let mut importer =
            Importer::new(&node.exchange, &node.store, options, Box::new(report)).map_err(stopped)?;
        for file in &args.files {
            let (format, content) = open(file)?;
            importer.file(&file.display().to_string(), format, content).map_err(stopped)?;
        }
        importer.finish().map_err(stopped)?
    };
    line.end();
    node.close()?;
    let seconds = started.elapsed().as_secs_f64();
    let fill = result.imported as f64 / (result.batches as f64).max(1.0);
    if args.json {
        writeln!(out, "{}", json!({ "result": result, "meanFill": fill, "seconds": seconds }))?;
    } else {
        writeln!(
            out,
            "{} lines: {} imported in {} batches of {fill:.1} on average, {} were here, {} refused (see {}); {seconds:.0} s, {:.0} a second",
            result.lines,
            result.imported,
            result.batches,
            result.already_here,
            result.refused,
            args.refused.display(),
            result.imported as f64 / seconds.max(0.001),
        )?;
    }
    Ok(if result.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says how fast a stage goes and how long it has still to go.
struct Pace {
    stage: Stage,
    begun: Instant,
    before: u64,
}

impl Pace {
    fn new(begun: Instant) -> Self {
        Self { stage: Stage::default(), begun, before: 0 }
    }

    fn line(&mut self, progress: &Progress) -> String {
        let (done, of) = match progress.stage {
            Stage::Reading => (progress.lines, None),
            Stage::Sealing => (progress.sealed + progress.already_here, Some(progress.records)),
            Stage::Loading => (progress.loaded, Some(progress.sealed)),
            Stage::Resolving | Stage::Logging | Stage::Done => (0, None),
        };
        if self.stage != progress.stage {
            *self = Self { stage: progress.stage, begun: Instant::now(), before: done };
        }
        let refused = progress.refused;
        let rate = (done - self.before.min(done)) as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        match (progress.stage, of) {
            (Stage::Reading, _) => format!("reading: {done} lines, {refused} refused, {rate:.0} a second"),
            (Stage::Sealing | Stage::Loading, Some(of)) => {
                let left = of.saturating_sub(done) as f64 / rate.max(1.0);
                let word = if progress.stage == Stage::Sealing { "sealing" } else { "loading" };
                format!("{word}: {done} of {of}, {refused} refused, {rate:.0} a second, {left:.0} s left")
            }
            (Stage::Resolving, _) => "sorting identifiers".to_owned(),
            (Stage::Logging, _) => "writing the log".to_owned(),
            _ => format!("{} imported, {refused} refused", progress.imported),
        }
    }
}

/// Nothing of it is in the store; what was done is taken up by a second run.
fn stopped(why: ImportError) -> Error {
    let cause = match why {
        ImportError::Export(why) => return why.into(),
        why if why.is_refusal() => why.to_string(),
        why => {
            tracing::error!(what = "import", %why, "an operation failed");
            "the cause stands in the lines above".to_owned()
        }
    };
    format!("the import stopped: {cause}; run it again with --resume to take it up").into()
}

fn open(path: &Path) -> Result<(Format, Box<dyn Read + Send>), Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let file = BufReader::new(File::open(path).map_err(|why| format!("{}: {why}", path.display()))?);
    let (stem, content): (&str, Box<dyn Read + Send>) = if let Some(stem) = name.strip_suffix(".gz") {
        (stem, Box::new(flate2::bufread::MultiGzDecoder::new(file)))
    } else if let Some(stem) = name.strip_suffix(".zst") {
        (stem, Box::new(zstd::Decoder::with_buffer(file)?))
    } else {
        (&name, Box::new(file))
    };
    let format = match Path::new(stem).extension().and_then(|extension| extension.to_str()) {
        Some("jsonl" | "ndjson" | "json") => Format::JsonLines,
        Some("csv") => Format::Csv,
        _ => return Err(format!("{}: neither JSON Lines (.jsonl) nor CSV (.csv)", path.display()).into()),
    };
    Ok((format, content))
}
