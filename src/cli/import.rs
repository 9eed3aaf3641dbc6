//! `import`: licences from files into the store.

use std::fs::File;
use std::io::{BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::ConfigFile;
use crate::exchange::import::{Format, Importer, Progress};
use crate::exchange::problem::Problem;
use crate::node::{Error, NodeSettings};
use crate::store::StoreAdmin;
use crate::time::{Clock, SystemClock};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// JSON Lines (.jsonl, .ndjson) or CSV (.csv), also with .gz or .zst
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
    /// Count licences that are here already instead of refusing them: to take up a stopped import
    #[arg(long)]
    resume: bool,
    /// Where refused lines are listed; default: refused.jsonl in the current folder
    #[arg(long, default_value = "refused.jsonl")]
    refused: PathBuf,
    /// Report progress and the result as JSON lines
    #[arg(long)]
    json: bool,
}

/// Exit status 0 only if no line was refused.
pub fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let node = super::open_node(NodeSettings::read(&args.config.config)?)?;
    let refusals = BufWriter::new(File::create(&args.refused)?);
    let started = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let progress = {
        let mut report = |progress: &Progress| {
            if args.json {
                // Whoever reads these lines relies on them: what they count is durable.
                let line = json!({ "progress": progress });
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            } else if terminal {
                let rate = progress.imported as f64 / started.elapsed().as_secs_f64().max(0.001);
                eprint!("\r{} imported, {} refused, {rate:.0} a second", progress.imported, progress.refused);
            }
        };
        let mut importer =
            Importer::new(&node.exchange, args.resume, Box::new(refusals), Box::new(&mut report));
        for file in &args.files {
            let (format, content) = open(file)?;
            importer.file(&file.display().to_string(), format, content).map_err(stopped)?;
        }
        importer.finish().map_err(stopped)?
    };
    if terminal && !args.json {
        eprintln!();
    }
    // Only a copy that was read back makes the import safe from the store's own engine.
    if progress.imported > 0 {
        node.store.export(SystemClock.now())?;
    }
    node.close()?;
    if args.json {
        writeln!(out, "{}", json!({ "result": progress, "seconds": started.elapsed().as_secs_f64() }))?;
    } else {
        writeln!(
            out,
            "{} lines: {} imported in {} batches, {} were here, {} refused (see {})",
            progress.lines,
            progress.imported,
            progress.batches,
            progress.already_here,
            progress.refused,
            args.refused.display()
        )?;
    }
    Ok(if progress.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was counted is there; the rest is taken up by a second run.
fn stopped(why: Problem) -> Error {
    let cause = if why.status >= 500 { "the cause stands in the lines above".to_owned() } else { why.detail };
    format!("the import stopped: {cause}; run it again with --resume to take up the rest").into()
}

fn open(path: &Path) -> Result<(Format, Box<dyn Read>), Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let file = BufReader::new(File::open(path).map_err(|why| format!("{}: {why}", path.display()))?);
    let (stem, content): (&str, Box<dyn Read>) = if let Some(stem) = name.strip_suffix(".gz") {
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
