//! Private keys as files: PKCS#8 in PEM, plain or encrypted with a passphrase.
//!
//! What `openssl pkcs8 -topk8` writes is read: PBES2 (RFC 8018) with PBKDF2 over HMAC-SHA-2 or scrypt,
//! and AES-CBC. Older schemes (PBES1, RC2, DES, HMAC-SHA-1) are refused. How much work a file may ask
//! for is limited before any is done: it could come from elsewhere, and a start must not hang on it.

use std::io::Read;
use std::path::Path;

use pkcs8::der::Encode;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters, Pbkdf2Prf};
use pkcs8::pkcs5::scrypt::Params;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::{KeyError, Passphrase, SecretSource};
use licence_seal::crypto::{PrivateKey, Random, pem_decode, pem_encode};

/// Largest key file, in bytes.
const MAX_FILE: usize = 64 * 1024;
/// Most iterations of PBKDF2. OpenSSL 3 writes 2,048 unless told; 600,000 is the usual advice.
const MAX_ITERATIONS: u32 = 10_000_000;
/// Most memory of scrypt, in bytes: 128 · N · r. OpenSSL writes 16 MiB.
const MAX_SCRYPT_MEMORY: u64 = 256 * 1024 * 1024;
/// Most passes of scrypt over that memory.
const MAX_SCRYPT_PARALLEL: u16 = 16;

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";

/// Reads a key file. What is not encrypted comes back as it is; an encrypted key comes back as a
/// plain PEM block of PKCS#8. `passphrase` is fetched only if the file is encrypted.
pub fn read_key_pem(path: &Path, passphrase: Option<&SecretSource>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let told = |why: std::io::Error| KeyError::KeyFile(why.to_string());
    let file = std::fs::File::open(path).map_err(told)?;
    let mut pem = Zeroizing::new(Vec::with_capacity(4096));
    let limit = u64::try_from(MAX_FILE + 1).unwrap_or_default();
    file.take(limit).read_to_end(&mut pem).map_err(told)?;
    if pem.len() > MAX_FILE {
        return Err(KeyError::KeyFile("over 64 KiB".to_owned()));
    }
    if !is_encrypted(&pem) {
        return Ok(pem);
    }
    let source = passphrase.ok_or(KeyError::PassphraseNeeded)?;
    let der = decrypt(&pem_decode(ENCRYPTED, &pem)?, source.passphrase()?.expose())?;
    let plain = Zeroizing::new(pem_encode(PLAIN, der.as_bytes())?);
    Ok(Zeroizing::new(plain.as_bytes().to_vec()))
}

/// Reads the private key of a key file; `passphrase` is fetched only if it is encrypted.
pub fn read_key(path: &Path, passphrase: Option<&SecretSource>) -> Result<PrivateKey, KeyError> {
    Ok(PrivateKey::from_pem(&read_key_pem(path, passphrase)?)?)
}

/// A key (PKCS#8 DER) as an encrypted PEM block: scrypt with N = 16384, r = 8, p = 1, and AES-256-CBC,
/// which OpenSSL reads and which costs about as long as a node can wait for each of its keys.
pub fn encrypt_key_pem(
    pkcs8: &[u8],
    passphrase: &Passphrase,
    random: &dyn Random,
) -> Result<Zeroizing<String>, KeyError> {
    let refuse = || KeyError::KeyEncryption("it cannot be encrypted");
    let cost = Params::new(14, 8, 1).map_err(|_| refuse())?;
    let salt: [u8; 16] = random.bytes()?;
    let parameters =
        Parameters::generate_scrypt_aes256cbc(cost, &salt, random.bytes()?).map_err(|_| refuse())?;
    let encrypted = parameters.encrypt(passphrase.expose(), pkcs8).map_err(|_| refuse())?;
    let key = EncryptedPrivateKeyInfoRef {
        encryption_algorithm: EncryptionScheme::Pbes2(parameters),
        encrypted_data: OctetStringRef::new(&encrypted).map_err(|_| refuse())?,
    };
    Ok(pem_encode(ENCRYPTED, &key.to_der().map_err(|_| refuse())?).map(Zeroizing::new)?)
}

fn is_encrypted(pem: &[u8]) -> bool {
    let label = ENCRYPTED.as_bytes();
    pem.windows(label.len()).any(|window| window == label)
}

fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<SecretDocument, KeyError> {
    let key = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| KeyError::KeyEncryption("not EncryptedPrivateKeyInfo (RFC 5958) of a known scheme"))?;
    match &key.encryption_algorithm {
        EncryptionScheme::Pbes2(parameters) => check_work(parameters)?,
        _ => {
            return Err(KeyError::KeyEncryption("not PBES2; openssl pkcs8 -topk8 -v2 aes-256-cbc writes it"));
        }
    }
    // Padding or structure that comes out wrong: CBC has no other way of telling a wrong passphrase.
    key.decrypt(passphrase).map_err(|_| KeyError::PassphraseWrong)
}

fn check_work(parameters: &Parameters) -> Result<(), KeyError> {
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => {
            if kdf.iteration_count > MAX_ITERATIONS {
                return Err(KeyError::KeyEncryption("over 10,000,000 iterations of PBKDF2"));
            }
            if kdf.prf == Pbkdf2Prf::HmacWithSha1 {
                return Err(KeyError::KeyEncryption("PBKDF2 over HMAC-SHA-1"));
            }
        }
        Kdf::Scrypt(kdf) => {
            let memory = kdf.cost_parameter.saturating_mul(128 * u64::from(kdf.block_size));
            // RFC 7914 6; pkcs5 takes the logarithm of whatever stands there.
            if kdf.cost_parameter < 2 || !kdf.cost_parameter.is_power_of_two() {
                return Err(KeyError::KeyEncryption("a cost of scrypt that is no power of two"));
            }
            if memory > MAX_SCRYPT_MEMORY || kdf.parallelization > MAX_SCRYPT_PARALLEL {
                return Err(KeyError::KeyEncryption("over 256 MiB or 16 passes of scrypt"));
            }
        }
        _ => return Err(KeyError::KeyEncryption("neither PBKDF2 nor scrypt")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use licence_seal::crypto::{SeededRandom, Signer, Suite};

    fn pbkdf2(iterations: u32) -> Parameters {
        Parameters::generate_pbkdf2_sha256_aes256cbc(iterations, &[7; 16], [9; 16]).unwrap()
    }

    fn scrypt(log_n: u8, r: u32, p: u32) -> Parameters {
        let cost = pkcs8::pkcs5::scrypt::Params::new(log_n, r, p).unwrap();
        Parameters::generate_scrypt_aes256cbc(cost, &[7; 16], [9; 16]).unwrap()
    }

    fn wrapped(parameters: &Parameters, encrypted: &[u8]) -> Vec<u8> {
        let encrypted_data = OctetStringRef::new(encrypted).unwrap();
        let encryption_algorithm = EncryptionScheme::Pbes2(parameters.clone());
        EncryptedPrivateKeyInfoRef { encryption_algorithm, encrypted_data }.to_der().unwrap()
    }

    fn new_key(suite: Suite) -> Zeroizing<Vec<u8>> {
        PrivateKey::generate(suite, &SeededRandom::new("key file")).unwrap()
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn put(&self, name: &str, text: &str) -> std::path::PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn passphrase(&self, text: &str) -> SecretSource {
            SecretSource::File(self.put("passphrase", text))
        }
    }

    #[test]
    fn a_key_of_either_suite_is_read_plain_and_encrypted() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let source = folder.passphrase("口令 123\n");
        for suite in Suite::ALL {
            let der = new_key(suite);
            let public = PrivateKey::from_pkcs8(&der).unwrap().public_key().clone();
            let plain = folder.put("plain.pem", &PrivateKey::to_pem(&der).unwrap());
            for passphrase in [None, Some(&source)] {
                assert_eq!(read_key(&plain, passphrase).unwrap().public_key(), &public);
            }
            for parameters in [pbkdf2(2048), scrypt(4, 8, 1)] {
                let encrypted = parameters.encrypt("口令 123", &der).unwrap();
                let pem = pem_encode(ENCRYPTED, &wrapped(&parameters, &encrypted)).unwrap();
                let path = folder.put("encrypted.pem", &pem);
                let key = read_key(&path, Some(&folder.passphrase("口令 123\n"))).unwrap();
                assert_eq!(key.public_key(), &public);
                public.verify(b"m", &key.sign(b"m").unwrap()).unwrap();
                let fails = |passphrase| read_key(&path, passphrase).unwrap_err();
                assert_eq!(fails(None), KeyError::PassphraseNeeded);
                assert_eq!(fails(Some(&folder.passphrase("口令 124\n"))), KeyError::PassphraseWrong);
            }
        }
    }

    #[test]
    fn a_key_that_was_encrypted_here_is_read_and_no_two_files_are_alike() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let source = folder.passphrase("geheim\n");
        let (random, der) = (SeededRandom::new("encrypt"), new_key(Suite::Sm2Sm3));
        let pem = || encrypt_key_pem(&der, &source.passphrase().unwrap(), &random).unwrap();
        let (one, two) = (pem(), pem());
        assert!(one != two && one.contains(ENCRYPTED));
        let key = read_key(&folder.put("k.pem", &one), Some(&source)).unwrap();
        assert_eq!(key.public_key(), PrivateKey::from_pkcs8(&der).unwrap().public_key());
    }

    #[test]
    fn work_without_bound_and_old_schemes_are_refused_before_any_work() {
        for parameters in [pbkdf2(MAX_ITERATIONS + 1), scrypt(22, 8, 1), scrypt(4, 8, 17)] {
            let told = decrypt(&wrapped(&parameters, &[0; 32]), b"x").unwrap_err();
            assert!(matches!(told, KeyError::KeyEncryption(_)), "{told}");
        }
        let mut sha1 = pbkdf2(1);
        if let Kdf::Pbkdf2(kdf) = &mut sha1.kdf {
            kdf.prf = Pbkdf2Prf::HmacWithSha1;
        }
        assert!(matches!(decrypt(&wrapped(&sha1, &[0; 32]), b"x"), Err(KeyError::KeyEncryption(_))));
        for cost in [0, 1, 3, 12] {
            let mut odd = scrypt(4, 8, 1);
            if let Kdf::Scrypt(kdf) = &mut odd.kdf {
                kdf.cost_parameter = cost;
            }
            let told = decrypt(&wrapped(&odd, &[0; 32]), b"x").unwrap_err();
            assert!(matches!(told, KeyError::KeyEncryption(_)), "{told}");
        }
    }

    /// What OpenSSL writes, where it is here.
    #[test]
    fn a_key_that_openssl_encrypted_is_read() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let source = folder.passphrase("geheim\n");
        for suite in Suite::ALL {
            let der = new_key(suite);
            let plain = folder.put("plain.pem", &PrivateKey::to_pem(&der).unwrap());
            for scheme in
                [&["-v2", "aes-256-cbc", "-iter", "10000"][..], &["-v2", "aes-256-cbc"], &["-scrypt"]]
            {
                let path = folder.0.path().join("openssl.pem");
                let made = std::process::Command::new("openssl")
                    .args(["pkcs8", "-topk8"])
                    .args(scheme)
                    .arg("-in")
                    .arg(&plain)
                    .arg("-out")
                    .arg(&path)
                    .args(["-passout", &source.to_string()])
                    .output();
                if !made.is_ok_and(|made| made.status.success()) {
                    println!("skipped: no openssl here that knows {suite} and {scheme:?}");
                    continue;
                }
                let key = read_key(&path, Some(&source)).unwrap();
                assert_eq!(key.public_key(), PrivateKey::from_pkcs8(&der).unwrap().public_key());
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, at in 0_usize..120, value: u8) {
            let _ = decrypt(&bytes, b"x");
            // And what is nearly right.
            let mut der = wrapped(&scrypt(1, 1, 1), &[0; 32]);
            if let Some(byte) = der.get_mut(at) {
                *byte = value;
            }
            let _ = decrypt(&der, b"x");
        }
    }
}
