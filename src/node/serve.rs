//! A node that serves: its listener, what it looks at while it runs, and its end.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::{Error, at};
use super::open::Node;
use crate::api::{self, tls};
use crate::exchange::Passage;
use crate::store::{StoreAdmin, StoreError, resident_bytes};

impl Node {
    /// Starts to serve at the configured address, on a thread of its own.
    pub fn serve(self) -> Result<RunningNode, Error> {
        let listener = TcpListener::bind(self.settings.listen.address)?;
        self.serve_on(listener)
    }

    /// Starts to serve on a socket that is bound already.
    ///
    /// # Errors
    /// [`StoreError::ImportUnderWay`]: half an import would be served.
    pub fn serve_on(self, socket: TcpListener) -> Result<RunningNode, Error> {
        if self.store.import_under_way() {
            return Err(StoreError::ImportUnderWay.into());
        }
        let files = &self.settings.files;
        let read = |path: &Path| std::fs::read(path).map_err(|why| at(path, why));
        let tls = tls::server_config(&read(&files.tls_certificate)?, &files.key_pem(&files.tls_key)?)?;
        self.look_at_memory();
        let node = Arc::new(self);
        let (ready, started) = mpsc::channel();
        let served = Arc::clone(&node);
        let thread = std::thread::Builder::new().name("exchange".to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let listening = api::listen(
                    Passage::new(Arc::clone(&served.exchange)),
                    &served.settings.listen,
                    socket,
                    tls,
                );
                match listening {
                    Ok((listener, running)) => {
                        let reload = actix_web::rt::spawn(reload_for_ever(Arc::clone(&served)));
                        let watch = actix_web::rt::spawn(watch_memory(Arc::clone(&served)));
                        // A receiver that is gone means that nobody waits for the node any more.
                        let _ = ready.send(Ok(listener));
                        let ended = running.await;
                        reload.abort();
                        watch.abort();
                        ended
                    }
                    Err(why) => {
                        let _ = ready.send(Err(why));
                        Ok(())
                    }
                }
            })
        })?;
        let listener = started.recv()??;
        let address = listener.addresses.first().copied().ok_or("the node listens nowhere")?;
        let api::Listener { handle, released, .. } = listener;
        Ok(RunningNode { node, address, handle, released, thread: Some(thread) })
    }

    fn look_at_memory(&self) {
        // Where the system does not tell, there is nothing to watch.
        if let Some(resident) = resident_bytes() {
            self.exchange.memory.observe(resident, self.settings.store.memory_limit_bytes);
        }
    }
}

/// How often trust and revocation lists are read anew.
const RELOAD_EVERY: Duration = Duration::from_secs(10);

async fn reload_for_ever(node: Arc<Node>) {
    loop {
        actix_web::rt::time::sleep(RELOAD_EVERY).await;
        if let Err(why) = node.reload() {
            tracing::error!(%why, "trust and revocation lists could not be read; the old ones stay in force");
        }
    }
}

/// How often the memory of the process is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(5);

async fn watch_memory(node: Arc<Node>) {
    loop {
        actix_web::rt::time::sleep(MEMORY_EVERY).await;
        node.look_at_memory();
    }
}

/// How long workers have to end after the listener did.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// A node that serves.
pub struct RunningNode {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    handle: actix_web::dev::ServerHandle,
    released: mpsc::Receiver<Infallible>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl RunningNode {
    /// `https://…` of this node.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Lets requests in flight finish, then closes log and store.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_serving()?;
        self.node.close()
    }

    fn stop_serving(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.node.exchange.stop_jobs();
        let stopped = self.handle.stop(true);
        tokio::runtime::Builder::new_current_thread().build()?.block_on(stopped);
        let ended = thread.join();
        // The store is closed, and its folder let go, by whoever holds it last: not by a worker, unseen.
        let _ = self.released.recv_timeout(RELEASED_WITHIN);
        match ended {
            Ok(ended) => Ok(ended?),
            Err(_) => Err("the serving thread ended in a panic".into()),
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        // An owner that did not stop it has nobody left to tell.
        let _ = self.stop_serving();
    }
}
