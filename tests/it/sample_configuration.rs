//! `config/node.sample.toml` tells the truth: it is read, and its commented lines are the defaults.

use std::path::Path;

use licence_node::config::Layers;
use licence_node::node::NodeSettings;
use serde_json::{Value, json};

fn sample() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/node.sample.toml")).unwrap()
}

/// Values in force when `text` is the configuration file, by key.
fn values(text: &str) -> Vec<(String, Value)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    std::fs::write(&file, text).unwrap();
    NodeSettings::read(&file).unwrap();
    let explained = Layers::new::<NodeSettings>(&file).unwrap().explain().unwrap();
    explained.into_iter().map(|one| (one.key, serde_json::from_str(&one.value).unwrap())).collect()
}

/// The sample with every commented key taken in.
fn uncommented() -> String {
    let key = |line: &str| {
        let Some(rest) = line.strip_prefix('#') else { return false };
        let name = rest.split([' ', '=']).next().unwrap_or_default();
        rest.starts_with("[[")
            || (rest.contains(" = ") && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    sample().lines().map(|line| if key(line) { &line[1..] } else { line }.to_owned() + "\n").collect()
}

#[test]
fn the_sample_is_read_as_it_stands_and_with_every_line_taken_in() {
    let minimal = values("region = \"120000\"\n");
    assert_eq!(values(&sample()), minimal);
    let full = values(&uncommented());
    for (key, default) in &minimal {
        let found = full.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        match key.as_str() {
            // These have no default that could be shown.
            "peers" | "registrations" | "grants" => {
                assert_eq!(found.and_then(Value::as_array).map(Vec::len), Some(1), "{key}");
            }
            "store.export_dir" | "store.backup_dir" | "files.key_passphrase" => {
                assert_ne!(found, Some(&json!(null)))
            }
            _ => assert_eq!(found, Some(default), "{key}: the sample shows another default"),
        }
    }
}

#[test]
fn the_sample_explains_every_key() {
    let text = sample();
    for (key, _) in values("region = \"120000\"\n") {
        let name = key.rsplit('.').next().unwrap();
        let shown = [format!("{name} = "), format!("#{name} = "), format!("#[[{name}]]")];
        assert!(
            text.lines().any(|line| shown.iter().any(|start| line.starts_with(start))),
            "{key} is not there"
        );
    }
}
