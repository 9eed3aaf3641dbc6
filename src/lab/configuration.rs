//! The configuration that goes with a folder.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::rules::{Grant, Registration};

/// What `init` writes of a configuration.
#[derive(Debug, Serialize)]
pub struct Configuration<'a> {
    pub region: &'a str,
    pub allow_p256_seals: bool,
    pub listen: Listen,
    /// What differs in `[files]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<&'a str, String>,
    pub peers: Vec<Peer>,
    pub registrations: Vec<Registration>,
    pub grants: Vec<Grant>,
}

#[derive(Debug, Serialize)]
pub struct Listen {
    pub address: String,
}

#[derive(Debug, Serialize)]
pub struct Peer {
    pub region: String,
    pub url: String,
    pub anchors: String,
}
