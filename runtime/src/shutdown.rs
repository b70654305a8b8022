//! Stopping: the first SIGTERM or SIGINT drains, the second aborts.
//!
//! A [`Shutdown`] is passed as a value to whoever has to stop, be it a task on tokio or a plain thread.
//! Deliberately sets no deadline: how long a drain may take is the business of the role that drains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use snafu::{ResultExt, Snafu};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What can go wrong when signals are asked for.
#[derive(Debug, Snafu)]
pub enum Error {
    /// The process may not listen for signals.
    #[snafu(display("cannot listen for {name}; stop this process with SIGKILL"))]
    Listen {
        /// Which signal: `SIGTERM` or `SIGINT`.
        name: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// The order to drain, given once and seen by all clones: finish what has begun, begin nothing new.
#[derive(Clone, Debug)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    draining: AtomicBool,
    /// Wakes tasks.
    notice: watch::Sender<bool>,
    /// Wakes threads; the mutex guards nothing but the moment between looking at the flag and going to sleep.
    asleep: Mutex<()>,
    wake: Condvar,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Nobody has asked to stop yet.
    pub fn new() -> Self {
        let inner = Inner {
            draining: AtomicBool::new(false),
            notice: watch::Sender::new(false),
            asleep: Mutex::new(()),
            wake: Condvar::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Asks every holder to drain. Asking twice is the same as asking once.
    pub fn drain(&self) {
        let _asleep = self.inner.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.draining.store(true, Ordering::Release);
        self.inner.notice.send_replace(true);
        self.inner.wake.notify_all();
    }

    /// True once [`drain`](Self::drain) was called. One atomic load: cheap enough for every turn of a loop.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// Ends when the drain begins; for tasks. Safe to drop and call again.
    pub async fn drained(&self) {
        let mut notice = self.inner.notice.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        if notice.wait_for(|draining| *draining).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for `limit` or until the drain begins, whichever is first; for plain threads that would sleep.
    /// True when draining.
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        let guard = self.inner.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.inner.wake.wait_timeout_while(guard, limit, |()| !self.is_draining());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.is_draining()
    }
}

/// A signal that asks the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl+C.
    Interrupt,
    /// SIGTERM: what Kubernetes, systemd and `kill` send.
    Terminate,
}

impl Signal {
    /// What a shell expects of a process that a signal ended: 128 + the signal's number.
    pub fn exit_code(self) -> i32 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }

    /// `SIGINT` or `SIGTERM`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }
}

/// Listens for signals from now on: the first calls [`Shutdown::drain`], the second calls `abort`, which usually does
/// what must be done in any case and then leaves with [`Signal::exit_code`].
///
/// Call it inside a tokio runtime; the listeners are in place when it returns.
///
/// # Errors
/// [`Error::Listen`] when the system refuses a listener.
pub fn drain_on_signals(
    shutdown: Shutdown,
    abort: impl FnOnce(Signal) + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    let mut interrupts = signal(SignalKind::interrupt()).context(ListenSnafu { name: "SIGINT" })?;
    let mut terminations = signal(SignalKind::terminate()).context(ListenSnafu { name: "SIGTERM" })?;
    Ok(tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupts.recv() => Signal::Interrupt,
                _ = terminations.recv() => Signal::Terminate,
            }
        };
        let first = next().await;
        tracing::info!(signal = first.name(), "draining; a second signal aborts");
        shutdown.drain();
        let second = next().await;
        tracing::warn!(signal = second.name(), "aborting");
        abort(second);
    }))
}

#[cfg(test)]
mod tests {
    use super::{Shutdown, Signal};
    use std::time::Duration;

    const HANG: Duration = Duration::from_secs(30);

    #[test]
    fn nobody_drains_before_being_asked() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_draining());
        assert!(!shutdown.wait_timeout(Duration::ZERO));
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let shutdown = Shutdown::new();
        let waiting = shutdown.clone();
        let thread = std::thread::spawn(move || waiting.wait_timeout(HANG));
        shutdown.drain();
        assert!(thread.join().expect("the waiting thread does not panic"));
    }

    #[tokio::test]
    async fn a_task_that_waits_is_woken_by_a_thread() {
        let shutdown = Shutdown::new();
        let asking = shutdown.clone();
        let thread = std::thread::spawn(move || asking.drain());
        tokio::time::timeout(HANG, shutdown.drained()).await.expect("the drain is noticed");
        assert!(shutdown.is_draining());
        thread.join().expect("the asking thread does not panic");
    }

    #[tokio::test]
    async fn whoever_comes_late_sees_the_drain_at_once() {
        let shutdown = Shutdown::new();
        shutdown.drain();
        shutdown.drain();
        shutdown.drained().await;
        assert!(shutdown.clone().wait_timeout(HANG));
    }

    #[test]
    fn exit_codes_are_those_a_shell_gives() {
        assert_eq!((Signal::Interrupt.exit_code(), Signal::Terminate.exit_code()), (130, 143));
    }
}
