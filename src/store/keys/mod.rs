//! The key file: the store's keys, each wrapped under the master key.
//!
//! A store has one identity and these keys, made once: `data` encrypts blocks, journal and exports
//! (a key of its own derived for each), `index` makes blind keys, `files` authenticates side files,
//! `salt` salts disclosures. A key's number stands beside all it made, so a newer one can come in
//! beside it. The file is one canonical JSON text with an HMAC under the master key: a changed, added
//! or removed entry is seen. It lies outside sled, and every export has a copy.
//!
//! | file | decides |
//! |---|---|
//! | `file` | the file itself, wrapped and authenticated |
//! | `ring` | the keys of an open store |
//! | `blind` | blind keys |
//! | `rewrap` | the file under another master key |

mod blind;
mod file;
mod keyring;
mod rewrap;

pub(super) use self::blind::{Blinding, first};
pub(super) use self::file::{KEY_FILE, KeyId, Purpose};
pub(super) use self::keyring::{Bound, Keyring, Use, key_number};
pub use self::rewrap::KeyFiles;

#[cfg(test)]
mod tests;
