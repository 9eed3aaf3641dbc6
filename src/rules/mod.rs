//! What a caller may do: registrations, grants, and the decision (pure, no I/O).
//!
//! Deny by default. A grant names partner, operations, types, fields, matters, period, daily limit
//! and addresses, and a request is allowed only as far as one grant covers all of it at once: two
//! grants are never mixed into a third that nobody gave. When none does, the refusal names the rule
//! that the nearest grant fell at; whether the person or licence exists has not been looked at yet.

mod address;
mod decide;
mod grant;
mod registration;

pub use address::AddressRange;
pub use decide::{Allowed, Ask, Fields, Refusal, decide};
pub use grant::{Grant, Operation};
pub use registration::{Registration, RegistrationError, Role};
