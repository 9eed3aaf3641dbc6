//! An import that is killed: all of it is in the store or none, and it is taken up or dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use licence_node::node::Node;
use licence_node::store::{BatchNumber, LicenceReader, StoreAdmin};
use licence_seal::licence::{Holder, HolderCodeType, Identifier, Record, State};
use serde_json::{Value, json};

use super::super::child::{self, Dice, Folder, Ran, check_store_and_log, context};
use super::{DATA_SEED, seeds};

/// Licences in the store before the import.
const STORED: u32 = 100;
/// First versions in the input.
const RECORDS: u32 = 2_200;
const FIRST_STORED: u32 = 100_000;

/// Records of a few types, so that batches fill.
struct Made(Vec<Record>);

impl Made {
    fn new() -> Self {
        let single = |record: &Record| {
            record.holders.len() == 1 && record.holders[0].code_type() == HolderCodeType::CitizenNumber
        };
        let mut base: Vec<Record> = Vec::new();
        for record in child::records(DATA_SEED, 0..400) {
            if single(&record) && base.iter().all(|other| other.type_code != record.type_code) {
                base.push(record);
            }
        }
        base.truncate(8);
        Self(base)
    }

    fn record(&self, n: u32, version: u16) -> Record {
        let base = &self.0[n as usize % self.0.len()];
        let (name, code) = (format!("持有人甲{}", n / 3), format!("E{:08}", n / 3));
        Record {
            identifier: self.identifier(n, version),
            number: format!("津测字第{n}号"),
            holders: vec![Holder::new(&name, &code, HolderCodeType::Passport).unwrap()],
            state: State::Valid,
            supersedes: (version > 1).then(|| self.identifier(n, 1)),
            ..base.clone()
        }
    }

    fn identifier(&self, n: u32, version: u16) -> Identifier {
        let base = &self.0[n as usize % self.0.len()];
        let serial = format!("{:08}", 10_000_000 + n);
        Identifier::build(&base.type_code, &base.issuer_code, &serial, version).unwrap()
    }

    fn stored(&self) -> Vec<Record> {
        (FIRST_STORED..FIRST_STORED + STORED).map(|n| self.record(n, 1)).collect()
    }

    /// A version that an authority issues while the import lies interrupted.
    fn issued_meanwhile(&self) -> Record {
        self.record(FIRST_STORED + 1, 2)
    }

    /// Its rival in the input, which is refused if it comes too late.
    fn rival(&self) -> Record {
        self.record(FIRST_STORED + 1, 3)
    }
}

/// A file to import, and what must come of it.
#[derive(Clone, Default)]
struct Input {
    lines: Vec<String>,
    good: BTreeMap<Identifier, Record>,
    /// Numbers of the lines that are refused.
    refused: BTreeSet<u64>,
    /// Line of [`Made::rival`].
    rival: u64,
}

impl Input {
    /// `mixed`: with lines that are refused for every reason there is.
    fn new(made: &Made, mixed: bool) -> Self {
        let mut input = Self::default();
        for n in 0..RECORDS {
            // A new version now and then, before the licence that it supersedes or after it.
            if n % 40 == 7 {
                input.take(made.record(n + n % 3, 2));
            }
            input.take(made.record(n, 1));
            if n % 700 == 300 {
                input.take(made.record(FIRST_STORED + 10 + n / 700, 2));
            }
            if n == 1_500 {
                input.take(made.rival());
                input.rival = input.lines.len() as u64;
            }
            if !mixed || n % 100 != 50 {
                continue;
            }
            match n / 100 % 4 {
                0 => input.refuse("{\"certificateIdentifier\": ".to_owned()),
                1 => input.refuse(made.record(n / 2, 1).to_json().to_string()),
                // What it supersedes is nowhere.
                2 => input.refuse(made.record(50_000 + n, 2).to_json().to_string()),
                // The stored licence that another line superseded already is superseded once more.
                _ if n > 400 => input.refuse(made.record(FIRST_STORED + 10, 4).to_json().to_string()),
                _ => input.refuse("{}".to_owned()),
            }
        }
        input
    }

    fn take(&mut self, record: Record) {
        self.lines.push(record.to_json().to_string());
        self.good.insert(record.identifier.clone(), record);
    }

    fn refuse(&mut self, line: String) {
        self.lines.push(line);
        self.refused.insert(self.lines.len() as u64);
    }

    /// As it is once the rival came too late.
    fn without_rival(&self, made: &Made) -> Self {
        let mut input = self.clone();
        input.good.remove(&made.rival().identifier);
        input.refused.insert(self.rival);
        input
    }
}

/// What the store holds, as far as an import may change it.
#[derive(Debug, PartialEq)]
struct Seen {
    licences: u64,
    last_batch: u64,
    last_change: u64,
    stored: Vec<State>,
}

fn seen(node: &Node, stored: &[Record]) -> Seen {
    let state = |record: &Record| {
        let found = node.store.by_identifier(&record.identifier).unwrap().expect("what was there before");
        assert_eq!(found.record, *record);
        found.status.state
    };
    Seen {
        licences: node.store.stats().unwrap().licences,
        last_batch: node.store.last_batch(),
        last_change: node.store.last_change(),
        stored: stored.iter().map(state).collect(),
    }
}

/// The batches after `before` hold the good records and no others, and new versions ended older ones.
fn check_imported(node: &Node, before: &Seen, input: &Input) {
    let mut found = BTreeMap::new();
    for number in before.last_batch + 1..=node.store.last_batch() {
        let batch = node.store.batch(BatchNumber(number)).unwrap().unwrap();
        for slot in 0..batch.len() {
            let record = batch.record(slot).unwrap();
            let id = record.identifier.clone();
            assert!(found.insert(id.clone(), record).is_none(), "{id} is there twice");
        }
    }
    assert_eq!(found.len(), input.good.len());
    assert!(found == input.good, "the store holds what was not in the input");
    assert_eq!(node.store.stats().unwrap().licences, before.licences + input.good.len() as u64);
    let versions = input.good.values().filter(|record| record.supersedes.is_some());
    assert_eq!(node.store.last_change() - before.last_change, versions.clone().count() as u64);
    for record in versions {
        let older = record.supersedes.as_ref().unwrap();
        let older = node.store.by_identifier(older).unwrap().unwrap();
        assert_eq!(older.status.superseded_by.as_ref(), Some(&record.identifier));
    }
}

/// When an import is killed: at a point of a pause that begins when it enters a stage.
struct Moment {
    /// `None`: from its start.
    stage: Option<&'static str>,
    pause: Duration,
}

const STAGES: [Option<&str>; 6] =
    [None, Some("reading"), Some("sealing"), Some("loading"), Some("logging"), Some("sealing")];

/// How long each stage takes when nothing disturbs it, from a first import.
struct Pace(Vec<(String, f64)>);

impl Pace {
    fn of(told: &str) -> Self {
        let mut entered: Vec<(String, f64)> = Vec::new();
        for line in told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let stage = line["progress"]["stage"].as_str().unwrap_or("end");
            if entered.last().is_none_or(|(last, _)| last != stage) {
                entered.push((stage.to_owned(), line["seconds"].as_f64().unwrap()));
            }
        }
        let lasting = entered.windows(2).map(|pair| (pair[0].0.clone(), pair[1].1 - pair[0].1));
        Self(lasting.collect())
    }

    fn moment(&self, stage: Option<&'static str>) -> Moment {
        let lasts = |wanted: &str| {
            let stages = self.0.iter().filter(|(name, _)| name == wanted);
            stages.map(|(_, seconds)| seconds).sum::<f64>()
        };
        let seconds = match stage {
            None => 0.3,
            // After it come an export and the closing of the node.
            Some("logging") => lasts("logging") + lasts("done"),
            Some(stage) => lasts(stage),
        };
        Moment { stage, pause: Duration::from_secs_f64(seconds.max(0.005)) }
    }
}

/// One node with an import under way.
struct Cycle<'a> {
    folder: Folder,
    file: &'a str,
    input: Input,
    made: &'a Made,
    pace: &'a Pace,
    dice: Dice,
}

impl Cycle<'_> {
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let config = self.folder.config();
        let all = [&["import", "--json", "--config", &config], more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Imports and kills the import; `false` if it had ended before.
    fn import_and_kill(&mut self, stage: Option<&'static str>, more: &[&str]) -> bool {
        let moment = self.pace.moment(stage);
        let mut child = child::program()
            .current_dir(&self.folder.0)
            .args(self.arguments(more))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if let Some(stage) = moment.stage {
            let word = format!("\"stage\":\"{stage}\"");
            let _ = lines.find(|line| line.as_ref().unwrap().contains(&word));
        }
        child::pause(&mut self.dice, moment.pause);
        child.kill().unwrap();
        lines.for_each(drop);
        child.wait().unwrap().code().is_none()
    }

    fn import(&self, more: &[&str]) -> Ran {
        let arguments = self.arguments(more);
        self.folder.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// How far the interrupted import had noted that it came.
    fn noted(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.0.join("data/store/import/state.json")).ok()?;
        let (_, phase) = text.split_once("\"phase\":\"").unwrap();
        Some(phase.split('"').next().unwrap().to_owned())
    }

    /// The store checks and has all of the import or none; `true` if all.
    fn check_whole_or_nothing(&self, before: &Seen, stored: &[Record]) -> bool {
        let told = self.folder.run(&["store", "check", "--config", &self.folder.config()]).ok();
        assert!(told.ends_with("sound\n") && !told.contains("NOT"), "{told}");
        let node = self.folder.open();
        let now = seen(&node, stored);
        let all = now.last_batch != before.last_batch;
        if all {
            check_imported(&node, before, &self.input);
        } else {
            assert_eq!(now, *before);
        }
        check_store_and_log(&node);
        node.close().unwrap();
        all
    }

    /// Imports to the end and finds everything.
    fn finish(&self, before: &Seen, resume: bool) {
        let more = if resume { &[self.file, "--resume"][..] } else { &[self.file] };
        let ran = self.import(more);
        let told = ran.ended(i32::from(!self.input.refused.is_empty()));
        let last = told.lines().rev().find_map(|line| {
            serde_json::from_str::<Value>(line).ok().filter(|line| line.get("result").is_some())
        });
        let last = last.unwrap_or_else(|| panic!("{told}"));
        let count = |name: &str| last["result"][name].as_u64().unwrap();
        assert_eq!(count("imported") + count("alreadyHere"), self.input.good.len() as u64, "{last}");
        assert_eq!(count("refused"), self.input.refused.len() as u64, "{last}");
        assert_eq!(count("lines"), self.input.lines.len() as u64, "{last}");
        let fill = last["meanFill"].as_f64().unwrap();
        assert!(count("imported") == 0 || (20.0..=32.0).contains(&fill), "{last}");
        assert_eq!(count("sealed"), count("imported"), "{last}");
        let text = fs::read_to_string(self.folder.0.join("refused.jsonl")).unwrap();
        let mut listed = BTreeSet::new();
        for line in text.lines() {
            assert!(listed.insert(line), "{line} is listed twice");
        }
        let number = |line: &&str| serde_json::from_str::<Value>(line).unwrap()["line"].as_u64().unwrap();
        let refused: BTreeSet<u64> = listed.iter().map(number).collect();
        assert_eq!(refused, self.input.refused);
        let node = self.folder.open();
        check_imported(&node, before, &self.input);
        check_store_and_log(&node);
        node.close().unwrap();
        assert_eq!(self.noted(), None);
        self.folder.run(&["log", "verify", "--config", &self.folder.config()]).ok();
    }

    /// An authority issues a licence through the node.
    fn issue_meanwhile(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let record = self.made.issued_meanwhile();
        runtime.block_on(async {
            let served = self.folder.serve();
            let authority = served.client(&self.folder, "authority").await;
            let body = json!({ "context": context(), "record": record.to_json() });
            let answer = authority.ask("/v1/licences/issue", &body, None).await.unwrap();
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            assert_eq!(served.terminate(), Some(0));
        });
        self.input = self.input.without_rival(self.made);
    }

    fn seen(&self, stored: &[Record]) -> Seen {
        let node = self.folder.open();
        let now = seen(&node, stored);
        node.close().unwrap();
        now
    }
}

#[test]
fn an_import_that_is_killed_is_wholly_in_or_not_at_all_and_can_be_taken_up_or_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::new();
    let stored = made.stored();
    let template = Folder::with_partners(&dir.path().join("template"), "sm2-sm3");
    template.set("store", "import_checkpoint", 300);
    fs::write(template.path("stored.jsonl"), child::json_lines(&stored)).unwrap();
    template.run(&["import", "stored.jsonl", "--config", &template.config()]).ok();
    let inputs = [false, true].map(|mixed| Input::new(&made, mixed));
    let files = ["clean.jsonl", "mixed.jsonl"];
    for (file, input) in files.iter().zip(&inputs) {
        fs::write(template.path(file), input.lines.join("\n")).unwrap();
    }
    let first = template.copy_to(&dir.path().join("first"));
    let told = first.run(&["import", files[0], "--json", "--config", &first.config()]).ok();
    let pace = Pace::of(&told);

    let (mut killed, mut resumed, mut dropped, mut meanwhile) = (0, 0, 0, 0);
    for seed in seeds() {
        let mut dice = Dice::new(seed);
        let mixed = usize::from(dice.below(2) == 1);
        let stage = STAGES[(seed % STAGES.len() as u64) as usize];
        let fate = dice.below(4);
        let folder = template.copy_to(&dir.path().join("node"));
        let (file, input) = (files[mixed], inputs[mixed].clone());
        let mut cycle = Cycle { folder, file, input, made: &made, pace: &pace, dice };
        let mut before = cycle.seen(&stored);
        let was_killed = cycle.import_and_kill(stage, &[file]);
        killed += u64::from(was_killed);
        println!(
            "import, seed {seed}: {file} killed {was_killed} after {stage:?}, noted {:?}, fate {fate}",
            cycle.noted()
        );
        if seed % 5 == 2 {
            fs::remove_dir_all(cycle.folder.0.join("data/store/sled")).unwrap();
        }
        let all = cycle.check_whole_or_nothing(&before, &stored);
        let noted = cycle.noted();
        match fate {
            0 if !all => {
                let again = STAGES[cycle.dice.below(STAGES.len() as u64) as usize];
                cycle.import_and_kill(again, &[file, "--resume"]);
                cycle.check_whole_or_nothing(&before, &stored);
            }
            1 if !all => {
                let told =
                    cycle.folder.run(&["import", "--abandon", "--config", &cycle.folder.config()]).ok();
                assert_eq!(told.contains("dropped"), noted.is_some(), "{told}");
                assert!(!cycle.check_whole_or_nothing(&before, &stored));
                dropped += u64::from(noted.is_some());
                cycle.finish(&before, false);
                fs::remove_dir_all(&cycle.folder.0).unwrap();
                continue;
            }
            2 | 3 if noted.as_deref().is_some_and(|phase| phase != "loading") => {
                cycle.issue_meanwhile();
                before = cycle.seen(&stored);
                meanwhile += 1;
            }
            _ => {}
        }
        if cycle.noted().is_some() {
            // Not by oversight.
            let told = cycle.import(&[file]).ended(1);
            assert!(told.contains("--resume") && told.contains("--abandon"), "{told}");
        }
        cycle.finish(&before, true);
        resumed += 1;
        fs::remove_dir_all(&cycle.folder.0).unwrap();
    }
    println!("{killed} killed, {resumed} taken up, {dropped} dropped, {meanwhile} with a change in between");
    assert!(killed * 2 >= seeds().len() as u64, "only {killed} imports were still running when killed");
}
