//! `bench …`: how fast this machine does it, beside a floor taken in the same run.
//!
//! Machines are shared and noisy, so a rate alone says little. The work and its floor take turns in
//! short rounds, and the ratio is what can be compared from one machine and day to another.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::crypto::{PrivateKey, PublicKey, Random, SeededRandom, Signature, Signer, Suite};
use crate::licence::face::MmBox;
use crate::ofd::archive::Entry;
use crate::ofd::{Limits, Mark, Place, Signing, sign, verify_ofd, write};
use crate::pki::issue::{Authority, Name, Profile, Request, Validity};
use crate::seal::ses::{CertList, SealKind, SealSpec, Stamp, create, draw};
use crate::seal::trust::Trust;
use crate::seal::verify::Ask;
use crate::time::Timestamp;

type Failure = Box<dyn Error + Send + Sync>;

/// Measure a rate beside its floor
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// OFD files verified a second on one core, beside the two SM2 verifications alone
    Verify(VerifyBench),
}

#[derive(Debug, Args)]
struct VerifyBench {
    /// How long to measure, work and floor together
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What a bench found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    bench: &'static str,
    unit: &'static str,
    rate: f64,
    floor: f64,
    /// `rate / floor`
    ratio: f64,
    goal: f64,
    /// Bytes of the file.
    file_bytes: usize,
    rounds: usize,
    /// Whether release optimisation was on; figures without it mean nothing.
    optimised: bool,
}

/// Runs a bench; figures go to `out`.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<std::process::ExitCode, Failure> {
    let What::Verify(args) = &args.what;
    let figures = verify(Duration::from_secs(args.seconds))?;
    if args.json {
        serde_json::to_writer(&mut *out, &figures)?;
        writeln!(out)?;
    } else {
        writeln!(out, "verify: {:.0} files/s of {} bytes on one core", figures.rate, figures.file_bytes)?;
        writeln!(out, "floor:  {:.0} pairs/s of SM2 verifications (seal and stamp) alone", figures.floor)?;
        writeln!(out, "ratio:  {:.2} (goal {:.2}), {} rounds", figures.ratio, figures.goal, figures.rounds)?;
        if !figures.optimised {
            writeln!(out, "not a release build: these figures mean nothing")?;
        }
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// Files or pairs in one turn.
const TURN: usize = 20;

fn verify(time: Duration) -> Result<Figures, Failure> {
    let sample = Sample::make()?;
    let ask = Ask { at: sample.at, seal_only: false, catalogue: None };
    let limits = Limits::default();
    let work = || -> Result<(), Failure> {
        let report = verify_ofd("bench.ofd", &sample.file, &sample.trust, &ask, &limits);
        if report.verdict.passed() { Ok(()) } else { Err(report.to_text().into()) }
    };
    let floor = || -> Result<(), Failure> {
        for (key, message, signature) in &sample.signatures {
            key.verify(message, signature)?;
        }
        Ok(())
    };
    // Once each, so that both begin with warm caches.
    work()?;
    floor()?;
    let (mut spent, mut floor_spent) = (Duration::ZERO, Duration::ZERO);
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < time || rounds == 0 {
        spent += timed(&work)?;
        floor_spent += timed(&floor)?;
        rounds += 1;
    }
    let rate = |spent: Duration| (rounds * TURN) as f64 / spent.as_secs_f64();
    let (rate, floor) = (rate(spent), rate(floor_spent));
    Ok(Figures {
        bench: "verify",
        unit: "files/s",
        rate,
        floor,
        ratio: rate / floor,
        goal: 0.7,
        file_bytes: sample.file.len(),
        rounds,
        optimised: !cfg!(debug_assertions),
    })
}

fn timed(work: &dyn Fn() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    for _ in 0..TURN {
        work()?;
    }
    Ok(begun.elapsed())
}

/// A sealed OFD of about 35 kB, what it takes to trust it, and its two signatures by themselves.
struct Sample {
    file: Vec<u8>,
    trust: Trust,
    at: Timestamp,
    signatures: Vec<(PublicKey, Vec<u8>, Signature)>,
}

impl Sample {
    fn make() -> Result<Self, Failure> {
        let random = SeededRandom::new("bench verify");
        let at = Timestamp::from_secs(1_795_400_000);
        let key = || PrivateKey::from_pkcs8(&PrivateKey::generate(Suite::Sm2Sm3, &random)?);
        let (root_key, maker_key, owner_key) = (key()?, key()?, key()?);
        let validity = Validity::days(at.plus_secs(-86_400), 365);
        let root = Authority::self_signed(&Name::new("示例根"), validity, &root_key, &random)?;
        let issue = |name: &str, key: &PublicKey, profile| {
            root.issue(&Request { name: &Name::new(name), key, validity, profile }, &random)
        };
        let maker = issue("示例制章机构", maker_key.public_key(), Profile::SealMaker)?;
        let owner = issue("示例市场监督管理局", owner_key.public_key(), Profile::SealOwner)?;
        let crl = root.crl(&[], 1, at.plus_secs(-3600), at.plus_secs(30 * 86_400))?;
        let spec = SealSpec {
            vendor: "licence-node".to_owned(),
            es_id: "12000000000001".to_owned(),
            kind: SealKind::Unit,
            name: "示例市场监督管理局".to_owned(),
            certs: CertList::Certificates(vec![owner.der().to_vec()]),
            created: at,
            valid_from: validity.not_before,
            valid_until: validity.not_after,
            picture: draw("示例市场监督管理局", None)?.picture(),
        };
        let seal = create(&spec, maker.der(), &maker_key)?;
        let unsealed =
            write::pack(document(&random)?.iter().map(|entry| (entry.name.as_str(), entry.data.as_slice())))?;
        let area = MmBox { x: 140.0, y: 220.0, width: 40.0, height: 40.0 };
        let mark = Mark::Stamp { seal: &seal, place: Place::Within { page: 1, area }, time_stamp: None };
        let signing = Signing { certificate: owner.der(), signer: &owner_key, mark, at, lock: false };
        let file = sign(&unsealed, &signing, &Limits::default())?;
        let trust = Trust::of(vec![root.certificate().clone()], vec![crl]);
        let signatures = signatures(&file, maker_key.public_key(), owner_key.public_key())?;
        Ok(Self { file, trust, at: at.plus_secs(3600), signatures })
    }
}

/// A page of text and a photograph that does not compress: about 20 kB.
fn document(random: &dyn Random) -> Result<Vec<Entry>, Failure> {
    let ns = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
    let mut text = String::new();
    for line in 0..60 {
        let y = 10 + line * 4;
        text.push_str(&format!(
            "<ofd:TextObject ID=\"{}\" Boundary=\"20 {y} 170 4\" Font=\"3\" Size=\"3\"><ofd:TextCode X=\"0\" Y=\"3\">示例证照第{line}行</ofd:TextCode></ofd:TextObject>",
            line + 10
        ));
    }
    let mut photo = Vec::new();
    while photo.len() < 20 * 1024 {
        photo.extend_from_slice(&random.bytes::<32>()?);
    }
    let part = |name: &str, data: Vec<u8>| Entry { name: name.to_owned(), data };
    Ok(vec![
        part("OFD.xml", format!("<ofd:OFD {ns} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>0123456789abcdef0123456789abcdef</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>").into_bytes()),
        part("Doc_0/Document.xml", format!("<ofd:Document {ns}><ofd:CommonData><ofd:MaxUnitID>100</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea><ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes></ofd:CommonData><ofd:Pages><ofd:Page ID=\"1\" BaseLoc=\"Pages/Page_0/Content.xml\"/></ofd:Pages></ofd:Document>").into_bytes()),
        part("Doc_0/DocumentRes.xml", format!("<ofd:Res {ns} BaseLoc=\"Res\"><ofd:MultiMedias><ofd:MultiMedia ID=\"4\" Type=\"Image\"><ofd:MediaFile>photo.jpg</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias></ofd:Res>").into_bytes()),
        part("Doc_0/Res/photo.jpg", photo),
        part("Doc_0/Pages/Page_0/Content.xml", format!("<ofd:Page {ns}><ofd:Content><ofd:Layer ID=\"2\">{text}</ofd:Layer></ofd:Content></ofd:Page>").into_bytes()),
    ])
}

/// The seal's and the stamp's signature, each with its key and the bytes under it.
fn signatures(
    file: &[u8],
    maker: &PublicKey,
    owner: &PublicKey,
) -> Result<Vec<(PublicKey, Vec<u8>, Signature)>, Failure> {
    let package = crate::ofd::Package::open(file, &Limits::default())?;
    let value = package.names().find(|name| name.ends_with("SignedValue.dat")).ok_or("no signature")?;
    let stamp = Stamp::from_der(package.get(value).unwrap_or_default())?;
    Ok(vec![
        (maker.clone(), stamp.seal.signed.clone(), Signature::from_der(&stamp.seal.signature)?),
        (owner.clone(), stamp.to_sign.clone(), Signature::from_der(&stamp.signature)?),
    ])
}
