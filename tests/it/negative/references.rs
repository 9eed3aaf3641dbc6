//! What a signature covers: every part changed, taken out, left out, or slipped in beside it.

use licence_seal::seal::SubIndication::{
    FormatFailure, HashFailure, NoSigningCertificateFound, SigConstraintsFailure,
};

use super::world::{Entries, World, edit, plainly};
use super::{Case, Given};

/// Parts whose absence is found when the document is read.
const NEEDED: [&str; 5] = [
    "Doc_0/Document.xml",
    "Doc_0/Pages/Page_0/Content.xml",
    "Doc_0/Pages/Page_1/Content.xml",
    "Doc_0/Attachs/Attachments.xml",
    "Doc_0/Attachs/note.txt",
];
const PAGE: &str = "Doc_0/Pages/Page_0/Content.xml";
const FORGED: &[u8] = b"<ofd:Page xmlns:ofd=\"http://www.ofdspec.org/2016\"><ofd:Content/></ofd:Page>";
const ESL: &str = "Doc_0/Signs/Sign_0/Seal.esl";

pub fn cases(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    let base = world.sealed();
    let changed = |change: &dyn Fn(&mut Entries)| {
        let mut entries = base.clone();
        change(&mut entries);
        Given::ofd(&entries)
    };
    let hash = |name: &str, why: &str, given| Case::failed(name, "references", HashFailure, why, given);
    let open =
        |name: &str, why: &str, given| Case::failed(name, "coverage", SigConstraintsFailure, why, given);

    for part in World::unsigned().keys() {
        let given = changed(&|entries| {
            let bytes = entries.get_mut(part).unwrap();
            // A space behind the last end tag, or behind whatever it is.
            bytes.push(b' ');
        });
        cases.push(hash(&format!("a space more in {part}"), part, given));
        if !NEEDED.contains(&part.as_str()) && part != "OFD.xml" {
            let given = changed(&|entries| drop(entries.remove(part)));
            cases.push(hash(&format!("{part} taken out"), "no longer in the package", given));
        }
        let mut entries = World::unsigned();
        world.stamp(&mut entries, &[part], |text| text, |_| ());
        cases.push(open(&format!("{part} not among the references"), part, Given::ofd(&entries)));
    }
    cases.extend([
        hash("another amount on the page", PAGE, changed(&|entries| edit(entries, PAGE, "100", "900"))),
        hash("two pages exchanged", PAGE, changed(&|entries| {
            let other = "Doc_0/Pages/Page_1/Content.xml";
            let (one, two) = (entries[PAGE].clone(), entries[other].clone());
            entries.insert(PAGE.to_owned(), two);
            entries.insert(other.to_owned(), one);
        })),
        hash("the licence's name in OFD.xml changed", "OFD.xml", changed(&|entries| {
            edit(entries, "OFD.xml", "示例证", "他人证");
        })),
        hash("a page more in the document", "Doc_0/Document.xml", changed(&|entries| {
            entries.insert("Doc_0/Pages/Page_2/Content.xml".to_owned(), FORGED.to_vec());
            let page = "<ofd:Page ID=\"3\" BaseLoc=\"Pages/Page_2/Content.xml\"/></ofd:Pages>";
            edit(entries, "Doc_0/Document.xml", "</ofd:Pages>", page);
        })),
        hash("an annotation more", "Annotations.xml", changed(&|entries| {
            entries.insert("Doc_0/Annots/Page_1/Annotation.xml".to_owned(), FORGED.to_vec());
            let more = "<ofd:Page PageID=\"2\"><ofd:FileLoc>Page_1/Annotation.xml</ofd:FileLoc></ofd:Page></ofd:Annotations>";
            edit(entries, "Doc_0/Annots/Annotations.xml", "</ofd:Annotations>", more);
        })),
        hash("the seal's file changed", ESL, changed(&|entries| {
            *entries.get_mut(ESL).unwrap().last_mut().unwrap() ^= 1;
        })),
        hash("the seal's file taken out", "no longer in the package", changed(&|entries| {
            drop(entries.remove(ESL));
        })),
        // The page is named from the root where the folder beside has nothing of that name. Whoever
        // puts something there has a reader show it.
        open("a page slipped in where the document looks first", "Doc_0/Doc_0/Pages", changed(&|entries| {
            entries.insert("Doc_0/Doc_0/Pages/Page_1/Content.xml".to_owned(), FORGED.to_vec());
        })),
        hash("a picture exchanged for another", "picture", changed(&|entries| {
            entries.insert("Doc_0/Res/picture.png".to_owned(), b"GIF89a".to_vec());
        })),
        open("a picture slipped in beside its list", "Doc_0/picture.png", changed(&|entries| {
            entries.insert("Doc_0/picture.png".to_owned(), b"GIF89a".to_vec());
        })),
    ]);

    // What only OFD.xml names, what only another reader would find, and what nobody can read.
    let body = |inside: &str| format!("{inside}</ofd:DocBody>");
    for (name, why, parts, leave) in [
        (
            "a version of the document not among the references",
            "Doc_0/Version.xml",
            &(|parts: &mut Entries| {
                let version = "<ofd:Versions><ofd:Version ID=\"1\" Current=\"true\" BaseLoc=\"Doc_0/Version.xml\"/></ofd:Versions>";
                edit(parts, "OFD.xml", "</ofd:DocBody>", &body(version));
                parts.insert("Doc_0/Version.xml".to_owned(), b"<DocVersion/>".to_vec());
            }) as &dyn Fn(&mut Entries),
            "Doc_0/Version.xml",
        ),
        (
            "the document of a version not among the references",
            "Doc_0/Other.xml",
            &|parts| {
                let version = "<ofd:Versions><ofd:Version BaseLoc=\"Doc_0/Version.xml\"/></ofd:Versions>";
                edit(parts, "OFD.xml", "</ofd:DocBody>", &body(version));
                let version = b"<DocVersion><DocRoot>Other.xml</DocRoot></DocVersion>";
                parts.insert("Doc_0/Version.xml".to_owned(), version.to_vec());
                parts.insert("Doc_0/Other.xml".to_owned(), b"<Document/>".to_vec());
            },
            "Doc_0/Other.xml",
        ),
        (
            "a cover not among the references",
            "cover.png",
            &|parts| {
                let cover = "<ofd:Cover>cover.png</ofd:Cover></ofd:DocInfo>";
                edit(parts, "OFD.xml", "</ofd:DocInfo>", cover);
                parts.insert("cover.png".to_owned(), b"GIF89a".to_vec());
            },
            "cover.png",
        ),
        (
            "a page slipped in where other readers look first",
            "Pages/Page_0/Content.xml",
            &|parts| drop(parts.insert("Pages/Page_0/Content.xml".to_owned(), FORGED.to_vec())),
            "Pages/Page_0/Content.xml",
        ),
        (
            "a list of resources that cannot be read, and a picture of it not among the references",
            "picture.png",
            &|parts| {
                let deep = format!("{}{}</ofd:MultiMedias>", "<a>".repeat(70), "</a>".repeat(70));
                edit(parts, "Doc_0/DocumentRes.xml", "</ofd:MultiMedias>", &deep);
            },
            "Doc_0/Res/picture.png",
        ),
    ] {
        let mut entries = World::unsigned();
        parts(&mut entries);
        world.stamp(&mut entries, &[leave], |text| text, |_| ());
        cases.push(open(name, why, Given::ofd(&entries)));
    }

    // The true page is changed, and the reference finds an unchanged copy instead.
    let mut entries = world.sealed_with(
        |_| (),
        |text| text.replace("\"/Doc_0/Pages/Page_0/Content.xml\"", &format!("\"{PAGE}\"")),
        |_| (),
    );
    let original = entries[PAGE].clone();
    entries.insert(format!("Doc_0/Signs/Sign_0/{PAGE}"), original);
    entries.insert(PAGE.to_owned(), FORGED.to_vec());
    cases.push(open("a reference led to a copy, and the page changed", PAGE, Given::ofd(&entries)));

    // A later signature claims a page as a file of its own, so that the first need not cover it.
    let slipped = "Doc_0/Doc_0/Pages/Page_1/Content.xml";
    for (name, from, to) in [
        ("a slipped-in page claimed as the seal of a later signature", "</ofd:SignedInfo>", {
            format!("<ofd:Seal><ofd:BaseLoc>/{slipped}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>")
        }),
        (
            "a slipped-in page claimed as the value of a later signature",
            "/Doc_0/Signs/Sign_1/SignedValue.dat",
            { format!("/{slipped}") },
        ),
    ] {
        let mut entries = base.clone();
        entries.insert(slipped.to_owned(), FORGED.to_vec());
        World::sign_plainly(&mut entries, &[], |text| text.replace(from, &to), plainly("plain"));
        cases.push(open(name, slipped, Given::ofd(&entries)));
    }
    let mut entries = World::unsigned();
    let seal = format!("<ofd:Seal><ofd:BaseLoc>/{PAGE}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>");
    let text = |text: String| text.replace("</ofd:SignedInfo>", &seal);
    World::sign_plainly(&mut entries, &[PAGE], text, plainly("plain"));
    cases.push(open("a page claimed as the seal of its own signature", PAGE, Given::ofd(&entries)));

    // The list of signatures under a signature, which was the last.
    let locked = || {
        let mut entries = World::unsigned();
        let list = "Doc_0/Signs/Signatures.xml";
        world.stamp(&mut entries, &[], |text| text, |_| ());
        let digest = licence_seal::crypto::Suite::Sm2Sm3.hash(&[&entries[list]]);
        let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
        let more = format!(
            "<ofd:Reference FileRef=\"/{list}\"><ofd:CheckValue>{digest}</ofd:CheckValue></ofd:Reference></ofd:References>"
        );
        let mut entries = World::unsigned();
        world.stamp(&mut entries, &[], |text| text.replace("</ofd:References>", &more), |_| ());
        entries
    };
    let mut entries = locked();
    World::sign_plainly(&mut entries, &[], |text| text, plainly("plain"));
    cases.push(hash(
        "a signature added to a list that was covered",
        "was added or taken out",
        Given::ofd(&entries),
    ));
    let mut entries = world.signed_twice();
    edit(&mut entries, "Doc_0/Signs/Signatures.xml", "ID=\"0\" Type=\"Seal\"", "ID=\"0\" Type=\"Sign\"");
    entries.remove("Doc_0/Signs/Sign_0/Signature.xml");
    cases.push(Case::failed(
        "the first of two signatures taken out",
        "ofd.signatures",
        FormatFailure,
        "leads to no entry",
        Given::ofd(&entries),
    ));
    let mut entries = world.signed_twice();
    entries.remove("Doc_0/Signs/Sign_0/Signature.xml");
    entries.remove("Doc_0/Signs/Sign_0/SignedValue.dat");
    let first = "<ofd:Signature ID=\"0\" Type=\"Seal\" BaseLoc=\"/Doc_0/Signs/Sign_0/Signature.xml\"/>";
    edit(&mut entries, "Doc_0/Signs/Signatures.xml", first, "");
    cases.push(hash(
        "the first of two signatures taken out, and out of the list",
        "no longer",
        Given::ofd(&entries),
    ));

    let mut entries = world.signed_twice();
    edit(&mut entries, "Doc_0/Signs/Signatures.xml", first, "");
    cases.push(open(
        "the first of two signatures taken out of the list alone",
        "no longer in the list: Doc_0/Signs/Sign_0/Signature.xml",
        Given::ofd(&entries),
    ));

    // Nothing is signed.
    let nothing = |name: &str, why: &str, entries: &Entries| {
        Case::open(name, "ofd.signatures", NoSigningCertificateFound, why, Given::ofd(entries))
    };
    let mut unsigned = World::unsigned();
    let list = "<ofd:Signatures>/Doc_0/Signs/Signatures.xml</ofd:Signatures>";
    edit(&mut unsigned, "OFD.xml", list, "");
    cases.push(nothing("a file without a list of signatures", "no signature", &unsigned));
    let mut stripped = base.clone();
    edit(&mut stripped, "OFD.xml", list, "");
    cases.push(nothing("a sealed file whose list is no longer named", "no signature", &stripped));
    let mut emptied = base.clone();
    emptied.insert("Doc_0/Signs/Signatures.xml".to_owned(), b"<Signatures/>".to_vec());
    cases.push(nothing("a list of signatures that was emptied", "no signature", &emptied));
    let second = world.sealed_with(
        |parts| {
            let body =
                "</ofd:DocBody><ofd:DocBody><ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot></ofd:DocBody>";
            edit(parts, "OFD.xml", "</ofd:DocBody>", body);
            let root = b"<Document><Pages><Page ID='1' BaseLoc='Page.xml'/></Pages></Document>";
            parts.insert("Doc_1/Document.xml".to_owned(), root.to_vec());
            parts.insert("Doc_1/Page.xml".to_owned(), b"<Page/>".to_vec());
        },
        |text| text,
        |_| (),
    );
    cases.push(nothing("a second document that nobody signed", "document 2 of 2", &second));
    cases
}
