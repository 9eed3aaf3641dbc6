//! JSON with duplicate members found: `serde_json` keeps the last of two members of one name, and
//! two readers who keep different ones see different records.
//!
//! The values borrow from the text, since most of what is read is only looked at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// As much of a JSON value as a record can need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Json<'a> {
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Members<'a>),
    /// A number, `true`, `false` or `null`: nothing in a record is one.
    Other,
}

pub type Members<'a> = BTreeMap<Cow<'a, str>, Json<'a>>;

/// Parses one JSON value (nothing but white space after it). The second part lists the paths of
/// members that came more than once; of those the first value is kept.
pub fn parse(text: &[u8]) -> Result<(Json<'_>, Vec<String>), serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed { path: None, duplicates: &mut duplicates }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, duplicates))
}

/// Where a value stands. Written out only for a member that comes twice.
#[derive(Clone, Copy)]
struct Path<'p> {
    within: Option<&'p Path<'p>>,
    name: &'p str,
}

impl Path<'_> {
    fn text(&self) -> String {
        match self.within.map(Path::text) {
            Some(outer) if !outer.is_empty() => format!("{outer}.{}", self.name),
            _ => self.name.to_owned(),
        }
    }
}

struct Seed<'p, 'd> {
    path: Option<&'p Path<'p>>,
    duplicates: &'d mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Json<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }
    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }
    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(value.into()))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(Seed { path: self.path, duplicates: &mut *self.duplicates })?
        {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Members::new();
        while let Some(name) = map.next_key_seed(Name)? {
            let path = Path { within: self.path, name: &name };
            let value = map.next_value_seed(Seed { path: Some(&path), duplicates: &mut *self.duplicates })?;
            match members.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(first) => {
                    self.duplicates.push(Path { within: self.path, name: first.key() }.text());
                }
            }
        }
        Ok(Json::Object(members))
    }
}

/// The name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }
    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(name.into())
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(name.to_owned().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    impl<'a> From<&'a Value> for Json<'a> {
        fn from(value: &'a Value) -> Self {
            match value {
                Value::String(text) => Self::Text(text.into()),
                Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
                Value::Object(members) => Self::Object(
                    members.iter().map(|(name, value)| (name.as_str().into(), value.into())).collect(),
                ),
                Value::Null | Value::Bool(_) | Value::Number(_) => Self::Other,
            }
        }
    }

    #[test]
    fn repeated_members_are_found_at_every_depth() {
        let (value, duplicates) =
            parse(br#"{"a":1,"b":{"c":"x","c":"y"},"a":[2],"l":[{"m":"","\u006d":""}]}"#).unwrap();
        assert_eq!(duplicates, ["b.c", "a", "l.m"]);
        assert_eq!(value, Json::from(&serde_json::json!({"a": 1, "b": {"c": "x"}, "l": [{"m": ""}]})));
    }

    #[test]
    fn a_value_comes_out_as_serde_json_reads_it() {
        let text = r#"{"s":"é\n","t":"plain","\u00e9":[],"n":[1,-2,1.5,true,false,null],"o":{}}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text.as_bytes()).unwrap().0, Json::from(&value));
        for broken in
            [b"{} {}".as_slice(), &[b'['; 100_000], b"\"\xff\"", b"{1:2}", b"[1e999]", b"{\"a\" 1}", b""]
        {
            let (ours, theirs) =
                (parse(broken).unwrap_err(), serde_json::from_slice::<Value>(broken).unwrap_err());
            assert_eq!((ours.line(), ours.column()), (theirs.line(), theirs.column()));
        }
    }
}
