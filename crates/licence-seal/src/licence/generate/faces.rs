//! What stands on the face of a licence: how the value of each field is made, decided once per
//! field from its name and label.
//!
//! Values come from the catalogue's examples, which are cleaned and moved to the region once;
//! names, addresses and dates are made so that they fit the holder and the day of issue. Examples
//! that identify or reach somebody (personal numbers, telephones, bank cards) are taken as they are: they are
//! known to be nobody's.

use std::borrow::Cow;

use super::days::{day, number_of_day};
use super::dice::{Dice, nth};
use super::numbering::runs;
use super::people::{self, MAX_ADDRESS, Party, People};
use super::pools::PICTURE;
use super::region::Region;
use crate::licence::catalogue::{EXAMPLE_SEPARATOR, Field, FieldKind};
use crate::licence::holder::Holder;
use crate::licence::syntax;

/// Days between birth and the end of school, about.
const GROWN: i64 = 18 * 365;

/// One of how many optional fields is empty.
const EMPTY: u64 = 10;
/// Purposes of what is the same on all licences of one holder.
const HOME: u64 = 1;
const HEAD: u64 = 2;

/// A value before it is anybody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Face<'g> {
    Text(Cow<'g, str>),
    List(&'g [String]),
}

/// What the faces of one record are made from.
pub struct Subject<'a> {
    pub region: Region,
    pub people: &'a People,
    pub party: &'a Party,
    /// All holders, joined.
    pub holders: &'a [Holder],
    /// Days since 1970-01-01.
    pub issued: i64,
}

/// A field, and how it is filled.
#[derive(Debug)]
pub struct FacePlan {
    pub name: String,
    required: bool,
    max: usize,
    recipe: Recipe,
    /// Cleaned, moved to the region. The recipe falls back on them.
    examples: Vec<String>,
}

#[derive(Debug)]
enum Recipe {
    Picture,
    /// Of a code list: mostly as the examples, now and then any.
    Code(Vec<String>),
    Sex,
    Date(DateRule),
    Items(Vec<Vec<String>>),
    /// The holders' names.
    Holders,
    /// Who heads the organisation: the same on all of its licences.
    Head,
    Name,
    /// Where the holder lives or sits: the same on all of their licences.
    Home,
    Address,
    /// The example with its last digits changed.
    Serial,
    /// The example with other digits behind the first.
    Figure,
    Example,
}

/// Where a date lies.
#[derive(Clone, Copy, Debug)]
enum DateRule {
    Birth,
    /// Within five years of the holder's birth.
    NearBirth,
    Founding,
    /// When the holder was grown, within five years.
    Grown,
    /// At most so many days before the issue, and in the holder's time.
    Before(i64),
    /// At least a hundred and at most so many days more after the issue.
    After(i64),
    /// About when the example says.
    Example,
}

impl FacePlan {
    pub fn new(field: &Field, region: Region) -> Self {
        // A code is one of the list, wherever it is used.
        let local = |text: &String| match field.kind {
            FieldKind::Code => text.clone(),
            _ => syntax::clean(&region.local(text)),
        };
        let examples: Vec<String> = field.examples.iter().map(local).collect();
        Self {
            name: field.name.clone(),
            required: field.required,
            max: field.max,
            recipe: Recipe::of(field, &examples),
            examples,
        }
    }

    /// A value, or `None` where an optional field stays empty.
    pub fn make<'g>(&'g self, subject: &Subject<'_>, dice: &mut Dice) -> Option<Face<'g>> {
        if !self.required && dice.below(EMPTY) == 0 {
            return None;
        }
        let example = nth(&self.examples, dice.roll()).map_or("", String::as_str);
        let made: Cow<'g, str> = match &self.recipe {
            Recipe::Picture => PICTURE.into(),
            Recipe::Items(lists) => return nth(lists, dice.roll()).map(|items| Face::List(items)),
            Recipe::Sex if subject.party.person.is_some_and(|person| person.female) => "女".into(),
            Recipe::Sex => "男".into(),
            Recipe::Code(codes) if example.is_empty() || dice.below(16) == 0 => {
                nth(codes, dice.roll()).map_or("", String::as_str).into()
            }
            Recipe::Code(_) | Recipe::Example => example.into(),
            Recipe::Date(rule) => day(rule.day(subject, example, dice)).to_string().into(),
            Recipe::Holders => match subject.holders {
                [one] => one.name().to_owned().into(),
                several => several.iter().map(Holder::name).collect::<Vec<_>>().join("、").into(),
            },
            Recipe::Head => subject.people.name(&mut people::dice_of(subject.party, HEAD), None).into(),
            Recipe::Name => subject.people.name(dice, None).into(),
            Recipe::Home => {
                people::address(subject.party.home, &mut people::dice_of(subject.party, HOME)).into()
            }
            Recipe::Address => people::address(subject.region, dice).into(),
            Recipe::Serial => last_digits_changed(example, dice).into(),
            Recipe::Figure => other_digits(example, dice).into(),
        };
        // Bytes are at least as many as characters, and mostly few enough.
        let fits = made.len() <= self.max || made.chars().count() <= self.max;
        let fits = fits || matches!(self.recipe, Recipe::Picture | Recipe::Date(_) | Recipe::Code(_));
        let text = if fits { made } else { example.into() };
        (!text.is_empty()).then_some(Face::Text(text))
    }
}

impl Recipe {
    fn of(field: &Field, examples: &[String]) -> Self {
        let (name, label) = (field.name.as_str(), field.label.as_str());
        match field.kind {
            FieldKind::Image => Self::Picture,
            FieldKind::Code if name == "sex" && ["男", "女"].iter().all(|sex| has(&field.codes, sex)) => {
                Self::Sex
            }
            FieldKind::Code => Self::Code(field.codes.clone()),
            FieldKind::Date => Self::Date(DateRule::of(name)),
            FieldKind::List => {
                let items = |text: &String| text.split(EXAMPLE_SEPARATOR).map(syntax::clean).collect();
                Self::Items(examples.iter().map(items).collect())
            }
            FieldKind::Integer | FieldKind::Decimal | FieldKind::Amount => Self::Figure,
            FieldKind::Text => Self::of_text(name, label, field.max),
        }
    }

    fn of_text(name: &str, label: &str, max: usize) -> Self {
        let ends = |endings: &[&str]| endings.iter().any(|ending| label.ends_with(ending));
        let has = |parts: &[&str]| parts.iter().any(|part| label.contains(part));
        let places = ["住址", "地址", "住所", "坐落", "经营场所", "生产场所", "地点", "（注册地址）"];
        if matches!(
            label,
            "权利人" | "所有人" | "机动车所有人" | "车辆所有人" | "船舶所有人" | "权利人（申请人）"
        ) {
            Self::Holders
        } else if name == "legalRepresentative" {
            Self::Head
        } else if ends(&[
            "负责人",
            "姓名",
            "签发人",
            "经办人",
            "联系人",
            "监护人",
            "校长",
            "兽医",
            "医师签名",
            "受权人",
        ]) || matches!(name, "personInCharge")
        {
            Self::Name
        } else if max >= MAX_ADDRESS && ends(&places) && !has(&["网", "签发", "出生", "名称"]) {
            if ends(&["住址", "住所", "（注册地址）"]) || matches!(name, "address" | "domicile") {
                Self::Home
            } else {
                Self::Address
            }
        } else if ends(&["号", "号码", "编号", "代号"])
            && !has(&["身份", "信用", "银行卡", "电话", "文号", "医学证明"])
        {
            Self::Serial
        } else {
            Self::Example
        }
    }
}

fn has(codes: &[String], code: &str) -> bool {
    codes.iter().any(|known| known == code)
}

impl DateRule {
    fn of(name: &str) -> Self {
        match name {
            "birthDate" => Self::Birth,
            "spouseBirthDate" => Self::NearBirth,
            "establishedDate" => Self::Founding,
            "workStartDate" => Self::Grown,
            "firstIssueDate"
            | "accountOpenDate"
            | "insuredStartDate"
            | "loanIssueDate"
            | "builtDate"
            | "manufactureDate"
            | "ownershipAcquiredDate"
            | "adopteeBirthDate"
            | "applicationDate" => Self::Before(3_000),
            "landUseEndDate" => Self::After(18_000),
            "nextInspectionDate"
            | "endorsementValidTo"
            | "plannedStartDate"
            | "plannedCompletionDate"
            | "reviewDate" => Self::After(900),
            "martyrBirthDate" | "enlistmentDate" | "sacrificeDate" => Self::Example,
            _ => Self::Before(30),
        }
    }

    /// In days since 1970-01-01.
    fn day(self, subject: &Subject<'_>, example: &str, dice: &mut Dice) -> i64 {
        let Subject { party, issued, .. } = subject;
        let birth = match party.person {
            Some(person) => person.birth,
            // Whose birthday a company's licence shows is not known: somebody grown.
            None => issued - GROWN - dice.days(40 * 365),
        };
        match self {
            Self::Birth => birth,
            Self::NearBirth => birth - 1_826 + dice.days(3_652),
            Self::Founding => party.since.min(*issued),
            Self::Grown => birth + GROWN + dice.days(1_826),
            Self::Before(days) => issued - dice.days(days.min(issued - party.since).max(1)),
            Self::After(days) => issued + 100 + dice.days(days),
            Self::Example => {
                let example = syntax::day(example).map_or(*issued, number_of_day);
                example + dice.days(300)
            }
        }
    }
}

/// The last run of four or more digits, its last six at most made anew.
fn last_digits_changed(example: &str, dice: &mut Dice) -> String {
    let Some(run) = runs(example).filter(|run| run.len() >= 4).last() else {
        return example.to_owned();
    };
    let width = run.len().min(6);
    let limit = 10_u64.pow(u32::try_from(width).unwrap_or(0));
    let (head, tail) = (example.get(..run.end - width), example.get(run.end..));
    format!("{}{:0width$}{}", head.unwrap_or_default(), dice.below(limit), tail.unwrap_or_default())
}

/// Other digits behind the first one, where there are at least three before the point; zeros stay,
/// since round figures are round.
fn other_digits(example: &str, dice: &mut Dice) -> String {
    if example.split('.').next().unwrap_or_default().len() < 3 {
        return example.to_owned();
    }
    let digits = example.chars().enumerate().map(|(at, digit)| match digit {
        '1'..='9' if at > 0 => {
            char::from_digit(u32::try_from(1 + dice.below(9)).unwrap_or(1), 10).unwrap_or(digit)
        }
        _ => digit,
    });
    digits.collect()
}
