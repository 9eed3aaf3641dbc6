//! Reports of `store` as a person reads them. They come as JSON, whoever did the work: `--json` shows that,
//! and words are made from the types that the JSON came from.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::StoreCommand;
use super::rekey::NewMasterKey;
use crate::exchange::backup::{DrillReport, RestoreReport};
use crate::exchange::master::MasterKeyReport;
use crate::node::Error;
use crate::store::{
    BackupReport, Breakdown, CheckReport, CompactReport, Counters, ExportReport, Finding, RekeyReport,
    StoreStats, TreeValues, TypeStats,
};
use licence_seal::licence::{Catalogue, TypeCode};

/// Prints the report of a command, and says with which status the program ends. `breakdown` goes with
/// `stats --by-type`.
pub(super) fn report(
    command: &StoreCommand,
    report: &Value,
    breakdown: Option<&Value>,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let is_json = match command {
        StoreCommand::Stats { json, .. }
        | StoreCommand::Check { json, .. }
        | StoreCommand::Export { json }
        | StoreCommand::Compact { json }
        | StoreCommand::Rekey { json, .. }
        | StoreCommand::Backup { json, .. }
        | StoreCommand::Restore { json, .. }
        | StoreCommand::Drill { json, .. } => *json,
        StoreCommand::Probe { .. } => false,
    };
    let named = match breakdown {
        Some(breakdown) => Some(with_names(read(breakdown)?)?),
        None => None,
    };
    if is_json {
        let mut whole = report.clone();
        if let (Some(object), Value::Object(parts)) = (whole.as_object_mut(), serde_json::to_value(named)?) {
            object.extend(parts);
        }
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
    } else {
        match command {
            StoreCommand::Stats { .. } => stats(&read(report)?, named.as_ref(), out)?,
            StoreCommand::Check { .. } => check(&read(report)?, out)?,
            StoreCommand::Export { .. } => export(&read(report)?, out)?,
            StoreCommand::Compact { .. } => {
                let CompactReport { bytes_before, bytes_after, .. } = read(report)?;
                writeln!(out, "{bytes_before} bytes before, {bytes_after} after")?;
            }
            StoreCommand::Rekey { master: true, .. } => mastered(&read(report)?, out)?,
            StoreCommand::Rekey { data: true, .. } => rekeyed(&read(report)?, out)?,
            StoreCommand::Rekey { .. } => {
                let SaltKey { key } = read(report)?;
                writeln!(out, "salt key {key} for what is sealed from now on")?;
            }
            StoreCommand::Backup { .. } => backup(&read(report)?, out)?,
            StoreCommand::Restore { .. } => restored(&read(report)?, out)?,
            StoreCommand::Drill { .. } => drilled(&read(report)?, out)?,
            StoreCommand::Probe { .. } => {}
        }
    }
    let well = match command {
        StoreCommand::Check { .. } => read::<CheckReport>(report).is_ok_and(|report| report.is_sound()),
        StoreCommand::Drill { .. } => read::<DrillReport>(report).is_ok_and(|report| report.proved),
        _ => true,
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A report as the type that it was made from.
fn read<T: DeserializeOwned>(report: &Value) -> Result<T, Error> {
    T::deserialize(report).map_err(|_| "the node's answer does not read".into())
}

/// The newest salt key.
#[derive(Deserialize)]
struct SaltKey {
    key: u32,
}

/// What one type has, with its name in the catalogue.
#[derive(Serialize)]
struct NamedType {
    #[serde(flatten)]
    stats: TypeStats,
    name: Option<String>,
}

#[derive(Serialize)]
struct NamedBreakdown {
    types: Vec<NamedType>,
    trees: Vec<TreeValues>,
}

fn with_names(breakdown: Breakdown) -> Result<NamedBreakdown, Error> {
    let catalogue = Catalogue::embedded()?;
    let named = |stats: TypeStats| {
        let code = TypeCode::parse(&stats.type_code).ok();
        let name = code.and_then(|code| catalogue.get(&code)).map(|kind| kind.name.clone());
        NamedType { stats, name }
    };
    Ok(NamedBreakdown { types: breakdown.types.into_iter().map(named).collect(), trees: breakdown.trees })
}

fn stats(stats: &StoreStats, breakdown: Option<&NamedBreakdown>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "store         {}", stats.store_id)?;
    writeln!(out, "licences      {} in {} batches", stats.licences, stats.batches)?;
    writeln!(out, "changes       {} of status", stats.status_changes)?;
    let since = stats.operations_since_checkpoint;
    writeln!(out, "operations    {}, {since} since the last checkpoint", stats.operations)?;
    match stats.exported_operations {
        Some(exported) => writeln!(out, "exported      up to operation {exported}")?,
        None => writeln!(out, "exported      never")?,
    }
    for (name, bytes) in [
        ("sled", stats.sled_bytes),
        ("journal", stats.files.journal),
        ("volumes", stats.files.volumes),
        ("exports", stats.files.exports),
        ("dictionaries", stats.files.dictionaries),
    ] {
        writeln!(out, "{name:<13} {bytes} bytes")?;
    }
    for warning in &stats.warnings {
        writeln!(out, "warning       {}: {}", warning.name, warning.detail)?;
    }
    let Some(breakdown) = breakdown else { return Ok(()) };
    writeln!(out, "\n{:<22} {:>10} {:>9} {:>13}  name", "type", "licences", "batches", "bytes")?;
    for NamedType { stats, name } in &breakdown.types {
        let TypeStats { type_code, licences, batches, bytes } = stats;
        let name = name.as_deref().unwrap_or("?");
        writeln!(out, "{type_code:<22} {licences:>10} {batches:>9} {bytes:>13}  {name}")?;
    }
    for TreeValues { tree, values } in &breakdown.trees {
        writeln!(out, "tree {tree:<17} {values:>10} values")?;
    }
    Ok(())
}

fn check(report: &CheckReport, out: &mut dyn Write) -> io::Result<()> {
    for Finding { name, location, detail } in &report.findings {
        writeln!(out, "{name}: {location}: {detail}")?;
    }
    if report.more_findings > 0 {
        writeln!(out, "and {} more", report.more_findings)?;
    }
    let CheckReport { batches, licences, index_entries, statuses, states, impressions, .. } = report;
    writeln!(out, "{batches} batches, {licences} licences, {index_entries} index entries checked")?;
    writeln!(out, "{statuses} status changes, {states} states, {impressions} seals checked")?;
    writeln!(out, "{}", if report.is_sound() { "sound" } else { "NOT SOUND" })
}

fn export(report: &ExportReport, out: &mut dyn Write) -> io::Result<()> {
    let ExportReport { file, operations, batches, bytes, .. } = report;
    writeln!(out, "{}", file.display())?;
    writeln!(out, "{operations} operations, {batches} batches, {bytes} bytes; read back and the same")
}

fn rekeyed(report: &RekeyReport, out: &mut dyn Write) -> io::Result<()> {
    let RekeyReport { key, values, files, retired, needing, .. } = report;
    writeln!(out, "data key {key}: {values} values and {files} files written anew")?;
    for retired in retired {
        writeln!(out, "data key {retired} is gone")?;
    }
    for needing in needing {
        writeln!(out, "older keys stay for {needing}")?;
    }
    Ok(())
}

fn mastered(report: &NewMasterKey, out: &mut dyn Write) -> io::Result<()> {
    let MasterKeyReport { store_key_files, log_keys } = report.wrapped;
    writeln!(
        out,
        "{store_key_files} key files of the store and {log_keys} keys of the access log are under the new master key"
    )?;
    let line = toml::Value::String(report.master_key.to_string());
    writeln!(out, "set in {}, under [files]: master_key = {line}", report.configuration.display())?;
    writeln!(out, "keep the older key as long as you keep a backup that was made before")
}

fn backup(report: &BackupReport, out: &mut dyn Write) -> io::Result<()> {
    let BackupReport { number, manifest, files, bytes, copied_files, copied_bytes, .. } = report;
    let Counters { licences, status_changes, .. } = report.counters;
    writeln!(out, "{}", manifest.display())?;
    writeln!(out, "backup {number} of {licences} licences and {status_changes} status changes")?;
    writeln!(
        out,
        "{bytes} bytes in {files} files; {copied_bytes} bytes in {copied_files} files were new, and read back the same"
    )?;
    for dropped in &report.dropped {
        writeln!(out, "dropped backup {dropped}")?;
    }
    for name in &report.unreadable {
        writeln!(out, "DOES NOT READ: {name}; until it is gone no file is removed")?;
    }
    Ok(())
}

fn restored(report: &RestoreReport, out: &mut dyn Write) -> io::Result<()> {
    let RestoreReport { backup, made, counters, files, bytes, log_entries } = report;
    writeln!(out, "backup {backup}, as of {made}")?;
    let Counters { licences, batches, status_changes, .. } = counters;
    writeln!(out, "{licences} licences in {batches} batches, {status_changes} status changes")?;
    writeln!(out, "{log_entries} log entries; {bytes} bytes in {files} files")
}

fn drilled(report: &DrillReport, out: &mut dyn Write) -> io::Result<()> {
    restored(&report.restored, out)?;
    check(&report.check, out)?;
    writeln!(out, "{} licences read by identifier", report.licences_read)?;
    for (what, seconds) in [
        ("restored", report.restore_seconds),
        ("checked", report.check_seconds),
        ("read", report.read_seconds),
    ] {
        writeln!(out, "{what} in {seconds:.1} s")?;
    }
    writeln!(out, "{}", if report.proved { "proved" } else { "NOT PROVED" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::FileBytes;
    use licence_seal::time::Timestamp;

    fn told(command: &StoreCommand, value: &Value, breakdown: Option<&Value>) -> (String, bool) {
        let mut out = Vec::new();
        let code = report(command, value, breakdown, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS))
    }

    #[test]
    fn a_check_ends_well_only_if_it_found_nothing() {
        let command = |json| StoreCommand::Check { every: 1, findings: 10, rate: None, json };
        let checked = |findings: Vec<Finding>, more_findings| {
            json!(CheckReport { batches: 2, findings, more_findings, ..CheckReport::default() })
        };
        let (text, well) = told(&command(false), &checked(vec![], 0), None);
        assert!(well && text.ends_with("sound\n") && text.starts_with("2 batches"), "{text}");
        let finding = Finding {
            name: "leaf".into(),
            location: "batch 1 slot 2".to_owned(),
            detail: "it differs".to_owned(),
        };
        for bad in [checked(vec![finding], 0), checked(vec![], 1)] {
            let (text, well) = told(&command(false), &bad, None);
            assert!(!well && text.ends_with("NOT SOUND\n"), "{text}");
            assert!(!told(&command(true), &bad, None).1);
        }
        assert!(report(&command(false), &json!({}), None, &mut io::sink()).is_err());
        assert!(!told(&command(true), &json!({}), None).1);
    }

    #[test]
    fn a_drill_ends_well_only_if_it_proved_the_backup() {
        let command =
            |json| StoreCommand::Drill { dir: "d".into(), backup: None, every: 1, scratch: None, json };
        for (proved, word) in [(true, "\nproved\n"), (false, "\nNOT PROVED\n")] {
            let counters = Counters { operations: 9, batches: 2, licences: 3, status_changes: 1 };
            let made = Timestamp::from_secs(0);
            let restored = RestoreReport { backup: 1, made, counters, files: 4, bytes: 5, log_entries: 6 };
            let report = DrillReport {
                proved,
                restored,
                check: CheckReport::default(),
                licences_read: 3,
                restore_seconds: 1.0,
                check_seconds: 2.04,
                read_seconds: 3.0,
            };
            let (text, well) = told(&command(false), &json!(report), None);
            assert!(
                text.contains("\nchecked in 2.0 s\n") && text.contains("3 licences in 2 batches"),
                "{text}"
            );
            assert!(text.ends_with(word) && well == proved, "{text}");
        }
        assert!(!told(&command(true), &json!({ "rule": "store.backupFile" }), None).1);
    }

    #[test]
    fn a_new_master_key_is_told_with_the_line_to_set() {
        let to = || Some("keys/\"2\".key".parse().unwrap());
        let command =
            |json| StoreCommand::Rekey { salt: false, data: false, rate: None, master: true, to: to(), json };
        let report =
            json!({ "storeKeyFiles": 2, "logKeys": 3, "configuration": "n.toml", "masterKey": to() });
        let (text, well) = told(&command(false), &report, None);
        assert!(well && text.contains("2 key files of the store and 3 keys of the access log"), "{text}");
        let line = text.lines().find_map(|line| line.strip_prefix("set in n.toml, under [files]: ")).unwrap();
        assert_eq!(line.parse::<toml::Table>().unwrap()["master_key"].as_str(), Some("keys/\"2\".key"));
        assert_eq!(serde_json::from_str::<Value>(&told(&command(true), &report, None).0).unwrap(), report);
    }

    #[test]
    fn types_are_shown_with_their_names() {
        let kind = Catalogue::embedded().unwrap().iter().next().unwrap();
        let one = TypeStats { type_code: kind.code.to_string(), licences: 3, batches: 1, bytes: 900 };
        let tree = TreeValues { tree: "id".into(), values: 3 };
        let breakdown = json!(Breakdown { types: vec![one], trees: vec![tree] });
        let stats = json!(StoreStats {
            store_id: "s".to_owned(),
            licences: 3,
            batches: 1,
            status_changes: 0,
            operations: 1,
            operations_since_checkpoint: 1,
            sled_bytes: 7,
            files: FileBytes { journal: 8, ..FileBytes::default() },
            exported_operations: None,
            warnings: Vec::new(),
        });
        let command = |json| StoreCommand::Stats { by_type: true, json };
        let (text, _) = told(&command(false), &stats, Some(&breakdown));
        assert!(text.contains(&kind.name) && text.contains("exported      never"), "{text}");
        assert!(text.contains("journal       8 bytes"), "{text}");
        let (text, _) = told(&command(true), &stats, Some(&breakdown));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["types"][0]["name"], json!(kind.name));
        assert_eq!((&value["sledBytes"], &value["trees"][0]["values"]), (&json!(7), &json!(3)));
    }
}
