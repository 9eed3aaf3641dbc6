//! Where a private key is: in a file, or in a token that never gives it out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::secret_source::as_text;
use super::{KeyError, SecretSource, TokenSigner, TokenUri, read_key};
use licence_seal::crypto::Signer;

/// A path, or a `pkcs11:` URI.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeySource {
    /// PKCS#8 in PEM, plain or encrypted.
    File(PathBuf),
    Token(TokenUri),
}

as_text!(KeySource);

impl KeySource {
    /// Relative files are meant from `base`.
    pub fn under(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            Self::Token(uri) => Self::Token(uri.under(base)),
        }
    }
}

/// The one way to a key that signs. `passphrase` is for an encrypted file; a token's PIN is named in
/// its URI, because a wrong one may lock the token.
pub fn open_signer(
    source: &KeySource,
    passphrase: Option<&SecretSource>,
) -> Result<Arc<dyn Signer>, KeyError> {
    Ok(match source {
        KeySource::File(path) => Arc::new(read_key(path, passphrase)?),
        KeySource::Token(uri) => Arc::new(TokenSigner::open(uri)?),
    })
}

impl FromStr for KeySource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.starts_with("pkcs11:") { text.parse().map(Self::Token) } else { Ok(Self::File(text.into())) }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Token(uri) => write!(f, "{uri}"),
        }
    }
}
