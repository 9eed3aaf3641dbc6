//! What the key file refuses, and what comes back from it.

use std::path::Path;

use super::*;
use crate::durable::{Disk, FaultDisk};
use crate::store::StoreError;
use licence_seal::crypto::{Secret, SeededRandom};

fn master() -> Secret {
    Secret::from_bytes([3; 32])
}

fn made() -> (FaultDisk, Keyring) {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new("s")).unwrap();
    let keys = Keyring::create(&disk, Path::new("s"), &master(), &SeededRandom::new("keys")).unwrap();
    (disk, keys)
}

#[test]
fn keys_come_back_and_only_under_their_master_key() {
    let (disk, keys) = made();
    let again = Keyring::open(&disk, Path::new("s"), &master()).unwrap();
    assert_eq!(again.blind::<12>("id", &["a"]), keys.blind::<12>("id", &["a"]));
    let bound = Bound { key: 1, usage: Use::Block, place: &[b"x"] };
    let (mut sealed, random) = (Vec::new(), SeededRandom::new("r"));
    keys.seal_numbered(&mut sealed, &bound, b"plain", &random).unwrap();
    assert_eq!(again.open_numbered(Use::Block, &[b"x"], &sealed).unwrap(), b"plain");
    assert_eq!(again.open_sealed(&bound, &sealed[4..]).unwrap(), b"plain");
    assert!(again.open_numbered(Use::Journal, &[b"x"], &sealed).is_err());
    assert!(again.open_numbered(Use::Block, &[b"y"], &sealed).is_err());
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(again.open_numbered(Use::Block, &[b"x"], &bad).is_err());
        assert!(again.open_numbered(Use::Block, &[b"x"], &sealed[..at]).is_err());
    }
    let wrong = Keyring::open(&disk, Path::new("s"), &Secret::from_bytes([4; 32]));
    assert!(matches!(wrong, Err(StoreError::WrongMasterKey(_))));
}

#[test]
fn every_changed_byte_of_the_key_file_is_refused() {
    let (disk, _) = made();
    let path = Path::new("s").join(KEY_FILE);
    let length = disk.read(&path).unwrap().unwrap().len();
    for at in 0..length {
        disk.tamper(&path, |content| content[at] ^= 1);
        assert!(Keyring::open(&disk, Path::new("s"), &master()).is_err(), "byte {at}");
        disk.tamper(&path, |content| content[at] ^= 1);
    }
    Keyring::open(&disk, Path::new("s"), &master()).unwrap();
}

#[test]
fn blind_keys_do_not_run_together() {
    let (_, keys) = made();
    assert_ne!(keys.blind::<12>("number", &["a", "bc"]), keys.blind::<12>("number", &["ab", "c"]));
    assert_ne!(keys.blind::<12>("number", &["a"]), keys.blind::<12>("holder", &["a"]));
    let mut together = Blinding::default();
    let parts = [["a", "b"], ["", "c"], ["津", ""]].repeat(3);
    parts.iter().for_each(|parts| together.push("number", parts));
    let alone: Vec<[u8; 32]> = parts.iter().map(|parts| keys.blind("number", parts)).collect();
    assert_eq!(keys.blind_each(&together).collect::<Vec<_>>(), alone);
    let longer: [u8; 16] = keys.blind("id", &["a"]);
    assert!(longer.starts_with(&keys.blind::<12>("id", &["a"])));
}

#[test]
fn a_side_file_is_read_only_under_its_own_label() {
    let (_, keys) = made();
    let body = serde_json::json!({ "format": 3 });
    let content = keys.sign_file("checkpoint", &body);
    assert_eq!(keys.verify_file("checkpoint", 3, &content), Ok(body));
    assert!(keys.verify_file::<serde_json::Value>("export", 3, &content).is_err());
    let newer = keys.verify_file::<serde_json::Value>("checkpoint", 2, &content);
    assert!(newer.unwrap_err().contains("newer"));
}
