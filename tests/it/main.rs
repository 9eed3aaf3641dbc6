//! The booted node: one binary, a module for each requirement.
//!
//! Every test boots real nodes on real sockets with real certificates and stores of their own; an
//! actor asks like an agency, an authority or an operator does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod child;
mod support;

mod annotated_copies;
mod backup;
mod bad_input;
mod city_to_city;
mod crashes;
mod files_verified;
mod grants_and_registrations;
mod house;
mod import_resumed;
mod interop;
mod issue_and_status;
mod keys;
mod kill;
mod licence_offline;
mod master_key;
mod master_key_changed;
mod negative;
mod new_operation;
mod node_log;
mod program;
mod rekey;
mod report_page;
mod sample_configuration;
mod seal_making;
mod sled_dangers;
mod stolen_disk;
mod tokens_and_signatures;
mod x509_limbo;
mod x509_pkits;
