//! What an operation is given.

use std::sync::Arc;

use super::admission::Caller;
use super::draft::Draft;
use super::message::Incoming;
use super::office::Exchange;

/// A request of a caller who was admitted, for the operation that it names.
pub struct Request<'a> {
    pub exchange: &'a Arc<Exchange>,
    pub incoming: &'a Incoming,
    /// What stands in the path after the operation's own.
    pub rest: &'a str,
    pub caller: &'a Caller,
    /// Its entry of the access log, to be filled in as the request is understood.
    pub draft: &'a mut Draft,
}
