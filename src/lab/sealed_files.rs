//! OFD files under seals of a test authority, as a verifier meets them.

use super::error::Error;
use licence_seal::crypto::{PrivateKey, PublicKey, Random, SeededRandom, Signature, Signer, Suite};
use licence_seal::licence::MmBox;
use licence_seal::ofd::{Entry, Limits, Mark, Package, Place, Signing, pack, sign};
use licence_seal::pki::issue::{Authority, Name, Profile, Request, Validity};
use licence_seal::pki::{Certificate, Crl};
use licence_seal::seal::ses::{CertList, Picture, SealKind, SealSpec, Stamp, create};
use licence_seal::time::Timestamp;

/// An OFD of about 35 kB under a seal of its own, and its two signatures by themselves. As in files of
/// the field, most of it is the seal, of about 17 kB, once in the stamp and once beside it.
pub struct SealedFile {
    pub bytes: Vec<u8>,
    pub signatures: Vec<(PublicKey, Vec<u8>, Signature)>,
}

/// Sealed files of one authority, one more, and what it takes to trust them.
pub struct SealedFiles {
    pub files: Vec<SealedFile>,
    pub other: SealedFile,
    pub root: Certificate,
    pub crl: Crl,
    pub at: Timestamp,
}

impl SealedFiles {
    /// `count` files, each under another seal.
    pub fn make(count: u32) -> Result<Self, Error> {
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
        let unsealed = pack(document().iter().map(|entry| (entry.name.as_str(), entry.data.as_slice())))?;
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
        let files = (1..=count).map(sealed).collect::<Result<_, _>>()?;
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
    let package = Package::open(file, &Limits::default())?;
    let value = package.names().find(|name| name.ends_with("SignedValue.dat")).ok_or("no signature")?;
    let stamp = Stamp::from_der(package.get(value).unwrap_or_default())?;
    Ok(vec![
        (maker.clone(), stamp.seal.signed.clone(), Signature::from_der(&stamp.seal.signature)?),
        (owner.clone(), stamp.to_sign.clone(), Signature::from_der(&stamp.signature)?),
    ])
}
