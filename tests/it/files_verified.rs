//! A file is sent in, and its verification report comes back.

use std::io::{Cursor, Write};
use std::sync::Arc;

use licence_seal::crypto::sha256;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{
    Actor, DATA, FILES, Plan, Reply, Town, actor, data_body, status_and_body, tianjin, town_with,
};

fn town() -> (Arc<Town>, Actor) {
    let town = tianjin();
    let operator = actor(&town, "operator");
    operator.grant("agency", json!({ "operations": ["data", "file"] }));
    (Arc::clone(&town), actor(&town, "agency"))
}

fn verdict(reply: &Reply) -> (&Value, &Value) {
    let report = &reply.ok().json["report"];
    (&report["kind"], &report["verdict"]["indication"])
}

/// The first check of a report that failed.
fn failed(reply: &Reply) -> String {
    let report = &reply.json["report"];
    let signatures = report["signatures"].as_array().into_iter().flatten();
    let checks = [&report["seal"]].into_iter().chain(signatures).flat_map(|one| one["checks"].as_array());
    let failed = checks.flatten().find(|check| check["outcome"] == "failed");
    failed.map(|check| check["name"].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[test]
fn what_the_node_hands_out_passes_and_the_log_keeps_digest_and_verdict() {
    let (town, agency) = town();
    let body = data_body(&town.subject().identifier);
    let (licence, copy) = (agency.data(&body).body.clone(), agency.file(&body).body.clone());
    let seal = std::fs::read(town.dir.join("seals/node/seal.esl")).unwrap();
    for (bytes, kind) in [(&licence, "licence"), (&copy, "ofd"), (&seal, "seal")] {
        let reply = agency.verify_file(bytes);
        assert_eq!(verdict(&reply), (&json!(kind), &json!("TOTAL_PASSED")), "{}", reply.text());
        assert_eq!(reply.json["code"], 0);
        let entry = reply.entry();
        assert_eq!(entry.entry.op, "verifyFile");
        let details = entry.details.unwrap();
        let digest = hex::encode(sha256(&[bytes]));
        assert_eq!(details.detail["file"], digest);
        assert_eq!(reply.json["report"]["file"], format!("sha256:{digest}"));
        assert_eq!(details.detail["verdict"], "TOTAL_PASSED");
        // What stands in the file does not go on record.
        assert!(details.identifiers.is_empty() && details.holder.is_empty() && details.fields.is_empty());
        let kept = serde_json::to_string(&details.detail).unwrap();
        assert!(!kept.contains(town.subject().identifier.as_str()));
    }
    // Known by what it is, whatever it is called.
    for media in ["application/ofd", "application/licence+json; charset=utf-8"] {
        let reply = agency.request("POST", FILES, Some(media), copy.clone(), None);
        assert_eq!(verdict(&reply), (&json!("ofd"), &json!("TOTAL_PASSED")));
    }
}

#[test]
fn a_file_that_was_changed_fails_by_the_check_that_found_it() {
    let (town, agency) = town();
    let body = data_body(&town.subject().identifier);
    let mut licence = agency.data(&body).body.clone();
    let at = licence.windows(13).position(|window| window == b"\"validFrom\":\"").unwrap() + 16;
    licence[at] = if licence[at] == b'1' { b'2' } else { b'1' };
    let reply = agency.verify_file(&licence);
    assert_eq!(verdict(&reply).1, "TOTAL_FAILED");
    assert_eq!(failed(&reply), "inclusion");
    assert_eq!(reply.entry().details.unwrap().detail["subIndication"], "HASH_FAILURE");

    // A part that is not under the package's checksums but under the seal.
    let copy = agency.file(&body).body.clone();
    let mut archive = zip::ZipArchive::new(Cursor::new(copy.as_slice())).unwrap();
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        let name = entry.name().unwrap().into_owned();
        written.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        if name.ends_with("Content.xml") {
            let page = String::from_utf8(bytes).unwrap();
            bytes = page.replace("仅供agency使用", "仅供bureau使用").into_bytes();
        }
        written.write_all(&bytes).unwrap();
    }
    let reply = agency.verify_file(&written.finish().unwrap().into_inner());
    assert_eq!(verdict(&reply), (&json!("ofd"), &json!("TOTAL_FAILED")));
    assert_eq!(failed(&reply), "references");

    let cut = &copy[..copy.len() - 1];
    let reply = agency.verify_file(cut);
    assert_eq!(verdict(&reply).1, "TOTAL_FAILED");
    assert_eq!(failed(&reply), "ofd.package");
}

#[test]
fn a_file_of_no_known_kind_is_refused_and_so_is_another_media_type() {
    let (town, agency) = town();
    for bytes in [b"".as_slice(), b"hello", b"%PDF-1.7", &[0x30, 0x03, 0x02, 0x01, 0x04]] {
        agency.verify_file(bytes).refused(400, "file.kind", 99);
    }
    for media in [None, Some("application/json"), Some("multipart/form-data; boundary=x"), Some("text/html")]
    {
        let reply = agency.request("POST", FILES, media, b"{}".to_vec(), None);
        reply.refused(415, "request.mediaType", 99);
    }
    agency.request("GET", FILES, None, Vec::new(), None).refused(404, "service.unknown", 2);
    for id in ["operator", "auditor", "authority"] {
        actor(&town, id).verify_file(b"{}").refused(403, "role", 99);
    }
}

#[test]
fn a_file_may_have_20_mib_and_every_other_body_one() {
    let (_town, agency) = town();
    let of = |size: usize| {
        let mut text = br#"{"payload","proof""#.to_vec();
        text.resize(size, b'{');
        text
    };
    assert_eq!(verdict(&agency.verify_file(&of(20 << 20))).1, "TOTAL_FAILED");
    agency.verify_file(&of((20 << 20) + 1)).refused(413, "request.tooLarge", 99);
    agency.send(DATA, of((1 << 20) + 1), None).refused(413, "request.tooLarge", 99);
}

#[test]
fn a_zip_bomb_is_told_by_its_ratio_and_costs_little() {
    let (_town, agency) = town();
    let mut bomb = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["OFD.xml", "Doc_0/Document.xml"] {
        bomb.start_file(name, SimpleFileOptions::default()).unwrap();
        for _ in 0..60 {
            bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
    }
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    let reply = agency.verify_file(&bomb);
    assert_eq!(verdict(&reply), (&json!("ofd"), &json!("TOTAL_FAILED")));
    assert_eq!(failed(&reply), "ofd.package");
}

fn head(agency: &Actor, length: usize, accept: &str) -> Vec<u8> {
    format!(
        "POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\n\
         Content-Type: application/ofd\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        agency.bearer()
    )
    .into_bytes()
}

#[test]
fn who_asks_for_a_page_gets_the_report_as_one() {
    let (town, agency) = town();
    let file = agency.file(&data_body(&town.subject().identifier)).body.clone();
    let answer = agency.raw(&[head(&agency, file.len(), "text/html,*/*;q=0.8"), file.clone()].concat());
    let (status, page) = status_and_body(&answer);
    assert_eq!(status, 200, "{answer}");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("加注件") && page.contains("有效"));
    let lower = answer.to_lowercase();
    for header in ["content-type: text/html; charset=utf-8", "content-security-policy: default-src 'none'"] {
        assert!(lower.contains(header), "{header}");
    }
    assert!(lower.contains("licence-receipt: "));
    let answer = agency.raw(&[head(&agency, file.len(), "*/*"), file].concat());
    assert!(answer.to_lowercase().contains("content-type: application/json"));
}

#[test]
fn more_files_than_the_node_takes_at_once_are_told_to_come_back() {
    let town = town_with(Plan {
        settings: Some(|settings| {
            settings.exchange.file_uploads = 1;
            settings.listen.body_timeout_ms = 3000;
        }),
        ..Plan::default()
    });
    let agency = actor(&town, "agency");
    // An upload that does not go on holds the only place until its time is over.
    let slow = actor(&town, "bureau");
    let busy = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            // The place may be taken by the other at that moment.
            let mut answers = std::iter::repeat_with(|| slow.raw(&head(&slow, 1000, "*/*")));
            answers.find(|answer| !answer.contains("file.busy")).unwrap()
        });
        let mut busy = false;
        while !waiting.is_finished() {
            let reply = agency.verify_file(b"hello");
            match reply.status {
                503 => busy = reply.failed(503, "file.busy", 99).status == 503,
                _ => drop(reply.refused(400, "file.kind", 99)),
            }
        }
        assert!(waiting.join().unwrap().contains("request.timeout"));
        busy
    });
    assert!(busy);
    agency.verify_file(b"hello").refused(400, "file.kind", 99);
}
