//! `seal list` and `seal export`: the seals in the node's folder. No private key is opened.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::file::{read, write_new};

use crate::node::{Error, NodeSettings, certificate_of, seal_folders};
use licence_seal::seal::ses::Seal;
use licence_seal::time::Timestamp;

/// One seal of the folder.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    name: String,
    es_id: String,
    suite: &'static str,
    valid_from: String,
    valid_until: String,
    /// Whole days until seal or certificate ends, whichever is first; negative after it.
    days_left: i64,
    certificate_until: String,
    /// `key.pem`, `key.uri`, or null when there is none.
    key: Option<&'static str>,
}

pub fn list(config: &Path, json: bool, now: Timestamp, out: &mut dyn Write) -> Result<(), Error> {
    let settings = NodeSettings::read(config)?;
    let mut listed = Vec::new();
    for (id, folder) in seal_folders(&settings.files.seals)? {
        listed.push(look_at(id, &folder, now)?);
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &listed)?;
        return Ok(writeln!(out)?);
    }
    for seal in &listed {
        writeln!(
            out,
            "{:<20} {:<12} {} to {} {:>5} days  {}  {}{}",
            seal.id,
            seal.suite,
            seal.valid_from,
            seal.valid_until,
            seal.days_left,
            seal.es_id,
            seal.name,
            if seal.key.is_none() { "  (no key here)" } else { "" }
        )?;
    }
    Ok(writeln!(out, "{} seals", listed.len())?)
}

pub fn export(config: &Path, id: &str, to: &Path, out: &mut dyn Write) -> Result<(), Error> {
    let settings = NodeSettings::read(config)?;
    let dir = &settings.files.seals;
    let found = seal_folders(dir)?.into_iter().find(|(name, _)| name == id);
    let (_, folder) = found.ok_or_else(|| format!("no seal \"{id}\" in {}", dir.display()))?;
    let seal: Seal = read(&folder.join("seal.esl"))?;
    write_new(to, &seal.der)?;
    Ok(writeln!(out, "wrote {}: {}", to.display(), seal.name)?)
}

fn look_at(id: String, folder: &Path, now: Timestamp) -> Result<Listed, Error> {
    let seal = read(&folder.join("seal.esl"))?;
    let certificate = certificate_of(&folder.join("certificate.pem"))?;
    let end = seal.valid_until.min(certificate.not_after());
    let key = ["key.uri", "key.pem"].into_iter().find(|name| folder.join(name).is_file());
    Ok(Listed {
        id,
        suite: certificate.public_key()?.suite().name(),
        valid_from: seal.valid_from.day().to_string(),
        valid_until: seal.valid_until.day().to_string(),
        days_left: (end.secs() - now.secs()).div_euclid(86_400),
        certificate_until: certificate.not_after().day().to_string(),
        key,
        name: seal.name,
        es_id: seal.es_id,
    })
}
