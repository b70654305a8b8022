//! Which dead letters have to be looked at before a partition goes on, and how the marks for the next time advance.
//!
//! Deliberately ignorant of what a dead letter says.

use std::collections::BTreeMap;

use crate::snapshot::ScanMark;

use super::Bounds;

/// One partition of the dead-letter topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterLog {
    /// Its number.
    pub partition: i32,
    /// Where its log begins and ends.
    pub bounds: Bounds,
}

/// A stretch of one dead-letter partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanRange {
    /// Dead-letter partition.
    pub partition: i32,
    /// The first offset to read.
    pub from: i64,
    /// One past the last offset to read; equal to `from` when there is nothing to read.
    pub to: i64,
}

/// What of the dead-letter topic has to be read: a range for each of its partitions, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan(Vec<ScanRange>);

impl Scan {
    /// From where `marks` say to the end; a partition without a mark, or whose mark is beyond its end (it was made
    /// anew), from its beginning.
    #[must_use]
    pub fn after(marks: &[ScanMark], logs: &[DeadLetterLog]) -> Self {
        let marks: BTreeMap<i32, i64> = marks.iter().map(|mark| (mark.partition, mark.offset)).collect();
        let range = |log: &DeadLetterLog| {
            let Bounds { low, high } = log.bounds;
            let mark = marks.get(&log.partition).filter(|mark| **mark <= high);
            ScanRange { partition: log.partition, from: mark.map_or(low, |mark| low.max(*mark)), to: high }
        };
        Self::of(logs.iter().map(range))
    }

    /// Nothing; what is written from now on counts.
    #[must_use]
    pub fn from_now_on(logs: &[DeadLetterLog]) -> Self {
        Self::of(logs.iter().map(|log| ScanRange {
            partition: log.partition,
            from: log.bounds.high,
            to: log.bounds.high,
        }))
    }

    /// All that any of `scans` has to read. Ask the single ones which of it they cover.
    #[must_use]
    pub fn union<'a>(scans: impl IntoIterator<Item = &'a Scan>) -> Self {
        let mut all: BTreeMap<i32, ScanRange> = BTreeMap::new();
        for range in scans.into_iter().flat_map(|scan| scan.0.iter().copied()) {
            let known = all.entry(range.partition).or_insert(range);
            match (known.from == known.to, range.from == range.to) {
                (_, true) => {}
                (true, false) => *known = range,
                (false, false) => {
                    known.from = known.from.min(range.from);
                    known.to = known.to.max(range.to);
                }
            }
        }
        Self(all.into_values().collect())
    }

    fn of(ranges: impl Iterator<Item = ScanRange>) -> Self {
        let mut ranges: Vec<ScanRange> = ranges.collect();
        ranges.sort_unstable_by_key(|range| range.partition);
        Self(ranges)
    }

    /// A range for each dead-letter partition, ascending; empty ranges too.
    #[must_use]
    pub fn ranges(&self) -> &[ScanRange] {
        &self.0
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|range| range.from >= range.to)
    }

    /// Whether a dead letter at `offset` of `partition` is one to look at.
    #[must_use]
    pub fn covers(&self, partition: i32, offset: i64) -> bool {
        self.0.iter().any(|range| range.partition == partition && (range.from..range.to).contains(&offset))
    }
}

/// From where the next owner has to scan: every dead letter of this source partition below is in the state.
///
/// Never taken from the topic's end: a dead letter may be there that the state does not know of yet. A dead letter of
/// our own that is acknowledged is known; so is every one that was handed to the producer before it, be it as pending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks(BTreeMap<i32, i64>);

impl Marks {
    /// The marks of the claim: everything that `scan` covers was looked at.
    #[must_use]
    pub fn claimed(scan: &Scan) -> Self {
        Self(scan.0.iter().map(|range| (range.partition, range.to)).collect())
    }

    /// The broker said where it put a dead letter of our own, and the engine was told (`dead_letter_acknowledged`).
    /// Of this source partition, or of any other one that the same thread owns; not one whose offset is unknown.
    pub fn note_acknowledged(&mut self, dead_letter_partition: i32, offset: i64) {
        let mark = self.0.entry(dead_letter_partition).or_insert(offset + 1);
        *mark = (*mark).max(offset + 1);
    }

    /// What goes into a snapshot that is cut now.
    #[must_use]
    pub fn in_snapshot(&self) -> Vec<ScanMark> {
        self.0.iter().map(|(&partition, &offset)| ScanMark { partition, offset }).collect()
    }
}
