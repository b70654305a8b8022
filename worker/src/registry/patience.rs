//! Asking until there is an answer: for roles that can do nothing without one.
//!
//! A service asks for as long as trouble may pass, a one-shot command until its time is up. Trouble that somebody has to
//! mend ends both at once. Deliberately on a runtime of its own: whoever waits here has nothing else to do.

use std::time::Duration;

use engine::time::Time;

use super::backoff::{Backoff, Chance};
use super::identity::Refusal;
use crate::clock::Clock;
use crate::roles::chain;

/// A wait is cut into pieces of this length, so that a stop is heard.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// How long to ask.
pub(crate) struct Patience<'a> {
    /// Reads the time.
    pub(crate) clock: Clock,
    /// Spreads the questions.
    pub(crate) chance: Chance,
    /// Until when; `None` = for ever.
    pub(crate) until: Option<Time>,
    /// Whether nobody wants the answer any more.
    pub(crate) is_over: &'a dyn Fn() -> bool,
    /// Is told what the trouble is.
    pub(crate) tell: &'a dyn Fn(String),
}

impl Patience<'_> {
    /// Repeats `question` until it has an answer; `None` when nobody wants it any more.
    ///
    /// # Errors
    /// The last trouble, when it does not pass by itself or the time is up.
    pub(crate) async fn ask<T>(self, question: impl AsyncFn() -> Result<T, Refusal>) -> Option<Result<T, Refusal>> {
        let mut backoff = Backoff::new(self.chance.clone());
        loop {
            let refusal = match question().await {
                Ok(answer) => return Some(Ok(answer)),
                Err(refusal) => refusal,
            };
            let Some(retry_after) = refusal.passing() else { return Some(Err(refusal)) };
            let again = self.clock.now() + backoff.next(retry_after);
            if self.until.is_some_and(|until| again >= until) {
                return Some(Err(refusal));
            }
            (self.tell)(chain(&refusal));
            while self.clock.now() < again {
                if (self.is_over)() {
                    return None;
                }
                tokio::time::sleep(LISTEN_EVERY.min(again.since(self.clock.now()))).await;
            }
        }
    }
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has descriptors left").block_on(future)
}
