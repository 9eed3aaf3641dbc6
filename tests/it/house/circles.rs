//! No circle of files within a room: of two files, at most one leans on the other.
//!
//! A file leans on the file that defines what it names, whichever way the name reaches it. Declaring a
//! child module and handing its names on is not leaning on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::words::{Contents, Import};

type Module = Vec<String>;

/// File, the file that it leans on, and a name for which it does.
type Leans = BTreeMap<String, BTreeMap<String, String>>;

/// Names that a module hands on from another.
type Through = BTreeSet<(Module, String)>;

/// Files of one crate.
struct Modules(BTreeMap<Module, (String, Contents)>);

/// What a path leads to.
enum Place {
    /// In this module, by this name.
    Item(Module, String),
    Module,
    /// Another crate, or something that the sources do not show.
    Elsewhere,
}

/// The module of a file, by its path below `src`.
fn module(file: &str) -> Module {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

fn below(parent: &Module, child: &str) -> Module {
    [parent.as_slice(), &[child.to_owned()]].concat()
}

impl Modules {
    /// Leaves out what is compiled for tests only.
    fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut all: BTreeMap<Module, (String, Contents)> = files
            .into_iter()
            .map(|(file, text)| (module(file), (file.to_owned(), Contents::read(text))))
            .collect();
        let tests: Vec<Module> = all
            .iter()
            .flat_map(|(module, (_, contents))| contents.tests.iter().map(|child| below(module, child)))
            .collect();
        all.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self(all)
    }

    fn has_children(&self, parent: &Module) -> bool {
        self.0.keys().any(|module| module.len() > parent.len() && module.starts_with(parent))
    }

    /// Follows a path as `at` writes it. `through` is told of the names that modules hand on.
    fn follow(&self, at: &Module, path: &[String], through: &mut Through, depth: usize) -> Place {
        let (mut at, mut rest) = (at.clone(), path);
        let rooted = path.first().is_some_and(|first| ["crate", "self", "super"].contains(&first.as_str()));
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            rest = behind;
        }
        while let [first, _, ..] = rest
            && self.0.contains_key(&below(&at, first))
        {
            at.push(first.clone());
            rest = &rest[1..];
        }
        let Some(name) = rest.first() else { return Place::Module };
        let Some((_, contents)) = self.0.get(&at) else { return Place::Elsewhere };
        if contents.defined.contains(name) {
            return Place::Item(at, name.clone());
        }
        // A name may be handed on from module to module, and round and round.
        for import in contents.imports.iter().filter(|_| depth < 16) {
            let behind = match import.name.as_str() {
                "*" => rest,
                named if named == name => &rest[1..],
                _ => continue,
            };
            let on = [import.path.as_slice(), behind].concat();
            match self.follow(&at, &on, through, depth + 1) {
                Place::Item(module, found) => {
                    through.insert((at, name.clone()));
                    return Place::Item(module, found);
                }
                Place::Module if import.name != "*" => return Place::Module,
                _ => {}
            }
        }
        if self.0.contains_key(&below(&at, name)) {
            Place::Module
        } else if rooted && depth == 0 {
            // What a macro defines, say.
            Place::Item(at, name.clone())
        } else {
            Place::Elsewhere
        }
    }

    /// Who leans on whom, by file.
    fn leans(&self) -> Leans {
        let mut found = Leans::new();
        let mut through = Through::new();
        let mut lean = |from: &Module, path: &[String], through: &mut Through| {
            let Place::Item(to, name) = self.follow(from, path, through, 0) else { return };
            let (Some((file, _)), Some((on, _))) = (self.0.get(from), self.0.get(&to)) else { return };
            if file != on {
                found.entry(file.clone()).or_default().entry(on.clone()).or_insert(name);
            }
        };
        let mut kept_for_others = Vec::new();
        for (module, (file, contents)) in &self.0 {
            let parent = file.ends_with("mod.rs") || self.has_children(module);
            for path in &contents.paths {
                lean(module, path, &mut through);
            }
            for import in &contents.imports {
                match import {
                    Import { public: true, .. } if parent => {}
                    Import { name, path, .. } if name == "*" => {
                        let names = contents.named.iter().filter(|name| !contents.defined.contains(*name));
                        for name in names {
                            // Only what is there: a name that is not found came from elsewhere.
                            let path = below(path, name);
                            if let Place::Item(..) = self.follow(module, &path, &mut Through::new(), 1) {
                                lean(module, &path, &mut through);
                            }
                        }
                    }
                    Import { name, .. } if parent && !contents.named.contains(name) => {
                        kept_for_others.push((module, import));
                    }
                    Import { path, .. } => lean(module, path, &mut through),
                }
            }
        }
        // What a parent imports and does not name is a trait whose methods it calls, unless others take
        // it from there.
        for (module, import) in kept_for_others {
            if !through.contains(&(module.clone(), import.name.clone())) {
                lean(module, &import.path, &mut through);
            }
        }
        found
    }
}

/// The shortest way from a file back to itself.
fn way_back(from: &str, leans: &Leans) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = VecDeque::from([from]);
    while let Some(file) = next.pop_front() {
        for on in leans.get(file).into_iter().flat_map(BTreeMap::keys) {
            if before.contains_key(on.as_str()) {
                continue;
            }
            before.insert(on, file);
            if on != from {
                next.push_back(on);
                continue;
            }
            let mut way = vec![from.to_owned()];
            let mut file = before[from];
            while file != from {
                way.push(file.to_owned());
                file = before[file];
            }
            way.push(from.to_owned());
            way.reverse();
            return Some(way);
        }
    }
    None
}

/// Of every room with a circle: how many files are in one, and the shortest.
pub fn circles<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut rooms: BTreeMap<String, Leans> = BTreeMap::new();
    let room = |file: &str| file.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    for (file, mut on) in Modules::read(files).leans() {
        on.retain(|other, _| room(other) == room(&file));
        rooms.entry(room(&file)).or_default().insert(file, on);
    }
    let mut found = Vec::new();
    for (room, leans) in rooms {
        let ways: Vec<Vec<String>> = leans.keys().filter_map(|file| way_back(file, &leans)).collect();
        let Some(way) = ways.iter().min_by_key(|way| way.len()) else { continue };
        let steps: Vec<String> = way
            .windows(2)
            .map(|step| {
                let short = |file: &str| file.strip_prefix(&format!("{room}/")).unwrap_or(file).to_owned();
                format!("{} names {}'s {}", short(&step[0]), short(&step[1]), leans[&step[0]][&step[1]])
            })
            .collect();
        found.push(format!("{room} ({} files): {}: {}", ways.len(), way.join(" → "), steps.join(", ")));
    }
    found
}

fn of(files: &[(&'static str, &'static str)]) -> Vec<String> {
    circles(files.iter().copied())
}

#[test]
fn a_circle_of_two_is_found_and_told_by_name() {
    let found = of(&[
        ("lib.rs", "pub mod store;"),
        ("store/mod.rs", "mod a;\nmod b;\npub use a::{A, make};"),
        (
            "store/a.rs",
            "use std::fs;\nuse super::b::{self, B as Other};\npub struct A(Other);\npub fn make() {}",
        ),
        ("store/b.rs", "pub struct B;\nimpl B { fn x() { crate::store::a::make::<u8>(); } }"),
    ]);
    let told =
        "store (2 files): store/a.rs → store/b.rs → store/a.rs: a.rs names b.rs's B, b.rs names a.rs's make";
    assert_eq!(found, [told]);
}

#[test]
fn a_circle_of_three_and_a_shorter_one_are_told_by_the_shorter() {
    let three = [
        ("r/mod.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("r/a.rs", "use super::b::B;\npub struct A;"),
        ("r/b.rs", "pub struct B(super::c::C);"),
        ("r/c.rs", "use crate::r::{a::{A}};\npub struct C(A);"),
    ];
    let told = "r (3 files): r/a.rs → r/b.rs → r/c.rs → r/a.rs: a.rs names b.rs's B, b.rs names c.rs's C, c.rs names a.rs's A";
    assert_eq!(of(&three), [told]);
    let shorter = [("r/d.rs", "use super::e::E;\nstruct D;"), ("r/e.rs", "use super::d::*;\nstruct E(D);")];
    let found = of(&[three.as_slice(), &shorter].concat());
    assert!(found[0].starts_with("r (5 files): r/d.rs → r/e.rs → r/d.rs: "), "{found:?}");
}

#[test]
fn a_name_that_is_handed_on_leads_to_the_file_that_defines_it() {
    // Through the room's head, through a child's head and by a star, under another name.
    let found = of(&[
        ("r/mod.rs", "mod a; mod deep; pub(crate) use deep::Inner as Shown;"),
        ("r/a.rs", "use super::Shown; pub fn a(_: Shown) {}"),
        ("r/deep/mod.rs", "mod inner; pub use self::inner::*;"),
        ("r/deep/inner.rs", "use super::super::a; pub struct Inner; fn i() { a::a(Inner) }"),
    ]);
    let told = "r (2 files): r/a.rs → r/deep/inner.rs → r/a.rs: a.rs names deep/inner.rs's Inner, \
                deep/inner.rs names a.rs's a";
    assert_eq!(found, [told]);
}

#[test]
fn a_head_is_in_a_circle_by_what_it_defines_and_needs_itself() {
    let child = ("r/a.rs", "use super::Top; pub struct A(Top); pub trait Asks {}");
    let head = |text| of(&[child, ("r/mod.rs", text)]);
    assert_eq!(head("mod a; pub use a::A; pub struct Top;"), [""; 0]);
    let told = ["r (2 files): r/a.rs → r/mod.rs → r/a.rs: a.rs names mod.rs's Top, mod.rs names a.rs's A"];
    assert_eq!(head("mod a; use a::A; pub struct Top; fn x(_: A) {}"), told);
    assert_eq!(head("mod a; pub struct Top; fn x() { a::A::new() }"), told);
    assert_eq!(head("mod a; use a::Asks; pub struct Top;").len(), 1);
    // Imported for the children only.
    let files = [child, ("r/mod.rs", "mod a; mod b; use a::A; pub struct Top;"), ("r/b.rs", "use super::A;")];
    assert_eq!(of(&files), [""; 0]);
}

#[test]
fn what_is_no_circle_is_none() {
    let found = of(&[
        ("r/mod.rs", "mod a; mod b; #[cfg(test)] mod tests; pub use a::A; pub use b::B;"),
        // A test, a comment, texts, a lifetime, a sign, the same name of another crate, a method.
        (
            "r/a.rs",
            "// use super::b::B;\nuse other::B; pub struct A; fn a(b: &'static B) { b.super_b(\"super::b::B\"); \
                    let _ = (r#\"\" super::b::B\"#, '\"', b'\\'', super::b, \"\"); }\n\
                    #[cfg(test)]\nmod tests { use super::super::b::B; fn t() { super::super::b::b(); } }",
        ),
        (
            "r/b.rs",
            "use super::A; pub(in crate::r) struct B(A); mod inner { pub fn i() { super::b() } } fn b() {}",
        ),
        ("r/tests.rs", "use super::*; pub struct T(A, B);"),
        // Of another room: that is the floors' business.
        ("s.rs", "use crate::r::A; pub struct S;"),
    ]);
    assert_eq!(found, [""; 0]);
}
