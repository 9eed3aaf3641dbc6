//! Where and how the node listens.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// `[listen]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// Address and port. Default `127.0.0.1:8443`; port 0 takes a free one.
    pub address: SocketAddr,
    /// Threads that answer. Default 2.
    pub workers: usize,
    /// Connections at once, per worker. Default 10000.
    pub max_connections: usize,
    /// Time for the head of a request, in milliseconds. Default 5000.
    pub header_timeout_ms: u64,
    /// Time for its body, in milliseconds. Default 15000.
    pub body_timeout_ms: u64,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            workers: 2,
            max_connections: 10_000,
            header_timeout_ms: 5000,
            body_timeout_ms: 15_000,
        }
    }
}
