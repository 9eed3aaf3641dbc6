//! Licence numbers after the example of their type.

use super::region::Region;

/// How the licence numbers of a type look.
#[derive(Debug)]
pub(super) struct Numbering {
    head: String,
    /// Where in the head the year of issue stands.
    year_at: Option<usize>,
    width: usize,
    tail: String,
}

impl Numbering {
    /// After the type's example: the longest run of digits counts up, so that numbers of a type are
    /// distinct; the years that the examples are of become those of the issue.
    pub fn new(example: &str, region: Region) -> Self {
        let example = if region == Region::TIANJIN {
            example.to_owned()
        } else {
            let province = region.code().get(..2).unwrap_or_default();
            example.replacen("120", &format!("{province}0"), 1).replace('津', region.0.letter)
        };
        let longest = runs(&example).max_by_key(|run| (run.len().min(4), run.start));
        let run = longest.unwrap_or(example.len()..example.len());
        let width = run.len().min(8);
        let head = example.get(..run.end - width).unwrap_or_default().to_owned();
        Self {
            year_at: ["2023", "2024"].iter().filter_map(|year| head.rfind(year)).max(),
            head,
            width,
            tail: example.get(run.end..).unwrap_or_default().to_owned(),
        }
    }

    pub fn number(&self, n: u64, year: i32) -> String {
        let Self { head, tail, width, .. } = self;
        match self.year_at.and_then(|at| Some((head.get(..at)?, head.get(at + 4..)?))) {
            Some((before, after)) => format!("{before}{year}{after}{n:0width$}{tail}"),
            None => format!("{head}{n:0width$}{tail}"),
        }
    }
}

/// The runs of ASCII digits in a text.
pub(super) fn runs(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(|c: char| c.is_ascii_digit())?;
        let digits = text.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
        at = start + digits;
        Some(start..at)
    })
}
