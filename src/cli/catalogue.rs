//! `catalogue list|show|check`: the licence types that this binary knows.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::node::Error;
use licence_seal::licence::{Catalogue, CodeSource, TypeSummary, check_catalogue, json_schema};

/// Look at the catalogue of licence types.
#[derive(Debug, Args)]
pub struct CatalogueArgs {
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(Debug, Subcommand)]
enum CatalogueCommand {
    /// List the types.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one type and its face fields.
    Show {
        /// The 21-character type code, or the Chinese name.
        code: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Print the JSON Schema (2020-12) of the type's records.
        #[arg(long)]
        schema: bool,
    },
    /// Find what is wrong in the catalogue; exit status 1 if anything is.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub fn run(args: &CatalogueArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let catalogue = Catalogue::embedded()?;
    match &args.command {
        CatalogueCommand::List { json } => list(catalogue, *json, out),
        CatalogueCommand::Show { code, json, schema } => show(catalogue, code, *json, *schema, out),
        CatalogueCommand::Check { json } => check(catalogue, *json, out),
    }
}

fn list(catalogue: &Catalogue, json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    if json {
        let types: Vec<TypeSummary<'_>> = catalogue.iter().map(TypeSummary::from).collect();
        print_json(out, &types)?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in catalogue {
        let mark = if entry.source == CodeSource::Test { "*" } else { " " };
        let holder = entry.holder.zh();
        writeln!(out, "{}{mark} {}  {}  {holder}  {}", entry.code, entry.name, entry.sector, entry.name_en)?;
    }
    let (version, authority) = (catalogue.version(), &catalogue.test_authority().name);
    writeln!(out, "{} types, catalogue {version}; * test code under {authority}", catalogue.len())?;
    Ok(ExitCode::SUCCESS)
}

fn show(
    catalogue: &Catalogue,
    code: &str,
    json: bool,
    schema: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let by_name = || catalogue.iter().find(|t| t.name == code);
    let Some(entry) = catalogue.find(code).or_else(by_name) else {
        return Err(format!("the catalogue has no licence type {code}").into());
    };
    if schema {
        print_json(out, &json_schema::record_schema(entry, catalogue.version()))?;
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        print_json(out, entry)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}  {}", entry.name, entry.name_en)?;
    let source = match entry.source {
        CodeSource::Confirmed => "confirmed by a public source",
        CodeSource::Inferred => "inferred from public use",
        CodeSource::Test => "test code, not an official one",
    };
    writeln!(out, "code      {} ({source})", entry.code)?;
    writeln!(out, "defined   {}", entry.defining_authority.name)?;
    writeln!(out, "holder    {} (GB/T 36902 category {})", entry.holder.zh(), entry.holder.category())?;
    writeln!(out, "kind      {}, {}", entry.category, entry.sector)?;
    writeln!(out, "validity  {}", String::from(entry.validity))?;
    writeln!(out, "number    {}", entry.number_label)?;
    if let Some(note) = &entry.note {
        writeln!(out, "note      {note}")?;
    }
    writeln!(out, "fields")?;
    for field in &entry.fields {
        let required = if field.required { "required" } else { "optional" };
        let (name, kind, max) = (&field.name, field.kind.word(), field.max);
        writeln!(out, "  {name}  {}  {kind} up to {max}, {required}", field.label)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(catalogue: &Catalogue, json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let findings = check_catalogue(catalogue);
    if json {
        print_json(out, &findings)?;
    } else {
        for finding in &findings {
            let field = finding.field.as_deref().unwrap_or("-");
            writeln!(out, "{} {field}: {}: {}", finding.code, finding.rule, finding.detail)?;
        }
        let (version, types) = (catalogue.version(), catalogue.len());
        writeln!(out, "catalogue {version}: {types} types, {} findings", findings.len())?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(command: CatalogueCommand) -> (ExitCode, String) {
        let mut out = Vec::new();
        let code = run(&CatalogueArgs { command }, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_list_has_224_entries_with_distinct_codes_and_their_fields() {
        let (_, text) = output(CatalogueCommand::List { json: true });
        let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let codes: std::collections::BTreeSet<&str> =
            list.iter().map(|t| t["code"].as_str().unwrap()).collect();
        assert_eq!((list.len(), codes.len()), (224, 224));
        assert!(list.iter().all(|t| !t["fields"].as_array().unwrap().is_empty()));
        assert_eq!(list[0]["fields"][0]["kind"], "code");
    }

    #[test]
    fn the_catalogue_checks_and_a_type_shows_its_schema() {
        let (code, text) = output(CatalogueCommand::Check { json: true });
        assert_eq!((code, text.trim()), (ExitCode::SUCCESS, "[]"));
        let (_, text) =
            output(CatalogueCommand::Show { code: "营业执照".to_owned(), json: false, schema: true });
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["properties"]["certificateTypeCode"]["const"], "11100000MB0143028R001");
    }
}
