//! Synthetic licences: for tests, the demo and load runs. Nobody in them exists.
//!
//! A record is a pure function of (catalogue, seed, region, n), so any number of threads can make
//! any part of a set, and the same set can be made again. How it is kept recognisable and harmless:
//! citizen numbers have the sequence 000, which is never issued (so the sequence says nothing about
//! sex here); organisation codes lie in the block `XN……`; companies are called 示例, authorities
//! end in （示例）, streets are called 示例, 样本, 演示, 测试.
//!
//! Types recur with a skew (identity cards often, artwork registrations seldom), but every run of
//! 1,000 records from a multiple of 1,000 has all types. A holder has one to five licences, three
//! on average. Every tenth holder lives in Tianjin whatever the region, and is the same under the
//! same seed, so that a search across cities finds something in each.

use std::collections::BTreeMap;

use serde::Serialize;
use thiserror::Error;

use super::catalogue::{Catalogue, Field, FieldKind, HolderKind, LicenceType, Validity};
use super::citizen::{CitizenError, CitizenNumber};
use super::holder::{Holder, HolderCodeType, HolderError, PersonKind};
use super::identifier::{Identifier, IdentifierError};
use super::pools::{self, RegionData};
use super::record::{FieldValue, Record};
use super::status::State;
use super::syntax;
use super::uscc::{Uscc, UsccError};
use crate::time::{Day, Timestamp};

/// Joins the items of a list in the catalogue's examples.
pub(super) const EXAMPLE_SEPARATOR: char = '；';
/// Records after which the order of types repeats.
const BLOCK: usize = 1_000;
/// Which of five holders each of fifteen licences goes to: 1, 2, 3, 4 and 5 licences.
const SHARING: [u64; 15] = [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4];
/// 2019-01-01 and 1950-01-01 as Unix seconds.
const FIRST_ISSUE: i64 = 1_546_300_800;
const FIRST_BIRTH: i64 = -631_152_000;
/// Days from 1950-01-01 on which somebody here is born: to the end of 2005.
const BIRTH_DAYS: u64 = 20_454;
/// Persons before area codes run out of districts: 16 districts by birth days.
const PERSONS_A_TIER: u64 = 16 * BIRTH_DAYS;
/// Tiers apart that a person and the co-holder stand, so that they never meet.
const CO_HOLDER_TIERS: u64 = 400;

/// A region with sample data.
#[derive(Clone, Copy)]
pub struct Region(&'static RegionData);

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

/// A made-up issuing authority of a region: one for each group of the catalogue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Issuer {
    pub code: Uscc,
    pub name: String,
    /// The catalogue group ([`LicenceType::group`]) whose types it issues.
    pub group: String,
}

/// A value that the generator made does not pass its own rules: a catalogue that `check` would
/// refuse, or a fault here.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum GenerateError {
    #[error("the catalogue has no types")]
    NoTypes,
    #[error("no authority issues types of group {group}")]
    NoIssuer { group: String },
    #[error(transparent)]
    Uscc(#[from] UsccError),
    #[error(transparent)]
    Citizen(#[from] CitizenError),
    #[error(transparent)]
    Holder(#[from] HolderError),
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
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
    slots: Vec<Slot<'c>>,
    natural_a_block: u64,
    legal_a_block: u64,
}

/// A place in the repeating order of types.
#[derive(Debug)]
struct Slot<'c> {
    licence_type: &'c LicenceType,
    issuer: Issuer,
    person: PersonKind,
    /// How many slots before this one have a holder of the same kind.
    rank: u64,
}

impl<'c> Generator<'c> {
    pub fn new(catalogue: &'c Catalogue, seed: u64, region: Region) -> Result<Self, GenerateError> {
        let issuers = issuers(catalogue, region)?;
        let (mut slots, mut natural, mut legal) = (Vec::new(), 0, 0);
        for (licence_type, turn) in order(catalogue) {
            let issuer = issuers.iter().find(|i| i.group == licence_type.group);
            let issuer =
                issuer.ok_or_else(|| GenerateError::NoIssuer { group: licence_type.group.clone() })?;
            let person = match licence_type.holder {
                HolderKind::NaturalPerson => PersonKind::Natural,
                HolderKind::LegalPerson => PersonKind::Legal,
                _ if turn % 3 == 2 => PersonKind::Legal,
                _ => PersonKind::Natural,
            };
            let count = if person == PersonKind::Natural { &mut natural } else { &mut legal };
            slots.push(Slot { licence_type, issuer: issuer.clone(), person, rank: *count });
            *count += 1;
        }
        if slots.is_empty() {
            return Err(GenerateError::NoTypes);
        }
        Ok(Self { seed, region, slots, natural_a_block: natural, legal_a_block: legal })
    }

    /// The `n`th record of the set.
    pub fn record(&self, n: u64) -> Result<Record, GenerateError> {
        let length = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(n % length).unwrap_or(0);
        let slot = self.slots.get(at).ok_or(GenerateError::NoTypes)?;
        let a_block =
            if slot.person == PersonKind::Natural { self.natural_a_block } else { self.legal_a_block };
        let turn = (n / length).wrapping_mul(a_block).wrapping_add(slot.rank);
        let shared = usize::try_from(turn % 15).ok().and_then(|at| SHARING.get(at)).copied().unwrap_or(0);
        let index = turn / 15 * 5 + shared;
        let home = if index % 10 == 0 { Region::TIANJIN } else { self.region };
        let mut dice = Dice(mix(self.seed ^ mix(n)));

        let licence_type = slot.licence_type;
        let (first, person) = match slot.person {
            PersonKind::Natural => {
                let person = Person::of(home, self.seed, index)?;
                (person.holder()?, Some(person))
            }
            PersonKind::Legal => (organisation(home, index, licence_type)?, None),
        };
        let mut holders = vec![first];
        if licence_type.holder == HolderKind::RealEstate && person.is_some() && dice.below(4) == 0 {
            let other = Person::of(home, self.seed, index + CO_HOLDER_TIERS * PERSONS_A_TIER)?;
            holders.push(other.holder()?);
        }
        let (area_code, _) = pick(&self.region.0.districts, dice.next());
        let issued = Timestamp::from_secs(FIRST_ISSUE).day().plus_days(dice.days(2_700));
        let serial = format!("{}{n:010}", base36(self.seed));
        let number = match holders.first() {
            Some(holder) if licence_type.number_is_holder_code => holder.code().to_owned(),
            _ => number(&licence_type.number_example, self.region, n),
        };
        let makers = Makers { region: self.region, person: person.as_ref(), holders: &holders, issued };
        let fields = licence_type
            .fields
            .iter()
            .filter_map(|field| Some((field.name.clone(), makers.value(field, &mut dice)?)))
            .collect::<BTreeMap<_, _>>();
        Ok(Record {
            identifier: Identifier::build(&licence_type.code, &slot.issuer.code, &serial, 1)?,
            type_code: licence_type.code.clone(),
            number,
            issuer_code: slot.issuer.code.clone(),
            issuer_name: slot.issuer.name.clone(),
            area_code: area_code.to_owned(),
            issued,
            valid_from: issued,
            valid_until: valid_until(licence_type.validity, issued, &mut dice),
            state: state(&mut dice),
            supersedes: None,
            fields,
            holders,
        })
    }
}

/// The types in the order of one block, each with its turn: every type at least once, common ones
/// more often, the turns of a type spread evenly.
fn order(catalogue: &Catalogue) -> Vec<(&LicenceType, u64)> {
    let extra =
        |name: &str| pools::COMMON_TYPES.iter().find(|(common, _)| *common == name).map_or(0, |(_, n)| *n);
    let mut weights: Vec<usize> = catalogue.iter().map(|t| 1 + extra(&t.name)).collect();
    let mut missing = BLOCK.saturating_sub(weights.iter().sum());
    while missing > 0 && !weights.is_empty() {
        for weight in weights.iter_mut().take(missing) {
            *weight += 1;
        }
        missing = missing.saturating_sub(weights.len());
    }
    let mut places = Vec::new();
    for (at, (licence_type, weight)) in (0u64..).zip(catalogue.iter().zip(&weights)) {
        let weight = u64::try_from(*weight).unwrap_or(1);
        let offset = mix(at) >> 32;
        places.extend((0..weight).map(|turn| (((turn << 32) + offset) / weight, at, licence_type, turn)));
    }
    places.sort_by_key(|(position, at, ..)| (*position, *at));
    places.into_iter().map(|(_, _, licence_type, turn)| (licence_type, turn)).collect()
}

/// A made-up person.
#[derive(Debug)]
struct Person {
    name: String,
    number: CitizenNumber,
    birth: Day,
    female: bool,
}

impl Person {
    /// The `index`th person of a region under a seed. Numbers are distinct: index to (tier,
    /// district, birth day) is one to one; from the second tier on area codes are made up too.
    fn of(home: Region, seed: u64, index: u64) -> Result<Self, GenerateError> {
        let tier = index / PERSONS_A_TIER;
        // 1,000,003 is a prime that does not divide PERSONS_A_TIER, so this is a permutation.
        let place = ((index % PERSONS_A_TIER) * 1_000_003 + seed % PERSONS_A_TIER) % PERSONS_A_TIER;
        let birth = Timestamp::from_secs(FIRST_BIRTH).day().plus_days(i64::try_from(place / 16).unwrap_or(0));
        let area = match tier {
            0 => pick(&home.0.districts, place).0.to_owned(),
            _ => {
                let made_up = 2_000 + (tier * 16 + place % 16) % 8_000;
                format!("{}{made_up}", home.code().get(..2).unwrap_or_default())
            }
        };
        let number = CitizenNumber::build(&area, birth, 0)?;
        let mut dice = Dice(mix(place ^ (tier << 40)));
        Ok(Self { name: name(&mut dice), number, birth, female: dice.below(2) == 0 })
    }

    fn holder(&self) -> Result<Holder, HolderError> {
        Holder::new(&self.name, self.number.as_str(), HolderCodeType::CitizenNumber)
    }
}

fn name(dice: &mut Dice) -> String {
    let mut name = pick(&pools::SURNAMES, dice.next()).to_owned();
    for _ in 0..1 + dice.below(3).min(1) {
        name.push_str(pick(&pools::GIVEN, dice.next()));
    }
    name
}

/// The `index`th organisation of a region: of the form that the licence type is for.
fn organisation(home: Region, index: u64, licence_type: &LicenceType) -> Result<Holder, GenerateError> {
    let (prefix, ending) = match licence_type.name.as_str() {
        "事业单位法人证书" => ("12", "服务中心"),
        "社会团体法人登记证书" => ("51", "协会"),
        "民办非企业单位登记证书" => ("52", "服务站"),
        "基金会法人登记证书" => ("53", "基金会"),
        "基层群众性自治组织特别法人统一社会信用代码证书" => ("54", "村民委员会"),
        "律师事务所执业许可证" => ("31", "律师事务所"),
        _ => ("91", "有限公司"),
    };
    const DIGITS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let mut rest = index;
    let mut body = "XN".to_owned();
    for _ in 0..6 {
        body.push(char::from(pick(DIGITS, rest % 31)));
        rest /= 31;
    }
    let mut dice = Dice(mix(index));
    let (area, _) = pick(&home.0.districts, dice.next());
    let code = Uscc::build(prefix, area, &body)?;
    let brand = pick(&pools::BRANDS, dice.next());
    let trade = pick(&pools::TRADES, dice.next());
    let name = format!("{}示例{brand}{trade}{ending}", home.0.short_name);
    Ok(Holder::new(&name, code.as_str(), HolderCodeType::UnifiedSocialCredit)?)
}

/// What the face fields of one record are made from.
struct Makers<'a> {
    region: Region,
    person: Option<&'a Person>,
    holders: &'a [Holder],
    issued: Day,
}

impl Makers<'_> {
    /// A value for the field, or `None` where an optional field stays empty (one in three, and all
    /// optional pictures).
    fn value(&self, field: &Field, dice: &mut Dice) -> Option<FieldValue> {
        if !field.required && (field.kind == FieldKind::Image || dice.below(3) == 0) {
            return None;
        }
        let example = self.local(pick_text(&field.examples, dice.next()));
        let text = match field.kind {
            FieldKind::Image => pools::PICTURE.to_owned(),
            FieldKind::Code => self.code(field, dice),
            FieldKind::Date => self.date(field, &example, dice),
            FieldKind::Text => {
                let made = self.text(field, dice).filter(|text| text.chars().count() <= field.max);
                made.unwrap_or(example)
            }
            FieldKind::List => {
                let items: Vec<String> = example.split(EXAMPLE_SEPARATOR).map(syntax::clean).collect();
                return Some(FieldValue::List(items));
            }
            FieldKind::Integer | FieldKind::Decimal | FieldKind::Amount => example,
        };
        let text = syntax::clean(&text);
        (!text.is_empty()).then_some(FieldValue::Text(text))
    }

    fn code(&self, field: &Field, dice: &mut Dice) -> String {
        let sex = self.person.filter(|_| field.name == "sex").map(|p| if p.female { "女" } else { "男" });
        match sex.filter(|sex| field.codes.iter().any(|code| code == sex)) {
            Some(sex) => sex.to_owned(),
            // Mostly what the catalogue shows as usual, now and then any code of the list.
            None if dice.below(8) == 0 => pick_text(&field.codes, dice.next()).to_owned(),
            None => {
                pick_text(if field.examples.is_empty() { &field.codes } else { &field.examples }, dice.next())
                    .to_owned()
            }
        }
    }

    fn date(&self, field: &Field, example: &str, dice: &mut Dice) -> String {
        let day = match (field.name.as_str(), self.person) {
            ("birthDate", Some(person)) => person.birth,
            ("birthDate", None) => Timestamp::from_secs(FIRST_BIRTH).day().plus_days(dice.days(BIRTH_DAYS)),
            _ => syntax::day(example).unwrap_or(self.issued).plus_days(dice.days(300)),
        };
        day.to_string()
    }

    /// A text for the fields whose label says what they are.
    fn text(&self, field: &Field, dice: &mut Dice) -> Option<String> {
        let label = field.label.as_str();
        let ends = |endings: &[&str]| endings.iter().any(|ending| label.ends_with(ending));
        if matches!(label, "权利人" | "所有人" | "机动车所有人" | "权利人（申请人）") {
            return Some(self.holders.iter().map(Holder::name).collect::<Vec<_>>().join("、"));
        }
        if ends(&["住址", "地址", "住所", "坐落", "经营场所"]) && !label.contains('网') {
            let (_, district) = pick(&self.region.0.districts, dice.next());
            let street = pick(&pools::STREETS, dice.next());
            let (house, door) = (1 + dice.below(300), 101 + dice.below(900));
            let city = self.region.name();
            return Some(format!("{city}{district}{street}{house}号{door}室"));
        }
        ends(&["法定代表人", "负责人", "户主姓名", "配偶姓名"]).then(|| name(dice))
    }

    /// An example of Tianjin, moved to the region.
    fn local(&self, example: &str) -> String {
        let RegionData { name, short_name, letter, .. } = self.region.0;
        if self.region == Region::TIANJIN {
            return example.to_owned();
        }
        example.replace("天津市", name).replace("天津", short_name).replace('津', letter)
    }
}

/// A licence number after the type's example: the last run of digits counts up with `n`, so that
/// numbers of a type are distinct.
fn number(example: &str, region: Region, n: u64) -> String {
    let example = if region == Region::TIANJIN {
        example.to_owned()
    } else {
        let province = region.code().get(..2).unwrap_or_default();
        example.replacen("120", &format!("{province}0"), 1).replace('津', region.0.letter)
    };
    let longest = runs(&example).max_by_key(|run| (run.len().min(4), run.start));
    let run = longest.unwrap_or(example.len()..example.len());
    let width = run.len().min(8);
    let keep = run.end - width;
    let (head, tail) = (example.get(..keep).unwrap_or_default(), example.get(run.end..).unwrap_or_default());
    format!("{head}{n:0width$}{tail}")
}

/// The runs of ASCII digits in a text.
fn runs(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(|c: char| c.is_ascii_digit())?;
        let digits = text.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
        at = start + digits;
        Some(start..at)
    })
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

fn pick<T: Copy + Default>(items: &[T], roll: u64) -> T {
    let length = u64::try_from(items.len()).unwrap_or(1).max(1);
    usize::try_from(roll % length).ok().and_then(|at| items.get(at)).copied().unwrap_or_default()
}

fn pick_text(items: &[String], roll: u64) -> &str {
    let length = u64::try_from(items.len()).unwrap_or(1).max(1);
    usize::try_from(roll % length).ok().and_then(|at| items.get(at)).map_or("", String::as_str)
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same on every machine. Not for secrets.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn days(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap_or(0)
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests;
