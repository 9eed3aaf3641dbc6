//! Files of one room that need each other, found by reading the sources as text.
//!
//! An edge goes from a file to the file that *defines* what it names, in code that is not for tests
//! only. `mod x;` is none, and a re-export is none of the file that re-exports, unless its own code uses
//! the name too: whoever names the re-export needs the file behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::sources::{is_word, named_uses};

/// A module within its room: `[]` is the room's own file, `["keys", "rewrap"]` is `keys/rewrap.rs`.
type Module = Vec<String>;

#[derive(Default)]
struct Source {
    file: String,
    /// Code without its `use` lines.
    code: String,
    defines: BTreeSet<String>,
    /// What a name leads to, and whether it is re-exported.
    uses: Vec<Use>,
}

struct Use {
    path: Vec<String>,
    name: String,
    exported: bool,
}

pub struct Room {
    crate_path: Vec<String>,
    sources: BTreeMap<Module, Source>,
}

/// One step of a circle: who names whose what.
pub struct Step {
    pub from: String,
    pub to: String,
    pub name: String,
}

impl Room {
    /// `files`: path within the room (`mod.rs`, `keys/rewrap.rs`) and code without comments and tests.
    pub fn new(name: &str, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let sources = files.into_iter().map(|(file, code)| (module_of(&file), Source::read(file, &code)));
        Self { crate_path: vec!["crate".to_owned(), name.to_owned()], sources: sources.collect() }
    }

    /// The shortest circle, if there is one.
    pub fn circle(&self) -> Option<Vec<Step>> {
        let edges: BTreeMap<&Module, BTreeMap<Module, String>> =
            self.sources.keys().map(|module| (module, self.edges(module))).collect();
        let round = |start: &Module| {
            let mut reached: BTreeMap<Module, Vec<Module>> = BTreeMap::new();
            let mut next = VecDeque::from([(start.clone(), vec![start.clone()])]);
            while let Some((at, way)) = next.pop_front() {
                for to in edges[&at].keys() {
                    let longer: Vec<Module> = way.iter().chain([to]).cloned().collect();
                    if to == start {
                        return Some(longer);
                    }
                    if !reached.contains_key(to) {
                        reached.insert(to.clone(), longer.clone());
                        next.push_back((to.clone(), longer));
                    }
                }
            }
            None
        };
        let shortest = self.sources.keys().filter_map(round).min_by_key(Vec::len)?;
        let file = |module: &Module| self.sources[module].file.clone();
        let step = |pair: &[Module]| Step {
            from: file(&pair[0]),
            to: file(&pair[1]),
            name: edges[&pair[0]][&pair[1]].clone(),
        };
        Some(shortest.windows(2).map(step).collect())
    }

    /// Files that a file needs, each with a name that it needs of it.
    fn edges(&self, module: &Module) -> BTreeMap<Module, String> {
        let source = &self.sources[module];
        let mut found = BTreeMap::new();
        let mut add = |path: &[String]| {
            if let Some((to, name)) = self.definer(module, path, 0).filter(|(to, _)| to != module) {
                found.entry(to).or_insert(name);
            }
        };
        for one in source.uses.iter().filter(|one| !one.exported || mentions(&source.code, &one.name)) {
            add(&one.path);
        }
        for path in inline_paths(&source.code) {
            add(&path);
        }
        found
    }

    /// The module that defines what a path names, seen from `from`, and the name; `None` outside the
    /// room, or if the path names a whole module.
    fn definer(&self, from: &Module, path: &[String], depth: usize) -> Option<(Module, String)> {
        if depth > 8 {
            return None;
        }
        let (mut at, mut rest) = self.begin(from, path, depth)?;
        while let Some((first, after)) = rest.split_first() {
            let child: Module = at.iter().chain([first]).cloned().collect();
            if !self.sources.contains_key(&child) {
                break;
            }
            (at, rest) = (child, after.to_vec());
        }
        let (name, _) = rest.split_first()?;
        let source = self.sources.get(&at)?;
        if source.defines.contains(name) {
            return Some((at, name.clone()));
        }
        let through = source.uses.iter().filter(|one| one.name == *name).find_map(|one| {
            let path: Vec<String> = one.path.iter().chain(rest.iter().skip(1)).cloned().collect();
            self.definer(&at, &path, depth + 1)
        });
        let by_glob = || {
            let globs = source.uses.iter().filter(|one| one.name == "*");
            let mut found = globs.filter_map(|glob| {
                let path: Vec<String> =
                    glob.path.iter().filter(|part| *part != "*").chain(rest.iter()).cloned().collect();
                self.definer(&at, &path, depth + 1)
            });
            found.find(|(to, name)| self.sources[to].defines.contains(name))
        };
        through.or_else(by_glob)
    }

    /// Where a path begins within the room, and what is left of it.
    fn begin(&self, from: &Module, path: &[String], depth: usize) -> Option<(Module, Vec<String>)> {
        if let Some(rest) = path.strip_prefix(self.crate_path.as_slice()) {
            return Some((Vec::new(), rest.to_vec()));
        }
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "self" => Some((from.clone(), rest.to_vec())),
            "super" => {
                let (_, mut above) = from.split_last()?;
                let mut rest = rest;
                while let Some((word, after)) = rest.split_first().filter(|(word, _)| *word == "super") {
                    debug_assert_eq!(word, "super");
                    (_, above) = above.split_last()?;
                    rest = after;
                }
                Some((above.to_vec(), rest.to_vec()))
            }
            "crate" => None,
            word => {
                let child: Module = from.iter().chain([first]).cloned().collect();
                if self.sources.contains_key(&child) {
                    return Some((child, rest.to_vec()));
                }
                // A module or type that was imported by name.
                let known =
                    self.sources[from].uses.iter().find(|one| one.name == word && one.path[0] != word)?;
                if depth > 8 {
                    return None;
                }
                let path: Vec<String> = known.path.iter().chain(rest).cloned().collect();
                self.begin(from, &path, depth + 1)
            }
        }
    }
}

impl Source {
    fn read(file: String, text: &str) -> Self {
        let (uses, code) = named_uses(text);
        let names_nothing = |line: &&str| {
            line.trim_start().starts_with("#[") || line.contains("mod ") && line.trim_end().ends_with(';')
        };
        let code = code.lines().filter(|line| !names_nothing(line)).collect::<Vec<_>>().join("\n");
        let uses = uses.into_iter().map(|(path, name, exported)| Use { path, name, exported }).collect();
        Self { file, defines: defined(&code), code, uses }
    }
}

fn module_of(file: &str) -> Module {
    let name = file.trim_end_matches(".rs");
    let name = name.strip_suffix("mod").filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(name);
    name.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Names of the items that a text defines.
fn defined(code: &str) -> BTreeSet<String> {
    let words: Vec<&str> = code.split(|c: char| !is_word(c) && c != '!').filter(|w| !w.is_empty()).collect();
    let kinds = ["struct", "enum", "trait", "fn", "const", "static", "type", "union", "macro_rules!"];
    let pairs = words.windows(2).filter(|pair| kinds.contains(&pair[0]));
    pairs.map(|pair| pair[1].to_owned()).collect()
}

fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let after = code[at + name.len()..].chars().next();
        !code[..at].ends_with(is_word) && !code[..at].ends_with("::") && !after.is_some_and(is_word)
    })
}

/// Paths with `::` in the code, as their parts.
fn inline_paths(code: &str) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for text in code.split(|c: char| !is_word(c) && c != ':') {
        let parts: Vec<&str> = text.trim_end_matches(':').split("::").collect();
        if parts.len() > 1 && parts.iter().all(|part| !part.is_empty() && part.chars().all(is_word)) {
            found.insert(parts.into_iter().map(str::to_owned).collect());
        }
    }
    found
}

fn circle_of(files: &[(&str, &str)]) -> Option<String> {
    let files = files.iter().map(|(file, code)| ((*file).to_owned(), (*code).to_owned()));
    let steps = Room::new("room", files).circle()?;
    Some(
        steps
            .iter()
            .map(|step| format!("{} -{}-> {}", step.from, step.name, step.to))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

#[test]
fn a_circle_of_files_is_found_and_named() {
    let two = [
        ("mod.rs", "mod a;\nmod b;"),
        ("a.rs", "use super::b::B;\nstruct A;"),
        ("b.rs", "struct B(super::a::A);"),
    ];
    assert_eq!(circle_of(&two).unwrap(), "a.rs -B-> b.rs, b.rs -A-> a.rs");
    let three = [
        ("mod.rs", "mod a;\nmod b;\nmod c;"),
        ("a.rs", "use crate::room::b;\nfn a() { b::b(); }"),
        ("b.rs", "use crate::room::{c::{C as D, self}};\nfn b() {}"),
        ("c/mod.rs", "use super::a::a;\nstruct C;"),
    ];
    assert_eq!(circle_of(&three).unwrap(), "a.rs -b-> b.rs, b.rs -C-> c/mod.rs, c/mod.rs -a-> a.rs");
}

#[test]
fn a_re_export_leads_to_the_file_behind_it_and_is_no_need_of_its_own() {
    let facade = "mod a;\nmod b;\npub use a::A;\npub(crate) use b::*;";
    let none = [("mod.rs", facade), ("a.rs", "use super::B;\npub struct A(B);"), ("b.rs", "pub struct B;")];
    assert_eq!(circle_of(&none), None);
    let round = [
        ("mod.rs", facade),
        ("a.rs", "use super::B;\npub struct A(B);"),
        ("b.rs", "pub struct B(super::A);"),
    ];
    assert_eq!(circle_of(&round).unwrap(), "a.rs -B-> b.rs, b.rs -A-> a.rs");
    // What a room's own file defines, and what it uses itself.
    let own = [
        ("mod.rs", "mod a;\npub use a::A;\npub enum Fault {}\nfn f(_: A) {}"),
        ("a.rs", "use super::Fault;\npub struct A;"),
    ];
    assert_eq!(circle_of(&own).unwrap(), "mod.rs -A-> a.rs, a.rs -Fault-> mod.rs");
}
