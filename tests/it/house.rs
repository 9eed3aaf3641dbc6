//! The house holds: who may use whom, who may name an algorithm, and what no file may contain.
//!
//! It reads the sources as text. That is coarse, and enough: a rule that is broken in a way this
//! cannot see (a re-export through a third room, say) still has to go through a `crate::` path
//! somewhere.

mod circles;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use self::circles::Room;
use self::sources::{CRATES, code, named, room, root, shipped, source};

/// The tables of both `lib.rs`, each from its ground floor up.
const FLOORS: [&[&[&str]]; 2] = [
    &[&["crypto", "merkle", "time", "drawing"], &["licence", "pki"], &["seal", "evidence"], &["ofd"]],
    &[
        &["config", "keys", "parallel"],
        &["durable"],
        &["store", "accesslog"],
        &["rules", "peer"],
        &["exchange"],
        &["api", "lab"],
        &["cli", "node"],
    ],
];

/// The command line starts nodes, and the node's configuration is what its commands read; so on the
/// top floor alone one neighbour may use the other, and only in this direction.
const NEIGHBOURS: [(&str, &str); 1] = [("cli", "node")];

/// Whose algorithms are whose: words in the sources, the files that may name them, and why.
const ALGORITHMS: [(&str, &[&str], &str); 9] = [
    (
        "ring::",
        &["crates/licence-seal/src/crypto/", "src/api/tls.rs", "src/peer/mod.rs"],
        "rustls takes its TLS provider by name",
    ),
    ("sm2::", &["crates/licence-seal/src/crypto/"], ""),
    ("sm3::", &["crates/licence-seal/src/crypto/"], ""),
    ("jsonwebtoken::", &["crates/licence-seal/src/crypto/"], "JWS is ours, for SM2"),
    ("pkcs8::", &["src/keys/", "crates/licence-seal/src/crypto/"], "one way in for key files"),
    ("cryptoki::", &["src/keys/"], "a cryptographic machine is a Signer like any other"),
    ("ttf_parser::", &["crates/licence-seal/src/drawing/"], ""),
    ("tiny_skia::", &["crates/licence-seal/src/drawing/"], ""),
    ("rustls::", &["src/api/", "src/peer/"], "TLS is the business of the rooms that speak it"),
];

fn floors(part: &str) -> &'static [&'static [&'static str]] {
    let at = CRATES.iter().position(|known| *known == part).unwrap();
    FLOORS[at]
}

fn floor(part: &str, room: &str) -> Option<usize> {
    floors(part).iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn the_reader_of_this_test_sees_what_is_there() {
    let text = "use crate::{a::b, c::{d, e}, f};\nfn x() { crate::g::y(); } // crate::h\n\
                #[cfg(test)]\nmod tests {\n    use crate::i::J;\n}\nuse crate::k;\n#[cfg(test)]\nmod l;\nlet m = crate::n;";
    let names: Vec<String> = named(&code(text)).into_iter().collect();
    assert_eq!(names, ["a", "c", "f", "g", "k", "n"]);
}

#[test]
fn every_room_uses_only_rooms_on_lower_floors() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, text) in &source() {
        let Some((part, room, _)) = room(file) else { continue };
        let own = floor(part, room).unwrap_or_else(|| panic!("{file} belongs to no room of the house"));
        seen.insert((part, room.to_owned()));
        // Tests too: a test that needs an upper room is a test of that room.
        let text = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
        for other in named(&text) {
            if other == room || NEIGHBOURS.contains(&(room, &other)) {
                continue;
            }
            match floor(part, &other) {
                Some(floor) if floor < own => {}
                Some(floor) => {
                    wrong.push(format!("{file} (floor {}) uses {other} (floor {})", own + 1, floor + 1))
                }
                None => wrong.push(format!("{file} uses crate::{other}, which is no room")),
            }
        }
        if part == CRATES[0] && text.contains("licence_node::") {
            wrong.push(format!("{file}: the verifier uses the node"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let rooms = CRATES
        .iter()
        .flat_map(|part| floors(part).iter().copied().flatten().map(|room| (*part, (*room).to_owned())));
    assert_eq!(seen, rooms.collect());
}

#[test]
fn no_files_of_a_room_need_each_other_in_a_circle() {
    let mut rooms: BTreeMap<(&str, &str), Vec<(String, String)>> = BTreeMap::new();
    let shipped = shipped();
    for (file, text) in &shipped {
        let Some((part, room, within)) = room(file) else { continue };
        rooms.entry((part, room)).or_default().push((within.to_owned(), code(text)));
    }
    let mut circles = Vec::new();
    for ((_, room), files) in rooms {
        let Some(steps) = Room::new(room, files).circle() else { continue };
        let way: Vec<&str> =
            steps.iter().map(|step| step.from.as_str()).chain([steps[0].from.as_str()]).collect();
        let names = steps.iter().map(|step| format!("{} names {} of {}", step.from, step.name, step.to));
        circles.push(format!("{room}: {} ({})", way.join(" → "), names.collect::<Vec<_>>().join(", ")));
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn the_tables_in_lib_rs_are_the_ones_of_this_test() {
    for part in CRATES {
        let lib = fs::read_to_string(root().join(part).join("lib.rs")).unwrap();
        for (at, rooms) in floors(part).iter().enumerate() {
            let row = format!("//! | {} |", at + 1);
            let cells =
                lib.lines().filter(|line| line.starts_with(&row)).filter_map(|line| line.split('|').nth(2));
            let named =
                cells.flat_map(|cell| cell.split(',')).map(|room| room.trim().trim_matches(['`', '[', ']']));
            assert_eq!(
                named.collect::<BTreeSet<_>>(),
                rooms.iter().copied().collect(),
                "{part}: floor {}",
                at + 1
            );
        }
        let declared: BTreeSet<&str> =
            lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
        assert_eq!(declared, floors(part).iter().copied().flatten().copied().collect());
    }
}

#[test]
fn only_the_room_of_algorithms_names_one() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (file, text) in &shipped() {
        let code = code(text);
        for (word, allowed, _) in ALGORITHMS {
            let named = code.match_indices(word).any(|(at, _)| {
                // The end of another word, as in `String::`, is none.
                !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            });
            if named {
                used.insert(word);
            }
            if named && !allowed.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file} names {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        used,
        ALGORITHMS.iter().map(|(word, ..)| *word).collect(),
        "a rule that nothing meets is dead"
    );
}

/// Writing to sled can stand still for good, and only what is watched is helped.
#[test]
fn sled_is_written_only_through_what_is_watched() {
    let mut written = BTreeMap::new();
    for (file, text) in shipped() {
        let text = code(&text);
        for call in
            [".tree.insert(", ".tree.remove(", ".tree.apply_batch(", ".tree.transaction(", "db.flush()"]
        {
            let count = text.matches(call).count();
            if count > 0 {
                written.insert((file.clone(), call), count);
            }
        }
    }
    let trees = |call| (("src/store/embedded/engine/trees.rs".to_owned(), call), 1);
    let expected = [
        trees(".tree.insert("),
        trees(".tree.remove("),
        trees(".tree.apply_batch("),
        (("src/store/embedded/engine/mod.rs".to_owned(), "db.flush()"), 1),
        (("src/store/embedded/engine/stalls.rs".to_owned(), "db.flush()"), 1),
        // The bench, at its end.
        (("src/store/embedded/floor.rs".to_owned(), "db.flush()"), 1),
    ];
    assert_eq!(written, BTreeMap::from(expected));
}

#[test]
fn every_room_begins_with_what_it_decides() {
    for (file, text) in &shipped() {
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(head > 0, "{file} has no head comment");
        let heads =
            file.ends_with("src/lib.rs") || room(file).is_some_and(|(_, _, within)| within == "mod.rs");
        assert!(
            !heads || head >= 3 || file == "src/cli/mod.rs",
            "{file}: what does the room decide, and why?"
        );
    }
}

#[test]
fn nothing_outside_tests_can_panic_by_name() {
    // `.expect(tag)` is our DER reader's; what panics is given a text.
    let words = [
        ".unwrap()",
        ".expect(\"",
        ".expect(&",
        "panic!(",
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        "unreachable!(",
        concat!("d", "bg!("),
    ];
    let mut wrong = Vec::new();
    for (file, text) in &shipped() {
        let code = code(text);
        for (at, line) in code.lines().enumerate() {
            let before = code.lines().take(at).collect::<Vec<_>>();
            let excused = before.iter().rev().take(8).any(|line| line.contains("#[expect(clippy::"));
            for word in words {
                if line.contains(word) && !excused {
                    wrong.push(format!("{file}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The compiler's word on the same.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in ["unwrap_used", "expect_used", "panic", "indexing_slicing"] {
        assert!(manifest.contains(&format!("\n{lint} = \"deny\"")), "{lint}");
    }
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

/// Files under version control; `None` where there is no git.
fn tracked() -> Option<Vec<PathBuf>> {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().ok()?;
    if !listed.status.success() {
        return None;
    }
    let names = String::from_utf8(listed.stdout).ok()?;
    Some(names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect())
}

#[test]
fn no_tracked_file_holds_a_private_key_or_a_place_of_this_machine() {
    let Some(files) = tracked() else {
        println!("skipped: not a git working tree");
        return;
    };
    assert!(files.len() > 50);
    // Put together here, so that this file does not contain them.
    let private = ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "]
        .map(|kind| format!("{} {kind}PRIVATE KEY-----", "-".repeat(5) + "BEGIN"));
    let places: Vec<String> =
        ["home", "root", "work", "Users"].iter().map(|folder| format!("/{folder}/")).collect();
    let mut wrong = Vec::new();
    for path in files {
        // A file that was removed and not yet committed.
        let Ok(bytes) = fs::read(&path) else { continue };
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = String::from_utf8_lossy(&bytes);
        for mark in &private {
            // Where code or a test speaks of the label, no base64 follows it.
            let held = text.match_indices(mark.as_str()).any(|(at, mark)| {
                let body = text[at + mark.len()..].trim_start();
                body.chars().take(40).filter(|c| c.is_ascii_alphanumeric() || "+/".contains(*c)).count() == 40
            });
            if held {
                wrong.push(format!("{name} holds a private key"));
            }
        }
        if name == "Cargo.lock" {
            let sources: BTreeSet<&str> =
                text.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
            // One source, and a registry: no crate comes from a repository or from beside the project.
            let registries = sources.iter().filter(|source| source.starts_with("\"registry+")).count();
            if (sources.len(), registries) != (1, 1) {
                wrong.push(format!("{name}: {sources:?}"));
            }
        }
        for place in &places {
            for (at, _) in text.match_indices(place.as_str()) {
                // A path begins there, and does not go on from a URL or a relative path.
                let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c));
                if begins {
                    let line = text[..at].lines().count();
                    wrong.push(format!("{name}:{line}: an absolute path {place}…"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_is_there_in_both_languages() {
    for (name, word) in [("README.md", "demo"), ("README.zh.md", "证照")] {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(text.contains(word), "{name}");
        assert!(text.contains("cargo run --release -- demo"), "{name}");
    }
}
