//! What a partition tells of itself: where it stands, what it holds, and what became of a record.
//!
//! Deliberately changes nothing.

use super::{Occupancy, Partition};
use crate::{
    outcome::{History, Stored},
    slab::Ticket,
    snapshot::Counters,
    totals::Totals,
};

impl<R: Stored> Partition<R> {
    /// The lowest unresolved offset, or the next one to come: what to commit (I1). Never goes back.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.window.watermark()
    }

    /// One past the highest offset that was answered.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.next
    }

    /// How many known offsets are not resolved, those of a snapshot that were not polled again included.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.window.unresolved()
    }

    /// The stored records by state.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        self.occupancy
    }

    /// How many records are stored, in whatever state.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.slab.len()
    }

    /// Bytes the stored records are counted with.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.stored_bytes
    }

    /// Whether it is worth asking `admit` again after `Full`: an eighth of the bytes is free, and the window moved.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.stored_bytes <= self.limits.parked_bytes / 8 * 7 && self.is_within_window(self.next)
    }

    /// What the resolved orders add up to.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The report's counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The record of a ticket that is still good.
    #[must_use]
    pub fn record(&self, ticket: Ticket) -> Option<&R> {
        self.slab.find(ticket).map(|slot| self.slab.get(slot).record())
    }

    /// What a dead letter says about the tries of its record; `None` for a stale ticket or a record that never failed.
    #[must_use]
    pub fn history(&self, ticket: Ticket) -> Option<History> {
        let entry = self.slab.get(self.slab.find(ticket)?);
        Some(History {
            offset: entry.offset,
            runs: u32::from(entry.trail.runs),
            retries: entry.trail.retries,
            class: entry.trail.class?,
            first_failure_milliseconds: entry.trail.first_failure_milliseconds,
            last_failure_milliseconds: entry.trail.last_failure_milliseconds(),
        })
    }
}
