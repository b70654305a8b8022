//! A small HTTP service that does what a test tells it: answer, refuse, dawdle, hang, break off.
//!
//! It speaks HTTP/1.1 by hand, because it has to break the rules, too: answers cut in the middle, connections reset. It
//! remembers every call. Deliberately no router and no limits: whoever calls it is a test.

mod connection;
mod reply;
#[cfg(feature = "tls")]
pub mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use reply::Reply;

/// One call as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// `POST`
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// The how many-th call with this idempotency key, from 1.
    pub number: usize,
    /// The connection it came on, from 0.
    pub connection: usize,
    /// When it was read: a number that grows with everything that happens.
    pub began: u64,
    /// When its answer was written, on the same scale; `None` while it was not.
    pub ended: Option<u64>,
}

impl Call {
    /// The value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A member of the JSON body; null when it is not there.
    #[must_use]
    pub fn json(&self, member: &str) -> serde_json::Value {
        let body: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        body.and_then(|mut body| body.get_mut(member).map(serde_json::Value::take)).unwrap_or_default()
    }

    /// The order's id.
    #[must_use]
    pub fn order_id(&self) -> String {
        self.json("orderId").as_str().unwrap_or_default().to_owned()
    }
}

type Script = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// What connections share.
struct Shared {
    script: Mutex<Script>,
    calls: Mutex<Vec<Call>>,
    /// Counting calls is enough: they are not kept.
    is_forgetful: bool,
    events: AtomicU64,
    connections: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    #[cfg(feature = "tls")]
    acceptor: Option<openssl::ssl::SslAcceptor>,
}

impl Shared {
    fn new(script: impl Fn(&Call) -> Reply + Send + Sync + 'static, is_forgetful: bool) -> Self {
        Self {
            script: Mutex::new(Arc::new(script)),
            calls: Mutex::default(),
            is_forgetful,
            events: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            #[cfg(feature = "tls")]
            acceptor: None,
        }
    }

    fn tick(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a call, and decides what it gets; its place among the calls.
    fn arrive(&self, mut call: Call) -> (Option<usize>, Reply) {
        call.began = self.tick();
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::Relaxed);
        let script = Arc::clone(&self.script.lock().unwrap_or_else(PoisonError::into_inner));
        if self.is_forgetful {
            return (None, script(&call));
        }
        let mut calls = self.calls();
        let key = call.header("idempotency-key");
        call.number = 1 + calls.iter().filter(|known| known.header("idempotency-key") == key).count();
        calls.push(call.clone());
        let place = calls.len() - 1;
        drop(calls);
        (Some(place), script(&call))
    }

    fn leave(&self, place: Option<usize>) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let now = self.tick();
        if let Some(place) = place {
            self.calls()[place].ended = Some(now);
        }
    }
}

/// A running service; it ends when it is dropped.
pub struct TestService {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl TestService {
    /// A service on a free port of this machine that answers as `script` says.
    ///
    /// # Panics
    /// When the system has no port or thread left.
    #[must_use]
    pub fn start(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self::on_port(0, Shared::new(script, false))
    }

    /// The same, for measuring: calls are counted and not kept.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn forgetful(port: u16, script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self::on_port(port, Shared::new(script, true))
    }

    /// The same over TLS.
    ///
    /// # Panics
    /// When the system has no port or thread left, or the certificate cannot be used.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn over_tls(identity: &tls::Identity, script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Shared { acceptor: Some(identity.acceptor()), ..Shared::new(script, false) };
        Self::on_port(0, shared)
    }

    fn on_port(port: u16, shared: Shared) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut service = Self { address, shared: Arc::new(shared), running: None };
        service.start_again();
        service
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address, with this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on it answers as this script says.
    pub fn behave(&self, script: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Every call so far, in the order in which they arrived.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().clone()
    }

    /// How many calls there were at most at one time.
    #[must_use]
    pub fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::Relaxed)
    }

    /// How many connections there were so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Closes the port and every connection: from now on connections are refused.
    ///
    /// # Panics
    /// When the service itself has panicked.
    pub fn stop(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            // A thread that is gone needs no telling.
            stop.send(()).ok();
            thread.join().expect("the service does not panic");
        }
    }

    /// Listens again where it listened before.
    ///
    /// # Panics
    /// When the port was taken by somebody else meanwhile.
    pub fn start_again(&mut self) {
        self.stop();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let bound = runtime.block_on(TcpListener::bind(self.address));
        let listener = bound.unwrap_or_else(|error| panic!("cannot listen on {}: {error}", self.address));
        self.address = listener.local_addr().expect("a listener has an address");
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(&listener, &shared) => {}
                    _ = stopped => {}
                }
            });
            // Every connection is a task of this runtime, and closes with it.
            drop(runtime);
        });
        self.running = Some(Running { stop, thread });
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        // Answers are small and waited for.
        stream.set_nodelay(true).ok();
        tokio::spawn(serve(stream, Arc::clone(shared), number));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, number: usize) {
    #[cfg(feature = "tls")]
    if let Some(acceptor) = &shared.acceptor {
        if let Some(stream) = tls::accept(acceptor, stream).await {
            connection::serve(stream, &shared, number, |_| ()).await;
        }
        return;
    }
    connection::serve(stream, &shared, number, |stream| _ = stream.set_zero_linger()).await;
}
