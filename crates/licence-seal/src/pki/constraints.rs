//! Name constraints (RFC 5280 4.2.1.10): which names may stand below an authority.
//!
//! Host names, mailboxes, addresses, URIs and directory names are evaluated, permitted and
//! excluded. A constraint on another form refuses every certificate that has a name of that form,
//! because it cannot be known to be kept; a constraint that is itself broken refuses everything.
//! A name that is not written as its form has it fits no constraint on that form.
//! A wildcard is every name it could stand for: all of them must be permitted, none excluded.

use super::asn1::{Fault, SEQUENCE, explicit, whole};
use super::names::{DistinguishedName, GeneralName, is_host};

/// Most comparisons of a name with a constraint for one path.
pub const MAX_NAME_COMPARISONS: usize = 100_000;
/// Most subtrees in one extension.
const MAX_SUBTREES: usize = 8192;

/// The subtrees of one certificate's constraints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameConstraints {
    permitted: Vec<GeneralName>,
    excluded: Vec<GeneralName>,
}

/// How a name stands to a subtree.
enum Fit {
    Inside,
    Outside,
    /// A wildcard that stands for names on both sides.
    Both,
}

impl NameConstraints {
    pub(super) fn read(der: &[u8]) -> Result<Self, Fault> {
        let mut parts = whole(der, SEQUENCE)?.inside();
        let mut subtrees = |tag| -> Result<Vec<GeneralName>, Fault> {
            let Some(list) = parts.optional(tag)? else { return Ok(Vec::new()) };
            let list = list.inside().all(MAX_SUBTREES)?;
            if list.is_empty() {
                return Err(Fault::Value);
            }
            list.iter().map(|subtree| base(subtree.raw)).collect()
        };
        let (permitted, excluded) = (subtrees(explicit(0))?, subtrees(explicit(1))?);
        parts.finish()?;
        // Neither list may be empty, nor both absent.
        if permitted.is_empty() && excluded.is_empty() {
            Err(Fault::Value)
        } else {
            Ok(Self { permitted, excluded })
        }
    }

    /// Whether `name` is permitted here and not excluded. `work` counts comparisons.
    pub(super) fn check(&self, name: &GeneralName, work: &mut usize) -> Result<(), Broken> {
        let mut constrained = false;
        let mut permitted = false;
        let lists = [(true, &self.permitted), (false, &self.excluded)];
        for (permits, base) in
            lists.iter().flat_map(|(permits, list)| list.iter().map(move |base| (*permits, base)))
        {
            *work = work.saturating_add(1);
            if *work > MAX_NAME_COMPARISONS {
                return Err(Broken::Work);
            }
            if base.form() != name.form() {
                continue;
            }
            let fit = fit(name, base)?;
            if permits {
                constrained = true;
                permitted |= matches!(fit, Fit::Inside);
            } else if !matches!(fit, Fit::Outside) {
                return Err(Broken::Rule);
            }
        }
        if constrained && !permitted { Err(Broken::Rule) } else { Ok(()) }
    }
}

/// How a name breaks the constraints.
pub(super) enum Broken {
    Rule,
    /// It is constrained in a form that is not supported.
    Form,
    /// More than [`MAX_NAME_COMPARISONS`].
    Work,
}

/// The base of a GeneralSubtree, without the minimum and maximum that RFC 5280 does not allow.
fn base(subtree: &[u8]) -> Result<GeneralName, Fault> {
    let mut parts = whole(subtree, SEQUENCE)?.inside();
    let name = GeneralName::read(&parts.any()?);
    parts.finish()?;
    let domain = |text: &str| text.is_empty() || is_host(text.strip_prefix('.').unwrap_or(text));
    let good = match &name {
        GeneralName::Dns(host) => host.is_empty() || is_host(host),
        GeneralName::Email(mailbox) => match mailbox.split_once('@') {
            Some((local, host)) => !local.is_empty() && is_host(host),
            None => domain(mailbox),
        },
        GeneralName::Uri(host) => domain(host),
        GeneralName::Address(octets) => is_network(octets),
        GeneralName::Directory(_) | GeneralName::Other(_) => true,
        GeneralName::Malformed(_) => false,
    };
    if good { Ok(name) } else { Err(Fault::Value) }
}

/// An address and a mask of ones followed by zeros.
fn is_network(octets: &[u8]) -> bool {
    let (_, mask) = octets.split_at(octets.len() / 2);
    let bits: Vec<bool> =
        mask.iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0)).collect();
    matches!(octets.len(), 8 | 32) && bits.is_sorted_by(|left, right| left >= right)
}

fn fit(name: &GeneralName, base: &GeneralName) -> Result<Fit, Broken> {
    let inside = match (name, base) {
        (GeneralName::Dns(name), GeneralName::Dns(base)) => return dns_fit(name, base),
        (GeneralName::Email(mailbox), GeneralName::Email(base)) => {
            let (local, host) = mailbox.split_once('@').ok_or(Broken::Rule)?;
            if local.is_empty() || !is_host(host) {
                return Err(Broken::Rule);
            }
            match base.split_once('@') {
                Some((base_local, base_host)) => local == base_local && host.eq_ignore_ascii_case(base_host),
                None => is_in_domain(host, base),
            }
        }
        (GeneralName::Uri(uri), GeneralName::Uri(base)) => {
            is_in_domain(uri_host(uri).ok_or(Broken::Rule)?, base)
        }
        (GeneralName::Address(address), GeneralName::Address(base)) => {
            if !matches!(address.len(), 4 | 16) {
                return Err(Broken::Rule);
            }
            let (network, mask) = base.split_at(base.len() / 2);
            let same = |((one, two), mask): ((&u8, &u8), &u8)| (one & mask) == (two & mask);
            address.len() == network.len() && address.iter().zip(network).zip(mask).all(same)
        }
        (GeneralName::Directory(name), GeneralName::Directory(base)) => {
            DistinguishedName::is_under(name, base)
        }
        (GeneralName::Other(_), _) => return Err(Broken::Form),
        _ => return Err(Broken::Rule),
    };
    Ok(if inside { Fit::Inside } else { Fit::Outside })
}

fn dns_fit(name: &str, base: &str) -> Result<Fit, Broken> {
    let (host, is_wildcard) = name.strip_prefix("*.").map_or((name, false), |host| (host, true));
    if !is_host(host) {
        return Err(Broken::Rule);
    }
    let under = |name: &str, base: &str| {
        base.is_empty() || name == base || name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'))
    };
    Ok(if under(host, base) {
        Fit::Inside
    } else if is_wildcard && under(base, host) {
        Fit::Both
    } else {
        Fit::Outside
    })
}

/// For mailboxes and URIs: exactly this host, or with a leading period anything below it.
fn is_in_domain(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    match base.strip_prefix('.') {
        Some(_) => host.len() > base.len() && host.ends_with(&base),
        None => base.is_empty() || host == base,
    }
}

/// The host name of a URI with an authority; none if it is an address.
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    // Some readers take a backslash for a slash: whose host it then is nobody can say.
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.contains('\\'))?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    is_host(host).then_some(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pki::asn1::{sequence, tlv};

    /// Whether a name of one form is permitted by, and whether it is excluded by, one base.
    fn outcome(form: u8, name: &[u8], base: &[u8]) -> (bool, bool) {
        let subtree = sequence(&[&tlv(form, &[base])]);
        let list = |tag| NameConstraints::read(&sequence(&[&tlv(tag, &[&subtree])])).unwrap();
        let der = tlv(form, &[name]);
        let name = GeneralName::read(&whole(&der, form).unwrap());
        let passes = |tag| list(tag).check(&name, &mut 0).is_ok();
        (passes(explicit(0)), !passes(explicit(1)))
    }

    #[test]
    fn each_form_has_its_own_subtrees() {
        let (inside, outside, neither) = ((true, true), (false, false), (false, true));
        for (form, name, base, expected) in [
            (0x82, "example.com", "example.com", inside),
            (0x82, "a.b.Example.com", "example.COM", inside),
            (0x82, "badexample.com", "example.com", outside),
            (0x82, "example.com", "a.example.com", outside),
            (0x82, "anything.test", "", inside),
            (0x82, "*.example.com", "example.com", inside),
            (0x82, "*.example.com", "a.example.com", neither),
            (0x82, "*.com", "example.org", outside),
            (0x82, "a_b.example.com", "example.com", neither),
            (0x81, "a@example.com", "a@example.com", inside),
            (0x81, "A@example.com", "a@example.com", outside),
            (0x81, "a@EXAMPLE.com", "example.com", inside),
            (0x81, "a@b.example.com", "example.com", outside),
            (0x81, "a@b.example.com", ".example.com", inside),
            (0x81, "a@example.com", ".example.com", outside),
            (0x81, "a@b@example.com", "example.com", neither),
            (0x86, "https://u@b.example.com:1/x", ".example.com", inside),
            (0x86, "https://example.com?x@b.test", "b.test", outside),
            (0x86, "https://example.com", "example.com", inside),
            (0x86, "https://127.0.0.1/", "example.com", neither),
            (0x86, "urn:x:y", "example.com", neither),
        ] {
            assert_eq!(outcome(form, name.as_bytes(), base.as_bytes()), expected, "{name} {base}");
        }
        assert_eq!(outcome(0x87, &[10, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]), inside);
        assert_eq!(outcome(0x87, &[11, 1, 2, 3], &[10, 0, 0, 0, 255, 0, 0, 0]), outside);
        assert_eq!(outcome(0x87, &[0; 16], &[10, 0, 0, 0, 255, 0, 0, 0]), outside);
        assert_eq!(outcome(0x87, &[0; 5], &[10, 0, 0, 0, 255, 0, 0, 0]), neither);
        assert_eq!(outcome(0x88, &[1], &[1]), neither);
    }

    #[test]
    fn a_broken_constraint_is_none() {
        let read = |form, base: &[u8]| {
            NameConstraints::read(&sequence(&[&tlv(explicit(0), &[&sequence(&[&tlv(form, &[base])])])]))
        };
        for (form, base) in [
            (0x82, b"*.example.com".as_slice()),
            (0x82, b".example.com"),
            (0x82, b"\xe4\xb8\xad"),
            (0x81, b"a@b@c.test"),
            (0x81, b"@c.test"),
            (0x86, b"https://example.com"),
            (0x87, &[10, 0, 0, 0]),
            (0x87, &[10, 0, 0, 0, 255, 0, 255, 0]),
            (0xa4, &[5, 0]),
        ] {
            assert!(read(form, base).is_err(), "{form:x} {base:x?}");
        }
        for der in [vec![], vec![0x30, 0], sequence(&[&[0xa0, 0]]), sequence(&[&[0xa0, 2, 0x30, 0]])] {
            assert!(NameConstraints::read(&der).is_err(), "{der:x?}");
        }
        let with_minimum = sequence(&[&tlv(0x82, &[b"a.test"]), &[0x80, 1, 1]]);
        assert!(NameConstraints::read(&sequence(&[&tlv(explicit(0), &[&with_minimum])])).is_err());
    }

    fn form() -> impl Strategy<Value = u8> {
        proptest::sample::select(vec![0x81, 0x82, 0x86, 0x87, 0xa4, 0xa0, 0x88])
    }

    proptest! {
        #[test]
        fn arbitrary_names_and_constraints_never_panic(
            form in form(),
            name in proptest::collection::vec(any::<u8>(), 0..40),
            base in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let subtree = sequence(&[&tlv(form, &[&base])]);
            let names = GeneralName::read_all(&sequence(&[&tlv(form, &[&name])])).unwrap();
            if let Ok(list) = NameConstraints::read(&sequence(&[&tlv(explicit(1), &[&subtree])])) {
                let _ = list.check(&names[0], &mut 0);
            }
            let _ = (NameConstraints::read(&base), GeneralName::read_all(&base), DistinguishedName::read(&base));
        }

        #[test]
        fn arbitrary_hosts_are_inside_what_they_end_with(
            host in "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}",
            below in "[a-z]{1,8}",
        ) {
            let under = format!("{below}.{host}");
            prop_assert_eq!(outcome(0x82, under.as_bytes(), host.as_bytes()), (true, true));
            let beside = format!("{below}{host}");
            prop_assert_eq!(outcome(0x82, beside.as_bytes(), host.as_bytes()), (false, false));
        }
    }
}
