//! Verifies sealed electronic licences (电子证照) offline: the sealed licence (`*.licence.json`), OFD files
//! (GB/T 33190) with their signatures, seals and stamps (GB/T 38540 and its relatives).
//!
//! Whoever verifies holds a *trust folder* ([`seal::Trust`]): certificate authorities, the pinned
//! directory certificate and issuer list of each city, revocation lists. Nothing is looked up anywhere:
//! the same bytes, trust and moment always give the same [`Report`](seal::report::Report), with a
//! verdict in the words of ETSI EN 319 102-1, a sentence in Chinese and English, and every check that
//! led to them.
//!
//! ```
//! use std::path::Path;
//!
//! use licence_seal::ofd::{FileKind, Limits};
//! use licence_seal::seal::{Ask, Indication, Trust};
//! use licence_seal::time::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let city = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sm2-sm3");
//! # if !city.exists() { return Ok(()); }
//! let trust = Trust::read(&city.join("trust"))?;
//! let bytes = std::fs::read(city.join("licence-0.licence.json"))?;
//!
//! let at = Timestamp::parse_rfc3339("2026-11-23T05:05:06Z").ok_or("no time")?;
//! let ask = Ask { at, seal_only: false, catalogue: None };
//! let report = FileKind::Licence.verify("licence-0", &bytes, &trust, &ask, &Limits::default());
//!
//! assert_eq!(report.verdict.indication, Indication::TotalPassed);
//! assert_eq!(report.summary.zh, "有效");
//! # Ok(())
//! # }
//! ```
//!
//! The whole of a small verifier, `examples/verify.rs`:
//!
//! ```no_run
#![doc = include_str!("../examples/verify.rs")]
//! ```
//!
//! # Rooms
//!
//! A room uses only rooms on lower floors.
//!
//! | floor | room | decides |
//! |---|---|---|
//! | 4 | [`ofd`] | OFD files: what a seal on one covers, and which verification a file gets |
//! | 3 | [`seal`] | sealed licences, seals and stamps, trust, the report |
//! | 3 | [`evidence`] | tokens, request signatures and receipts of an exchange |
//! | 2 | [`licence`] | what a licence is: types, identifiers, records, status |
//! | 2 | [`pki`] | certificates, revocation lists and paths; signed messages and time stamps |
//! | 1 | [`crypto`] | suites, keys, signatures, digests |
//! | 1 | [`merkle`] | trees of RFC 6962 and their proofs |
//! | 1 | [`time`] | clocks, instants and days |
//! | 1 | [`drawing`] | shapes, glyphs and pictures (of makers) |
//!
//! # Features
//!
//! Without any feature the crate reads and verifies. `make` adds sealing, annotated copies, faces,
//! pictures and a small certification authority; `samples` made-up licences; `testing` what the tests
//! of other crates share.

pub mod crypto;
pub mod drawing;
pub mod evidence;
pub mod licence;
pub mod merkle;
pub mod ofd;
pub mod pki;
pub mod seal;
pub mod time;
