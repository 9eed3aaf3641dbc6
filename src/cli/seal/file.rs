//! Files of seals, read and written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::node::Error;
use licence_seal::seal::ses::{MAX_SEAL, Seal};

/// Reads a seal; one larger than any is not loaded.
pub fn read(file: &Path) -> Result<Seal, Error> {
    let at = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let length = fs::metadata(file).map_err(|why| at(&why))?.len();
    if length > u64::try_from(MAX_SEAL).unwrap_or_default() {
        return Err(at(&"too large for a seal").into());
    }
    let der = fs::read(file).map_err(|why| at(&why))?;
    Ok(Seal::from_der(&der).map_err(|why| at(&why))?)
}

/// Writes a file that is not there yet.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let at = |why: std::io::Error| format!("{}: {why}", path.display());
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(at)?;
    Ok(file.write_all(bytes).map_err(at)?)
}
