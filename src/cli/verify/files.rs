//! The files that are looked at.

use std::io::Read;
use std::path::{Path, PathBuf};

use licence_seal::ofd::FileKind;
use licence_seal::seal::MAX_SEALED_LICENCE;

/// How deep folders are looked through, and how many files are taken at once.
const MAX_FOLDERS: usize = 16;
const MAX_FILES: usize = 10_000;

/// Files below a folder that have one of the known endings, in the order of their paths. Links are
/// not followed.
pub(super) fn files_below(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        for entry in entries {
            let entry = entry.map_err(|why| format!("{}: {why}", folder.display()))?;
            let kind = entry.file_type().map_err(|why| why.to_string())?;
            let path = entry.path();
            if kind.is_dir() {
                if depth >= MAX_FOLDERS {
                    return Err(format!("{}: folders deeper than {MAX_FOLDERS}", path.display()));
                }
                open.push((path, depth + 1));
            } else if kind.is_file() && FileKind::by_name(&entry.file_name().to_string_lossy()).is_some() {
                found.push(path);
            }
            if found.len() > MAX_FILES {
                return Err(format!("more than {MAX_FILES} files; verify its folders one by one"));
            }
        }
    }
    found.sort();
    if found.is_empty() { Err("a folder without a file to verify".to_owned()) } else { Ok(found) }
}

/// Reads a file of at most 20 MiB; whatever its size is said to be, not a byte more is taken in.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let limit = u64::try_from(MAX_SEALED_LICENCE).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    if file.metadata().map_err(|why| why.to_string())?.is_dir() {
        return Err("a folder, not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|why| why.to_string())?;
    if bytes.len() > MAX_SEALED_LICENCE {
        return Err(format!("larger than {} MiB", MAX_SEALED_LICENCE >> 20));
    }
    Ok(bytes)
}
