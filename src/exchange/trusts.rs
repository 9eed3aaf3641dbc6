//! What callers, seals and other cities are held against, and that it never goes back.

use std::collections::BTreeMap;

use licence_seal::evidence::Directory;
use licence_seal::pki::{Anchors, Crl};
use licence_seal::seal::Trust;

/// Read anew while the node serves, and taken as one, so that a request never sees half of a change.
#[derive(Debug, Default)]
pub struct Trusts {
    /// Authorities of client certificates.
    pub client_anchors: Anchors,
    pub client_crls: Vec<Crl>,
    pub trust: Trust,
    /// Directories of the other cities, by region.
    pub directories: BTreeMap<String, Directory>,
}

/// What was to be taken is older than what is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Older {
    #[error("the directory of region {0} is older than the one in force")]
    Directory(String),
    #[error("the issuer list of region {0} is older than the one in force")]
    IssuerList(String),
}

impl Trusts {
    /// Whether `newer` may take their place: a list or directory never goes back to an older one, so whoever
    /// was struck off stays struck off.
    pub fn check_successor(&self, newer: &Self) -> Result<(), Older> {
        for (region, directory) in &newer.directories {
            if self.directories.get(region).is_some_and(|known| directory.issued < known.issued) {
                return Err(Older::Directory(region.clone()));
            }
        }
        for region in newer.trust.regions() {
            let issued = |trust: &Trust| trust.list(region).map(|list| list.issued);
            if issued(&newer.trust) < issued(&self.trust) {
                return Err(Older::IssuerList(region.to_owned()));
            }
        }
        Ok(())
    }
}
