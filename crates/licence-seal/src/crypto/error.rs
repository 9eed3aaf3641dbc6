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
    #[error("the key file: {0}")]
    KeyFile(String),
    #[error("the key's encryption is not accepted: {0}")]
    KeyEncryption(&'static str),
    #[error("the key is encrypted, and no passphrase was given")]
    PassphraseNeeded,
    #[error("the passphrase does not open the key")]
    PassphraseWrong,
    #[error("{0}")]
    SecretSource(String),
    #[error("not a pkcs11: URI of one key (RFC 7512): {0}")]
    TokenUri(&'static str),
    #[error("the PKCS#11 library {0}")]
    TokenModule(String),
    #[error("token: {0}")]
    TokenNotFound(&'static str),
    #[error("key in the token: {0}")]
    TokenKey(&'static str),
    #[error("PIN of the token: {0}")]
    TokenPin(&'static str),
    #[error("the token: {0}")]
    TokenDevice(String),
}
