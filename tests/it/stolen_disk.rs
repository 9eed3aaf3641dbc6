//! Whoever takes the disk, at whatever moment, reads no name, code or number of a holder on it.
//!
//! An import is stopped again and again and killed in the middle of reading, sealing and loading. Each time
//! everything that the program writes is searched for every name, code, licence number and serial of
//! the input: data, exports, temporary files, refusals, and what it printed. The input lies elsewhere.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aho_corasick::AhoCorasick;
use licence_seal::licence::Record;
use serde_json::{Value, json};

use super::child::{self, Folder};

/// Enough for a dictionary to be trained on them.
const RECORDS: u64 = 12_000;
/// Licences after which an import notes how far it came.
const CHECKPOINT: i64 = 400;
/// Below this a pattern would be found in ciphertext by chance.
const SHORTEST: usize = 6;
/// Values of lines that are refused.
const REFUSED: [&str; 3] = ["泄露测试甲某某", "LEAK-TEST-NUMBER-7731", "LEAKTEST8842X"];

/// What may stand in no file.
struct Secrets {
    search: AhoCorasick,
    values: Vec<String>,
}

impl Secrets {
    fn of(records: &[Record]) -> Self {
        let mut values: Vec<String> = REFUSED.map(str::to_owned).to_vec();
        for record in records {
            values.push(record.number.clone());
            values.push(record.identifier.serial().to_owned());
            for holder in &record.holders {
                values.extend([holder.name().to_owned(), holder.code().to_owned()]);
            }
        }
        values.sort_unstable();
        values.dedup();
        let before = values.len();
        values.retain(|value| value.len() >= SHORTEST);
        assert!(values.len() * 100 > before * 99, "{} of {before} can be searched for", values.len());
        // As JSON and other texts escape them, too.
        let escaped: Vec<String> =
            values.iter().filter(|value| !value.is_ascii()).map(|value| escape(value)).collect();
        values.extend(escaped);
        Self { search: AhoCorasick::new(&values).unwrap(), values }
    }

    fn count_in(&self, bytes: &[u8]) -> usize {
        self.search.find_overlapping_iter(bytes).count()
    }

    #[track_caller]
    fn are_not_in(&self, bytes: &[u8], place: &str) {
        if let Some(found) = self.search.find(bytes) {
            let value = &self.values[found.pattern().as_usize()];
            panic!("{value} stands in {place} at byte {}", found.start());
        }
    }
}

fn escape(value: &str) -> String {
    value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Where an import runs, and what is searched.
struct Scene {
    node: Folder,
    /// All that the program may write to.
    written: PathBuf,
    input: PathBuf,
    secrets: Secrets,
}

impl Scene {
    fn new(dir: &Path) -> Self {
        let written = dir.join("written");
        fs::create_dir_all(written.join("temporary")).unwrap();
        fs::create_dir_all(written.join("run")).unwrap();
        let node = Folder::init(&written.join("node"), "p256-sha256");
        node.set("store", "import_checkpoint", CHECKPOINT);
        node.set("store", "export_dir", written.join("exports").to_str().unwrap());
        // Sorted on disk, not in memory.
        node.set("store", "sort_bytes", 64 << 10);
        fs::create_dir(dir.join("input")).unwrap();
        let records = child::records(11, 0..RECORDS);
        let scene =
            Self { node, written, input: dir.join("input/licences.jsonl"), secrets: Secrets::of(&records) };
        fs::write(&scene.input, lines(&records)).unwrap();
        // What is searched for is found where it is.
        let found = scene.secrets.count_in(&fs::read(&scene.input).unwrap());
        assert!(found >= records.len() * 4, "{found} in the input");
        scene
    }

    /// Starts an import, with its words in a file that is searched.
    fn import(&self, resume: bool) -> Importing {
        let words = File::options().create(true).append(true).open(self.written.join("run/words")).unwrap();
        let mut command = child::program();
        command
            .current_dir(self.written.join("run"))
            .env("TMPDIR", self.written.join("temporary"))
            .env("LICENCE_NODE_LOG", "trace")
            .args(["import", self.input.to_str().unwrap(), "--config", &self.node.config(), "--json"])
            .stdout(Stdio::piped())
            .stderr(words);
        if resume {
            command.arg("--resume");
        }
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Importing { child, out, told: String::new() }
    }

    /// Reads every file; the number of bytes.
    #[track_caller]
    fn search(&self, when: &str) -> usize {
        let mut bytes = 0;
        for path in files(&self.written) {
            // One that is gone since was a temporary one: it is caught another time.
            let Ok(content) = fs::read(&path) else { continue };
            self.secrets.are_not_in(&content, &format!("{} {when}", path.display()));
            bytes += content.len();
        }
        bytes
    }

    /// The phase that an interrupted import is in, by its side file.
    fn phase(&self) -> Option<String> {
        let content = fs::read(self.written.join("node/data/store/import/state.json")).ok()?;
        let state: Value = serde_json::from_slice(&content).unwrap();
        Some(state["body"]["phase"].as_str().unwrap().to_owned())
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The input, with lines between that are refused for all kinds of reasons.
fn lines(records: &[Record]) -> String {
    let [name, number, code] = REFUSED;
    let bad = |at: usize, record: &Record| {
        let mut json = record.to_json();
        match at {
            0 => json["certificateNumber"] = json!(format!("{number}\u{1}")),
            1 => json["certificateHolderName"] = json!([name.repeat(2_000)]),
            2 => json["certificateHolderCode"] = json!([code]),
            3 => json[code] = json!(name),
            4 => json["certificateIdentifier"] = json!(number),
            5 => json["certificateTypeCode"] = json!(code),
            6 => return format!("{{\"certificateNumber\": \"{number}\", {name}"),
            _ => return format!("{name}{number}"),
        }
        json.to_string()
    };
    let mut text = String::new();
    for (at, record) in records.iter().enumerate() {
        text += &format!("{}\n", record.to_json());
        if at % 1_000 == 0 {
            text += &format!("{}\n", bad(at / 1_000, record));
        }
    }
    // One is here twice.
    text + &format!("{}\n", records[0].to_json())
}

/// An import that runs.
struct Importing {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    told: String,
}

impl Importing {
    /// The next progress; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        let from = self.told.len();
        if self.out.read_line(&mut self.told).unwrap() == 0 {
            return None;
        }
        Some(serde_json::from_str(&self.told[from..]).unwrap())
    }

    /// Lets it stand still.
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", name, &id]).status().unwrap();
        assert!(done.success());
    }

    fn kill(mut self, scene: &Scene, when: &str) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), None, "the import had ended {when}");
        // The rest of its words may end within a line.
        while self.out.read_line(&mut self.told).unwrap() > 0 {}
        scene.secrets.are_not_in(self.told.as_bytes(), "the standard output");
        let bytes = scene.search(when);
        println!("killed {when}: {bytes} bytes searched, phase {:?}", scene.phase());
    }
}

#[test]
fn a_disk_that_is_taken_at_any_moment_of_an_import_tells_nothing_of_its_holders() {
    let dir = tempfile::tempdir().unwrap();
    let scene = Scene::new(dir.path());

    // Killed while reading: the end of the input is held back, so it cannot be past that.
    let content = fs::read(&scene.input).unwrap();
    let whole = scene.input.with_extension("whole");
    fs::rename(&scene.input, &whole).unwrap();
    assert!(Command::new("mkfifo").arg(&scene.input).status().unwrap().success());
    let import = scene.import(false);
    let mut pipe = File::options().write(true).open(&scene.input).unwrap();
    pipe.write_all(&content[..content.len() * 4 / 5]).unwrap();
    while scene.phase().is_none() {
        scene.search("while it reads");
    }
    assert_eq!(scene.phase().as_deref(), Some("reading"));
    import.kill(&scene, "while it read");
    drop(pipe);
    fs::remove_file(&scene.input).unwrap();
    fs::rename(&whole, &scene.input).unwrap();

    // Killed while sealing and while loading, each time taken up where it was.
    for stage in ["sealing", "loading"] {
        let mut import = scene.import(true);
        while let Some(told) = import.next() {
            import.signal("-STOP");
            scene.search(&format!("at {told}"));
            if told["progress"]["stage"] == stage {
                break;
            }
            import.signal("-CONT");
        }
        import.kill(&scene, &format!("while {stage}"));
        assert_eq!(scene.phase().as_deref(), Some(stage));
    }

    // Taken up once more, and looked at whenever it says something.
    let mut import = scene.import(true);
    let mut last = Value::Null;
    while let Some(told) = import.next() {
        import.signal("-STOP");
        scene.search(&format!("at {told}"));
        import.signal("-CONT");
        last = told;
    }
    // Lines were refused.
    assert_eq!(import.child.wait().unwrap().code(), Some(1));
    scene.secrets.are_not_in(import.told.as_bytes(), "the standard output");
    let bytes = scene.search("after the import");
    println!("in the end: {bytes} bytes searched, {last}");
    assert_eq!(last["result"]["imported"], RECORDS);
    assert_eq!(scene.phase(), None);
    assert!(scene.written.join("exports/dictionary-1").exists());
    let refused = fs::read_to_string(scene.written.join("run/refused.jsonl")).unwrap();
    assert!(refused.lines().count() >= 9, "{refused}");

    // And after the work of other days.
    for command in [["store", "check"], ["store", "export"], ["store", "stats"], ["log", "verify"]] {
        let config = scene.node.config();
        let ran = scene.node.run(&[&command[..], &["--config", &config]].concat());
        let told = ran.ok();
        scene.secrets.are_not_in(told.as_bytes(), &command.join(" "));
    }
    scene.search("after an export");
}
