//! Who holds the licences: persons, organisations and shops that do not exist.

use super::days::day;
use super::dice::{Dice, Weighted, mix, nth};
use super::error::GenerateError;
use super::plan::HolderKey;
use super::pools::{self, CLASSES, Form};
use super::region::Region;
use crate::licence::citizen::CitizenNumber;
use crate::licence::code_type::HolderCodeType;
use crate::licence::holder::Holder;
use crate::licence::uscc::Uscc;

/// Tiers apart that a person and the co-holder stand, so that they never meet.
const CO_HOLDER_TIERS: u64 = 400;
/// 2000-01-01 in days since 1970-01-01, and the days from it on which an organisation was founded.
const FIRST_FOUNDING: i64 = 10_957;
const FOUNDING_DAYS: u64 = 8_000;

/// A holder, and what their licences say of them.
#[derive(Debug)]
pub struct Party {
    pub holder: Holder,
    pub person: Option<Person>,
    /// Where they live or sit.
    pub home: Region,
    /// Day (since 1970-01-01) of founding, or of birth.
    pub since: i64,
    /// The same for all licences of this holder.
    pub roll: u64,
}

/// A made-up person.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Days since 1970-01-01.
    pub birth: i64,
    pub female: bool,
}

/// Makes holders and names.
#[derive(Debug)]
pub struct People {
    seed: u64,
    surnames: Weighted<&'static str>,
}

impl People {
    pub fn new(seed: u64) -> Self {
        Self { seed, surnames: Weighted::new(pools::SURNAMES) }
    }

    pub fn party(&self, home: Region, key: HolderKey) -> Result<Party, GenerateError> {
        let class = nth(&CLASSES, u64::try_from(key.class).unwrap_or(0)).ok_or(GenerateError::NoTypes)?;
        match class.form {
            Form::Person { first_birth, birth_days } => self.person(home, key.index, first_birth, birth_days),
            Form::Organisation { prefix, ending } => self.organisation(home, key.index, prefix, Some(ending)),
            Form::Shop => self.organisation(home, key.index, "92", None),
        }
    }

    /// The one with whom the holder of this key owns something.
    pub fn partner(&self, home: Region, key: HolderKey) -> Result<Party, GenerateError> {
        let tier = match nth(&CLASSES, u64::try_from(key.class).unwrap_or(0)).map(|class| class.form) {
            Some(Form::Person { birth_days, .. }) => persons_a_tier(birth_days),
            _ => 0,
        };
        self.party(home, HolderKey { index: key.index + CO_HOLDER_TIERS * tier, ..key })
    }

    /// Numbers are distinct: index to (tier, district, birth day) is one to one; from the second
    /// tier on area codes are made up too. They come round after 500 tiers.
    fn person(
        &self,
        home: Region,
        index: u64,
        first_birth: i64,
        birth_days: u64,
    ) -> Result<Party, GenerateError> {
        let size = persons_a_tier(birth_days);
        let tier = index / size;
        // 1,000,003 is a prime that does not divide the size, so this is a permutation.
        let place = ((index % size) * 1_000_003 + self.seed % size) % size;
        let birth = first_birth + i64::try_from(place / 16).unwrap_or(0);
        let made_up;
        let area = match tier {
            0 => nth(&home.0.districts, place).map_or("", |(code, _)| *code),
            _ => {
                let province = home.code().get(..2).unwrap_or_default();
                made_up = format!("{province}{}", 2_000 + (tier * 16 + place % 16) % 8_000);
                &made_up
            }
        };
        let number = CitizenNumber::build(area, day(birth), 0)?;
        let mut dice = Dice::new(place ^ (tier << 40));
        let female = dice.below(2) == 0;
        let name = self.name(&mut dice, Some(female));
        Ok(Party {
            holder: Holder::new(&name, number.as_str(), HolderCodeType::CitizenNumber)?,
            person: Some(Person { birth, female }),
            home,
            since: birth,
            roll: dice.roll(),
        })
    }

    /// A shop where it has no ending.
    fn organisation(
        &self,
        home: Region,
        index: u64,
        prefix: &str,
        ending: Option<&str>,
    ) -> Result<Party, GenerateError> {
        const DIGITS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
        let mut rest = index;
        let mut body = "XN".to_owned();
        for _ in 0..6 {
            body.push(char::from(nth(DIGITS, rest % 31).copied().unwrap_or(b'0')));
            rest /= 31;
        }
        let mut dice = Dice::new(index);
        let (area, district) = dice.pick(&home.0.districts);
        let code = Uscc::build(prefix, area, &body)?;
        let short = home.0.short_name;
        let (first, second) = (dice.pick(&pools::BRANDS), dice.pick(&pools::BRANDS));
        let name = match ending {
            Some(ending) => {
                let trade = dice.pick(&pools::TRADES);
                format!("{short}示例{first}{second}{trade}{ending}")
            }
            None => format!("{short}{district}示例{first}{second}{}", dice.pick(&pools::SHOPS)),
        };
        Ok(Party {
            holder: Holder::new(&name, code.as_str(), HolderCodeType::UnifiedSocialCredit)?,
            person: None,
            home,
            since: FIRST_FOUNDING + i64::try_from(dice.below(FOUNDING_DAYS)).unwrap_or(0),
            roll: dice.roll(),
        })
    }

    /// A person's name; of either sex where it is not known.
    pub fn name(&self, dice: &mut Dice, female: Option<bool>) -> String {
        let mut name = self.surnames.at(dice.roll()).unwrap_or("王").to_owned();
        let female = female.unwrap_or_else(|| dice.below(2) == 0);
        let own: &[&str] = if female { &pools::FEMALE_GIVEN } else { &pools::MALE_GIVEN };
        // One name in seven has a given name of one character.
        for _ in 0..1 + dice.below(7).min(1) {
            let pool = if dice.below(3) == 0 { &pools::SHARED_GIVEN[..] } else { own };
            name.push_str(dice.pick(pool));
        }
        name
    }
}

fn persons_a_tier(birth_days: u64) -> u64 {
    16 * birth_days
}

/// An address in a region; at most [`MAX_ADDRESS`] characters.
pub fn address(region: Region, dice: &mut Dice) -> String {
    let (_, district) = dice.pick(&region.0.districts);
    let (city, street) = (region.name(), dice.pick(&pools::STREETS));
    let house = 1 + dice.below(300);
    if dice.below(3) == 0 {
        return format!("{city}{district}{street}{house}号");
    }
    let (estate, building) = (dice.pick(&pools::ESTATES), 1 + dice.below(40));
    let (door, room) = (1 + dice.below(6), 101 + 100 * dice.below(18) + dice.below(4));
    format!("{city}{district}{street}{house}号{estate}{building}号楼{door}单元{room}室")
}

/// The longest that [`address`] makes, in characters.
pub const MAX_ADDRESS: usize = 40;

/// What two holders of the same roll have in common, for one purpose.
pub fn dice_of(party: &Party, purpose: u64) -> Dice {
    Dice::new(party.roll ^ mix(purpose))
}
