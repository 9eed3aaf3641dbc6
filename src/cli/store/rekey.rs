//! Newer keys without a running node. Each change is on the access log before it is made, and how it ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accesslog::AccessLog;
use crate::cli::open::open_node;
use crate::exchange::jobs;
use crate::exchange::master::MasterKeyReport;
use crate::keys::MasterKeySource;
use crate::node::{Error, NodeSettings};
use crate::store::StoreError;
use licence_seal::crypto::SystemRandom;

const MASTER: &str = "rekeyMaster";

/// What is under the new master key, and where to name it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewMasterKey {
    #[serde(flatten)]
    pub(super) wrapped: MasterKeyReport,
    pub(super) configuration: PathBuf,
    pub(super) master_key: MasterKeySource,
}

/// Does what `kind` names, between its two entries of the log.
pub(super) fn logged(
    log: &AccessLog,
    kind: &str,
    work: impl FnOnce() -> Result<Value, StoreError>,
) -> Result<Value, Error> {
    log.append(jobs::begin(kind))?;
    let outcome = work();
    log.append(jobs::end("", kind, outcome.as_ref().map_err(StoreError::rule)))?;
    Ok(outcome?)
}

/// Puts all that is under the master key of the configuration under the one that `to` gives. The node is opened
/// with the older key before, and with the new one after, so both are proved; in between only key files change.
pub(super) fn master(config: &Path, to: &MasterKeySource) -> Result<NewMasterKey, Error> {
    let settings = NodeSettings::read(config)?;
    let next = settings.clone().with_master_key(to, config)?;
    let read = || next.files.master_key.read().map_err(|why| format!("--to: {why}"));
    let (new, old) = (read()?, settings.master_key()?);
    if read()?.expose() != new.expose() {
        return Err(
            format!("--to: {to} gives another key each time; a master key is one that is kept").into()
        );
    }
    let node = open_node(settings.clone())?;
    node.exchange.log.append(jobs::begin(MASTER))?;
    node.close()?;
    drop(node);

    let changed = settings.master_keyed().change(&old, &new, &to.to_string(), &SystemRandom::new());
    let node = open_node(if changed.is_ok() { next } else { settings });
    let outcome = changed.as_ref().map(|_| Value::Null).map_err(StoreError::rule);
    let logged = node.and_then(|node| {
        node.exchange.log.append(jobs::end("", MASTER, outcome.as_ref().map_err(|rule| *rule)))?;
        node.close()
    });
    let wrapped = changed?;
    logged
        .map_err(|why| format!("files.master_key must name {to} now, the change is made; but then: {why}"))?;
    Ok(NewMasterKey { wrapped, configuration: config.to_owned(), master_key: to.clone() })
}
