//! Requests and answers, as they stand between the side that speaks HTTP and the operations.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::media;
use super::problem::{Problem, failed};
use super::rules;

/// A request as the HTTP side hands it over.
#[derive(Debug)]
pub struct Incoming {
    pub method: String,
    pub path: String,
    /// The body, or the problem that reading it met.
    pub body: Result<Arc<Vec<u8>>, Problem>,
    pub content_type: Option<String>,
    /// `Accept`
    pub accept: Option<String>,
    /// Client certificate chain as TLS received it, leaf first, DER; empty without one.
    pub chain: Vec<Vec<u8>>,
    /// `Authorization`
    pub authorization: Option<String>,
    /// `Licence-Request-Signature`
    pub signature: Option<String>,
    pub address: IpAddr,
}

impl Incoming {
    pub fn body_bytes(&self) -> &[u8] {
        self.body.as_ref().map(|body| body.as_slice()).unwrap_or_default()
    }

    /// Whether the body has this media type, whatever its parameters.
    pub fn is_sent_as(&self, media: &str) -> bool {
        let sent = self.content_type.as_deref().unwrap_or_default();
        sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
    }

    /// Whether a page is among what the caller names.
    pub fn accepts_html(&self) -> bool {
        let mut named = self.accept.iter().flat_map(|accept| accept.split(','));
        named.any(|range| range.split(';').next().unwrap_or_default().trim() == "text/html")
    }

    /// Reads a JSON body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(self.body_bytes()).map_err(|why| {
            // serde_json quotes values of a wrong type, which may be personal data; names of members may
            // stand.
            let text = why.to_string();
            let (line, column) = (why.line(), why.column());
            let detail = if text.starts_with("invalid") {
                format!("a value of the wrong type or form at line {line} column {column}")
            } else {
                text
            };
            Problem::malformed(rules::REQUEST_JSON, detail)
        })
    }
}

/// An answer for the HTTP side to send.
#[derive(Debug)]
pub struct Outgoing {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    pub request_id: String,
    /// `Licence-Receipt`
    pub receipt: Option<String>,
    /// `Licence-Peer-Receipt`: the receipt of the city that answered.
    pub peer_receipt: Option<String>,
}

/// What an operation gives when it succeeds.
#[derive(Debug)]
pub struct Answer {
    pub content_type: &'static str,
    pub body: Vec<u8>,
    pub peer_receipt: Option<String>,
}

impl Answer {
    pub const fn new(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { content_type, body, peer_receipt: None }
    }

    pub fn json<T: Serialize>(body: &T) -> Result<Self, Problem> {
        Ok(Self::new(media::JSON, serde_json::to_vec(body).map_err(|why| failed("answer", &why))?))
    }
}
