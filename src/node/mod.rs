//! The node, wired from its configuration.
//!
//! Only here do the rooms meet: files become keys, seals and trust; store and log are opened and
//! brought to the same state; the exchange is built on them and the listener on the exchange. The
//! demo and the tests start nodes through the same functions as `serve`.

mod error;
mod files;
mod open;
mod seed;
mod serve;
mod settings;

pub use error::Error;
pub use files::{certificate_of, certificates_of, seal_folders};
pub use open::Node;
pub use serve::RunningNode;
pub use settings::{LOG_KEY_LABEL, NodeSettings};
