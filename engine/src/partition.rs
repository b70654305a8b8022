//! The state machine of one source partition: it joins window, lanes, slab and timer under the invariants I1 to I7.
//!
//! Deliberately without effects: handlers, dead-letter writes, commits and clocks are the caller's; it answers what
//! may be done next. The caller's loop: `admit` a polled record and answer it, run what `next_ready` gives, hand
//! results to `complete`, acknowledged dead letters to `dead_letter_acknowledged`, and commit `watermark`.

mod durable;
mod ready;
#[cfg(test)]
mod tests;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    lanes::Lanes,
    outcome::{Admission, Failure, Lane, Outcome, Stored, Verdict},
    retry::{Decision, Past, RetryPolicy, decide},
    slab::{Entry, Queue, Slab, State, Ticket, Trail},
    snapshot::Counters,
    time::Time,
    timer::Timer,
    totals::{Sale, Totals},
    window::Window,
};

/// Bytes a stored record is counted with besides its own: slab, links, timer, lane.
pub const OVERHEAD: usize = 150;

/// How much a partition may hold (I6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of stored records, each counted with [`OVERHEAD`]; a single record may be larger.
    pub parked_bytes: usize,
    /// Offsets from the watermark to the newest admitted record.
    pub window: u32,
}

impl Limits {
    /// The window of every partition.
    pub const WINDOW: u32 = 4_000_000;
    /// What a larger window is cut to.
    pub const LARGEST_WINDOW: u32 = 1 << 24;
}

/// How many stored records are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Behind another one of their lane.
    pub waiting: usize,
    /// Their turn has come, nobody took them yet.
    pub ready: usize,
    /// A handler has them.
    pub running: usize,
    /// Wait for their due time, held ones included.
    pub parked: usize,
    /// Wait for the acknowledgement of their dead letter.
    pub dead_lettering: usize,
}

/// One source partition in one assignment. `R` is the caller's copy of a record.
#[derive(Clone, Debug)]
pub struct Partition<R> {
    policy: RetryPolicy,
    limits: Limits,
    window: Window,
    /// The lowest offset that was not answered yet.
    next: i64,
    /// Resolved before they were polled (dead letters found by a scan), at or above the window's end.
    resolved_ahead: BTreeSet<i64>,
    /// What a snapshot told of unresolved records that were not polled again yet.
    restored: BTreeMap<i64, Trail>,
    slab: Slab<R>,
    lanes: Lanes,
    timer: Timer,
    ready: Queue,
    successor_is_next: bool,
    stored_bytes: usize,
    occupancy: Occupancy,
    counters: Counters,
    totals: Totals,
}

impl<R: Stored> Partition<R> {
    /// A partition without a past that starts at `start`. `assignment` is a number the caller never repeats within
    /// the process: tickets of other assignments are refused (I5).
    #[must_use]
    pub fn new(start: i64, policy: RetryPolicy, limits: Limits, assignment: u32) -> Self {
        let window = limits.window.min(Limits::LARGEST_WINDOW);
        Self {
            policy,
            limits: Limits { window, ..limits },
            window: Window::new(start),
            next: start,
            resolved_ahead: BTreeSet::new(),
            restored: BTreeMap::new(),
            slab: Slab::new(assignment),
            lanes: Lanes::default(),
            timer: Timer::new(),
            ready: Queue::new(),
            successor_is_next: false,
            stored_bytes: 0,
            occupancy: Occupancy::default(),
            counters: Counters::default(),
            totals: Totals::new(),
        }
    }

    /// What may happen now with the polled record at `offset`, `bytes` long as [`Stored`] counts. Copies nothing,
    /// O(1). Answer it (see [`Admission`]) before the next one of this partition is admitted; gaps between offsets
    /// are taken as resolved. Keeps I3 and I6.
    pub fn admit(&mut self, offset: i64, lane: Lane, bytes: usize) -> Admission {
        if offset < self.next {
            return Admission::Done;
        }
        if self.has_past() && self.is_resolved_by_past(offset) {
            return Admission::Done;
        }
        if !self.fits(offset, bytes) {
            return Admission::Full;
        }
        let shut = match lane {
            Lane::Own => false,
            Lane::Shared(hash) => self.lanes.is_shut(&self.slab, hash),
        };
        if shut || (!self.restored.is_empty() && self.restored.contains_key(&offset)) {
            Admission::Wait
        } else {
            Admission::Run
        }
    }

    fn is_resolved_by_past(&mut self, offset: i64) -> bool {
        self.note_end(offset);
        let resolved = if offset < self.window.end() {
            !self.window.is_unresolved(offset)
        } else {
            self.resolved_ahead.contains(&offset)
        };
        if resolved {
            self.note_end(offset + 1);
        }
        resolved
    }

    #[inline]
    fn fits(&mut self, offset: i64, bytes: usize) -> bool {
        let bytes_fit = self.stored_bytes == 0 || self.stored_bytes + bytes + OVERHEAD <= self.limits.parked_bytes;
        (bytes_fit && self.is_within_window(offset)) || self.fits_after_gap(offset, bytes_fit)
    }

    /// The gap before `offset` may have held the watermark.
    #[cold]
    fn fits_after_gap(&mut self, offset: i64, bytes_fit: bool) -> bool {
        self.note_end(offset);
        bytes_fit && self.is_within_window(offset)
    }

    #[inline]
    fn is_within_window(&self, offset: i64) -> bool {
        offset - self.window.watermark() < i64::from(self.limits.window)
    }

    /// The position moved to `next_offset` without a record (compaction, transaction markers): whatever below it was
    /// neither answered nor stored will never come, so it holds the watermark no longer.
    pub fn note_end(&mut self, next_offset: i64) {
        if next_offset <= self.next {
            return;
        }
        if self.next < self.window.end() {
            self.window.resolve_range(self.next..next_offset);
            self.restored = self.restored.split_off(&next_offset);
        }
        self.next = next_offset;
        self.window.extend(next_offset);
        if !self.resolved_ahead.is_empty() {
            self.resolved_ahead = self.resolved_ahead.split_off(&next_offset);
        }
    }

    /// `Run` ended well at once: resolved and counted. O(1), copies nothing (I4).
    #[inline]
    pub fn succeed(&mut self, offset: i64, sale: Sale<'_>) {
        if self.pass(offset) {
            self.counters.succeeded += 1;
            self.totals.add(sale);
        }
    }

    /// `Run` ended by leaving it out by policy: resolved, counted as skipped.
    pub fn skip(&mut self, offset: i64) {
        if self.pass(offset) {
            self.counters.skipped += 1;
        }
    }

    /// The record at `offset` is resolved at once; `false` when it was answered before (a bug of the caller).
    #[inline]
    fn pass(&mut self, offset: i64) -> bool {
        let fresh = self.arrive(offset);
        if fresh && offset < self.window.end() {
            self.window.resolve(offset);
        }
        self.window.extend(self.next);
        fresh
    }

    /// The record at `offset` is answered; `false` when it was before (a bug of the caller).
    #[inline]
    fn arrive(&mut self, offset: i64) -> bool {
        debug_assert!(offset >= self.next, "offset {offset} was answered before");
        if offset < self.next {
            return false;
        }
        if self.has_past() {
            self.note_end(offset);
        }
        self.next = offset + 1;
        true
    }

    /// Whether a snapshot or a scan told of offsets that were not polled again yet.
    #[inline]
    fn has_past(&self) -> bool {
        self.next < self.window.end() || !self.resolved_ahead.is_empty()
    }

    /// Keeps a record that `admit` let `Wait`: behind its lane, or as a restart left it (I3).
    pub fn wait(&mut self, offset: i64, lane: Lane, record: R) {
        if self.arrive(offset) {
            let trail = self.restored.remove(&offset).unwrap_or_default();
            let slot = self.store(offset, lane, record, trail);
            if self.link(slot) {
                self.enter(slot);
            }
        }
    }

    /// Keeps a record whose handler takes time: it is running until `complete`.
    pub fn start(&mut self, offset: i64, lane: Lane, record: R) -> Ticket {
        let answered = self.arrive(offset);
        let slot = self.store(offset, lane, record, Trail::default());
        let head = self.link(slot);
        debug_assert!(answered && head, "offset {offset} was started behind a shut lane");
        self.set_state(slot, State::Running);
        self.slab.issue(slot)
    }

    /// `Run` failed at once; the record is kept unless its class is skipped.
    pub fn fail(&mut self, offset: i64, lane: Lane, record: R, failure: Failure, now: Time) -> Verdict {
        if decide(&self.policy, Past::default(), failure.class) == Decision::Skip {
            self.skip(offset);
            return Verdict::Resolved;
        }
        let ticket = self.start(offset, lane, record);
        self.settle(ticket.slot, failure, Duration::ZERO, now)
    }

    /// What came of a run that `start` or `next_ready` began. `None`: the ticket is stale, nothing happened (I5).
    pub fn complete(&mut self, ticket: Ticket, outcome: Outcome<'_>, now: Time) -> Option<Verdict> {
        let slot = self.slab.find(ticket).filter(|slot| self.slab.get(*slot).state == State::Running)?;
        match outcome {
            Outcome::Failed(failure) => return Some(self.settle(slot, failure, Duration::ZERO, now)),
            Outcome::Succeeded(sale) => {
                self.counters.succeeded += 1;
                self.totals.add(sale);
            }
            Outcome::Skipped => self.counters.skipped += 1,
        }
        self.count_retry(slot);
        self.release(slot);
        Some(Verdict::Resolved)
    }

    /// [`Self::complete`] with a failure that said how long to wait: the next try comes neither before `wait` is over
    /// nor before the policy says. The caller bounds `wait`.
    pub fn fail_later(&mut self, ticket: Ticket, failure: Failure, wait: Duration, now: Time) -> Option<Verdict> {
        let slot = self.slab.find(ticket).filter(|slot| self.slab.get(*slot).state == State::Running)?;
        Some(self.settle(slot, failure, wait, now))
    }

    /// All in-sync replicas have the dead letter: resolved and counted (I2). `false`: the ticket is stale.
    pub fn dead_letter_acknowledged(&mut self, ticket: Ticket) -> bool {
        let slot = self.slab.find(ticket).filter(|slot| self.slab.get(*slot).state == State::DeadLettering);
        if let Some(slot) = slot {
            self.counters.dead_lettered += 1;
            self.release(slot);
        }
        slot.is_some()
    }

    /// A new share of the process' bytes; what is stored already stays.
    pub fn set_parked_bytes(&mut self, parked_bytes: usize) {
        self.limits.parked_bytes = parked_bytes;
    }

    fn store(&mut self, offset: i64, lane: Lane, record: R, trail: Trail) -> u32 {
        self.window.open(offset);
        self.stored_bytes += record.bytes() + OVERHEAD;
        self.occupancy.waiting += 1;
        let lane = match lane {
            Lane::Own => None,
            Lane::Shared(hash) => Some(hash),
        };
        self.slab.insert(Entry::new(record, offset, lane, trail))
    }

    /// Puts a slot at the end of its lane; whether it is the only one there.
    fn link(&mut self, slot: u32) -> bool {
        !self.slab.get(slot).in_lane || self.lanes.append(&mut self.slab, slot)
    }

    /// The record is resolved: forgets it and opens its lane.
    fn release(&mut self, slot: u32) {
        let entry = self.slab.get(slot);
        let (offset, in_lane, state) = (entry.offset, entry.in_lane, entry.state);
        *self.occupancy.of(state) -= 1;
        self.window.resolve(offset);
        let successor = if in_lane { self.lanes.leave(&self.slab, slot) } else { None };
        let record = self.slab.remove(slot);
        self.stored_bytes -= record.bytes() + OVERHEAD;
        if let Some(successor) = successor {
            self.enter(successor);
        }
    }

    fn set_state(&mut self, slot: u32, state: State) {
        let before = std::mem::replace(&mut self.slab.get_mut(slot).state, state);
        *self.occupancy.of(before) -= 1;
        *self.occupancy.of(state) += 1;
    }
}

impl Occupancy {
    fn of(&mut self, state: State) -> &mut usize {
        match state {
            State::Waiting => &mut self.waiting,
            State::Ready => &mut self.ready,
            State::Running => &mut self.running,
            State::Parked => &mut self.parked,
            State::DeadLettering => &mut self.dead_lettering,
        }
    }
}
