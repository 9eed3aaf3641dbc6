//! Towns to ask and actors that ask them.
//!
//! A town is a real node: its own authority, seals, store and log in a folder of its own, listening
//! on a free port. An actor holds a certificate and asks like an agency, an issuing authority or an
//! operator does. Time stands still until a test moves it. A reply knows what the node's state was
//! before the request, so that a refusal can be held to "nothing changed".
//!
//! | part | what it has |
//! |---|---|
//! | `boot` | how towns come to be: [`tianjin`], [`three`], and what a [`Plan`] changes |
//! | `founded` | the cities that all towns are copies of |
//! | `town` | a node, its files and its log; stopped and started |
//! | `actor` | those who ask, with a verb for each thing they do |
//! | `bodies` | what is asked |
//! | `reply` | what came back, held to its receipt and to the log |
//! | `wire` | paths, and bytes over sockets |

mod actor;
mod bodies;
mod boot;
mod founded;
mod reply;
mod town;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use licence_seal::crypto::{Random, SystemRandom};

pub use actor::{Actor, actor, peer_node, without_token};
pub use bodies::{MATTER, context, data_body, faces, like, search_body, verify_body, with};
pub use boot::{Plan, three, three_with, tianjin, town_with};
pub use reply::Reply;
pub use town::{Town, later};
pub use wire::{
    ADMIN, DATA, FILE, FILES, ISSUE, SEARCH, STATUS, TOKEN, VERIFY, anonymous, raw, status_and_body, wait,
};

pub const TIANJIN: &str = "120000";
pub const BEIJING: &str = "110000";
pub const HEBEI: &str = "130000";

pub fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom::new())
}

/// Other makers' files, which the repository does not hold.
pub fn vectors() -> PathBuf {
    std::env::var_os("LICENCE_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"), PathBuf::from)
}

/// Calls `one` with every number below `count`, on all processors.
pub fn for_each(count: usize, one: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    one(at);
                }
            });
        }
    });
}
