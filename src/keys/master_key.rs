//! Where the master key comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::secret_source::as_text;
use super::{KeyError, SecretSource};
use licence_seal::crypto::Secret;

/// A path, or `env:NAME`, or `command:PROGRAM ARGUMENT…` ([`SecretSource`]), of 64 hexadecimal digits.
///
/// A text with the digits themselves is refused: they would lie in the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKeySource(SecretSource);

as_text!(MasterKeySource);

impl MasterKeySource {
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(SecretSource::File(path.into()))
    }

    /// A relative file is meant from `base`.
    pub fn under(self, base: &Path) -> Self {
        Self(self.0.under(base))
    }

    /// Fetches the key.
    ///
    /// # Errors
    /// [`KeyError::SecretSource`], which names the source and shows nothing of what it gave.
    pub fn read(&self) -> Result<Secret, KeyError> {
        self.0.key()
    }
}

impl FromStr for MasterKeySource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.split(|c: char| c == ':' || c.is_whitespace()).any(key) {
            let why = "the source of the master key is PATH, env:NAME or command:PROGRAM ARGUMENT…, never the key itself";
            return Err(KeyError::SecretSource(why.to_owned()));
        }
        let named = ["file:", "env:", "command:"].iter().any(|kind| text.starts_with(kind));
        if named { text.parse().map(Self) } else { Ok(Self::file(text)) }
    }
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SecretSource::File(path) => write!(f, "{}", path.display()),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_needs_no_prefix_and_the_others_do() {
        let parsed = |text: &str| text.parse::<MasterKeySource>().unwrap();
        assert_eq!(parsed("keys/master.key"), MasterKeySource::file("keys/master.key"));
        assert_eq!(parsed("file:k").under(Path::new("/etc")), MasterKeySource::file("/etc/k"));
        assert_eq!(parsed("env:KEY"), MasterKeySource(SecretSource::Environment("KEY".into())));
        for text in ["keys/master.key", "env:KEY", "command:vault read key"] {
            assert_eq!(parsed(text).to_string(), text);
            assert_eq!(serde_json::to_value(parsed(text)).unwrap(), text);
        }
    }

    #[test]
    fn the_key_itself_is_refused_and_not_shown() {
        let key = "0123456789abcdef".repeat(4);
        for text in [key.clone(), format!("env:{key}"), format!("command:echo {key}"), format!(" {key}\n")] {
            let told = text.parse::<MasterKeySource>().unwrap_err().to_string();
            assert!(told.contains("never the key itself") && !told.contains("0123"), "{told}");
        }
        for text in ["env:", "command: "] {
            assert!(text.parse::<MasterKeySource>().is_err());
        }
    }
}
