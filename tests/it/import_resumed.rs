//! A resumed import wants the input that the interrupted one had, and says so by name.

use licence_node::exchange::import::{Format, ImportError, Importer, Options, Progress};
use licence_node::node::Node;
use licence_node::store::{Intake, LicenceReader};
use licence_seal::licence::Record;

use super::child::{self, Failing, Folder};

fn import(node: &Node, resume: bool, files: &[(&str, &[u8])]) -> Result<Progress, ImportError> {
    let options = Options { resume, refused: None };
    let mut importer = Importer::new(&node.exchange, &node.store, options, Box::new(|_| ()))?;
    for (name, content) in files {
        importer.file(name, Format::JsonLines, *content)?;
    }
    importer.finish()
}

/// The rule by which it is refused, and the sentence.
fn refused(node: &Node, files: &[(&str, &[u8])]) -> (String, String) {
    let why = import(node, true, files).unwrap_err();
    assert_eq!((why.is_refusal(), node.store.last_batch()), (true, 0));
    (why.rule().to_owned(), why.to_string())
}

#[test]
fn a_resume_with_other_files_or_another_content_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    folder.set("store", "import_checkpoint", 100);
    let node = folder.open();
    let records: Vec<Record> = child::records(11, 0..60);
    let (first, second) = records.split_at(55);
    // Lines are read a mebibyte at a time; the first of them is noted.
    let mut content = child::json_lines(first).into_bytes();
    for record in child::records(12, 0..2_000) {
        content.extend(record.to_json().to_string().bytes());
        content.push(b'\n');
    }
    assert!(content.len() > 3 << 19, "{}", content.len());
    let more = child::json_lines(second).into_bytes();

    let mut importer =
        Importer::new(&node.exchange, &node.store, Options::default(), Box::new(|_| ())).unwrap();
    let failed = importer.file("a.jsonl", Format::JsonLines, Failing(&content[..3 << 19]));
    assert!(failed.unwrap_err().to_string().contains("a.jsonl"));
    drop(importer);
    assert_eq!(import(&node, false, &[("a.jsonl", &content)]).unwrap_err().rule(), "store.importUnderWay");

    let (rule, said) = refused(&node, &[("b.jsonl", &content)]);
    assert!(rule == "import.otherFile" && said.contains("a.jsonl") && said.contains("b.jsonl"), "{said}");
    let mut changed = content.clone();
    changed[20] ^= 1;
    let mut longer = content.clone();
    longer.splice(0..0, b"\n\n\n".iter().copied());
    let mut shifted = content.clone();
    shifted.splice(0..content.len() / 3, []);
    for other in [&changed[..], &longer, &shifted, &content[..1000], b""] {
        let (rule, said) = refused(&node, &[("a.jsonl", other)]);
        assert!(rule == "import.otherContent" && said.contains("a.jsonl"), "{rule}: {said}");
    }
    let (rule, said) = refused(&node, &[]);
    assert!(rule == "import.otherFile" && said.contains("a.jsonl"), "{said}");

    // With what it had, and a file that had not been begun.
    let done = import(&node, true, &[("a.jsonl", &content), ("b.jsonl", &more)]).unwrap();
    assert_eq!(done.imported + done.refused, done.lines);
    assert_eq!(done.imported, 2_060 - done.refused);
    assert!(!Intake::abandon(&node.store).unwrap());
    for record in [&records[0], &records[59]] {
        assert_eq!(node.store.by_identifier(&record.identifier).unwrap().unwrap().record, *record);
    }
    node.close().unwrap();
}
