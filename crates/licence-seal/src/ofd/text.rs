//! Setting text: how wide it is, where its lines break, at which size it fits a box.
//!
//! Fonts are named and not embedded, so nobody here knows a glyph's real width. It need not be known:
//! a page says for each character how far the next one stands (`DeltaX`): a full em, or half of one
//! for ASCII, as in 宋体; capitals and digits get a little more, since they are wider in the fonts that
//! readers fall back on. Whatever the font, the same lines stand in the same places.

use crate::licence::MmBox;

/// Distance of two lines, in ems.
pub const LEADING: f32 = 1.2;
/// Baseline below the top of its line, in ems.
pub const BASELINE: f32 = 0.98;
/// Steps in which a size is tried, in millimetres.
const STEP: f32 = 0.1;
/// Characters that no line begins with.
const CLOSING: &str = "，。、；：？！）》〉」』】〕％”’,.;:?!)]}%";

/// Text at the size and in the lines in which it fits.
#[derive(Clone, PartialEq, Debug)]
pub struct Fitted {
    /// Millimetres.
    pub size: f32,
    pub lines: Vec<String>,
}

impl Fitted {
    /// Height of all lines, in millimetres.
    pub fn height(&self) -> f32 {
        self.lines.len() as f32 * self.size * LEADING
    }
}

/// How far the next character stands, in ems.
pub fn advance(c: char) -> f32 {
    match c {
        '0'..='9' | 'A'..='Z' => 0.56,
        _ if c.is_ascii() => 0.5,
        _ => 1.0,
    }
}

/// Width in ems.
pub fn width(text: &str) -> f32 {
    text.chars().map(advance).sum()
}

/// What XML can carry (XML 1.0, 2.2) on one line; anything else becomes U+FFFD.
pub fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

/// The largest size at which `text` fits `area`; `None` if it does not even at the smallest.
/// Sizes in millimetres.
pub fn fit(text: &str, area: &MmBox, largest: f32, smallest: f32) -> Option<Fitted> {
    let ems = width(text);
    let steps = ((largest - smallest) / STEP).round().max(0.0) as u16;
    (0..=steps).map(|step| largest - f32::from(step) * STEP).find_map(|size| {
        let most = (area.height / (size * LEADING)).floor();
        if ems * size > most * area.width {
            return None;
        }
        let fitted = Fitted { size, lines: wrap(text, area.width / size) };
        // A box may be narrower than one character.
        let within = |line: &String| width(line) * size <= area.width + 1e-3;
        (fitted.height() <= area.height && fitted.lines.iter().all(within)).then_some(fitted)
    })
}

/// Breaks `text` into lines of at most `ems`: between any two ideographs, between ASCII words, inside
/// a word only if it is longer than a line; no line begins with a closing mark unless the mark is alone.
pub fn wrap(text: &str, ems: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        if width(&line) + width(&word) > ems && !line.is_empty() {
            let carried =
                if word.starts_with(|c| CLOSING.contains(c)) { last_word(&mut line) } else { String::new() };
            lines.push(std::mem::replace(&mut line, carried));
        }
        for c in word.chars() {
            if width(&line) + advance(c) > ems && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            if !(line.is_empty() && c == ' ') {
                line.push(c);
            }
        }
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Takes the last character off a line that has more of them, to stand before a closing mark.
fn last_word(line: &mut String) -> String {
    let last = line.char_indices().next_back().map_or(0, |(at, _)| at);
    if last == 0 { String::new() } else { line.split_off(last) }
}

/// Runs of ASCII with the space that follows them; every other character alone.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in text.chars() {
        match words.last_mut() {
            Some(word) if c.is_ascii() && word.is_ascii() && !word.ends_with(' ') => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_break_between_ideographs_and_between_words() {
        assert_eq!(wrap("示例市样本路", 4.0), ["示例市样", "本路"]);
        assert_eq!(wrap("abc defg hi", 3.0), ["abc", "defg", "hi"]);
        assert_eq!(wrap("abcdefgh", 2.0), ["abcd", "efgh"]);
        assert_eq!(wrap("一二三四。五", 4.0), ["一二三", "四。五"]);
        assert!(wrap("  ", 4.0).is_empty());
    }

    #[test]
    fn a_size_is_the_largest_that_fits() {
        let area = MmBox { x: 0.0, y: 0.0, width: 20.0, height: 10.0 };
        assert_eq!(fit("一二三四", &area, 5.0, 2.0).unwrap().size, 5.0);
        let two = fit("一二三四五六七八", &area, 5.0, 2.0).unwrap();
        assert_eq!(two.lines.len(), 2);
        assert!(two.size > 4.0 && two.size < 4.2, "{}", two.size);
        assert_eq!(fit(&"一".repeat(100), &area, 5.0, 2.0), None);
    }

    #[test]
    fn what_xml_cannot_carry_is_marked() {
        assert_eq!(clean("a\u{7}b\n\u{ffff}"), "a\u{fffd}b\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_stays_within_its_lines(text in "[a-z 一二，。0-9（）]{0,80}", ems in 1.0_f32..20.0) {
            let lines = wrap(&text, ems);
            for line in &lines {
                prop_assert!(width(line) <= ems + 1e-3, "{line} in {ems}");
            }
            let squeezed = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(squeezed(&lines.concat()), squeezed(&text));
        }

        #[test]
        fn arbitrary_text_that_fits_a_box_stands_in_it(text in "\\PC{0,200}", w in 1.0_f32..150.0, h in 1.0_f32..40.0) {
            let area = MmBox { x: 0.0, y: 0.0, width: w, height: h };
            if let Some(fitted) = fit(&clean(&text), &area, 4.0, 2.0) {
                prop_assert!(fitted.height() <= h);
                prop_assert!(fitted.lines.iter().all(|line| width(line) * fitted.size <= w + 1e-2));
            }
        }
    }
}
