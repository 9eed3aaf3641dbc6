//! How a command opens the node.

use std::sync::Arc;

use crate::node::{Error, Node, NodeSettings};
use licence_seal::crypto::SystemRandom;
use licence_seal::time::SystemClock;

/// Opens the node of a configuration with the machine's clock and randomness.
pub fn open_node(mut settings: NodeSettings) -> Result<Node, Error> {
    // After an unclean stop sled is opened in a process of its own first: a panic there ends only that.
    let program = std::env::current_exe()?;
    settings.store.probe = Some(vec![program.into(), "store".into(), "probe".into()]);
    Node::open(settings, Arc::new(SystemClock), Arc::new(SystemRandom::new()))
}
