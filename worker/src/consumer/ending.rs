//! How a run ends: drained after a signal, or because everything is read and resolved where that was asked for.
//!
//! Deliberately trusts no silence: before a run counts as idle, the brokers have to answer.

use std::time::Duration;

use engine::time::Time;

use super::Error;
use super::assigned::Assigned;
use super::checkpoint::LONGEST;
use super::consumer_loop::{ConsumerLoop, Ended};
use crate::roles::chain;

/// From SIGTERM on, orders that wait for a retry or a dead letter may be finished for this long.
const DRAIN_BUDGET: Duration = Duration::from_secs(20);

impl ConsumerLoop<'_> {
    /// Whether the run is over.
    pub(super) fn is_over(&mut self) -> Result<bool, Error> {
        let now = self.desk.moment().now;
        if self.shutdown.is_draining() {
            return Ok(self.is_drained(now));
        }
        let Some(patience) = self.desk.config.until_idle else { return Ok(false) };
        if !self.is_idle() {
            self.idle_since = None;
            return Ok(false);
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.since(since) < patience {
            return Ok(false);
        }
        // Nothing arrives from a broker that is gone either: only an answered question tells the two apart.
        let is_certain = self.prove_alive();
        self.idle_since = is_certain.then_some(since);
        Ok(is_certain)
    }

    /// Whether everything is assigned, read to its end and resolved.
    fn is_idle(&self) -> bool {
        !self.partitions.is_empty()
            && self.arriving.is_none()
            && self.takes_in()
            && self.desk.graveyard.pending() == 0
            && self.partitions.iter().all(Assigned::is_idle)
    }

    /// Commits everything, and asks for the ends of the log: whether the brokers answered and nothing is left.
    fn prove_alive(&mut self) -> bool {
        let numbers = self.numbers();
        if let Err(undone) = self.checkpoint_and_wait(&numbers, self.desk.moment().now + LONGEST) {
            tracing::warn!(target: "kafka", "{undone}; not idle yet");
            return false;
        }
        self.partitions.iter().all(|partition| match self.source.bounds(partition.number) {
            Ok(bounds) => bounds.high <= partition.engine.position(),
            Err(error) => {
                tracing::warn!(target: "kafka", "{}; not idle yet", chain(&error));
                false
            }
        })
    }

    /// While draining: whether nothing is left that can be finished in time, or the time for it is up.
    fn is_drained(&mut self, now: Time) -> bool {
        let since = match self.draining_since {
            Some(since) => since,
            None => {
                self.draining_since = Some(now);
                self.ready.wait_for("draining");
                self.desk.watch.note_draining(&self.partitions);
                now
            }
        };
        let deadline = since + DRAIN_BUDGET;
        now >= deadline || !self.can_finish_until(deadline)
    }

    /// Commits, gives everything back, and says what was done.
    pub(super) fn leave(mut self) -> Result<Ended, Error> {
        self.desk.graveyard.flush(Duration::from_secs(2));
        self.settle_dead_letters();
        let numbers = self.numbers();
        let last = self.checkpoint_and_wait(&numbers, self.desk.moment().now + LONGEST);
        if let Err(undone) = &last {
            tracing::warn!(target: "kafka", "{undone}; these orders will be read again");
        }
        let now = self.desk.moment().now;
        self.publish(now);
        let ended = Ended { is_certain: last.is_ok(), ..self.desk.watch.ended(&self.partitions) };
        self.partitions.clear();
        drop(self.source);
        Ok(ended)
    }
}
