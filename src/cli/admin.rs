//! The administration of a running node, asked as its operator.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::query::Connection;
use crate::node::{Error, NodeSettings};
use crate::peer::PartnerClient;

const ADMIN: &str = "/v1/admin";

/// Where the node is, and as whom to ask it.
#[derive(Debug, Args)]
pub struct Operator {
    /// https://… of the running node; default: the configured address
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// PEM of the authorities of the node's certificate; default: certs/ca.pem beside the configuration
    #[arg(long, global = true)]
    anchors: Option<PathBuf>,
    /// The operator's certificate and key, without their endings; default: clients/operator
    #[arg(long, global = true)]
    identity: Option<PathBuf>,
    /// The operator's registration id
    #[arg(long, global = true, default_value = "operator")]
    operator_id: String,
}

impl Operator {
    fn connection(&self, config: &Path) -> Result<Connection, Error> {
        let settings = NodeSettings::read(config)?;
        let base = config.parent().map(PathBuf::from).unwrap_or_default();
        let identity = self.identity.clone().unwrap_or_else(|| base.join("clients/operator"));
        Ok(Connection {
            url: self.url.clone().unwrap_or_else(|| format!("https://{}", settings.listen.address)),
            anchors: self.anchors.clone().unwrap_or_else(|| base.join("certs/ca.pem")),
            cert: identity.with_extension("pem"),
            key: identity.with_extension("key.pem"),
            key_passphrase: settings.files.key_passphrase,
            id: self.operator_id.clone(),
            region: settings.region,
        })
    }

    /// Asks once.
    ///
    /// # Errors
    /// No answer; a refusal, with its rule.
    pub fn ask(&self, config: &Path, request: &Value) -> Result<Value, Error> {
        Session::begin(self, config)?.ask(request)
    }
}

/// A connection that is kept for several questions.
pub struct Session {
    runtime: tokio::runtime::Runtime,
    connection: Connection,
    client: Option<PartnerClient>,
}

impl Session {
    /// Nothing is sent yet.
    pub fn begin(operator: &Operator, config: &Path) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, connection: operator.connection(config)?, client: None })
    }

    /// As [`Operator::ask`]. A token that has run out is replaced.
    pub fn ask(&mut self, request: &Value) -> Result<Value, Error> {
        let fresh = self.client.is_none();
        let (status, body) = self.send(request)?;
        let (status, body) = if status == 401 && !fresh {
            self.client = None;
            self.send(request)?
        } else {
            (status, body)
        };
        if status == 200 {
            return Ok(body);
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        Err(format!("refused ({}): {}", text("rule"), text("detail")).into())
    }

    fn send(&mut self, request: &Value) -> Result<(u16, Value), Error> {
        let Self { runtime, connection, client } = self;
        runtime.block_on(async {
            let client = match client {
                Some(client) => client,
                None => client.insert(connection.open().await?),
            };
            let answer = client.ask(ADMIN, request, None).await?;
            Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
        })
    }
}
