//! Loading and layering of the configuration.
//!
//! A value comes from the default that its room documents, then from the file (TOML), then from the
//! environment (`LICENCE_NODE_LISTEN__ADDRESS` for `listen.address`), the later over the earlier.
//! Unknown keys are errors: a misspelt one must not leave a default silently in force. The keys
//! themselves belong to the rooms (`*/settings.rs`); this one only reads, and can say where a value
//! came from.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Variables of the environment that begin so are settings.
const PREFIX: &str = "LICENCE_NODE_";
/// But these are none: `LICENCE_NODE_LOG` filters what the program writes of itself, and
/// `LICENCE_NODE_KILLS` is for the tests.
const NO_SETTINGS: [&str; 2] = ["log", "kills"];

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

/// Defaults, file and environment, not yet read.
#[derive(Debug)]
pub struct Layers(Figment);

/// One value of `config explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    pub key: String,
    pub value: String,
    /// `default`, the file's path, or `environment`.
    pub source: String,
}

impl Layers {
    /// Layers `file` and the environment over the defaults of `T`.
    pub fn new<T: Default + Serialize>(file: &Path) -> Result<Self, ConfigError> {
        if !file.is_file() {
            return Err(ConfigError(format!("{} is not a file", file.display())));
        }
        let figment = Figment::from(Serialized::defaults(T::default()))
            .merge(Toml::file_exact(file))
            .merge(Env::prefixed(PREFIX).ignore(&NO_SETTINGS).split("__"));
        Ok(Self(figment))
    }

    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.0.extract().map_err(|why| {
            let faults: Vec<String> = why.into_iter().map(|fault| fault.to_string()).collect();
            ConfigError(faults.join("; "))
        })
    }

    /// Every value in force and where it comes from, in the order of the keys.
    pub fn explain(&self) -> Result<Vec<Explained>, ConfigError> {
        let value: figment::value::Value = self.0.extract().map_err(|why| ConfigError(why.to_string()))?;
        let mut found = Vec::new();
        self.collect(String::new(), &value, &mut found);
        Ok(found)
    }

    fn collect(&self, key: String, value: &figment::value::Value, found: &mut Vec<Explained>) {
        if let Some(dict) = value.as_dict() {
            for (name, inner) in dict {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                self.collect(key, inner, found);
            }
            return;
        }
        let metadata = self.0.find_metadata(&key);
        let source = metadata.map_or_else(
            || "default".to_owned(),
            |metadata| match &metadata.source {
                Some(figment::Source::File(path)) => path.display().to_string(),
                _ if metadata.name.contains("environment") => "environment".to_owned(),
                _ => "default".to_owned(),
            },
        );
        let value = serde_json::to_string(value).unwrap_or_default();
        found.push(Explained { key, value, source });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, Default, Debug, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: String,
        inner: Inner,
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        limit: u32,
    }

    impl Default for Inner {
        fn default() -> Self {
            Self { limit: 7 }
        }
    }

    fn layers(toml: &str) -> (tempfile::TempDir, Layers) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        std::fs::write(&file, toml).unwrap();
        let layers = Layers::new::<Sample>(&file).unwrap();
        (dir, layers)
    }

    #[test]
    fn the_file_goes_over_the_defaults_and_each_value_knows_its_source() {
        let (_dir, layers) = layers("name = \"n\"\n");
        let read: Sample = layers.read().unwrap();
        assert_eq!(read, Sample { name: "n".into(), inner: Inner { limit: 7 } });
        let explained = layers.explain().unwrap();
        let source = |key: &str| explained.iter().find(|value| value.key == key).unwrap().source.clone();
        assert_eq!(source("inner.limit"), "default");
        assert!(source("name").ends_with("node.toml"));
    }

    #[test]
    fn a_misspelt_key_or_a_missing_file_is_an_error() {
        let (_dir, layers) = layers("nam = \"n\"\n");
        assert!(layers.read::<Sample>().unwrap_err().to_string().contains("nam"));
        assert!(Layers::new::<Sample>(Path::new("/nowhere/node.toml")).is_err());
    }
}
