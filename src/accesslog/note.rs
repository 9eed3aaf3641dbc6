//! Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), with Ed25519.

use std::fmt;

use base64::prelude::*;

use licence_seal::crypto::{Ed25519Public, Ed25519Signer, sha256};
use licence_seal::merkle::Hash;

const ED25519: u8 = 1;

/// Why a note is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("not a signed note")]
    Format,
    #[error("not a verifier key: NAME+ID+BASE64 with an Ed25519 key")]
    VerifierKey,
    #[error("no signature by this key")]
    NoSignature,
    #[error("the signature does not verify")]
    Signature,
    #[error("not a checkpoint")]
    Checkpoint,
}

/// A verifier key: `name+id+base64(0x01 ‖ public key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    pub name: String,
    pub key: Ed25519Public,
}

impl VerifierKey {
    /// Parses a vkey; its id must be that of its name and key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let key = BASE64_STANDARD.decode(key).map_err(|_| NoteError::VerifierKey)?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(NoteError::VerifierKey) };
        let key = Ed25519Public(key.try_into().map_err(|_| NoteError::VerifierKey)?);
        if !valid_name(name) || id != hex::encode(key_id(name, &key)) {
            return Err(NoteError::VerifierKey);
        }
        Ok(Self { name: name.to_owned(), key })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [[ED25519].as_slice(), &self.key.0].concat();
        let id = hex::encode(key_id(&self.name, &self.key));
        write!(f, "{}+{id}+{}", self.name, BASE64_STANDARD.encode(key))
    }
}

/// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), first 4 bytes (C2SP signed-note).
pub fn key_id(name: &str, key: &Ed25519Public) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", &[ED25519], &key.0]);
    [a, b, c, d]
}

/// Signs `text`, which must end with a newline.
pub fn sign_note(text: &str, name: &str, signer: &Ed25519Signer) -> String {
    let id = key_id(name, &signer.public());
    let signature = [id.as_slice(), &signer.sign(text.as_bytes())].concat();
    format!("{text}\n— {name} {}\n", BASE64_STANDARD.encode(signature))
}

/// The text of a note that `key` signed. Signatures by others are passed over.
pub fn verify_note<'a>(note: &'a str, key: &VerifierKey) -> Result<&'a str, NoteError> {
    let split = note.rfind("\n\n").ok_or(NoteError::Format)?;
    let (text, signatures) = note.split_at_checked(split + 1).ok_or(NoteError::Format)?;
    let signatures =
        signatures.strip_prefix('\n').and_then(|s| s.strip_suffix('\n')).ok_or(NoteError::Format)?;
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(NoteError::Format);
    }
    let id = key_id(&key.name, &key.key);
    let mut outcome = Err(NoteError::NoSignature);
    for line in signatures.split('\n') {
        let parsed = line.strip_prefix("— ").and_then(|line| line.split_once(' '));
        let (name, signature) = parsed.ok_or(NoteError::Format)?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| NoteError::Format)?;
        let (found, signature) = signature.split_first_chunk::<4>().ok_or(NoteError::Format)?;
        if !valid_name(name) {
            return Err(NoteError::Format);
        }
        if name == key.name && *found == id {
            key.key.verify(text.as_bytes(), signature).map_err(|_| NoteError::Signature)?;
            outcome = Ok(text);
        }
    }
    outcome
}

/// What a log's head says: origin, size and root, a line each (C2SP tlog-checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text. Extension lines of others are accepted and dropped.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.strip_suffix('\n').ok_or(NoteError::Checkpoint)?.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::Checkpoint);
        let (origin, size, root) = (next()?.to_owned(), next()?, next()?);
        let number: u64 = size.parse().map_err(|_| NoteError::Checkpoint)?;
        if number.to_string() != size || lines.any(str::is_empty) {
            return Err(NoteError::Checkpoint);
        }
        let root = BASE64_STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self { origin, size: number, root: root.ok_or(NoteError::Checkpoint)? })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }
}

fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_checkpoint_signed_here_verifies_and_no_changed_byte_does() {
        let signer = Ed25519Signer::from_seed(&[5; 32]).unwrap();
        let checkpoint = Checkpoint { origin: "log.example/1".into(), size: 20, root: [7; 32] };
        let note = sign_note(&checkpoint.to_string(), "log.example/1", &signer);
        let key = VerifierKey { name: "log.example/1".into(), key: signer.public() };
        assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key.clone()));
        assert_eq!(Checkpoint::parse(verify_note(&note, &key).unwrap()), Ok(checkpoint));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(verify_note(&changed, &key).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn the_example_of_c2sp_verifies() {
        let key = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
            .unwrap();
        let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assert_eq!(verify_note(note, &key), Ok("This is an example message.\n"));
        assert_eq!(Checkpoint::parse("This is an example message.\n"), Err(NoteError::Checkpoint));
        assert_eq!(
            VerifierKey::parse("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
            Err(NoteError::VerifierKey)
        );
    }

    #[test]
    fn the_collected_notes_verify() {
        let base = std::env::var("LICENCE_VECTORS")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vectors").into());
        let Ok(file) = std::fs::read(Path::new(&base).join("signed-note/signed-notes.json")) else {
            println!("skipped: no signed-note vectors (set LICENCE_VECTORS)");
            return;
        };
        let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
        let notes = file["notes"].as_array().unwrap();
        assert_eq!(notes.len(), 18);
        for case in notes {
            let key = VerifierKey::parse(case["vkey"].as_str().unwrap()).unwrap();
            let text = verify_note(case["note"].as_str().unwrap(), &key).unwrap();
            if key.name.ends_with("/testdata") {
                assert_eq!(Checkpoint::parse(text).unwrap().to_string(), text);
            }
        }
    }
}
