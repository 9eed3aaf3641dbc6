//! What is asked of a path: for which use, at which moment, with what known of revocation.

use crate::time::Timestamp;

/// What must be known about revocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revocation {
    /// Every issuer of the path but the anchor's own must have a fresh list here.
    Required,
    /// No list is needed; but the lists that are given for an issuer must be good ones.
    IfGiven,
}

/// What the leaf is to be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    Any,
    /// Signing seals, stamps and statements: `digitalSignature` or `nonRepudiation`.
    Sign,
    /// A server of a connection: its purpose, and the strict profile of `profile`.
    TlsServer,
    /// A client of a connection: its purpose. It is registered by the digest of its certificate.
    TlsClient,
}

/// Under which terms a path is validated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The moment at which everything must have been valid: a signing time, or now.
    pub at: Timestamp,
    /// When the question is asked; revocation lists issued up to here are known.
    pub now: Timestamp,
    pub revocation: Revocation,
    pub usage: Usage,
    /// Whether `at` is proved and not just claimed: then a later revocation leaves no doubt, whatever
    /// its reason.
    pub proved: bool,
}

impl Terms {
    /// Everything must be valid now, with revocation known.
    pub const fn strict(now: Timestamp, usage: Usage) -> Self {
        Self { at: now, now, revocation: Revocation::Required, usage, proved: false }
    }

    /// A missing revocation list no longer refuses the path.
    pub const fn without_required_revocation(self) -> Self {
        Self { revocation: Revocation::IfGiven, ..self }
    }
}
