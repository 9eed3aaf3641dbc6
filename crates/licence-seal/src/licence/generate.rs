//! Synthetic licences: for tests, the demo and load runs. Nobody in them exists.
//!
//! A record is a pure function of (catalogue, seed, region, n), so any number of threads can make
//! any part of a set, and the same set can be made again. How it is kept recognisable and harmless:
//! citizen numbers have the sequence 000, which is never issued (so the sequence says nothing about
//! sex here); organisation codes lie in the block `XN……`; companies are called 示例, authorities
//! end in （示例）, streets are called 示例, 样本, 演示, 测试.
//!
//! What type a record is of and whose it is stands in [`plan`]: a few types hold most, a holder has
//! one to five licences and three on average, and the first 1,000 records have all types. Every
//! tenth holder lives in Tianjin whatever the region, and is the same under the same seed, so that
//! a search across cities finds something in each.
//!
//! From about the 7,000th record on, nearly one in a hundred is a new version of a licence that
//! stands some 6,000 records earlier: of a common type, since what one person in a million has is
//! hardly ever renewed in a set. The older one still says that it is valid; the import finds out
//! that it is superseded. So a part of a set may supersede what is not in that part.

mod days;
mod dice;
mod error;
mod faces;
mod line;
mod numbering;
mod people;
mod plan;
mod pools;
mod region;

use serde::Serialize;

use self::days::{day, number_of_day};
pub use self::dice::Dice;
use self::dice::mix;
pub use self::error::GenerateError;
use self::faces::{Face, FacePlan, Subject};
use self::numbering::Numbering;
use self::people::{Party, People};
use self::plan::{BLOCK, Place, Plan};
pub use self::region::Region;
use super::catalogue::{Catalogue, HolderKind, LicenceType, Validity};
use super::holder::Holder;
use super::identifier::Identifier;
use super::record::{FieldValue, Record};
use super::status::State;
use super::uscc::{Uscc, UsccError};
use crate::time::Day;

/// The last day of issue, 2026-05-31, in days since 1970-01-01: a fixed one, so that a set does not
/// depend on when it is made.
const LAST_ISSUE: i64 = 20_604;
/// Days before it that the first licence of a type without a term was issued.
const LONGEST: i64 = 15 * 365;
/// Age in days at which a person begins to have licences, if not from birth on, and retires.
const OF_AGE: i64 = 18 * 365 + 5;
const RETIRED: i64 = 60 * 365 + 15;
/// One record of a window may be a new version of one so many windows earlier.
const WINDOW: u64 = 97;
const VERSION_LAG: u64 = 64;

/// A made-up issuing authority of a region: one for each group of the catalogue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Issuer {
    pub code: Uscc,
    pub name: String,
    /// The catalogue group ([`LicenceType::group`]) whose types it issues.
    pub group: String,
}

/// The issuing authorities of a region, in the order of the catalogue's groups.
pub fn issuers(catalogue: &Catalogue, region: Region) -> Result<Vec<Issuer>, UsccError> {
    let issuer = |(at, group): (usize, &super::catalogue::Group)| {
        Ok(Issuer {
            code: Uscc::build("11", region.code(), &format!("XNAUTH{:02}", at + 1))?,
            name: format!("{}{}（示例）", region.name(), group.issuer),
            group: group.group.clone(),
        })
    };
    catalogue.groups().iter().enumerate().map(issuer).collect()
}

/// Makes records; see the module.
#[derive(Debug)]
pub struct Generator<'c> {
    seed: u64,
    region: Region,
    /// Begins every serial of the set.
    serial: String,
    plan: Plan,
    people: People,
    kinds: Vec<Kind<'c>>,
}

/// A type, and what its licences are made from.
#[derive(Debug)]
struct Kind<'c> {
    licence_type: &'c LicenceType,
    issuer: Issuer,
    numbering: Numbering,
    age: Age,
    /// Whether its licences come in new versions.
    renewed: bool,
    /// In the order of their names.
    faces: Vec<FacePlan>,
}

/// From when on in a holder's life there is a licence of a type.
#[derive(Clone, Copy, Debug)]
enum Age {
    /// Within a month of the birth.
    AtBirth,
    /// From the age of 18 on; children have theirs from birth on, organisations from their founding.
    Grown,
    Retired,
}

/// What differs between a licence and its next version.
struct Draft<'g> {
    kind: &'g Kind<'g>,
    party: Party,
    holders: Vec<Holder>,
    /// Days since 1970-01-01.
    issued: i64,
    identifier: Identifier,
    number: String,
    supersedes: Option<Identifier>,
}

/// A record that borrows what is the same for many.
#[derive(Debug)]
struct Made<'g> {
    kind: &'g Kind<'g>,
    identifier: Identifier,
    number: String,
    holders: Vec<Holder>,
    area_code: &'static str,
    issued: Day,
    valid_until: Option<Day>,
    state: State,
    supersedes: Option<Identifier>,
    /// In the order of their names.
    faces: Vec<(&'g str, Face<'g>)>,
}

impl<'c> Generator<'c> {
    pub fn new(catalogue: &'c Catalogue, seed: u64, region: Region) -> Result<Self, GenerateError> {
        let issuers = issuers(catalogue, region)?;
        let kinds = catalogue.iter().map(|licence_type| Kind::new(licence_type, &issuers, region));
        let salt = region.code().bytes().fold(seed, |salt, byte| mix(salt ^ u64::from(byte)));
        Ok(Self {
            seed,
            region,
            serial: base36(seed),
            plan: Plan::new(catalogue, salt).ok_or(GenerateError::NoTypes)?,
            people: People::new(seed),
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    }

    /// The `n`th record of the set.
    pub fn record(&self, n: u64) -> Result<Record, GenerateError> {
        Ok(self.make(n)?.into_record())
    }

    /// Appends the `n`th record as a line of JSON: the text of [`Record::to_json`] and a line end.
    pub fn write_line(&self, n: u64, out: &mut Vec<u8>) -> Result<(), GenerateError> {
        self.make(n)?.write_line(out).map_err(|why| GenerateError::Line(why.to_string()))
    }

    fn make(&self, n: u64) -> Result<Made<'_>, GenerateError> {
        let mut dice = Dice::new(self.seed ^ mix(n));
        let newer = self.renews(n).map(|older| self.next_version(older, &mut dice)).transpose()?;
        match newer.flatten() {
            Some(newer) => Ok(newer),
            None => self.original(n),
        }
    }

    /// Which record the `n`th one may be a new version of.
    fn renews(&self, n: u64) -> Option<u64> {
        let n = n.checked_sub(BLOCK)?;
        let window = (n / WINDOW).checked_sub(VERSION_LAG)?;
        // Never the last of a window: that one may be a version itself.
        (n % WINDOW == WINDOW - 1).then(|| BLOCK + window * WINDOW + mix(self.seed ^ n) % (WINDOW - 1))
    }

    /// The next version of a record, if it is of a type that is renewed and still valid.
    fn next_version(&self, older: u64, dice: &mut Dice) -> Result<Option<Made<'_>>, GenerateError> {
        let (place, kind) = self.place(older)?;
        if !kind.renewed {
            return Ok(None);
        }
        let before = self.original(older)?;
        let (State::Valid, Some(identifier)) = (before.state, before.identifier.next_version()) else {
            return Ok(None);
        };
        let since = number_of_day(before.issued);
        let draft = Draft {
            kind,
            party: self.party(place)?,
            holders: before.holders,
            issued: LAST_ISSUE - dice.days(LAST_ISSUE - since),
            identifier,
            number: before.number,
            supersedes: Some(before.identifier),
        };
        Ok(Some(self.finish(draft, dice)))
    }

    fn original(&self, n: u64) -> Result<Made<'_>, GenerateError> {
        let (place, kind) = self.place(n)?;
        let mut dice = Dice::new(self.seed ^ mix(n));
        let party = self.party(place)?;
        let mut holders = vec![party.holder.clone()];
        let shared = kind.licence_type.holder == HolderKind::RealEstate && party.person.is_some();
        if shared && dice.below(4) == 0 {
            holders.push(self.people.partner(party.home, place.holder)?.holder);
        }
        let issued = kind.issue_day(&party, &mut dice);
        let number = match kind.licence_type.number_is_holder_code {
            true => party.holder.code().to_owned(),
            false => kind.numbering.number(n, day(issued).year()),
        };
        let serial = format!("{}{n:010}", self.serial);
        let identifier = Identifier::build(&kind.licence_type.code, &kind.issuer.code, &serial, 1)?;
        let draft = Draft { kind, party, holders, issued, identifier, number, supersedes: None };
        Ok(self.finish(draft, &mut dice))
    }

    fn place(&self, n: u64) -> Result<(Place, &Kind<'_>), GenerateError> {
        let place = self.plan.place(n).ok_or(GenerateError::NoTypes)?;
        let kind = self.kinds.get(place.kind).ok_or(GenerateError::NoTypes)?;
        Ok((place, kind))
    }

    fn party(&self, place: Place) -> Result<Party, GenerateError> {
        let home = if place.holder.index.is_multiple_of(10) { Region::TIANJIN } else { self.region };
        self.people.party(home, place.holder)
    }

    fn finish<'g>(&'g self, draft: Draft<'g>, dice: &mut Dice) -> Made<'g> {
        let Draft { kind, party, holders, issued, identifier, number, supersedes } = draft;
        let subject =
            Subject { region: self.region, people: &self.people, party: &party, holders: &holders, issued };
        let mut faces = Vec::with_capacity(kind.faces.len());
        for plan in &kind.faces {
            if let Some(face) = plan.make(&subject, dice) {
                faces.push((plan.name.as_str(), face));
            }
        }
        let issued = day(issued);
        let (area_code, _) = dice.pick(&self.region.0.districts);
        Made {
            kind,
            identifier,
            number,
            holders,
            area_code,
            issued,
            valid_until: valid_until(kind.licence_type.validity, issued, dice),
            state: state(dice),
            supersedes,
            faces,
        }
    }
}

impl<'c> Kind<'c> {
    fn new(licence_type: &'c LicenceType, issuers: &[Issuer], region: Region) -> Result<Self, GenerateError> {
        let issuer = issuers.iter().find(|issuer| issuer.group == licence_type.group);
        let issuer = issuer.ok_or_else(|| GenerateError::NoIssuer { group: licence_type.group.clone() })?;
        let mut faces: Vec<FacePlan> =
            licence_type.fields.iter().map(|field| FacePlan::new(field, region)).collect();
        faces.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            licence_type,
            issuer: issuer.clone(),
            numbering: Numbering::new(&licence_type.number_example, region),
            age: match licence_type.name.as_str() {
                "出生医学证明" | "预防接种证" => Age::AtBirth,
                "退休证" | "天津市老年人优待证" => Age::Retired,
                _ => Age::Grown,
            },
            renewed: plan::common(&licence_type.name).is_some(),
            faces,
        })
    }

    /// In days since 1970-01-01: more often a late one, mostly within the term of the type.
    fn issue_day(&self, party: &Party, dice: &mut Dice) -> i64 {
        let term = match self.licence_type.validity {
            Validity::Years(years) => LONGEST.min(i64::from(years) * 400),
            Validity::Months(_) => 400,
            Validity::LongTerm | Validity::AsStated => LONGEST,
        };
        let grown_at = party.person.map_or(0, |person| match self.age {
            Age::Retired => RETIRED,
            // Who is not of age yet has what children have.
            _ if person.birth + OF_AGE > LAST_ISSUE - 365 => 30,
            _ => OF_AGE,
        });
        let first = match self.age {
            Age::AtBirth if party.person.is_some() => return (party.since + dice.days(30)).min(LAST_ISSUE),
            _ => (party.since + grown_at).max(LAST_ISSUE - term).min(LAST_ISSUE),
        };
        let days = LAST_ISSUE - first;
        LAST_ISSUE - dice.days(days) * dice.days(days) / days.max(1)
    }
}

impl Made<'_> {
    fn into_record(self) -> Record {
        let value = |face| match face {
            Face::Text(text) => FieldValue::Text(text.into_owned()),
            Face::List(items) => FieldValue::List(items.to_vec()),
        };
        Record {
            identifier: self.identifier,
            type_code: self.kind.licence_type.code.clone(),
            number: self.number,
            holders: self.holders,
            issuer_code: self.kind.issuer.code.clone(),
            issuer_name: self.kind.issuer.name.clone(),
            area_code: self.area_code.to_owned(),
            issued: self.issued,
            valid_from: self.issued,
            valid_until: self.valid_until,
            state: self.state,
            supersedes: self.supersedes,
            fields: self.faces.into_iter().map(|(name, face)| (name.to_owned(), value(face))).collect(),
        }
    }
}

fn valid_until(validity: Validity, issued: Day, dice: &mut Dice) -> Option<Day> {
    match validity {
        Validity::LongTerm => None,
        Validity::Years(years) => Some(issued.plus_years(i32::from(years)).plus_days(-1)),
        Validity::Months(months) => Some(issued.plus_days(i64::from(months) * 30 - 1)),
        Validity::AsStated if dice.below(2) == 0 => None,
        Validity::AsStated => {
            Some(issued.plus_years(3 + i32::try_from(dice.below(8)).unwrap_or(0)).plus_days(-1))
        }
    }
}

/// Valid, but for one in twenty.
fn state(dice: &mut Dice) -> State {
    match dice.below(100) {
        0 => State::Restricted,
        1 => State::Suspended,
        2 => State::Withdrawn,
        3 => State::Revoked,
        4 => State::Cancelled,
        _ => State::Valid,
    }
}

/// Four characters of the identifier's serial that tell sets of different seeds apart.
fn base36(seed: u64) -> String {
    let mut rest = mix(seed);
    let mut text = String::new();
    for _ in 0..4 {
        let digit = u32::try_from(rest % 36).unwrap_or(0);
        text.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
        rest /= 36;
    }
    text
}

#[cfg(all(feature = "make", feature = "samples"))]
#[cfg(test)]
mod tests;
