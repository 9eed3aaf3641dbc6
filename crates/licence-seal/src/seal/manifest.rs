//! The manifest: the text that is stamped for a batch.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::SealError;
use crate::crypto::{Digest, Suite};

/// First line of every manifest, and the `propertyInfo` of a stamp by the issuing authority.
pub const BATCH_V1: &str = "licence-batch/v1";
/// `propertyInfo` of a stamp by the library's own attestation seal.
pub const ATTEST_V1: &str = "licence-attest/v1";
/// Licences in a batch, at the most.
pub const MAX_BATCH: usize = 32;

/// 16 random bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchId([u8; 16]);

impl BatchId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?.try_into().ok()?;
        (hex::encode(bytes) == text).then_some(Self(bytes))
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What the stamp's `dataHash` is the hash of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub issuer: String,
    pub type_code: String,
    pub batch: BatchId,
    /// Number of licences, 1 to 32.
    pub size: u8,
    pub suite: Suite,
    /// Root of the RFC 6962 tree over the payloads.
    pub root: Digest,
}

impl Manifest {
    /// Reads the one byte form: seven lines, each ended by a line feed, nothing else.
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let refuse = SealError::Manifest;
        let body = text.strip_suffix('\n').ok_or(refuse("no line feed at its end"))?;
        let lines: Vec<&str> = body.split('\n').collect();
        let [version, issuer, type_code, batch, size, hash, root] = lines.as_slice() else {
            return Err(refuse("not seven lines"));
        };
        if *version != BATCH_V1 {
            return Err(refuse("another version"));
        }
        let plain = |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain(issuer) || !plain(type_code) {
            return Err(refuse("issuer or type is not a code"));
        }
        let manifest = Self {
            issuer: (*issuer).to_owned(),
            type_code: (*type_code).to_owned(),
            batch: BatchId::parse(batch).ok_or(refuse("the batch id is not 32 hexadecimal digits"))?,
            size: size.parse().map_err(|_| refuse("the size is not a number"))?,
            suite: Suite::from_hash_name(hash).ok_or(refuse("an unknown hash"))?,
            root: STANDARD
                .decode(root)
                .ok()
                .and_then(|root| root.try_into().ok())
                .ok_or(refuse("the root is not base64 of 32 bytes"))?,
        };
        if manifest.size == 0 || usize::from(manifest.size) > MAX_BATCH {
            return Err(refuse("the size is not 1 to 32"));
        }
        if manifest.to_string() != text {
            return Err(refuse("not its one byte form"));
        }
        Ok(manifest)
    }

    /// H(manifest): what is stamped.
    pub fn data_hash(&self) -> Digest {
        self.suite.hash(&[self.to_string().as_bytes()])
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{BATCH_V1}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.issuer,
            self.type_code,
            self.batch,
            self.size,
            self.suite.hash_name(),
            STANDARD.encode(self.root)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_one_byte_form() {
        let manifest = Manifest {
            issuer: "11120000000000000A".into(),
            type_code: "11999999EXAMPLE00T001".into(),
            batch: BatchId::from_bytes([0xab; 16]),
            size: 7,
            suite: Suite::Sm2Sm3,
            root: [3; 32],
        };
        let text = manifest.to_string();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        for bad in [
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replace('\n', "\r\n"),
            text.replace("\n7\n", "\n07\n"),
            text.replace("\n7\n", "\n33\n"),
            text.replace("\n7\n", "\n0\n"),
            text.replace("abab", "ABAB"),
            text.replace("sm3", "md5"),
            text.replace("/v1", "/v2"),
        ] {
            assert!(Manifest::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
