//! A registration: who stands behind a certificate.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::AddressRange;
use licence_seal::time::Timestamp;

/// What a caller is. One registration has one role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// An agency that asks for licences.
    Partner,
    /// An issuing authority: issues and changes the status of its own licences.
    Issuer,
    /// Another city's node.
    Peer,
    /// Changes registrations and grants; sees no licence.
    Operator,
    /// Reads the log; sees no licence and changes nothing.
    Auditor,
}

/// A known caller.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// 1 to 64 of `[a-z0-9.-]`; for a peer its region code.
    pub id: String,
    pub name: String,
    pub role: Role,
    /// SHA-256 of each certificate it may use, hexadecimal.
    pub certificates: Vec<String>,
    pub from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(default)]
    pub revoked: bool,
    /// Whether every request must carry a request signature, also inside the city.
    #[serde(default)]
    pub must_sign: bool,
    /// Where it may call from; empty means anywhere.
    #[serde(default)]
    pub addresses: Vec<AddressRange>,
    /// For an issuing authority: the issuer codes it may speak for.
    #[serde(default)]
    pub issuer_codes: Vec<String>,
}

/// Why a certificate's owner is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    #[error("this certificate is not registered")]
    Unknown,
    #[error("the registration is revoked")]
    Revoked,
    #[error("the registration begins at {0}")]
    NotYet(Timestamp),
    #[error("the registration ended at {0}")]
    Ended(Timestamp),
    #[error("the registration does not allow this address")]
    Address,
    #[error("{0}")]
    Malformed(&'static str),
}

impl RegistrationError {
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Unknown => "registration.unknown",
            Self::Revoked => "registration.revoked",
            Self::NotYet(_) => "registration.notYet",
            Self::Ended(_) => "registration.ended",
            Self::Address => "registration.address",
            Self::Malformed(_) => "registration.malformed",
        }
    }
}

impl Registration {
    /// Whether it may call now, from there.
    pub fn admit(&self, now: Timestamp, from: IpAddr) -> Result<(), RegistrationError> {
        if self.revoked {
            return Err(RegistrationError::Revoked);
        }
        if now < self.from {
            return Err(RegistrationError::NotYet(self.from));
        }
        if let Some(until) = self.until.filter(|until| now > *until) {
            return Err(RegistrationError::Ended(until));
        }
        if !self.addresses.is_empty() && !self.addresses.iter().any(|range| range.contains(from)) {
            return Err(RegistrationError::Address);
        }
        Ok(())
    }

    /// Whether the registration is well formed.
    pub fn check(&self) -> Result<(), RegistrationError> {
        let malformed = RegistrationError::Malformed;
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(plain) {
            return Err(malformed("an id is 1 to 64 of a-z, 0-9, dot and hyphen"));
        }
        if self.name.is_empty() || self.name.chars().count() > 200 {
            return Err(malformed("a name is 1 to 200 characters"));
        }
        let digest =
            |text: &String| text.len() == 64 && hex::decode(text).is_ok_and(|d| hex::encode(d) == *text);
        if self.certificates.is_empty() || !self.certificates.iter().all(digest) {
            return Err(malformed(
                "certificates are SHA-256 digests in lower-case hexadecimal, at least one",
            ));
        }
        if self.role == Role::Issuer && self.issuer_codes.is_empty() {
            return Err(malformed("an issuing authority has at least one issuer code"));
        }
        Ok(())
    }
}
