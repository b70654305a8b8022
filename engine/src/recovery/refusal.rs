//! Why a partition is not started.
//!
//! Deliberately without names of groups and topics: the caller knows them, and which reset to recommend.

use snafu::Snafu;

use crate::{commit_pointer, snapshot};

use super::Place;

/// Why a partition is not started. A reset overrules each: to a snapshot those of the commit and the log's start, to the
/// committed offset or to empty totals the others.
#[derive(Debug, Snafu, PartialEq, Eq)]
#[snafu(visibility(pub(super)))]
pub enum Refusal {
    /// Another program committed, or a person moved the group.
    #[snafu(display("the group's commit is not this program's"))]
    ForeignCommit {
        /// What is wrong with its metadata.
        source: commit_pointer::Error,
    },
    /// The commit has our metadata and another offset: a person moved the group.
    #[snafu(display("the group committed offset {committed}, but the snapshot it names ends at {watermark}"))]
    CommitMoved {
        /// The committed offset.
        committed: i64,
        /// The watermark of the snapshot.
        watermark: i64,
    },
    /// The state topic was emptied, made anew, or is another one.
    #[snafu(display(
        "the snapshot that the group's commit names is not in the state topic (partition {}, offset {}), nor is a later one",
        place.partition, place.offset
    ))]
    NamedMissing {
        /// Where it should be.
        place: Place,
    },
    /// The snapshot that counts is there, but damaged, and there is no later one.
    #[snafu(display("the snapshot in the state topic's partition {}, offset {} cannot be used", place.partition, place.offset))]
    Damaged {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        source: snapshot::Error,
    },
    /// A later release wrote a snapshot that counts: run that release.
    #[snafu(display("a later release wrote the snapshot in the state topic's partition {}, offset {}", place.partition, place.offset))]
    Newer {
        /// Where it is.
        place: Place,
        /// Which version it has.
        source: snapshot::Error,
    },
    /// There are pieces of snapshots, and no complete one.
    #[snafu(display("the state topic has pieces of snapshots, and no complete one"))]
    NothingComplete,
    /// A reset asks for a snapshot, and there is none.
    #[snafu(display("the state topic has no snapshot to go on with"))]
    NoSnapshot,
    /// A reset asks for the committed offset, and the log does not have it.
    #[snafu(display("the committed offset {committed} is outside the log, which has offsets {low} to {high}"))]
    CommitOutsideLog {
        /// The committed offset.
        committed: i64,
        /// The first offset there is.
        low: i64,
        /// The offset after the last.
        high: i64,
    },
    /// The snapshot knows of records that the log does not have: the topic was made anew, or lost its end.
    #[snafu(display(
        "orders below offset {known_end} were done, but the log ends at {high}: was the topic made anew?"
    ))]
    AfterEnd {
        /// One past the highest offset that the snapshot knows of.
        known_end: i64,
        /// The offset after the log's last.
        high: i64,
    },
    /// Retention removed records that were not resolved.
    #[snafu(display(
        "orders from offset {watermark} on are not done, but the log starts at {low}: retention removed them"
    ))]
    BeforeStart {
        /// The snapshot's watermark.
        watermark: i64,
        /// The first offset there is.
        low: i64,
    },
}
