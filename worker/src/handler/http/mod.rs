//! The http handler: each order is posted to a service as JSON, many at a time, beside the consumer's thread.
//!
//! A [`Service`] has a thread with a tokio runtime of its own. The consumer hands it calls by the batch and takes what
//! came of them, whenever it likes; it is woken when there is something to take. Deliberately knows nothing of
//! partitions, retries and limits: a call carries a token of its caller's, who bounds how many there are.

mod answer;
mod caller;
mod credentials;
mod crew;
mod line;
mod request;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use snafu::{ResultExt, Snafu};
use tokio::sync::{Notify, mpsc};

use self::caller::Caller;
use self::crew::Crew;
pub(crate) use self::request::{IdempotencyKeys, Request};
use super::{Answer, Fault};
use crate::clock::Clock;
use crate::config;
use crate::http as client;

/// Why a service cannot be called at all.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// The file that proves who we are is of no use.
    #[snafu(display("cannot prove to the service who we are"))]
    Credentials {
        /// What is wrong with it.
        source: client::UnreadableSecret,
    },
    /// Connections cannot be made as they were asked for.
    #[snafu(display("cannot connect to the service as --http-url and --http-ca-file say"))]
    Connections {
        /// Why.
        #[snafu(source(from(client::Error, Box::new)))]
        source: Box<client::Error>,
    },
    /// The system refuses a thread or what it needs.
    #[snafu(display("cannot start the thread that calls the service"))]
    Thread {
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What came of one call.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    /// For the order.
    pub(crate) answer: Answer,
    /// How long the service asks to be left alone with it.
    pub(crate) wait: Option<Duration>,
}

/// A call that is over.
#[derive(Debug)]
pub(crate) struct Said<T> {
    /// The caller's own name for it.
    pub(crate) token: T,
    /// What came of it.
    pub(crate) reply: Reply,
    /// How long it took.
    pub(crate) took: Duration,
}

/// A call to make.
struct Job<T> {
    token: T,
    request: Request,
}

/// The service behind the handler, as the consumer's thread sees it. Calls that are under way when it is dropped are
/// given up.
pub(crate) struct Service<T> {
    jobs: mpsc::UnboundedSender<Vec<Job<T>>>,
    gathered: Vec<Job<T>>,
    outbox: Arc<Outbox<T>>,
}

impl<T: Send + 'static> Service<T> {
    /// Starts the thread that calls. `waker` is unparked when there is something to take; no call takes longer than
    /// `limit`.
    ///
    /// # Errors
    /// When credentials or certificates cannot be read, or the system has no thread left.
    pub(crate) fn start(setting: &config::Http, limit: Duration, waker: Thread, clock: Clock) -> Result<Self, Error> {
        let caller = Caller::new(setting, limit, clock)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(ThreadSnafu)?;
        let (jobs, accepted) = mpsc::unbounded_channel();
        let outbox = Arc::new(Outbox { said: Mutex::default(), filled: Notify::new() });
        let crew = Arc::new(Crew::new(caller, Arc::clone(&outbox)));
        let watched = Arc::clone(&outbox);
        let body = move || {
            runtime.spawn(async move { watched.wake(&waker).await });
            runtime.block_on(crew.dispatch(accepted));
            // A name that is looked up at this moment is not waited for.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(body).context(ThreadSnafu)?;
        Ok(Self { jobs, gathered: Vec::new(), outbox })
    }

    /// Gathers a call; it is made at the next [`Self::flush`].
    pub(crate) fn call(&mut self, token: T, request: Request) {
        self.gathered.push(Job { token, request });
    }

    /// Makes the calls that were gathered.
    pub(crate) fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let batch = std::mem::take(&mut self.gathered);
            // The thread ends with the channel, and not before.
            self.jobs.send(batch).unwrap_or_else(|_| tracing::error!(target: "orders", "the http thread is gone"));
        }
    }

    /// What calls came to since it was last asked.
    pub(crate) fn take(&self) -> Vec<Said<T>> {
        self.outbox.take()
    }
}

/// Where calls that are over wait for the consumer.
struct Outbox<T> {
    said: Mutex<Vec<Said<T>>>,
    /// Something was put into the empty outbox.
    filled: Notify,
}

impl<T> Outbox<T> {
    fn put(&self, said: Said<T>) {
        let mut waiting = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(said);
        if waiting.len() == 1 {
            self.filled.notify_one();
        }
    }

    fn take(&self) -> Vec<Said<T>> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes the consumer: a task of its own, which has its turn behind the calls that end in the same round, so that
    /// the consumer is woken once for all of them.
    async fn wake(&self, waker: &Thread) {
        loop {
            self.filled.notified().await;
            waker.unpark();
        }
    }
}
