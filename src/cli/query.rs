//! `query` and `receipt verify`: the partner's side, for agencies and for scripts.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments::Unechoed;
use crate::keys::{SecretSource, read_key_pem};
use crate::node::Error;
use crate::peer::{ClientIdentity, PartnerClient, PartnerSettings, PeerAnswer};
use licence_seal::crypto::SystemRandom;
use licence_seal::evidence::Receipt;
use licence_seal::seal::Trust;
use licence_seal::time::{SystemClock, Timestamp};

const VERIFY_FILE: &str = "/v1/files/verify";

/// Which node, and as whom.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// https://… of the node
    #[arg(long)]
    pub url: String,
    /// PEM of the authorities of its certificate
    #[arg(long)]
    pub anchors: PathBuf,
    /// Our certificate chain, PEM
    #[arg(long)]
    pub cert: PathBuf,
    /// Our key, PEM of PKCS#8, plain or encrypted
    #[arg(long)]
    pub key: PathBuf,
    /// Where the passphrase of an encrypted key is: file:PATH, env:NAME or command:PROGRAM ARG…
    #[arg(long, value_name = "SOURCE", value_parser = Unechoed::<SecretSource>::new())]
    pub key_passphrase: Option<SecretSource>,
    /// Our registration id
    #[arg(long)]
    pub id: String,
    /// Region of the node
    #[arg(long)]
    pub region: String,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// search, data, file, verify, issue, status, verify-file, receipts, or a whole path
    operation: String,
    #[command(flatten)]
    connection: Connection,
    /// File with the JSON body, or for verify-file the file itself; - reads the standard input
    #[arg(long, default_value = "-")]
    body: PathBuf,
    /// Sign the request, for these regions too (comma-separated; may be empty)
    #[arg(long, value_delimiter = ',', num_args = 0..=1)]
    sign: Option<Vec<String>>,
    /// Where the answer goes; default: standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Where the receipt goes
    #[arg(long)]
    receipt: Option<PathBuf>,
}

/// `receipt verify`
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Check a receipt's signature against the trust folder, and what it covers
    Verify {
        /// File with the receipt
        receipt: PathBuf,
        /// The trust folder
        #[arg(long)]
        trust: PathBuf,
        /// File with the request's body, to check that the receipt covers it
        #[arg(long, requires = "answer")]
        request: Option<PathBuf>,
        /// File with the answer's body, likewise
        #[arg(long, requires = "request")]
        answer: Option<PathBuf>,
        /// One JSON object instead of words
        #[arg(long)]
        json: bool,
    },
}

impl Connection {
    /// A client with this connection, with a token in hand.
    pub async fn open(&self) -> Result<PartnerClient, Error> {
        let read = |path: &Path| std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()));
        let key = read_key_pem(&self.key, self.key_passphrase.as_ref())
            .map_err(|why| format!("{}: {why}", self.key.display()))?;
        let identity = ClientIdentity { certificate: read(&self.cert)?, key: key.to_vec() };
        let settings = PartnerSettings {
            url: &self.url,
            anchors: &read(&self.anchors)?,
            identity: &identity,
            id: &self.id,
            region: &self.region,
            timeout: Duration::from_secs(30),
        };
        let mut client = PartnerClient::new(&settings, Arc::new(SystemClock), Arc::new(SystemRandom::new()))?;
        client.authenticate().await?;
        Ok(client)
    }
}

/// Exit status 0 only if the node answered with 200; of `verify-file` only if the file passed, and 2 if the
/// verdict is indeterminate.
pub fn run(args: &QueryArgs, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let mut body = Vec::new();
    if args.body == Path::new("-") {
        std::io::stdin().read_to_end(&mut body)?;
    } else {
        body = std::fs::read(&args.body)?;
    }
    let path = if args.operation.starts_with('/') {
        args.operation.clone()
    } else if args.operation == "receipts" {
        "/v1/receipts".to_owned()
    } else if args.operation == "verify-file" {
        VERIFY_FILE.to_owned()
    } else {
        format!("/v1/licences/{}", args.operation)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer: PeerAnswer = runtime.block_on(async {
        let client = args.connection.open().await?;
        let signature = match &args.sign {
            Some(targets) => {
                let targets: Vec<&str> =
                    targets.iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
                Some(client.sign(&path, &body, &targets)?)
            }
            None => None,
        };
        let answer = if path == VERIFY_FILE {
            client.send_as("application/octet-stream", &path, body, signature.as_deref()).await
        } else {
            client.send(&path, body, signature.as_deref()).await
        };
        Ok::<_, Error>(answer?)
    })?;
    if let (Some(file), Some(receipt)) = (&args.receipt, &answer.receipt) {
        std::fs::write(file, receipt)?;
    }
    match &args.output {
        Some(file) if answer.status == 200 => std::fs::write(file, &answer.body)?,
        _ => {
            out.write_all(&answer.body)?;
            writeln!(out)?;
        }
    }
    if answer.status != 200 {
        return Ok(ExitCode::FAILURE);
    }
    Ok(if path == VERIFY_FILE { verdict_code(&answer.body) } else { ExitCode::SUCCESS })
}

/// The verdict of a report as an exit status.
fn verdict_code(body: &[u8]) -> ExitCode {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match answer.pointer("/report/verdict/indication").and_then(Value::as_str) {
        Some("TOTAL_PASSED") => ExitCode::SUCCESS,
        Some("INDETERMINATE") => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

pub fn receipt(command: &ReceiptCommand, out: &mut dyn Write) -> Result<ExitCode, Error> {
    let ReceiptCommand::Verify { receipt, trust, request, answer, json } = command;
    let token = std::fs::read_to_string(receipt)?;
    let trust = Trust::read(trust)?;
    let verdict = check_receipt(token.trim(), &trust).and_then(|receipt| {
        if let (Some(request), Some(answer)) = (request, answer) {
            let (request, answer) = (std::fs::read(request)?, std::fs::read(answer)?);
            receipt.covers(&receipt.method, &receipt.path, &request, receipt.status, &answer)?;
        }
        Ok(receipt)
    });
    match (&verdict, *json) {
        (Ok(receipt), true) => {
            writeln!(out, "{}", serde_json::json!({ "verified": true, "receipt": receipt }))?
        }
        (Err(why), true) => {
            writeln!(out, "{}", serde_json::json!({ "verified": false, "reason": why.to_string() }))?
        }
        (Ok(receipt), false) => {
            let log = &receipt.log;
            writeln!(
                out,
                "ok: node of region {} to {}, {} {} → {}",
                receipt.iss, receipt.aud, receipt.method, receipt.path, receipt.status
            )?;
            writeln!(
                out,
                "    receipt {} of this partner, entry {} of log {}",
                receipt.counter, log.index, log.origin
            )?;
        }
        (Err(why), false) => writeln!(out, "FAILED: {why}")?,
    }
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A receipt by a node which its city's issuer list names for the time of the receipt.
pub fn check_receipt(token: &str, trust: &Trust) -> Result<Receipt, Error> {
    let certificate = Receipt::certificate(token)?;
    let claimed: Value =
        licence_seal::crypto::Jws::parse("licence-receipt+jwt", token)?.claims_unverified()?;
    let region = claimed.get("iss").and_then(Value::as_str).unwrap_or_default();
    let at = claimed
        .get("iat")
        .and_then(Value::as_i64)
        .map(Timestamp::from_secs)
        .unwrap_or(Timestamp::from_secs(0));
    let node = trust
        .node(region, &certificate, at)
        .ok_or_else(|| format!("the issuer list of region {region:?} names no such node"))?;
    Ok(Receipt::verify(token, node.public_key()?)?)
}
