//! `identifier check|make`: licence identifiers and the other codes that carry check characters.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::node::Error;
use licence_seal::licence::mask_identity_number;
use licence_seal::licence::{Catalogue, CitizenNumber, Identifier, TypeCode, Uscc};

/// Check a licence identifier or another code, or make an identifier.
#[derive(Debug, Args)]
pub struct IdentifierArgs {
    #[command(subcommand)]
    command: IdentifierCommand,
}

#[derive(Debug, Subcommand)]
enum IdentifierCommand {
    /// Say what a text is: a licence identifier, a type code, a unified social credit code or a
    /// citizen number; exit status 1 and what is wrong if it is none.
    Check {
        text: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make an identifier, computing its check character.
    Make {
        /// Type code, 21 characters.
        #[arg(long = "type")]
        type_code: String,
        /// Unified social credit code of the issuing authority.
        #[arg(long)]
        issuer: String,
        /// Serial: 0-9 and A-Z.
        #[arg(long)]
        serial: String,
        /// 1 for the first issue.
        #[arg(long, default_value_t = 1)]
        version: u16,
    },
}

/// Runs the command.
pub fn run(args: &IdentifierArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match &args.command {
        IdentifierCommand::Check { text, json } => check(text.trim(), *json, out),
        IdentifierCommand::Make { type_code, issuer, serial, version } => {
            let type_code = TypeCode::parse(type_code)?;
            let issuer = Uscc::parse(issuer)?;
            writeln!(out, "{}", Identifier::build(&type_code, &issuer, serial, *version)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a text was taken for, and what it says, or which rule it breaks.
struct Verdict {
    kind: &'static str,
    result: Result<Value, (&'static str, String)>,
    warnings: Vec<String>,
}

fn check(text: &str, as_json: bool, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let verdict = judge(text)?;
    let valid = verdict.result.is_ok();
    if as_json {
        let (kind, warnings) = (verdict.kind, verdict.warnings);
        let report = match verdict.result {
            Ok(parts) => json!({"kind": kind, "valid": true, "warnings": warnings, "parts": parts}),
            Err((rule, message)) => {
                let error = json!({"rule": rule, "message": message});
                json!({"kind": kind, "valid": false, "warnings": warnings, "error": error})
            }
        };
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        match verdict.result {
            Ok(parts) => {
                writeln!(out, "valid {}", verdict.kind)?;
                for (name, value) in parts.as_object().into_iter().flatten() {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    writeln!(out, "  {name}: {value}")?;
                }
            }
            Err((rule, message)) => writeln!(out, "not a valid {}: {message} [{rule}]", verdict.kind)?,
        }
        for warning in verdict.warnings {
            writeln!(out, "  note: {warning}")?;
        }
    }
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A text with a dot is meant as an identifier, one of 21 characters as a type code; otherwise it is
/// what it fits, a citizen number before an organisation code.
fn judge(text: &str) -> Result<Verdict, Error> {
    let catalogue = Catalogue::embedded()?;
    if text.contains('.') {
        return Ok(judge_identifier(text, catalogue));
    }
    if text.chars().count() == 21 {
        let parsed = TypeCode::parse(text).and_then(|code| code.check_strict().map(|_| code));
        let parts = |code: TypeCode| {
            let entry = catalogue.get(&code);
            json!({"code": code.as_str(), "authority": code.authority(), "name": entry.map(|t| &t.name)})
        };
        let warnings = match &parsed {
            Ok(code) if catalogue.get(code).is_none() => vec!["the catalogue has no such type".to_owned()],
            _ => Vec::new(),
        };
        let result = parsed.map(parts).map_err(|e| (e.rule(), e.to_string()));
        return Ok(Verdict { kind: "type code", result, warnings });
    }
    let citizen = CitizenNumber::parse(text);
    let uscc = Uscc::parse(text);
    let digits = text.bytes().take(17).all(|b| b.is_ascii_digit());
    // An 18-character text that fits neither: digits with a year in their middle are meant as a
    // person's number.
    let looks_like_a_person = digits && matches!(text.get(6..8), Some("18" | "19" | "20"));
    let (kind, result) = match (uscc, citizen) {
        (_, Ok(number)) => ("citizen number", Ok(json!({"number": mask_identity_number(number.as_str())}))),
        (Ok(code), _) => {
            ("unified social credit code", Ok(json!({"code": code.as_str(), "area": code.area()})))
        }
        (_, Err(broken)) if looks_like_a_person => {
            ("citizen number", Err((broken.rule(), broken.to_string())))
        }
        (Err(broken), _) if text.chars().count() == 18 => {
            ("unified social credit code", Err((broken.rule(), broken.to_string())))
        }
        _ => {
            let message = "an identifier begins with 1.2.156.3005.2.; a type code has 21 characters, \
                           a unified social credit code and a citizen number 18";
            ("code", Err(("identifier.unknown", message.to_owned())))
        }
    };
    Ok(Verdict { kind, result, warnings: Vec::new() })
}

fn judge_identifier(text: &str, catalogue: &Catalogue) -> Verdict {
    let parsed = Identifier::parse(text);
    let mut warnings = Vec::new();
    if let Ok(id) = &parsed {
        if id.as_str() != text {
            warnings.push("read in upper case".to_owned());
        }
        if let Err(broken) = id.check_strict([]) {
            warnings.push(format!("would be refused in a new licence: {broken}"));
        }
        if catalogue.get(&id.type_code()).is_none() {
            warnings.push("the catalogue has no such type".to_owned());
        }
    }
    let parts = |id: Identifier| {
        json!({
            "identifier": id.as_str(),
            "typeCode": id.type_code(),
            "typeName": catalogue.get(&id.type_code()).map(|t| &t.name),
            "issuer": id.issuer(),
            "serial": id.serial(),
            "version": id.version(),
            "check": id.check(),
        })
    };
    let result = parsed.map(parts).map_err(|e| (e.rule(), e.to_string()));
    Verdict { kind: "licence identifier", result, warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str, json: bool) -> (bool, String) {
        let mut out = Vec::new();
        let command = IdentifierCommand::Check { text: text.to_owned(), json };
        let code = run(&IdentifierArgs { command }, &mut out).unwrap();
        (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_kind_of_code_is_known_for_what_it_is() {
        for (text, kind) in [
            (
                "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
                "licence identifier",
            ),
            ("11100000MB0143028R001", "type code"),
            ("91350100M000100Y43", "unified social credit code"),
            ("11010519491231002X", "citizen number"),
            ("440524188001010014", "citizen number"),
        ] {
            let (valid, text) = output(text, false);
            assert!(valid && text.starts_with(&format!("valid {kind}")), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong =
            "1.2.156.3005.2.11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M";
        let (valid, text) = output(wrong, false);
        assert!(!valid && text.contains("computed D, found M"), "{text}");
        let (valid, text) = output(wrong, true);
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((valid, &report["error"]["rule"]), (false, &"identifier.check".into()));
        for (text, rule) in [
            ("11100000000013135U", "uscc.check"),
            ("11010519491231002x", "citizen.charset"),
            ("110105194912310021", "citizen.check"),
            ("11100000MB0143028X001", "identifier.typeAuthority"),
            ("hello", "identifier.unknown"),
        ] {
            let (valid, text) = output(text, false);
            assert!(!valid && text.contains(&format!("[{rule}]")), "{text}");
        }
    }

    #[test]
    fn a_citizen_number_is_not_printed_in_full() {
        let (_, text) = output("11010519491231002X", true);
        assert!(!text.contains("11010519491231002X"));
    }

    #[test]
    fn what_is_made_checks() {
        let mut out = Vec::new();
        let command = IdentifierCommand::Make {
            type_code: "11100000000013338W011".to_owned(),
            issuer: "11430000006122244L".to_owned(),
            serial: "20230000403".to_owned(),
            version: 2,
        };
        run(&IdentifierArgs { command }, &mut out).unwrap();
        let made = String::from_utf8(out).unwrap();
        assert_eq!(made.trim(), "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.002.S");
    }
}
