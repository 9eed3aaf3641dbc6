//! XML, paths and structure of the parts. All of it is signed: what is refused is what was signed.

use licence_seal::seal::SubIndication::{FormatFailure, SignedDataNotFound};

use super::world::{Entries, World, edit};
use super::{Case, Given};

const ROOT: &str = "OFD.xml";
const DOCUMENT: &str = "Doc_0/Document.xml";
const PAGE: &str = "Doc_0/Pages/Page_0/Content.xml";
const LIST: &str = "Doc_0/Signs/Signatures.xml";
const LAUGHS: &str = "<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>";

type Change = fn(&mut Entries);

/// What is wrong, words of the reason, and the change, made before it is signed.
const STRUCTURE: &[(&str, &str, Change)] = &[
    ("no OFD.xml", "OFD.xml is not in the package", |parts| drop(parts.remove(ROOT))),
    ("OFD.xml in another case", "OFD.xml is not in the package", |parts| {
        let bytes = parts.remove(ROOT).unwrap();
        parts.insert("ofd.xml".to_owned(), bytes);
    }),
    ("an empty OFD.xml", "not well formed", |parts| set(parts, ROOT, "")),
    ("OFD.xml of another root", "element OFD", |parts| edit(parts, ROOT, "ofd:OFD", "ofd:Ofd")),
    ("two roots", "second root", |parts| append(parts, ROOT, "<ofd:OFD/>")),
    ("text behind the root", "outside the root", |parts| append(parts, ROOT, "text")),
    ("a root that does not end", "ends inside", |parts| edit(parts, ROOT, "</ofd:OFD>", "")),
    ("ends that do not fit", "not well formed", |parts| edit(parts, ROOT, "</ofd:DocRoot>", "</ofd:X>")),
    ("an attribute twice", "not well formed", |parts| {
        edit(parts, ROOT, "DocType=\"OFD\"", "DocType=\"OFD\" DocType=\"OFD\"");
    }),
    ("an attribute twice under two prefixes", "stands twice", |parts| {
        edit(parts, ROOT, "DocType=\"OFD\"", "DocType=\"OFD\" ofd:DocType=\"X\"");
    }),
    ("an entity that nobody declares", "entity", |parts| edit(parts, ROOT, "示例证", "&x;")),
    ("an entity in a path", "entity", |parts| edit(parts, DOCUMENT, "PublicRes.xml", "&x;.xml")),
    ("a character that is none", "not well formed", |parts| edit(parts, ROOT, "示例证", "&#xffffffff;")),
    ("an element deeper than 64", "nested deeper", |parts| {
        let deep = format!("{}{}", "<a>".repeat(80), "</a>".repeat(80));
        edit(parts, DOCUMENT, "<ofd:MaxUnitID>", &format!("{deep}<ofd:MaxUnitID>"));
    }),
    ("a hundred thousand elements", "more than 100000 elements", |parts| {
        edit(parts, DOCUMENT, "<ofd:MaxUnitID>", &format!("{}<ofd:MaxUnitID>", "<a/>".repeat(100_001)));
    }),
    ("OFD.xml declared as GBK", "not UTF-8", |parts| edit(parts, ROOT, "\"UTF-8\"", "\"GBK\"")),
    ("OFD.xml with bytes that are not UTF-8", "not UTF-8", |parts| {
        parts.get_mut(ROOT).unwrap().splice(60..60, [0xb5, 0xda]);
    }),
    ("OFD.xml in UTF-16", "not UTF-8", |parts| utf16(parts, ROOT)),
    ("a page in UTF-16", "not UTF-8", |parts| utf16(parts, PAGE)),
    ("a page declared as UTF-7", "not UTF-8", |parts| edit(parts, PAGE, "\"UTF-8\"", "'UTF-7'")),
    ("a page with bytes that are not UTF-8", "not UTF-8", |parts| {
        parts.get_mut(PAGE).unwrap().splice(60..60, [0xb5, 0xda]);
    }),
    ("no document", "names no document", |parts| edit(parts, ROOT, "ofd:DocBody", "ofd:DocBodies")),
    ("a document without a root", "names no document", |parts| {
        edit(parts, ROOT, "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot>", "<ofd:DocRoot/>");
    }),
    ("a document that is not there", "leads to no entry", |parts| drop(parts.remove(DOCUMENT))),
    ("a document above the package", "leads to no entry", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "../Doc_0/Document.xml");
    }),
    ("a document at an address", "leads to no entry", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "file:///Doc_0/Document.xml");
    }),
    ("a document under a backslash", "leads to no entry", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "Doc_0\\Document.xml");
    }),
    ("a document in another case", "leads to no entry", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "doc_0/document.xml");
    }),
    ("OFD.xml as its own document", "element Document", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "OFD.xml");
    }),
    ("a picture as the document", "not UTF-8", |parts| {
        edit(parts, ROOT, "Doc_0/Document.xml", "Doc_0/Res/picture.png");
    }),
    ("a document without pages", "list of pages", |parts| {
        edit(parts, DOCUMENT, "ofd:Pages", "ofd:Sheets");
    }),
    ("a page that is not there", "leads to no entry", |parts| drop(parts.remove(PAGE))),
    ("a page without a place", "leads to no entry", |parts| {
        edit(parts, DOCUMENT, "BaseLoc=\"Pages/Page_0/Content.xml\"", "");
    }),
    ("a page above the package", "leads to no entry", |parts| {
        edit(parts, DOCUMENT, "\"Pages/Page_0/Content.xml\"", "\"../../x/Content.xml\"");
    }),
    ("a list of attachments that is not there", "leads to no entry", |parts| {
        drop(parts.remove("Doc_0/Attachs/Attachments.xml"));
    }),
    ("a list of attachments that is something else", "element Attachments", |parts| {
        set(parts, "Doc_0/Attachs/Attachments.xml", "<ofd:Pages/>");
    }),
    ("a list of signatures that is not there", "leads to no entry", |parts| {
        edit(parts, ROOT, "/Doc_0/Signs/Signatures.xml", "/Doc_0/Signs/Others.xml");
    }),
];

/// Parts that may not declare a document type, whatever it says.
const DECLARES: &[(&str, &str)] = &[
    (ROOT, "<!DOCTYPE OFD>"),
    (DOCUMENT, "<!DOCTYPE a [<!ENTITY x 'y'>]>"),
    (PAGE, LAUGHS),
    ("Doc_0/Pages/Page_1/Content.xml", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>"),
    ("Doc_0/Tpls/Tpl_0/Content.xml", "<!DOCTYPE a SYSTEM 'http://example.org/a.dtd'>"),
    ("Doc_0/DocumentRes.xml", "<!doctype a>"),
    ("Doc_0/PublicRes.xml", "<!DOCTYPE a PUBLIC '-//x' 'y'>"),
    ("Doc_0/Annots/Page_0/Annotation.xml", "<!DOCTYPE a [<!ENTITY % x SYSTEM 'y'> %x;]>"),
    ("Doc_0/Attachs/Attachments.xml", "<!DOCTYPE a>"),
    ("Doc_0/Tags/Tag_0.xml", "<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]>"),
];

pub fn cases(world: &World) -> Vec<Case> {
    let sealed = |change: &dyn Fn(&mut Entries)| {
        Given::ofd(&world.sealed_with(|parts| change(parts), |text| text, |_| ()))
    };
    let structure =
        |name: String, why: &str, given| Case::failed(name, "ofd.structure", FormatFailure, why, given);
    let mut cases: Vec<Case> = STRUCTURE
        .iter()
        .map(|(name, why, change)| structure((*name).to_owned(), why, sealed(change)))
        .collect();
    for (part, declaration) in DECLARES {
        let given = sealed(&|parts| declare(parts, part, declaration));
        cases.push(structure(format!("a document type in {part}"), "document type", given));
    }
    for (name, part) in [
        ("a document type in the list of signatures", LIST),
        ("a document type in Signature.xml", "Doc_0/Signs/Sign_0/Signature.xml"),
    ] {
        let mut entries = world.sealed();
        declare(&mut entries, part, LAUGHS);
        cases.push(structure(name.to_owned(), "document type", Given::ofd(&entries)));
    }
    // A page need not be called *.xml.
    let elsewhere = |parts: &mut Entries| {
        let page = parts.remove(PAGE).unwrap();
        parts.insert("Doc_0/Pages/page".to_owned(), page);
        edit(parts, DOCUMENT, "\"Pages/Page_0/Content.xml\"", "\"Pages/page\"");
    };
    for (name, why, change) in [
        (
            "a document type in a page of another ending",
            "document type",
            (|parts| {
                declare(parts, "Doc_0/Pages/page", LAUGHS);
            }) as Change,
        ),
        ("a page of another ending in UTF-16", "not UTF-8", |parts| utf16(parts, "Doc_0/Pages/page")),
        (
            "a page of another ending that begins with white space, then a document type",
            "document type",
            |parts| {
                set(parts, "Doc_0/Pages/page", &format!("\n {LAUGHS}<Page>&c;</Page>"));
            },
        ),
    ] {
        let given = sealed(&|parts| {
            elsewhere(parts);
            change(parts);
        });
        cases.push(structure(name.to_owned(), why, given));
    }
    for name in ["Encryptions.xml", "Doc_0/Encryptions.xml", "ENCRYPTIONS.XML"] {
        let mut entries = world.sealed();
        entries.insert(name.to_owned(), b"<ofd:Encryptions/>".to_vec());
        let given = Given::ofd(&entries);
        cases.push(Case::open(format!("{name} is there"), "ofd.encryption", SignedDataNotFound, name, given));
    }
    cases
}

fn set(parts: &mut Entries, part: &str, text: &str) {
    parts.insert(part.to_owned(), text.as_bytes().to_vec());
}

fn append(parts: &mut Entries, part: &str, text: &str) {
    parts.get_mut(part).unwrap().extend(text.as_bytes());
}

/// Behind the XML declaration.
fn declare(parts: &mut Entries, part: &str, declaration: &str) {
    edit(parts, part, "?>\n<", &format!("?>\n{declaration}<"));
}

fn utf16(parts: &mut Entries, part: &str) {
    let text = String::from_utf8(parts[part].clone()).unwrap().replace("UTF-8", "UTF-16");
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    parts.insert(part.to_owned(), units.flat_map(u16::to_le_bytes).collect());
}
