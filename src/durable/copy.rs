//! Copying files whole, in bounded memory, and saying what they hold.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Disk, DurableError};
use licence_seal::crypto::Sha256;

/// Bytes that are read at a time.
const PIECE: u64 = 1 << 20;

/// What a file holds, to be held against another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sum {
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

impl Sum {
    pub fn of(content: &[u8]) -> Self {
        let mut hash = Sha256::default();
        hash.update(content);
        Self { bytes: content.len() as u64, sha256: hex::encode(hash.finish()) }
    }
}

/// Copies a file to `to`, in place of what has that name, and fsyncs it; its name lasts only after
/// [`Disk::sync_dir`]. `each` hears of the bytes of every piece and can end the copying.
pub fn copy_file<E: From<DurableError>>(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    each: &mut dyn FnMut(u64) -> Result<(), E>,
) -> Result<Sum, E> {
    if disk.len(to).is_ok() {
        disk.remove(to).map_err(DurableError::io("remove", to))?;
    }
    let mut target = disk.create(to).map_err(DurableError::io("create", to))?;
    let sum = pieces(disk, from, |piece| {
        target.write(piece).map_err(DurableError::io("write", to))?;
        each(piece.len() as u64)
    })?;
    target.sync().map_err(DurableError::io("sync", to))?;
    Ok(sum)
}

/// What a file holds. `each` is as in [`copy_file`].
pub fn sum_file<E: From<DurableError>>(
    disk: &dyn Disk,
    path: &Path,
    each: &mut dyn FnMut(u64) -> Result<(), E>,
) -> Result<Sum, E> {
    pieces(disk, path, |piece| each(piece.len() as u64))
}

fn pieces<E: From<DurableError>>(
    disk: &dyn Disk,
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Sum, E> {
    let mut from = disk.open(path).map_err(DurableError::io("open", path))?;
    let (mut piece, mut hash, mut bytes) = (Vec::new(), Sha256::default(), 0);
    loop {
        piece.clear();
        let read = from.by_ref().take(PIECE).read_to_end(&mut piece);
        if read.map_err(DurableError::io("read", path))? == 0 {
            return Ok(Sum { bytes, sha256: hex::encode(hash.finish()) });
        }
        hash.update(&piece);
        bytes += piece.len() as u64;
        take(&piece)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::RealDisk;
    use super::*;

    #[test]
    fn a_copy_is_the_same_and_can_be_ended_at_every_piece() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let content = vec![7; (PIECE * 2 + 5) as usize];
        std::fs::write(&from, &content).unwrap();
        std::fs::write(&to, b"what was there").unwrap();
        let mut seen = 0;
        let sum = copy_file::<DurableError>(&RealDisk, &from, &to, &mut |bytes| {
            seen += bytes;
            Ok(())
        })
        .unwrap();
        assert_eq!((sum.clone(), seen), (Sum::of(&content), content.len() as u64));
        assert_eq!(sum_file::<DurableError>(&RealDisk, &to, &mut |_| Ok(())).unwrap(), sum);
        let mut left = 2;
        let ended = copy_file(&RealDisk, &from, &to, &mut |_| {
            left -= 1;
            if left == 0 { Err(DurableError::NotOurs("x".into())) } else { Ok(()) }
        });
        assert!(ended.is_err() && left == 0);
    }
}
