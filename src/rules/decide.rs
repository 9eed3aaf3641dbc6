//! The decision.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::grant::lists;
use super::{Grant, Operation};
use licence_seal::time::Timestamp;

/// What is asked, as far as it is known before anything is looked up.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub partner: &'a str,
    pub operation: Operation,
    /// `None`: a search over all types, which the answer is then cut down to.
    pub type_code: Option<&'a str>,
    pub item_code: &'a str,
    pub now: Timestamp,
    pub address: IpAddr,
    /// Requests of this partner today, before this one.
    pub used_today: u64,
}

/// Fields that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    All,
    Only(BTreeSet<String>),
}

impl Fields {
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// Grants that cover the whole request.
#[derive(Clone, Debug)]
pub struct Allowed<'a> {
    grants: Vec<&'a Grant>,
}

impl Allowed<'_> {
    /// Whether one of the grants names this type.
    pub fn covers_type(&self, type_code: &str) -> bool {
        self.grants.iter().any(|grant| lists(&grant.types, type_code))
    }

    /// Fields of `type_code` that may be shown: what any of the grants that name it allows.
    pub fn fields(&self, type_code: &str) -> Fields {
        let mut names = BTreeSet::new();
        for grant in self.grants.iter().filter(|grant| lists(&grant.types, type_code)) {
            if grant.fields.iter().any(|field| field == "*") {
                return Fields::All;
            }
            names.extend(grant.fields.iter().cloned());
        }
        Fields::Only(names)
    }
}

/// Which rule refused. The order is that of the checks: a later one is nearer to a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    #[error("no grant for this partner")]
    None,
    #[error("no grant for this operation")]
    Operation,
    #[error("no grant for this type of licence")]
    Type,
    #[error("no grant for this matter (事项)")]
    Matter,
    #[error("the grant is not in force today")]
    Period,
    #[error("the grant does not allow this address")]
    Address,
    #[error("the daily limit of the grant is used up")]
    DailyLimit,
}

impl Refusal {
    pub const fn rule(self) -> &'static str {
        match self {
            Self::None => "grant.none",
            Self::Operation => "grant.operation",
            Self::Type => "grant.type",
            Self::Matter => "grant.matter",
            Self::Period => "grant.period",
            Self::Address => "grant.address",
            Self::DailyLimit => "grant.dailyLimit",
        }
    }
}

/// The grants that cover `ask`, or the rule that the nearest one fell at.
pub fn decide<'a>(
    grants: impl IntoIterator<Item = &'a Grant>,
    ask: &Ask<'_>,
) -> Result<Allowed<'a>, Refusal> {
    let mut allowed = Vec::new();
    let mut nearest = Refusal::None;
    for grant in grants.into_iter().filter(|grant| grant.partner == ask.partner) {
        match refuse(grant, ask) {
            None => allowed.push(grant),
            Some(refusal) => nearest = nearest.max(refusal),
        }
    }
    if allowed.is_empty() { Err(nearest) } else { Ok(Allowed { grants: allowed }) }
}

fn refuse(grant: &Grant, ask: &Ask<'_>) -> Option<Refusal> {
    let in_force = ask.now >= grant.from && grant.until.is_none_or(|until| ask.now <= until);
    let here = grant.addresses.is_empty() || grant.addresses.iter().any(|range| range.contains(ask.address));
    let checks = [
        (grant.operations.contains(&ask.operation), Refusal::Operation),
        (ask.type_code.is_none_or(|code| lists(&grant.types, code)), Refusal::Type),
        (lists(&grant.matters, ask.item_code), Refusal::Matter),
        (in_force, Refusal::Period),
        (here, Refusal::Address),
        (grant.daily_limit.is_none_or(|limit| ask.used_today < limit), Refusal::DailyLimit),
    ];
    checks.into_iter().find_map(|(holds, refusal)| (!holds).then_some(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            id: "g".into(),
            partner: "agency".into(),
            operations: vec![Operation::Data],
            types: vec!["T1".into()],
            fields: vec!["a".into(), "b".into()],
            matters: vec!["M1".into()],
            from: Timestamp::from_secs(1000),
            until: Some(Timestamp::from_secs(2000)),
            daily_limit: Some(5),
            addresses: vec!["10.0.0.0/8".parse().unwrap()],
        }
    }

    fn ask() -> Ask<'static> {
        Ask {
            partner: "agency",
            operation: Operation::Data,
            type_code: Some("T1"),
            item_code: "M1",
            now: Timestamp::from_secs(1500),
            address: "10.0.0.1".parse().unwrap(),
            used_today: 4,
        }
    }

    #[test]
    fn a_request_inside_one_grant_is_allowed() {
        let grants = [grant()];
        let allowed = decide(&grants, &ask()).unwrap();
        assert!(allowed.fields("T1").allows("a") && !allowed.fields("T1").allows("c"));
        assert!(!allowed.fields("T2").allows("a"));
        assert!(allowed.covers_type("T1") && !allowed.covers_type("T2"));
    }

    #[test]
    fn each_way_out_of_a_grant_is_refused_by_its_own_rule() {
        let early = Timestamp::from_secs(999);
        let late = Timestamp::from_secs(2001);
        for (ask, rule) in [
            (Ask { partner: "other", ..ask() }, "grant.none"),
            (Ask { operation: Operation::Search, ..ask() }, "grant.operation"),
            (Ask { type_code: Some("T2"), ..ask() }, "grant.type"),
            (Ask { item_code: "M2", ..ask() }, "grant.matter"),
            (Ask { now: early, ..ask() }, "grant.period"),
            (Ask { now: late, ..ask() }, "grant.period"),
            (Ask { address: "11.0.0.1".parse().unwrap(), ..ask() }, "grant.address"),
            (Ask { used_today: 5, ..ask() }, "grant.dailyLimit"),
        ] {
            assert_eq!(decide(&[grant()], &ask).unwrap_err().rule(), rule);
        }
        assert_eq!(decide(&[], &ask()).unwrap_err(), Refusal::None);
    }

    #[test]
    fn two_grants_are_never_mixed_into_a_third() {
        let other = Grant { types: vec!["T2".into()], matters: vec!["M2".into()], ..grant() };
        let grants = [grant(), other];
        assert_eq!(decide(&grants, &Ask { item_code: "M2", ..ask() }).unwrap_err(), Refusal::Matter);
        let wide = Grant { fields: vec!["c".into()], ..grant() };
        let grants = [grant(), wide];
        let Fields::Only(names) = decide(&grants, &ask()).unwrap().fields("T1") else { panic!("not all") };
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn an_unlimited_grant_names_everything() {
        let all = || vec!["*".to_owned()];
        let grants = [Grant { types: all(), fields: all(), matters: all(), daily_limit: None, ..grant() }];
        let allowed = decide(&grants, &Ask { type_code: None, used_today: 1 << 40, ..ask() }).unwrap();
        assert_eq!(allowed.fields("anything"), Fields::All);
    }
}
