//! Seals are made, shown, listed and handed out by the program; what would make one worthless is refused.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use licence_seal::drawing;
use licence_seal::seal::ses::{CertList, Seal};
use serde_json::{Value, json};

use super::child::{self, Folder, Ran};
use super::support::vectors;

/// A node's folder, whose test authority made a seal maker and owners. Nothing of it is changed.
static MADE: LazyLock<(tempfile::TempDir, Folder)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::init(&dir.path().join("node"), "sm2-sm3");
    (dir, folder)
});

fn folder() -> &'static Folder {
    &MADE.1
}

/// `seal create` with what is always needed, and `more`; run in `dir`, which is where it writes.
fn create(dir: &Path, more: &[&str]) -> Ran {
    let of = |name: &str| folder().path(name);
    let (maker, key, owner) =
        (of("certs/seal-maker.pem"), of("keys/seal-maker.key.pem"), of("seals/attestation/certificate.pem"));
    let mut args = vec!["seal", "create"];
    for (name, value) in [
        ("--name", "天津市示例局"),
        ("--es-id", "12000000000001"),
        ("--maker-cert", &maker),
        ("--maker-key", &key),
        ("--owner-cert", &owner),
        ("--valid-days", "30"),
        ("--out", "made"),
    ] {
        // What `more` says, or takes the place of, is not said twice.
        let instead = name == "--valid-days" && more.contains(&"--valid-until");
        if !more.contains(&name) && !instead {
            args.extend([name, value]);
        }
    }
    child::run(dir, [&args, more].concat())
}

fn seal(path: &Path) -> Seal {
    Seal::from_der(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_seal_with_a_drawn_picture_is_made_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let told = create(dir.path(), &["--lower-text", "电子证照专用章"]).ok();
    assert!(told.contains("天津市示例局") && !told.contains("Nothing of this was verified"), "{told}");
    let made = dir.path().join("made");
    let (svg, png) =
        (fs::read_to_string(made.join("seal.svg")).unwrap(), fs::read(made.join("seal.png")).unwrap());
    assert!(svg.contains("<path") && !svg.contains("<text"));
    let [width, height] = drawing::png_size(&png).unwrap();
    assert!(width == height && png.len() <= 4096);
    let parsed = seal(&made.join("seal.esl"));
    assert_eq!((parsed.picture.data, parsed.picture.width), (png.clone(), 40));

    let (esl, trust) = (made.join("seal.esl"), folder().path("trust"));
    let esl = esl.to_str().unwrap();
    folder().run(&["verify", esl, "--trust", &trust]).ok();

    let picture = dir.path().join("out.png");
    let said = folder().run(&["seal", "show", esl, "--json", "--picture", picture.to_str().unwrap()]).json();
    assert_eq!(fs::read(picture).unwrap(), png);
    for (name, wanted) in [
        ("name", json!("天津市示例局")),
        ("kind", json!("unit")),
        ("esId", json!("12000000000001")),
        ("version", json!(4)),
        ("vendor", json!("licence-node")),
        ("verified", json!(false)),
    ] {
        assert_eq!(said[name], wanted, "{said}");
    }
    assert_eq!(said["algorithm"], json!({"oid": "1.2.156.10197.1.501", "suite": "sm2-sm3"}));
    assert_eq!(said["signers"].as_array().unwrap().len(), 1);
    for certificate in [&said["signers"][0], &said["maker"]] {
        for name in ["subject", "serial", "validFrom", "validUntil", "fingerprint"] {
            assert!(certificate[name].is_string(), "{name}: {said}");
        }
    }
    assert_eq!(said["picture"]["widthMm"], 40);
}

#[test]
fn owners_kind_period_and_picture_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let ids = folder().run(&["seal", "list", "--config", &folder().config(), "--json"]).json();
    let other = folder().path(&format!("seals/{}/certificate.pem", ids[0]["id"].as_str().unwrap()));
    let own = folder().path("seals/attestation/certificate.pem");
    let picture = drawing::png(&drawing::Path::star([10.0, 10.0], 9.0), [20, 20], 1.0, [200, 0, 0]);
    fs::write(dir.path().join("own.png"), picture.unwrap()).unwrap();
    let more =
        ["--owner-cert", &own, "--owner-cert", &other, "--digests", "--kind", "person", "--out", "x/s.esl"];
    fs::create_dir(dir.path().join("x")).unwrap();
    let pictured =
        ["--picture", "own.png", "--width", "42", "--height", "30", "--valid-until", "2999-12-31", "--json"];
    let ran = create(dir.path(), &[&more[..], &pictured].concat());
    assert!(ran.err.contains("ends before the seal"), "{}", ran.err);
    let said = ran.json();
    assert_eq!(said["kind"], "person");
    assert_eq!(said["validUntil"], "2999-12-31T15:59:59.000Z");
    assert_eq!((&said["picture"]["widthMm"], &said["picture"]["heightMm"]), (&json!(42), &json!(30)));
    let made = dir.path().join("x/s.esl");
    assert!(matches!(&seal(&made).certs, CertList::Digests(list) if list.len() == 2));
    assert!(!made.with_extension("png").exists());
    let told = child::run(dir.path(), ["seal", "show", "x/s.esl"]).ok();
    assert!(told.matches("the certificate whose").count() == 2, "{told}");
}

#[test]
fn what_would_make_a_seal_worthless_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| folder().path(name);
    fs::write(dir.path().join("large.png"), [0; 5000]).unwrap();
    fs::write(dir.path().join("no.png"), b"\x89PNG\r\n\x1a\nnothing").unwrap();
    fs::write(dir.path().join("no.pem"), "no certificate").unwrap();
    let own = at("seals/attestation/certificate.pem");
    let sized = |name| ["--picture", name, "--width", "40", "--height", "40"];
    for (more, word) in [
        (&["--maker-key", &at("seals/attestation/key.pem")][..], "not that of"),
        (&["--maker-key", &at("keys/absent.pem")], "absent.pem"),
        (&["--maker-cert", &at("trust/anchors/120000.pem")], "may not sign"),
        (&["--maker-cert", "no.pem"], "no certificate in it"),
        (&["--owner-cert", &at("certs/node.pem")], "suite"),
        (&["--owner-cert", &at("trust/anchors/120000.pem")], "may not sign"),
        (&["--owner-cert", &own, "--owner-cert", &own], "twice"),
        (&["--valid-until", "2020-01-01"], "over before"),
        (&["--name", "天津市𠮷局"], "U+20BB7"),
        (&["--name", ""], "1 to 30"),
        (&["--es-id", "编号"], "ASCII"),
        (&["--lower-text", "十七个字十七个字十七个字十七个字十"], "1 to 16"),
        (&sized("large.png"), "4096"),
        (&sized("no.png"), "PNG"),
        (&sized("no.pem"), "not a PNG"),
        (&["--maker-key", "pkcs11:token=t;object=o"], "module-path"),
        (&["--maker-passphrase", "geheim"], "env:NAME"),
    ] {
        let ran = create(dir.path(), more);
        assert!(ran.code != Some(0) && ran.err.contains(word), "{more:?}: {:?} {}", ran.code, ran.err);
        assert!(!dir.path().join("made/seal.esl").exists(), "{more:?}");
    }
    for more in
        [&["--lower-text", "章", "--picture", "x"][..], &["--picture", "no.png"], &["--valid-days", "0"]]
    {
        create(dir.path(), more).ended(64);
    }
    // What is there stays there.
    create(dir.path(), &[]).ok();
    let before = fs::read(dir.path().join("made/seal.esl")).unwrap();
    assert!(create(dir.path(), &[]).ended(1).contains("is there already"));
    assert_eq!(fs::read(dir.path().join("made/seal.esl")).unwrap(), before);
}

#[test]
fn the_seals_of_a_node_are_listed_and_handed_out_without_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let config = folder().config();
    let listed = folder().run(&["seal", "list", "--config", &config, "--json"]).json();
    let listed: Vec<Value> = listed.as_array().unwrap().clone();
    assert!(listed.len() > 15);
    for one in &listed {
        assert_eq!((&one["suite"], &one["key"]), (&json!("sm2-sm3"), &json!("key.pem")), "{one}");
        assert!((360..=365).contains(&one["daysLeft"].as_i64().unwrap()), "{one}");
        // Each with its own name, drawn.
        let seal =
            seal(Path::new(&folder().path(&format!("seals/{}/seal.esl", one["id"].as_str().unwrap()))));
        assert_eq!(seal.name, one["name"]);
        assert!(seal.picture.data.len() <= 4096 && drawing::png_size(&seal.picture.data).is_ok());
    }
    assert!(folder().run(&["seal", "list", "--config", &config]).ok().ends_with(" seals\n"));
    let out = dir.path().join("out.esl");
    let out = out.to_str().unwrap();
    folder().run(&["seal", "export", "--config", &config, "attestation", "--out", out]).ok();
    let exported = fs::read(out).unwrap();
    assert_eq!(exported, fs::read(folder().path("seals/attestation/seal.esl")).unwrap());
    folder().run(&["verify", out, "--trust", &folder().path("trust")]).ok();
    for (id, word) in [("attestation", "exists"), ("../keys", "no seal"), ("", "no seal")] {
        let told = folder().run(&["seal", "export", "--config", &config, id, "--out", out]).ended(1);
        assert!(told.contains(word), "{told}");
    }
    let told = folder().run(&["seal", "show", &folder().path("certs/ca.pem")]).ended(1);
    assert!(told.contains("SESeal"), "{told}");
}

#[test]
fn seals_of_other_makers_are_shown_in_full() {
    let mut shown = 0;
    for entry in fs::read_dir(vectors().join("ofd-seal")).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "esl") {
            let said = folder().run(&["seal", "show", path.to_str().unwrap(), "--json"]).json();
            assert!(said["picture"]["bytes"].as_u64().unwrap() > 0, "{said}");
            assert!([1, 4, 5].contains(&said["version"].as_u64().unwrap()), "{said}");
            let told = folder().run(&["seal", "show", path.to_str().unwrap()]).ok();
            assert!(told.contains(said["name"].as_str().unwrap()), "{told}");
            shown += 1;
        }
    }
    if shown == 0 {
        println!("skipped: no seals of other makers are here");
    }
}
