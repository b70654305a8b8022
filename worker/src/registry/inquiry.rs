//! The consumer's side: schemas by id, asked for beside the consumer threads and never in their way.
//!
//! One thread of its own asks (`registry`), with at most four requests at a time, and repeats a question until it has an
//! answer; consumer threads only look into the book. Deliberately keeps asking whatever the trouble is: a password or a
//! proxy may be mended while orders wait, and nothing is lost meanwhile.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use super::backoff::{Backoff, Chance};
use super::book::{Asker, Book, Known};
use super::client::Client;
use super::error::Error;
use crate::clock::Clock;
use crate::roles::chain;

/// Requests at a time.
const AT_A_TIME: usize = 4;

/// The same trouble is logged once in this time.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Looks schemas up; clones share what is known. The thread behind it ends with the last clone.
#[derive(Clone)]
pub(crate) struct Schemas {
    shared: Arc<Shared>,
    questions: UnboundedSender<u32>,
    clock: Clock,
}

struct Shared {
    book: Mutex<Book>,
    answers: AtomicU64,
}

impl Shared {
    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Schemas {
    /// Starts the thread; nothing is asked before somebody wants to know.
    pub(crate) fn start(client: Client, clock: Clock, chance: Chance) -> Self {
        let shared = Arc::new(Shared { book: Mutex::default(), answers: AtomicU64::new(0) });
        let (questions, open) = unbounded_channel();
        let inquiry = Inquiry { client, clock, chance, shared: Arc::clone(&shared) };
        let body = move || inquiry.run(open);
        std::thread::Builder::new().name("registry".to_owned()).spawn(body).expect("the system has threads left");
        Self { shared, questions, clock }
    }

    /// What is known of an id now; sends the question where it is to be asked. Never waits.
    pub(crate) fn look_up(&self, id: u32, asker: Asker) -> Known {
        let (known, is_to_ask) = self.shared.book(|book| book.look_up(id, asker, self.clock.now()));
        if is_to_ask {
            self.questions.send(id).expect("the thread runs as long as it may be asked");
        }
        known
    }

    /// How many answers came so far: where that has not grown, there is nothing new to look up.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::Acquire)
    }

    /// Why questions stay without an answer, while some do.
    pub(crate) fn trouble(&self) -> Option<Arc<str>> {
        self.shared.book(|book| book.trouble())
    }
}

/// The thread that asks.
struct Inquiry {
    client: Client,
    clock: Clock,
    chance: Chance,
    shared: Arc<Shared>,
}

impl Inquiry {
    fn run(self, mut open: UnboundedReceiver<u32>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system has descriptors left");
        let asking = LocalSet::new();
        let slots = Rc::new(Semaphore::new(AT_A_TIME));
        let inquiry = Rc::new(self);
        // Questions that are still open when nobody can hear the answer end with the runtime.
        asking.block_on(&runtime, async move {
            while let Some(id) = open.recv().await {
                let (inquiry, slots) = (Rc::clone(&inquiry), Rc::clone(&slots));
                tokio::task::spawn_local(async move { inquiry.ask(id, &slots).await });
            }
        });
    }

    /// Asks until there is an answer.
    async fn ask(&self, id: u32, slots: &Semaphore) {
        let mut backoff = Backoff::new(self.chance.fork(id));
        let mut told = None;
        loop {
            let asked = {
                let _slot = slots.acquire().await.expect("the semaphore is never closed");
                self.client.schema(id).await
            };
            match asked {
                Ok(answer) => {
                    let now = self.clock.now();
                    self.shared.book(|book| book.answer(id, answer, now));
                    self.shared.answers.fetch_add(1, Ordering::Release);
                    return;
                }
                Err(error) => {
                    let pause = backoff.next(error.retry_after());
                    self.note(id, &error, &mut told);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn note(&self, id: u32, error: &Error, told: &mut Option<engine::time::Time>) {
        let (words, now) = (chain(error), self.clock.now());
        if told.is_none_or(|told| now.since(told) >= TELL_EVERY) {
            tracing::warn!(target: "registry", schema = id, "{words}; orders with this schema wait");
            *told = Some(now);
        }
        self.shared.book(|book| book.note_trouble(id, &words));
    }
}
