//! Reads, verifies and makes sealed electronic licences (电子证照).

pub mod crypto;
pub mod drawing;
pub mod evidence;
pub mod licence;
pub mod merkle;
pub mod ofd;
pub mod pki;
pub mod seal;
pub mod time;
