//! One source partition's durable state, and the bytes it is kept as.
//!
//! Deliberately ignorant of Kafka: who writes the bytes where, and which commit names them, is the worker's business.

mod format;
mod varint;

#[cfg(test)]
mod tests;

use snafu::Snafu;

use crate::{
    failure::{Disposition, FailureClass},
    retry::MAXIMUM_RETRIES,
    totals::Totals,
};

/// What is wrong with a snapshot's bytes.
#[derive(Clone, Debug, Snafu, PartialEq, Eq)]
pub enum Error {
    /// It does not begin with our magic bytes.
    #[snafu(display("the bytes are no snapshot of this program; is the state topic shared with another one?"))]
    Foreign,
    /// It ends early.
    #[snafu(display("the snapshot ends early, after {have} bytes; use an older one"))]
    Truncated {
        /// How many bytes there are.
        have: usize,
    },
    /// A later release wrote it.
    #[snafu(display(
        "the snapshot has format version {version}, kind {kind}; run the release that wrote it, or a later one"
    ))]
    Newer {
        /// Its version byte.
        version: u8,
        /// Its kind byte.
        kind: u8,
    },
    /// It goes on after its end.
    #[snafu(display("the snapshot is followed by {extra} bytes that do not belong to it; use an older one"))]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// A bit is wrong somewhere.
    #[snafu(display("the snapshot's checksum does not fit its bytes; use an older one"))]
    Checksum,
    /// The checksum is right, and yet no writer of this version writes that.
    #[snafu(display("the snapshot says what no writer of its version says; please report it, and use an older one"))]
    Malformed,
}

/// The counters of the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handled.
    pub succeeded: u64,
    /// Given up, and the dead letter acknowledged.
    pub dead_lettered: u64,
    /// Left out by policy.
    pub skipped: u64,
    /// Finished retries by their number, the first at place 0.
    pub retries: [u64; MAXIMUM_RETRIES as usize],
}

impl Counters {
    /// Resolved records: succeeded, dead-lettered and skipped.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.succeeded + self.dead_lettered + self.skipped
    }

    /// Finished retries of all numbers.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.iter().sum()
    }

    /// What came since `earlier`, which is a former state of these counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut retries = self.retries;
        for (mine, theirs) in retries.iter_mut().zip(earlier.retries) {
            *mine -= theirs;
        }
        Self {
            succeeded: self.succeeded - earlier.succeeded,
            dead_lettered: self.dead_lettered - earlier.dead_lettered,
            skipped: self.skipped - earlier.skipped,
            retries,
        }
    }

    /// Adds what another one holds.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.dead_lettered += other.dead_lettered;
        self.skipped += other.skipped;
        for (mine, theirs) in self.retries.iter_mut().zip(other.retries) {
            *mine += theirs;
        }
    }
}

/// What the tries of an unresolved record left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Retries it was given, the pending one included.
    pub retries: u8,
    /// Whether that pending retry did not finish yet.
    pub retry_pending: bool,
    /// Whether its handler panicked before.
    pub panicked: bool,
    /// Failed runs so far.
    pub runs: u32,
    /// Why it failed last.
    pub class: FailureClass,
    /// Wall-clock milliseconds since 1970.
    pub first_failure_milliseconds: i64,
    /// Wall-clock milliseconds since 1970.
    pub last_failure_milliseconds: i64,
    /// What it waits for.
    pub pending: Pending,
}

/// What an unresolved record that failed waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// To run again, not before this wall-clock time in milliseconds since 1970.
    Run {
        /// Wall-clock milliseconds since 1970.
        due_milliseconds: i64,
    },
    /// Only for the acknowledgement of its dead letter.
    DeadLetter(Disposition),
}

/// An offset at or above the watermark that is not resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// Where.
    pub offset: i64,
    /// `None`: it never failed.
    pub tries: Option<Tries>,
}

/// Where a scan of one dead-letter partition has to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanMark {
    /// Dead-letter partition.
    pub partition: i32,
    /// First offset to read.
    pub offset: i64,
}

/// One source partition's durable state. Offsets from `watermark` to `end` that `unresolved` does not list are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The lowest unresolved offset; what is committed with it.
    pub watermark: i64,
    /// One past the highest offset this state knows of.
    pub end: i64,
    /// Ascending.
    pub unresolved: Vec<Unresolved>,
    /// Offsets at or above `end` that are resolved and counted (dead letters a scan found); ascending.
    pub resolved_ahead: Vec<i64>,
    /// The report's counters.
    pub counters: Counters,
    /// What the resolved orders add up to.
    pub totals: Totals,
    /// For each dead-letter partition; the caller fills it in.
    pub scan_marks: Vec<ScanMark>,
    /// Id of the last reset that was obeyed, empty = none; the caller fills it in.
    pub last_reset: String,
}

impl Snapshot {
    /// The bytes, format version 1: see `snapshot/format.rs`. Equal snapshots give equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// Reads bytes of format version 1. Never allocates more than a small multiple of the input.
    ///
    /// # Errors
    /// One [`Error`] for each way to be no snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        format::decode(bytes)
    }

    /// The checksum encoded bytes end with, which the commit pointer names; `None` for fewer than 8 bytes.
    #[must_use]
    pub fn checksum(bytes: &[u8]) -> Option<u64> {
        format::checksum(bytes)
    }
}
