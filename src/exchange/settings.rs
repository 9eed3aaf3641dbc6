//! Limits and lifetimes of the exchange.

use serde::{Deserialize, Serialize};

/// `[exchange]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangeSettings {
    /// Largest JSON body, in bytes. Default 1 MiB.
    pub body_limit: usize,
    /// Largest file that is verified, in bytes. Default 20 MiB.
    pub file_limit: usize,
    /// Files that are taken in at once; one more is told to come back. Default 16.
    pub file_uploads: usize,
    /// Files that are drawn, sealed or verified at once; others wait. Default 2.
    pub file_workers: usize,
    /// Days after which an annotated copy ends at the latest, and does unless less is asked for. Default 30.
    pub copy_days: i64,
    /// Life of an access token, in seconds. Default 600, at most 600.
    pub token_secs: i64,
    /// How long a status statement calls itself fresh, in seconds. Default 3600, at most 86400.
    pub statement_secs: i64,
    /// Most licences in one city's answer to a search. Default 100.
    pub search_limit: usize,
    /// Mismatches of `verify` that one partner may have with one holder a day. Default 10.
    pub verify_failures: u32,
    /// Time that an answer of `verify` takes at least, in milliseconds, so that it does not tell how far
    /// the comparison got. Default 25.
    pub verify_floor_ms: u64,
    /// Requests a minute from one partner. Default 6000.
    pub requests_per_minute: u32,
    /// How long another city may take to answer, in milliseconds. Default 5000.
    pub peer_timeout_ms: u64,
    /// Whether a client certificate is refused when no current revocation list of its authority is
    /// here. Default true.
    pub require_crl: bool,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        Self {
            body_limit: 1 << 20,
            file_limit: 20 << 20,
            file_uploads: 16,
            file_workers: 2,
            copy_days: 30,
            token_secs: 600,
            statement_secs: 3600,
            search_limit: 100,
            verify_failures: 10,
            verify_floor_ms: 25,
            requests_per_minute: 6000,
            peer_timeout_ms: 5000,
            require_crl: true,
        }
    }
}

impl ExchangeSettings {
    /// What the settings break, if anything.
    pub fn check(&self) -> Result<(), &'static str> {
        for (holds, rule) in [
            ((1..=600).contains(&self.token_secs), "exchange.token_secs is 1 to 600"),
            ((1..=86_400).contains(&self.statement_secs), "exchange.statement_secs is 1 to 86400"),
            ((1..=1000).contains(&self.search_limit), "exchange.search_limit is 1 to 1000"),
            ((1024..=64 << 20).contains(&self.body_limit), "exchange.body_limit is 1024 to 67108864"),
            ((1024..=64 << 20).contains(&self.file_limit), "exchange.file_limit is 1024 to 67108864"),
            ((1..=1024).contains(&self.file_uploads), "exchange.file_uploads is 1 to 1024"),
            ((1..=1024).contains(&self.file_workers), "exchange.file_workers is 1 to 1024"),
            ((0..=3650).contains(&self.copy_days), "exchange.copy_days is 0 to 3650"),
            (self.peer_timeout_ms >= 1, "exchange.peer_timeout_ms is at least 1"),
        ] {
            if !holds {
                return Err(rule);
            }
        }
        Ok(())
    }
}
