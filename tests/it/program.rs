//! The program as its users meet it: on the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use licence_seal::evidence::Receipt;
use licence_seal::licence::{Record, State};
use licence_seal::time::{Clock, SystemClock};
use serde_json::{Value, json};

use super::child::{self, Folder, MATTER, Served, context};

fn anywhere(args: &[&str]) -> child::Ran {
    let dir = tempfile::tempdir().unwrap();
    child::run(dir.path(), args)
}

// ---- without a node ----

#[test]
fn the_demo_ends_well_and_says_what_it_did() {
    let told = anywhere(&["demo", "--once", "--records", "150", "--suite", "p256-sha256"]).ok();
    let steps = told.lines().filter(|line| line.trim_start().starts_with('✓')).count();
    assert!(steps >= 12 && !told.contains('✗'), "{told}");
    assert!(told.ends_with(" steps, 0 failed\n"), "{told}");
}

#[test]
fn the_catalogue_has_224_types_with_distinct_codes_and_their_own_fields() {
    let list = anywhere(&["catalogue", "list", "--json"]).json();
    let list = list.as_array().unwrap();
    let codes: BTreeSet<&str> = list.iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    assert_eq!((list.len(), codes.len()), (224, 224));
    let names: BTreeSet<&str> = list.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 224);
    let mut faces: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in list {
        for name in ["nameEn", "holder", "category", "sector", "share", "source"] {
            assert!(entry[name].is_string(), "{name} of {entry}");
        }
        let fields = entry["fields"].as_array().unwrap();
        assert!(!fields.is_empty());
        let of = fields.iter().map(|field| {
            assert!(field["kind"].is_string() && field["required"].is_boolean(), "{field}");
            (field["name"].as_str().unwrap(), field["label"].as_str().unwrap())
        });
        let face = format!("{:?}", of.collect::<Vec<_>>());
        faces.entry(face).or_default().push(entry["name"].as_str().unwrap());
    }
    // Only types that print the same things may share a face.
    assert!(faces.len() > 150, "{} faces: {:?}", faces.len(), faces.values().filter(|of| of.len() > 1));
    anywhere(&["catalogue", "check"]).ok();
    let code = list[0]["code"].as_str().unwrap();
    assert_eq!(anywhere(&["catalogue", "show", code, "--json"]).json()["code"], code);
    let schema = anywhere(&["catalogue", "show", code, "--schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    anywhere(&["catalogue", "show", "no such type"]).ended(1);
}

/// The worked examples of GB/T 36904 and of the codes inside, each with what `check` must say.
#[test]
fn identifier_check_knows_every_worked_example() {
    let root = "1.2.156.3005.2.";
    for body in [
        "11100000000013338W011.11430000006122244L.20230000403.001.U",
        "11100000000013338W011.11430000006122244L.20230000403.002.S",
        "11100000000013338W009.11330105002500287C.2025052201.002.0",
        "11100000000013338W032.11220000013544541J.2430599.001.F",
        "11100000000013338W087.11370800MB28559184.37080001202411010001.001.3",
        "11100000MB03271699022.340100.000000016.001.9",
    ] {
        let told = anywhere(&["identifier", "check", &format!("{root}{body}")]).ok();
        assert!(told.starts_with("valid licence identifier"), "{told}");
    }
    // Two refusals: the "_" that one demo system writes is no character of a serial, though the check
    // character fits without it; and a published example whose check character is wrong.
    for (body, rule) in [
        ("062301.1101101102.0624_001.001.U", "identifier."),
        (
            "11100000000013661B006.113700000045046442.209FA4E88F9E4C878F3E9BED2CE7EA49.001.M",
            "identifier.check",
        ),
    ] {
        let told = anywhere(&["identifier", "check", &format!("{root}{body}"), "--json"]).ended(1);
        let report: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(report["valid"], false);
        assert!(report["error"]["rule"].as_str().unwrap().starts_with(rule), "{told}");
    }
    for code in [
        "91350100M000100Y43",
        "11100000000013338W",
        "11100000MB03271699",
        "11100000MB0143028R",
        "11110000000021135M",
        "11430000006122244L",
        "11330105002500287C",
        "91370406L24894136J",
        "12100000000018032A",
        "11010519491231002X",
        "440524188001010014",
        "120101199001010017",
        "120101199003070013",
        "11100000MB0143028R001",
    ] {
        anywhere(&["identifier", "check", code]).ok();
    }
    for code in ["11100000000013135U", "1110000000002888XF", "11010519491231002x", "120101199002300017"] {
        anywhere(&["identifier", "check", code]).ended(1);
    }
    let parts = ["--type", "11100000000013338W011", "--issuer", "11430000006122244L", "--serial"];
    let made = anywhere(&[&["identifier", "make"][..], &parts, &["20230000403"]].concat()).ok();
    assert_eq!(made.trim(), format!("{root}11100000000013338W011.11430000006122244L.20230000403.001.U"));
    anywhere(&[&["identifier", "make"][..], &parts, &["a.b"]].concat()).ended(1);
}

#[test]
fn a_command_that_does_not_exist_or_lacks_something_says_so() {
    for args in [&["nonsense"][..], &["import"], &["serve"], &["verify"], &["init", "--region", "120000"]] {
        let ran = anywhere(args);
        // Not 2, which `verify` gives for "not decided".
        assert_eq!(ran.code, Some(64), "{args:?}");
        assert!(ran.err.contains("Usage"), "{}", ran.err);
    }
    anywhere(&["--version"]).ok();
}

// ---- init, configuration ----

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn init_lays_out_a_folder_whose_keys_only_the_owner_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    let mut keys = 0;
    for path in files_below(&folder.0) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let secret = name.ends_with("key.pem") || name == "master.key";
        let holds_key = fs::read(&path).unwrap().windows(11).any(|part| part == b"PRIVATE KEY");
        assert!(!holds_key || secret, "{} holds a key", path.display());
        if secret {
            keys += 1;
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    assert!(keys > 20, "{keys}");
    for private in ["keys", "seals"] {
        assert_eq!(mode(&folder.0.join(private)), 0o700);
    }
    let again = ["init", "--region", "120000", "--dir", folder.0.to_str().unwrap()];
    assert!(anywhere(&again).ended(1).contains("is not empty"));
    assert!(anywhere(&["init", "--region", "999999", "--dir", "x"]).ended(1).contains("130000"));
    folder.verify();
}

#[test]
fn the_configuration_is_checked_and_explained_and_a_misspelt_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    let (config, file) = (folder.config(), folder.0.join("node.toml"));
    assert!(folder.run(&["config", "check", "--config", &config]).ok().contains("region 120000"));
    let explain = |command: &mut std::process::Command| {
        let ran = command.args(["config", "explain", "--config", &config, "--json"]).output().unwrap();
        let values: Vec<Value> = serde_json::from_slice(&ran.stdout).unwrap();
        move |key: &str| {
            let value = values.iter().find(|value| value["key"] == key).unwrap_or_else(|| panic!("{key}"));
            (value["value"].clone(), value["source"].as_str().unwrap().to_owned())
        }
    };
    let of = explain(&mut child::program());
    assert_eq!(of("exchange.token_secs"), (json!("600"), "default".to_owned()));
    assert!(of("region").1.ends_with("node.toml"));
    // The environment goes over the file, and the program's own log filter is no setting.
    let with = |name: &str, value: &str| {
        let mut command = child::program();
        command.env(name, value);
        command
    };
    let of = explain(&mut with("LICENCE_NODE_EXCHANGE__TOKEN_SECS", "60"));
    assert_eq!(of("exchange.token_secs"), (json!("60"), "environment".to_owned()));
    for (name, value, code) in [
        ("LICENCE_NODE_LOG", "error", 0),
        ("LICENCE_NODE_EXCHANGE__TOKEN_SECS", "601", 1),
        ("LICENCE_NODE_EXCHANGE__TOKENSECS", "60", 1),
    ] {
        let output = with(name, value).args(["config", "check", "--config", &config]).output().unwrap();
        child::Ran::of(output).ended(code);
    }

    let text = fs::read_to_string(&file).unwrap();
    for (more, word) in [
        ("\n[exchange]\ntoken_sec = 60\n", "token_sec"),
        ("\n[exchange]\ntoken_secs = 6000\n", "token_secs"),
        ("\n[exchang]\ntoken_secs = 60\n", "exchang"),
        ("\n[store]\nzstd_level = \"high\"\n", "zstd_level"),
        ("\n[exchange\n", "node.toml"),
    ] {
        fs::write(&file, format!("{text}{more}")).unwrap();
        for command in [&["config", "check"][..], &["serve"], &["import", "x.jsonl"]] {
            let told = folder.run(&[command, &["--config", &config]].concat()).ended(1);
            assert!(told.contains(word), "{command:?} with {more:?}: {told}");
        }
    }
    fs::remove_file(&file).unwrap();
    assert!(folder.run(&["config", "check", "--config", &config]).ended(1).contains("node.toml"));
}

#[test]
fn seals_of_the_trial_suite_are_used_only_where_that_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    let file = folder.0.join("node.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("allow_p256_seals = true"));
    fs::write(&file, text.replace("allow_p256_seals = true", "allow_p256_seals = false")).unwrap();
    let told = folder.run(&["serve", "--config", &folder.config()]).ended(1);
    assert!(told.contains("allow_p256_seals") && told.contains("电子印章"), "{told}");
    fs::write(&file, text).unwrap();
    assert_eq!(folder.serve().terminate(), Some(0));
}

// ---- generate, import ----

/// An import's result object.
fn imported(folder: &Folder, code: i32, args: &[&str]) -> Value {
    let config = folder.config();
    let told = folder.run(&[&["import", "--json", "--config", &config], args].concat()).ended(code);
    let result = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("result").cloned();
    told.lines().rev().find_map(result).unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn what_generate_writes_is_the_same_each_time_and_can_be_imported_in_every_packing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    let generate = |seed: &str| anywhere(&["generate", "--records", "60", "--seed", seed]).ok();
    let (first, second) = (generate("1"), generate("2"));
    assert_eq!(first, generate("1"));
    assert_ne!(first, second);
    assert_eq!(first.lines().count(), 60);
    let file = |name: &str, content: &[u8]| {
        let path = folder.path(name);
        fs::write(&path, content).unwrap();
        path
    };
    let gz = |content: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(content).unwrap();
        packed.finish().unwrap()
    };
    let plain = file("a.jsonl", first.as_bytes());
    let packed = file("b.jsonl.gz", &gz(second.as_bytes()));
    let squeezed = file("c.ndjson.zst", &zstd::encode_all(generate("3").as_bytes(), 1).unwrap());
    let sheet = csv_of(&child::records(4, 0..40));
    let tables = [
        file("d.csv", sheet.as_bytes()),
        file("e.csv.gz", &gz(csv_of(&child::records(5, 0..40)).as_bytes())),
    ];
    let result = imported(&folder, 0, &[&plain, &packed, &squeezed, &tables[0], &tables[1]]);
    assert_eq!(result["imported"], 260, "{result}");
    assert_eq!(result["refused"], 0);
    // Again: all refused, or all known.
    assert_eq!(imported(&folder, 1, &[&plain])["refused"], 60);
    let refusals = fs::read_to_string(folder.0.join("refused.jsonl")).unwrap();
    assert_eq!(refusals.matches("store.duplicate").count(), 60);
    assert_eq!(imported(&folder, 0, &["--resume", &tables[1]])["alreadyHere"], 40);
    // Files that are not what they say.
    let broken = file("broken.jsonl.gz", b"not gzip");
    for name in [&broken, "absent.jsonl", &file("x.txt", b"{}")] {
        let told = folder.run(&["import", name, "--config", &folder.config()]).ended(1);
        assert!(told.contains(name), "{told}");
    }
    folder.verify();
}

/// Records as CSV: each name a column, several values joined by `^`.
fn csv_of(records: &[Record]) -> String {
    let flat = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("^"),
        other => panic!("{other}"),
    };
    let rows: Vec<BTreeMap<String, String>> = records
        .iter()
        .map(|record| {
            let Value::Object(all) = record.to_json() else { panic!() };
            let mut row = BTreeMap::new();
            for (name, value) in &all {
                match value {
                    Value::Object(fields) => {
                        row.extend(
                            fields.iter().map(|(name, value)| (format!("fields.{name}"), flat(value))),
                        );
                    }
                    value => drop(row.insert(name.clone(), flat(value))),
                }
            }
            row
        })
        .collect();
    let columns: BTreeSet<&String> = rows.iter().flat_map(BTreeMap::keys).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|name| name.as_str())).unwrap();
    for row in &rows {
        writer.write_record(columns.iter().map(|name| row.get(*name).map_or("", String::as_str))).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[test]
fn bad_lines_are_refused_one_by_one_without_their_values_and_the_good_ones_go_in() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    let good: Vec<Value> = child::records(6, 0..30).iter().map(Record::to_json).collect();
    let secret = "不可外泄";
    // Line number, what is changed there, and the field that the refusal names.
    let faults: [(usize, &str, Value); 6] = [
        (3, "certificateIdentifier", json!(format!("{secret}.1"))),
        (7, "certificateTypeCode", json!("11100000MB0143028R999")),
        (9, "certificateIssuedDate", json!("2026-02-30")),
        (12, "certificateAreaCode", json!(secret)),
        (15, "certificateHolderCode", json!("11010519491231002Y")),
        (20, secret, json!(secret)),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (at, record) in good.iter().enumerate() {
        let mut record = record.clone();
        if let Some((_, name, value)) = faults.iter().find(|(line, ..)| *line == at + 1) {
            record[*name] = value.clone();
        }
        lines.push(record.to_string());
    }
    lines[24] = format!("{{\"certificateIdentifier\": \"{secret}");
    lines[26] = lines[27].clone();
    fs::write(folder.path("mixed.jsonl"), lines.join("\n")).unwrap();
    let result = imported(&folder, 1, &["mixed.jsonl", "--refused", "why.jsonl"]);
    assert_eq!(
        (&result["imported"], &result["refused"], &result["lines"]),
        (&json!(22), &json!(8), &json!(30))
    );
    let text = fs::read_to_string(folder.0.join("why.jsonl")).unwrap();
    for value in [secret, "2026-02-30", "11010519491231002Y", "11100000MB0143028R999"] {
        assert!(!text.contains(value), "{text}");
    }
    let refusals: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: BTreeSet<u64> = refusals.iter().map(|refusal| refusal["line"].as_u64().unwrap()).collect();
    assert_eq!(refused, [3, 7, 9, 12, 15, 20, 25, 28].into());
    for refusal in &refusals {
        assert_eq!(refusal["file"], "mixed.jsonl");
        assert!(!refusal["rule"].as_str().unwrap().is_empty() && refusal["detail"].is_string(), "{refusal}");
    }
    for (line, field, _) in &faults[..5] {
        let named = refusals.iter().any(|refusal| {
            refusal["line"] == *line as u64 && refusal["field"].as_str().unwrap().contains(field)
        });
        assert!(named, "line {line} should name {field}: {text}");
    }
    folder.verify();
}

// ---- a served node ----

/// A node with partners and licences, served.
fn served(dir: &Path) -> (Folder, Served, Vec<Record>) {
    let folder = Folder::with_partners(&dir.join("node"), "sm2-sm3");
    let records = child::records(8, 0..60);
    fs::write(folder.path("input.jsonl"), child::json_lines(&records)).unwrap();
    assert_eq!(imported(&folder, 0, &["input.jsonl"])["imported"], 60);
    let served = folder.serve();
    (folder, served, records)
}

/// `query …` as a client of the folder.
fn query(
    folder: &Folder,
    served: &Served,
    id: &str,
    operation: &str,
    body: &Value,
    more: &[&str],
) -> child::Ran {
    fs::write(folder.path("request.json"), body.to_string()).unwrap();
    let (anchors, cert) = (folder.path("certs/ca.pem"), folder.path(&format!("clients/{id}.pem")));
    let key = folder.path(&format!("clients/{id}.key.pem"));
    let way = ["--url", &served.url, "--anchors", &anchors, "--cert", &cert, "--key", &key, "--id", id];
    let rest = ["--region", "120000", "--body", "request.json"];
    folder.run(&[&["query", operation], &way[..], &rest, more].concat())
}

#[test]
fn an_agency_fetches_a_copy_and_has_files_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, served, records) = served(dir.path());
    let today = SystemClock.now().day();
    let good =
        |record: &&Record| record.state.effective(record.valid_from, record.valid_until, today).is_good();
    let record = records.iter().find(good).unwrap();
    let body = json!({ "context": context(), "identifier": record.identifier });
    let to = ["--output", "copy.ofd", "--receipt", "receipt.jwt"];
    assert!(query(&folder, &served, "agency", "file", &body, &to).ended(1).contains("grant.operation"));
    let grant = ["grant", "--id", "copies", "--partner", "agency", "--operations", "file"];
    let scope = ["--types", "*", "--fields", "*", "--matters", MATTER];
    folder.partner(&served, &[&grant[..], &scope].concat()).ok();
    query(&folder, &served, "agency", "file", &body, &to).ok();
    let trust = folder.path("trust");
    let told = folder.run(&["verify", "copy.ofd", "--trust", &trust]).ok();
    for word in ["copy.ofd: 有效", "annotated copy, sealed by the node of region 120000", "加注件"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let files = ["--request", "request.json", "--answer", "copy.ofd"];
    folder.run(&[&["receipt", "verify", "receipt.jwt", "--trust", &trust], &files[..]].concat()).ok();

    let asked = |file: &str| {
        let (anchors, key) = (folder.path("certs/ca.pem"), folder.path("clients/agency.key.pem"));
        let way = ["--url", &served.url, "--anchors", &anchors, "--key", &key, "--id", "agency"];
        let cert = folder.path("clients/agency.pem");
        let rest = ["--cert", &cert, "--region", "120000", "--body", file];
        folder.run(&[&["query", "verify-file"], &way[..], &rest].concat())
    };
    let answer = asked("copy.ofd").json();
    assert_eq!(answer["report"]["verdict"]["indication"], "TOTAL_PASSED");
    let mut broken = fs::read(folder.path("copy.ofd")).unwrap();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    fs::write(folder.path("broken.ofd"), broken).unwrap();
    assert!(asked("broken.ofd").ended(1).contains("TOTAL_FAILED"));
    fs::copy(folder.path("certs/ca.pem"), folder.path("other.pem")).unwrap();
    assert!(asked("other.pem").ended(1).contains("file.kind"));
}

#[test]
fn an_agency_asks_keeps_its_receipt_and_the_auditor_finds_the_access() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, served, records) = served(dir.path());
    let record = records.iter().find(|record| record.state == State::Valid).unwrap();
    let holder = record.holders.first().unwrap();
    let holder = json!({ "code": holder.code(), "codeType": holder.code_type().code() });

    let found = json!({ "context": context(), "holder": holder });
    let found = query(&folder, &served, "agency", "search", &found, &["--sign="]).json();
    let hits = found["results"][0]["licences"].as_array().unwrap();
    assert!(hits.iter().any(|hit| hit["identifier"] == record.identifier.as_str()), "{found}");

    let body =
        json!({ "context": context(), "identifier": record.identifier, "fields": ["certificateNumber"] });
    let kept = ["--output", "my.licence.json", "--receipt", "receipt.jwt", "--sign", "120000"];
    query(&folder, &served, "agency", "data", &body, &kept).ok();
    let trust = folder.path("trust");
    let told = folder.run(&["verify", "my.licence.json", "--trust", &trust, "--seal-only"]).ok();
    assert!(told.contains("the seal is good"), "{told}");

    // The receipt, over request and answer, and over others.
    let verify = |request: &str, answer: &str| {
        let files = ["--request", request, "--answer", answer];
        folder.run(&[&["receipt", "verify", "receipt.jwt", "--trust", &trust, "--json"], &files[..]].concat())
    };
    let receipt = verify("request.json", "my.licence.json").json();
    assert_eq!((&receipt["verified"], &receipt["receipt"]["aud"]), (&json!(true), &json!("agency")));
    fs::write(folder.path("other.json"), b"{}").unwrap();
    assert!(verify("request.json", "other.json").ended(1).contains("answer"));
    assert!(verify("other.json", "my.licence.json").ended(1).contains("request"));
    let token = fs::read_to_string(folder.path("receipt.jwt")).unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let turned: String = claims.chars().rev().collect();
    fs::write(folder.path("forged.jwt"), format!("{head}.{turned}.{signature}")).unwrap();
    folder.run(&["receipt", "verify", "forged.jwt", "--trust", &trust]).ended(1);

    // Refused: another matter, and a licence that is not here.
    let mut other = context();
    other["itemCode"] = json!("120000-zf-0002");
    let refused = json!({ "context": other, "identifier": record.identifier });
    let told = query(&folder, &served, "agency", "data", &refused, &[]).ended(1);
    assert!(told.contains("grant.matter"), "{told}");

    // The auditor, beside the running node and after it.
    let config = folder.config();
    let search = |more: &[&str]| {
        folder.run(&[&["log", "search", "--config", &config, "--json"], more].concat()).json()
    };
    let entries = search(&["--partner", "agency", "--op", "data"]);
    let outcomes: Vec<&str> =
        entries.as_array().unwrap().iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["granted", "refused"]);
    assert_eq!(entries[1]["details"]["rule"], "grant.matter");
    assert_eq!(entries[0]["index"], receipt["receipt"]["log"]["index"]);
    let by_id = search(&["--identifier", record.identifier.as_str(), "--outcome", "granted"]);
    assert!(by_id.as_array().unwrap().iter().any(|entry| entry["op"] == "data"));
    let by_holder = search(&["--holder", record.holders[0].code()]);
    assert!(by_holder.as_array().unwrap().iter().any(|entry| entry["op"] == "search"));
    let clear: Vec<u8> =
        files_below(&folder.0.join("data")).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    for text in [record.holders[0].code(), record.identifier.as_str(), record.holders[0].name()] {
        let found = clear.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!found, "{text} lies in clear in the data folder");
    }
    folder.run(&["log", "verify", "--config", &config, "--live"]).ok();
    assert_eq!(served.terminate(), Some(0));
    folder.verify();
    let index = entries[0]["index"].to_string();
    let proof = folder.run(&["log", "proof", &index, "--config", &config]).json();
    let proof_holds = (&proof["verified"], &proof["leafHash"]);
    assert_eq!(proof_holds, (&json!(true), &entries[0]["leafHash"]));
    folder.run(&["log", "proof", "1000000", "--config", &config]).ended(1);

    // A copy that somebody worked on, checked with the key alone.
    let copy = dir.path().join("copy");
    child::copy(&folder.0.join("data/log"), &copy);
    let vkey = log_key(&folder);
    let verify = || child::run(dir.path(), ["log", "verify", "copy", "--key", &vkey]);
    verify().ok();
    let bundle = files_below(&copy).into_iter().filter(|path| path.to_string_lossy().contains("entries"));
    // Bundles that were outgrown stay behind; the widest is the one that counts.
    let bundle = bundle.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(verify().ended(1).contains("NOT VERIFIED"));
}

/// The log's key, as `serve` tells it; a signal right after that must still end it cleanly.
fn log_key(folder: &Folder) -> String {
    let served = folder.serve();
    let key = served.told["logKey"].as_str().unwrap().to_owned();
    assert_eq!(served.terminate(), Some(0));
    key
}

#[test]
fn partners_are_added_granted_listed_and_revoked_through_the_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, served, records) = served(dir.path());
    let certificate = folder.issue_client("office");
    let add = ["add", "--id", "office", "--name", "示例窗口", "--certificate", &certificate];
    let body =
        json!({ "context": context(), "identifier": records[0].identifier, "fields": ["certificateNumber"] });
    let asked = || query(&folder, &served, "office", "data", &body, &[]);

    assert!(asked().ended(1).contains("registration.unknown"));
    folder.partner(&served, &add).ok();
    assert!(asked().ended(1).contains("grant."));
    let grant = ["grant", "--id", "office-data", "--partner", "office", "--operations", "data"];
    let narrow = ["--types", "*", "--fields", "certificateNumber", "--matters", MATTER];
    folder.partner(&served, &[&grant[..], &narrow].concat()).ok();
    asked().ok();
    let wider = json!({ "context": context(), "identifier": records[0].identifier, "fields": ["certificateHolderName"] });
    assert!(query(&folder, &served, "office", "data", &wider, &[]).ended(1).contains("grant.fields"));

    let list = folder.partner(&served, &["list", "--json"]).json();
    let ids: Vec<&str> =
        list["registrations"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["agency", "auditor", "authority", "office", "operator"]);
    let words = folder.partner(&served, &["list"]).ok();
    assert!(words.contains("示例窗口") && words.contains("grant office-data"), "{words}");

    folder.partner(&served, &["revoke", "office-data", "--grant", "--reason", "示例"]).ok();
    assert!(asked().ended(1).contains("grant."));
    folder.partner(&served, &["revoke", "office", "--reason", "示例"]).ok();
    assert!(asked().ended(1).contains("registration.revoked"));
    assert!(folder.partner(&served, &["list"]).ok().contains("revoked 示例窗口"));
    // An id that cannot be one, and somebody who is not the operator.
    let bad = ["add", "--id", "Office 1", "--name", "x", "--certificate", &certificate];
    folder.partner(&served, &bad).ended(1);
    let told = query(&folder, &served, "agency", "/v1/admin", &json!({ "list": {} }), &[]).ended(1);
    assert!(told.contains("\"role\""), "{told}");
    // It outlasts the node.
    assert_eq!(served.terminate(), Some(0));
    let served = folder.serve();
    let told = query(&folder, &served, "office", "data", &body, &[]).ended(1);
    assert!(told.contains("registration.revoked"), "{told}");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn one_process_owns_the_data_and_sigterm_ends_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, served, records) = served(dir.path());
    let config = folder.config();
    for command in [&["serve"][..], &["import", "input.jsonl"]] {
        let told = folder.run(&[command, &["--config", &config]].concat()).ended(1);
        assert!(told.contains("data") && !told.contains("panicked"), "{told}");
    }
    let anchors = folder.path("certs/ca.pem");
    let health = |url: &str| folder.run(&["health", "--url", url, "--anchors", &anchors]);
    assert_eq!(health(&served.url).ok(), "ok\n");
    let url = served.url.clone();
    let body = json!({ "context": context(), "identifier": records[0].identifier });
    query(&folder, &served, "agency", "data", &body, &["--receipt", "1.jwt"]).ok();
    assert_eq!(served.terminate(), Some(0));
    health(&url).ended(1);
    folder.verify();

    // The next start has nothing to recover.
    {
        use licence_node::exchange::reconcile::Reconciled;
        use licence_node::store::StoreAdmin;
        let node = folder.open();
        assert!(!node.store.recovery().unclean, "{:?}", node.store.recovery());
        assert_eq!(node.reconciled, Reconciled::default());
        child::check_store_and_log(&node);
        node.close().unwrap();
    }
    let served = folder.serve();
    query(&folder, &served, "agency", "data", &body, &["--receipt", "2.jwt"]).ok();
    assert_eq!(served.terminate(), Some(0));
    let counter = |name: &str| {
        let token = fs::read_to_string(folder.path(name)).unwrap();
        Receipt::verify(&token, &folder.node_key()).unwrap().counter
    };
    // Between the two stands the second token.
    assert_eq!(counter("2.jwt"), counter("1.jwt") + 2);
}

#[test]
fn what_is_missing_or_damaged_is_named_and_nothing_starts() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Folder::init(&dir.path().join("whole"), "sm2-sm3");
    let serve = |folder: &Folder| folder.run(&["serve", "--config", &folder.config()]);
    for file in
        ["keys/master.key", "keys/node.key.pem", "keys/log.key.pem", "certs/node.pem", "certs/tls.pem"]
    {
        let folder = whole.copy_to(&dir.path().join("broken"));
        fs::write(folder.0.join(file), b"nonsense").unwrap();
        let told = serve(&folder).ended(1);
        assert!(told.contains(file), "{file}: {told}");
        fs::remove_file(folder.0.join(file)).unwrap();
        let told = serve(&folder).ended(1);
        assert!(told.contains(file), "{file}: {told}");
        assert!(!told.contains("panicked"), "{told}");
        fs::remove_dir_all(&folder.0).unwrap();
    }
    // Another master key; another city's key for the log.
    let folder = whole.copy_to(&dir.path().join("broken"));
    fs::write(folder.0.join("keys/master.key"), "11".repeat(32)).unwrap();
    assert!(serve(&folder).ended(1).contains("master key"));
    fs::remove_dir_all(&folder.0).unwrap();
    // A data folder that cannot be made: root may write anywhere, so a file stands in its place.
    let folder = whole.copy_to(&dir.path().join("broken"));
    fs::remove_dir_all(folder.0.join("data")).unwrap();
    fs::write(folder.0.join("data"), b"").unwrap();
    let told = serve(&folder).ended(1);
    assert!(told.contains("data") && !told.contains("panicked"), "{told}");
}

/// A file-size limit stands in for the full disk: the write fails in the middle, as with ENOSPC.
#[test]
fn a_disk_that_takes_no_more_is_a_clear_error_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    fs::write(folder.path("first.jsonl"), child::json_lines(&child::records(9, 0..50))).unwrap();
    assert_eq!(imported(&folder, 0, &["first.jsonl"])["imported"], 50);
    fs::write(folder.path("second.jsonl"), child::json_lines(&child::records(9, 50..700))).unwrap();
    // Blocks of 512 bytes; the signal of the limit is ignored, so that writing gives EFBIG.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 400; exec '{}' import second.jsonl --config node.toml",
        env!("CARGO_BIN_EXE_licence-node")
    );
    let output =
        std::process::Command::new("sh").args(["-c", &limited]).current_dir(&folder.0).output().unwrap();
    let told = child::Ran::of(output).ended(1);
    assert!(!told.contains("panicked") && told.contains("licence-node: "), "{told}");
    let config = folder.config();
    // Nothing of it is there, and there is room again.
    assert_eq!(folder.run(&["store", "stats", "--config", &config, "--json"]).json()["licences"], 50);
    folder.verify();
    assert_eq!(imported(&folder, 0, &["--resume", "second.jsonl"])["imported"], 650);
    assert_eq!(imported(&folder, 0, &["--resume", "first.jsonl"])["alreadyHere"], 50);
    folder.run(&["log", "verify", "--config", &config]).ok();
    let node = folder.open();
    child::check_store_and_log(&node);
    node.close().unwrap();
}
