//! Serves HTTP with bounds on everything.
//!
//! In: a socket and a router. Out: answers, on one thread, with bounds on how many come and how long each may take.

use super::guard::{Peer, household};
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Socket, Type};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::ServiceExt;

/// Connections at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1500;
/// Connections of one peer from elsewhere; a further one is closed. A proxy on this machine speaks for many.
const PEER_CONNECTIONS_MAX: usize = 128;
/// Connections that have not asked for anything yet; for a further one the oldest of them has to go.
const SILENT_MAX: usize = 256;
/// Connections that the system holds until they are accepted.
const QUEUE_MAX: i32 = 1024;
/// How long a request's head may take, and how long a connection may wait for one.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(20);
/// A peer that takes nothing for so long is gone, or might as well be.
const STALL_MAX: Duration = Duration::from_secs(10);
/// What the system and we hold for a peer that does not read: seconds of Opus, and little for hundreds of them.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// After a failed accept (no file descriptors left): a rest, so that it does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Threads for what takes a processor or a disk: rendering, composing, the archive. How many of the first two run at once is
/// `web`'s to say; the others wait for nobody.
const BLOCKING_THREADS_MAX: usize = 6;
/// How long answers under way may take when it ends.
const GRACE: Duration = Duration::from_millis(150);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen at {address}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread does not start.
    #[error("cannot start the thread of the web server")]
    Thread(#[source] io::Error),
}

/// A socket that is bound, and not yet answered.
pub struct Server {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

/// A server that runs.
pub struct Running {
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServerError::Address`].
    pub fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let refused = |source| ServerError::Address { address, source };
        let socket = listener(address).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers, until it is stopped.
    ///
    /// # Errors
    /// [`ServerError::Thread`].
    pub fn run(self, router: Router) -> Result<Running, ServerError> {
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .build()
            .map_err(ServerError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(self.socket, router) => {}
                        () = told.notified() => tokio::time::sleep(GRACE).await,
                    }
                });
                // A tune may still be rendering; nobody waits for it.
                runtime.shutdown_background();
            })
            .map_err(ServerError::Thread)?;
        Ok(Running { stop, thread })
    }
}

impl Running {
    /// Hangs up.
    pub fn stop(self) {
        self.stop.notify_one();
        let _ = self.thread.join();
    }
}

/// As the standard library binds, but for the queue: its 128 places are full as soon as a crowd comes, and the next guest waits
/// a second until its system knocks again.
fn listener(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Elsewhere it would let two programs have one address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE_MAX)?;
    Ok(socket.into())
}

async fn accept(socket: std::net::TcpListener, router: Router) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "the page cannot be served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut lobby = Lobby::default();
    loop {
        // Never closed, so there is a place some time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match socket.accept().await {
            Ok((stream, peer)) => {
                let Some(guest) = lobby.admit(peer.ip()) else {
                    continue;
                };
                let router = router.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = answer(stream, Peer(peer.ip()), &guest, router) => {}
                        () = guest.is_to_go.notified() => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Those who are connected.
#[derive(Default)]
struct Lobby {
    /// Oldest first.
    silent: VecDeque<Arc<Guest>>,
    /// One more of each household's than it has connections.
    households: HashMap<IpAddr, Arc<()>>,
}

/// A connection.
struct Guest {
    has_asked: AtomicBool,
    is_to_go: Notify,
    /// Counts it.
    _household: Arc<()>,
}

impl Lobby {
    /// Lets a peer in, unless it has too many connections. Where too many are silent, the one that is so for longest has to go.
    fn admit(&mut self, peer: IpAddr) -> Option<Arc<Guest>> {
        if self.households.len() >= CONNECTIONS_MAX {
            self.households
                .retain(|_, count| Arc::strong_count(count) > 1);
        }
        let household = Arc::clone(self.households.entry(household(peer)).or_default());
        if Arc::strong_count(&household) - 1 > PEER_CONNECTIONS_MAX && !peer.is_loopback() {
            return None;
        }
        let guest = Arc::new(Guest {
            has_asked: AtomicBool::new(false),
            is_to_go: Notify::new(),
            _household: household,
        });
        // Whoever is here alone has hung up.
        self.silent.retain(|guest| {
            Arc::strong_count(guest) > 1 && !guest.has_asked.load(Ordering::Relaxed)
        });
        self.silent.push_back(Arc::clone(&guest));
        if self.silent.len() > SILENT_MAX
            && let Some(oldest) = self.silent.pop_front()
        {
            oldest.is_to_go.notify_one();
        }
        Some(guest)
    }
}

async fn answer(stream: TcpStream, peer: Peer, guest: &Guest, router: Router) {
    // Refused, it works all the same.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
    let service = service_fn(move |request: Request<Incoming>| {
        guest.has_asked.store(true, Ordering::Relaxed);
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(peer = %peer.0, %error, "a connection ends");
    }
}

/// A connection whose peer must take what is sent, sooner or later.
struct Impatient {
    stream: TcpStream,
    /// Runs while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            patience: None,
        }
    }

    /// A write that waits too long has failed.
    fn judge<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.patience = None;
            return outcome;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + STALL_MAX)));
        ready!(patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
