//! TLS 1.3 of the exchange.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {what}: {why}")]
pub struct TlsError {
    what: &'static str,
    why: String,
}

fn bad(what: &'static str, why: &dyn std::fmt::Display) -> TlsError {
    TlsError { what, why: why.to_string() }
}

/// Asks for a client certificate and has its key proved, and decides nothing else.
///
/// Whose certificate it is, whether its authority is ours and whether it was revoked is checked at each
/// request, by `exchange::admission`: a handshake that fails leaves no source and no rule on record, a
/// connection lives longer than a revocation list, and a certificate that nobody registered is turned
/// away by its digest, before anything of it is parsed.
#[derive(Debug)]
struct ProveTheKey(Arc<CryptoProvider>);

impl ClientCertVerifier for ProveTheKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// From PEM: our chain (leaf first) and key.
///
/// Sessions are not resumed: agencies keep their connections, and a full handshake is the only moment at
/// which possession of a key is proved.
pub fn server_config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|why| bad("certificate", &why))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| bad("key", &why))?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|why| bad("versions", &why))?
        .with_client_cert_verifier(Arc::new(ProveTheKey(provider)))
        .with_single_cert(chain, key)
        .map_err(|why| bad("certificate", &why))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
