//! Sealing a batch, and cutting one licence out of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::disclosure;
use super::leaves::leaves;
use super::sealed_licence::Proof;
use super::{
    BatchId, MAX_BATCH, Manifest, Payload, SaltKey, SaltKeyId, SealError, SealedLicence, Voice, ses,
};
use crate::crypto::{Beginning, CryptoError, Digest, Random, Signature, Signer, Suite, sha256};
use crate::licence::{Catalogue, LicenceType, Record, RecordRef};
use crate::merkle;
use crate::time::Timestamp;

/// Any second that is written otherwise than the first of 1970 from its first digit on.
const ANOTHER_TIME: i64 = 1_795_000_000;

/// A seal together with the key that may use it.
#[derive(Clone)]
pub struct SealingKey {
    impression: SealImpression,
    /// What does not change from stamp to stamp, and is most of each.
    digest: Digest,
    certificate_digest: Digest,
    beginning: Beginning,
    signer: Arc<dyn Signer>,
    voice: Voice,
}

impl SealingKey {
    /// `impression` with the key of its certificate.
    pub fn new(impression: SealImpression, signer: Arc<dyn Signer>, voice: Voice) -> Result<Self, SealError> {
        // Times and hashes are of one length, so two stamps have all in common up to the time.
        let stamp = |time| ses::to_sign(&impression.seal, time, &Digest::default(), voice.property());
        let (one, other) = (stamp(Timestamp::from_secs(0))?, stamp(Timestamp::from_secs(ANOTHER_TIME))?);
        let common = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
        let beginning = signer.public_key().beginning(one.get(..common).unwrap_or_default());
        let (digest, certificate_digest) = (impression.digest(), sha256(&[&impression.certificate]));
        Ok(Self { impression, digest, certificate_digest, beginning, signer, voice })
    }

    /// The same key, for stamps of another kind.
    #[cfg(test)]
    pub fn speaking_as(self, voice: Voice) -> Self {
        Self::new(self.impression, self.signer, voice).unwrap()
    }

    /// SHA-256 of the signer's certificate.
    pub const fn certificate_digest(&self) -> &Digest {
        &self.certificate_digest
    }

    pub const fn voice(&self) -> Voice {
        self.voice
    }

    pub fn suite(&self) -> Suite {
        self.signer.suite()
    }

    fn sign(&self, to_sign: &[u8]) -> Result<Signature, CryptoError> {
        match to_sign.strip_prefix(self.beginning.bytes()) {
            Some(rest) => self.signer.sign_after(&self.beginning, rest),
            None => self.signer.sign(to_sign),
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({:?}, seal {})", self.voice, hex::encode(sha256(&[&self.impression.seal])))
    }
}

/// A seal and a signer's certificate, as a stamp refers to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealImpression {
    /// DER of the `SESeal`.
    pub seal: Arc<[u8]>,
    /// DER of the signer's certificate, one of the seal's list.
    pub certificate: Arc<[u8]>,
}

impl SealImpression {
    /// SHA-256 over SHA-256(seal) ‖ SHA-256(certificate): under it the impression is stored once.
    pub fn digest(&self) -> Digest {
        sha256(&[&sha256(&[&self.seal]), &sha256(&[&self.certificate])])
    }
}

/// What is stored of a stamp: with its impression it gives the DER again, byte for byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StampParts {
    pub impression: Digest,
    /// Whole seconds: a GeneralizedTime carries no fraction.
    pub time: Timestamp,
    pub voice: Voice,
    pub signature: Signature,
}

impl StampParts {
    /// DER of the `SES_Signature` over `manifest`.
    pub fn rebuild(&self, manifest: &Manifest, impression: &SealImpression) -> Result<Vec<u8>, SealError> {
        let to_sign =
            ses::to_sign(&impression.seal, self.time, &manifest.data_hash(), self.voice.property())?;
        Ok(ses::assemble(&to_sign, &impression.certificate, manifest.suite, &self.signature)?)
    }
}

/// One stamp over several licences: all of a sealed batch but its records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchSeal {
    pub manifest: Manifest,
    pub stamp: StampParts,
    pub salt_key: SaltKeyId,
    /// Catalogue version of the payloads.
    pub schema: String,
    /// Leaf hashes, in the order of the records.
    pub leaves: Vec<Digest>,
}

/// Licences under one stamp.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    pub seal: BatchSeal,
    pub records: Vec<Record>,
}

impl BatchSeal {
    /// Seals `records` (1 to 32, one type and issuer) with one signature.
    pub fn over(
        records: &[RecordRef<'_>],
        catalogue: &Catalogue,
        key: &SealingKey,
        salt_key: &SaltKey,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(Self, SealImpression), SealError> {
        let first = records.first().ok_or(SealError::Batch("it is empty"))?;
        if records.len() > MAX_BATCH {
            return Err(SealError::Batch("it has more"));
        }
        let kind = licence_type(catalogue, first.type_code)?;
        let suite = key.suite();
        let batch = BatchId::generate(random)?;
        let alike = |record: &RecordRef<'_>| {
            record.type_code == first.type_code && record.issuer_code == first.issuer_code
        };
        if !records.iter().all(alike) {
            return Err(SealError::Batch("its licences differ in type or issuer"));
        }
        let hashes = leaves(records, kind, catalogue.version(), &batch, salt_key, suite);
        let manifest = Manifest {
            issuer: first.issuer_code.to_owned(),
            type_code: first.type_code.to_owned(),
            batch,
            size: u8::try_from(records.len()).map_err(|_| SealError::Batch("it has more"))?,
            suite,
            root: merkle::root(&suite, &hashes),
        };
        let time = Timestamp::from_secs(now.secs());
        let seal = &key.impression.seal;
        let to_sign = ses::to_sign(seal, time, &manifest.data_hash(), key.voice.property())?;
        let signature = key.sign(&to_sign)?;
        let stamp = StampParts { impression: key.digest, time, voice: key.voice, signature };
        let (salt_key, schema) = (salt_key.id.clone(), catalogue.version().to_owned());
        Ok((Self { manifest, stamp, salt_key, schema, leaves: hashes }, key.impression.clone()))
    }

    /// The leaves that these records give under this seal; those of [`Self::leaves`] if they are the ones
    /// that were sealed.
    pub fn derive_leaves(
        &self,
        records: &[RecordRef<'_>],
        kind: &LicenceType,
        salt_key: &SaltKey,
    ) -> Vec<Digest> {
        let (suite, batch) = (self.manifest.suite, &self.manifest.batch);
        leaves(records, kind, &self.schema, batch, salt_key, suite)
    }

    /// Cuts licence `index`, which is `record`, out, showing the fields for which `show` says yes.
    ///
    /// The leaf is derived from the record anew and compared with the sealed one, so a record that
    /// was changed where it lay is never served.
    pub fn licence(
        &self,
        index: usize,
        record: &Record,
        catalogue: &Catalogue,
        impression: &SealImpression,
        salt_key: &SaltKey,
        show: &dyn Fn(&str) -> bool,
    ) -> Result<SealedLicence, SealError> {
        let kind = licence_type(catalogue, record.type_code.as_str())?;
        let (suite, batch) = (self.manifest.suite, &self.manifest.batch);
        let payload = Payload::of(record, kind, &self.schema, batch, salt_key, suite);
        if self.leaves.get(index) != Some(&payload.leaf(suite)) {
            return Err(SealError::LeafChanged);
        }
        let path =
            merkle::inclusion_path(&suite, &self.leaves, index as u64).ok_or(SealError::LeafChanged)?;
        let (salts, view) = (salt_key.salts(batch, &payload.id), record.view());
        let shown = kind.disclosure_names().filter(|name| show(name));
        let encode = |name| Some(disclosure::encode(&salts.salt(name), name, &view.value(name)?));
        let mut disclosures: Vec<String> = shown.filter_map(encode).collect();
        disclosures.sort_unstable();
        let proof = Proof {
            manifest: self.manifest.to_string(),
            index: u8::try_from(index).map_err(|_| SealError::Batch("no such place in it"))?,
            path: path.iter().map(|hash| STANDARD.encode(hash)).collect(),
            stamp: STANDARD.encode(self.stamp.rebuild(&self.manifest, impression)?),
        };
        Ok(SealedLicence { payload, disclosures, proof, status: None })
    }
}

impl SealedBatch {
    /// [`BatchSeal::over`] records that are kept with it.
    pub fn seal(
        records: Vec<Record>,
        catalogue: &Catalogue,
        key: &SealingKey,
        salt_key: &SaltKey,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(Self, SealImpression), SealError> {
        let views: Vec<RecordRef<'_>> = records.iter().map(Record::view).collect();
        let (seal, impression) = BatchSeal::over(&views, catalogue, key, salt_key, now, random)?;
        Ok((Self { seal, records }, impression))
    }

    /// [`BatchSeal::licence`] of the record at `index`.
    pub fn licence(
        &self,
        index: usize,
        catalogue: &Catalogue,
        impression: &SealImpression,
        salt_key: &SaltKey,
        show: &dyn Fn(&str) -> bool,
    ) -> Result<SealedLicence, SealError> {
        let record = self.records.get(index).ok_or(SealError::Batch("no such place in it"))?;
        self.seal.licence(index, record, catalogue, impression, salt_key, show)
    }
}

impl BatchId {
    pub fn generate(random: &dyn Random) -> Result<Self, SealError> {
        Ok(Self::from_bytes(random.bytes()?))
    }
}

fn licence_type<'a>(catalogue: &'a Catalogue, code: &str) -> Result<&'a LicenceType, SealError> {
    catalogue.find(code).ok_or_else(|| SealError::UnknownType(code.to_owned()))
}

/// The salt keys of a store, by name.
#[derive(Clone, Debug, Default)]
pub struct SaltKeys(pub BTreeMap<SaltKeyId, SaltKey>);

impl SaltKeys {
    pub fn find(&self, id: &SaltKeyId) -> Result<&SaltKey, SealError> {
        self.0.get(id).ok_or_else(|| SealError::UnknownSaltKey(id.to_string()))
    }
}
