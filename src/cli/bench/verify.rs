//! `bench verify`: OFD files verified a second, beside the two SM2 verifications alone.
//!
//! The work and its floor take turns in short rounds. A verifier remembers that a seal's own signature holds, since an authority's seal is on all that
//! it seals. `verify` measures both: files under a seal that was never seen, which cost two SM2
//! verifications as the floor does, and the same files again, which cost one.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::node::Error;
use licence_seal::crypto::{PrivateKey, PublicKey, Random, SeededRandom, Signature, Signer, Suite};
use licence_seal::licence::face::MmBox;
use licence_seal::ofd::archive::Entry;
use licence_seal::ofd::{Limits, Mark, Place, Signing, sign, verify_ofd, write};
use licence_seal::pki::issue::{Authority, Name, Profile, Request, Validity};
use licence_seal::pki::{Certificate, Crl};
use licence_seal::seal::ses::{CertList, Picture, SealKind, SealSpec, Stamp, create};
use licence_seal::seal::trust::Trust;
use licence_seal::seal::verify::Ask;
use licence_seal::time::Timestamp;

#[derive(Debug, Args)]
pub(super) struct VerifyBench {
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
    /// Of files whose seals were never seen.
    rate: f64,
    floor: f64,
    /// `rate / floor`
    ratio: f64,
    goal: f64,
    /// Of files whose seals were seen before.
    known_seal_rate: f64,
    known_seal_ratio: f64,
    /// Bytes of a file.
    file_bytes: usize,
    rounds: usize,
    /// Whether release optimisation was on; figures without it mean nothing.
    optimised: bool,
}

/// Runs a bench; figures go to `out`.
pub(super) fn run(args: &VerifyBench, out: &mut dyn Write) -> Result<std::process::ExitCode, Error> {
    let figures = verify(Duration::from_secs(args.seconds))?;
    if args.json {
        serde_json::to_writer(&mut *out, &figures)?;
        writeln!(out)?;
    } else {
        writeln!(out, "verify: {:.0} files/s of {} bytes on one core", figures.rate, figures.file_bytes)?;
        writeln!(
            out,
            "again:  {:.0} files/s under seals seen before, {:.2} of the floor",
            figures.known_seal_rate, figures.known_seal_ratio
        )?;
        writeln!(out, "floor:  {:.0} pairs/s of SM2 verifications (seal and stamp) alone", figures.floor)?;
        writeln!(out, "ratio:  {:.2} (goal {:.2}), {} rounds", figures.ratio, figures.goal, figures.rounds)?;
        if !figures.optimised {
            writeln!(out, "not a release build: these figures mean nothing")?;
        }
    }
    Ok(std::process::ExitCode::SUCCESS)
}

/// Files, or pairs of signatures, in one turn.
const TURN: u32 = 20;

fn verify(time: Duration) -> Result<Figures, Error> {
    let sample = Sample::make()?;
    let ask = Ask { at: sample.at, seal_only: false, catalogue: None };
    let limits = Limits::default();
    let verified = |file: &SealedFile, trust: &Trust| -> Result<(), Error> {
        let report = verify_ofd("bench.ofd", &file.bytes, trust, &ask, &limits);
        if report.verdict.passed() { Ok(()) } else { Err(report.to_text().into()) }
    };
    let mut spent = [Duration::ZERO; 3];
    let [first, again, floor] = &mut spent;
    let begun = Instant::now();
    let mut rounds = 0_u32;
    while begun.elapsed() < time || rounds == 0 {
        // Certificates and revocation list are known from another file; the seals of the turn are not.
        let trust = Trust::of(vec![sample.root.clone()], vec![sample.crl.clone()]);
        verified(&sample.other, &trust)?;
        for spent in [&mut *first, &mut *again] {
            let begun = Instant::now();
            for file in &sample.files {
                verified(file, &trust)?;
            }
            *spent += begun.elapsed();
        }
        let begun = Instant::now();
        for (key, message, signature) in sample.files.iter().flat_map(|file| &file.signatures) {
            key.verify(message, signature)?;
        }
        *floor += begun.elapsed();
        rounds += 1;
    }
    let [rate, known_seal_rate, floor] = spent.map(|spent| f64::from(rounds * TURN) / spent.as_secs_f64());
    Ok(Figures {
        bench: "verify",
        unit: "files/s",
        rate,
        floor,
        ratio: rate / floor,
        goal: 0.7,
        known_seal_rate,
        known_seal_ratio: known_seal_rate / floor,
        file_bytes: sample.other.bytes.len(),
        rounds: usize::try_from(rounds)?,
        optimised: !cfg!(debug_assertions),
    })
}

/// An OFD of about 35 kB under a seal of its own, and its two signatures by themselves. As in files of
/// the field, most of it is the seal, of about 17 kB, once in the stamp and once beside it.
struct SealedFile {
    bytes: Vec<u8>,
    signatures: Vec<(PublicKey, Vec<u8>, Signature)>,
}

/// Sealed files of one authority, one more, and what it takes to trust them.
struct Sample {
    files: Vec<SealedFile>,
    other: SealedFile,
    root: Certificate,
    crl: Crl,
    at: Timestamp,
}

impl Sample {
    fn make() -> Result<Self, Error> {
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
        let unsealed =
            write::pack(document().iter().map(|entry| (entry.name.as_str(), entry.data.as_slice())))?;
        let picture = Picture { kind: "PNG".to_owned(), data: noise(&random)?, width: 40, height: 40 };
        let sealed = |number: u32| -> Result<SealedFile, Error> {
            let spec = SealSpec {
                vendor: "licence-node".to_owned(),
                es_id: format!("12000000{number:06}"),
                kind: SealKind::Unit,
                name: "示例市场监督管理局".to_owned(),
                certs: CertList::Certificates(vec![owner.der().to_vec()]),
                created: at,
                valid_from: validity.not_before,
                valid_until: validity.not_after,
                picture: picture.clone(),
            };
            let seal = create(&spec, maker.der(), &maker_key)?;
            let area = MmBox { x: 140.0, y: 220.0, width: 40.0, height: 40.0 };
            let mark = Mark::Stamp { seal: &seal, place: Place::Within { page: 1, area }, time_stamp: None };
            let signing = Signing { certificate: owner.der(), signer: &owner_key, mark, at, lock: false };
            let bytes = sign(&unsealed, &signing, &Limits::default())?;
            let signatures = signatures(&bytes, maker_key.public_key(), owner_key.public_key())?;
            Ok(SealedFile { bytes, signatures })
        };
        let files = (1..=TURN).map(sealed).collect::<Result<_, _>>()?;
        let (other, root) = (sealed(0)?, root.certificate().clone());
        Ok(Self { files, other, root, crl, at: at.plus_secs(3600) })
    }
}

/// A PNG that does not compress, of about 15 kB, as the pictures of seals in the field are.
fn noise(random: &dyn Random) -> Result<Vec<u8>, Error> {
    const SIDE: u32 = 122;
    let mut pixels = Vec::new();
    while pixels.len() < usize::try_from(SIDE * SIDE)? {
        pixels.extend_from_slice(&random.bytes::<32>()?);
    }
    pixels.truncate(usize::try_from(SIDE * SIDE)?);
    let mut data = Vec::new();
    let mut encoder = png::Encoder::new(&mut data, SIDE, SIDE);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(data)
}

/// A page of text.
fn document() -> Vec<Entry> {
    let ns = "xmlns:ofd=\"http://www.ofdspec.org/2016\"";
    let mut text = String::new();
    for line in 0..20 {
        let y = 10 + line * 8;
        text.push_str(&format!(
            "<ofd:TextObject ID=\"{}\" Boundary=\"20 {y} 170 4\" Font=\"3\" Size=\"3\"><ofd:TextCode X=\"0\" Y=\"3\">示例证照第{line}行</ofd:TextCode></ofd:TextObject>",
            line + 10
        ));
    }
    let part = |name: &str, text: String| Entry { name: name.to_owned(), data: text.into_bytes() };
    vec![
        part(
            "OFD.xml",
            format!(
                "<ofd:OFD {ns} Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>0123456789abcdef0123456789abcdef</ofd:DocID></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
            ),
        ),
        part(
            "Doc_0/Document.xml",
            format!(
                "<ofd:Document {ns}><ofd:CommonData><ofd:MaxUnitID>100</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData><ofd:Pages><ofd:Page ID=\"1\" BaseLoc=\"Pages/Page_0/Content.xml\"/></ofd:Pages></ofd:Document>"
            ),
        ),
        part(
            "Doc_0/PublicRes.xml",
            format!(
                "<ofd:Res {ns} BaseLoc=\"Res\"><ofd:Fonts><ofd:Font ID=\"3\" FontName=\"宋体\"/></ofd:Fonts></ofd:Res>"
            ),
        ),
        part(
            "Doc_0/Pages/Page_0/Content.xml",
            format!(
                "<ofd:Page {ns}><ofd:Content><ofd:Layer ID=\"2\">{text}</ofd:Layer></ofd:Content></ofd:Page>"
            ),
        ),
    ]
}

/// The seal's and the stamp's signature, each with its key and the bytes under it.
fn signatures(
    file: &[u8],
    maker: &PublicKey,
    owner: &PublicKey,
) -> Result<Vec<(PublicKey, Vec<u8>, Signature)>, Error> {
    let package = licence_seal::ofd::Package::open(file, &Limits::default())?;
    let value = package.names().find(|name| name.ends_with("SignedValue.dat")).ok_or("no signature")?;
    let stamp = Stamp::from_der(package.get(value).unwrap_or_default())?;
    Ok(vec![
        (maker.clone(), stamp.seal.signed.clone(), Signature::from_der(&stamp.seal.signature)?),
        (owner.clone(), stamp.to_sign.clone(), Signature::from_der(&stamp.signature)?),
    ])
}
