//! The operations of the exchange: for each, where it is reached, by whom, with which body, how the log
//! calls it, and what it does. Nothing of that stands anywhere else: a new operation is a file under `ops`
//! and a row here.

use futures_util::future::BoxFuture;

use super::admission::Credentials;
use super::media;
use super::message::{Answer, Incoming};
use super::ops;
use super::problem::Problem;
use super::request::Request;
use super::settings::ExchangeSettings;
use crate::rules::Role;

/// One operation.
#[derive(Debug)]
pub struct Operation {
    pub method: &'static str,
    pub path: Path,
    /// Its word in the access log.
    pub word: &'static str,
    /// Whose it is; `None`: every registered caller's.
    pub role: Option<Role>,
    pub credentials: Credentials,
    pub body: Body,
    pub run: Run,
    /// What it does, in a line.
    pub describe: &'static str,
}

/// Does it.
pub type Run = for<'a> fn(Request<'a>) -> BoxFuture<'a, Result<Answer, Problem>>;

/// Where an operation is reached.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    Exactly(&'static str),
    /// And whatever begins so; the operation reads the rest.
    Below(&'static str),
}

impl Path {
    /// What follows in `path`, if this is where it leads.
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self {
            Self::Exactly(own) => (path == *own).then_some(""),
            Self::Below(own) => path.strip_prefix(own),
        }
    }
}

/// Which setting limits a body, in bytes.
pub type Limit = fn(&ExchangeSettings) -> usize;

/// The body that an operation takes.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    Json(Limit),
    /// Of OAuth 2.0, whose member `error` (RFC 6749 5.2) its refusals have.
    Form(Limit),
    /// As it is; a place is taken until it is answered.
    File(Limit),
    /// What is sent all the same is read as far as any other, since signature and receipt cover it.
    None,
}

impl Body {
    /// The largest that is read, in bytes.
    pub fn limit(self, settings: &ExchangeSettings) -> usize {
        match self {
            Self::Json(limit) | Self::Form(limit) | Self::File(limit) => limit(settings),
            Self::None => settings.body_limit,
        }
    }

    /// Whether the body is sent as what it is to be.
    pub fn check(self, incoming: &Incoming) -> Result<(), Problem> {
        let (types, detail): (&[&str], _) = match self {
            Self::Json(_) => (&[media::JSON], "the body is sent as application/json"),
            Self::File(_) => (
                &[media::BYTES, media::OFD, media::LICENCE_JSON],
                "a file is sent as application/octet-stream, application/ofd or application/licence+json",
            ),
            Self::Form(_) | Self::None => return Ok(()),
        };
        let fits = types.iter().any(|media| incoming.is_sent_as(media));
        if fits { Ok(()) } else { Err(Problem::media_type(detail)) }
    }
}

const BODY: Limit = |settings| settings.body_limit;
const FILE: Limit = |settings| settings.file_limit;

/// All of them. `docs/api.md` says more of each.
pub static TABLE: &[Operation] = &[
    Operation {
        method: "POST",
        path: Path::Exactly("/oauth2/token"),
        word: "token",
        role: None,
        credentials: Credentials::Certificate,
        body: Body::Form(BODY),
        run: |request| Box::pin(async move { ops::tokens::run(&request) }),
        describe: "gives an access token that holds for the caller's certificate",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/search"),
        word: "search",
        role: Some(Role::Partner),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::search::run(request)),
        describe: "finds the licences of a holder, city by city: identifiers, names and status",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/data"),
        word: "data",
        role: Some(Role::Partner),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::data::run(request)),
        describe: "gives a sealed licence with just the fields that grants and request allow",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/file"),
        word: "file",
        role: Some(Role::Partner),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::copies::run(request)),
        describe: "draws an annotated copy of a licence in force, as an OFD under the node's seal",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/verify"),
        word: "verify",
        role: Some(Role::Partner),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::verify::run(request)),
        describe: "tells by one bit whether statements fit a licence that holds today",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/issue"),
        word: "issue",
        role: Some(Role::Issuer),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::issue::run(request)),
        describe: "seals and stores a record, or a new version of one",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/licences/status"),
        word: "status",
        role: Some(Role::Issuer),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::status::run(request)),
        describe: "declares a state of a licence",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/files/verify"),
        word: "verifyFile",
        role: Some(Role::Partner),
        credentials: Credentials::Token,
        body: Body::File(FILE),
        run: |request| Box::pin(ops::files::run(request)),
        describe: "verifies a file against the trust folder of this node and gives the report",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/receipts"),
        word: "receipts",
        role: None,
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::receipts::run(request)),
        describe: "proves that an access stands in the log",
    },
    Operation {
        method: "GET",
        path: Path::Below("/v1/catalogue"),
        word: "catalogue",
        role: None,
        credentials: Credentials::Token,
        body: Body::None,
        run: |request| Box::pin(async move { ops::catalogue::run(&request) }),
        describe: "lists the types of licences, and gives one type or the JSON Schema of its records",
    },
    Operation {
        method: "POST",
        path: Path::Exactly("/v1/admin"),
        word: "admin",
        role: Some(Role::Operator),
        credentials: Credentials::Token,
        body: Body::Json(BODY),
        run: |request| Box::pin(ops::admin::run(request)),
        describe: "changes registrations and grants, and starts long work on the store",
    },
];
