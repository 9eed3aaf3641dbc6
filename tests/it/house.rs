//! The house holds: who may use whom, who may name an algorithm, and what no file may contain.
//!
//! It reads the sources as text. That is coarse, and enough: a rule that is broken in a way this
//! cannot see (a re-export through a third room, say) still has to go through a `crate::` path
//! somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The table of `src/lib.rs`, from the ground floor up.
const FLOORS: [&[&str]; 8] = [
    &["keys", "crypto", "merkle", "config", "time", "drawing", "parallel"],
    &["licence", "pki", "durable"],
    &["seal", "evidence"],
    &["store", "accesslog", "ofd"],
    &["rules", "peer"],
    &["exchange"],
    &["api", "lab"],
    &["cli", "node"],
];

/// The command line starts nodes, and the node's configuration is what its commands read; so on the
/// top floor alone one neighbour may use the other, and only in this direction.
const NEIGHBOURS: [(&str, &str); 1] = [("cli", "node")];

/// Whose algorithms are whose: words in the sources, the files that may name them, and why.
const ALGORITHMS: [(&str, &[&str], &str); 9] = [
    (
        "ring::",
        &["src/crypto/", "src/api/tls.rs", "src/peer/mod.rs"],
        "rustls takes its TLS provider by name",
    ),
    ("sm2::", &["src/crypto/"], ""),
    ("sm3::", &["src/crypto/"], ""),
    ("jsonwebtoken::", &["src/crypto/"], "JWS is ours, for SM2"),
    ("pkcs8::", &["src/crypto/"], "one way in for key files"),
    ("cryptoki::", &["src/crypto/"], "a cryptographic machine is a Signer like any other"),
    ("ttf_parser::", &["src/drawing/"], ""),
    ("tiny_skia::", &["src/drawing/"], ""),
    ("rustls::", &["src/api/", "src/peer/"], "TLS is the business of the rooms that speak it"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Rust files below `dir`, by their path from the root.
fn sources(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn source() -> BTreeMap<String, String> {
    sources(&root().join("src"))
}

/// The room that a file belongs to; `None` for `lib.rs` and `main.rs`.
fn room(file: &str) -> Option<&str> {
    let inner = file.strip_prefix("src/")?;
    let room = inner.split('/').next()?.trim_end_matches(".rs");
    (room != "lib" && room != "main").then_some(room)
}

/// Sources without the files that are compiled for tests only: those behind `#[cfg(test)] mod name;`.
fn shipped() -> BTreeMap<String, String> {
    let mut all = source();
    let mut only_tests = Vec::new();
    for (file, text) in &all {
        let folder = match file.strip_suffix("/mod.rs").or(file.strip_suffix("/lib.rs")) {
            Some(folder) => folder,
            None => file.trim_end_matches(".rs"),
        };
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            let next = if line == "#[cfg(test)]" { lines.next() } else { None };
            let name = next.and_then(|line| line.rsplit_once("mod ")?.1.strip_suffix(';'));
            only_tests.extend(name.map(|name| format!("{folder}/{name}")));
        }
    }
    assert!(!only_tests.is_empty());
    all.retain(|file, _| {
        !only_tests
            .iter()
            .any(|module| file.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with(['.', '/'])))
    });
    all
}

/// The text without comments, and without what is compiled for tests only.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with("#[cfg(test)]") {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // The item after it: to its semicolon, or to the brace that closes it at the same indent.
        let indent = line.len() - line.trim_start().len();
        for line in lines.by_ref() {
            let at = line.len() - line.trim_start().len();
            let end = line.trim_end();
            if at == indent && (end.ends_with(';') || end.trim_start() == "}" || end.ends_with("{}")) {
                break;
            }
        }
    }
    kept
}

/// Rooms that the text names after `crate::`, also in a group.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, word) in text.match_indices("crate::") {
        let rest = &text[at + word.len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        };
        match rest.strip_prefix('{') {
            None => drop(found.insert(word(rest))),
            Some(group) => {
                let mut depth = 1;
                let mut begins = true;
                for (at, c) in group.char_indices() {
                    if begins && !c.is_whitespace() {
                        found.insert(word(&group[at..]));
                        begins = false;
                    }
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => begins = true,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found.remove("");
    found
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
    let rooms: BTreeSet<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, text) in &source() {
        let Some(room) = room(file) else { continue };
        let own = floor(room).unwrap_or_else(|| panic!("{file} belongs to no room of the house"));
        seen.insert(room.to_owned());
        // Tests too: a test that needs an upper room is a test of that room.
        for other in
            named(&text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n"))
        {
            if other == room || NEIGHBOURS.contains(&(room, &other)) {
                continue;
            }
            match floor(&other) {
                Some(floor) if floor < own => {}
                Some(floor) => {
                    wrong.push(format!("{file} (floor {}) uses {other} (floor {})", own + 1, floor + 1))
                }
                None => wrong.push(format!("{file} uses crate::{other}, which is no room")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen, rooms.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_table_in_lib_rs_is_the_one_of_this_test() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (at, rooms) in FLOORS.iter().enumerate() {
        let line = lib.lines().find(|line| line.starts_with(&format!("//! | {} |", at + 1)));
        let line = line.unwrap_or_else(|| panic!("lib.rs has no floor {}", at + 1));
        let cell = line.split('|').nth(2).unwrap();
        let named: BTreeSet<&str> = cell.split(',').map(|room| room.trim().trim_matches('`')).collect();
        assert_eq!(named, rooms.iter().copied().collect(), "floor {}", at + 1);
    }
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect());
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
    let trees = |call| (("src/store/engine/trees.rs".to_owned(), call), 1);
    let expected = [
        trees(".tree.insert("),
        trees(".tree.remove("),
        trees(".tree.apply_batch("),
        (("src/store/engine/mod.rs".to_owned(), "db.flush()"), 1),
        (("src/store/engine/stalls.rs".to_owned(), "db.flush()"), 1),
        // The bench, at its end.
        (("src/store/floor.rs".to_owned(), "db.flush()"), 1),
    ];
    assert_eq!(written, BTreeMap::from(expected));
}

#[test]
fn every_room_begins_with_what_it_decides() {
    for (file, text) in &shipped() {
        let heads = file.ends_with("/mod.rs") || file == "src/lib.rs";
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(head > 0, "{file} has no head comment");
        let room = heads && file.matches('/').count() <= 2 && file != "src/cli/mod.rs";
        assert!(!room || head >= 3, "{file}: what does the room decide, and why?");
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
