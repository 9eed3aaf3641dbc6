//! Why a key, a passphrase or a secret cannot be had.

use licence_seal::crypto::CryptoError;

/// What can go wrong here. None of the variants carries key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
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
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// For [`Signer`](licence_seal::crypto::Signer), whose errors are the verifier's.
impl From<KeyError> for CryptoError {
    fn from(why: KeyError) -> Self {
        match why {
            KeyError::Crypto(why) => why,
            other => Self::Device(other.to_string()),
        }
    }
}
