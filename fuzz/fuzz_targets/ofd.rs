//! Arbitrary bytes as an OFD, and as each part of one: never a panic, and without trust never a pass.
#![no_main]

use libfuzzer_sys::fuzz_target;
use licence_seal::ofd::{Limits, pack, verify_ofd};
use licence_seal::seal::{Ask, Trust};
use licence_seal::time::Timestamp;

/// A document with a stamp, as short as it can be; every part is there to be exchanged.
const PARTS: [(&str, &str); 8] = [
    (
        "OFD.xml",
        "<OFD><DocBody><DocRoot>d/Document.xml</DocRoot><Signatures>d/Signatures.xml</Signatures></DocBody></OFD>",
    ),
    (
        "d/Document.xml",
        "<Document><CommonData><DocumentRes>Res.xml</DocumentRes></CommonData><Pages><Page ID='1' BaseLoc='Page.xml'/></Pages><Attachments>Attachments.xml</Attachments></Document>",
    ),
    ("d/Res.xml", "<Res BaseLoc='Res'/>"),
    ("d/Page.xml", "<Page/>"),
    (
        "d/Attachments.xml",
        "<Attachments><Attachment Name='a.licence.json'><FileLoc>a.licence.json</FileLoc></Attachment></Attachments>",
    ),
    ("d/a.licence.json", "{}"),
    ("d/Signatures.xml", "<Signatures><Signature ID='1' Type='Seal' BaseLoc='Signature.xml'/></Signatures>"),
    (
        "d/Signature.xml",
        "<Signature><SignedInfo><References CheckMethod='SM3'><Reference FileRef='/OFD.xml'><CheckValue>AAAA</CheckValue></Reference></References><StampAnnot PageRef='1' Boundary='1 1 1 1'/></SignedInfo><SignedValue>Value.dat</SignedValue></Signature>",
    ),
];

fuzz_target!(|data: &[u8]| {
    let ask = Ask { at: Timestamp::from_secs(1_800_000_000), seal_only: false, catalogue: None };
    let (trust, limits) = (Trust::default(), Limits::default());
    let passed = |file: &[u8]| verify_ofd("fuzz", file, &trust, &ask, &limits).verdict.passed();
    assert!(!passed(data));
    // The first byte says which part the others are; the last choice is the stamp.
    let Some((which, content)) = data.split_first() else { return };
    let which = usize::from(*which) % (PARTS.len() + 1);
    let parts = PARTS
        .iter()
        .enumerate()
        .map(|(at, (name, text))| (*name, if at == which { content } else { text.as_bytes() }));
    let value = if which == PARTS.len() { content } else { b"value" };
    let Ok(file) = pack(parts.chain([("d/Value.dat", value)])) else { return };
    assert!(!passed(&file));
});
