//! A partition while it is ours: its reader, its engine, and what is known of its log.
//!
//! Deliberately plain data with a few questions; `intake`, `dispatch`, `checkpoint` and `assignment` act on it.

use engine::partition::{Occupancy, Partition};
use engine::snapshot::Counters;
use engine::time::Time;

use super::ledger::Ledger;
use super::stored::Stored;
use crate::kafka::source::Reader;

/// One partition in one assignment.
pub(crate) struct Assigned {
    /// The partition's number.
    pub(crate) number: i32,
    /// A number that is never used again in this process: answers that belong to another assignment are dropped.
    pub(crate) assignment: u32,
    /// Where records come from.
    pub(crate) reader: Reader,
    /// What becomes of them.
    pub(crate) engine: Partition<Stored>,
    /// The last offset that the group took; -1 before the first.
    pub(crate) committed: i64,
    /// How durable its state is; `None` while totals live in memory.
    pub(crate) ledger: Option<Ledger>,
    /// What the counters said when it came: the rest is this process's own doing.
    pub(crate) inherited: Counters,
    /// All that is in the log was read, as of the last look.
    pub(crate) is_at_end: bool,
    /// Timestamp of a record that was read lately, milliseconds since 1970; `None` before the first that has one.
    pub(crate) read_timestamp: Option<i64>,
    /// `admit` found no room; asked again when there is some.
    pub(crate) is_full: bool,
    /// The record that is next in line waits for its schema, and everything behind it; the registry's answers so far.
    pub(crate) held_since_answer: Option<u64>,
}

impl Assigned {
    /// Whether records may be taken in: not before the claim to its state is certain.
    pub(crate) fn is_open(&self) -> bool {
        self.ledger.as_ref().is_none_or(Ledger::is_claimed)
    }

    /// Records that this process resolved.
    pub(crate) fn own_records(&self) -> u64 {
        self.engine.counters().records() - self.inherited.records()
    }

    /// Records that ended well in this process.
    pub(crate) fn own_well(&self) -> u64 {
        let well = |counters: &Counters| counters.succeeded + counters.skipped;
        well(self.engine.counters()) - well(&self.inherited)
    }

    /// How this process's own records ended.
    pub(crate) fn own_counters(&self) -> Counters {
        self.engine.counters().since(&self.inherited)
    }

    /// Whether all that is in the log is read and resolved.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_open() && self.is_at_end && self.engine.unresolved() == 0
    }

    /// Remembers how far in time the reader has come: the record that is next in line.
    pub(crate) fn note_time(&mut self) {
        let next = self.reader.current().filter(|entry| entry.error().is_none());
        self.read_timestamp = next.and_then(|entry| entry.timestamp()).or(self.read_timestamp);
    }

    /// Whether anything of what it keeps may be resolved until `deadline`: a try under way, a dead letter that waits for
    /// its acknowledgement, or a turn that comes.
    pub(crate) fn can_finish_until(&self, deadline: Time) -> bool {
        let Occupancy { running, dead_lettering, .. } = self.engine.occupancy();
        running + dead_lettering > 0 || self.engine.next_due().is_some_and(|due| due <= deadline)
    }

    /// The offset to commit, if it is ahead of what was committed.
    pub(crate) fn to_commit(&self) -> Option<i64> {
        let watermark = self.engine.watermark();
        (watermark > self.committed).then_some(watermark)
    }
}
