//! The real program as child processes, and node folders that it made itself.
//!
//! Nothing here goes past the command line, but for one step that no command does yet: the test
//! authority of `init` issues a certificate for a further client, from the key in the folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use licence_node::accesslog::BatchRange;
use licence_node::exchange::commitment;
use licence_node::node::{Node, NodeSettings};
use licence_node::peer::{ClientIdentity, PartnerClient, PartnerSettings};
use licence_node::store::BatchNumber;
use licence_seal::crypto::{PrivateKey, PublicKey, SystemRandom, pem_encode};
use licence_seal::licence::{Catalogue, Generator, Record, Region, issuers};
use licence_seal::pki::Certificate;
use licence_seal::pki::issue::{Authority, Name, Profile, Request, Validity};
use licence_seal::time::{Clock, SystemClock};
use serde_json::{Value, json};

/// Numbers that a seed decides.
pub use licence_seal::licence::Dice;

/// The matter that the tests' grant names.
pub const MATTER: &str = "120000-zf-0001";

/// The program, with nothing of the tester's own settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_licence-node"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LICENCE_NODE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// `None` after a signal.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The standard output of a command that did what it says.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }

    /// What a command printed that ended with `code`.
    #[track_caller]
    pub fn ended(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.out + &self.err
    }

    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
    }
}

/// Runs the program in `dir` until it ends.
pub fn run<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(program().current_dir(dir).args(args).output().unwrap())
}

/// A pause of less than `end`, at a point that nothing else in the test depends on.
pub fn pause(dice: &mut Dice, end: Duration) {
    let nanos = u64::try_from(end.as_nanos()).unwrap().max(1);
    std::thread::sleep(Duration::from_nanos(dice.below(nanos)));
}

/// A file whose disk fails after these bytes.
pub struct Failing<'a>(pub &'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.0.read(to)? {
            0 => Err(io::Error::other("the disk failed")),
            read => Ok(read),
        }
    }
}

/// A node's folder.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// `init` of region 120000, listening at a free port.
    pub fn init(dir: &Path, suite: &str) -> Self {
        let parent = dir.parent().unwrap();
        let text = dir.to_str().unwrap();
        let listen = ["--listen", "127.0.0.1:0", "--suite", suite];
        run(parent, [&["init", "--region", "120000", "--dir", text][..], &listen].concat()).ok();
        Self(dir.to_owned())
    }

    /// `init`, and with a served node an agency (all operations, for [`MATTER`]) and an authority
    /// that speaks for all sample issuers.
    pub fn with_partners(dir: &Path, suite: &str) -> Self {
        let folder = Self::init(dir, suite);
        let served = folder.serve();
        let (agency, authority) = (folder.issue_client("agency"), folder.issue_client("authority"));
        folder
            .partner(&served, &["add", "--id", "agency", "--name", "示例机构", "--certificate", &agency])
            .ok();
        let codes: Vec<String> = issuers(Catalogue::embedded().unwrap(), Region::TIANJIN)
            .unwrap()
            .into_iter()
            .map(|issuer| issuer.code.to_string())
            .collect();
        let add = ["add", "--id", "authority", "--name", "示例颁发机构", "--role", "issuer", "--certificate"];
        folder.partner(&served, &[&add[..], &[&authority, "--issuer-codes", &codes.join(",")]].concat()).ok();
        let grant = ["grant", "--id", "all", "--partner", "agency", "--operations", "search,data,verify"];
        let scope = ["--types", "*", "--fields", "*", "--matters", MATTER];
        folder.partner(&served, &[&grant[..], &scope].concat()).ok();
        assert_eq!(served.terminate(), Some(0));
        folder
    }

    pub fn config(&self) -> String {
        self.path("node.toml")
    }

    /// Sets a key of `[files]` in the configuration.
    pub fn set_file(&self, name: &str, value: &str) {
        self.set("files", name, value);
    }

    /// Sets a key of a table of the configuration.
    pub fn set(&self, table: &str, name: &str, value: impl Into<toml::Value>) {
        let text = fs::read_to_string(self.config()).unwrap();
        let mut all: toml::Table = text.parse().unwrap();
        let table = all.entry(table).or_insert_with(|| toml::Table::new().into());
        table.as_table_mut().unwrap().insert(name.to_owned(), value.into());
        fs::write(self.config(), all.to_string()).unwrap();
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        run(&self.0, args)
    }

    /// `partner …` against a served node, as the operator.
    pub fn partner(&self, served: &Served, args: &[&str]) -> Ran {
        let config = self.config();
        let way = ["--config", &config, "--url", &served.url];
        self.run(&[&["partner"], args, &way].concat())
    }

    /// A client certificate of the folder's test authority; the certificate's path.
    pub fn issue_client(&self, id: &str) -> String {
        let read = |name: &str| fs::read(self.0.join(name)).unwrap();
        let ca = Certificate::from_pem_all(&read("certs/ca.pem")).unwrap().remove(0);
        let ca_key = PrivateKey::from_pem(&read("keys/ca.key.pem")).unwrap();
        let authority = Authority::new(ca, &ca_key).unwrap();
        let random = SystemRandom::new();
        let file = PrivateKey::generate(licence_seal::crypto::Suite::P256Sha256, &random).unwrap();
        let key = PrivateKey::from_pkcs8(&file).unwrap();
        let (now, name) = (SystemClock.now(), Name::new(id));
        let validity = Validity { not_before: now.plus_secs(-60), not_after: now.plus_secs(86_400) };
        let request = Request {
            name: &name,
            key: licence_seal::crypto::Signer::public_key(&key),
            validity,
            profile: Profile::TlsClient,
        };
        let issued = authority.issue(&request, &random).unwrap();
        let certificate = self.path(&format!("clients/{id}.pem"));
        fs::write(&certificate, pem_encode("CERTIFICATE", issued.der()).unwrap()).unwrap();
        let key_file = self.0.join(format!("clients/{id}.key.pem"));
        fs::write(key_file, PrivateKey::to_pem(&file).unwrap().as_bytes()).unwrap();
        certificate
    }

    pub fn copy_to(&self, dir: &Path) -> Self {
        copy(&self.0, dir);
        Self(dir.to_owned())
    }

    /// `serve`, from when it listens.
    pub fn serve(&self) -> Served {
        let mut child = self.start_serving();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match serde_json::from_str::<Value>(&line) {
            Ok(told) => Served { child, url: told["url"].as_str().unwrap().to_owned(), told },
            Err(_) => {
                let ended = child.wait().unwrap();
                panic!("serve ended with {ended}: {}", fs::read_to_string(self.0.join("serve.err")).unwrap());
            }
        }
    }

    /// `serve`, with its standard output to be read and its words in `serve.err`.
    pub fn start_serving(&self) -> Child {
        let words = File::options().create(true).append(true).open(self.0.join("serve.err")).unwrap();
        program()
            .args(["serve", "--config", &self.config()])
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()
            .unwrap()
    }

    /// The node, opened in this process.
    pub fn open(&self) -> Node {
        let settings = NodeSettings::read(&self.0.join("node.toml")).unwrap();
        Node::open(settings, Arc::new(SystemClock), Arc::new(SystemRandom::new())).unwrap()
    }

    /// The key that signs receipts.
    pub fn node_key(&self) -> PublicKey {
        let pem = fs::read(self.0.join("certs/node.pem")).unwrap();
        Certificate::from_pem_all(&pem).unwrap().remove(0).public_key().unwrap().clone()
    }

    /// `log verify` and `store check` of the closed node.
    #[track_caller]
    pub fn verify(&self) {
        let told = self.run(&["log", "verify", "--config", &self.config()]).ok();
        assert!(told.contains("VERIFIED"), "{told}");
        let told = self.run(&["store", "check", "--config", &self.config()]).ok();
        assert!(told.ends_with("sound\n") && !told.contains("NOT"), "{told}");
    }
}

/// A node that serves in a process of its own; it is killed when dropped.
pub struct Served {
    pub child: Child,
    pub url: String,
    /// The line that it began with.
    pub told: Value,
}

impl Served {
    /// kill -9.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// SIGTERM; its exit status.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// A client with the identity `id` of the folder, with a token in hand.
    pub async fn client(&self, folder: &Folder, id: &str) -> PartnerClient {
        let read = |name: String| fs::read(folder.0.join(name)).unwrap();
        let identity = ClientIdentity {
            certificate: read(format!("clients/{id}.pem")),
            key: read(format!("clients/{id}.key.pem")),
        };
        let settings = PartnerSettings {
            url: &self.url,
            anchors: &read("certs/ca.pem".to_owned()),
            identity: &identity,
            id,
            region: "120000",
            timeout: Duration::from_secs(60),
        };
        let mut client =
            PartnerClient::new(&settings, Arc::new(SystemClock), Arc::new(SystemRandom::new())).unwrap();
        client.authenticate().await.unwrap();
        client
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that ended already needs neither.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What stands around every request.
pub fn context() -> Value {
    json!({
        "itemCode": MATTER,
        "itemName": "示例事项",
        "caseNumber": "TJ-2026-000001",
        "operator": "示例经办人",
        "operatorOrg": "示例机构",
        "purpose": "核验申请人所持证照",
        "basis": { "kind": "statutory", "code": "示例条例" },
    })
}

/// Generated records of region 120000.
pub fn records(seed: u64, numbers: std::ops::Range<u64>) -> Vec<Record> {
    let generator = Generator::new(Catalogue::embedded().unwrap(), seed, Region::TIANJIN).unwrap();
    numbers.map(|n| generator.record(n).unwrap()).collect()
}

/// Records as JSON Lines.
pub fn json_lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    records.into_iter().map(|record| format!("{}\n", record.to_json())).collect()
}

/// The store checks, and the log commits to each of its batches exactly once, with the right root.
#[track_caller]
pub fn check_store_and_log(node: &Node) {
    use licence_node::accesslog::Filter;
    use licence_node::store::{CheckOptions, LicenceReader, StoreAdmin};
    let report = node.store.check(Catalogue::embedded().unwrap(), &CheckOptions::default()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let found = node.exchange.log.search(&Filter::default()).unwrap();
    let mut next = 1;
    let ranges: Vec<BatchRange> =
        found.iter().filter_map(|found| found.details.as_ref()?.batches.clone()).collect();
    for range in ranges {
        assert_eq!(range.first, next, "the log commits to each batch once and in order");
        let manifests: Vec<_> = (range.first..=range.last)
            .map(|number| {
                commitment::manifest_leaf(&node.store.manifest(BatchNumber(number)).unwrap().unwrap())
            })
            .collect();
        assert_eq!(commitment::range(range.first, &manifests), range);
        next = range.last + 1;
    }
    assert_eq!(next, node.store.last_batch() + 1, "the log commits to every batch");
}
