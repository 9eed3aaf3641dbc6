//! One path, broken in one way at a time, under SM2, P-256 and RSA authorities alike: each case
//! names the rule that must refuse it, or that it passes.

use proptest::prelude::*;

use super::forge::{
    ALTERNATIVE_NAMES, AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, CRL_NUMBER, DAY, DISTRIBUTION_POINTS, Entry,
    KEY_USAGE, KINDS, Keys, List, NAME_CONSTRAINTS, NOW, POLICY_CONSTRAINTS, SUBJECT_KEY_ID, Spec, Who,
    algorithm, general_names, name, name_of, oid, point, subtrees,
};
use crate::pki::asn1::{
    BOOLEAN, IA5_STRING, PRINTABLE_STRING, UTF8_STRING, generalized_time, integer, sequence, tlv,
};
use crate::pki::{Anchors, Certificate, Crl, PkiError, Revocation, Terms, Usage, validate};
use crate::time::Timestamp;

/// Root, authority, leaf, and a good list of each of the two authorities.
pub(super) struct Setup {
    pub root: Spec,
    pub middle: Spec,
    pub leaf: Spec,
    pub lists: Vec<List>,
    pub terms: Terms,
    /// Certificates that do not come along.
    pub without: Vec<Who>,
    pub most_authorities: Option<usize>,
    pub anchor: Who,
    pub server: Option<&'static str>,
    /// Another certificate of the leaf's authority, with the stranger's key.
    pub other: Option<Spec>,
}

impl Setup {
    pub fn new(keys: &Keys) -> Self {
        let (root, middle, leaf) = (("root", Who::Root), ("middle", Who::Middle), ("leaf", Who::Leaf));
        Self {
            root: Spec::authority(keys, root, root),
            middle: Spec::authority(keys, middle, root),
            leaf: Spec::end_entity(keys, leaf, middle),
            lists: vec![List::new("root", Who::Root), List::new("middle", Who::Middle)],
            terms: Terms::strict(NOW, Usage::Sign),
            without: Vec::new(),
            most_authorities: None,
            anchor: Who::Root,
            server: None,
            other: None,
        }
    }

    /// The list of the leaf's authority is signed by another key, which the root certified.
    fn sign_list_by_other_key(&mut self) {
        let mut other = self.middle.clone();
        (other.key, other.serial) = (Who::Stranger, vec![0x41]);
        other.usage(0x02);
        other.extensions.remove(SUBJECT_KEY_ID);
        self.other = Some(other);
        self.list().by = Who::Stranger;
    }

    /// Made a server of a connection.
    fn serve(&mut self) {
        self.leaf.subject = name("node.example.com");
        self.leaf.names(&[DNS]);
        self.leaf.purposes(&[SERVER_AUTH]);
        self.terms.usage = Usage::TlsServer;
        self.server = Some("node.example.com");
    }

    /// The list of the leaf's authority.
    fn list(&mut self) -> &mut List {
        &mut self.lists[1]
    }

    fn revoke(&mut self, after: i64, reason: u8) {
        let entry = Entry::of(&self.leaf, NOW.plus_secs(after), reason);
        self.list().entries.push(entry);
    }

    pub fn run(&self, keys: &Keys) -> Result<(), PkiError> {
        let make = |spec: &Spec| Certificate::from_der(&spec.der(keys));
        let (root, middle, leaf) = (make(&self.root)?, make(&self.middle)?, make(&self.leaf)?);
        let anchor = match self.anchor {
            Who::Middle => middle.clone(),
            Who::Leaf => leaf.clone(),
            _ => root.clone(),
        };
        let via = [(Who::Root, root), (Who::Middle, middle)];
        let mut via: Vec<Certificate> =
            via.into_iter().filter(|(who, _)| !self.without.contains(who)).map(|(_, one)| one).collect();
        via.extend(self.other.as_ref().map(make).transpose()?);
        let mut anchors = Anchors::new(vec![anchor]);
        if let Some(most) = self.most_authorities {
            anchors = anchors.with_most_authorities(most);
        }
        let crls: Vec<Crl> =
            self.lists.iter().map(|list| Crl::from_der(&list.der(keys))).collect::<Result<_, _>>()?;
        let first = validate(&leaf, &via, &anchors, &crls, &self.terms).map(drop);
        // What the anchors remember never changes the answer.
        assert_eq!(validate(&leaf, &via, &anchors, &crls, &self.terms).map(drop), first);
        first?;
        self.server.map_or(Ok(()), |server| leaf.check_server_name(server))
    }
}

pub(super) type Case = (&'static str, Option<&'static str>, fn(&mut Setup));

const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
const ANY_PURPOSE: &str = "2.5.29.37.0";
const DNS: (u8, &[u8]) = (0x82, b"node.example.com");
const EXAMPLE: (u8, &[u8]) = (0x82, b"example.com");
const OTHER: (u8, &[u8]) = (0x82, b"other.test");
const UNKNOWN: &str = "1.2.3.4";

const PATHS: &[Case] = &[
    ("a chain of three with good lists", None, |_| ()),
    ("the authority itself is the anchor", None, |s| s.anchor = Who::Middle),
    ("the leaf itself is the anchor", None, |s| s.anchor = Who::Leaf),
    ("the authority does not come along", Some("path.noPath"), |s| s.without.push(Who::Middle)),
    ("the issuer's name is another", Some("path.noPath"), |s| s.leaf.issuer = name("other")),
    ("the issuer's name in another spelling", None, |s| {
        s.leaf.issuer = name_of(&[
            ("2.5.4.6", UTF8_STRING, b" cn"),
            ("2.5.4.10", UTF8_STRING, "示例机关".as_bytes()),
            ("2.5.4.3", PRINTABLE_STRING, b"MIDDLE"),
        ]);
    }),
    ("the issuer's key identifier is another", Some("path.noPath"), |s| {
        s.leaf.extensions.set(AUTHORITY_KEY_ID, false, &sequence(&[&tlv(0x80, &[b"another"])]));
    }),
    ("a stranger signed the leaf", Some("path.signature"), |s| s.leaf.by = Who::Stranger),
    ("a stranger signed the authority", Some("path.signature"), |s| s.middle.by = Who::Stranger),
    ("a bit of the signature is flipped", Some("path.signature"), |s| {
        s.leaf.spoil = |signature| *signature.last_mut().unwrap() ^= 1;
    }),
    ("the signature is empty", Some("path.signature"), |s| s.leaf.spoil = Vec::clear),
    ("bytes follow the signature", Some("path.signature"), |s| s.leaf.spoil = |signature| signature.push(0)),
    ("the issuer is no authority", Some("path.basicConstraints"), |s| s.middle.constraints(false, None)),
    ("the issuer does not say what it is", Some("path.basicConstraints"), |s| {
        s.middle.extensions.remove(BASIC_CONSTRAINTS);
    }),
    ("the root is no authority", Some("path.basicConstraints"), |s| s.root.constraints(false, None)),
    ("the issuer's key may not sign certificates", Some("path.keyUsage"), |s| s.middle.usage(0x82)),
    ("the root's key may not sign certificates", Some("path.keyUsage"), |s| s.root.usage(0x02)),
    ("no key usage restricts nothing", None, |s| s.middle.extensions.remove(KEY_USAGE)),
    ("the root allows no authority below it", Some("path.pathLength"), |s| s.root.constraints(true, Some(0))),
    ("the root allows one authority below it", None, |s| s.root.constraints(true, Some(1))),
    ("the authority allows none below it", None, |s| s.middle.constraints(true, Some(0))),
    ("a path length of the leaf is nobody's", None, |s| {
        s.leaf.constraints(true, Some(0));
        s.leaf.usage(0xc4);
    }),
    ("the anchors allow no authority", Some("path.pathLength"), |s| s.most_authorities = Some(0)),
    ("the anchors allow one authority", None, |s| s.most_authorities = Some(1)),
    ("an authority's own new key does not count", None, |s| {
        s.root.constraints(true, Some(0));
        s.most_authorities = Some(0);
        s.middle.subject = name("root");
        s.leaf.issuer = name("root");
        s.terms.revocation = Revocation::IfGiven;
        s.lists.clear();
    }),
    ("the root has no name", Some("path.profile"), |s| {
        s.root.subject = sequence(&[]);
        s.middle.issuer = sequence(&[]);
    }),
    ("the leaf has no name but others", None, |s| {
        s.leaf.subject = sequence(&[]);
        s.leaf.extensions.set(ALTERNATIVE_NAMES, true, &general_names(&[DNS]));
    }),
];

const EXTENSIONS: &[Case] = &[
    ("an unknown critical extension of the leaf", Some("path.criticalExtension"), |s| {
        s.leaf.extensions.set(UNKNOWN, true, &[5, 0]);
    }),
    ("an unknown critical extension of the authority", Some("path.criticalExtension"), |s| {
        s.middle.extensions.set(UNKNOWN, true, &[5, 0]);
    }),
    ("an unknown critical extension of the root", Some("path.criticalExtension"), |s| {
        s.root.extensions.set(UNKNOWN, true, &[5, 0]);
    }),
    ("an unknown extension that is not critical", None, |s| s.leaf.extensions.set(UNKNOWN, false, &[5, 0])),
    ("identity codes of GB/T 20518", None, |s| {
        for code in ["1.2.156.10260.4.1.1", "1.2.156.10260.4.1.3", "1.2.156.10260.4.1.4"] {
            let code: &'static str = code;
            s.leaf.extensions.set(code, false, &tlv(PRINTABLE_STRING, &[b"SHILI0000"]));
        }
        s.leaf.extensions.set("2.5.29.32", false, &sequence(&[&sequence(&[&oid("1.2.156.10197.4.3")])]));
    }),
    ("a critical identity code", Some("path.criticalExtension"), |s| {
        s.leaf.extensions.set("1.2.156.10260.4.1.1", true, &tlv(PRINTABLE_STRING, &[b"SHILI0000"]));
    }),
    ("an extension twice", Some("certificate.format"), |s| {
        s.leaf.extensions.add(KEY_USAGE, true, &[3, 2, 6, 0xc0])
    }),
    ("a known extension that does not parse", Some("certificate.format"), |s| {
        s.leaf.extensions.set(KEY_USAGE, true, &[5, 0]);
    }),
    ("extensions without version 3", Some("certificate.format"), |s| s.leaf.version = 0),
    ("version 1", Some("path.profile"), |s| {
        s.leaf.version = 0;
        s.leaf.extensions.clear();
    }),
    ("the two algorithms differ", Some("certificate.format"), |s| {
        let one = |hash| algorithm(hash, &[5, 0]);
        s.leaf.algorithms = Some((one("1.2.840.113549.1.1.11"), one("1.2.840.113549.1.1.12")));
    }),
    ("bytes follow the certificate", Some("certificate.der"), |s| s.leaf.mangle = |der| der.push(0)),
    ("the certificate is cut", Some("certificate.der"), |s| {
        s.leaf.mangle = |der| der.truncate(der.len() - 1)
    }),
    ("a length is not the shortest", Some("certificate.der"), |s| {
        s.leaf.mangle = |der| {
            *der = [&[0x30, 0x83, 0], &der[2..]].concat();
        };
    }),
    ("a boolean is neither true nor false", Some("certificate.der"), |s| {
        s.leaf.mangle = |der| {
            let at = der.windows(3).position(|part| part == [1, 1, 0xff]).unwrap();
            der[at + 2] = 1;
        };
    }),
    ("a boolean in an extension is neither", Some("certificate.format"), |s| {
        s.middle.extensions.set(BASIC_CONSTRAINTS, true, &sequence(&[&[1, 1, 1]]));
    }),
    ("policies", None, |s| {
        s.leaf.extensions.set("2.5.29.32", true, &sequence(&[&sequence(&[&oid("1.2.3.5")])]));
    }),
    ("critical policy constraints", Some("path.policy"), |s| {
        s.middle.extensions.set(POLICY_CONSTRAINTS, true, &sequence(&[&[0x80, 1, 0]]));
    }),
    ("policy constraints that are not critical", Some("path.policy"), |s| {
        s.middle.extensions.set(POLICY_CONSTRAINTS, false, &sequence(&[&[0x80, 1, 0]]));
    }),
];

const TIMES: &[Case] = &[
    ("before the leaf's first second", Some("path.notYetValid"), |s| {
        s.leaf.not_before = NOW.plus_secs(1);
    }),
    ("in the leaf's first second", None, |s| s.leaf.not_before = NOW),
    ("within the leaf's last second", None, |s| {
        s.leaf.not_after = NOW;
        s.terms.at = Timestamp::from_millis(NOW.millis() + 999);
    }),
    ("after the leaf's last second", Some("path.expired"), |s| s.leaf.not_after = NOW.plus_secs(-1)),
    ("the authority expired", Some("path.expired"), |s| s.middle.not_after = NOW.plus_secs(-1)),
    ("the root expired", Some("path.expired"), |s| s.root.not_after = NOW.plus_secs(-1)),
    ("the authority is not valid yet", Some("path.notYetValid"), |s| s.middle.not_before = NOW.plus_secs(1)),
    ("all was valid when it was signed, and is not now", None, |s| {
        s.root.not_after = NOW.plus_secs(2 * DAY);
        s.terms.now = NOW.plus_secs(90 * DAY);
    }),
    ("the authority had expired when it was signed", Some("path.expired"), |s| {
        s.middle.not_after = NOW.plus_secs(-2 * DAY);
        s.terms.now = NOW.plus_secs(90 * DAY);
    }),
];

const USAGES: &[Case] = &[
    ("an encryption certificate signs nothing", Some("path.usage"), |s| s.leaf.usage(0x38)),
    ("nonRepudiation alone signs", None, |s| s.leaf.usage(0x40)),
    ("no key usage signs", None, |s| s.leaf.extensions.remove(KEY_USAGE)),
    ("a purpose says nothing about seals", None, |s| s.leaf.purposes(&[EMAIL_PROTECTION])),
    ("a server", None, Setup::serve),
    ("a server by another name", Some("certificate.serverName"), |s| {
        s.serve();
        s.server = Some("example.com");
    }),
    ("a server by a wildcard", Some("certificate.serverName"), |s| {
        s.serve();
        s.leaf.subject = name("*.example.com");
        s.leaf.names(&[(0x82, b"*.example.com")]);
    }),
    ("a server without serverAuth", Some("path.usage"), |s| {
        s.serve();
        s.leaf.purposes(&[CLIENT_AUTH]);
    }),
    ("a server of any purpose", Some("path.profile"), |s| {
        s.serve();
        s.leaf.purposes(&[ANY_PURPOSE]);
    }),
    ("an authority for clients only above a server", Some("path.usage"), |s| {
        s.serve();
        s.middle.purposes(&[CLIENT_AUTH]);
    }),
    ("a server without alternative names", Some("path.profile"), |s| {
        s.serve();
        s.leaf.extensions.remove(ALTERNATIVE_NAMES);
    }),
    ("a server whose common name is another", Some("path.profile"), |s| {
        s.serve();
        s.leaf.subject = name("Node.example.com");
    }),
    ("a client", None, |s| {
        s.leaf.purposes(&[CLIENT_AUTH]);
        s.terms.usage = Usage::TlsClient;
    }),
    ("a server that is an authority", Some("path.profile"), |s| {
        s.serve();
        s.leaf.constraints(true, None);
        s.leaf.usage(0x84);
    }),
    ("a client without authorityKeyIdentifier", None, |s| {
        s.leaf.extensions.remove(AUTHORITY_KEY_ID);
        s.terms.usage = Usage::TlsClient;
    }),
    ("a client with nonRepudiation alone", Some("path.usage"), |s| {
        s.leaf.usage(0x40);
        s.terms.usage = Usage::TlsClient;
    }),
    ("a negative serial number of a server", Some("path.profile"), |s| {
        s.serve();
        s.leaf.serial = vec![0x80, 1];
    }),
    ("a negative serial number of a seal", None, |s| s.leaf.serial = vec![0x80, 1]),
    ("a serial number of 21 octets", Some("path.profile"), |s| {
        s.serve();
        s.leaf.serial = vec![1; 21];
    }),
    ("no authorityKeyIdentifier of a server", Some("path.profile"), |s| {
        s.serve();
        s.leaf.extensions.remove(AUTHORITY_KEY_ID);
    }),
    ("no authorityKeyIdentifier in a seal", None, |s| s.leaf.extensions.remove(AUTHORITY_KEY_ID)),
    ("an authority without subjectKeyIdentifier", Some("path.profile"), |s| {
        s.serve();
        s.middle.extensions.remove(SUBJECT_KEY_ID);
    }),
    ("basicConstraints that is not critical", Some("path.profile"), |s| {
        s.serve();
        s.middle.extensions.set(BASIC_CONSTRAINTS, false, &sequence(&[&tlv(BOOLEAN, &[&[0xff]])]));
    }),
];

fn country(code: &[u8]) -> Vec<u8> {
    name_of(&[("2.5.4.6", UTF8_STRING, code)])
}

const NAMES: &[Case] = &[
    ("the country is permitted", None, |s| s.root.permit(&[(0xa4, &country(b"cn"))])),
    ("the country is not permitted", Some("path.nameConstraints"), |s| {
        s.root.permit(&[(0xa4, &country(b"US"))]);
    }),
    ("the country is excluded in another spelling", Some("path.nameConstraints"), |s| {
        s.root.exclude(&[(0xa4, &country(b" cN "))]);
    }),
    ("a host is permitted", None, |s| {
        s.leaf.names(&[DNS]);
        s.root.permit(&[EXAMPLE]);
    }),
    ("one of two hosts is not permitted", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[DNS, OTHER]);
        s.root.permit(&[EXAMPLE]);
    }),
    ("no host, so no constraint on hosts", None, |s| s.root.permit(&[EXAMPLE])),
    ("a host is excluded", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[DNS]);
        s.middle.exclude(&[EXAMPLE]);
    }),
    ("a wildcard reaches into what is excluded", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[(0x82, b"*.example.com")]);
        s.middle.exclude(&[DNS]);
    }),
    ("a wildcard reaches beyond what is permitted", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[(0x82, b"*.example.com")]);
        s.middle.permit(&[DNS]);
    }),
    ("an authority below permits more", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[OTHER]);
        s.root.permit(&[EXAMPLE]);
        s.middle.permit(&[EXAMPLE, OTHER]);
    }),
    ("an authority below permits less", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[OTHER]);
        s.root.permit(&[EXAMPLE, OTHER]);
        s.middle.permit(&[EXAMPLE]);
    }),
    ("an authority's own name is excluded", Some("path.nameConstraints"), |s| {
        s.middle.names(&[OTHER]);
        s.root.exclude(&[OTHER]);
    }),
    ("an authority's own new key is exempt", None, |s| {
        s.middle.subject = name("root");
        s.middle.names(&[OTHER]);
        s.leaf.issuer = name("root");
        s.root.exclude(&[OTHER]);
        s.terms.revocation = Revocation::IfGiven;
        s.lists.clear();
    }),
    ("an address is permitted", None, |s| {
        s.leaf.names(&[(0x87, &[10, 1, 2, 3])]);
        s.root.permit(&[(0x87, &[10, 0, 0, 0, 255, 0, 0, 0])]);
    }),
    ("an address is not permitted", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[(0x87, &[11, 1, 2, 3])]);
        s.root.permit(&[(0x87, &[10, 0, 0, 0, 255, 0, 0, 0])]);
    }),
    ("a mailbox is permitted", None, |s| {
        s.leaf.names(&[(0x81, b"office@example.com")]);
        s.root.permit(&[(0x81, b"example.com")]);
    }),
    ("a mailbox in the subject is not permitted", Some("path.nameConstraints"), |s| {
        s.leaf.subject = name_of(&[("1.2.840.113549.1.9.1", IA5_STRING, b"office@other.test")]);
        s.root.permit(&[(0x81, b"example.com")]);
    }),
    ("a URI is not permitted", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[(0x86, b"https://other.test/example.com")]);
        s.root.permit(&[(0x86, b"example.com")]);
    }),
    ("constraints that are not critical hold too", Some("path.nameConstraints"), |s| {
        s.leaf.names(&[OTHER]);
        s.root.extensions.set(NAME_CONSTRAINTS, false, &sequence(&[&subtrees(0, &[EXAMPLE])]));
    }),
    ("a constraint on a form that is not evaluated", Some("path.nameConstraintsUnsupported"), |s| {
        s.leaf.names(&[(0x88, &[0x2a, 3])]);
        s.root.permit(&[(0x88, &[0x2a])]);
    }),
    ("a constraint on such a form that does not occur", None, |s| {
        s.leaf.names(&[DNS]);
        s.root.exclude(&[(0x88, &[0x2a])]);
    }),
    ("a constraint that is no host", Some("path.nameConstraintsUnsupported"), |s| {
        s.root.permit(&[(0x82, b"*.example.com")]);
    }),
    ("a mask with holes", Some("path.nameConstraintsUnsupported"), |s| {
        s.root.permit(&[(0x87, &[10, 0, 0, 0, 255, 0, 255, 0])]);
    }),
    ("a subtree with a minimum", Some("path.nameConstraintsUnsupported"), |s| {
        let subtree = sequence(&[&tlv(0x82, &[b"example.com"]), &[0x80, 1, 1]]);
        s.root.extensions.set(NAME_CONSTRAINTS, true, &sequence(&[&tlv(0xa0, &[&subtree])]));
    }),
    ("the leaf constrains names", Some("path.profile"), |s| s.leaf.permit(&[EXAMPLE])),
    ("more comparisons than are made", Some("path.work"), |s| {
        let names: Vec<String> = (0..600).map(|n| format!("n{n}.example.com")).collect();
        let names: Vec<(u8, &[u8])> = names.iter().map(|name| (0x82, name.as_bytes())).collect();
        s.leaf.names(&names);
        s.root.exclude(&[OTHER; 600]);
    }),
];

const LISTS: &[Case] = &[
    ("no list of the leaf's authority", Some("path.revocationUnknown"), |s| drop(s.lists.pop())),
    ("no list of the root", Some("path.revocationUnknown"), |s| drop(s.lists.remove(0))),
    ("no list is needed", None, |s| {
        s.lists.clear();
        s.terms.revocation = Revocation::IfGiven;
    }),
    ("a list that ran out", Some("crl.stale"), |s| s.list().next_update = Some(NOW.plus_secs(-1))),
    ("a list to its last second", None, |s| s.list().next_update = Some(NOW)),
    ("a list of tomorrow", Some("crl.stale"), |s| s.list().this_update = NOW.plus_secs(1)),
    ("a list issued after the signing", None, |s| {
        s.list().this_update = NOW.plus_secs(10);
        s.terms.now = NOW.plus_secs(20);
    }),
    ("revoked before", Some("path.revoked"), |s| s.revoke(-1, 4)),
    ("revoked in that second", Some("path.revoked"), |s| s.revoke(0, 5)),
    ("superseded later", None, |s| s.revoke(1, 4)),
    ("the key was taken later", Some("path.revokedLater"), |s| s.revoke(1, 1)),
    ("revoked later, nobody says why", Some("path.revokedLater"), |s| s.revoke(1, 0)),
    ("on hold later", Some("path.revokedLater"), |s| s.revoke(1, 6)),
    ("superseded later, but doubtful before", Some("path.revoked"), |s| {
        s.revoke(1, 4);
        let entry = &mut s.list().entries[0];
        entry.extensions.set("2.5.29.24", false, &generalized_time(NOW.plus_secs(-5)));
    }),
    ("listed twice, the earlier counts", Some("path.revoked"), |s| {
        s.revoke(-1, 4);
        s.revoke(1, 4);
    }),
    ("the authority is revoked", Some("path.revoked"), |s| {
        let entry = Entry::of(&s.middle, NOW.plus_secs(-1), 2);
        s.lists[0].entries.push(entry);
    }),
    ("another certificate is revoked", None, |s| {
        let entry = Entry::of(&s.middle, NOW.plus_secs(-1), 1);
        s.list().entries.push(entry);
    }),
    ("an old list says what a new one forgot", Some("path.revoked"), |s| {
        s.revoke(-5, 4);
        s.list().next_update = Some(NOW.plus_secs(-2));
        s.lists.push(List::new("middle", Who::Middle));
    }),
    ("an archive of a hundred lists", None, |s| {
        for month in 1..100 {
            let mut old = List::new("middle", Who::Middle);
            old.this_update = NOW.plus_secs(-30 * DAY * month);
            old.next_update = Some(old.this_update.plus_secs(30 * DAY));
            s.lists.push(old);
        }
    }),
    ("a stranger signed the list", Some("crl.signature"), |s| s.list().by = Who::Stranger),
    ("a bit of the list's signature is flipped", Some("crl.signature"), |s| {
        s.list().spoil = |signature| *signature.last_mut().unwrap() ^= 1;
    }),
    ("a good list beside a stranger's", None, |s| {
        let mut bad = List::new("middle", Who::Stranger);
        bad.entries.push(Entry::of(&s.leaf, NOW.plus_secs(-1), 1));
        s.lists.push(bad);
    }),
    ("the authority may not sign lists", Some("crl.signature"), |s| s.middle.usage(0x04)),
    ("a list without number", Some("crl.format"), |s| s.list().extensions.remove(CRL_NUMBER)),
    ("a critical number", Some("crl.format"), |s| s.list().extensions.set(CRL_NUMBER, true, &integer(7))),
    ("a list of version 1", Some("crl.format"), |s| {
        s.list().version = None;
        s.list().extensions.clear();
    }),
    ("a list without end", Some("crl.format"), |s| s.list().next_update = None),
    ("a delta list alone", Some("path.revocationUnknown"), |s| {
        s.list().extensions.set("2.5.29.27", true, &integer(1));
    }),
    ("named in a delta list only", Some("path.revoked"), |s| {
        s.revoke(-1, 4);
        s.list().extensions.set("2.5.29.27", true, &integer(1));
        s.lists.push(List::new("middle", Who::Middle));
    }),
    ("a delta list does not take back what a list says", Some("path.revoked"), |s| {
        s.revoke(-1, 6);
        let mut delta = List::new("middle", Who::Middle);
        delta.extensions.set("2.5.29.27", true, &integer(1));
        delta.entries.push(Entry::of(&s.leaf, NOW.plus_secs(-1), 8));
        s.lists.push(delta);
    }),
    ("a delta list that takes back what nobody said", None, |s| {
        let mut delta = List::new("middle", Who::Middle);
        delta.extensions.set("2.5.29.27", true, &integer(1));
        delta.entries.push(Entry::of(&s.leaf, NOW.plus_secs(-1), 8));
        s.lists.push(delta);
    }),
    ("the authority's other key signed the list", None, |s| s.sign_list_by_other_key()),
    ("the authority's other key may not sign lists", Some("crl.signature"), |s| {
        s.sign_list_by_other_key();
        s.other.as_mut().unwrap().usage(0x04);
    }),
    ("the authority's other key is certified by a stranger", Some("crl.signature"), |s| {
        s.sign_list_by_other_key();
        s.other.as_mut().unwrap().by = Who::Stranger;
    }),
    ("the authority's other key was revoked", Some("crl.signature"), |s| {
        s.sign_list_by_other_key();
        let entry = Entry::of(s.other.as_ref().unwrap(), NOW.plus_secs(-1), 1);
        s.lists[0].entries.push(entry);
    }),
    ("of the authority's other key nothing is known", Some("crl.signature"), |s| {
        s.sign_list_by_other_key();
        s.lists[0].scope(&[&[0x81, 1, 0xff]]);
    }),
    ("an unknown critical extension of the list", Some("crl.format"), |s| {
        s.list().extensions.set(UNKNOWN, true, &[5, 0]);
    }),
    ("an unknown critical extension of an entry", Some("crl.format"), |s| {
        s.revoke(-1, 4);
        s.list().entries[0].extensions.set(UNKNOWN, true, &[5, 0]);
    }),
    ("a list of other authorities' certificates", Some("crl.format"), |s| {
        s.list().scope(&[&[0x84, 1, 0xff]])
    }),
    ("a list of two kinds at once", Some("certificate.der"), |s| {
        s.list().scope(&[&[0x81, 1, 0xff], &[0x82, 1, 0xff]]);
    }),
    ("a list of users for a user", None, |s| s.list().scope(&[&[0x81, 1, 0xff]])),
    ("a list of authorities for a user", Some("path.revocationUnknown"), |s| {
        s.list().scope(&[&[0x82, 1, 0xff]]);
    }),
    ("a list of authorities for an authority", None, |s| s.lists[0].scope(&[&[0x82, 1, 0xff]])),
    ("a list of users for an authority", Some("path.revocationUnknown"), |s| {
        s.lists[0].scope(&[&[0x81, 1, 0xff]]);
    }),
    ("a list of attribute certificates", Some("path.revocationUnknown"), |s| {
        s.list().scope(&[&[0x85, 1, 0xff]])
    }),
    ("a list for others is as good as none", None, |s| {
        s.list().scope(&[&[0x82, 1, 0xff]]);
        s.terms.revocation = Revocation::IfGiven;
    }),
    ("named in a list for others", Some("path.revoked"), |s| {
        s.revoke(-1, 4);
        s.list().scope(&[&[0x82, 1, 0xff]]);
    }),
    ("the list of the leaf's own point", None, |s| {
        s.list().scope(&[&point("http://crl.example.com/1")]);
        s.leaf.extensions.set(
            DISTRIBUTION_POINTS,
            false,
            &sequence(&[&sequence(&[&point("http://crl.example.com/1")])]),
        );
    }),
    ("the list of another point", Some("path.revocationUnknown"), |s| {
        s.list().scope(&[&point("http://crl.example.com/2")]);
        s.leaf.extensions.set(
            DISTRIBUTION_POINTS,
            false,
            &sequence(&[&sequence(&[&point("http://crl.example.com/1")])]),
        );
    }),
    ("the list of a point for a leaf that names none", Some("path.revocationUnknown"), |s| {
        s.list().scope(&[&point("http://crl.example.com/1")]);
    }),
    ("a list for some reasons", Some("path.revocationUnknown"), |s| {
        s.list().scope(&[&tlv(0x83, &[&[6, 0x40]])]);
    }),
    ("two lists that together have all reasons", None, |s| {
        let mut other = s.list().clone();
        s.list().scope(&[&tlv(0x83, &[&[6, 0x40]])]);
        other.scope(&[&tlv(0x83, &[&[7, 0x3f, 0x80]])]);
        s.lists.push(other);
    }),
    ("two lists that together lack a reason", Some("path.revocationUnknown"), |s| {
        let mut other = s.list().clone();
        s.list().scope(&[&tlv(0x83, &[&[6, 0x40]])]);
        other.scope(&[&tlv(0x83, &[&[0, 0x3f]])]);
        s.lists.push(other);
    }),
    ("a list of after the leaf's end has dropped it", Some("path.revocationUnknown"), |s| {
        s.leaf.not_after = NOW.plus_secs(10);
        s.list().this_update = NOW.plus_secs(20);
        s.terms.now = NOW.plus_secs(30);
    }),
    ("a list that keeps what expired", None, |s| {
        s.leaf.not_after = NOW.plus_secs(10);
        s.list().this_update = NOW.plus_secs(20);
        s.list().extensions.set("2.5.29.60", false, &generalized_time(NOW.plus_secs(-DAY)));
        s.terms.now = NOW.plus_secs(30);
    }),
];

#[test]
fn each_case_is_refused_for_its_own_rule_or_passes() {
    let tables = [PATHS, EXTENSIONS, TIMES, USAGES, NAMES, LISTS];
    let mut wrong = Vec::new();
    let mut count = 0;
    for keys in KINDS.iter() {
        for (what, expected, change) in tables.iter().flat_map(|table| table.iter()) {
            let mut setup = Setup::new(keys);
            change(&mut setup);
            let rule = setup.run(keys).err().map(|why| why.rule());
            count += 1;
            if rule != *expected {
                wrong.push(format!("{}: {what}: {rule:?}, not {expected:?}", keys.name));
            }
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 3 * 100);
}

#[test]
fn a_chain_that_is_remembered_is_judged_anew_at_another_moment() {
    let keys = &KINDS[0];
    let setup = Setup::new(keys);
    let make = |spec: &Spec| Certificate::from_der(&spec.der(keys)).unwrap();
    let (via, leaf) = ([make(&setup.middle)], make(&setup.leaf));
    let anchors = Anchors::new(vec![make(&setup.root)]);
    let rule = |at: Timestamp, crls: &[Crl]| {
        let terms = Terms::strict(at, Usage::Sign).without_required_revocation();
        validate(&leaf, &via, &anchors, crls, &terms).err().map(|why| why.rule())
    };
    assert_eq!(rule(NOW, &[]), None);
    assert_eq!(rule(NOW.plus_secs(200 * DAY), &[]), Some("path.expired"));
    let mut list = List::new("middle", Who::Middle);
    list.entries.push(Entry::of(&setup.leaf, NOW, 4));
    assert_eq!(rule(NOW, &[Crl::from_der(&list.der(keys)).unwrap()]), Some("path.revoked"));
    assert_eq!(rule(NOW, &[]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_changes_to_a_chain_or_its_list_never_panic_and_never_pass(
        which in 0..4_usize,
        at in any::<proptest::sample::Index>(),
        to in any::<u8>(),
    ) {
        let keys = &KINDS[1];
        let setup = Setup::new(keys);
        let mut ders = [
            setup.leaf.der(keys), setup.middle.der(keys), setup.lists[0].der(keys), setup.lists[1].der(keys),
        ];
        let at = at.index(ders[which].len());
        prop_assume!(ders[which][at] != to);
        ders[which][at] = to;
        let [leaf, middle, one, two] = ders;
        let anchors = Anchors::new(vec![Certificate::from_der(&setup.root.der(keys)).unwrap()]);
        let outcome = Certificate::from_der(&leaf).and_then(|leaf| {
            let via = [Certificate::from_der(&middle)?];
            let crls = [Crl::from_der(&one)?, Crl::from_der(&two)?];
            validate(&leaf, &via, &anchors, &crls, &setup.terms).map(drop)
        });
        prop_assert!(outcome.is_err());
    }
}
