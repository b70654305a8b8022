//! When a stored record's turn comes: what failed is parked or given up, what is due or freed is handed out.
//!
//! Deliberately without admission and durable state.

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
        let successor = if self.successor_is_next { self.ready.pop_front() } else { None };
        let slot =
            successor.or_else(|| self.timer.pop(now).map(|(_, slot)| slot)).or_else(|| self.ready.pop_front())?;
        self.successor_is_next = successor.is_none();
        let trail = self.slab.get(slot).trail;
        let (action, state) = match trail.dead {
            Some(disposition) => (Action::DeadLetter(disposition), State::DeadLettering),
            None => (Action::Run, State::Running),
        };
        self.set_state(slot, state);
        let ticket = self.slab.issue(slot);
        Some(Ready { ticket, offset: self.slab.get(slot).offset, retry: trail.retries, due: trail.due, action })
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
        for (due, slot) in self.timer.drain() {
            let trail = &mut self.slab.get_mut(slot).trail;
            let held = trail.class.map(FailureClass::treatment) == Some(Treatment::Hold);
            let due = if held { due.min(now) } else { due };
            trail.due = Some(due);
            released += usize::from(held);
            self.timer.insert(due, slot);
        }
        released
    }

    /// The record is the first of its lane now: its turn comes when it is due.
    pub(super) fn enter(&mut self, slot: u32) {
        let trail = &self.slab.get(slot).trail;
        match trail.due.filter(|_| trail.dead.is_none()) {
            Some(due) => {
                self.set_state(slot, State::Parked);
                self.timer.insert(due, slot);
            }
            None => {
                self.set_state(slot, State::Ready);
                self.ready.push_back(slot);
            }
        }
    }

    /// A run failed: decides from its class and its past.
    pub(super) fn settle(&mut self, slot: u32, failure: Failure, now: Time) -> Verdict {
        let trail = &mut self.slab.get_mut(slot).trail;
        let decision = decide(&self.policy, Past { retries: trail.retries, panicked: trail.panicked }, failure.class);
        trail.runs = trail.runs.saturating_add(1);
        if trail.class.is_none() {
            trail.first_failure_milliseconds = failure.wall_milliseconds;
        }
        trail.last_failure_milliseconds = failure.wall_milliseconds;
        trail.class = Some(failure.class);
        trail.panicked |= failure.class == FailureClass::HandlerPanic;
        if decision != Decision::Hold {
            self.count_retry(slot);
        }
        self.carry_out(slot, decision, now)
    }

    fn carry_out(&mut self, slot: u32, decision: Decision, now: Time) -> Verdict {
        let offset = self.slab.get(slot).offset;
        let trail = &mut self.slab.get_mut(slot).trail;
        match decision {
            Decision::Retry => {
                trail.retries += 1;
                trail.retry_pending = true;
                trail.holds = 0;
                let retry = trail.retries;
                let due = now + self.policy.delay(retry, offset.cast_unsigned());
                self.park(slot, due);
                Verdict::Parked { due, retry }
            }
            Decision::Hold => {
                trail.holds = trail.holds.saturating_add(1);
                let due = now + self.policy.delay(trail.holds, offset.cast_unsigned());
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
        self.slab.get_mut(slot).trail.due = Some(due);
        self.set_state(slot, State::Parked);
        self.timer.insert(due, slot);
    }

    /// Counts the retry that just finished, once.
    pub(super) fn count_retry(&mut self, slot: u32) {
        let trail = &mut self.slab.get_mut(slot).trail;
        if std::mem::take(&mut trail.retry_pending) {
            self.counters.retries[usize::from(trail.retries) - 1] += 1;
        }
    }
}
