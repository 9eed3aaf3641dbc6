//! What can go wrong with keys, signatures and ciphertexts.

/// What can go wrong here. None of the variants carries key material or plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("not a {0} private key in PKCS#8")]
    PrivateKey(&'static str),
    #[error("not an uncompressed point on the curve of {0}")]
    PublicKey(&'static str),
    #[error("not a signature: DER SEQUENCE of r and s, or 64 bytes r‖s, with both in range")]
    SignatureFormat,
    #[error("the signature does not verify")]
    SignatureInvalid,
    #[error("a kind of key or signature that is not supported: {0}")]
    Unsupported(String),
    #[error("signing failed")]
    Signing,
    #[error("the system gave no randomness")]
    Randomness,
    #[error("the ciphertext was changed, or belongs to another key or place")]
    Decryption,
    #[error("too long to encrypt")]
    Encryption,
    #[error("not a PEM block labelled {0}")]
    Pem(&'static str),
    #[error("not a compact JWS of type {0}: {1}")]
    Jws(&'static str, &'static str),
    /// What a signer outside this crate reports, in its own words.
    #[error("{0}")]
    Device(String),
}
