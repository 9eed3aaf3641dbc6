//! Verifies one file with a trust folder: `cargo run --example verify -- TRUST_FOLDER FILE`.

use std::path::Path;
use std::process::ExitCode;

use licence_seal::licence::Catalogue;
use licence_seal::ofd::{FileKind, Limits};
use licence_seal::seal::{Ask, Indication, Trust};
use licence_seal::time::{Clock, SystemClock};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file] = arguments.as_slice() else {
        return Err("two arguments are wanted: the trust folder, and a file".into());
    };
    // Without a file system: Trust::from_files(name, bytes), and the bytes from wherever they are.
    let trust = Trust::read(Path::new(folder))?;
    let bytes = std::fs::read(file)?;

    // The catalogue gives the shown fields their labels.
    let ask = Ask { at: SystemClock.now(), seal_only: false, catalogue: Some(Catalogue::embedded()?) };
    let kind = FileKind::by_name(file).or_else(|| FileKind::by_content(&bytes));
    let kind = kind.ok_or("neither a sealed licence nor a seal, a stamp or an OFD")?;
    let report = kind.verify(file, &bytes, &trust, &ask, &Limits::default());

    println!("{} {}", report.verdict.indication.word(), report.summary.zh);
    println!("{}", report.summary.en);
    for check in report.open_checks() {
        println!("  {}: {}", check.name, check.reason.as_deref().unwrap_or("not passed"));
    }
    let passed = report.verdict.indication == Indication::TotalPassed;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
