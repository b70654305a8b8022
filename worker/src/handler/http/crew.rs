//! Who makes the calls: one task for each call under way, each with a connection that it keeps.
//!
//! A task that has finished its call waits for the next one; the one that finished last is asked first, so that no more
//! connections are kept warm than are needed, and the others end after a while. Deliberately no limit of its own: the
//! consumer's thread bounds how many calls are under way.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::time::Time;
use schemas::failure::FailureClass;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::caller::Caller;
use super::line::Line;
use super::{Answer, Fault, Job, Outbox, Reply, Said};

/// How often idle connections are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody needs.
const IDLE: Duration = Duration::from_secs(30);

/// See the module.
pub(super) struct Crew<T> {
    caller: Caller,
    outbox: Arc<Outbox<T>>,
    /// Those who wait, the one that finished last at the end.
    idle: Mutex<Vec<Idle<T>>>,
}

/// One who waits, and since when. Dropping it ends the task and closes its connection.
struct Idle<T> {
    mailbox: mpsc::Sender<Task<T>>,
    since: Time,
}

/// A call, and the mailbox it came through: while it is made, nobody else can write there.
struct Task<T> {
    job: Job<T>,
    mailbox: mpsc::Sender<Task<T>>,
}

impl<T: Send + 'static> Crew<T> {
    /// A crew of nobody yet.
    pub(super) fn new(caller: Caller, outbox: Arc<Outbox<T>>) -> Self {
        Self { caller, outbox, idle: Mutex::default() }
    }

    /// Hands out calls until nobody can ask for any.
    pub(super) async fn dispatch(self: Arc<Self>, mut jobs: mpsc::UnboundedReceiver<Vec<Job<T>>>) {
        let mut tidying = tokio::time::interval(TIDY_EVERY);
        tidying.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = jobs.recv() => match batch {
                    Some(batch) => batch.into_iter().for_each(|job| self.hand_out(job)),
                    None => return,
                },
                _ = tidying.tick() => self.tidy(),
            }
        }
    }

    fn hand_out(self: &Arc<Self>, job: Job<T>) {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mailbox = waiting.map_or_else(|| self.hire(), |idle| idle.mailbox);
        let task = Task { job, mailbox: mailbox.clone() };
        mailbox.try_send(task).unwrap_or_else(|error| {
            // Whoever is idle reads its mailbox, which is empty.
            tracing::error!(target: "orders", "nobody takes a call: {error}");
        });
    }

    fn hire(self: &Arc<Self>) -> mpsc::Sender<Task<T>> {
        let (mailbox, tasks) = mpsc::channel(1);
        tokio::spawn(Arc::clone(self).work(tasks));
        mailbox
    }

    fn tidy(&self) {
        let now = self.caller.clock().now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| now.since(idle.since) < IDLE);
    }

    async fn work(self: Arc<Self>, mut tasks: mpsc::Receiver<Task<T>>) {
        let mut kept = None;
        while let Some(Task { job: Job { token, request }, mailbox }) = next(&mut tasks, &mut kept).await {
            let begun = self.caller.clock().now();
            let mut promise = Promise { crew: &self, begun, token: Some(token) };
            let reply = self.caller.call(&mut kept, &request).await;
            let now = promise.keep(reply);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { mailbox, since: now });
        }
    }
}

/// The next call; meanwhile a kept line that ends is let go.
async fn next<T>(tasks: &mut mpsc::Receiver<Task<T>>, kept: &mut Option<Line>) -> Option<Task<T>> {
    poll_fn(|context| {
        let task = tasks.poll_recv(context);
        if task.is_pending() && kept.as_mut().is_some_and(|line| line.has_ended(context)) {
            *kept = None;
        }
        task
    })
    .await
}

/// Every call comes to an end that the consumer hears of, be it the end of a task that panicked.
struct Promise<'c, T: Send + 'static> {
    crew: &'c Crew<T>,
    begun: Time,
    token: Option<T>,
}

impl<T: Send + 'static> Promise<'_, T> {
    /// Says what came of the call. Answers when that was.
    fn keep(&mut self, reply: Reply) -> Time {
        let now = self.crew.caller.clock().now();
        if let Some(token) = self.token.take() {
            self.crew.outbox.put(Said { token, reply, took: now.since(self.begun) });
        }
        now
    }
}

impl<T: Send + 'static> Drop for Promise<'_, T> {
    fn drop(&mut self) {
        let message = Cow::Borrowed("the http handler panicked; this is a bug, please report it");
        let fault = Fault { class: FailureClass::HandlerPanic, message, exception: "HandlerPanic" };
        self.keep(Reply { answer: Answer::Failed(fault), wait: None });
    }
}
