//! Keys that do not lie open in a file: encrypted with a passphrase, or in a token behind PKCS#11.
//!
//! SoftHSM2 stands for the cryptographic machine. It finds its tokens by an environment variable, so
//! only children of the test get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::{self, Folder, Ran, json_lines, records};

const PIN: &str = "246810";

/// Where distributions put the library.
fn softhsm() -> Option<PathBuf> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
    ];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.filter(|_| Command::new("softhsm2-util").arg("--version").output().is_ok())
}

/// A token in a folder of its own.
struct Token {
    dir: PathBuf,
    module: PathBuf,
}

impl Token {
    /// `None`, and a line that says so, where SoftHSM2 is not installed.
    fn new(dir: &Path) -> Option<Self> {
        let Some(module) = softhsm() else {
            println!("skipped: SoftHSM2 is not installed");
            return None;
        };
        fs::create_dir(dir.join("tokens")).unwrap();
        let token = Self { dir: dir.to_owned(), module };
        fs::write(
            token.conf(),
            format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                dir.join("tokens").display()
            ),
        )
        .unwrap();
        fs::write(dir.join("pin"), format!("{PIN}\n")).unwrap();
        token.util(&["--init-token", "--free", "--label", "city hsm", "--so-pin", "13579", "--pin", PIN]);
        Some(token)
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("softhsm2.conf")
    }

    fn util(&self, args: &[&str]) {
        let ran =
            Command::new("softhsm2-util").env("SOFTHSM2_CONF", self.conf()).args(args).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Puts a key file's key into the token.
    fn import(&self, file: &str, label: &str, id: &str) {
        self.util(&["--import", file, "--token", "city hsm", "--pin", PIN, "--label", label, "--id", id]);
    }

    fn uri(&self, object: &str, pin: &str) -> String {
        format!(
            "pkcs11:token=city%20hsm;object={object}?module-path={}&pin-source={pin}",
            self.module.display()
        )
    }

    /// Runs the program in `dir` with the token plugged in.
    fn run(&self, dir: &Path, args: &[&str]) -> Ran {
        let ran = child::program()
            .env("SOFTHSM2_CONF", self.conf())
            .env("TOKEN_PIN", PIN)
            .current_dir(dir)
            .args(args)
            .output();
        Ran::of(ran.unwrap())
    }
}

fn seal_create<'a>(key: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["seal", "create", "--name", "天津市示例局", "--es-id", "1", "--valid-days", "30"];
    let files = ["--maker-cert", "certs/seal-maker.pem", "--owner-cert", "seals/attestation/certificate.pem"];
    [&fixed[..], &files, &["--maker-key", key, "--out", out], more].concat()
}

#[test]
fn a_key_in_a_token_makes_a_seal_that_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let Some(token) = Token::new(dir.path()) else { return };
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    token.import(&folder.path("keys/seal-maker.key.pem"), "maker", "a1");
    token.import(&folder.path("keys/node.key.pem"), "twin", "b1");
    token.import(&folder.path("keys/ca.key.pem"), "twin", "b2");
    fs::remove_file(folder.path("keys/seal-maker.key.pem")).unwrap();
    let pin = format!("file:{}", dir.path().join("pin").display());
    for (at, (object, source)) in
        [("maker", pin.as_str()), ("maker", "env:TOKEN_PIN"), ("maker;id=%a1", &pin)].iter().enumerate()
    {
        let (uri, out) = (token.uri(object, source), format!("made-{at}"));
        token.run(&folder.0, &seal_create(&uri, &out, &[])).ok();
        folder.run(&["verify", &format!("{out}/seal.esl"), "--trust", "trust"]).ok();
    }
    fs::write(dir.path().join("wrong"), "111111").unwrap();
    let wrong = format!("file:{}", dir.path().join("wrong").display());
    let good = token.uri("maker", &pin);
    for (uri, word) in [
        (token.uri("maker", &wrong), "refused"),
        (token.uri("maker", "env:NO_SUCH_PIN"), "NO_SUCH_PIN"),
        (token.uri("absent", &pin), "no private key"),
        (token.uri("twin", &pin), "more than one"),
        (token.uri("twin;id=%b1", &pin), "not that of"),
        (good.replace("city%20hsm", "other"), "no token"),
        (good.replace("libsofthsm2", "libabsent"), "library"),
        (good.split("&pin-source").next().unwrap().to_owned(), "pin-source"),
    ] {
        let told = token.run(&folder.0, &seal_create(&uri, "refused", &[])).ended(1);
        assert!(told.contains(word), "{uri}: {told}");
        assert!(!folder.0.join("refused").exists() && !told.contains(PIN));
    }
    // Without the token's configuration there is no such token.
    assert!(folder.run(&seal_create(&good, "refused", &[])).code != Some(0));
}

#[test]
fn a_node_whose_keys_are_in_a_token_seals_and_signs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(token) = Token::new(dir.path()) else { return };
    let folder = Folder::init(&dir.path().join("node"), "p256-sha256");
    let pin = format!("file:{}", dir.path().join("pin").display());
    token.import(&folder.path("keys/node.key.pem"), "node", "01");
    fs::remove_file(folder.path("keys/node.key.pem")).unwrap();
    for (at, entry) in fs::read_dir(folder.path("seals")).unwrap().enumerate() {
        let seal = entry.unwrap().path();
        let label = format!("seal-{at}");
        token.import(seal.join("key.pem").to_str().unwrap(), &label, &format!("{:02x}", at + 16));
        fs::remove_file(seal.join("key.pem")).unwrap();
        fs::write(seal.join("key.uri"), format!("{}\n", token.uri(&label, &pin))).unwrap();
    }
    folder.set_file("node_key", &token.uri("node", &pin));
    fs::write(folder.path("records.jsonl"), json_lines(&records(7, 0..40))).unwrap();
    let config = folder.config();
    let run = |args: &[&str]| token.run(&folder.0, &[args, &["--config", &config]].concat());
    run(&["import", "records.jsonl"]).ok();
    let told = run(&["store", "check"]).ok();
    assert!(told.ends_with("sound\n") && !told.contains("NOT"), "{told}");
    let listed = run(&["seal", "list", "--json"]).json();
    assert!(listed.as_array().unwrap().iter().all(|seal| seal["key"] == "key.uri"));
    // Without the token the node does not open, and says which key it lacks.
    let told = folder.run(&["store", "check", "--config", &config]).ended(1);
    assert!(told.contains("token"), "{told}");
}

#[test]
fn a_node_whose_key_files_are_encrypted_serves_with_the_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("passphrase"), "口令 2468\n").unwrap();
    let init =
        ["init", "--region", "120000", "--dir", "node", "--suite", "p256-sha256", "--listen", "127.0.0.1:0"];
    child::run(dir.path(), [&init[..], &["--key-passphrase", "file:passphrase"]].concat()).ok();
    let folder = Folder(dir.path().join("node"));
    let mut encrypted = 0;
    for place in ["keys", "clients", "seals/attestation"] {
        for entry in fs::read_dir(folder.path(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().ends_with("key.pem") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains("ENCRYPTED PRIVATE KEY"), "{}", path.display());
                encrypted += 1;
            }
        }
    }
    assert!(encrypted >= 10, "{encrypted}");
    let served = folder.serve();
    let listed = folder.partner(&served, &["list"]).ok();
    assert!(listed.contains("operator"), "{listed}");
    assert_eq!(served.terminate(), Some(0));

    let key = folder.path("keys/seal-maker.key.pem");
    let refused = folder.run(&seal_create(&key, "refused", &[])).ended(1);
    assert!(refused.contains("no passphrase was given"), "{refused}");
    folder.run(&seal_create(&key, "made", &["--maker-passphrase", "file:../passphrase"])).ok();
    folder.run(&["verify", "made/seal.esl", "--trust", "trust"]).ok();

    let check = || folder.run(&["store", "check", "--config", &folder.config()]);
    folder.set_file("key_passphrase", "file:../passphrase");
    check().ok();
    for (source, word) in [
        ("env:NO_SUCH_PASSPHRASE", "NO_SUCH_PASSPHRASE"),
        ("command:echo wrong", "does not open the key"),
        ("口令 2468", "never the secret itself"),
    ] {
        folder.set_file("key_passphrase", source);
        let told = check().ended(1);
        assert!(told.contains(word) && !told.contains("2468"), "{told}");
    }
}
