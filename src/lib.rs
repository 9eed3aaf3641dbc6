//! licence-node: an exchange node for electronic licences (电子证照).
//!
//! The crate is a house: a room is a module, and it may use rooms on lower floors only, never a
//! neighbour on its own floor and never one above. `tests/it/house.rs` holds the house to that.
//!
//! | floor | rooms | what stands there |
//! |---|---|---|
//! | 8 | `cli`, `node` | a file per command; `node` wires everything from the configuration |
//! | 7 | `api`, `lab` | HTTP: the exchange as others see it · test authorities and what they make |
//! | 6 | `exchange` | the operations: rules, then store, then log, then receipt |
//! | 5 | `rules`, `peer` | what a grant allows (pure) · the network side to other nodes |
//! | 4 | `store`, `accesslog`, `ofd` | where licences lie · the tamper-evident record · OFD files |
//! | 3 | `seal`, `evidence` | seals, sealed batches, reports · tokens, request signatures, receipts, status statements, directories |
//! | 2 | `licence`, `pki`, `durable` | what a licence is · certificates, paths, revocation · append-only files, journal |
//! | 1 | `keys`, `crypto`, `merkle`, `config`, `time`, `drawing`, `parallel` | custody: where keys and secrets come from · suites, keys, AEAD · RFC 6962 trees · loading and layering · clocks and days · outlines, SVG, PNG · work on several threads |

pub mod accesslog;
pub mod api;
pub mod cli;
pub mod config;
pub mod durable;
pub mod exchange;
pub mod keys;
pub mod lab;
pub mod node;
pub mod parallel;
pub mod peer;
pub mod rules;
pub mod store;
