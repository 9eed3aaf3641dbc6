//! `init`: lay out a node's folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::arguments::Unechoed;
use super::open::open_node;
use crate::keys::SecretSource;
use crate::lab::{City, Configuration, Listen};
use crate::node::{Error, NodeSettings};
use crate::rules::Role;
use licence_seal::crypto::{Suite, SystemRandom};
use licence_seal::licence::Region;
use licence_seal::time::{Clock, SystemClock};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Region: 120000 Tianjin, 110000 Beijing, 130000 Hebei
    #[arg(long)]
    region: String,
    /// Folder to make; it must be empty or absent
    #[arg(long)]
    dir: PathBuf,
    /// Suite of the seals: sm2-sm3, or p256-sha256 for trying out
    #[arg(long, default_value = "sm2-sm3")]
    suite: Suite,
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: String,
    /// Encrypt all key files under this passphrase: file:PATH, env:NAME or command:PROGRAM ARG…
    #[arg(long, value_name = "SOURCE", value_parser = Unechoed::<SecretSource>::new())]
    key_passphrase: Option<SecretSource>,
}

impl InitArgs {
    /// A node of Tianjin with seals of SM2 in `dir`, not encrypted, that nobody connects to.
    pub(super) fn of(dir: &Path) -> Self {
        Self {
            region: Region::TIANJIN.code().to_owned(),
            dir: dir.to_owned(),
            suite: Suite::Sm2Sm3,
            listen: "127.0.0.1:0".to_owned(),
            key_passphrase: None,
        }
    }
}

pub fn run(args: &InitArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let region = Region::parse(&args.region).ok_or("regions are 120000, 110000 and 130000")?;
    let random = SystemRandom::new();
    // The configuration lies in another folder than the one that a relative file is meant from.
    let source = match &args.key_passphrase {
        Some(source) => Some(source.clone().under(&std::env::current_dir()?)),
        None => None,
    };
    let passphrase = source.as_ref().map(SecretSource::passphrase).transpose()?;
    let city = City::create_under(region, &args.dir, args.suite, passphrase, SystemClock.now(), &random)?;
    let operator = city.client("operator", "operator", &random)?;
    let auditor = city.client("auditor", "auditor", &random)?;
    city.publish_directory(Vec::new())?;
    let configuration = Configuration {
        region: region.code(),
        allow_p256_seals: args.suite == Suite::P256Sha256,
        listen: Listen { address: args.listen.clone() },
        files: source.iter().map(|source| ("key_passphrase", source.to_string())).collect(),
        peers: Vec::new(),
        registrations: vec![
            city.registration("operator", "operator", Role::Operator, operator.fingerprint),
            city.registration("auditor", "auditor", Role::Auditor, auditor.fingerprint),
        ],
        grants: Vec::new(),
    };
    let file = city.write_configuration(&configuration)?;
    open_node(NodeSettings::read(&file)?)?.close()?;
    writeln!(out, "made {} for region {} ({})", args.dir.display(), region.code(), region.name())?;
    writeln!(out, "  configuration        {}", file.display())?;
    writeln!(out, "  operator's identity  {}", operator.certificate.display())?;
    writeln!(
        out,
        "  test authorities and {} seals lie in it; certs/README.md says how to use your own",
        city.issuers()?.len() + 1
    )?;
    writeln!(out, "next: licence-node serve --config {}", file.display())?;
    Ok(ExitCode::SUCCESS)
}
