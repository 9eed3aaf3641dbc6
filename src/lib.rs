//! licence-node: an exchange node for electronic licences (电子证照).
//!
//! The crate is a house: a room is a module, and it may use rooms on lower floors only, never a
//! neighbour on its own floor and never one above. `tests/it/house.rs` holds the house to that.
//!
//! | floor | rooms | what stands there |
//! |---|---|---|
//! | 7 | `cli`, `node` | a file per command; `node` wires everything from the configuration |
//! | 6 | `api`, `lab` | HTTP: the exchange as others see it · test authorities and what they make |
//! | 5 | `exchange` | the operations: rules, then store, then log, then receipt |
//! | 4 | `rules`, `peer` | what a grant allows (pure) · the network side to other nodes |
//! | 3 | `store`, `accesslog` | where licences lie · the tamper-evident record |
//! | 2 | `durable` | append-only files, journal |
//! | 1 | `config`, `parallel`, `keys` | loading and layering · work on several threads · where keys lie |

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
