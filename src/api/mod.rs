//! HTTP: the exchange as others see it.
//!
//! This room turns HTTP into [`Incoming`] and [`Outgoing`] back, and decides nothing else: who may do
//! what is `exchange`'s, and so are the paths, methods and limits of the operations: whatever is not
//! `/health` or a file of the log goes through its passage, wrong paths and methods too, so that they
//! are on record. TLS is 1.3 only. A client certificate is asked for and its key proved; whose
//! it is and what it is worth is checked at each request. A connection without one is served nothing
//! but `/health` and the public files of the log, and every other request on it is refused and counted,
//! with its source, in the log. The alternative, refusing in the handshake, would leave nobody on
//! record.
//!
//! Bodies are read only from callers whose certificate is registered, up to a limit and within a time.

pub mod settings;
pub mod tls;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::StreamExt;

use self::settings::ListenSettings;
use crate::accesslog::Resource;
use crate::exchange::problem::Problem;
use crate::exchange::{Incoming, Outgoing, Passage, rules};

/// A page shows itself and the pictures inside it, whatever stands in it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// A client's certificate chain as TLS received it, leaf first.
#[derive(Clone, Debug)]
struct ClientChain(Vec<Vec<u8>>);

/// What every worker shares.
struct Shared {
    passage: Passage,
    body_timeout: Duration,
    // After the passage: once it is gone, so is every worker's hold on that.
    _held: Sender<Infallible>,
}

/// A running listener.
pub struct Listener {
    pub addresses: Vec<std::net::SocketAddr>,
    pub handle: ServerHandle,
    /// Disconnects when no worker has the exchange any more; their threads end some time after the listener.
    pub released: Receiver<Infallible>,
}

/// Starts on a bound socket; the returned future runs until the listener is stopped.
pub fn listen(
    passage: Passage,
    settings: &ListenSettings,
    socket: TcpListener,
    tls: rustls::ServerConfig,
) -> std::io::Result<(Listener, impl Future<Output = std::io::Result<()>> + use<>)> {
    let (held, released) = mpsc::channel();
    let body_timeout = Duration::from_millis(settings.body_timeout_ms);
    let threads = passage.exchange.blocking_threads();
    let shared = web::Data::new(Shared { passage, body_timeout, _held: held });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/health", web::get().to(health))
            .route("/log/{tail:.*}", web::get().to(log_file))
            .default_service(web::to(exchange_request))
    })
    .workers(settings.workers)
    .worker_max_blocking_threads(threads)
    .tcp_nodelay(true)
    .client_request_timeout(Duration::from_millis(settings.header_timeout_ms))
    .keep_alive(Duration::from_secs(75))
    .max_connections(settings.max_connections)
    .shutdown_timeout(5)
    .disable_signals()
    .on_connect(remember_client)
    .listen_rustls_0_23(socket, tls)?;
    let addresses = server.addrs();
    let server = server.run();
    let handle = server.handle();
    Ok((Listener { addresses, handle, released }, server))
}

fn remember_client(connection: &dyn std::any::Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() {
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        extensions.insert(ClientChain(chain.iter().map(|der| der.to_vec()).collect()));
    }
}

/// Whether the node answers and has no more memory than it should. It says nothing else: whoever asks may be anybody.
async fn health(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    shared.passage.exchange.log.count_unknown(&source(&request).to_string(), "health");
    if shared.passage.exchange.memory.is_over() {
        let body = r#"{"status":"memory"}"#;
        return HttpResponse::ServiceUnavailable().content_type("application/json").body(body);
    }
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// The public files of the log (C2SP tlog-tiles): checkpoint and tiles. Entry bundles are for
/// auditors and are not served here.
async fn log_file(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let path = request.path().strip_prefix("/log/").unwrap_or_default().to_owned();
    let source = source(&request).to_string();
    let found = web::block(move || {
        let log = &shared.passage.exchange.log;
        log.count_unknown(&source, "log");
        match Resource::parse(&path) {
            Some(resource) if !resource.is_bundle() => log.resource(resource).map_err(|why| why.to_string()),
            _ => Ok(None),
        }
    })
    .await;
    match found {
        Ok(Ok(Some(bytes))) => HttpResponse::Ok().content_type("application/octet-stream").body(bytes),
        Ok(Ok(None)) => HttpResponse::NotFound().finish(),
        Ok(Err(_)) | Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// Everything else goes through the exchange.
async fn exchange_request(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let chain = request.conn_data::<ClientChain>().map(|chain| chain.0.clone()).unwrap_or_default();
    let known = chain.first().is_some_and(|certificate| shared.passage.exchange.recognises(certificate));
    // Whoever is not known takes no place from those who are.
    let limit = known.then(|| shared.passage.body_limit(request.method().as_str(), request.path()));
    let (body, place) = match limit {
        None => (Ok(Vec::new()), None),
        Some(Err(problem)) => (Err(problem), None),
        Some(Ok((limit, place))) => {
            let declared =
                request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
            (read_body(payload, declared, limit, shared.body_timeout).await, place)
        }
    };
    let header = |name: &str| request.headers().get(name)?.to_str().ok().map(str::to_owned);
    let incoming = Incoming {
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
        body: body.map(Arc::new),
        content_type: header(CONTENT_TYPE.as_str()),
        accept: header(ACCEPT.as_str()),
        chain,
        authorization: header(AUTHORIZATION.as_str()),
        signature: header("licence-request-signature"),
        address: source(&request),
    };
    // On a task of its own: a client that hangs up must not stop a change between store and log.
    let answered = actix_web::rt::spawn(async move {
        let _place = place;
        shared.passage.handle(incoming).await
    });
    match answered.await {
        Ok(outgoing) => respond(outgoing),
        Err(why) => {
            tracing::error!(%why, "a request ended without an answer");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Reads the body up to its limit and within its time.
async fn read_body(
    mut payload: web::Payload,
    declared: Option<u64>,
    limit: usize,
    timeout: Duration,
) -> Result<Vec<u8>, Problem> {
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    let read = async {
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|_| Problem::malformed(rules::REQUEST_BODY, "the body ended too early"))?;
            if body.len() + chunk.len() > limit {
                return Err(Problem::too_large(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let late = Problem::malformed(rules::REQUEST_TIMEOUT, "the body did not arrive in time");
    actix_web::rt::time::timeout(timeout, read).await.unwrap_or(Err(late))
}

fn respond(outgoing: Outgoing) -> HttpResponse {
    let status = StatusCode::from_u16(outgoing.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response
        .content_type(outgoing.content_type)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("licence-request-id", outgoing.request_id));
    if status == StatusCode::UNAUTHORIZED {
        // RFC 6750 3.
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    if outgoing.content_type.starts_with("text/html") {
        response.insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY));
    }
    if let Some(receipt) = outgoing.receipt {
        response.insert_header(("licence-receipt", receipt));
    }
    if let Some(receipt) = outgoing.peer_receipt {
        response.insert_header(("licence-peer-receipt", receipt));
    }
    response.body(outgoing.body)
}

/// The address of the other end of the connection; headers that claim another are not believed.
fn source(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}
