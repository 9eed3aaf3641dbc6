//! Where a passphrase or PIN comes from: a file, the environment, or a command. Never the command
//! line or the configuration itself, which others on the machine can read.

use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CryptoError;

/// Longest passphrase, in bytes.
const MAX_LEN: usize = 1024;

/// A passphrase or PIN. Printing shows nothing, dropping wipes.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// `file:PATH`, `env:NAME`, or `command:PROGRAM ARGUMENT…` (split at spaces, no shell). The first line
/// counts, without its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PassphraseSource {
    File(PathBuf),
    Environment(String),
    Command(Vec<String>),
}

impl PassphraseSource {
    /// A relative file is meant from `base`.
    pub fn under(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }

    /// Fetches the passphrase: 1 to 1024 bytes.
    pub fn read(&self) -> Result<Passphrase, CryptoError> {
        let refuse = |why: String| CryptoError::PassphraseSource(format!("{self}: {why}"));
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN + 3));
        let limit = u64::try_from(MAX_LEN + 2).unwrap_or_default();
        let fill = |from: &mut dyn Read, text: &mut Vec<u8>| from.take(limit).read_to_end(text);
        match self {
            Self::File(path) => {
                let opened = std::fs::File::open(path);
                opened
                    .and_then(|mut file| fill(&mut file, &mut text))
                    .map_err(|why| refuse(why.to_string()))?;
            }
            Self::Environment(name) => {
                // The bytes, in whatever encoding: an error about them would have to show them.
                let value = std::env::var_os(name).ok_or_else(|| refuse("it is not set".to_owned()))?;
                let value = Zeroizing::new(value.into_vec());
                fill(&mut value.as_slice(), &mut text).map_err(|why| refuse(why.to_string()))?;
            }
            Self::Command(words) => {
                let (program, arguments) =
                    words.split_first().ok_or_else(|| refuse("no program".to_owned()))?;
                let mut child = Command::new(program)
                    .args(arguments)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()
                    .map_err(|why| refuse(why.to_string()))?;
                if let Some(mut out) = child.stdout.take() {
                    fill(&mut out, &mut text).map_err(|why| refuse(why.to_string()))?;
                }
                let ended = child.wait().map_err(|why| refuse(why.to_string()))?;
                if !ended.success() {
                    return Err(refuse(ended.to_string()));
                }
            }
        }
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.len() > MAX_LEN {
            return Err(refuse("the first line has not 1 to 1024 bytes".to_owned()));
        }
        Ok(Passphrase(Zeroizing::new(line.to_vec())))
    }
}

impl FromStr for PassphraseSource {
    type Err = CryptoError;

    fn from_str(text: &str) -> Result<Self, CryptoError> {
        let refuse = || {
            CryptoError::PassphraseSource(
                "say file:PATH, env:NAME or command:PROGRAM ARGUMENT…, never the passphrase itself"
                    .to_owned(),
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(refuse)?;
        match kind {
            _ if rest.is_empty() => Err(refuse()),
            "file" => Ok(Self::File(rest.into())),
            "env" => Ok(Self::Environment(rest.to_owned())),
            "command" => {
                let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() { Err(refuse()) } else { Ok(Self::Command(words)) }
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Command(words) => write!(f, "command:{}", words.join(" ")),
        }
    }
}

impl TryFrom<String> for PassphraseSource {
    type Error = CryptoError;

    fn try_from(text: String) -> Result<Self, CryptoError> {
        text.parse()
    }
}

impl From<PassphraseSource> for String {
    fn from(source: PassphraseSource) -> Self {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_line_of_a_file_or_command_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass");
        let read = |source: &str| source.parse::<PassphraseSource>().unwrap().under(dir.path()).read();
        for (content, wanted) in
            [("geheim\n", "geheim"), ("geheim", "geheim"), ("口令 1\r\nsecond", "口令 1")]
        {
            std::fs::write(&file, content).unwrap();
            assert_eq!(read("file:pass").unwrap().expose(), wanted.as_bytes());
        }
        assert_eq!(read("command:echo two words").unwrap().expose(), b"two words");
        for content in ["", "\nsecond", &"x".repeat(MAX_LEN + 1)] {
            std::fs::write(&file, content).unwrap();
            assert!(matches!(read("file:pass"), Err(CryptoError::PassphraseSource(_))));
        }
        for source in
            ["file:absent", "env:NO_SUCH_VARIABLE_HERE", "command:false", "command:/no/such/program"]
        {
            assert!(matches!(read(source), Err(CryptoError::PassphraseSource(_))), "{source}");
        }
    }

    #[test]
    fn a_passphrase_is_not_printed_and_not_taken_as_a_source() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("p"), "geheim").unwrap();
        let source: PassphraseSource = "file:p".parse().unwrap();
        assert_eq!(format!("{:?}", source.under(dir.path()).read().unwrap()), "Passphrase(…)");
        for text in ["", "geheim", "file:", "command: ", "pass:geheim"] {
            let told = text.parse::<PassphraseSource>().unwrap_err().to_string();
            assert!(!told.contains("geheim"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_texts_are_refused_or_come_back(text in "(file|env|command|x)?:?\\PC{0,40}") {
            if let Ok(source) = text.parse::<PassphraseSource>() {
                prop_assert_eq!(source.to_string().parse::<PassphraseSource>(), Ok(source));
            }
        }
    }
}
