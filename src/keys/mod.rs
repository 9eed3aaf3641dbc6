//! Custody: where private keys, passphrases and the master key come from.
//!
//! [`open_signer`] gives a [`Signer`](licence_seal::crypto::Signer) from a key file, plain or encrypted,
//! or from a certified cryptographic machine behind PKCS#11. A secret is named by its source (a file, a
//! variable, a command) and never stands in a setting, an error or a log. The verifier
//! (`crates/licence-seal`) has no such room: whoever only verifies holds no key.

mod error;
mod key_file;
mod key_source;
mod master_key;
mod pkcs11;
mod secret_source;
mod token_uri;

pub use error::KeyError;
pub use key_file::{encrypt_key_pem, read_key, read_key_pem};
pub use key_source::{KeySource, open_signer};
pub use master_key::MasterKeySource;
pub use pkcs11::TokenSigner;
pub use secret_source::{Passphrase, SecretSource, command_without_secrets};
pub use token_uri::TokenUri;
