//! A change of the master key that is killed: exactly one of the two keys opens store and log.

use std::process::Stdio;
use std::time::Duration;

use super::super::child::{self, Dice, Folder, json_lines, records};
use super::{DATA_SEED, seeds};

const KEYS: [&str; 2] = ["keys/master.key", "keys/other.key"];

/// Whether the node opens, store and log, with the key that the configuration names.
fn opens(folder: &Folder) -> bool {
    let config = folder.config();
    let ran = [&["store", "stats"][..], &["log", "search", "--op", "import"]]
        .map(|args| folder.run(&[args, &["--config", &config]].concat()));
    for ran in &ran {
        assert!(ran.code == Some(0) || ran.err.contains("master key"), "{}\n{}", ran.out, ran.err);
    }
    let codes = ran.map(|ran| ran.code);
    assert_eq!(codes[0], codes[1], "one of store and log opens and the other does not");
    codes[0] == Some(0)
}

#[test]
fn a_change_of_the_master_key_that_is_killed_leaves_exactly_one_for_everything() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    std::fs::write(folder.path(KEYS[1]), "2".repeat(64)).unwrap();
    std::fs::write(folder.path("in.jsonl"), json_lines(&records(DATA_SEED, 0..60))).unwrap();
    folder.run(&["import", "in.jsonl", "--config", &folder.config()]).ok();

    let (mut now, mut killed, mut changed) = (0, 0, 0);
    let seeds = seeds();
    for seed in &seeds {
        println!("seed {seed}");
        let (mut dice, other) = (Dice::new(*seed), 1 - now);
        let (to, config) = (KEYS[other], folder.config());
        let mut change = child::program()
            .current_dir(&folder.0)
            .args(["store", "rekey", "--master", "--to", to, "--config", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some are killed anywhere, most about when files are staged and take the names of others.
        let staged = folder.0.join("data/store/exports/keys.json.staged");
        let pause = if dice.below(4) == 0 { Duration::from_millis(600) } else { Duration::from_millis(8) };
        while pause.as_millis() < 100 && change.try_wait().unwrap().is_none() && !staged.exists() {
            std::thread::yield_now();
        }
        child::pause(&mut dice, pause);
        let _ = change.kill();
        killed += usize::from(change.wait().unwrap().code().is_none());

        // The start that comes first ends the change or takes it back, whichever key it is given.
        let [one, two] = [0, 1].map(|key| {
            folder.set_file("master_key", KEYS[key]);
            opens(&folder)
        });
        assert_ne!(one, two, "seed {seed}");
        changed += usize::from(now != usize::from(two));
        now = usize::from(two);
        folder.set_file("master_key", KEYS[now]);
    }
    folder.verify();
    println!("{killed} killed, {changed} changed of {}", seeds.len());
    assert!(killed > 0 || seeds.len() < 5, "no change was killed");
}
