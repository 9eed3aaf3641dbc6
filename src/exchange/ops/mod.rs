//! The operations, one a file, each with the bodies it reads and gives.
//!
//! An operation is a function from a [`Request`](super::Request) to an answer or a problem. Where it
//! is reached, by whom and with which body is its row in [`TABLE`](super::operations::TABLE); what several
//! have in common lies beside this folder. None knows another.

pub mod admin;
pub mod catalogue;
pub mod copies;
pub mod data;
pub mod files;
pub mod issue;
pub mod receipts;
pub mod search;
pub mod status;
pub mod tokens;
pub mod verify;
