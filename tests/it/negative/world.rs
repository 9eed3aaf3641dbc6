//! A small city of its own for the corpus, and the good files that the cases start from.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use licence_seal::crypto::{PrivateKey, Secret, SeededRandom, Signer, Suite, sha256};
use licence_seal::licence::{Catalogue, Record, State};
use licence_seal::ofd::{Limits, Mark, Place, licence_ofd, sign};
use licence_seal::pki::issue::{self, Authority, Name, Profile, Request, Validity};
use licence_seal::pki::{Certificate, Crl, RevocationReason};
use licence_seal::seal::{
    Issuer, IssuerList, NodeBinding, SaltKey, SaltKeyId, SealBinding, SealImpression, SealedBatch,
    SealedLicence, SealingKey, StatusStatement, Trust, Voice, ses,
};
use licence_seal::time::Timestamp;

use super::der::{self, SealParts, StampParts};
use super::zips::Zip;
use crate::child;

pub const DAY: i64 = 86_400;
pub const REGION: &str = "120000";

/// When everything is sealed.
pub fn sealed_at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-23T12:05:06+08:00").unwrap()
}

/// When everything is asked.
pub fn asked_at() -> Timestamp {
    sealed_at().plus_secs(3600)
}

/// The parts of an OFD by name.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// The same key for the same seed while the tests run.
pub fn key(suite: Suite, seed: &str) -> &'static PrivateKey {
    type Keys = Mutex<HashMap<(Suite, String), &'static PrivateKey>>;
    static KEYS: LazyLock<Keys> = LazyLock::new(Keys::default);
    let make = || {
        let der = PrivateKey::generate(suite, &SeededRandom::new(seed)).unwrap();
        Box::leak(Box::new(PrivateKey::from_pkcs8(&der).unwrap()))
    };
    KEYS.lock().unwrap().entry((suite, seed.to_owned())).or_insert_with(|| make())
}

pub fn sm2(seed: &str) -> &'static PrivateKey {
    key(Suite::Sm2Sm3, seed)
}

pub struct World {
    pub root: Authority<'static>,
    pub maker: Certificate,
    pub owner: Certificate,
    /// May sign, but with no seal.
    pub stranger: Certificate,
    /// Signs without a seal; it is itself among what is trusted.
    pub plain: Certificate,
    pub node: Certificate,
    pub directory: Certificate,
    pub attest: Certificate,
    pub seal: Vec<u8>,
    pub attestation_seal: Vec<u8>,
    salt_key: SaltKey,
}

impl World {
    pub fn shared() -> &'static Self {
        static MADE: OnceLock<World> = OnceLock::new();
        MADE.get_or_init(Self::new)
    }

    /// Ten years, the sealing in the first.
    pub fn validity() -> Validity {
        Validity::days(Timestamp::parse_rfc3339("2026-01-01T00:00:00+08:00").unwrap(), 3650)
    }

    fn new() -> Self {
        let random = SeededRandom::new("corpus root");
        let name = Name::new("示例证书机构");
        let root = Authority::self_signed(&name, Self::validity(), sm2("root"), &random).unwrap();
        let issue = |seed: &str, profile| issue_by(&root, seed, sm2(seed), Self::validity(), profile);
        let mut world = Self {
            maker: issue("maker", Profile::SealMaker),
            owner: issue("owner", Profile::SealOwner),
            stranger: issue("stranger", Profile::SealOwner),
            plain: issue("plain", Profile::SealOwner),
            node: issue("node", Profile::NodeSigning),
            directory: issue("directory", Profile::Directory),
            attest: issue("attest", Profile::SealOwner),
            seal: Vec::new(),
            attestation_seal: Vec::new(),
            salt_key: SaltKey::new(SaltKeyId("corpus".into()), &Secret::from_bytes([7; 32])),
            root,
        };
        world.seal = world.seal_with(|_| ());
        world.attestation_seal = world.seal_with(|seal| {
            seal.number = der::ia5("12000000000002");
            seal.list = der::seq(&[&der::octets(world.attest.der())]);
        });
        world
    }

    /// A certificate of the root.
    pub fn issue(&self, seed: &str, validity: Validity, profile: Profile) -> Certificate {
        issue_by(&self.root, seed, sm2(seed), validity, profile)
    }

    pub fn crl(&self, revoked: &[issue::Revocation<'_>]) -> Crl {
        let from = Self::validity().not_before;
        self.root.crl(revoked, 1, from, sealed_at().plus_secs(7 * DAY)).unwrap()
    }

    pub fn crl_with(&self, certificate: &Certificate, at: Timestamp, reason: RevocationReason) -> Crl {
        self.crl(&[issue::Revocation { certificate, at, reason }])
    }

    /// The root, the plain signer, and a fresh list.
    pub fn trust(&self) -> Trust {
        self.trust_with(vec![self.crl(&[])])
    }

    pub fn trust_with(&self, crls: Vec<Crl>) -> Trust {
        Trust::of(vec![self.root.certificate().clone(), self.plain.clone()], crls)
    }

    pub fn seal_parts(&self) -> SealParts {
        let Validity { not_before, not_after } = Self::validity();
        let picture = ses::draw("示例局", None).unwrap().picture();
        SealParts {
            header: der::seq(&[&der::ia5("ES"), &der::int(4), &der::ia5("example")]),
            number: der::ia5("12000000000001"),
            kind: der::int(1),
            name: der::utf8("示例局"),
            list_kind: der::int(1),
            list: der::seq(&[&der::octets(self.owner.der())]),
            created: der::time(not_before),
            from: der::time(not_before),
            until: der::time(not_after),
            picture: der::seq(&[
                &der::ia5("PNG"),
                &der::octets(&picture.data),
                &der::int(picture.width),
                &der::int(picture.height),
            ]),
            extensions: Vec::new(),
            certificate: self.maker.der().to_vec(),
            algorithm: der::oid(der::SM2_WITH_SM3),
            signer: sm2("maker"),
            value: None,
            after: Vec::new(),
        }
    }

    pub fn seal_with(&self, change: impl FnOnce(&mut SealParts)) -> Vec<u8> {
        let mut parts = self.seal_parts();
        change(&mut parts);
        parts.build()
    }

    /// A stamp of the owner on `data`.
    pub fn stamp_parts(&self, data: &[u8], property: &str) -> StampParts {
        StampParts {
            version: der::int(4),
            seal: self.seal.clone(),
            time: der::time(sealed_at()),
            data_hash: der::bits(&Suite::Sm2Sm3.hash(&[data])),
            property: der::ia5(property),
            extensions: Vec::new(),
            certificate: self.owner.der().to_vec(),
            algorithm: der::oid(der::SM2_WITH_SM3),
            signer: sm2("owner"),
            value: None,
            after: Vec::new(),
        }
    }

    /// The parts of a document of two pages that has a template, resources, an annotation, an
    /// attachment and a data index; nobody signed it.
    pub fn unsigned() -> Entries {
        let part = |root: &str, inside: &str| {
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:{root} xmlns:ofd=\"http://www.ofdspec.org/2016\"{inside}</ofd:{root}>").into_bytes()
        };
        let page = |text: &str| {
            part(
                "Page",
                &format!(
                    "><ofd:Template TemplateID=\"9\"/><ofd:Content><ofd:Layer ID=\"20\"><ofd:ImageObject ID=\"21\" Boundary=\"9 9 9 9\" ResourceID=\"4\"/><ofd:TextObject ID=\"22\" Boundary=\"1 1 90 9\" Font=\"3\" Size=\"5\"><ofd:TextCode X=\"0\" Y=\"5\">{text}</ofd:TextCode></ofd:TextObject></ofd:Layer></ofd:Content>"
                ),
            )
        };
        [
            ("OFD.xml", part("OFD", " Version=\"1.1\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo><ofd:DocID>0123456789abcdef0123456789abcdef</ofd:DocID><ofd:CustomDatas><ofd:CustomData Name=\"ZZMC\">示例证</ofd:CustomData></ofd:CustomDatas></ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot><ofd:Signatures>/Doc_0/Signs/Signatures.xml</ofd:Signatures></ofd:DocBody>")),
            ("Doc_0/Document.xml", part("Document", "><ofd:CommonData><ofd:MaxUnitID>99</ofd:MaxUnitID><ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea><ofd:PublicRes>PublicRes.xml</ofd:PublicRes><ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes><ofd:TemplatePage ID=\"9\" BaseLoc=\"Tpls/Tpl_0/Content.xml\"/></ofd:CommonData><ofd:Pages><ofd:Page ID=\"1\" BaseLoc=\"Pages/Page_0/Content.xml\"/><ofd:Page ID=\"2\" BaseLoc=\"Doc_0/Pages/Page_1/Content.xml\"/></ofd:Pages><ofd:Annotations>Annots/Annotations.xml</ofd:Annotations><ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments><ofd:CustomTags>Tags/CustomTags.xml</ofd:CustomTags>")),
            ("Doc_0/PublicRes.xml", part("Res", " BaseLoc=\"Res\"><ofd:Fonts><ofd:Font ID=\"3\" FontName=\"宋体\"/></ofd:Fonts>")),
            ("Doc_0/DocumentRes.xml", part("Res", " BaseLoc=\"Res\"><ofd:MultiMedias><ofd:MultiMedia ID=\"4\" Type=\"Image\"><ofd:MediaFile>picture.png</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias>")),
            ("Doc_0/Res/picture.png", ses::draw("示例图", None).unwrap().picture().data),
            ("Doc_0/Tpls/Tpl_0/Content.xml", part("Page", "><ofd:Content/>")),
            ("Doc_0/Pages/Page_0/Content.xml", page("准予 100 元")),
            ("Doc_0/Pages/Page_1/Content.xml", page("第二页")),
            ("Doc_0/Annots/Annotations.xml", part("Annotations", "><ofd:Page PageID=\"1\"><ofd:FileLoc>Page_0/Annotation.xml</ofd:FileLoc></ofd:Page>")),
            ("Doc_0/Annots/Page_0/Annotation.xml", part("PageAnnot", "><ofd:Annot ID=\"30\" Type=\"Watermark\"/>")),
            ("Doc_0/Attachs/Attachments.xml", part("Attachments", "><ofd:Attachment ID=\"40\" Name=\"note\"><ofd:FileLoc>note.txt</ofd:FileLoc></ofd:Attachment>")),
            ("Doc_0/Attachs/note.txt", "附注".as_bytes().to_vec()),
            ("Doc_0/Tags/CustomTags.xml", part("CustomTags", "><ofd:CustomTag NameSpace=\"urn:example\"><ofd:FileLoc>Tag_0.xml</ofd:FileLoc></ofd:CustomTag>")),
            ("Doc_0/Tags/Tag_0.xml", part("Index", "><ofd:Datum Name=\"ZZMC\"><ofd:ObjectRef PageRef=\"1\">22</ofd:ObjectRef></ofd:Datum>")),
        ]
        .map(|(name, data)| (name.to_owned(), data))
        .into()
    }

    /// One stamp on that document.
    pub fn sealed(&self) -> Entries {
        self.sealed_with(|_| (), |text| text, |_| ())
    }

    /// Likewise with the parts, the text of `Signature.xml` and the stamp changed before each is signed.
    pub fn sealed_with(
        &self,
        parts: impl FnOnce(&mut Entries),
        text: impl FnOnce(String) -> String,
        stamp: impl FnOnce(&mut StampParts),
    ) -> Entries {
        let mut entries = Self::unsigned();
        parts(&mut entries);
        self.stamp(&mut entries, &[], text, stamp);
        entries
    }

    /// Adds a stamp that covers everything but the list, itself, and `leave`.
    pub fn stamp(
        &self,
        entries: &mut Entries,
        leave: &[&str],
        text: impl FnOnce(String) -> String,
        stamp: impl FnOnce(&mut StampParts),
    ) {
        let folder = list(entries, "Seal");
        entries.entry(format!("{folder}/Seal.esl")).or_insert_with(|| self.seal.clone());
        let annot = "<ofd:StampAnnot ID=\"s2\" PageRef=\"1\" Boundary=\"150 230 40 40\"/>";
        let seal = format!("<ofd:Seal><ofd:BaseLoc>/{folder}/Seal.esl</ofd:BaseLoc></ofd:Seal>");
        let text = text(descriptor(entries, leave, &folder, &format!("{annot}{seal}")));
        let mut parts = self.stamp_parts(text.as_bytes(), &format!("/{folder}/Signature.xml"));
        stamp(&mut parts);
        entries.insert(format!("{folder}/Signature.xml"), text.into_bytes());
        entries.insert(format!("{folder}/SignedValue.dat"), parts.build());
    }

    /// Adds a signature without a seal by `signer`.
    pub fn sign_plainly(
        entries: &mut Entries,
        leave: &[&str],
        text: impl FnOnce(String) -> String,
        value: impl FnOnce(&[u8]) -> Vec<u8>,
    ) {
        let folder = list(entries, "Sign");
        let text = text(descriptor(entries, leave, &folder, "")).into_bytes();
        entries.insert(format!("{folder}/SignedValue.dat"), value(&text));
        entries.insert(format!("{folder}/Signature.xml"), text);
    }

    /// A stamp, and a signature without a seal after it.
    pub fn signed_twice(&self) -> Entries {
        let mut entries = self.sealed();
        Self::sign_plainly(&mut entries, &[], |text| text, plainly("plain"));
        entries
    }

    /// Tianjin's issuer list: the owner's seal for every type, the library's own, and the node.
    pub fn list(&self, issuer: &str) -> IssuerList {
        let from = Self::validity().not_before;
        let digest = |certificate: &Certificate| hex::encode(sha256(&[certificate.der()]));
        let bound = |certificate: &Certificate| SealBinding {
            certificate: digest(certificate),
            types: vec!["*".to_owned()],
            from,
            until: None,
        };
        IssuerList {
            region: REGION.to_owned(),
            issued: from,
            issuers: vec![Issuer {
                code: issuer.to_owned(),
                name: "示例局".into(),
                seals: vec![bound(&self.owner)],
            }],
            attestation: vec![bound(&self.attest)],
            nodes: vec![NodeBinding { certificate: digest(&self.node), from, until: None }],
        }
    }

    /// A trust folder with that list.
    pub fn licence_trust(&self, list: &IssuerList) -> Trust {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("anchors/root.der", self.root.certificate().der().to_vec()),
            ("directory/120000.der", self.directory.der().to_vec()),
            ("issuers/120000.jwt", list.sign(sm2("directory")).unwrap().into_bytes()),
            ("crl/root.crl", self.crl(&[]).der().to_vec()),
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        Trust::read(dir.path()).unwrap()
    }

    /// Three good records of one type and authority.
    pub fn records() -> &'static [Record] {
        static FOUND: OnceLock<Vec<Record>> = OnceLock::new();
        FOUND.get_or_init(|| {
            let day = asked_at().day();
            let good = |record: &Record| {
                record.state == State::Valid
                    && record.fields.len() >= 3
                    && record.valid_until.is_some()
                    && record.state.effective(record.valid_from, record.valid_until, day).is_good()
            };
            let all: Vec<Record> = child::records(11, 0..3_000).into_iter().filter(good).collect();
            let same = |one: &Record, other: &Record| {
                one.type_code == other.type_code && one.issuer_code == other.issuer_code
            };
            let of_a_kind = |first: &Record| all.iter().filter(|other| same(first, other)).count() >= 3;
            let first = all.iter().find(|first| of_a_kind(first)).unwrap();
            all.iter().filter(|other| same(first, other)).take(3).cloned().collect()
        })
    }

    fn batch(&self, voice: Voice, seed: &str) -> (SealedBatch, SealImpression) {
        let (seal, certificate, signer) = match voice {
            Voice::Issuer => (&self.seal, &self.owner, "owner"),
            Voice::Attestation => (&self.attestation_seal, &self.attest, "attest"),
        };
        let signer = sm2_arc(signer);
        let impression =
            SealImpression { seal: seal.as_slice().into(), certificate: certificate.der().into() };
        let key = SealingKey::new(impression, signer, voice).unwrap();
        let (catalogue, random) = (Catalogue::embedded().unwrap(), SeededRandom::new(seed));
        SealedBatch::seal(Self::records().to_vec(), catalogue, &key, &self.salt_key, sealed_at(), &random)
            .unwrap()
    }

    /// The second of three licences of a batch, all fields shown, without a status.
    pub fn bare_licence(&self, voice: Voice, seed: &str) -> SealedLicence {
        let (batch, impression) = self.batch(voice, seed);
        let catalogue = Catalogue::embedded().unwrap();
        batch.licence(1, catalogue, &impression, &self.salt_key, &|_| true).unwrap()
    }

    pub fn statement(&self, licence: &SealedLicence) -> StatusStatement {
        StatusStatement {
            iss: REGION.to_owned(),
            id: licence.payload.id.clone(),
            state: State::Valid,
            as_of: asked_at(),
            next_update: asked_at().plus_secs(DAY),
        }
    }

    pub fn say(&self, statement: &StatusStatement) -> String {
        statement.sign(sm2("node"), self.node.der()).unwrap()
    }

    /// With a fresh statement that it is valid.
    pub fn licence(&self) -> SealedLicence {
        static MADE: OnceLock<SealedLicence> = OnceLock::new();
        let make = || {
            let licence = self.bare_licence(Voice::Issuer, "batch");
            let status = Some(self.say(&self.statement(&licence)));
            SealedLicence { status, ..licence }
        };
        MADE.get_or_init(make).clone()
    }

    /// A licence drawn as an OFD by the product itself, with the sealed licence in it, and sealed.
    pub fn licence_ofd(&self, licence: &SealedLicence) -> Vec<u8> {
        let kind = Catalogue::embedded().unwrap().find(&licence.payload.type_code).unwrap();
        let file = licence_ofd(licence, kind, sealed_at().day()).unwrap().file;
        let mark = Mark::Stamp { seal: &self.seal, place: Place::LowerRight { page: 1 }, time_stamp: None };
        let signing = licence_seal::ofd::Signing {
            certificate: self.owner.der(),
            signer: sm2("owner"),
            mark,
            at: sealed_at(),
            lock: false,
        };
        sign(&file, &signing, &Limits::default()).unwrap()
    }
}

fn sm2_arc(seed: &str) -> Arc<dyn Signer> {
    let der = PrivateKey::generate(Suite::Sm2Sm3, &SeededRandom::new(seed)).unwrap();
    Arc::new(PrivateKey::from_pkcs8(&der).unwrap())
}

pub fn issue_by(
    by: &Authority<'_>,
    seed: &str,
    key: &PrivateKey,
    validity: Validity,
    profile: Profile,
) -> Certificate {
    let name = Name::new(&format!("示例 {seed}"));
    let request = Request { name: &name, key: key.public_key(), validity, profile };
    by.issue(&request, &SeededRandom::new(&format!("corpus {seed}"))).unwrap()
}

/// A signature value as `SignedValue.dat` of a plain signature.
pub fn plainly(seed: &'static str) -> impl Fn(&[u8]) -> Vec<u8> {
    move |text| sm2(seed).sign(text).unwrap().to_der()
}

/// Adds a signature to the list; gives its folder.
fn list(entries: &mut Entries, kind: &str) -> String {
    const LIST: &str = "Doc_0/Signs/Signatures.xml";
    let empty = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:Signatures xmlns:ofd=\"http://www.ofdspec.org/2016\"></ofd:Signatures>";
    let text = entries.get(LIST).map_or(empty, |bytes| std::str::from_utf8(bytes).unwrap());
    let n = text.matches("<ofd:Signature ").count();
    let folder = format!("Doc_0/Signs/Sign_{n}");
    let one = format!("<ofd:Signature ID=\"{n}\" Type=\"{kind}\" BaseLoc=\"/{folder}/Signature.xml\"/>");
    let text = text.replace("</ofd:Signatures>", &format!("{one}</ofd:Signatures>"));
    entries.insert(LIST.to_owned(), text.into_bytes());
    folder
}

/// `Signature.xml` over all parts but the list and `leave`.
fn descriptor(entries: &Entries, leave: &[&str], folder: &str, more: &str) -> String {
    let covered = |name: &str| !name.ends_with("Signatures.xml") && !leave.contains(&name);
    let references: String = entries
        .iter()
        .filter(|(name, _)| covered(name))
        .map(|(name, data)| {
            let digest = STANDARD.encode(Suite::Sm2Sm3.hash(&[data]));
            format!(
                "<ofd:Reference FileRef=\"/{name}\"><ofd:CheckValue>{digest}</ofd:CheckValue></ofd:Reference>"
            )
        })
        .collect();
    let time = sealed_at().generalized();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ofd:Signature xmlns:ofd=\"http://www.ofdspec.org/2016\"><ofd:SignedInfo><ofd:Provider ProviderName=\"example\"/><ofd:SignatureMethod>1.2.156.10197.1.501</ofd:SignatureMethod><ofd:SignatureDateTime>{time}</ofd:SignatureDateTime><ofd:References CheckMethod=\"1.2.156.10197.1.401\">{references}</ofd:References>{more}</ofd:SignedInfo><ofd:SignedValue>/{folder}/SignedValue.dat</ofd:SignedValue></ofd:Signature>"
    )
}

/// As a file.
pub fn pack(entries: &Entries) -> Vec<u8> {
    zip(entries).build()
}

pub fn zip(entries: &Entries) -> Zip {
    Zip::of(entries.iter().map(|(name, data)| (name.as_str(), data.as_slice())))
}

/// Replaces text in a part; it must be there.
pub fn edit(entries: &mut Entries, part: &str, from: &str, to: &str) {
    let text = std::str::from_utf8(&entries[part]).unwrap();
    assert!(text.contains(from), "{part} has no {from}");
    let text = text.replace(from, to);
    entries.insert(part.to_owned(), text.into_bytes());
}
