//! Where a secret comes from: a file, the environment, or a command. Never the command line or the
//! configuration itself, which others on the machine can read.
//!
//! A variable of the environment is inherited by every process that is started, and cannot be taken out
//! of this one safely; so whatever starts one does it through [`command_without_secrets`].

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::KeyError;
use licence_seal::crypto::Secret;

/// The most that a source may give, in bytes.
const MAX_LEN: usize = 4096;
/// Longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 1024;
/// How long a command may run.
const TIME: Duration = Duration::from_secs(30);
/// How often a command that has closed its output is asked whether it ended.
const POLL: Duration = Duration::from_millis(5);

/// Variables whose value was taken for a secret.
static TAKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Makes a type stand in the configuration as the text that it parses from and prints as.
macro_rules! as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use as_text;

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

/// A command to start a process that does not inherit the variables from which secrets were read.
pub fn command_without_secrets(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in &*TAKEN.lock() {
        command.env_remove(name);
    }
    command
}

/// `file:PATH`, `env:NAME`, or `command:PROGRAM ARGUMENT…` (split at spaces, no shell; it has 30
/// seconds). At most 4 KiB. Errors name the source, never what it gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    File(PathBuf),
    Environment(String),
    Command(Vec<String>),
}

as_text!(SecretSource);

impl SecretSource {
    /// A relative file is meant from `base`.
    pub fn under(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other,
        }
    }

    /// The first line, without its end: 1 to 1024 bytes.
    pub fn passphrase(&self) -> Result<Passphrase, KeyError> {
        let text = self.fetch(TIME)?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.len() > MAX_PASSPHRASE {
            return Err(self.refuse("the first line has not 1 to 1024 bytes"));
        }
        Ok(Passphrase(Zeroizing::new(line.to_vec())))
    }

    /// One line of 64 hexadecimal digits.
    pub fn key(&self) -> Result<Secret, KeyError> {
        let text = self.fetch(TIME)?;
        let bytes = hex::decode(text.trim_ascii()).ok().map(Zeroizing::new);
        let key = bytes.and_then(|bytes| Secret::from_slice(&bytes));
        key.ok_or_else(|| self.refuse("not 64 hexadecimal digits"))
    }

    fn refuse(&self, why: impl fmt::Display) -> KeyError {
        KeyError::SecretSource(format!("the secret from {self}: {why}"))
    }

    fn fetch(&self, time: Duration) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = match self {
            Self::File(path) => {
                std::fs::File::open(path).and_then(limited).map_err(|why| self.refuse(why))?
            }
            Self::Environment(name) => {
                // The bytes, in whatever encoding: an error about them would have to show them.
                let value = std::env::var_os(name).ok_or_else(|| self.refuse("it is not set"))?;
                TAKEN.lock().insert(name.clone());
                Zeroizing::new(value.into_vec())
            }
            Self::Command(words) => self.run(words, time)?,
        };
        if text.len() > MAX_LEN { Err(self.refuse("more than 4 KiB")) } else { Ok(text) }
    }

    fn run(&self, words: &[String], time: Duration) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let end = Instant::now() + time;
        let (program, arguments) = words.split_first().ok_or_else(|| self.refuse("no program"))?;
        let mut child = command_without_secrets(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| self.refuse(why))?;
        let (to, from) = mpsc::sync_channel(1);
        if let Some(out) = child.stdout.take() {
            // Read beside, because a read cannot be given a time.
            std::thread::spawn(move || drop(to.send(limited(out))));
        }
        let too_long = || self.refuse(format!("it runs for more than {} seconds", time.as_secs()));
        let text = match from.recv_timeout(time) {
            Ok(Ok(text)) if text.len() <= MAX_LEN => text,
            told => {
                kill(&mut child);
                // Too much: the caller says so.
                return told.map_err(|_| too_long())?.map_err(|why| self.refuse(why));
            }
        };
        match ended(&mut child, end).map_err(|why| self.refuse(why))? {
            Some(status) if status.success() => Ok(text),
            Some(status) => Err(self.refuse(status)),
            None => {
                kill(&mut child);
                Err(too_long())
            }
        }
    }
}

/// What is there, up to one byte more than may be.
fn limited(from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // As large as it can get: growing would leave copies in memory that was not wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_LEN + 1));
    from.take(MAX_LEN as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// `None` when the child still runs at `end`.
fn ended(child: &mut Child, end: Instant) -> std::io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < end => std::thread::sleep(POLL),
            status => return Ok(status),
        }
    }
}

fn kill(child: &mut Child) {
    // It may have ended by itself in between.
    let _ = child.kill();
    let _ = child.wait();
}

impl FromStr for SecretSource {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let refuse = || {
            KeyError::SecretSource(
                "the source of a secret is file:PATH, env:NAME or command:PROGRAM ARGUMENT…, never the secret itself"
                    .to_owned(),
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(refuse)?;
        match kind {
            _ if rest.is_empty() => Err(refuse()),
            "file" => Ok(Self::File(rest.into())),
            // No variable can have such a name, and asking for one panics or gives nothing.
            "env" if rest.contains(['=', '\0']) => Err(refuse()),
            "env" => Ok(Self::Environment(rest.to_owned())),
            "command" => {
                let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() { Err(refuse()) } else { Ok(Self::Command(words)) }
            }
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Command(words) => write!(f, "command:{}", words.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    fn source(text: &str) -> SecretSource {
        text.parse().unwrap()
    }

    fn file(content: &str) -> (tempfile::TempDir, SecretSource) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), content).unwrap();
        let source = source("file:secret").under(dir.path());
        (dir, source)
    }

    /// The error's text, which shows nothing of the secret.
    fn refused<T: fmt::Debug>(outcome: Result<T, KeyError>) -> String {
        let told = outcome.unwrap_err().to_string();
        assert!(!told.contains("geheim") && !told.contains("0011"), "{told}");
        told
    }

    #[test]
    fn the_first_line_is_the_passphrase() {
        for (content, wanted) in
            [("geheim\n", "geheim"), ("geheim", "geheim"), ("口令 1\r\nsecond", "口令 1")]
        {
            assert_eq!(file(content).1.passphrase().unwrap().expose(), wanted.as_bytes());
        }
        assert_eq!(source("command:echo two words").passphrase().unwrap().expose(), b"two words");
        for content in ["", "\nsecond", &"x".repeat(MAX_PASSPHRASE + 1)] {
            assert!(refused(file(content).1.passphrase()).contains("the first line has not"));
        }
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits_and_nothing_else() {
        let expected = hex::decode(KEY).unwrap();
        for content in [KEY, &format!("{KEY}\n"), &format!(" {}\r\n", KEY.to_lowercase())] {
            assert_eq!(file(content).1.key().unwrap().expose().as_slice(), expected);
        }
        let (dir, _) = file(KEY);
        let cat = format!("command:cat {}", dir.path().join("secret").display());
        assert_eq!(source(&cat).key().unwrap().expose().as_slice(), expected);
        for content in ["", &KEY[1..], &format!("{KEY}00"), &format!("{KEY}\n{KEY}"), "geheim"] {
            let (_dir, source) = file(content);
            assert_eq!(refused(source.key()), format!("the secret from {source}: not 64 hexadecimal digits"));
        }
    }

    #[test]
    fn what_is_absent_fails_or_gives_too_much_is_named_and_not_shown() {
        let (_dir, long) = file(&"geheim".repeat(1000));
        let cat = format!("command:cat {}", long.to_string().strip_prefix("file:").unwrap());
        for (source, word) in [
            ("file:/no/such/file", "No such file"),
            ("env:NO_SUCH_VARIABLE_HERE", "it is not set"),
            ("command:/no/such/program", "No such file"),
            ("command:false", "exit status: 1"),
            ("command:yes", "more than 4 KiB"),
            (&cat, "more than 4 KiB"),
            (&long.to_string(), "more than 4 KiB"),
        ] {
            let told = refused(super::tests::source(source).passphrase());
            assert!(told.contains(source.split(' ').next().unwrap()) && told.contains(word), "{told}");
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_ended() {
        let short = Duration::from_millis(20);
        // With its output open, and with it closed.
        for script in ["exec sleep 600", "exec sleep 600 >&-"] {
            let words = ["sh", "-c", script].map(str::to_owned);
            let told = refused(SecretSource::Command(words.to_vec()).fetch(short));
            assert!(told.contains("it runs for more than"), "{told}");
        }
    }

    #[test]
    fn a_child_does_not_inherit_what_was_taken_from_the_environment() {
        // Any variable stands for a secret: tests cannot set one of their own process.
        let mut names = std::env::vars().filter(|(_, value)| (1..100).contains(&value.len()));
        let (name, _) = names.find(|(name, _)| name != "PATH" && !name.starts_with("LD_")).unwrap();
        let inherited = || {
            let told = command_without_secrets("env").output().unwrap();
            String::from_utf8_lossy(&told.stdout).lines().any(|line| line.starts_with(&format!("{name}=")))
        };
        assert!(inherited());
        SecretSource::Environment(name.clone()).passphrase().unwrap();
        assert!(!inherited());
    }

    #[test]
    fn a_passphrase_is_not_printed_and_not_taken_as_a_source() {
        assert_eq!(format!("{:?}", file("geheim").1.passphrase().unwrap()), "Passphrase(…)");
        for text in ["", "geheim", "file:", "command: ", "pass:geheim", "env:A=geheim"] {
            refused(text.parse::<SecretSource>());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_texts_are_refused_or_come_back(text in "(file|env|command|x)?:?\\PC{0,40}") {
            if let Ok(source) = text.parse::<SecretSource>() {
                prop_assert_eq!(source.to_string().parse::<SecretSource>(), Ok(source));
            }
        }
    }
}
