//! The regions that there is sample data of.

use super::pools::{self, RegionData};

/// A region with sample data.
#[derive(Clone, Copy)]
pub struct Region(pub(super) &'static RegionData);

impl Region {
    pub const TIANJIN: Self = Self(&pools::REGIONS[0]);
    pub const BEIJING: Self = Self(&pools::REGIONS[1]);
    pub const HEBEI: Self = Self(&pools::REGIONS[2]);
    pub const ALL: [Self; 3] = [Self::TIANJIN, Self::BEIJING, Self::HEBEI];

    /// By its six-digit code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    pub fn code(self) -> &'static str {
        self.0.code
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// An example of Tianjin, moved to the region.
    pub(super) fn local(self, example: &str) -> String {
        let RegionData { name, short_name, letter, .. } = self.0;
        if self == Self::TIANJIN {
            return example.to_owned();
        }
        example.replace("天津市", name).replace("天津", short_name).replace('津', letter)
    }
}

impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        self.code() == other.code()
    }
}

impl Eq for Region {}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Region({})", self.code())
    }
}
