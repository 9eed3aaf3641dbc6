//! A key in a token or cryptographic machine behind PKCS#11.
//!
//! The digest is made here and only 32 bytes go to the machine: `CKM_ECDSA` for P-256, and for SM2 the
//! vendor's mechanism that the URI names, over e = SM3(ZA ‖ M). Mechanisms that hash inside differ from
//! vendor to vendor (which user id, whether ZA is in), plain ones do not. The value that comes back may
//! be r‖s or DER.
//!
//! Sessions: at most [`SESSIONS`] for each key, each used by one thread at a time; a thread takes a free
//! one or waits its turn. A session that was lost (token pulled, machine restarted) is opened again, by
//! the token's name and not its slot number, and the signature is tried once more, not for ever. A
//! refused PIN is never sent a second time by the same signer, and none is sent when the token says that
//! one try is left.
//!
//! At opening one signature is made and verified, so that a wrong mechanism or a public key that does
//! not belong to the private one shows at the start, not on a seal. The library is loaded once for each
//! path and stays for the life of the process, as PKCS#11 wants it. What the vendor's library does
//! inside the process is beyond this crate's ban on unsafe code; the machine's maker answers for it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use der::Decode;
use der::asn1::{ObjectIdentifier, OctetStringRef};
use parking_lot::{Mutex, MutexGuard};
use zeroize::Zeroizing;

use super::{KeyError, TokenUri};
use licence_seal::crypto::{CryptoError, Digest, PublicKey, Signature, Signer, Suite};

/// Most sessions that one key holds open.
const SESSIONS: usize = 4;

/// Libraries that were loaded and initialised, by path.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// A private key in a token.
pub struct TokenSigner {
    uri: TokenUri,
    module: Pkcs11,
    public: PublicKey,
    sessions: [Mutex<Option<Open>>; SESSIONS],
    turn: AtomicUsize,
    pin_refused: AtomicBool,
    login: Mutex<()>,
}

/// A session that is logged in, and the key as it is called in it.
struct Open {
    session: Session,
    key: ObjectHandle,
}

impl TokenSigner {
    /// Finds the key, logs in, and proves that it signs for the public key beside it.
    pub fn open(uri: &TokenUri) -> Result<Self, KeyError> {
        let module = module(uri)?;
        let session = module.open_ro_session(slot(&module, uri)?).map_err(device)?;
        log_in(&module, &session, uri)?;
        let key = private_key(&session, uri)?;
        let public = public_key(&session, key, uri)?;
        if public.suite() == Suite::Sm2Sm3 && uri.sm2_mechanism.is_none() {
            return Err(KeyError::TokenUri("the key is an SM2 key: sm2-mechanism is missing"));
        }
        let signer = Self {
            uri: uri.clone(),
            module,
            public,
            sessions: Default::default(),
            turn: AtomicUsize::new(0),
            login: Mutex::new(()),
            pin_refused: AtomicBool::new(false),
        };
        *signer.place() = Some(Open { session, key });
        let probe = b"licence-node: does this key sign for its public key?";
        signer.public.verify(probe, &signer.sign(probe)?).map_err(|_| {
            KeyError::TokenKey("its signature does not verify under the public key of the same name")
        })?;
        Ok(signer)
    }

    /// A free session's place, or the next one in turn when all are in use.
    fn place(&self) -> MutexGuard<'_, Option<Open>> {
        for place in &self.sessions {
            if let Some(free) = place.try_lock() {
                return free;
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SESSIONS;
        let [first, ..] = &self.sessions;
        self.sessions.get(turn).unwrap_or(first).lock()
    }

    fn reopen(&self) -> Result<Open, KeyError> {
        // One at a time: a PIN that was refused to one is not sent by the next.
        let _turn = self.login.lock();
        if self.pin_refused.load(Ordering::Relaxed) {
            return Err(KeyError::TokenPin("it was refused before and is not sent again"));
        }
        let session = self.module.open_ro_session(slot(&self.module, &self.uri)?).map_err(device)?;
        log_in(&self.module, &session, &self.uri).inspect_err(|why| {
            if matches!(why, KeyError::TokenPin(_)) {
                self.pin_refused.store(true, Ordering::Relaxed);
            }
        })?;
        let key = private_key(&session, &self.uri)?;
        Ok(Open { session, key })
    }

    fn sign_digest(&self, open: &Open, digest: &Digest) -> Result<Vec<u8>, TokenError> {
        let mechanism = match self.uri.sm2_mechanism {
            Some(number) if self.suite() == Suite::Sm2Sm3 => {
                let kind = MechanismType::new_vendor_defined(number)?;
                Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(kind, None))
            }
            _ => Mechanism::Ecdsa,
        };
        open.session.sign(&mechanism, open.key, digest)
    }
}

impl Signer for TokenSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, CryptoError> {
        let digest = self.public.digest_to_sign(message);
        let mut place = self.place();
        let mut again = true;
        loop {
            let open = match place.take() {
                Some(open) => open,
                None => self.reopen()?,
            };
            match self.sign_digest(&open, &digest) {
                Ok(value) => {
                    *place = Some(open);
                    return Ok(Signature::from_der_or_raw(&value)?.canonical(self.suite()));
                }
                Err(why) if again && is_lost(&why) => again = false,
                Err(why) => return Err(device(why).into()),
            }
        }
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSigner({}, of {:?})", self.uri, self.public)
    }
}

fn module(uri: &TokenUri) -> Result<Pkcs11, KeyError> {
    let refuse = |why: TokenError| KeyError::TokenModule(format!("{}: {why}", uri.module.display()));
    let mut modules = MODULES.lock();
    if let Some(module) = modules.get(&uri.module) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&uri.module).map_err(refuse)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(why) => return Err(refuse(why)),
    }
    modules.insert(uri.module.clone(), module.clone());
    Ok(module)
}

fn slot(module: &Pkcs11, uri: &TokenUri) -> Result<Slot, KeyError> {
    let mut found = None;
    for slot in module.get_slots_with_token().map_err(device)? {
        let token = module.get_token_info(slot).map_err(device)?;
        let named = uri.token.as_deref().is_none_or(|label| token.label() == label)
            && uri.serial.as_deref().is_none_or(|serial| token.serial_number() == serial);
        if named && found.replace(slot).is_some() {
            return Err(KeyError::TokenNotFound("more than one token has that name; add serial"));
        }
    }
    found.ok_or(KeyError::TokenNotFound("no token has that name"))
}

fn log_in(module: &Pkcs11, session: &Session, uri: &TokenUri) -> Result<(), KeyError> {
    let token = module.get_token_info(slot(module, uri)?).map_err(device)?;
    let pin = match &uri.pin {
        Some(source) => {
            let pin = source.passphrase()?;
            let text =
                std::str::from_utf8(pin.expose()).map_err(|_| KeyError::TokenPin("it is not UTF-8"))?;
            Some(AuthPin::from(text))
        }
        None if !token.login_required() || token.protected_authentication_path() => None,
        None => return Err(KeyError::TokenPin("none was given; add pin-source")),
    };
    if pin.is_none() && !token.protected_authentication_path() {
        return Ok(());
    }
    // A service that starts over and over must not be what locks the token.
    if token.user_pin_final_try() {
        return Err(KeyError::TokenPin("one try is left and is not risked; log in with the vendor's tool"));
    }
    match session.login(UserType::User, pin.as_ref()) {
        // All sessions of a process with one token share the login.
        Ok(()) | Err(TokenError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(TokenError::Pkcs11(
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinExpired,
            _,
        )) => Err(KeyError::TokenPin("the token refused it")),
        Err(TokenError::Pkcs11(RvError::PinLocked, _)) => Err(KeyError::TokenPin("the token has locked it")),
        Err(why) => Err(device(why)),
    }
}

/// Label and id that the URI names.
fn template(class: ObjectClass, uri: &TokenUri) -> Vec<Attribute> {
    let label = uri.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec()));
    let id = uri.id.clone().map(Attribute::Id);
    [Some(Attribute::Class(class)), label, id].into_iter().flatten().collect()
}

fn private_key(session: &Session, uri: &TokenUri) -> Result<ObjectHandle, KeyError> {
    let found = session.find_objects(&template(ObjectClass::PRIVATE_KEY, uri)).map_err(device)?;
    match found.as_slice() {
        [key] => Ok(*key),
        [] => Err(KeyError::TokenKey("no private key has that object or id")),
        _ => Err(KeyError::TokenKey("more than one private key has that name; add id")),
    }
}

/// The public key object that goes with the private one: the same id, or else the same name.
fn public_key(session: &Session, key: ObjectHandle, uri: &TokenUri) -> Result<PublicKey, KeyError> {
    let refuse = KeyError::TokenKey;
    let mut wanted = template(ObjectClass::PUBLIC_KEY, uri);
    for attribute in session.get_attributes(key, &[AttributeType::Id]).map_err(device)? {
        if matches!(&attribute, Attribute::Id(id) if !id.is_empty() && uri.id.is_none()) {
            wanted.push(attribute);
        }
    }
    let found = session.find_objects(&wanted).map_err(device)?;
    let [public] = found.as_slice() else {
        return Err(refuse("there is not one public key object with the same id beside it"));
    };
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let (mut suite, mut point) = (None, None);
    for attribute in session.get_attributes(*public, &wanted).map_err(device)? {
        match attribute {
            Attribute::EcParams(curve) => {
                let curve: ObjectIdentifier =
                    Decode::from_der(&curve).map_err(|_| refuse("its curve is not named"))?;
                suite = Suite::from_curve_oid(&curve.to_string());
            }
            Attribute::EcPoint(value) => point = Some(Zeroizing::new(value)),
            _ => {}
        }
    }
    let suite = suite.ok_or(refuse("it is neither on P-256 nor on the curve of SM2"))?;
    let point = point.ok_or(refuse("its public key has no point"))?;
    // DER OCTET STRING by the standard; some machines give the bare point.
    let bare = <&OctetStringRef>::from_der(&point).map_or(point.as_slice(), |octets| octets.as_bytes());
    Ok(PublicKey::from_point(suite, bare)?)
}

/// Whether another session may do what this one could not.
fn is_lost(why: &TokenError) -> bool {
    let TokenError::Pkcs11(why, _) = why else { return false };
    matches!(
        why,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::SlotIdInvalid
            | RvError::OperationActive
    )
}

fn device(why: TokenError) -> KeyError {
    KeyError::TokenDevice(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::keys::SecretSource;
    use licence_seal::crypto::{PrivateKey, SystemRandom};

    /// Where Debian puts SoftHSM2.
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    const URI: &str = "LICENCE_TEST_TOKEN_URI";

    /// SoftHSM2 reads the environment, which a test must not change: the work is done by this very
    /// program as a child.
    #[test]
    fn threads_share_a_key_in_a_token_and_a_lost_session_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("conf");
        std::fs::write(&conf, format!("directories.tokendir = {}\n", dir.path().display())).unwrap();
        std::fs::write(dir.path().join("pin"), "1234").unwrap();
        let key = PrivateKey::generate(Suite::P256Sha256, &SystemRandom::new());
        let pem = PrivateKey::to_pem(&key.unwrap()).unwrap();
        let file = dir.path().join("key.pem");
        std::fs::write(&file, pem.as_bytes()).unwrap();
        let util =
            |args: &[&str]| Command::new("softhsm2-util").env("SOFTHSM2_CONF", &conf).args(args).output();
        let made = util(&["--init-token", "--free", "--label", "t", "--so-pin", "1234", "--pin", "1234"]);
        if made.is_err() || !std::path::Path::new(MODULE).exists() {
            println!("skipped: SoftHSM2 is not installed");
            return;
        }
        let import = ["--token", "t", "--pin", "1234", "--label", "k", "--id", "01"];
        let made = util(&[&["--import", file.to_str().unwrap()], &import[..]].concat()).unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let pin = dir.path().join("pin");
        let uri = format!("pkcs11:token=t;object=k?module-path={MODULE}&pin-source=file:{}", pin.display());
        let ran = Command::new(std::env::current_exe().unwrap())
            .env("SOFTHSM2_CONF", &conf)
            .env(URI, &uri)
            .args(["--exact", "keys::pkcs11::tests::signs_with_the_token_of_the_environment", "--nocapture"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(
            ran.status.success() && told.contains("all signed"),
            "{told}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    #[test]
    fn signs_with_the_token_of_the_environment() {
        let Ok(uri) = std::env::var(URI) else { return };
        let uri: TokenUri = uri.parse().unwrap();
        let signer = TokenSigner::open(&uri).unwrap();
        let work = |from: u8| {
            for at in 0..25 {
                let message = [from, at];
                signer.public_key().verify(&message, &signer.sign(&message).unwrap()).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for from in 0..8 {
                scope.spawn(move || work(from));
            }
        });
        let open = signer.sessions.iter().filter(|place| place.lock().is_some()).count();
        assert!((1..=SESSIONS).contains(&open), "{open}");

        // Logged out under one session is logged out under all, and their handles of the key are dead.
        let lose = || signer.sessions[0].lock().as_ref().unwrap().session.logout().unwrap();
        lose();
        work(9);
        if let Some(SecretSource::File(pin)) = &uri.pin {
            std::fs::write(pin, "9999").unwrap();
        }
        lose();
        assert_eq!(signer.sign(b"m"), Err(KeyError::TokenPin("the token refused it").into()));
        assert!(matches!(signer.sign(b"m"), Err(CryptoError::Device(why)) if why.contains("not sent again")));
        println!("all signed");
    }
}
