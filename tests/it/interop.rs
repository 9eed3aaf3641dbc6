//! Another maker's reader takes our OFD files: `sofd` (crate sofd-cli) verifies and renders them.
//!
//! The files are made through the command line, from seals and keys that `init` laid down. The tool
//! is looked for in `target/tools/bin`, where `tests/run` installs it, and on the path; without it a test
//! says that it skips. `sofd render` draws no seals, so their places are taken from what it verifies.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use licence_node::lab::City;
use licence_seal::crypto::{Secret, Suite, SystemRandom};
use licence_seal::licence::{Catalogue, FieldValue, Record, Region};
use licence_seal::pki::Certificate;
use licence_seal::seal::{SaltKey, SaltKeyId, SealImpression, SealedBatch, SealedLicence, SealingKey, Voice};
use licence_seal::time::{Clock, SystemClock};

use super::child;

/// The business licence.
const TYPE: &str = "11100000MB0143028R001";

/// A city's seals, and a folder for what is made.
struct Desk {
    dir: tempfile::TempDir,
    record: Record,
}

impl Desk {
    fn new() -> &'static Self {
        static DESK: OnceLock<Desk> = OnceLock::new();
        DESK.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let random = SystemRandom::new();
            let city = dir.path().join("city");
            City::create(Region::TIANJIN, &city, Suite::Sm2Sm3, SystemClock.now(), &random).unwrap();
            let record = child::records(21, 0..1_000)
                .into_iter()
                .find(|record| record.type_code.as_str() == TYPE && record.fields.len() > 6)
                .unwrap();
            let desk = Self { dir, record };
            std::fs::write(
                desk.path("whole.licence.json"),
                desk.cut(&desk.record, &|_| true).to_bytes().unwrap(),
            )
            .unwrap();
            let few = ["certificateHolderName", "certificateNumber", "legalRepresentative", "businessScope"];
            let cut = desk.cut(&desk.record, &|name| few.contains(&name));
            std::fs::write(desk.path("cut.licence.json"), cut.to_bytes().unwrap()).unwrap();
            desk
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn seal_file(&self, owner: &str, name: &str) -> PathBuf {
        self.path("city").join("seals").join(owner).join(name)
    }

    fn cut(&self, record: &Record, show: &dyn Fn(&str) -> bool) -> SealedLicence {
        let issuer = record.issuer_code.as_str();
        let certificate = std::fs::read(self.seal_file(issuer, "certificate.pem")).unwrap();
        let impression = SealImpression {
            seal: std::fs::read(self.seal_file(issuer, "seal.esl")).unwrap().into(),
            certificate: Certificate::from_pem_all(&certificate).unwrap().remove(0).der().into(),
        };
        let signer = licence_node::keys::read_key(&self.seal_file(issuer, "key.pem"), None).unwrap();
        let key = SealingKey::new(impression, Arc::new(signer), Voice::Issuer).unwrap();
        let salt_key = SaltKey::new(SaltKeyId("test".to_owned()), &Secret::from_bytes([7; 32]));
        let (catalogue, random) = (Catalogue::embedded().unwrap(), SystemRandom::new());
        let records = vec![record.clone()];
        let (batch, impression) =
            SealedBatch::seal(records, catalogue, &key, &salt_key, SystemClock.now(), &random).unwrap();
        batch.licence(0, catalogue, &impression, &salt_key, show).unwrap()
    }

    /// Runs `licence-node ofd WORDS… --seal … --cert … --key … --out OUT`; words with a dot are files here.
    fn make(&self, words: &[&str], owner: &str, seal: bool, out: &str) -> PathBuf {
        let mut command = Command::new(env!("CARGO_BIN_EXE_licence-node"));
        command.current_dir(self.dir.path()).arg("ofd").args(words);
        if seal {
            command.arg("--seal").arg(self.seal_file(owner, "seal.esl"));
        }
        command.arg("--cert").arg(self.seal_file(owner, "certificate.pem"));
        command.arg("--key").arg(self.seal_file(owner, "key.pem")).args(["--out", out]);
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        self.path(out)
    }

    fn licence(&self, out: &str) -> PathBuf {
        self.make(&["make", "whole.licence.json"], self.record.issuer_code.as_str(), true, out)
    }

    fn copy(&self, out: &str) -> PathBuf {
        let words = [
            "copy",
            "cut.licence.json",
            "--purpose",
            "办理道路运输经营许可",
            "--recipient",
            "天津市交通运输委员会（示例）",
            "--by",
            "天津市电子证照库（示例）",
            "--expires",
            "2199-12-31",
        ];
        self.make(&words, "attestation", true, out)
    }
}

/// The other reader.
fn sofd() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/sofd");
    let found = [here, PathBuf::from("sofd")]
        .into_iter()
        .find(|tool| Command::new(tool).arg("--version").output().is_ok_and(|ran| ran.status.success()));
    if found.is_none() {
        println!("skipped: sofd is not here (tests/run installs it)");
    }
    found
}

/// Whether there is a font to draw Chinese with; without one a picture shows nothing.
fn has_font() -> bool {
    let listed = Command::new("fc-list").arg(":lang=zh").output();
    let found = listed.is_ok_and(|listed| !listed.stdout.is_empty());
    if !found {
        println!("the pictures are not looked at: no Chinese font (fonts-wqy-zenhei)");
    }
    found
}

fn run(tool: &Path, words: &[&str], file: &Path) -> Output {
    Command::new(tool).args(["--locale", "en-US"]).args(words).arg(file).output().unwrap()
}

/// What it says of each signature.
fn verdicts(tool: &Path, file: &Path) -> Vec<String> {
    let ran = run(tool, &["verify"], file);
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once("Signature.xml: ")).map(|(_, word)| word);
    lines.map(str::to_owned).collect()
}

/// Where it finds seals, over all signatures: `x y width height` in millimetres.
fn seal_boxes(tool: &Path, file: &Path) -> Vec<String> {
    let ran = run(tool, &["verify"], file);
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("Seal boxes: "));
    lines.flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Renders a page; the share of its pixels that are dark, and that are blank.
fn picture(tool: &Path, file: &Path, page: usize) -> [f64; 2] {
    let number = page.to_string();
    let out = file.with_extension(format!("{page}.png"));
    let words = ["render", "--page", number.as_str(), "--dpi", "100", "--output", out.to_str().unwrap()];
    let ran = run(tool, &words, file);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let bytes = std::io::BufReader::new(std::fs::File::open(&out).unwrap());
    let mut decoder = png::Decoder::new(bytes);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let samples = info.color_type.samples();
    assert!(samples >= 3, "{:?}", info.color_type);
    let share = |is: &dyn Fn(&u8) -> bool| {
        let pixels = pixels[..info.buffer_size()].chunks(samples);
        let all = pixels.len() as f64;
        pixels.filter(|pixel| pixel[..3].iter().all(is)).count() as f64 / all
    };
    [share(&|v| *v < 90), share(&|v| *v > 250)]
}

/// Our own verdict on a file's seals, with the city's trust folder; with each signature's.
fn own_verdict(desk: &Desk, file: &Path) -> (i32, usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_licence-node"));
    command.arg("verify").arg(file).arg("--trust").arg(desk.path("city").join("trust"));
    let ran = command.args(["--seal-only", "--report", "json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let signatures = report["signatures"].as_array().unwrap();
    let passed = signatures.iter().filter(|one| one["indication"] == "TOTAL_PASSED").count();
    assert_eq!(passed, signatures.len(), "{report:#}");
    (ran.status.code().unwrap(), passed)
}

#[test]
fn what_the_command_line_makes_it_also_verifies() {
    let desk = Desk::new();
    let issuer = desk.record.issuer_code.as_str();
    // The sealed licence that goes along counts as one.
    assert_eq!(own_verdict(desk, &desk.licence("own.ofd")), (0, 2));
    assert_eq!(own_verdict(desk, &desk.copy("own-copy.ofd")), (0, 2));
    desk.make(&["seal", "own.ofd", "--lock"], issuer, true, "locked.ofd");
    assert_eq!(own_verdict(desk, &desk.path("locked.ofd")), (0, 3));
}

#[test]
fn another_reader_verifies_a_licence_and_a_copy_and_shows_text_and_seal() {
    let desk = Desk::new();
    let (licence, copy) = (desk.licence("licence.ofd"), desk.copy("copy.ofd"));
    let Some(tool) = sofd() else { return };
    for file in [&licence, &copy] {
        assert_eq!(verdicts(&tool, file), ["Valid"], "{}", file.display());
        let [dark, blank] = picture(&tool, file, 0);
        assert!(!has_font() || dark > 0.005 && blank > 0.5, "{}: {dark} {blank}", file.display());
    }
    let name = desk.record.holders[0].name();
    let found = Command::new(&tool).arg("search").arg(&licence).arg(name).output().unwrap();
    assert!(String::from_utf8_lossy(&found.stdout).contains(name), "{found:?}");
}

#[test]
fn another_reader_verifies_several_signatures() {
    let desk = Desk::new();
    let issuer = desk.record.issuer_code.as_str();
    desk.licence("one.ofd");
    let second = desk.make(&["seal", "one.ofd", "--at", "20,240"], "attestation", true, "two.ofd");
    let third = desk.make(&["seal", "two.ofd", "--lock", "--at", "85,240"], issuer, true, "three.ofd");
    let Some(tool) = sofd() else { return };
    assert_eq!(verdicts(&tool, &second), ["Valid", "Valid"]);
    assert_eq!(verdicts(&tool, &third), ["Valid", "Valid", "Valid"]);
    assert_eq!(seal_boxes(&tool, &third)[1..], ["20 240 40 40", "85 240 40 40"]);
}

#[test]
fn another_reader_verifies_a_straddling_seal_on_a_licence_with_a_further_page() {
    let desk = Desk::new();
    let mut long = desk.record.clone();
    let scope = "示例商品零售、示例商品批发、示例技术服务；".repeat(60);
    long.fields.insert("businessScope".to_owned(), FieldValue::Text(scope));
    let sealed = desk.cut(&long, &|_| true);
    std::fs::write(desk.path("long.licence.json"), sealed.to_bytes().unwrap()).unwrap();
    let issuer = desk.record.issuer_code.as_str();
    desk.make(&["make", "long.licence.json"], issuer, true, "long.ofd");
    let straddled = desk.make(&["seal", "long.ofd", "--straddle"], issuer, true, "straddled.ofd");
    let Some(tool) = sofd() else { return };
    assert_eq!(verdicts(&tool, &straddled), ["Valid", "Valid"]);
    assert_eq!(seal_boxes(&tool, &straddled)[1..], ["190 128.5 40 40", "170 128.5 40 40"]);
    for page in 0..2 {
        let [dark, blank] = picture(&tool, &straddled, page);
        assert!(!has_font() || dark > 0.005 && blank > 0.5, "page {page}: {dark} {blank}");
    }
}
