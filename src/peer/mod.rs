//! The network side to other cities' nodes.
//!
//! This room carries bytes: it proves our node by mutual TLS 1.3, holds the peer to the authorities
//! that the configuration pins for its region (no public authority, no other region's), and bounds
//! time and size. What an answer is worth is decided above, in `exchange`, by its receipt, seals and
//! statements. A partner's request is passed on byte for byte with the partner's own signature.
//! It speaks HTTP, as a client; no other room below `exchange` knows of it.

mod partner;

pub use partner::{AskError, PartnerClient, PartnerSettings};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 20 << 20;

/// Why a peer gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error("region {0} is not among the peers")]
    Unknown(String),
    #[error("the node of region {region} did not answer: {why}")]
    Unreachable { region: String, why: String },
    #[error("the node of region {0} answered with more than 20 MiB")]
    TooLarge(String),
    #[error("peer configuration: {0}")]
    Configuration(String),
}

/// One peer, from the configuration.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    pub region: String,
    /// For example `https://node.example:8443`.
    pub url: String,
    /// PEM of the authorities that this peer's server certificate must come from.
    pub anchors: Vec<u8>,
}

/// Our side of mutual TLS.
pub struct ClientIdentity {
    /// PEM chain, leaf first.
    pub certificate: Vec<u8>,
    /// PEM of the PKCS#8 key.
    pub key: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct PeerAnswer {
    pub status: u16,
    pub body: Vec<u8>,
    pub content_type: String,
    /// `Licence-Receipt`
    pub receipt: Option<String>,
}

struct Peer {
    url: String,
    client: reqwest::Client,
}

/// The other cities.
#[derive(Default)]
pub struct Peers(BTreeMap<String, Peer>);

impl Peers {
    pub fn new(
        peers: &[PeerSettings],
        identity: &ClientIdentity,
        timeout: Duration,
    ) -> Result<Self, PeerError> {
        let mut all = BTreeMap::new();
        for peer in peers {
            let client = https_client(&peer.anchors, identity, timeout)?;
            let url = peer.url.trim_end_matches('/').to_owned();
            all.insert(peer.region.clone(), Peer { url, client });
        }
        Ok(Self(all))
    }

    /// Regions of the peers, in order.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn knows(&self, region: &str) -> bool {
        self.0.contains_key(region)
    }

    /// Passes a partner's request on.
    pub async fn ask(
        &self,
        region: &str,
        path: &str,
        body: &[u8],
        signature: &str,
    ) -> Result<PeerAnswer, PeerError> {
        let peer = self.0.get(region).ok_or_else(|| PeerError::Unknown(region.to_owned()))?;
        let headers = [("licence-request-signature", signature)];
        post(&peer.client, &format!("{}{path}", peer.url), "application/json", body.to_vec(), &headers)
            .await
            .map_err(|why| match why {
                PostError::TooLarge => PeerError::TooLarge(region.to_owned()),
                PostError::Failed(why) => PeerError::Unreachable { region: region.to_owned(), why },
            })
    }
}

/// A client for one node: TLS 1.3, its pinned authorities, our certificate.
pub fn https_client(
    anchors: &[u8],
    identity: &ClientIdentity,
    timeout: Duration,
) -> Result<reqwest::Client, PeerError> {
    let bad = |what: &str, why: &dyn std::fmt::Display| PeerError::Configuration(format!("{what}: {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(anchors) {
        let certificate = certificate.map_err(|why| bad("anchors", &why))?;
        roots.add(certificate).map_err(|why| bad("anchors", &why))?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.certificate).collect();
    let chain = chain.map_err(|why| bad("certificate", &why))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|why| bad("key", &why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|why| bad("TLS", &why))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|why| bad("certificate", &why))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeout)
        .timeout(timeout)
        .build()
        .map_err(|why| bad("client", &why))
}

/// Why a POST gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("the answer is larger than 20 MiB")]
    TooLarge,
    #[error("{0}")]
    Failed(String),
}

/// One POST; the answer is read up to its limit.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    content_type: &'static str,
    body: Vec<u8>,
    headers: &[(&'static str, &str)],
) -> Result<PeerAnswer, PostError> {
    let mut all = HeaderMap::new();
    all.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).map_err(|why| PostError::Failed(why.to_string()))?;
        all.insert(*name, value);
    }
    let failed = |why: reqwest::Error| PostError::Failed(chain_of(&why));
    let mut response = client.post(url).headers(all).body(body).send().await.map_err(failed)?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let (receipt, content_type) = (header("licence-receipt"), header("content-type").unwrap_or_default());
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(PostError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(PeerAnswer { status, body, content_type, receipt })
}

/// An error with its causes; the URL, which says nothing more, is left out.
fn chain_of(why: &reqwest::Error) -> String {
    let mut text =
        if why.is_timeout() { "it took too long".to_owned() } else { "connection failed".to_owned() };
    let mut cause = std::error::Error::source(why);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Makes ring the process's TLS provider, for clients that are not given one.
pub fn use_ring() {
    // Only the first call installs it; another provider is not in the tree.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
