//! One run: the engine and the reference model side by side in a world of scripted handlers, a dead-letter topic,
//! checkpoints, revocations and crashes.
//!
//! Deliberately led by the engine's answers: the model and the laws only look on.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Ticket,
    failure::{FailureClass, Treatment},
    outcome::{Action, Admission, Failure, Outcome, Ready, Stored, Verdict},
    partition::{Limits, Partition},
    snapshot::Snapshot,
    time::Time,
};

use super::{
    model::{Expected, Model},
    schedule::{Event, Fate, Order, Schedule},
    watch::{Law, Watch, check},
};

/// The caller's copy of a record.
#[derive(Debug)]
pub(crate) struct Blob {
    offset: i64,
    bytes: usize,
}

impl Stored for Blob {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a crash goes back to.
#[derive(Debug)]
struct Checkpoint {
    bytes: Vec<u8>,
    ledger: BTreeMap<i64, Fate>,
    parked: BTreeMap<i64, (Time, bool)>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) schedule: Schedule,
    pub(crate) partition: Partition<Blob>,
    pub(crate) watch: Watch,
    /// Compacted away.
    pub(crate) removed: BTreeSet<i64>,
    model: Model,
    now: Time,
    assignment: u32,
    /// Place of the next order to poll.
    cursor: usize,
    running: Vec<(Ticket, usize, u8)>,
    dying: Vec<(Ticket, usize)>,
    old_tickets: Vec<Ticket>,
    dead_letter_topic: BTreeSet<i64>,
    times_held: BTreeMap<i64, u8>,
    checkpoint: Checkpoint,
    limits: Limits,
}

impl World {
    /// Runs the schedule, then goes on until every order is resolved.
    pub(crate) fn run(schedule: Schedule) -> Watch {
        let limits = Limits { parked_bytes: 3_000, window: schedule.window };
        let partition = Partition::new(0, schedule.policy.clone(), limits, 1);
        let mut world = Self {
            partition,
            watch: Watch::default(),
            removed: BTreeSet::new(),
            model: Model::new(schedule.policy.clone(), schedule.window, limits.parked_bytes, 0),
            now: Time(1_000_000),
            assignment: 1,
            cursor: 0,
            running: Vec::new(),
            dying: Vec::new(),
            old_tickets: Vec::new(),
            dead_letter_topic: BTreeSet::new(),
            times_held: BTreeMap::new(),
            checkpoint: Checkpoint { bytes: Vec::new(), ledger: BTreeMap::new(), parked: BTreeMap::new() },
            limits,
            schedule,
        };
        world.checkpoint();
        for event in world.schedule.events.clone() {
            world.apply(&event);
            world.look();
        }
        world.finish();
        world.watch
    }

    pub(crate) fn cut(&self) -> Snapshot {
        self.partition.cut(self.now, self.wall_milliseconds())
    }

    fn wall_milliseconds(&self) -> i64 {
        1_795_000_000_000 + i64::try_from(self.now.0 / 1000).expect("not that late")
    }

    fn look(&mut self) {
        check(self);
        let (partition, model) = (&self.partition, &self.model);
        let got = (partition.watermark(), partition.unresolved(), partition.stored_bytes(), partition.occupancy());
        let expected = (model.watermark(), model.unresolved(), model.stored_bytes(), model.occupancy());
        self.watch.law(Law::Model, got == expected, || format!("state {got:?}, not {expected:?}"));
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Poll => {
                self.poll();
            }
            Event::Pass(microseconds) => self.now = Time(self.now.0 + microseconds),
            Event::PassToDue => self.pass_to_due(),
            Event::Take => {
                self.take();
            }
            Event::Complete(place) => self.complete(*place),
            Event::Acknowledge(place) => self.acknowledge(*place),
            Event::Stale(place) => self.stale(*place),
            Event::Checkpoint => self.checkpoint(),
            Event::Revoke(arrived) => {
                self.checkpoint();
                self.restore(*arrived);
            }
            Event::Crash(arrived) => self.restore(*arrived),
            Event::Compact(place) => {
                let place = place % self.schedule.orders.len();
                self.removed.insert(self.schedule.orders[place].offset);
            }
            Event::NoteEnd => self.note_end(),
            Event::ReleaseHeld => self.release_held(),
            Event::Limit(parked_bytes) => {
                self.limits.parked_bytes = *parked_bytes;
                self.model.parked_bytes = *parked_bytes;
                self.partition.set_parked_bytes(*parked_bytes);
            }
        }
    }

    fn skip_removed(&mut self) -> Option<Order> {
        let orders = &self.schedule.orders;
        self.cursor += orders[self.cursor..].iter().take_while(|order| self.removed.contains(&order.offset)).count();
        orders.get(self.cursor).cloned()
    }

    /// Whether a record was taken in.
    fn poll(&mut self) -> bool {
        let Some(order) = self.skip_removed() else { return false };
        let admission = self.partition.admit(order.offset, order.lane(), order.bytes);
        let expected = self.model.admit(&order);
        self.watch.law(Law::Model, admission == expected, || format!("{admission:?}, not {expected:?}: {order:?}"));
        match admission {
            Admission::Full => return false,
            Admission::Done => {
                let known = self.watch.ledger.contains_key(&order.offset);
                self.watch.law(Law::I2, known, || format!("{} is done, and nothing happened to it", order.offset));
            }
            Admission::Wait => {
                self.watch.stored.insert(order.offset, order.bytes);
                if let Some((due, _)) = self.watch.parked.get_mut(&order.offset) {
                    *due = (*due).max(self.now);
                }
                self.partition.wait(order.offset, order.lane(), blob(&order));
                self.model.wait(&order);
                self.fits();
            }
            Admission::Run => self.run_first(&order),
        }
        self.cursor += 1;
        true
    }

    /// I6 at an admission that stored a record.
    fn fits(&mut self) {
        let (bytes, limit) = (self.partition.stored_bytes(), self.limits.parked_bytes);
        let alone = self.partition.stored() == 1;
        self.watch.law(Law::I6, alone || bytes <= limit, || format!("{bytes} bytes stored, limit {limit}"));
    }

    fn run_first(&mut self, order: &Order) {
        self.watch.starts(order, &self.schedule.orders, &self.removed);
        let offset = order.offset;
        if order.slow {
            self.watch.stored.insert(offset, order.bytes);
            let ticket = self.partition.start(offset, order.lane(), blob(order));
            self.model.start(order);
            self.running.push((ticket, self.cursor, 0));
            self.fits();
            return;
        }
        match self.outcome(order, 0) {
            None => {
                self.partition.succeed(offset, order.sale());
                self.model.resolve_at_once(order);
                self.watch.ledger.insert(offset, Fate::Succeeded);
            }
            Some(class) if class.treatment() == Treatment::Skip && offset % 2 == 0 => {
                self.partition.skip(offset);
                self.model.resolve_at_once(order);
                self.watch.ledger.insert(offset, Fate::Skipped);
            }
            Some(class) => {
                self.watch.stored.insert(offset, order.bytes);
                let verdict = self.partition.fail(offset, order.lane(), blob(order), self.failure(class), self.now);
                self.model.start(order);
                self.judge(self.cursor, class, verdict);
                self.fits();
            }
        }
    }

    fn failure(&self, class: FailureClass) -> Failure {
        Failure { class, wall_milliseconds: self.wall_milliseconds() }
    }

    fn outcome(&mut self, order: &Order, retry: u8) -> Option<FailureClass> {
        let held = self.times_held.entry(order.offset).or_default();
        if order.held.0 == retry && *held < order.held.1 {
            *held += 1;
            return Some(FailureClass::DependencyDown);
        }
        order.step(retry)
    }

    fn judge(&mut self, place: usize, class: FailureClass, verdict: Verdict) {
        let offset = self.schedule.orders[place].offset;
        let expected = self.model.fail(offset, class, self.now);
        let got = Expected::of(verdict);
        self.watch.law(Law::Model, got == expected, || format!("{offset} {class}: {got:?}, not {expected:?}"));
        match verdict {
            Verdict::Resolved => self.resolved(offset, Fate::Skipped),
            Verdict::Parked { due, .. } => drop(self.watch.parked.insert(offset, (due, false))),
            Verdict::Held { due } => drop(self.watch.parked.insert(offset, (due, true))),
            Verdict::DeadLetter(ticket, _) => self.dying.push((ticket, place)),
        }
    }

    fn resolved(&mut self, offset: i64, fate: Fate) {
        self.watch.ledger.insert(offset, fate);
        self.watch.stored.remove(&offset);
        self.watch.parked.remove(&offset);
    }

    /// Whether something was ready.
    fn take(&mut self) -> bool {
        let ready = self.partition.next_ready(self.now);
        let expected = self.model.next_ready(self.now);
        let got = ready.map(|ready| ready.offset);
        self.watch.law(Law::Model, got == expected, || format!("{got:?} is ready, not {expected:?}"));
        match ready {
            None => self.watch.nothing_ready(self.now),
            Some(ready) => self.begin(ready),
        }
        ready.is_some()
    }

    fn begin(&mut self, ready: Ready) {
        let place = self.schedule.orders.partition_point(|order| order.offset < ready.offset);
        let order = self.schedule.orders[place].clone();
        let record = self.partition.record(ready.ticket).map(|record| record.offset);
        self.watch.law(Law::Model, record == Some(ready.offset), || format!("{ready:?} has the record of {record:?}"));
        match ready.action {
            Action::DeadLetter(_) => self.dying.push((ready.ticket, place)),
            Action::Run => {
                self.watch.starts(&order, &self.schedule.orders, &self.removed);
                self.watch.starts_due(ready.offset, self.now);
                self.running.push((ready.ticket, place, ready.retry));
                if !order.slow {
                    self.complete(self.running.len() - 1);
                }
            }
        }
    }

    fn complete(&mut self, place: usize) {
        if self.running.is_empty() {
            return;
        }
        let (ticket, place, retry) = self.running.remove(place % self.running.len());
        let order = self.schedule.orders[place].clone();
        let class = self.outcome(&order, retry);
        let outcome = class.map_or(Outcome::Succeeded(order.sale()), |class| Outcome::Failed(self.failure(class)));
        let verdict = self.partition.complete(ticket, outcome, self.now);
        self.watch.law(Law::I5, verdict.is_some(), || format!("a good ticket of {} was refused", order.offset));
        self.old_tickets.push(ticket);
        match (class, verdict) {
            (Some(class), Some(verdict)) => self.judge(place, class, verdict),
            (None, Some(_)) => {
                self.model.resolve(order.offset);
                self.resolved(order.offset, Fate::Succeeded);
            }
            (_, None) => {}
        }
    }

    fn acknowledge(&mut self, place: usize) {
        if self.dying.is_empty() {
            return;
        }
        let (ticket, place) = self.dying.remove(place % self.dying.len());
        let order = self.schedule.orders[place].clone();
        let history = self.partition.history(ticket);
        let tries = history.map(|history| (history.offset, history.retries, history.runs > u32::from(history.retries)));
        let expected = Some((order.offset, order.fate(self.schedule.policy.max_retries()).1, true));
        self.watch.law(Law::Once, tries == expected, || format!("{history:?}, not {expected:?}"));
        let good = self.partition.dead_letter_acknowledged(ticket);
        self.watch.law(Law::I5, good, || format!("a good ticket of {} was refused", order.offset));
        self.old_tickets.push(ticket);
        self.dead_letter_topic.insert(order.offset);
        self.model.resolve(order.offset);
        self.resolved(order.offset, Fate::DeadLettered);
    }

    /// I5: what comes late changes nothing; nor does an answer of the wrong kind.
    fn stale(&mut self, place: usize) {
        let before = (self.cut(), self.partition.occupancy(), self.partition.stored_bytes());
        let now = self.now;
        let order = self.schedule.orders[place % self.schedule.orders.len()].clone();
        let mut taken = Vec::new();
        if !self.old_tickets.is_empty() {
            let ticket = self.old_tickets[place % self.old_tickets.len()];
            taken.push(self.partition.complete(ticket, Outcome::Succeeded(order.sale()), now).is_some());
            let failed = Outcome::Failed(self.failure(FailureClass::Transient));
            taken.push(self.partition.complete(ticket, failed, now).is_some());
            taken.push(self.partition.dead_letter_acknowledged(ticket));
            taken.push(self.partition.record(ticket).is_some() || self.partition.history(ticket).is_some());
        }
        if let Some((ticket, ..)) = self.running.first() {
            taken.push(self.partition.dead_letter_acknowledged(*ticket));
        }
        if let Some((ticket, _)) = self.dying.first() {
            taken.push(self.partition.complete(*ticket, Outcome::Skipped, now).is_some());
        }
        self.watch.law(Law::I5, !taken.contains(&true), || format!("an answer was taken that is over: {taken:?}"));
        let after = (self.cut(), self.partition.occupancy(), self.partition.stored_bytes());
        self.watch.law(Law::I5, before == after, || format!("{before:?} became {after:?}"));
    }

    fn checkpoint(&mut self) {
        let snapshot = self.cut();
        let bytes = snapshot.encode();
        let back = Snapshot::decode(&bytes);
        self.watch.law(Law::I4, back.as_ref() == Ok(&snapshot), || format!("{back:?}, not {snapshot:?}"));
        self.checkpoint = Checkpoint { bytes, ledger: self.watch.ledger.clone(), parked: self.watch.parked.clone() };
    }

    /// A new assignment goes on from the last checkpoint and the dead-letter topic.
    fn restore(&mut self, arrived: u8) {
        for (number, (ticket, place)) in std::mem::take(&mut self.dying).into_iter().enumerate() {
            self.old_tickets.push(ticket);
            if arrived >> (number % 8) & 1 == 1 {
                self.dead_letter_topic.insert(self.schedule.orders[place].offset);
            }
        }
        self.old_tickets.extend(self.running.drain(..).map(|(ticket, ..)| ticket));
        self.assignment += 1;
        self.watch.restores += 1;
        let snapshot = Snapshot::decode(&self.checkpoint.bytes).unwrap_or_default();
        let moment = (self.now, self.wall_milliseconds());
        self.model.restore(&snapshot, moment.0, moment.1);
        let policy = self.schedule.policy.clone();
        self.watch.committed = snapshot.watermark;
        self.watch.ledger = self.checkpoint.ledger.clone();
        self.watch.parked = self.checkpoint.parked.clone();
        self.watch.stored.clear();
        self.partition = Partition::restore(snapshot, policy, self.limits, self.assignment, moment);
        self.scan();
        let watermark = self.partition.watermark();
        self.cursor = self.schedule.orders.partition_point(|order| order.offset < watermark);
        self.checkpoint();
    }

    fn scan(&mut self) {
        for order in &self.schedule.orders {
            if self.dead_letter_topic.contains(&order.offset) {
                let (_, retries) = order.fate(self.schedule.policy.max_retries());
                let fresh = self.partition.found_dead_lettered(order.offset, retries);
                let expected = self.model.found_dead_lettered(order.offset);
                self.watch.law(Law::Model, fresh == expected, || format!("dead {}: {fresh}", order.offset));
                if fresh {
                    let twice = self.watch.ledger.insert(order.offset, Fate::DeadLettered).is_some();
                    self.watch.law(Law::I4, !twice, || format!("{} is counted again", order.offset));
                }
            }
        }
    }

    fn note_end(&mut self) {
        let last = self.schedule.orders.last().map_or(0, |order| order.offset);
        let next = self.skip_removed().map_or(last + 7, |order| order.offset);
        self.partition.note_end(next);
        self.model.note_end(next);
    }

    fn release_held(&mut self) {
        let released = self.partition.release_held(self.now);
        let expected = self.model.release_held(self.now);
        self.watch.law(Law::Model, released == expected, || format!("{released} released, not {expected}"));
        for (offset, (due, held)) in &mut self.watch.parked {
            if *held && self.watch.stored.contains_key(offset) {
                *due = (*due).min(self.now);
            }
        }
    }

    fn pass_to_due(&mut self) {
        if let Some(due) = self.partition.next_due() {
            self.now = self.now.max(due);
        }
    }

    /// Until nothing is left to do, waking up by `next_due` alone.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            let mut moved = self.poll() | self.take();
            moved |= !self.running.is_empty() || !self.dying.is_empty();
            self.complete(0);
            self.acknowledge(0);
            self.look();
            if !moved {
                let due = self.partition.next_due();
                self.watch.punctual = true;
                match due {
                    None => break,
                    Some(due) => self.now = self.now.max(due),
                }
            }
        }
        self.note_end();
        self.look();
        self.ended();
    }

    /// Every order ended as its script says, and the counters say so.
    fn ended(&mut self) {
        let max_retries = self.schedule.policy.max_retries();
        let mut retries = [0; 20];
        for order in &self.schedule.orders {
            let (fate, count) = order.fate(max_retries);
            let got = self.watch.ledger.get(&order.offset).copied();
            let gone = got.is_none() && self.removed.contains(&order.offset);
            self.watch.law(Law::Once, gone || got == Some(fate), || format!("{got:?}, not {fate:?}: {order:?}"));
            retries[..usize::from(count)].iter_mut().for_each(|count| *count += 1);
        }
        let counted = self.partition.counters().retries;
        let known = self.removed.is_empty();
        self.watch.law(Law::Once, !known || counted == retries, || format!("retries {counted:?}, not {retries:?}"));
        let left = (self.partition.unresolved(), self.partition.stored_bytes(), self.partition.next_due());
        self.watch.law(Law::Once, left == (0, 0, None), || format!("left at the end: {left:?}"));
    }
}

fn blob(order: &Order) -> Blob {
    Blob { offset: order.offset, bytes: order.bytes }
}
