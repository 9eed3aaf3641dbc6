//! Test authorities, and what they make: certificates, seals, trust folders, sealed files.
//!
//! What stands here is for trying out, for the demo, for benches and for tests. The certificates come
//! from an authority made on the spot; in real use they come from the city's own (see
//! `certs/README.md`), and the files are laid down at the same places.

mod authority;
mod city;
mod configuration;
mod error;
mod files;
mod sealed_files;
mod seals;

pub use city::{City, Identity};
pub use configuration::{Configuration, Listen, Peer};
pub use error::Error;
pub use sealed_files::{SealedFile, SealedFiles};
