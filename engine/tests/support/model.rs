//! The reference model: what a partition has to answer, by scanning plain maps.
//!
//! Deliberately slow and simple; it shares with the engine the retry delays and the names alone. Once engine and model
//! differ it goes on as well as it can: the first difference is what counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::{
    failure::{FailureClass, Treatment},
    outcome::{Admission, Verdict},
    partition::{OVERHEAD, Occupancy},
    retry::RetryPolicy,
    snapshot::{Pending, Snapshot},
    time::Time,
};

use super::schedule::Order;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Ready,
    Running,
    Parked,
    DeadLettering,
}

#[derive(Clone, Debug)]
struct Known {
    key: Option<u8>,
    bytes: usize,
    state: State,
    /// Of one that failed and was not given up.
    due: Option<Time>,
    retries: u8,
    holds: u8,
    panicked: bool,
    dead: bool,
    class: Option<FailureClass>,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    policy: RetryPolicy,
    window: i64,
    pub(crate) parked_bytes: usize,
    next: i64,
    end: i64,
    stored: BTreeMap<i64, Known>,
    unpolled: BTreeMap<i64, Option<Known>>,
    ahead: BTreeSet<i64>,
    ready: VecDeque<i64>,
    successor_is_next: bool,
}

impl Model {
    pub(crate) fn new(policy: RetryPolicy, window: u32, parked_bytes: usize, start: i64) -> Self {
        Self {
            policy,
            window: window.into(),
            parked_bytes,
            next: start,
            end: start,
            stored: BTreeMap::new(),
            unpolled: BTreeMap::new(),
            ahead: BTreeSet::new(),
            ready: VecDeque::new(),
            successor_is_next: false,
        }
    }

    pub(crate) fn restore(&mut self, snapshot: &Snapshot, now: Time, wall_milliseconds: i64) {
        *self = Self::new(
            self.policy.clone(),
            u32::try_from(self.window).expect("was one"),
            self.parked_bytes,
            snapshot.watermark,
        );
        self.end = snapshot.end;
        self.ahead = snapshot.resolved_ahead.iter().copied().collect();
        for unresolved in &snapshot.unresolved {
            let known = unresolved.tries.map(|tries| {
                let due = match tries.pending {
                    Pending::DeadLetter(_) => None,
                    Pending::Run { due_milliseconds } => {
                        let left = u64::try_from(due_milliseconds - wall_milliseconds).unwrap_or(0);
                        let longest = u64::try_from(self.policy.longest().as_micros()).expect("a day");
                        Some(Time(now.0 + (left * 1000).min(longest)))
                    }
                };
                Known {
                    key: None,
                    bytes: 0,
                    state: State::Waiting,
                    due,
                    retries: tries.retries,
                    holds: 0,
                    panicked: tries.panicked,
                    dead: due.is_none(),
                    class: Some(tries.class),
                }
            });
            self.unpolled.insert(unresolved.offset, known);
        }
    }

    pub(crate) fn found_dead_lettered(&mut self, offset: i64) -> bool {
        if offset < self.end { self.unpolled.remove(&offset).is_some() } else { self.ahead.insert(offset) }
    }

    pub(crate) fn watermark(&self) -> i64 {
        let lowest = self.stored.keys().chain(self.unpolled.keys()).min();
        lowest.copied().unwrap_or(self.end)
    }

    pub(crate) fn unresolved(&self) -> usize {
        self.stored.len() + self.unpolled.len()
    }

    pub(crate) fn stored_bytes(&self) -> usize {
        self.stored.values().map(|known| known.bytes + OVERHEAD).sum()
    }

    pub(crate) fn occupancy(&self) -> Occupancy {
        let count = |state| self.stored.values().filter(|known| known.state == state).count();
        Occupancy {
            waiting: count(State::Waiting),
            ready: count(State::Ready),
            running: count(State::Running),
            parked: count(State::Parked),
            dead_lettering: count(State::DeadLettering),
        }
    }

    pub(crate) fn note_end(&mut self, next: i64) {
        if next > self.next {
            self.next = next;
            self.end = self.end.max(next);
            self.unpolled = self.unpolled.split_off(&next);
            self.ahead = self.ahead.split_off(&next);
        }
    }

    pub(crate) fn admit(&mut self, order: &Order) -> Admission {
        if order.offset < self.next {
            return Admission::Done;
        }
        self.note_end(order.offset);
        let dead = if order.offset < self.end {
            !self.unpolled.contains_key(&order.offset)
        } else {
            self.ahead.contains(&order.offset)
        };
        if dead {
            self.note_end(order.offset + 1);
            return Admission::Done;
        }
        let bytes_fit = self.stored.is_empty() || self.stored_bytes() + order.bytes + OVERHEAD <= self.parked_bytes;
        if !bytes_fit || order.offset - self.watermark() >= self.window {
            return Admission::Full;
        }
        let failed_before = self.unpolled.get(&order.offset).is_some_and(Option::is_some);
        if failed_before || self.shut(order) { Admission::Wait } else { Admission::Run }
    }

    fn shut(&self, order: &Order) -> bool {
        order.key.is_some() && self.stored.values().any(|known| known.key == order.key)
    }

    pub(crate) fn resolve_at_once(&mut self, order: &Order) {
        self.note_end(order.offset + 1);
    }

    pub(crate) fn wait(&mut self, order: &Order) {
        let first = !self.shut(order);
        self.store(order, State::Waiting);
        if first {
            self.enter(order.offset);
        }
    }

    pub(crate) fn start(&mut self, order: &Order) {
        self.store(order, State::Running);
    }

    fn store(&mut self, order: &Order, state: State) {
        self.note_end(order.offset);
        let past = self.unpolled.remove(&order.offset).flatten();
        self.note_end(order.offset + 1);
        let known = past.unwrap_or(Known {
            key: None,
            bytes: 0,
            state,
            due: None,
            retries: 0,
            holds: 0,
            panicked: false,
            dead: false,
            class: None,
        });
        self.stored.insert(order.offset, Known { key: order.key, bytes: order.bytes, state, ..known });
    }

    fn enter(&mut self, offset: i64) {
        let Some(known) = self.stored.get_mut(&offset) else { return };
        known.state = if known.due.is_some() { State::Parked } else { State::Ready };
        if known.due.is_none() {
            self.ready.push_back(offset);
        }
    }

    /// What a failure of a running record has to lead to; the ticket of a dead letter is not compared.
    pub(crate) fn fail(&mut self, offset: i64, class: FailureClass, now: Time) -> Expected {
        let Some(known) = self.stored.get_mut(&offset) else { return Expected::Resolved };
        let second_panic = class == FailureClass::HandlerPanic && known.panicked;
        known.panicked |= class == FailureClass::HandlerPanic;
        known.class = Some(class);
        let exhausted = known.retries >= self.policy.max_retries();
        match class.treatment() {
            Treatment::Skip => {
                self.resolve(offset);
                Expected::Resolved
            }
            Treatment::Hold => {
                known.holds += 1;
                let due = now + self.policy.delay(known.holds, offset.cast_unsigned());
                (known.state, known.due) = (State::Parked, Some(due));
                Expected::Held(due)
            }
            Treatment::Retry | Treatment::RetryOnce if !exhausted && !second_panic => {
                known.retries += 1;
                known.holds = 0;
                let due = now + self.policy.delay(known.retries, offset.cast_unsigned());
                (known.state, known.due) = (State::Parked, Some(due));
                Expected::Parked(due, known.retries)
            }
            Treatment::Retry | Treatment::RetryOnce | Treatment::DeadLetter => {
                (known.state, known.due, known.dead) = (State::DeadLettering, None, true);
                Expected::DeadLetter
            }
        }
    }

    pub(crate) fn resolve(&mut self, offset: i64) {
        let Some(known) = self.stored.remove(&offset) else { return };
        let successor = self.stored.iter().find(|(_, other)| known.key.is_some() && other.key == known.key);
        if let Some((successor, _)) = successor {
            self.enter(*successor);
        }
    }

    pub(crate) fn next_ready(&mut self, now: Time) -> Option<i64> {
        let parked = self.stored.iter().filter(|(_, known)| known.state == State::Parked);
        let due = parked.filter_map(|(offset, known)| Some((known.due?, *offset))).min().filter(|(due, _)| *due <= now);
        let successor = if self.successor_is_next || due.is_none() { self.ready.pop_front() } else { None };
        let offset = successor.or(due.map(|(_, offset)| offset))?;
        self.successor_is_next = successor.is_none();
        let known = self.stored.get_mut(&offset)?;
        known.state = if known.dead { State::DeadLettering } else { State::Running };
        Some(offset)
    }

    pub(crate) fn release_held(&mut self, now: Time) -> usize {
        let held = |known: &&mut Known| {
            known.state == State::Parked && known.class.map(FailureClass::treatment) == Some(Treatment::Hold)
        };
        self.stored.values_mut().filter(held).map(|known| known.due = known.due.map(|due| due.min(now))).count()
    }
}

/// A verdict without its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Resolved,
    Parked(Time, u8),
    Held(Time),
    DeadLetter,
}

impl Expected {
    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Resolved => Self::Resolved,
            Verdict::Parked { due, retry } => Self::Parked(due, retry),
            Verdict::Held { due } => Self::Held(due),
            Verdict::DeadLetter(..) => Self::DeadLetter,
        }
    }
}
