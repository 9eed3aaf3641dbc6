//! The auditor's part of the tour.

use std::path::Path;

use super::cities::Cities;
use super::step::Tour;
use crate::accesslog::{self, VerifyOptions};
use crate::durable::RealDisk;
use crate::node::Error;

/// Proves the log on its files alone.
pub fn prove(cities: &Cities, tour: &mut Tour<'_>) -> Result<(), Error> {
    let home = &cities.tianjin;
    let log = &home.running.node.exchange.log;
    log.publish_now()?;
    let (dir, key) = (home.running.node.settings.log_dir(), log.verifier_key());
    let honest = accesslog::verify(&RealDisk, &dir, &key, VerifyOptions { live: true });
    let told = if honest.verified {
        Ok(format!("{} entries under root {}", honest.size, honest.root.unwrap_or_default()))
    } else {
        Err(format!("{:?}", honest.findings).into())
    };
    tour.step(
        "The auditor derives the access log's root anew and holds it against the signed checkpoint",
        "审计员重新推导日志的树根，并与签名检查点比对",
        told,
    )?;
    let copy = tempfile::tempdir()?;
    copy_folder(&dir, copy.path())?;
    let told = forge(copy.path()).and_then(|()| {
        let forged = accesslog::verify(&RealDisk, copy.path(), &key, VerifyOptions { live: true });
        match forged.findings.first() {
            Some(finding) if !forged.verified => Ok(finding.to_string()),
            _ => Err("the forged log was believed".into()),
        }
    });
    tour.step(
        "In a copy of the log one refused access is made to look granted: the proof fails",
        "在日志副本中把一次被拒访问改成已授权：证明不成立",
        told,
    )
}

/// Takes the journal away and rewrites an entry in the public bundle, as one who holds the disk could.
fn forge(dir: &Path) -> Result<(), Error> {
    std::fs::remove_dir_all(dir.join("journal"))?;
    let mut changed = 0;
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let (from, to) = (b"\"outcome\":\"refused\"", b"\"outcome\":\"granted\"");
            if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
                let mut forged = bytes;
                if let Some(place) = forged.get_mut(at..at + to.len()) {
                    place.copy_from_slice(to);
                }
                std::fs::write(&path, forged)?;
                changed += 1;
            }
        }
    }
    if changed == 0 { Err("there was nothing to forge".into()) } else { Ok(()) }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
