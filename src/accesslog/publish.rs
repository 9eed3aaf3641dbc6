//! From durable entries to tiles, head and checkpoint, in that order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::prelude::*;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::leaf::tree_hash;
use super::ledger::State;
use super::note::{Checkpoint, VerifierKey, sign_note, verify_note};
use super::tiles::{Edge, TileFile, TileNodes, partials_dir};
use crate::durable::{Disk, DurableError, replace_file};
use licence_seal::crypto::Ed25519Signer;
use licence_seal::merkle::{self, Hash};

/// Proof that an entry is under a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inclusion {
    pub index: u64,
    /// Base64, leaf end first.
    pub path: Vec<String>,
    /// The signed note.
    pub checkpoint: String,
}

impl Inclusion {
    /// Checks the proof for an entry's leaf hash and gives the checkpoint that it is under. `None` when
    /// anything does not hold.
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey) -> Option<Checkpoint> {
        let checkpoint = Checkpoint::parse(verify_note(&self.checkpoint, key).ok()?).ok()?;
        let decode = |text: &String| BASE64_STANDARD.decode(text).ok()?.try_into().ok();
        let path: Vec<Hash> = self.path.iter().map(decode).collect::<Option<_>>()?;
        let root = merkle::root_from_path(&tree_hash, self.index, checkpoint.size, leaf, &path)?;
        (root == checkpoint.root && checkpoint.origin == key.name).then_some(checkpoint)
    }
}

/// The leaf hash of entry `index` and the proof that it is under the checkpoint of the log in `dir`, from
/// its public files; the log may be in use. Nothing is verified: that is the reader's part.
pub fn prove(disk: &dyn Disk, dir: &Path, index: u64) -> Result<(Hash, Inclusion), LogError> {
    let path = dir.join("checkpoint");
    let note = disk.read(&path).map_err(DurableError::io("read", &path))?.unwrap_or_default();
    let note = String::from_utf8(note).map_err(|_| LogError::Head("checkpoint"))?;
    let text = note.split_inclusive('\n').take(3).collect::<String>();
    let size = Checkpoint::parse(&text).map_err(|_| LogError::Head("checkpoint"))?.size;
    let nodes = TileNodes { disk, dir, size };
    let refuse = || LogError::NoProof { index, size };
    let leaf = merkle::Nodes::node(&nodes, 0, index).filter(|_| index < size).ok_or_else(refuse)?;
    let path = merkle::path_in(&tree_hash, &nodes, index, size).ok_or_else(refuse)?;
    let path = path.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
    Ok((leaf, Inclusion { index, path, checkpoint: note }))
}

pub(super) struct Publisher {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    origin: String,
    signer: Ed25519Signer,
    edge: Edge,
    /// The last signed note; empty before the first.
    note: String,
}

impl Publisher {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        signer: Ed25519Signer,
        edge: Edge,
        note: String,
    ) -> Self {
        Self { disk, dir: dir.to_owned(), origin: origin.to_owned(), signer, edge, note }
    }

    /// Brings tiles and checkpoint up to all that is durable. After an error nothing has advanced,
    /// and the next call tries again.
    pub(super) fn publish(&mut self, state: &Mutex<State>) -> Result<(), LogError> {
        let (entries, frontier) = state.lock().unpublished();
        let count = entries.len();
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: frontier.size(),
            root: frontier.root(&tree_hash),
        };
        let text = checkpoint.to_string();
        if count == 0 && self.note.starts_with(&text) {
            return Ok(());
        }
        let mut edge = self.edge.clone();
        let mut full = Vec::new();
        for (entry, leaf) in entries {
            edge.push(entry, leaf, |file| full.push(file));
        }
        if edge.size() != frontier.size() {
            return Err(LogError::HeadDiffers { what: "tiles", size: edge.size() });
        }
        let replaced: Vec<_> = full.iter().map(|(path, _)| partials_dir(&self.dir, path)).collect();
        full.extend(edge.partials());
        write_tiles(&*self.disk, &self.dir, full)?;

        // The head lasts before its signature exists: after any crash this node knows what it signed.
        replace_file(&*self.disk, &self.dir.join("head"), text.as_bytes())?;
        let note = sign_note(&text, &self.origin, &self.signer);
        replace_file(&*self.disk, &self.dir.join("checkpoint"), note.as_bytes())?;
        self.edge = edge;
        self.note = note;
        state.lock().published(count);
        for dir in replaced {
            // Only to save space: a partial tile is not wrong beside its full one.
            let _ = self.disk.remove_dir_all(&dir);
        }
        Ok(())
    }

    pub(super) fn note(&self) -> &str {
        &self.note
    }

    pub(super) fn vkey(&self) -> VerifierKey {
        VerifierKey { name: self.origin.clone(), key: self.signer.public() }
    }

    pub(super) fn inclusion(&self, index: u64) -> Result<Inclusion, LogError> {
        let size = self.edge.size();
        let path = merkle::path_in(&tree_hash, &self.nodes(size), index, size)
            .ok_or(LogError::NoProof { index, size })?;
        let path = path.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
        Ok(Inclusion { index, path, checkpoint: self.note.clone() })
    }

    pub(super) fn consistency(&self, size1: u64, size2: u64) -> Result<Vec<Hash>, LogError> {
        let refuse = LogError::NoProof { index: size1, size: size2 };
        if size2 > self.edge.size() {
            return Err(refuse);
        }
        // Nodes of a smaller tree are nodes of the present one.
        merkle::consistency_path_in(&tree_hash, &self.nodes(self.edge.size()), size1, size2).ok_or(refuse)
    }

    fn nodes(&self, size: u64) -> TileNodes<'_> {
        TileNodes { disk: &*self.disk, dir: &self.dir, size }
    }
}

/// Writes tiles so that all of them last on return.
pub(super) fn write_tiles(disk: &dyn Disk, dir: &Path, files: Vec<TileFile>) -> Result<(), LogError> {
    let mut dirs = BTreeSet::new();
    for (path, content) in files {
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(dir).to_owned();
        if !dirs.contains(&parent) {
            disk.create_dir_all(&parent).map_err(DurableError::io("create", &parent))?;
        }
        let fail = |action| DurableError::io(action, &path);
        // Left over from a publication that a crash interrupted.
        let temporary = path.with_extension("tmp");
        let _ = disk.remove(&temporary);
        let mut file = disk.create(&temporary).map_err(fail("create"))?;
        file.write(&content).map_err(fail("write"))?;
        file.sync().map_err(fail("sync"))?;
        disk.rename(&temporary, &path).map_err(fail("rename"))?;
        dirs.insert(parent);
    }
    for dir in dirs {
        disk.sync_dir(&dir).map_err(DurableError::io("sync", &dir))?;
    }
    Ok(())
}
