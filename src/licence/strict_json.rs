//! JSON with duplicate members found: `serde_json` keeps the last of two members of one name, and
//! two readers who keep different ones see different records.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses one JSON value (nothing but white space after it). The second part lists the paths of
/// members that came more than once; of those the first value is kept.
pub fn parse(text: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed { path: String::new(), duplicates: &mut duplicates }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, duplicates))
}

struct Seed<'a> {
    path: String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            seq.next_element_seed(Seed { path: self.path.clone(), duplicates: &mut *self.duplicates })?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let seed = Seed { path: path.clone(), duplicates: &mut *self.duplicates };
            let value = map.next_value_seed(seed)?;
            if members.contains_key(&name) {
                self.duplicates.push(path);
            } else {
                members.insert(name, value);
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_members_are_found_at_every_depth() {
        let (value, duplicates) = parse(br#"{"a":1,"b":{"c":"x","c":"y"},"a":[2]}"#).unwrap();
        assert_eq!(duplicates, ["b.c", "a"]);
        assert_eq!(value, serde_json::json!({"a": 1, "b": {"c": "x"}}));
    }

    #[test]
    fn a_value_comes_out_as_serde_json_reads_it() {
        let text = r#"{"s":"é\n","n":[1,-2,1.5,true,false,null],"o":{}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap().0, serde_json::from_str::<Value>(text).unwrap());
        assert!(parse(b"{} {}").is_err());
        assert!(parse(&[b'['; 100_000]).is_err());
        assert!(parse(b"\"\xff\"").is_err());
    }
}
