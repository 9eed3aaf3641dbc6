//! The dangers of sled 0.34, through the real program: damage that it panics on, memory, growth.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::child::{self, Folder};

fn filled(dir: &Path) -> Folder {
    let folder = Folder::init(&dir.join("node"), "p256-sha256");
    let input = dir.join("licences.jsonl");
    fs::write(&input, child::json_lines(&child::records(5, 0..300))).unwrap();
    folder.run(&["import", input.to_str().unwrap(), "--config", &folder.config()]).ok();
    folder
}

fn stats(folder: &Folder) -> Value {
    folder.run(&["store", "stats", "--json", "--config", &folder.config()]).json()
}

#[test]
fn watching_the_database_leaves_nothing_among_the_temporary_files() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, temporary) = (filled(dir.path()), dir.path().join("tmp"));
    fs::create_dir(&temporary).unwrap();
    for _ in 0..10 {
        // It ends as soon as it may.
        let mut command = child::program();
        command.env("TMPDIR", &temporary).args(["store", "probe", &folder.path("data/store/sled")]);
        child::Ran::of(command.output().unwrap()).ok();
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    }
}

#[test]
fn a_damaged_database_is_found_by_the_probe_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    let before = stats(&folder);
    folder.serve().kill();
    let mut probed = 0;
    for tenth in 0..10 {
        let copy = folder.copy_to(&dir.path().join(format!("damaged-{tenth}")));
        let path = copy.0.join("data/store/sled/db");
        let mut content = fs::read(&path).unwrap();
        let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
        let at = used[used.len() * tenth / 10];
        content.iter_mut().skip(at).take(64).for_each(|byte| *byte ^= 0x5a);
        fs::write(&path, content).unwrap();
        let ran = copy.run(&["store", "check", "--config", &copy.config()]);
        println!("{tenth}: {:?}, {}", ran.code, ran.err);
        // What the probe does not see, the check names; a panic ends no more than the probe.
        if ran.code == Some(0) {
            assert!(ran.out.ends_with("sound\n"), "{}", ran.out);
            let after = stats(&copy);
            assert_eq!((&after["licences"], &after["batches"]), (&before["licences"], &before["batches"]));
            probed += u32::from(ran.err.contains("Probe("));
        } else {
            assert!(ran.code == Some(1) && !ran.out.contains("\nsound"), "{ran:?}");
        }
    }
    assert!(probed > 0, "no damage had the probe fail");
}

#[test]
fn a_node_past_its_limit_of_memory_is_not_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    let anchors = folder.path("certs/ca.pem");
    for (limit, code, word) in [(4_i64 << 40, 0, "ok"), (1 << 20, 1, "503")] {
        folder.set("store", "memory_limit_bytes", limit);
        let served = folder.serve();
        let told = folder.run(&["health", "--url", &served.url, "--anchors", &anchors]).ended(code);
        assert!(told.contains(word), "{told}");
        assert_eq!(served.terminate(), Some(0));
    }
    let words = fs::read_to_string(folder.path("serve.err")).unwrap();
    assert!(words.contains("memory is past its limit"), "{words}");
    assert!(words.contains("about") && words.contains("3 x cache_bytes"), "{words}");
    let told = folder.run(&["config", "explain", "--config", &folder.config()]).ok();
    assert!(told.contains("3 x cache_bytes of 268435456"), "{told}");
}

#[test]
fn a_database_that_has_grown_is_told_of_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = filled(dir.path());
    assert_eq!(stats(&folder)["warnings"], serde_json::json!([]));
    folder.set("store", "disk_alarm_bytes_per_licence", 1);
    assert_eq!(stats(&folder)["warnings"][0]["name"], "sledGrown");
    let ran = folder.run(&["store", "compact", "--json", "--config", &folder.config()]);
    assert!(ran.err.contains("sledGrown"), "{}", ran.err);
    let told = ran.json();
    assert!(told["bytesAfter"].as_u64().unwrap() > 0, "{told}");
    folder.verify();
    assert_eq!(stats(&folder)["licences"], 300);
}
