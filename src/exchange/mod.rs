//! The operations of the exchange: rules, then store, then log, then receipt.
//!
//! Every request of a known caller, granted, refused or broken, comes through [`Exchange::handle`] and
//! leaves it only after its log entry is durable; there is one way out, so no operation can forget
//! the log. Rules that need no record run before those that do, and a refusal names the rule, never
//! whether a person or licence exists. HTTP stands above (`api`): what is here can be called without
//! a socket.
//!
//! | file | decides |
//! |---|---|
//! | `admission`, `registrations`, `replays` | who is asking |
//! | `licences` | search, data, verify in this city |
//! | `copies`, `files` | annotated copies as OFD; the verdict on a file |
//! | `regions` | the same in other cities, and what of their answers is believed |
//! | `changes` | issue and status, by issuing authorities |
//! | `admin`, `jobs` | what the operator changes, and long work on the store |
//! | `backup` | store and log together, out of a node and back |
//! | `master` | another master key for both at once |
//! | `tokens`, `catalogue`, `receipts` | the rest |
//! | `import` | many records at once, from files |
//! | `reconcile` | store and log say the same before the node serves |
//! | `record`, `rate` | what of a request goes into the log, and what is only counted |

pub mod admin;
pub mod admission;
pub mod backup;
mod catalogue;
mod changes;
pub mod copies;
mod files;
pub mod import;
pub mod jobs;
mod licences;
pub mod master;
pub mod problem;
mod rate;
mod receipts;
pub mod reconcile;
mod record;
mod regions;
pub mod registrations;
mod replays;
pub mod settings;
mod tokens;
pub mod wire;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::admission::Caller;
use self::copies::NodeSeal;
use self::problem::{PROBLEM_JSON, Problem, national};
use self::rate::Windows;
use self::record::Draft;
use self::registrations::Registrations;
use self::replays::Replays;
use self::settings::ExchangeSettings;
use crate::accesslog::{AccessLog, LogError, Outcome};
use crate::keys::MasterKeySource;
use crate::peer::Peers;
use crate::rules::Role;
use crate::store::{LicenceIssuer, LicenceReader, MemoryWatch, Registry, StoreAdmin};
use licence_seal::crypto::{Random, Signer, sha256};
use licence_seal::evidence::{Directory, Receipt, b64};
use licence_seal::licence::Catalogue;
use licence_seal::pki::{Anchors, Crl};
use licence_seal::seal::{SealingKey, Trust};
use licence_seal::time::Clock;

/// JSON answers.
pub const JSON: &str = "application/json";
/// A sealed licence.
pub const LICENCE_JSON: &str = "application/licence+json";

/// A request as the HTTP side hands it over.
#[derive(Debug)]
pub struct Incoming {
    pub method: String,
    pub path: String,
    /// The body, or the problem that reading it met.
    pub body: Result<Arc<Vec<u8>>, Problem>,
    pub content_type: Option<String>,
    /// `Accept`
    pub accept: Option<String>,
    /// Client certificate chain as TLS received it, leaf first, DER; empty without one.
    pub chain: Vec<Vec<u8>>,
    /// `Authorization`
    pub authorization: Option<String>,
    /// `Licence-Request-Signature`
    pub signature: Option<String>,
    pub address: IpAddr,
}

impl Incoming {
    fn body_bytes(&self) -> &[u8] {
        self.body.as_ref().map(|body| body.as_slice()).unwrap_or_default()
    }

    /// Whether the body has this media type, whatever its parameters.
    fn is_sent_as(&self, media: &str) -> bool {
        let sent = self.content_type.as_deref().unwrap_or_default();
        sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
    }

    /// Whether a page is among what the caller names.
    fn accepts_html(&self) -> bool {
        let mut named = self.accept.iter().flat_map(|accept| accept.split(','));
        named.any(|range| range.split(';').next().unwrap_or_default().trim() == "text/html")
    }

    fn wants_token(&self) -> bool {
        self.path == tokens::PATH
    }
}

/// An answer for the HTTP side to send.
#[derive(Debug)]
pub struct Outgoing {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    pub request_id: String,
    /// `Licence-Receipt`
    pub receipt: Option<String>,
    /// `Licence-Peer-Receipt`: the receipt of the city that answered.
    pub peer_receipt: Option<String>,
}

/// What an operation gives when it succeeds.
#[derive(Debug)]
struct Answer {
    content_type: &'static str,
    body: Vec<u8>,
    peer_receipt: Option<String>,
}

impl Answer {
    fn json<T: Serialize>(body: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|why| failed("answer", &why))?;
        Ok(Self { content_type: JSON, body, peer_receipt: None })
    }
}

/// The node's own signing key and certificate.
pub struct NodeKeys {
    pub signer: Arc<dyn Signer>,
    /// DER.
    pub certificate: Vec<u8>,
    /// DER of the certificate that the node shows in TLS, as server and to its peers.
    pub tls_certificate: Vec<u8>,
}

/// What callers, seals and other cities are held against: read anew while the node serves, and taken
/// as one, so that a request never sees half of a change.
#[derive(Debug, Default)]
pub struct Held {
    /// Authorities of client certificates.
    pub client_anchors: Anchors,
    pub client_crls: Vec<Crl>,
    pub trust: Trust,
    /// Directories of the other cities, by region.
    pub directories: BTreeMap<String, Directory>,
}

/// Seals and keys of the authorities whose keys are here.
#[derive(Debug, Default)]
pub struct SealingKeys {
    pub by_issuer: BTreeMap<String, SealingKey>,
    /// The library's own seal, for records whose issuer's key is not here.
    pub attestation: Option<SealingKey>,
    /// The node's own, for annotated copies.
    pub node: Option<NodeSeal>,
}

/// The exchange of one node.
pub struct Exchange {
    pub region: String,
    pub settings: ExchangeSettings,
    pub catalogue: &'static Catalogue,
    pub reader: Arc<dyn LicenceReader>,
    pub issuer: Arc<dyn LicenceIssuer>,
    pub registry: Arc<dyn Registry>,
    pub log: Arc<AccessLog>,
    pub keys: NodeKeys,
    pub sealing: SealingKeys,
    pub peers: Peers,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Whether the process has more memory than it should.
    pub memory: MemoryWatch,
    held: RwLock<Arc<Held>>,
    pub(crate) replays: Replays,
    /// Held by a change until it is logged, so that the log has changes in the order of the store and
    /// a kill can leave only the last one unlogged (see `reconcile`).
    changes: Arc<tokio::sync::Mutex<()>>,
    /// Mismatches of `verify`, by partner and holder, a day.
    mismatches: Windows,
    /// Requests, by partner, a minute.
    rate: Windows,
    uploads: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    registrations: RwLock<Arc<Registrations>>,
    jobs: jobs::Jobs,
}

/// What [`Exchange::new`] is made from.
pub struct ExchangeParts {
    pub region: String,
    pub settings: ExchangeSettings,
    pub catalogue: &'static Catalogue,
    pub reader: Arc<dyn LicenceReader>,
    pub issuer: Arc<dyn LicenceIssuer>,
    pub registry: Arc<dyn Registry>,
    pub store: Arc<dyn StoreAdmin>,
    /// Below it the operator may have backups made.
    pub backup_dir: Option<PathBuf>,
    /// Read only when the operator has a key of the store changed.
    pub master_key: MasterKeySource,
    pub log: Arc<AccessLog>,
    pub keys: NodeKeys,
    pub sealing: SealingKeys,
    pub held: Held,
    pub peers: Peers,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

impl Exchange {
    pub fn new(parts: ExchangeParts) -> Result<Self, Problem> {
        let registrations = Registrations::load(parts.registry.as_ref())?;
        let places = |count| Arc::new(Semaphore::new(count));
        let (log, clock) = (Arc::clone(&parts.log), Arc::clone(&parts.clock));
        Ok(Self {
            jobs: jobs::Jobs::new(
                parts.store,
                log,
                parts.catalogue,
                clock,
                parts.backup_dir,
                parts.master_key,
            ),
            uploads: places(parts.settings.file_uploads),
            workers: places(parts.settings.file_workers),
            memory: MemoryWatch::default(),
            region: parts.region,
            settings: parts.settings,
            catalogue: parts.catalogue,
            reader: parts.reader,
            issuer: parts.issuer,
            registry: parts.registry,
            log: parts.log,
            keys: parts.keys,
            sealing: parts.sealing,
            held: RwLock::new(Arc::new(parts.held)),
            peers: parts.peers,
            clock: parts.clock,
            random: parts.random,
            replays: Replays::default(),
            changes: Arc::default(),
            mismatches: Windows::default(),
            rate: Windows::default(),
            registrations: RwLock::new(Arc::new(registrations)),
        })
    }

    /// What everything is held against now.
    pub fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes newer authorities, lists and directories. A list or directory never goes back to an older
    /// one: whoever was struck off stays struck off.
    pub fn hold(&self, newer: Held) -> Result<(), String> {
        let held = self.held();
        for (region, directory) in &newer.directories {
            if held.directories.get(region).is_some_and(|known| directory.issued < known.issued) {
                return Err(format!("the directory of region {region} is older than the one in force"));
            }
        }
        for region in newer.trust.regions() {
            let issued = |trust: &Trust| trust.list(region).map(|list| list.issued);
            if issued(&newer.trust) < issued(&held.trust) {
                return Err(format!("the issuer list of region {region} is older than the one in force"));
            }
        }
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        Ok(())
    }

    /// How large the body of a request to `path` may be, in bytes, and for a file the place that it
    /// takes until it is answered: callers together cannot fill the memory.
    pub fn room_for(&self, path: &str) -> Result<(usize, Option<OwnedSemaphorePermit>), Problem> {
        if path != files::PATH {
            return Ok((self.settings.body_limit, None));
        }
        let place = Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| {
            let detail = "as many files as this node takes at once are being verified; try again";
            Problem::unavailable(national::OTHER, "file.busy", detail)
        })?;
        Ok((self.settings.file_limit, Some(place)))
    }

    /// Does what takes long on a thread of its own, a few at once, so that no other request waits for it.
    async fn work<T: Send + 'static>(
        &self,
        what: &'static str,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.workers).acquire_owned().await.map_err(|why| failed(what, &why))?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            task()
        });
        done.await.map_err(|why| failed(what, &why))
    }

    /// Whether a certificate (DER) stands behind a registration.
    pub fn recognises(&self, certificate: &[u8]) -> bool {
        self.registrations().by_certificate(&sha256(&[certificate])).is_some()
    }

    pub fn registrations(&self) -> Arc<Registrations> {
        Arc::clone(&self.registrations.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn reload_registrations(&self) -> Result<(), Problem> {
        let fresh = Arc::new(Registrations::load(self.registry.as_ref())?);
        *self.registrations.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Ends the long work on the store that is running, if any, and starts no other.
    pub fn stop_jobs(&self) {
        self.jobs.stop();
    }

    /// Answers one request. The answer of a known caller leaves only after its log entry is durable.
    pub async fn handle(self: &Arc<Self>, incoming: Incoming) -> Outgoing {
        let Ok(nonce) = self.random.bytes::<16>() else { return self.bare(&Problem::internal()) };
        let request_id = match self.random.bytes::<16>() {
            Ok(bytes) => hex::encode(bytes),
            Err(_) => return self.bare(&Problem::internal()),
        };
        let mut caller = match admission::recognise(self, &incoming) {
            Ok(caller) => caller,
            Err(problem) => {
                self.log.count_unknown(&incoming.address.to_string(), &problem.rule);
                return self.problem_answer(&problem, request_id, &incoming.path);
            }
        };
        let mut draft = Draft::new(&request_id, &incoming, &nonce, &caller);
        let outcome = match admission::admit(self, &incoming, &mut caller) {
            Ok(()) => {
                draft.identify(&caller);
                self.dispatch(&incoming, &caller, &mut draft).await
            }
            Err(problem) => Err(problem),
        };
        let mut outgoing = match outcome {
            Ok(answer) => Outgoing {
                status: 200,
                content_type: answer.content_type,
                body: answer.body,
                request_id,
                receipt: None,
                peer_receipt: answer.peer_receipt,
            },
            Err(problem) => {
                draft.refused(&problem);
                self.problem_answer(&problem, request_id, &incoming.path)
            }
        };
        let mut logged = self.log.append_async(draft.access()).await;
        let refused = match &logged {
            // Others used the rest of the limit while this request was answered.
            Err(LogError::DailyLimit { .. }) => {
                Some(Problem::forbidden("grant.dailyLimit", "the daily limit of the grant is used up"))
            }
            Err(LogError::EntryTooLarge { .. }) => Some(Problem::malformed(
                "log.entryTooLarge",
                "the request names more than a log entry can hold",
            )),
            _ => None,
        };
        if let Some(problem) = refused {
            draft.bare();
            draft.refused(&problem);
            outgoing = self.problem_answer(&problem, outgoing.request_id, &incoming.path);
            logged = self.log.append_async(draft.access()).await;
        }
        let logged = match logged {
            Ok(logged) => logged,
            Err(why) => {
                // Without its entry the answer must not leave.
                tracing::error!(rule = why.rule(), %why, request_id = outgoing.request_id, "the access could not be logged");
                let request_id = outgoing.request_id;
                return self.problem_answer(&Problem::internal(), request_id, &incoming.path);
            }
        };
        let receipt = Receipt {
            iss: self.region.clone(),
            aud: caller.id.clone(),
            iat: logged.time.secs(),
            request_id: outgoing.request_id.clone(),
            method: incoming.method.clone(),
            path: incoming.path.clone(),
            status: outgoing.status,
            request_digest: b64(&sha256(&[&nonce, incoming.body_bytes()])),
            nonce: b64(&nonce),
            request_jti: caller.signature.as_ref().map(|(_, claims)| claims.jti.clone()),
            answer_digest: b64(&sha256(&[&outgoing.body])),
            log: record::place(&logged),
            counter: logged.counter.unwrap_or_default(),
            certificate: b64(&caller.certificate),
        };
        match receipt.sign(self.keys.signer.as_ref(), &self.keys.certificate) {
            Ok(receipt) => outgoing.receipt = Some(receipt),
            Err(why) => {
                tracing::error!(%why, request_id = outgoing.request_id, "the receipt could not be signed");
                return self.problem_answer(&Problem::internal(), outgoing.request_id, &incoming.path);
            }
        }
        outgoing
    }

    /// The routes. Paths of operations are the ones of `docs/api.md`.
    async fn dispatch(
        self: &Arc<Self>,
        incoming: &Incoming,
        caller: &Caller,
        draft: &mut Draft,
    ) -> Result<Answer, Problem> {
        let minute = self.clock.now().secs().div_euclid(60);
        if self.rate.count(&caller.id, minute) >= self.settings.requests_per_minute {
            return Err(Problem::too_many("rate.minute", "too many requests this minute"));
        }
        let (method, path) = (incoming.method.as_str(), incoming.path.as_str());
        let role = match path {
            licences::SEARCH | licences::DATA | licences::VERIFY | copies::PATH | files::PATH => {
                Some(Role::Partner)
            }
            changes::ISSUE | changes::STATUS => Some(Role::Issuer),
            admin::PATH => Some(Role::Operator),
            _ => None,
        };
        if role.is_some_and(|role| role != caller.role) {
            return Err(Problem::forbidden("role", "the caller's role does not offer this"));
        }
        match (method, path) {
            ("POST", tokens::PATH) => tokens::issue(self, incoming, caller),
            ("POST", licences::SEARCH) => licences::search(self, incoming, caller, draft).await,
            ("POST", licences::DATA) => licences::data(self, incoming, caller, draft).await,
            ("POST", licences::VERIFY) => licences::verify(self, incoming, caller, draft).await,
            ("POST", copies::PATH) => copies::copy(self, incoming, caller, draft).await,
            ("POST", files::PATH) => files::verify(self, incoming, draft).await,
            ("POST", changes::ISSUE) => changes::issue(self, incoming, caller, draft).await,
            ("POST", changes::STATUS) => changes::status(self, incoming, caller, draft).await,
            ("POST", admin::PATH) => admin::change(self, incoming, caller, draft).await,
            ("POST", receipts::PATH) => receipts::prove(self, incoming, draft).await,
            ("GET", path) if path.starts_with(catalogue::PATH) => catalogue::show(self, path),
            _ => Err(Problem::no_such_service()),
        }
    }

    fn problem_answer(&self, problem: &Problem, request_id: String, path: &str) -> Outgoing {
        let mut body = problem.body(&request_id);
        if let (true, Some(object)) = (path == tokens::PATH, body.as_object_mut()) {
            object.insert("error".to_owned(), tokens::oauth_error(problem).into());
        }
        Outgoing {
            status: problem.status,
            content_type: PROBLEM_JSON,
            body: serde_json::to_vec(&body).unwrap_or_default(),
            request_id,
            receipt: None,
            peer_receipt: None,
        }
    }

    fn bare(&self, problem: &Problem) -> Outgoing {
        self.problem_answer(problem, String::new(), "")
    }
}

/// Reads a JSON body.
fn parse<T: DeserializeOwned>(incoming: &Incoming) -> Result<T, Problem> {
    if !incoming.is_sent_as(JSON) {
        return Err(Problem::media_type("the body is sent as application/json"));
    }
    serde_json::from_slice(incoming.body_bytes()).map_err(|why| {
        // serde_json quotes values of a wrong type, which may be personal data; names of members may
        // stand.
        let text = why.to_string();
        let (line, column) = (why.line(), why.column());
        let detail = if text.starts_with("invalid") {
            format!("a value of the wrong type or form at line {line} column {column}")
        } else {
            text
        };
        Problem::malformed("request.json", detail)
    })
}

/// Turns a failure of a lower room into a problem: the caller learns that it failed, the operator why.
fn failed(what: &'static str, why: &dyn std::fmt::Display) -> Problem {
    tracing::error!(what, %why, "an operation failed");
    Problem::internal()
}

/// Whether a problem means that the node failed, rather than that a rule refused.
fn outcome_of(problem: &Problem) -> Outcome {
    if problem.status >= 500 { Outcome::Failed } else { Outcome::Refused }
}
