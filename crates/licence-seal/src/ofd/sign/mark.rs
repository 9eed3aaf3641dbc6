//! The kinds of signature that are added.

use super::place::Place;

/// Asks an authority for a time stamp token (GB/T 20520, RFC 3161) over a signature value.
pub type TimeStamper<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// What kind of signature.
#[derive(Clone, Copy)]
pub enum Mark<'a> {
    /// `Type="Seal"`: a stamp with a V4 seal (DER).
    Stamp { seal: &'a [u8], place: Place, time_stamp: Option<TimeStamper<'a>> },
    /// `Type="Sign"`: r and s over `Signature.xml`, nothing to see, and no certificate in it.
    Plain,
}
