//! Certificates, revocation lists and paths (RFC 5280, GB/T 20518): SM2, P-256, P-384 and RSA.
//!
//! x509-parser reads certificates and lists; what is decided here is what they are worth. A path
//! is built and validated at a moment that the caller names, because a seal is judged when it was
//! set and a connection now. webpki was not taken: it knows no SM2, wants a TLS purpose of every
//! certificate, and cannot look at a moment in the past with that moment's lists.
//!
//! Whoever brings certificates decides how much they cost: so a path has at most 8 of them,
//! building it costs at most 64 signature verifications, its name constraints at most 100,000
//! comparisons, its lists at most 1,024 verifications. What verified once is not verified again.
//!
//! What is not evaluated is refused, never passed over: policy constraints, constraints on forms of
//! names that are not known, indirect lists, critical extensions that are not understood. What is
//! checked, by which rule, and how the public suites come out: `docs/x509.md`.
//!
//! | file | decides |
//! |---|---|
//! | `asn1` | DER as received, and DER written |
//! | `certificate`, `extensions`, `crl` | one object, parsed once and owned |
//! | `names`, `constraints`, `scope` | names and how they compare; which are permitted; which certificates a list is about |
//! | `anchors`, `verified` | who is trusted, and what verified before |
//! | `terms`, `work` | what is asked of a path, and what answering may cost |
//! | `path`, `rules`, `revocation` | whether a chain leads to an anchor at a moment, keeps the rules, and is not revoked |
//! | `profile` | what a server's chain must keep besides |
//! | `cms` | signed messages (RFC 5652, GB/T 35275), read, verified and made |
//! | `timestamp` | time stamps (RFC 3161, GB/T 20520), read, verified and made |
//! | `issue` | a small certification authority for tests, the demo and `init` |

mod anchors;
#[doc(hidden)]
pub mod asn1;
mod certificate;
pub mod cms;
mod constraints;
mod crl;
mod error;
mod extensions;
#[cfg(feature = "make")]
pub mod issue;
mod names;
mod path;
mod profile;
mod reason;
mod revocation;
mod rules;
mod scope;
mod terms;
#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
pub mod timestamp;
mod verified;
mod work;

pub use anchors::Anchors;
pub use certificate::Certificate;
pub use constraints::{MAX_NAME_COMPARISONS, NameConstraints};
pub use crl::{Crl, Revoked};
pub use error::PkiError;
pub use extensions::{AuthorityKeyId, BasicConstraints, ExtendedKeyUsage, KeyUsage};
pub use names::{AlternativeNames, DistinguishedName, GeneralName};
pub use path::{Chain, MAX_DEPTH, validate};
pub use reason::RevocationReason;
pub use scope::DistributionPoint;
pub use terms::{Revocation, Terms, Usage};
pub use work::{MAX_LIST_CHECKS, MAX_SIGNATURE_CHECKS};
