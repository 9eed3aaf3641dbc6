//! A document as the parts of an OFD package (GB/T 33190-2016), and the package as a ZIP.
//!
//! The same document always gives the same bytes: parts in a fixed order, every time in the ZIP is
//! the earliest that it knows, nothing is drawn from chance. Metadata stand twice, as the national
//! licence standards are seen to have them: in `CustomDatas` of the document's head for programs that
//! read only that, and as a data index in `Tags/` that points at the objects which show each datum.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use quick_xml::escape::escape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::OfdError;
use super::archive::Entry;
use super::page::{DECLARATION, Drawing, Font, NAMESPACE, mm};
use super::settings::{Limits, RATIO_FLOOR};
use crate::crypto::CryptoError;
use crate::pki::PkiError;
use crate::seal::SealError;
use crate::seal::ses::SesError;
use crate::time::{Day, Timestamp};

/// Why no OFD, or no signature on one, is made: a variant for each rule.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the licence is of type {licence}, not of the one to be drawn")]
    OtherType { licence: String },
    #[error("the sealed licence shows {0}, which its type does not have")]
    UnknownField(String),
    #[error("the sealed licence is not whole: {0}")]
    NotWhole(String),
    #[error("field {0} is no picture that can be drawn")]
    Picture(String),
    #[error("does not fit the page: {0}")]
    DoesNotFit(String),
    #[error("the annotation's \"{name}\" must have 1 to {most} characters")]
    Annotation { name: &'static str, most: usize },
    #[error("the copy would expire before it is made")]
    Expires,
    #[error("the file holds several documents; only one can be signed")]
    SeveralDocuments,
    #[error("signature {0} covers the list of signatures, so no other can be added")]
    Locked(String),
    #[error("{0} has a form into which nothing can be inserted")]
    Edit(String),
    #[error("the key is not the one of the certificate")]
    OtherKey,
    #[error("the certificate is valid from {from} until {until}")]
    CertificatePeriod { from: Timestamp, until: Timestamp },
    #[error("the certificate's key is not for signing documents")]
    KeyUsage,
    #[error("the seal fails {check}: {reason}")]
    Seal { check: &'static str, reason: String },
    #[error("the seal is of version {0}; stamps are made with version 4")]
    SealVersion(u32),
    #[error("the seal is valid from {from} until {until}")]
    SealPeriod { from: Timestamp, until: Timestamp },
    #[error("the certificate is not among those that may use the seal")]
    NotInSeal,
    #[error("the seal's picture has no size")]
    SealPicture,
    #[error("there is no page {0}")]
    NoSuchPage(usize),
    #[error("the seal would not lie on page {0}")]
    OffPage(usize),
    #[error("a straddling seal needs at least two pages")]
    StraddleOnePage,
    #[error("no time stamp: {0}")]
    TimeStamp(String),
    #[error("the package cannot be written: {0}")]
    Zip(String),
    #[error(transparent)]
    Read(#[from] OfdError),
    #[error(transparent)]
    Licence(#[from] SealError),
    #[error(transparent)]
    Ses(#[from] SesError),
    #[error(transparent)]
    Certificate(#[from] PkiError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Name space of the data index. Ours: the one of GB/T 36905 was not seen.
pub const INDEX_NAMESPACE: &str = "urn:licence-node:licence-index:v1";
/// Where the sealed licence lies in a package made here.
pub const ATTACHMENT: &str = "Doc_0/Attachs/sealed.licence.json";

/// A datum, and the objects that show it, each with the page that it stands on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indexed {
    /// Short name (`ZZBH`, `KZ_…`).
    pub name: String,
    /// Page identifier, object identifier.
    pub objects: Vec<(u32, u32)>,
}

/// All that a package made here holds, before it is sealed.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// 32 hexadecimal digits.
    pub id: String,
    pub title: String,
    pub created: Day,
    /// `CustomDatas`: short name and value.
    pub data: Vec<(String, String)>,
    pub drawing: Drawing,
    pub index: Vec<Indexed>,
    /// The sealed licence's bytes.
    pub attachment: Vec<u8>,
}

impl Document {
    /// The package, not sealed.
    pub fn pack(&self) -> Result<Vec<u8>, WriteError> {
        let entries = self.entries();
        pack(entries.iter().map(|entry| (entry.name.as_str(), entry.data.as_slice())))
    }

    /// The parts, `OFD.xml` first.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![
            part("OFD.xml", self.head()),
            part("Doc_0/Document.xml", self.body()),
            part("Doc_0/PublicRes.xml", fonts()),
        ];
        if !self.drawing.pictures.is_empty() {
            entries.push(part("Doc_0/DocumentRes.xml", self.pictures()));
        }
        for picture in &self.drawing.pictures {
            let name = format!("Doc_0/Res/{}", file_name(picture.id, picture.format));
            entries.push(Entry { name, data: picture.data.clone() });
        }
        for (at, page) in self.drawing.pages.iter().enumerate() {
            entries.push(part(&format!("Doc_0/Pages/Page_{at}/Content.xml"), page.to_xml()));
        }
        entries.extend([
            part(
                "Doc_0/Tags/CustomTags.xml",
                format!(
                    "{DECLARATION}<ofd:CustomTags {NAMESPACE}><ofd:CustomTag NameSpace=\"{INDEX_NAMESPACE}\">\
                     <ofd:FileLoc>Tag_Licence.xml</ofd:FileLoc></ofd:CustomTag></ofd:CustomTags>"
                ),
            ),
            part("Doc_0/Tags/Tag_Licence.xml", self.tags()),
            part("Doc_0/Attachs/Attachments.xml", self.attachments()),
            Entry { name: ATTACHMENT.to_owned(), data: self.attachment.clone() },
        ]);
        entries
    }

    fn head(&self) -> String {
        let datum = |(name, value): &(String, String)| {
            format!("<ofd:CustomData Name=\"{}\">{}</ofd:CustomData>", escape(name), escape(value))
        };
        format!(
            "{DECLARATION}<ofd:OFD {NAMESPACE} Version=\"1.0\" DocType=\"OFD\"><ofd:DocBody><ofd:DocInfo>\
             <ofd:DocID>{}</ofd:DocID><ofd:Title>{}</ofd:Title><ofd:CreationDate>{}</ofd:CreationDate>\
             <ofd:Creator>licence-node</ofd:Creator><ofd:CustomDatas>{}</ofd:CustomDatas></ofd:DocInfo>\
             <ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
            self.id,
            escape(&self.title),
            self.created,
            self.data.iter().map(datum).collect::<String>()
        )
    }

    fn body(&self) -> String {
        let pages = self.drawing.pages.iter().enumerate();
        let page = |(at, page): (usize, &super::page::Page)| {
            format!("<ofd:Page ID=\"{}\" BaseLoc=\"Pages/Page_{at}/Content.xml\"/>", page.id)
        };
        let resources = if self.drawing.pictures.is_empty() {
            ""
        } else {
            "<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>"
        };
        let size = self.drawing.pages.first().map_or((0.0, 0.0), |page| (page.width, page.height));
        format!(
            "{DECLARATION}<ofd:Document {NAMESPACE}><ofd:CommonData><ofd:MaxUnitID>{}</ofd:MaxUnitID>\
             <ofd:PageArea><ofd:PhysicalBox>0 0 {} {}</ofd:PhysicalBox></ofd:PageArea>\
             <ofd:PublicRes>PublicRes.xml</ofd:PublicRes>{resources}</ofd:CommonData><ofd:Pages>{}</ofd:Pages>\
             <ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments>\
             <ofd:CustomTags>Tags/CustomTags.xml</ofd:CustomTags></ofd:Document>",
            self.drawing.last_id(),
            mm(size.0),
            mm(size.1),
            pages.map(page).collect::<String>(),
        )
    }

    fn pictures(&self) -> String {
        let picture = |picture: &super::page::Picture| {
            format!(
                "<ofd:MultiMedia ID=\"{}\" Type=\"Image\" Format=\"{}\"><ofd:MediaFile>{}</ofd:MediaFile></ofd:MultiMedia>",
                picture.id,
                picture.format,
                file_name(picture.id, picture.format)
            )
        };
        let all: String = self.drawing.pictures.iter().map(picture).collect();
        format!(
            "{DECLARATION}<ofd:Res {NAMESPACE} BaseLoc=\"Res\"><ofd:MultiMedias>{all}</ofd:MultiMedias></ofd:Res>"
        )
    }

    fn tags(&self) -> String {
        let reference = |(page, object): &(u32, u32)| {
            format!("<ofd:ObjectRef PageRef=\"{page}\">{object}</ofd:ObjectRef>")
        };
        let datum = |Indexed { name, objects }: &Indexed| {
            let references: String = objects.iter().map(reference).collect();
            format!("<lic:{name}>{references}</lic:{name}>")
        };
        let all: String = self.index.iter().map(datum).collect();
        format!("{DECLARATION}<lic:Licence xmlns:lic=\"{INDEX_NAMESPACE}\" {NAMESPACE}>{all}</lic:Licence>")
    }

    fn attachments(&self) -> String {
        // `Size` is in kilobytes.
        format!(
            "{DECLARATION}<ofd:Attachments {NAMESPACE}><ofd:Attachment ID=\"1\" Name=\"sealed.licence.json\" \
             Format=\"json\" CreationDate=\"{}\" Size=\"{}\" Visible=\"true\"><ofd:FileLoc>sealed.licence.json</ofd:FileLoc>\
             </ofd:Attachment></ofd:Attachments>",
            self.created,
            mm(self.attachment.len() as f32 / 1024.0)
        )
    }
}

fn part(name: &str, xml: String) -> Entry {
    Entry { name: name.to_owned(), data: xml.into_bytes() }
}

fn file_name(id: u32, format: &str) -> String {
    format!("image_{id}.{}", if format == "JPEG" { "jpg" } else { "png" })
}

/// By name: a reader has these fonts, or one that takes their place.
fn fonts() -> String {
    let font = |font: Font, name: &str, family: &str| {
        format!(
            "<ofd:Font ID=\"{}\" FontName=\"{name}\" FamilyName=\"{family}\" Charset=\"unicode\"/>",
            font as u32
        )
    };
    format!(
        "{DECLARATION}<ofd:Res {NAMESPACE} BaseLoc=\"Res\"><ofd:Fonts>{}{}</ofd:Fonts></ofd:Res>",
        font(Font::Song, "宋体", "SimSun"),
        font(Font::Hei, "黑体", "SimHei")
    )
}

/// How an entry is packed: stored where it hardly shrinks, since every reader unpacks it again, and where
/// it shrinks so much that a reader takes it for a bomb, as a large blank picture does.
fn method(data: &[u8]) -> std::io::Result<CompressionMethod> {
    let mut counted = DeflateEncoder::new(Vec::new(), Compression::default());
    counted.write_all(data)?;
    let packed = counted.finish()?.len();
    let hardly = packed >= data.len() - data.len() / 8;
    let bomb = data.len() > RATIO_FLOOR && data.len() / Limits::default().ratio >= packed;
    Ok(if hardly || bomb { CompressionMethod::Stored } else { CompressionMethod::Deflated })
}

/// Packs entries, by name and content, into a ZIP.
pub fn pack<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, WriteError> {
    let options = SimpleFileOptions::default().last_modified_time(DateTime::DEFAULT).unix_permissions(0o644);
    let broken = |why: &dyn std::fmt::Display| WriteError::Zip(why.to_string());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        let method = method(data).map_err(|why| broken(&why))?;
        zip.start_file(name, options.compression_method(method)).map_err(|why| broken(&why))?;
        zip.write_all(data).map_err(|why| broken(&why))?;
    }
    zip.finish().map(Cursor::into_inner).map_err(|why| broken(&why))
}
