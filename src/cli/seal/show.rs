//! `seal show`: what a seal says, in lines or as JSON.

use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::file::{read, write_new};
use crate::node::Error;
use licence_seal::crypto::{Suite, sha256};
use licence_seal::pki::Certificate;
use licence_seal::seal::ses::{CertList, Seal, Version};

pub fn run(file: &Path, json: bool, picture: Option<&Path>, out: &mut dyn Write) -> Result<(), Error> {
    let seal = read(file)?;
    if let Some(to) = picture {
        write_new(to, &seal.picture.data)?;
    }
    print(&seal, json, out)?;
    if json {
        return Ok(());
    }
    Ok(writeln!(out, "Nothing of this was verified: licence-node verify FILE --trust DIR does that.")?)
}

/// All that a seal says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    name: String,
    /// `unit`, `person`, or the number that stands there.
    kind: String,
    es_id: String,
    version: u32,
    standard: &'static str,
    header_id: String,
    header_version: u32,
    vendor: String,
    created: String,
    valid_from: String,
    valid_until: String,
    signers: Vec<Signer>,
    maker: Signer,
    algorithm: Algorithm,
    picture: Shown,
    time_stamp: bool,
    sha256: String,
    /// Always false: nothing was.
    verified: bool,
}

/// A certificate, or what the seal names one by.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Signer {
    #[serde(rename_all = "camelCase")]
    Certificate {
        subject: String,
        issuer: String,
        serial: String,
        valid_from: String,
        valid_until: String,
        fingerprint: String,
    },
    Unreadable {
        unreadable: String,
        fingerprint: String,
    },
    Digest {
        hash: String,
        digest: String,
    },
}

#[derive(Serialize)]
struct Algorithm {
    oid: String,
    /// `None`: not one of the two suites.
    suite: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(rename = "type")]
    kind: String,
    bytes: usize,
    width_mm: u32,
    height_mm: u32,
}

/// Prints all that a seal says.
pub fn print(seal: &Seal, json: bool, out: &mut dyn Write) -> Result<(), Error> {
    let said = Said::of(seal);
    if json {
        serde_json::to_writer_pretty(&mut *out, &said)?;
        return Ok(writeln!(out)?);
    }
    // A foreign seal must not steer the terminal.
    let plain = |value: &str| value.replace(char::is_control, "\u{fffd}");
    let mut line = |label: &str, value: &str| writeln!(out, "{label:<12}{}", plain(value));
    line("name", &said.name)?;
    line("kind", &said.kind)?;
    line("number", &said.es_id)?;
    line("version", &format!("{} ({})", said.version, said.standard))?;
    if said.header_id != "ES" || said.header_version != said.version {
        line(
            "header",
            &format!("\"{}\", version {}: not of this version", said.header_id, said.header_version),
        )?;
    }
    line("vendor", &said.vendor)?;
    line("created", &said.created)?;
    line("valid", &format!("{} to {}", said.valid_from, said.valid_until))?;
    for signer in &said.signers {
        line("signer", &signer.to_string())?;
    }
    line("maker", &said.maker.to_string())?;
    line(
        "algorithm",
        &format!("{} ({})", said.algorithm.oid, said.algorithm.suite.unwrap_or("not known here")),
    )?;
    let Shown { kind, bytes, width_mm, height_mm } = &said.picture;
    line("picture", &format!("{kind}, {bytes} bytes, {width_mm} × {height_mm} mm"))?;
    if said.time_stamp {
        line("time stamp", "there is one")?;
    }
    line("sha256", &said.sha256)?;
    Ok(())
}

impl Said {
    fn of(seal: &Seal) -> Self {
        let picture = &seal.picture;
        Self {
            name: seal.name.clone(),
            kind: match seal.kind {
                1 => "unit".to_owned(),
                2 => "person".to_owned(),
                other => other.to_string(),
            },
            es_id: seal.es_id.clone(),
            version: seal.version.number(),
            standard: standard(seal.version),
            header_id: seal.header_id.clone(),
            header_version: seal.header_version,
            vendor: seal.vendor.clone(),
            created: seal.created.rfc3339(),
            valid_from: seal.valid_from.rfc3339(),
            valid_until: seal.valid_until.rfc3339(),
            signers: match &seal.certs {
                CertList::Certificates(list) => list.iter().map(|der| Signer::certificate(der)).collect(),
                CertList::Digests(list) => {
                    let entry = |(hash, value): &(String, Vec<u8>)| Signer::Digest {
                        hash: hash.clone(),
                        digest: hex::encode(value),
                    };
                    list.iter().map(entry).collect()
                }
            },
            maker: Signer::certificate(&seal.maker_certificate),
            algorithm: Algorithm {
                oid: seal.algorithm.clone(),
                suite: Suite::from_signature_oid(&seal.algorithm).map(Suite::name),
            },
            picture: Shown {
                kind: picture.kind.clone(),
                bytes: picture.data.len(),
                width_mm: picture.width,
                height_mm: picture.height,
            },
            time_stamp: seal.time_stamp.is_some(),
            sha256: hex::encode(sha256(&[&seal.der])),
            verified: false,
        }
    }
}

impl Signer {
    fn certificate(der: &[u8]) -> Self {
        let fingerprint = hex::encode(sha256(&[der]));
        match Certificate::from_der(der) {
            Ok(certificate) => Self::Certificate {
                subject: certificate.subject().to_owned(),
                issuer: certificate.issuer().to_owned(),
                serial: certificate.serial_hex(),
                valid_from: certificate.not_before().rfc3339(),
                valid_until: certificate.not_after().rfc3339(),
                fingerprint,
            },
            Err(why) => Self::Unreadable { unreadable: why.to_string(), fingerprint },
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { subject, serial, valid_from, valid_until, fingerprint, .. } => {
                write!(f, "{subject}, serial {serial}, {valid_from} to {valid_until}, SHA-256 {fingerprint}")
            }
            Self::Unreadable { unreadable, fingerprint } => {
                write!(f, "a certificate that cannot be read ({unreadable}), SHA-256 {fingerprint}")
            }
            Self::Digest { hash, digest } => {
                let known = Suite::from_seen_hash(hash).map(Suite::hash_name);
                let name = known.unwrap_or(hash);
                write!(f, "the certificate whose {name} is {digest}")
            }
        }
    }
}

const fn standard(version: Version) -> &'static str {
    match version {
        Version::V1 => "GM/T 0031-2014",
        Version::V4 => "GB/T 38540-2020",
        Version::V5 => "GM/T 0031-2025",
    }
}
