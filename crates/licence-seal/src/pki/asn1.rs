//! Reading and writing DER (X.690), no more than certificates, seals and stamps need.
//!
//! The reader hands out every element together with its bytes as received, because a signature is
//! always verified over those, never over something encoded again. It accepts DER only: definite
//! lengths in their shortest form, minimal integers, no unused bits. Nothing here recurses, so the
//! nesting of an input costs nothing. The derive macros of the `der` crate were not taken: they
//! drop the original bytes and cannot read the deviations that seals in the field show.

use der::asn1::ObjectIdentifier;
use time::macros::format_description;
use time::{Date, PrimitiveDateTime, Time};

use crate::time::Timestamp;

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const UTF8_STRING: u8 = 0x0c;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const IA5_STRING: u8 = 0x16;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// `[n]` constructed, for n below 31.
pub const fn explicit(n: u8) -> u8 {
    0xa0 | n
}

/// How bytes fail to be the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("ends in the middle of an element")]
    Truncated,
    #[error("bytes follow where the end should be")]
    Trailing,
    #[error("a length is not in its shortest definite form")]
    Length,
    #[error("an element is missing or of another kind")]
    Tag,
    #[error("the content of an element is not as DER has it")]
    Value,
    #[error("more elements or bytes than allowed")]
    TooMuch,
}

/// One element: its tag, its content, and all its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    pub tag: u8,
    pub raw: &'a [u8],
    pub content: &'a [u8],
}

impl<'a> Element<'a> {
    /// A reader over the content of a constructed element.
    pub const fn inside(&self) -> Reader<'a> {
        Reader { rest: self.content }
    }

    /// Content of an INTEGER that fits; negative ones are refused.
    pub fn to_u32(&self) -> Result<u32, Fault> {
        match self.content {
            [] => Err(Fault::Value),
            [high, ..] if high & 0x80 != 0 => Err(Fault::Value),
            [0, next, ..] if next & 0x80 == 0 => Err(Fault::Value),
            [0, rest @ ..] | rest if rest.len() <= 4 => {
                Ok(rest.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
            }
            _ => Err(Fault::TooMuch),
        }
    }

    /// Content of a BIT STRING of whole bytes.
    pub fn bits(&self) -> Result<&'a [u8], Fault> {
        match self.content {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(Fault::Value),
        }
    }

    /// Dotted.
    pub fn oid(&self) -> Result<String, Fault> {
        self.oid_arcs()?;
        ObjectIdentifier::from_bytes(self.content).map(|oid| oid.to_string()).map_err(|_| Fault::Value)
    }

    fn check_primitive(&self) -> Result<(), Fault> {
        match (self.tag, self.content) {
            (BOOLEAN, _) => self.boolean().map(drop),
            (INTEGER | ENUMERATED, []) => Err(Fault::Value),
            (INTEGER | ENUMERATED, [0, next, ..]) if next & 0x80 == 0 => Err(Fault::Value),
            (INTEGER | ENUMERATED, [0xff, next, ..]) if next & 0x80 != 0 => Err(Fault::Value),
            (BIT_STRING, [0]) => Ok(()),
            (BIT_STRING, [unused @ 0..=7, .., last]) if last.trailing_zeros() >= u32::from(*unused) => Ok(()),
            (BIT_STRING, _) => Err(Fault::Value),
            (NULL, [_, ..]) => Err(Fault::Value),
            (OBJECT_IDENTIFIER, _) => self.oid_arcs(),
            _ => Ok(()),
        }
    }

    /// An object identifier ends with the end of an arc, and no arc is padded (X.690 8.19.2).
    fn oid_arcs(&self) -> Result<(), Fault> {
        let mut begins = true;
        for byte in self.content {
            if begins && *byte == 0x80 {
                return Err(Fault::Value);
            }
            begins = byte & 0x80 == 0;
        }
        if begins && !self.content.is_empty() { Ok(()) } else { Err(Fault::Value) }
    }

    pub fn boolean(&self) -> Result<bool, Fault> {
        match self.content {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(Fault::Value),
        }
    }

    /// Text of an IA5String, PrintableString or UTF8String; control characters are refused.
    pub fn text(&self) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(self.content).map_err(|_| Fault::Value)?;
        let fits = match self.tag {
            UTF8_STRING => true,
            IA5_STRING | PRINTABLE_STRING => text.is_ascii(),
            _ => return Err(Fault::Tag),
        };
        if fits && !text.contains(char::is_control) { Ok(text) } else { Err(Fault::Value) }
    }

    /// A UTCTime `YYMMDDHHMMSSZ` (1950 to 2049) or GeneralizedTime `YYYYMMDDHHMMSSZ`.
    pub fn time(&self) -> Result<Timestamp, Fault> {
        let text = std::str::from_utf8(self.content).map_err(|_| Fault::Value)?;
        match (self.tag, text.len()) {
            (GENERALIZED_TIME, 15) => parse_time(text),
            (UTC_TIME, 13) => {
                let century = if text.as_bytes() < b"50".as_slice() { "20" } else { "19" };
                parse_time(&format!("{century}{text}"))
            }
            (GENERALIZED_TIME | UTC_TIME, _) => Err(Fault::Value),
            _ => Err(Fault::Tag),
        }
    }

    /// A time as seals, stamps and time stamps of the field write it (X.680 46, 47): either kind,
    /// seconds with a fraction (cut off below a millisecond), `Z` or an offset like `+0800`.
    pub fn seen_time(&self) -> Result<Timestamp, Fault> {
        let text = std::str::from_utf8(self.content).map_err(|_| Fault::Value)?;
        let century = match self.tag {
            GENERALIZED_TIME => "",
            UTC_TIME if text.as_bytes() < b"50".as_slice() => "20",
            UTC_TIME => "19",
            _ => return Err(Fault::Tag),
        };
        let zone = text.find(['Z', '+', '-']).ok_or(Fault::Value)?;
        let (local, zone) = text.split_at_checked(zone).ok_or(Fault::Value)?;
        let (whole, fraction) = local.split_once(['.', ',']).unwrap_or((local, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(fraction) || fraction.len() > 9 {
            return Err(Fault::Value);
        }
        let millis: i64 = fraction
            .chars()
            .chain("00".chars())
            .take(3)
            .collect::<String>()
            .parse()
            .map_err(|_| Fault::Value)?;
        let at = parse_time(&format!("{century}{whole}Z"))?;
        let offset = match (zone.get(..1), zone.get(1..3), zone.get(3..)) {
            (Some("Z"), None, None) if zone.len() == 1 => 0,
            (Some(sign @ ("+" | "-")), Some(hours), Some(minutes)) if digits(hours) && digits(minutes) => {
                let hours: i64 = hours.parse().map_err(|_| Fault::Value)?;
                let minutes: i64 = minutes.parse().map_err(|_| Fault::Value)?;
                if hours > 14 || minutes > 59 || zone.len() != 5 {
                    return Err(Fault::Value);
                }
                let east = (hours * 60 + minutes) * 60;
                if sign == "+" { east } else { -east }
            }
            _ => return Err(Fault::Value),
        };
        Ok(Timestamp::from_millis(at.plus_secs(-offset).millis().saturating_add(millis)))
    }
}

fn parse_time(text: &str) -> Result<Timestamp, Fault> {
    let digits = text.strip_suffix('Z').ok_or(Fault::Value)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Value);
    }
    let (day, clock) = digits.split_at_checked(8).ok_or(Fault::Value)?;
    let day = Date::parse(day, &format_description!("[year][month][day]")).map_err(|_| Fault::Value)?;
    let clock =
        Time::parse(clock, &format_description!("[hour][minute][second]")).map_err(|_| Fault::Value)?;
    Ok(Timestamp::from_secs(PrimitiveDateTime::new(day, clock).assume_utc().unix_timestamp()))
}

/// Reads one element after another.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Result<Element<'a>, Fault> {
        let all = self.rest;
        let [tag, first, after @ ..] = all else {
            return Err(Fault::Truncated);
        };
        if tag & 0x1f == 0x1f {
            return Err(Fault::Tag);
        }
        let (length, body) = match first {
            0..=0x7f => (usize::from(*first), after),
            0x81..=0x84 => {
                let (octets, body) =
                    after.split_at_checked(usize::from(first & 0x7f)).ok_or(Fault::Truncated)?;
                let length = octets.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
                let minimal = length > 0x7f && octets.first() != Some(&0);
                if !minimal {
                    return Err(Fault::Length);
                }
                (usize::try_from(length).map_err(|_| Fault::TooMuch)?, body)
            }
            _ => return Err(Fault::Length),
        };
        let (content, rest) = body.split_at_checked(length).ok_or(Fault::Truncated)?;
        let taken = all.len() - rest.len();
        let (raw, _) = all.split_at_checked(taken).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(Element { tag: *tag, raw, content })
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, Fault> {
        match self.peek() {
            Some(found) if found == tag => self.any(),
            Some(_) => Err(Fault::Tag),
            None => Err(Fault::Truncated),
        }
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Fault> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Nothing may follow.
    pub fn finish(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }

    /// All remaining elements, at most `limit`.
    pub fn all(mut self, limit: usize) -> Result<Vec<Element<'a>>, Fault> {
        let mut found = Vec::new();
        while !self.is_empty() {
            if found.len() == limit {
                return Err(Fault::TooMuch);
            }
            found.push(self.any()?);
        }
        Ok(found)
    }
}

/// The one element that `bytes` are; it must have this tag.
pub fn whole(bytes: &[u8], tag: u8) -> Result<Element<'_>, Fault> {
    let mut reader = Reader::new(bytes);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element)
}

/// How deep elements may lie in each other where all of a structure is read.
const MAX_NESTING: usize = 32;

/// Checks that all of `bytes` is DER, down to the last primitive (X.690 8, 10, 11): lengths,
/// primitive and constructed forms, booleans, integers, bit strings, object identifiers, NULL.
/// Not looked at are the order in a SET and values written out though they are the default, which
/// change no meaning, and what lies in an OCTET STRING.
pub fn strict(bytes: &[u8]) -> Result<(), Fault> {
    let mut open = vec![Reader::new(bytes)];
    while let Some(reader) = open.last_mut() {
        if reader.is_empty() {
            open.pop();
            continue;
        }
        let element = reader.any()?;
        let (class, constructed) = (element.tag & 0xc0, element.tag & 0x20 != 0);
        let is_collection = matches!(element.tag & 0x1f, 0x10 | 0x11);
        if class == 0 && constructed != is_collection {
            return Err(Fault::Tag);
        }
        if constructed {
            if open.len() >= MAX_NESTING {
                return Err(Fault::TooMuch);
            }
            open.push(element.inside());
        } else if class == 0 {
            element.check_primitive()?;
        }
    }
    Ok(())
}

/// One element with the concatenation of `parts` as its content.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length.saturating_add(6));
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let octets: Vec<u8> = octets.into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(8));
            out.extend_from_slice(&octets);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

/// A non-negative INTEGER.
pub fn integer(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    unsigned(&octets)
}

/// A non-negative INTEGER from big-endian bytes.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let trimmed: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    match trimmed.first() {
        None => tlv(INTEGER, &[&[0]]),
        Some(high) if high & 0x80 != 0 => tlv(INTEGER, &[&[0], &trimmed]),
        Some(_) => tlv(INTEGER, &[&trimmed]),
    }
}

pub fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes])
}

/// A dotted object identifier; `None` if it is none.
pub fn oid(dotted: &str) -> Option<Vec<u8>> {
    let oid = ObjectIdentifier::new(dotted).ok()?;
    Some(tlv(OBJECT_IDENTIFIER, &[oid.as_bytes()]))
}

/// GeneralizedTime in whole seconds.
pub fn generalized_time(at: Timestamp) -> Vec<u8> {
    tlv(GENERALIZED_TIME, &[at.generalized().as_bytes()])
}

/// Time of a certificate: UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5280 4.1.2.5).
pub fn certificate_time(at: Timestamp) -> Vec<u8> {
    let text = at.generalized();
    match text.split_at_checked(2) {
        Some(("20", rest)) if rest < "5" => tlv(UTC_TIME, &[rest.as_bytes()]),
        Some(("19", rest)) if rest >= "5" => tlv(UTC_TIME, &[rest.as_bytes()]),
        _ => tlv(GENERALIZED_TIME, &[text.as_bytes()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_shortest_definite_length_is_read() {
        for (bytes, fault) in [
            (&[0x30, 0x80, 0, 0][..], Fault::Length),
            (&[0x30, 0x81, 0x01, 0], Fault::Length),
            (&[0x30, 0x82, 0, 0x80], Fault::Length),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], Fault::Length),
            (&[0x30, 2, 0], Fault::Truncated),
            (&[0x30], Fault::Truncated),
            (&[0x3f, 1, 0], Fault::Tag),
        ] {
            assert_eq!(Reader::new(bytes).any(), Err(fault), "{bytes:x?}");
        }
        assert_eq!(whole(&[5, 0, 0], 5), Err(Fault::Trailing));
    }

    #[test]
    fn what_is_der_is_der_to_the_last_primitive() {
        let good = [
            "30 06 0101ff 020100",
            "30 00",
            "03 02 0780",
            "03 01 00",
            "a0 03 020180",
            "05 00",
            "06 03 2a8601",
            "02 02 ff7f",
        ];
        let bad = [
            "30 03 010101",
            "30 02 0200",
            "02 02 007f",
            "02 02 ff80",
            "03 02 0781",
            "03 02 0800",
            "03 01 07",
            "05 01 00",
            "06 01 80",
            "06 01 aa",
            "10 00",
            "24 03 040100",
            "30 03 0402 00",
        ];
        let check = |text: &str| strict(&hex::decode(text.replace(' ', "")).unwrap());
        for text in good {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(check(text).is_err(), "{text}");
        }
        let nested = |depth| (0..depth).fold(Vec::new(), |inner, _| sequence(&[&inner]));
        assert_eq!(strict(&nested(MAX_NESTING - 1)), Ok(()));
        assert_eq!(strict(&nested(MAX_NESTING)), Err(Fault::TooMuch));
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        let read = |content: &[u8]| Element { tag: INTEGER, raw: &[], content }.to_u32();
        assert_eq!(read(&[0]), Ok(0));
        assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff]), Ok(u32::MAX));
        for bad in [&[][..], &[0x80], &[0, 0x7f], &[1, 0, 0, 0, 0]] {
            assert!(read(bad).is_err(), "{bad:x?}");
        }
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(0), [2, 1, 0]);
    }

    #[test]
    fn times_change_their_form_at_the_ends_of_utctime() {
        for (year, tag) in [(1949, 0x18), (1950, 0x17), (2049, 0x17), (2050, 0x18)] {
            let at = Timestamp::parse_rfc3339(&format!("{year}-06-01T02:03:04Z")).unwrap();
            let der = certificate_time(at);
            assert_eq!(der[0], tag);
            assert_eq!(whole(&der, tag).unwrap().time(), Ok(at));
        }
        for bad in ["20260229000000Z", "2026022800000Z", "20260228000000+", "+0260228000000Z"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_of_the_field_are_read_with_fraction_and_offset() {
        let read = |tag, text: &str| Element { tag, raw: &[], content: text.as_bytes() }.seen_time();
        let at = Timestamp::parse_rfc3339("2020-10-10T07:11:20Z").unwrap();
        let later = Timestamp::from_millis(at.millis() + 250);
        for (tag, text, expected) in [
            (GENERALIZED_TIME, "20201010071120Z", at),
            (GENERALIZED_TIME, "20201010151120+0800", at),
            (GENERALIZED_TIME, "20201010071120.25Z", later),
            (GENERALIZED_TIME, "20201010021120.2509-0500", later),
            (UTC_TIME, "201010071120Z", at),
            (UTC_TIME, "201010151120+0800", at),
        ] {
            assert_eq!(read(tag, text), Ok(expected), "{text}");
        }
        for bad in [
            "20201010071120",
            "20201010071120.Z",
            "20201010071120.5",
            "20201010071120+8",
            "20201010071120+080",
            "20201010071120+08000",
            "20201010071120+1500",
            "20201010071120Z0",
            "20201010071120ZZZ",
            "2020101007112Z",
            "Z",
            "",
            "20201010071120+é0",
        ] {
            assert!(read(GENERALIZED_TIME, bad).is_err(), "{bad}");
        }
        assert_eq!(read(INTEGER, "20201010071120Z"), Err(Fault::Tag));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let der = tlv(OCTET_STRING, &[&content]);
            let element = whole(&der, OCTET_STRING).unwrap();
            prop_assert_eq!(element.content, &content[..]);
            prop_assert_eq!(element.raw, &der[..]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = strict(&bytes);
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.any() {
                let _ = (element.to_u32(), element.bits(), element.oid(), element.text(), element.time());
                let _ = element.seen_time();
            }
        }
    }
}
