//! When a stored record's turn comes: what failed is parked or given up, what is due or freed is handed out.
//!
//! Deliberately without admission and durable state.

use std::time::Duration;

use crate::{
    failure::{FailureClass, Treatment},
    outcome::{Action, Failure, Ready, Stored, Verdict},
    retry::{Decision, Past, decide},
    slab::State,
    time::Time,
};

use super::Partition;

impl<R: Stored> Partition<R> {
    /// The next stored record whose turn has come: due retries in due order and successors in opened lanes first come
    /// first served, in turns, so that neither starves (I7). Call it only when there is room to run one.
    pub fn next_ready(&mut self, now: Time) -> Option<Ready> {
        let (first, from_queue) = if self.successor_is_next {
            (self.ready.pop(&self.slab), true)
        } else {
            (self.timer.pop(&mut self.slab, now), false)
        };
        let slot = first.or_else(|| self.pop_other(from_queue, now))?;
        self.successor_is_next = from_queue != first.is_some();
        let entry = self.slab.get(slot);
        let (offset, retry, due) = (entry.offset, entry.trail.retries, entry.trail.due());
        let (action, state) = match entry.trail.dead {
            Some(disposition) => (Action::DeadLetter(disposition), State::DeadLettering),
            None => (Action::Run, State::Running),
        };
        self.set_state(slot, state);
        let ticket = self.slab.issue(slot);
        Some(Ready { ticket, offset, retry, due, action })
    }

    fn pop_other(&mut self, queue_was_tried: bool, now: Time) -> Option<u32> {
        if queue_was_tried { self.timer.pop(&mut self.slab, now) } else { self.ready.pop(&self.slab) }
    }

    /// Not later than when `next_ready` has something to give; `Time::ZERO` when it has now, `None` when only an
    /// admission, a completion or an acknowledgement can bring something.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        if self.ready.is_empty() { self.timer.next_due() } else { Some(Time::ZERO) }
    }

    /// What held records wait for is back: they are due at once. How many there were. O(parked).
    pub fn release_held(&mut self, now: Time) -> usize {
        let mut released = 0;
        for slot in self.timer.drain(&self.slab) {
            let trail = &mut self.slab.get_mut(slot).trail;
            if trail.class.map(FailureClass::treatment) == Some(Treatment::Hold) {
                trail.due = trail.due.min(now);
                released += 1;
            }
            self.timer.insert(&mut self.slab, slot);
        }
        released
    }

    /// The record is the first of its lane now: its turn comes when it is due.
    pub(super) fn enter(&mut self, slot: u32) {
        if let Some(due) = self.slab.get(slot).trail.due() {
            self.park(slot, due);
        } else {
            self.set_state(slot, State::Ready);
            self.ready.push(&mut self.slab, slot);
        }
    }

    /// A run failed: decides from its class and its past. `wait` is how long it asked to be left alone.
    pub(super) fn settle(&mut self, slot: u32, failure: Failure, wait: Duration, now: Time) -> Verdict {
        let trail = &mut self.slab.get_mut(slot).trail;
        let past = Past { retries: trail.retries, panicked: trail.panicked };
        let decision = decide(&self.policy, past, failure.class);
        trail.note_failure(failure.class, failure.wall_milliseconds);
        if decision != Decision::Hold {
            self.count_retry(slot);
        }
        self.carry_out(slot, decision, wait, now)
    }

    fn carry_out(&mut self, slot: u32, decision: Decision, least: Duration, now: Time) -> Verdict {
        let entry = self.slab.get_mut(slot);
        let (jitter_seed, trail) = (entry.offset.cast_unsigned(), &mut entry.trail);
        match decision {
            Decision::Retry => {
                trail.retries += 1;
                trail.retry_pending = true;
                trail.holds = 0;
                let retry = trail.retries;
                let due = now + self.policy.delay(retry, jitter_seed).max(least);
                self.park(slot, due);
                Verdict::Parked { due, retry }
            }
            Decision::Hold => {
                trail.holds = trail.holds.saturating_add(1);
                let due = now + self.policy.delay(trail.holds, jitter_seed).max(least);
                self.park(slot, due);
                Verdict::Held { due }
            }
            Decision::DeadLetter(disposition) => {
                trail.dead = Some(disposition);
                self.set_state(slot, State::DeadLettering);
                Verdict::DeadLetter(self.slab.issue(slot), disposition)
            }
            Decision::Skip => {
                self.counters.skipped += 1;
                self.release(slot);
                Verdict::Resolved
            }
        }
    }

    fn park(&mut self, slot: u32, due: Time) {
        self.slab.get_mut(slot).trail.due = due;
        self.set_state(slot, State::Parked);
        self.timer.insert(&mut self.slab, slot);
    }

    /// Counts the retry that just finished, once.
    pub(super) fn count_retry(&mut self, slot: u32) {
        let trail = &mut self.slab.get_mut(slot).trail;
        if std::mem::take(&mut trail.retry_pending) {
            self.counters.retries[usize::from(trail.retries) - 1] += 1;
        }
    }
}
