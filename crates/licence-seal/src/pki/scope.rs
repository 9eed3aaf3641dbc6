//! What a revocation list speaks of (RFC 5280 5.2.5), and where a certificate says its list is.
//!
//! A list without an issuing distribution point speaks of every certificate of its issuer, for
//! every reason. One with it speaks of less, and what it does not speak of it says nothing about:
//! such a list is passed over for that certificate, as if it were not there. Names of points are
//! compared octet by octet, as RFC 5280 6.3.3 has one authority write both.

use super::asn1::{Element, Fault, Reader, SEQUENCE, SET, explicit, sequence, tlv, whole};
use super::names::raw_names;

/// Most distribution points of one certificate.
const MAX_POINTS: usize = 64;

/// Reasons of revocation as bits, keyCompromise (1) to aACompromise (8) from the second highest on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reasons(u16);

impl Reasons {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0x7f80);

    fn read(element: &Element<'_>) -> Result<Self, Fault> {
        match element.content {
            [unused @ 0..=7, octets @ ..] if !octets.is_empty() || *unused == 0 => {
                let octet = |at: usize| u16::from(octets.get(at).copied().unwrap_or(0));
                Ok(Self(((octet(0) << 8) | octet(1)) & Self::ALL.0))
            }
            _ => Err(Fault::Value),
        }
    }

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One entry of a certificate's `cRLDistributionPoints` (RFC 5280 4.2.1.13).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DistributionPoint {
    /// DER of its full names.
    names: Vec<Vec<u8>>,
    reasons: Reasons,
    /// Whether the list there is by another than the certificate's issuer.
    by_another: bool,
}

impl DistributionPoint {
    /// Of a certificate by `issuer`, DER of its name.
    pub(super) fn read_all(der: &[u8], issuer: &[u8]) -> Result<Vec<Self>, Fault> {
        let points = whole(der, SEQUENCE)?.inside().all(MAX_POINTS)?;
        points.iter().map(|point| Self::read(point.raw, issuer)).collect()
    }

    fn read(der: &[u8], issuer: &[u8]) -> Result<Self, Fault> {
        let mut parts = whole(der, SEQUENCE)?.inside();
        let names = parts.optional(explicit(0))?.map(|name| full_names(&name, issuer)).transpose()?;
        let reasons = parts.optional(0x81)?.map(|reasons| Reasons::read(&reasons)).transpose()?;
        let by_another = parts.optional(explicit(2))?.is_some();
        parts.finish()?;
        Ok(Self { names: names.unwrap_or_default(), reasons: reasons.unwrap_or(Reasons::ALL), by_another })
    }
}

/// The full names of a DistributionPointName; one relative to `issuer` is put after its name.
fn full_names(element: &Element<'_>, issuer: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let mut choice: Reader<'_> = element.inside();
    let name = choice.any()?;
    choice.finish()?;
    match name.tag {
        0xa0 => raw_names(name.inside()),
        0xa1 => {
            let last = tlv(SET, &[name.content]);
            let full = sequence(&[whole(issuer, SEQUENCE)?.content, &last]);
            Ok(vec![tlv(0xa4, &[&full])])
        }
        _ => Err(Fault::Tag),
    }
}

/// The scope of a list, from its `issuingDistributionPoint` (RFC 5280 5.2.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scope {
    /// DER of the point's full names.
    point: Option<Vec<Vec<u8>>>,
    only_users: bool,
    only_authorities: bool,
    only_attributes: bool,
    reasons: Reasons,
    pub indirect: bool,
}

impl Scope {
    pub const COMPLETE: Self = Self {
        point: None,
        only_users: false,
        only_authorities: false,
        only_attributes: false,
        reasons: Reasons::ALL,
        indirect: false,
    };

    /// Of a list by `issuer`, DER of its name.
    pub fn read(der: &[u8], issuer: &[u8]) -> Result<Self, Fault> {
        let mut parts = whole(der, SEQUENCE)?.inside();
        let point = parts.optional(explicit(0))?.map(|name| full_names(&name, issuer)).transpose()?;
        let only_users = flag(&mut parts, 1)?;
        let only_authorities = flag(&mut parts, 2)?;
        let reasons = parts.optional(0x83)?.map(|reasons| Reasons::read(&reasons)).transpose()?;
        let indirect = flag(&mut parts, 4)?;
        let only_attributes = flag(&mut parts, 5)?;
        parts.finish()?;
        let kinds = [only_users, only_authorities, only_attributes].into_iter().filter(|only| *only).count();
        if kinds > 1 {
            return Err(Fault::Value);
        }
        Ok(Self {
            point,
            only_users,
            only_authorities,
            only_attributes,
            reasons: reasons.unwrap_or(Reasons::ALL),
            indirect,
        })
    }

    /// For which reasons a list of this scope would name a certificate with these points (RFC 5280
    /// 6.3.3 b, d).
    pub fn covers(&self, is_authority: bool, points: &[DistributionPoint]) -> Reasons {
        if self.only_attributes
            || (self.only_users && is_authority)
            || (self.only_authorities && !is_authority)
        {
            return Reasons::NONE;
        }
        let Some(names) = &self.point else { return self.reasons };
        let ours = points
            .iter()
            .filter(|point| !point.by_another && point.names.iter().any(|name| names.contains(name)));
        let asked = ours.fold(Reasons::NONE, |sum, point| sum.or(point.reasons));
        self.reasons.and(asked)
    }
}

fn flag(parts: &mut Reader<'_>, n: u8) -> Result<bool, Fault> {
    parts.optional(0x80 | n)?.map_or(Ok(false), |element| element.boolean())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::asn1::{BIT_STRING, sequence};

    #[test]
    fn reasons_are_read_from_the_highest_bit_on() {
        let read = |content: &[u8]| Reasons::read(&Element { tag: BIT_STRING, raw: &[], content });
        assert_eq!(read(&[6, 0x40]), Ok(Reasons(0x4000)));
        assert_eq!(read(&[7, 0x7f, 0x80]), Ok(Reasons::ALL));
        assert_eq!(read(&[7, 0xff, 0x80]), Ok(Reasons::ALL));
        assert_eq!(read(&[0]), Ok(Reasons::NONE));
        assert!(read(&[]).is_err() && read(&[8, 0]).is_err() && read(&[1]).is_err());
    }

    #[test]
    fn a_scope_says_one_kind_at_most() {
        let read = |text: &str| Scope::read(&hex::decode(text.replace(' ', "")).unwrap(), &[0x30, 0]);
        assert_eq!(read("3000"), Ok(Scope::COMPLETE));
        assert!(read("3003 8101ff").unwrap().only_users);
        assert!(read("3003 8401ff").unwrap().indirect);
        for bad in ["3006 8101ff 8201ff", "3003 810101", "3003 8601ff", "3006 8201ff 8101ff", "30"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_scopes_and_points_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let body = sequence(&[&bytes]);
            let _ = (Scope::read(&body, &body), DistributionPoint::read_all(&body, &body));
        }
    }
}
