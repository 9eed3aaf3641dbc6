//! `generate`: synthetic licences as JSON Lines on the standard output.

use std::error::Error;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::Args;

use crate::licence::{Catalogue, Generator, Region};

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
    /// Number of the first record, to make a part of a larger set.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// Runs the command.
pub fn run(args: &GenerateArgs, out: &mut dyn Write) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let region =
        Region::parse(&args.region).ok_or("no sample data for this region: 120000, 110000 or 130000")?;
    let generator = Generator::new(Catalogue::embedded()?, args.seed, region)?;
    let end = args.first.checked_add(args.records).ok_or("too many records")?;
    let mut out = BufWriter::new(out);
    for n in args.first..end {
        serde_json::to_writer(&mut out, &generator.record(n)?.to_json())?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::licence::Record;

    #[test]
    fn every_line_is_a_record_and_parts_join_to_the_whole() {
        let lines = |first, records| {
            let mut out = Vec::new();
            let args = GenerateArgs { records, seed: 5, region: "130000".to_owned(), first };
            run(&args, &mut out).unwrap();
            out
        };
        let whole = lines(0, 40);
        assert_eq!([lines(0, 15), lines(15, 25)].concat(), whole);
        let catalogue = Catalogue::embedded().unwrap();
        let records = whole.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        let parsed: Vec<Record> = records.map(|line| Record::parse_json(line, catalogue).unwrap()).collect();
        assert_eq!(parsed.len(), 40);
    }
}
