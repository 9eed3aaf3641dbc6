//! Reports of `store` as a person reads them. They come as JSON, whoever did the work, and `--json` shows
//! that.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::command::StoreCommand;
use crate::node::Error;
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
    let named = breakdown.map(with_names).transpose()?;
    if is_json {
        let mut whole = report.clone();
        if let (Some(object), Some(Value::Object(parts))) = (whole.as_object_mut(), named) {
            object.extend(parts);
        }
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)?;
    } else {
        match command {
            StoreCommand::Stats { .. } => stats(report, named.as_ref(), out)?,
            StoreCommand::Check { .. } => check(report, out)?,
            StoreCommand::Export { .. } => export(report, out)?,
            StoreCommand::Compact { .. } => {
                let (before, after) = (text(report, "/bytesBefore"), text(report, "/bytesAfter"));
                writeln!(out, "{before} bytes before, {after} after")?;
            }
            StoreCommand::Rekey { master: true, .. } => mastered(report, out)?,
            StoreCommand::Rekey { data, .. } => rekeyed(*data, report, out)?,
            StoreCommand::Backup { .. } => backup(report, out)?,
            StoreCommand::Restore { .. } => restored(report, out)?,
            StoreCommand::Drill { .. } => drilled(report, out)?,
            StoreCommand::Probe { .. } => {}
        }
    }
    let well = match command {
        StoreCommand::Check { .. } => is_sound(report),
        StoreCommand::Drill { .. } => report.get("proved") == Some(&true.into()),
        _ => true,
    };
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A member as text; a number, a word, or `?`.
fn text(value: &Value, at: &str) -> String {
    match value.pointer(at) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "?".to_owned(),
    }
}

fn list<'a>(value: &'a Value, at: &str) -> &'a [Value] {
    value.pointer(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn number(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or_default()
}

/// The types with their names in the catalogue.
fn with_names(breakdown: &Value) -> Result<Value, Error> {
    let catalogue = Catalogue::embedded()?;
    let named = |one: &Value| {
        let code = TypeCode::parse(&text(one, "/typeCode")).ok();
        let name = code.and_then(|code| catalogue.get(&code)).map(|kind| kind.name.clone());
        let mut one = one.clone();
        if let Some(object) = one.as_object_mut() {
            object.insert("name".to_owned(), json!(name));
        }
        one
    };
    let types: Vec<Value> = list(breakdown, "/types").iter().map(named).collect();
    Ok(json!({ "types": types, "trees": list(breakdown, "/trees") }))
}

fn stats(stats: &Value, breakdown: Option<&Value>, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(stats, at);
    writeln!(out, "store         {}", of("/storeId"))?;
    writeln!(out, "licences      {} in {} batches", of("/licences"), of("/batches"))?;
    writeln!(out, "changes       {} of status", of("/statusChanges"))?;
    let since = of("/operationsSinceCheckpoint");
    writeln!(out, "operations    {}, {since} since the last checkpoint", of("/operations"))?;
    match stats.get("exportedOperations").and_then(Value::as_u64) {
        Some(exported) => writeln!(out, "exported      up to operation {exported}")?,
        None => writeln!(out, "exported      never")?,
    }
    for (name, at) in [
        ("sled", "/sledBytes"),
        ("journal", "/journalBytes"),
        ("volumes", "/volumeBytes"),
        ("exports", "/exportBytes"),
        ("dictionaries", "/dictionaryBytes"),
    ] {
        writeln!(out, "{name:<13} {} bytes", of(at))?;
    }
    for warning in list(stats, "/warnings") {
        writeln!(out, "warning       {}: {}", text(warning, "/name"), text(warning, "/detail"))?;
    }
    let Some(breakdown) = breakdown else { return Ok(()) };
    writeln!(out, "\n{:<22} {:>10} {:>9} {:>13}  name", "type", "licences", "batches", "bytes")?;
    for one in list(breakdown, "/types") {
        let [code, licences, batches, bytes, name] =
            ["/typeCode", "/licences", "/batches", "/bytes", "/name"].map(|at| text(one, at));
        writeln!(out, "{code:<22} {licences:>10} {batches:>9} {bytes:>13}  {name}")?;
    }
    for tree in list(breakdown, "/trees") {
        writeln!(out, "tree {:<17} {:>10} values", text(tree, "/tree"), text(tree, "/values"))?;
    }
    Ok(())
}

fn is_sound(report: &Value) -> bool {
    report.get("findings") == Some(&json!([])) && report.get("moreFindings") == Some(&0.into())
}

fn check(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    for finding in list(report, "/findings") {
        let part = |at| text(finding, at);
        writeln!(out, "{}: {}: {}", part("/name"), part("/location"), part("/detail"))?;
    }
    if number(report, "/moreFindings") > 0 {
        writeln!(out, "and {} more", of("/moreFindings"))?;
    }
    let (batches, licences, entries) = (of("/batches"), of("/licences"), of("/indexEntries"));
    writeln!(out, "{batches} batches, {licences} licences, {entries} index entries checked")?;
    let (statuses, states) = (of("/statuses"), of("/states"));
    writeln!(out, "{statuses} status changes, {states} states, {} seals checked", of("/impressions"))?;
    writeln!(out, "{}", if is_sound(report) { "sound" } else { "NOT SOUND" })
}

fn export(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    writeln!(out, "{}", of("/file"))?;
    let (operations, batches, bytes) = (of("/operations"), of("/batches"), of("/bytes"));
    writeln!(out, "{operations} operations, {batches} batches, {bytes} bytes; read back and the same")
}

fn rekeyed(data: bool, report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    if !data {
        return writeln!(out, "salt key {} for what is sealed from now on", of("/key"));
    }
    let (key, values, files) = (of("/key"), of("/values"), of("/files"));
    writeln!(out, "data key {key}: {values} values and {files} files written anew")?;
    for retired in list(report, "/retired") {
        writeln!(out, "data key {retired} is gone")?;
    }
    for needing in list(report, "/needing") {
        writeln!(out, "older keys stay for {}", needing.as_str().unwrap_or("?"))?;
    }
    Ok(())
}

fn mastered(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    let (files, keys) = (of("/storeKeyFiles"), of("/logKeys"));
    writeln!(
        out,
        "{files} key files of the store and {keys} keys of the access log are under the new master key"
    )?;
    let line = toml::Value::String(of("/masterKey"));
    writeln!(out, "set in {}, under [files]: master_key = {line}", of("/configuration"))?;
    writeln!(out, "keep the older key as long as you keep a backup that was made before")
}

fn backup(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    writeln!(out, "{}", of("/manifest"))?;
    let (licences, changes) = (of("/counters/licences"), of("/counters/statusChanges"));
    writeln!(out, "backup {} of {licences} licences and {changes} status changes", of("/number"))?;
    writeln!(
        out,
        "{} bytes in {} files; {} bytes in {} files were new, and read back the same",
        of("/bytes"),
        of("/files"),
        of("/copiedBytes"),
        of("/copiedFiles")
    )?;
    for dropped in list(report, "/dropped") {
        writeln!(out, "dropped backup {dropped}")?;
    }
    for name in list(report, "/unreadable") {
        writeln!(out, "DOES NOT READ: {}; until it is gone no file is removed", text(name, ""))?;
    }
    Ok(())
}

fn restored(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    let of = |at: &str| text(report, at);
    writeln!(out, "backup {}, as of {}", of("/backup"), of("/made"))?;
    let (licences, batches) = (of("/counters/licences"), of("/counters/batches"));
    let changes = of("/counters/statusChanges");
    writeln!(out, "{licences} licences in {batches} batches, {changes} status changes")?;
    writeln!(out, "{} log entries; {} bytes in {} files", of("/logEntries"), of("/bytes"), of("/files"))
}

fn drilled(report: &Value, out: &mut dyn Write) -> std::io::Result<()> {
    restored(report, out)?;
    check(report.get("check").unwrap_or(&Value::Null), out)?;
    writeln!(out, "{} licences read by identifier", text(report, "/licencesRead"))?;
    for (what, at) in
        [("restored", "/restoreSeconds"), ("checked", "/checkSeconds"), ("read", "/readSeconds")]
    {
        let seconds = report.pointer(at).and_then(Value::as_f64).unwrap_or_default();
        writeln!(out, "{what} in {seconds:.1} s")?;
    }
    writeln!(out, "{}", if report.get("proved") == Some(&true.into()) { "proved" } else { "NOT PROVED" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(command: &StoreCommand, value: &Value, breakdown: Option<&Value>) -> (String, bool) {
        let mut out = Vec::new();
        let code = report(command, value, breakdown, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS))
    }

    #[test]
    fn a_check_ends_well_only_if_it_found_nothing() {
        let command = |json| StoreCommand::Check { every: 1, findings: 10, rate: None, json };
        let good = json!({ "batches": 2, "findings": [], "moreFindings": 0 });
        let (text, well) = told(&command(false), &good, None);
        assert!(well && text.ends_with("sound\n") && text.starts_with("2 batches"), "{text}");
        let finding = json!({ "name": "leaf", "location": "batch 1 slot 2", "detail": "it differs" });
        for bad in [
            json!({ "findings": [finding], "moreFindings": 0 }),
            json!({ "findings": [], "moreFindings": 1 }),
            json!({}),
        ] {
            let (text, well) = told(&command(false), &bad, None);
            assert!(!well && text.ends_with("NOT SOUND\n"), "{text}");
            assert!(!told(&command(true), &bad, None).1);
        }
    }

    #[test]
    fn a_drill_ends_well_only_if_it_proved_the_backup() {
        let command =
            |json| StoreCommand::Drill { dir: "d".into(), backup: None, every: 1, scratch: None, json };
        for (proved, word) in [(true, "\nproved\n"), (false, "\nNOT PROVED\n")] {
            let value = json!({ "proved": proved, "check": { "findings": [], "moreFindings": 0 } });
            let (text, well) = told(&command(false), &value, None);
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
        let one = json!({ "typeCode": kind.code, "licences": 3, "batches": 1, "bytes": 900 });
        let breakdown = json!({ "types": [one], "trees": [{ "tree": "id", "values": 3 }] });
        let stats = json!({ "licences": 3, "exportedOperations": null, "sledBytes": 7 });
        let command = |json| StoreCommand::Stats { by_type: true, json };
        let (text, _) = told(&command(false), &stats, Some(&breakdown));
        assert!(text.contains(&kind.name) && text.contains("exported      never"), "{text}");
        let (text, _) = told(&command(true), &stats, Some(&breakdown));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["types"][0]["name"], json!(kind.name));
        assert_eq!((&value["sledBytes"], &value["trees"][0]["values"]), (&json!(7), &json!(3)));
    }
}
