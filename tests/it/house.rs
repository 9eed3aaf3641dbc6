//! The house holds: who may use whom, who may name an algorithm, and what no file may contain.
//!
//! It reads the sources as text. That is coarse, and enough: a rule that is broken in a way this
//! cannot see (a re-export through a third room, say) still has to go through a `crate::` path
//! somewhere.

mod circles;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The tables of both crates' `lib.rs`, from the ground floor up.
struct Crate {
    folder: &'static str,
    floors: &'static [&'static [&'static str]],
    /// Of the same floor: who may use whom.
    neighbours: &'static [(&'static str, &'static str)],
}

/// What a partner takes along; it knows nothing of the node.
const SEAL: Crate = Crate {
    folder: "crates/licence-seal/src/",
    floors: &[&["crypto", "merkle", "time", "drawing"], &["licence", "pki"], &["seal", "evidence"], &["ofd"]],
    neighbours: &[],
};

const NODE: Crate = Crate {
    folder: "src/",
    floors: &[
        &["config", "parallel", "keys"],
        &["durable"],
        &["store", "accesslog"],
        &["rules", "peer"],
        &["exchange"],
        &["api"],
        &["cli", "node"],
    ],
    // The command line starts nodes, and the node's configuration is what its commands read.
    neighbours: &[("cli", "node")],
};

const CRATES: [&Crate; 2] = [&SEAL, &NODE];

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
    ("pkcs8::", &["crates/licence-seal/src/crypto/", "src/keys/"], "key files, plain and encrypted"),
    ("cryptoki::", &["src/keys/"], "a cryptographic machine is a Signer like any other"),
    ("ttf_parser::", &["crates/licence-seal/src/drawing/"], ""),
    ("tiny_skia::", &["crates/licence-seal/src/drawing/"], ""),
    ("rustls::", &["src/api/", "src/peer/"], "TLS is the business of the rooms that speak it"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Crate {
    fn rooms(&self) -> BTreeSet<&'static str> {
        self.floors.iter().flat_map(|floor| floor.iter().copied()).collect()
    }

    fn floor(&self, room: &str) -> Option<usize> {
        self.floors.iter().position(|rooms| rooms.contains(&room))
    }

    fn sources(&self) -> BTreeMap<String, String> {
        sources(&root().join(self.folder))
    }

    /// The room that a file belongs to; `None` for `lib.rs` and `main.rs`.
    fn room<'a>(&self, file: &'a str) -> Option<&'a str> {
        let room = file.strip_prefix(self.folder)?.split('/').next()?.trim_end_matches(".rs");
        (room != "lib" && room != "main").then_some(room)
    }
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
    CRATES.iter().flat_map(|of| of.sources()).collect()
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
    let mut wrong = Vec::new();
    for of in CRATES {
        let mut seen = BTreeSet::new();
        for (file, text) in &of.sources() {
            // Tests too: a test that needs an upper room is a test of that room.
            let text: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
            let text = text.join("\n");
            if of.folder == SEAL.folder && text.contains("licence_node") {
                wrong.push(format!("{file} uses the node"));
            }
            let Some(room) = of.room(file) else { continue };
            let own = of.floor(room).unwrap_or_else(|| panic!("{file} belongs to no room of the house"));
            seen.insert(room.to_owned());
            for other in named(&text) {
                if other == room || of.neighbours.contains(&(room, &other)) {
                    continue;
                }
                match of.floor(&other) {
                    Some(floor) if floor < own => {}
                    Some(floor) => {
                        wrong.push(format!("{file} (floor {}) uses {other} (floor {})", own + 1, floor + 1))
                    }
                    None => wrong.push(format!("{file} uses crate::{other}, which is no room")),
                }
            }
        }
        assert_eq!(seen, of.rooms().into_iter().map(str::to_owned).collect(), "{}", of.folder);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_of_a_room_lean_on_each_other_in_a_circle() {
    let found: Vec<String> = CRATES
        .iter()
        .flat_map(|of| {
            let files = of.sources();
            let inside =
                files.iter().map(|(file, text)| (file.strip_prefix(of.folder).unwrap(), text.as_str()));
            circles::circles(inside.filter(|(file, _)| *file != "main.rs"))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_tables_in_lib_rs_are_those_of_this_test() {
    for of in CRATES {
        let lib = fs::read_to_string(root().join(of.folder).join("lib.rs")).unwrap();
        let has_table = lib.contains("//! | floor |");
        for (at, rooms) in of.floors.iter().enumerate().filter(|_| has_table) {
            // A floor may take several lines.
            let row = format!("//! | {} |", at + 1);
            let cells = lib.lines().filter_map(|line| line.strip_prefix(&row)?.split('|').next());
            let named: BTreeSet<&str> = cells
                .flat_map(|cell| cell.split(',').map(|room| room.trim_matches([' ', '`', '[', ']'])))
                .collect();
            assert_eq!(named, rooms.iter().copied().collect(), "{}, floor {}", of.folder, at + 1);
        }
        let declared: BTreeSet<&str> = lib
            .lines()
            .filter_map(|line| {
                line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')
            })
            .collect();
        assert_eq!(declared, of.rooms(), "{}", of.folder);
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
                // The end of another word, as in `String::`, is none, and a file of ours may have that name.
                let before = &code[..at];
                !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                    && !before.ends_with("self::")
                    && !before.ends_with("super::")
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
    let mut files = written.keys().map(|(file, _)| file);
    let store = files.find_map(|file| file.strip_suffix("/engine/trees.rs")).unwrap().to_owned();
    let once = |file: &str, call| ((format!("{store}/{file}"), call), 1);
    let expected = [
        once("engine/trees.rs", ".tree.insert("),
        once("engine/trees.rs", ".tree.remove("),
        once("engine/trees.rs", ".tree.apply_batch("),
        once("engine/mod.rs", "db.flush()"),
        once("engine/stalls.rs", "db.flush()"),
        // The bench, at its end.
        once("floor.rs", "db.flush()"),
    ];
    assert_eq!(written, BTreeMap::from(expected));
}

#[test]
fn every_room_begins_with_what_it_decides() {
    for (file, text) in &shipped() {
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(head > 0, "{file} has no head comment");
        let inner = CRATES.iter().find_map(|of| file.strip_prefix(of.folder)).unwrap();
        let heads = inner.ends_with("mod.rs") && inner.matches('/').count() == 1 && inner != "cli/mod.rs";
        let heads = heads || file == "src/lib.rs" || file == "src/node.rs";
        assert!(!heads || head >= 3, "{file}: what does the room decide, and why?");
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
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let excused =
                lines[at.saturating_sub(8)..at].iter().any(|line| line.contains("#[expect(clippy::"));
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
    let (_, lints) = manifest.split_once("[workspace.lints.rust]\n").unwrap();
    let (rust, clippy) = lints.split_once("\n[workspace.lints.clippy]\n").unwrap();
    assert!(rust.contains("unsafe_code = \"forbid\""));
    let denied: BTreeSet<&str> = clippy.lines().map_while(|line| line.strip_suffix(" = \"deny\"")).collect();
    for lint in ["unwrap_used", "expect_used", "panic", "indexing_slicing"] {
        assert!(denied.contains(lint), "{lint}");
    }
    for of in CRATES {
        let manifest = root().join(of.folder).with_file_name("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{}", of.folder);
    }
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
