//! `partner`: registrations and grants, changed through the running node.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::admin::Operator;
use super::arguments::ConfigFile;
use crate::node::{Error, certificate_of};
use crate::rules::{Grant, Operation, Registration, Role};
use licence_seal::time::{Clock, SystemClock};

/// Arguments of `partner`.
#[derive(Debug, Args)]
pub struct PartnerArgs {
    #[command(subcommand)]
    command: PartnerCommand,
}

#[derive(Debug, Subcommand)]
enum PartnerCommand {
    /// Register a partner, or change its registration
    Add {
        #[command(flatten)]
        operator: Asked,
        /// 1 to 64 of a-z, 0-9, dot and hyphen; for a peer its region
        #[arg(long)]
        id: String,
        #[arg(long)]
        name: String,
        /// partner, issuer, peer, operator or auditor
        #[arg(long, default_value = "partner", value_parser = role)]
        role: Role,
        /// PEM of its certificate
        #[arg(long)]
        certificate: PathBuf,
        /// Every request must be signed
        #[arg(long)]
        must_sign: bool,
        /// Issuer codes that an issuing authority speaks for
        #[arg(long, value_delimiter = ',')]
        issuer_codes: Vec<String>,
    },
    /// Give a grant
    Grant {
        #[command(flatten)]
        operator: Asked,
        /// Name of the grant; the same name replaces it
        #[arg(long)]
        id: String,
        /// Registration id; REGION/ID for an agency of another city
        #[arg(long)]
        partner: String,
        /// search, data, file, verify
        #[arg(long, value_delimiter = ',', value_parser = operation)]
        operations: Vec<Operation>,
        /// Licence type codes, or *
        #[arg(long, value_delimiter = ',')]
        types: Vec<String>,
        /// Field names, or *
        #[arg(long, value_delimiter = ',')]
        fields: Vec<String>,
        /// 事项编码, or *
        #[arg(long, value_delimiter = ',')]
        matters: Vec<String>,
        /// Requests a day
        #[arg(long)]
        daily_limit: Option<u64>,
    },
    /// Revoke a registration, or with --grant remove a grant; it works at once
    Revoke {
        #[command(flatten)]
        operator: Asked,
        /// Registration id, or name of the grant
        id: String,
        #[arg(long)]
        reason: String,
        #[arg(long)]
        grant: bool,
    },
    /// All registrations and grants
    List {
        #[command(flatten)]
        operator: Asked,
        /// One JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
}

/// A running node and its operator.
#[derive(Debug, Args)]
struct Asked {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    operator: Operator,
}

impl Asked {
    fn change(&self, request: &Value) -> Result<Value, Error> {
        self.operator.ask(&self.config.config, request)
    }
}

pub fn run(args: &PartnerArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    match &args.command {
        PartnerCommand::Add { operator, id, name, role, certificate, must_sign, issuer_codes } => {
            let registration = Registration {
                id: id.clone(),
                name: name.clone(),
                role: *role,
                certificates: vec![hex::encode(certificate_of(certificate)?.fingerprint())],
                from: SystemClock.now(),
                until: None,
                revoked: false,
                must_sign: *must_sign,
                addresses: Vec::new(),
                issuer_codes: issuer_codes.clone(),
            };
            operator.change(&json!({ "putRegistration": registration }))?;
            writeln!(out, "registered {id}")?;
        }
        PartnerCommand::Grant { operator, id, partner, operations, types, fields, matters, daily_limit } => {
            let grant = Grant {
                id: id.clone(),
                partner: partner.clone(),
                operations: operations.clone(),
                types: types.clone(),
                fields: fields.clone(),
                matters: matters.clone(),
                from: SystemClock.now(),
                until: None,
                daily_limit: *daily_limit,
                addresses: Vec::new(),
            };
            operator.change(&json!({ "putGrant": grant }))?;
            writeln!(out, "granted {id} to {partner}")?;
        }
        PartnerCommand::Revoke { operator, id, reason, grant } => {
            let action = if *grant { "removeGrant" } else { "revokeRegistration" };
            operator.change(&json!({ action: { "id": id, "reason": reason } }))?;
            writeln!(out, "revoked {id}")?;
        }
        PartnerCommand::List { operator, json } => {
            let all = operator.change(&json!({ "list": {} }))?;
            if *json {
                serde_json::to_writer_pretty(&mut *out, &all)?;
                writeln!(out)?;
            } else {
                list(&all, out)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(all: &Value, out: &mut dyn Write) -> Result<(), Error> {
    let items = |name: &str| all.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    for item in items("registrations") {
        let revoked = item.get("revoked").and_then(Value::as_bool).unwrap_or(false);
        let mark = if revoked { "revoked " } else { "" };
        writeln!(out, "{}  {}  {mark}{}", text(&item, "id"), text(&item, "role"), text(&item, "name"))?;
    }
    for item in items("grants") {
        let joined = |name: &str| {
            let list = item.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        writeln!(
            out,
            "grant {}  {}  {}  types {}  fields {}  matters {}",
            text(&item, "id"),
            text(&item, "partner"),
            joined("operations"),
            joined("types"),
            joined("fields"),
            joined("matters")
        )?;
    }
    Ok(())
}

fn role(text: &str) -> Result<Role, String> {
    serde_json::from_value(Value::from(text))
        .map_err(|_| "partner, issuer, peer, operator or auditor".to_owned())
}

fn operation(text: &str) -> Result<Operation, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| "search, data, file or verify".to_owned())
}
