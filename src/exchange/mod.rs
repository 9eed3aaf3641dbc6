//! The operations of the exchange: rules, then store, then log, then receipt.
//!
//! Every request of a known caller, granted, refused or broken, comes through [`Passage::handle`] and
//! leaves it only after its log entry is durable; there is one way out, so no operation can forget
//! the log. Rules that need no record run before those that do, and a refusal names the rule, never
//! whether a person or licence exists. HTTP stands above (`api`): what is here can be called without
//! a socket. The alternative, a handler of the HTTP side for each operation, would have each remember
//! the order, and would spread paths, roles and limits over as many places.
//!
//! From what all use to what uses all; no file names one of a later row:
//!
//! | file | decides |
//! |---|---|
//! | `rules`, `problem`, `media`, `message` | names of rules, refusals, media types, requests and answers |
//! | `settings`, `rate`, `replays`, `registrations`, `trusts` | limits, and who and what is known |
//! | `sealing`, `commitment` | which seal is set, and how the log commits to it |
//! | `backup`, `master`, `jobs` | store and log together out of a node and back, under another master key; long work |
//! | `office` | the state that operations share, and how they get at the store |
//! | `import`, `reconcile` | many records at once, from files; store and log say the same before the node serves |
//! | `admission`, `draft`, `request` | who is asking, and what of it goes into the log |
//! | `subject`, `grants`, `standing`, `cut`, `changes` | what several operations have in common |
//! | `regions`, `abroad` | which other cities are asked, and what of their answers is believed |
//! | `ops` | the operations, one a file |
//! | `operations` | the table of them: path, method, role, body, limit, word in the log |
//! | `passage` | the one way in and out |

mod abroad;
mod admission;
pub mod backup;
mod changes;
pub mod commitment;
mod cut;
mod draft;
mod grants;
pub mod import;
pub mod jobs;
pub mod master;
mod media;
mod message;
mod office;
pub mod operations;
pub mod ops;
mod passage;
pub mod problem;
mod rate;
pub mod reconcile;
mod regions;
pub mod registrations;
mod replays;
mod request;
pub mod rules;
mod sealing;
pub mod settings;
mod standing;
mod subject;
mod trusts;

pub use self::admission::{Caller, Credentials};
pub use self::draft::Draft;
pub use self::message::{Answer, Incoming, Outgoing};
pub use self::office::{Exchange, Keys, Office, Storage};
pub use self::passage::Passage;
pub use self::request::Request;
pub use self::sealing::{NodeSeal, NotSealed, SealingKeys};
pub use self::trusts::{Older, Trusts};
