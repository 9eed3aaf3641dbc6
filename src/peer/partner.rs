//! The partner's side of the exchange: what an agency's system does to ask.
//!
//! `query`, the demo and the tests ask through it; it is also the shortest description of the protocol
//! in code: a token by certificate, a signature over what is asked, a receipt with the answer.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{ClientIdentity, PeerAnswer, PeerError, PostError, https_client, post};
use licence_seal::crypto::{PrivateKey, Random, pem_decode_all};
use licence_seal::evidence::{RequestFacts, RequestSignature};
use licence_seal::time::Clock;

const JSON: &str = "application/json";

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Configuration(#[from] PeerError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("the request could not be made: {0}")]
    Request(String),
    #[error("no token: {0}")]
    Token(String),
}

/// An agency's client for its own city's node.
pub struct PartnerClient {
    http: reqwest::Client,
    url: String,
    id: String,
    region: String,
    key: PrivateKey,
    certificate: Vec<u8>,
    token: Option<String>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// Who the client is and whom it asks.
pub struct PartnerSettings<'a> {
    /// `https://…` of the node.
    pub url: &'a str,
    /// PEM of the authorities of the node's certificate.
    pub anchors: &'a [u8],
    pub identity: &'a ClientIdentity,
    /// Registration id.
    pub id: &'a str,
    /// Region of the node.
    pub region: &'a str,
    pub timeout: Duration,
}

impl PartnerClient {
    pub fn new(
        settings: &PartnerSettings<'_>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, AskError> {
        let bad = |why: &dyn std::fmt::Display| AskError::Request(why.to_string());
        let mut chain =
            pem_decode_all("CERTIFICATE", &settings.identity.certificate).map_err(|why| bad(&why))?;
        if chain.is_empty() {
            return Err(AskError::Request("no certificate".to_owned()));
        }
        Ok(Self {
            http: https_client(settings.anchors, settings.identity, settings.timeout)?,
            url: settings.url.trim_end_matches('/').to_owned(),
            id: settings.id.to_owned(),
            region: settings.region.to_owned(),
            key: PrivateKey::from_pem(&settings.identity.key).map_err(|why| bad(&why))?,
            certificate: chain.swap_remove(0),
            token: None,
            clock,
            random,
        })
    }

    /// Gets a token by certificate (RFC 8705 2.1) and keeps it.
    pub async fn authenticate(&mut self) -> Result<String, AskError> {
        let body = format!("grant_type=client_credentials&client_id={}", self.id).into_bytes();
        let url = format!("{}/oauth2/token", self.url);
        let answer = post(&self.http, &url, "application/x-www-form-urlencoded", body, &[]).await?;
        let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match parsed.get("access_token").and_then(Value::as_str) {
            Some(token) if answer.status == 200 => {
                self.token = Some(token.to_owned());
                Ok(token.to_owned())
            }
            _ => Err(AskError::Token(String::from_utf8_lossy(&answer.body).into_owned())),
        }
    }

    /// Presents another token from now on; `None` presents none.
    pub fn present(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// Asks; with `targets` the request is signed for those regions.
    pub async fn ask<T: Serialize>(
        &self,
        path: &str,
        body: &T,
        targets: Option<&[&str]>,
    ) -> Result<PeerAnswer, AskError> {
        let body = serde_json::to_vec(body).map_err(|why| AskError::Request(why.to_string()))?;
        let signature = targets.map(|targets| self.sign(path, &body, targets)).transpose()?;
        self.send(path, body, signature.as_deref()).await
    }

    /// A request signature over this body.
    pub fn sign(&self, path: &str, body: &[u8], targets: &[&str]) -> Result<String, AskError> {
        let bad = |why: &dyn std::fmt::Display| AskError::Request(why.to_string());
        let facts = RequestFacts { home: &self.region, answering: &self.region, method: "POST", path, body };
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        let jti = hex::encode(self.random.bytes::<16>().map_err(|why| bad(&why))?);
        RequestSignature::new(&self.id, &facts, targets, self.clock.now(), jti)
            .sign(&self.key, &self.certificate)
            .map_err(|why| bad(&why))
    }

    /// Sends these bytes with this signature.
    pub async fn send(
        &self,
        path: &str,
        body: Vec<u8>,
        signature: Option<&str>,
    ) -> Result<PeerAnswer, AskError> {
        self.send_as(JSON, path, body, signature).await
    }

    /// Sends these bytes as something else than JSON.
    pub async fn send_as(
        &self,
        content_type: &'static str,
        path: &str,
        body: Vec<u8>,
        signature: Option<&str>,
    ) -> Result<PeerAnswer, AskError> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = Vec::new();
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer.as_str()));
        }
        if let Some(signature) = signature {
            headers.push(("licence-request-signature", signature));
        }
        Ok(post(&self.http, &format!("{}{path}", self.url), content_type, body, &headers).await?)
    }
}
