//! The master key comes from a file, the environment or a command, and is never shown.

use std::fs;

use super::child::{self, Folder, Ran, json_lines, records};

const VARIABLE: &str = "TEST_MASTER_KEY";

/// Runs the program in `folder`, with `key` in the environment; nothing it prints may show `key`.
fn run(folder: &Folder, key: &str, args: &[&str]) -> Ran {
    let config = folder.config();
    let ran = child::program()
        .env(VARIABLE, key)
        .current_dir(&folder.0)
        .args([args, &["--config", &config]].concat())
        .output();
    let ran = Ran::of(ran.unwrap());
    let told = format!("{}{}", ran.out, ran.err).to_lowercase();
    assert!(key.is_empty() || !told.contains(&key.to_lowercase()), "{args:?} shows the key");
    ran
}

/// The folder of a new node whose key was moved out of it, and the key.
fn node_without_its_key(dir: &std::path::Path) -> (Folder, String) {
    let folder = Folder::init(&dir.join("node"), "p256-sha256");
    fs::rename(folder.path("keys/master.key"), dir.join("elsewhere")).unwrap();
    let key = fs::read_to_string(dir.join("elsewhere")).unwrap().trim().to_owned();
    (folder, key)
}

#[test]
fn a_node_opens_with_its_key_from_a_file_the_environment_or_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, key) = node_without_its_key(dir.path());
    let told = run(&folder, &key, &["config", "check"]).ended(1);
    assert!(told.contains("files.master_key: the secret from file:") && told.contains("keys/master.key"));

    let command = format!("command:cat {}", dir.path().join("elsewhere").display());
    let sources = ["../elsewhere", "env:TEST_MASTER_KEY", &command];
    for (at, source) in (0..).zip(sources) {
        folder.set_file("master_key", source);
        let lines = json_lines(&records(7, at * 10..at * 10 + 10));
        fs::write(folder.path("records.jsonl"), lines).unwrap();
        run(&folder, &key, &["config", "check"]).ok();
        run(&folder, &key, &["import", "records.jsonl"]).ok();
        let told = run(&folder, &key, &["store", "check"]).ok();
        assert!(told.ends_with("sound\n"), "{source}: {told}");
        run(&folder, &key, &["log", "search"]).ok();
        let explained = run(&folder, &key, &["config", "explain", "--json"]).json();
        let explained = explained.as_array().unwrap();
        let value = explained.iter().find(|value| value["key"] == "files.master_key").unwrap();
        assert_eq!(value["value"], format!("\"{source}\""));
    }
    // The last one, a command, serves.
    let served = folder.serve();
    let listed = folder.partner(&served, &["list"]).ok();
    assert!(listed.contains("operator"), "{listed}");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn a_wrong_or_missing_key_is_a_clear_error_that_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, key) = node_without_its_key(dir.path());
    folder.set_file("master_key", "env:TEST_MASTER_KEY");
    run(&folder, &key, &["store", "check"]).ok();
    let data = || {
        let mut read: Vec<_> = fs::read_dir(folder.path("data/store"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| fs::read(path).unwrap())
            .collect();
        read.sort();
        read
    };
    let before = data();
    let other = "c0ffee0123456789".repeat(4);
    fs::write(dir.path().join("other"), &other).unwrap();
    let wrong = "this master key is not the one of";
    for (source, value, word) in [
        ("env:TEST_MASTER_KEY", other.as_str(), wrong),
        ("../other", "", wrong),
        ("command:cat ../other", "", wrong),
        ("env:TEST_MASTER_KEY", "c0ffee01234567", "env:TEST_MASTER_KEY: not 64 hexadecimal digits"),
        ("env:TEST_MASTER_KEY", "", "env:TEST_MASTER_KEY: not 64 hexadecimal digits"),
        ("env:NO_SUCH_MASTER_KEY", "", "env:NO_SUCH_MASTER_KEY: it is not set"),
        ("command:cat ../other ../absent", "", "exit status: 1"),
        ("command:cat ../other ../other", "", "not 64 hexadecimal digits"),
        ("command:yes c0ffee", "", "more than 4 KiB"),
        ("command:/no/such/program", "", "command:/no/such/program: No such file"),
        (&other, "", "never the key itself"),
    ] {
        folder.set_file("master_key", source);
        let told = run(&folder, value, &["store", "check"]).ended(1);
        assert!(told.contains(word), "{source}: {told}");
        assert!(!told.contains(&other) && !told.contains(&key), "{source}: {told}");
    }
    // The key itself in place of its source is not explained either.
    let told = run(&folder, &other, &["config", "explain"]).ended(1);
    assert!(told.contains("never the key itself"), "{told}");
    assert_eq!(data(), before);
    folder.set_file("master_key", "env:TEST_MASTER_KEY");
    run(&folder, &key, &["store", "check"]).ok();
}
