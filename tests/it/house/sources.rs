//! The sources of the house as text: which there are, and what of them is not for tests only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Folders of the two crates, the verifier first.
pub const CRATES: [&str; 2] = ["crates/licence-seal/src/", "src/"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below `dir`, by their path from the root.
pub fn sources(dir: &Path) -> BTreeMap<String, String> {
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

/// The sources of both crates.
pub fn source() -> BTreeMap<String, String> {
    CRATES.iter().flat_map(|part| sources(&root().join(part))).collect()
}

/// Folder of the crate that a file belongs to, its room, and its path within the room; `None` for
/// `lib.rs` and `main.rs`.
pub fn room(file: &str) -> Option<(&'static str, &str, &str)> {
    let part = CRATES.into_iter().find(|part| file.starts_with(part))?;
    let inner = &file[part.len()..];
    let (room, within) = inner.split_once('/').unwrap_or((inner.trim_end_matches(".rs"), "mod.rs"));
    (room != "lib" && room != "main").then_some((part, room, within))
}

/// Sources without the files that are compiled for tests only: those behind `#[cfg(test)] mod name;`.
pub fn shipped() -> BTreeMap<String, String> {
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
pub fn code(text: &str) -> String {
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
pub fn named(text: &str) -> BTreeSet<String> {
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

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What the `use` lines name, each as its path, the name that it gets here, and whether it is exported
/// again; and the text without them.
pub fn named_uses(text: &str) -> (Vec<(Vec<String>, String, bool)>, String) {
    let (mut found, mut code) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((before, first)) = line.trim_start().split_once("use ").filter(|(before, _)| {
            before.is_empty() || (before.starts_with("pub") && before.ends_with([' ', ')']))
        }) else {
            code.push_str(line);
            code.push('\n');
            continue;
        };
        let mut item = first.to_owned();
        while !item.contains(';') {
            let Some(line) = lines.next() else { break };
            item.push_str(line);
        }
        let item = item.split(';').next().unwrap_or_default();
        spread(&[], item, &mut |path, name| found.push((path, name, !before.is_empty())));
    }
    (found, code)
}

/// The paths of a use tree, groups taken apart.
fn spread(before: &[String], tree: &str, take: &mut dyn FnMut(Vec<String>, String)) {
    if let Some((path, group)) = tree.split_once('{') {
        let before: Vec<String> = before.iter().cloned().chain(parts(path)).collect();
        let group = &group[..group.rfind('}').unwrap_or(group.len())];
        let (mut depth, mut from) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let one = group[from..at].trim();
                    if !one.is_empty() {
                        spread(&before, one, take);
                    }
                    from = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, alias) =
        tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim())));
    let mut path: Vec<String> = before.iter().cloned().chain(parts(path)).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last().cloned() {
        take(path, alias.map_or(last, str::to_owned));
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}
