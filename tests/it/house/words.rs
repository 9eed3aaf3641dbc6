//! Rust text as words: enough to tell what a file defines, imports and names.
//!
//! Comments and texts are left out, and what is compiled for tests only.

use std::collections::BTreeSet;

/// One name that a `use` binds.
pub struct Import {
    pub path: Vec<String>,
    /// `*` for everything below the path.
    pub name: String,
    /// Also others may name it: a re-export.
    pub public: bool,
}

/// What is in a file.
#[derive(Default)]
pub struct Contents {
    /// Items of the file's own module.
    pub defined: BTreeSet<String>,
    pub imports: Vec<Import>,
    /// Paths in the code, of two words and more.
    pub paths: BTreeSet<Vec<String>>,
    /// Every name in the code outside `use`.
    pub named: BTreeSet<String>,
    /// Child modules for tests only.
    pub tests: Vec<String>,
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn at(words: &[String], at: usize) -> &str {
    words.get(at).map_or("", String::as_str)
}

/// Names, `::` and single signs.
fn split(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let sign = |at: usize| chars.get(at).copied().unwrap_or('\n');
    let name_end =
        |from: usize| (from..).find(|&at| !(sign(at).is_alphanumeric() || sign(at) == '_')).unwrap();
    let mut words = Vec::new();
    let mut now = 0;
    while now < chars.len() {
        let c = chars[now];
        if c.is_whitespace() {
            now += 1;
        } else if c == '/' && sign(now + 1) == '/' {
            while now < chars.len() && chars[now] != '\n' {
                now += 1;
            }
        } else if c == '/' && sign(now + 1) == '*' {
            while now < chars.len() && (chars[now], sign(now + 1)) != ('*', '/') {
                now += 1;
            }
            now += 2;
        } else if c == '"' {
            now += 1;
            while now < chars.len() && chars[now] != '"' {
                now += if chars[now] == '\\' { 2 } else { 1 };
            }
            now += 1;
        } else if c == '\'' && sign(now + 1) == '\\' {
            now += 3;
            while now < chars.len() && chars[now] != '\'' {
                now += 1;
            }
            now += 1;
        } else if c == '\'' && sign(now + 2) == '\'' {
            now += 3;
        } else if c == '\'' {
            now = name_end(now + 1);
        } else if c.is_alphanumeric() || c == '_' {
            let begin = now;
            now = name_end(begin);
            let word: String = chars[begin..now].iter().collect();
            let marks = (now..).take_while(|&at| sign(at) == '#').count();
            if ["r", "br"].contains(&word.as_str()) && sign(now + marks) == '"' {
                // A raw text ends at a quotation mark with as many signs behind it.
                now += marks + 1;
                while now < chars.len() && !(chars[now] == '"' && (1..=marks).all(|n| sign(now + n) == '#')) {
                    now += 1;
                }
                now += 1 + marks;
            } else {
                words.push(word);
            }
        } else if c == ':' && sign(now + 1) == ':' {
            words.push("::".to_owned());
            now += 2;
        } else {
            words.push(c.to_string());
            now += 1;
        }
    }
    words
}

/// Where the group that opens at `begin` has ended.
fn group(words: &[String], begin: usize) -> usize {
    let mut depth = 0;
    for (end, word) in words.iter().enumerate().skip(begin) {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return end + 1;
        }
    }
    words.len()
}

/// Where the item (or field, or arm) that begins at `begin` has ended.
fn item(words: &[String], mut begin: usize) -> usize {
    while at(words, begin) == "#" {
        begin = group(words, begin + 1);
    }
    if at(words, begin) == "pub" {
        begin += 1;
        if at(words, begin) == "(" {
            begin = group(words, begin);
        }
    }
    const ITEMS: [&str; 14] = [
        "fn",
        "struct",
        "enum",
        "impl",
        "mod",
        "use",
        "const",
        "static",
        "type",
        "trait",
        "let",
        "async",
        "unsafe",
        "macro_rules",
    ];
    let whole = ITEMS.contains(&at(words, begin));
    while begin < words.len() {
        match at(words, begin) {
            ";" => return begin + 1,
            "," if !whole => return begin + 1,
            ")" | "]" | "}" => return begin,
            "{" => return group(words, begin),
            "(" | "[" => begin = group(words, begin),
            _ => begin += 1,
        }
    }
    begin
}

/// Takes out what is compiled for tests only, and the child modules among it.
fn without_tests(words: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut now = 0;
    while now < words.len() {
        let starts = |with: &[&str]| with.iter().enumerate().all(|(n, word)| at(words, now + n) == *word);
        let for_tests =
            ["any", "all"].iter().any(|how| starts(&["#", "[", "cfg", "(", how, "(", "test", ","]))
                || starts(&["#", "[", "cfg", "(", "test", ")"]);
        if !for_tests {
            kept.push(words[now].clone());
            now += 1;
            continue;
        }
        let end = item(words, group(words, now + 1));
        let inside = &words[now..end];
        if let Some(place) = inside.iter().position(|word| word == "mod") {
            modules.push(at(inside, place + 1).to_owned());
        }
        now = end;
    }
    (kept, modules)
}

/// Reads the tree of a `use` from `now`; gives where it ended.
fn tree(words: &[String], mut now: usize, prefix: &[String], public: bool, found: &mut Vec<Import>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match at(words, now) {
            "::" => now += 1,
            "{" => {
                let end = group(words, now);
                now += 1;
                while now + 1 < end {
                    now = tree(words, now, &path, public, found) + 1;
                }
                return end;
            }
            "*" => {
                found.push(Import { path, name: "*".to_owned(), public });
                return now + 1;
            }
            word if is_name(word) => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                now += 1;
                if at(words, now) != "::" {
                    let renamed = at(words, now) == "as";
                    let name = if renamed { at(words, now + 1) } else { path.last().map_or("", |last| last) };
                    found.push(Import { name: name.to_owned(), path, public });
                    return if renamed { now + 2 } else { now };
                }
            }
            _ => return now,
        }
    }
}

/// A path as the file's own module would write it, from within `depth` modules inside the file.
fn outward(mut path: Vec<String>, depth: usize) -> Option<Vec<String>> {
    let up = path.iter().take_while(|word| *word == "super").count();
    match path.first().map(String::as_str) {
        Some("super") if up >= depth => {
            path.drain(..depth);
            if up == depth {
                path.insert(0, "self".to_owned());
            }
            Some(path)
        }
        Some("crate") => Some(path),
        _ if depth == 0 => Some(path),
        _ => None,
    }
}

impl Contents {
    pub fn read(text: &str) -> Self {
        let (words, tests) = without_tests(&split(text));
        let mut found = Self { tests, ..Self::default() };
        let mut public = false;
        // Open braces, and those among them that are modules inside the file.
        let (mut open, mut inside) = (0, Vec::new());
        let mut now = 0;
        while now < words.len() {
            let word = at(&words, now);
            let next = at(&words, now + 1);
            match word {
                "pub" => {
                    public = true;
                    now = if next == "(" { group(&words, now + 1) } else { now + 1 };
                    continue;
                }
                "{" => open += 1,
                "}" => {
                    open -= 1;
                    inside.retain(|module| *module < open);
                }
                "use" if next != "<" => {
                    let mut imports = Vec::new();
                    now = tree(&words, now + 1, &[], public, &mut imports);
                    for mut import in imports {
                        let Some(path) = outward(import.path, inside.len()) else { continue };
                        import.path = path;
                        match inside.is_empty() {
                            true => found.imports.push(import),
                            false => drop(found.paths.insert(import.path)),
                        }
                    }
                    public = false;
                    continue;
                }
                "struct" | "enum" | "union" | "trait" | "fn" | "type" | "const" | "static" | "mod"
                    if is_name(next) && next != "fn" =>
                {
                    let inner = word == "mod" && at(&words, now + 2) == "{";
                    if open == 0 && (word != "mod" || inner) {
                        found.defined.insert(next.to_owned());
                    }
                    if inner {
                        inside.push(open);
                    }
                }
                "macro_rules" if open == 0 => drop(found.defined.insert(at(&words, now + 2).to_owned())),
                _ => {}
            }
            public = false;
            now += 1;
            if !is_name(word) {
                continue;
            }
            found.named.insert(word.to_owned());
            if at(&words, now) == "::" && !(now >= 2 && ["::", "."].contains(&at(&words, now - 2))) {
                let mut path = vec![word.to_owned()];
                while at(&words, now) == "::" && is_name(at(&words, now + 1)) {
                    path.push(at(&words, now + 1).to_owned());
                    found.named.insert(at(&words, now + 1).to_owned());
                    now += 2;
                }
                found.paths.extend(outward(path, inside.len()));
            }
        }
        found
    }
}
