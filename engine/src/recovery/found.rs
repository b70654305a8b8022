//! What the state topic holds of one source partition, and how much of it has to be read.
//!
//! Deliberately ignorant of keys and chunks: the caller puts snapshots together.

use crate::{
    commit_pointer::CommitPointer,
    snapshot::{self, Snapshot},
};

use super::{Commit, Reset};

/// Where in the state topic a snapshot's head record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Partition of the state topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// Why a snapshot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A chunk of it is missing, or not the one that belongs to it: it was never finished, or its successor is being
    /// written.
    Incomplete,
    /// Its bytes are no snapshot.
    Unreadable(snapshot::Error),
}

/// A snapshot's head record in the state topic (a tombstone is none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// From its key: the epoch its owner claimed.
    pub epoch: u64,
    /// How many of its owner's snapshots were committed when it was cut: 0 = a claim, more = the claim was committed,
    /// so its owner was one. Written beside it by the owner ([`super::Turn::sequence`]).
    pub sequence: u64,
    /// Where it is.
    pub place: Place,
    /// The checksum its bytes end with, see [`Snapshot::checksum`]; of one in chunks, the whole snapshot's.
    pub checksum: u64,
    /// What it says.
    pub content: Result<Snapshot, Unusable>,
}

impl Found {
    /// What it says, if it can be used.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.content.as_ref().ok()
    }
}

/// What of the state topic has to be read before a decision. Reading more changes no decision, except that a higher
/// epoch may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of its partitions, from their beginnings to their ends.
    Everything,
    /// The partition of `0` from its offset to its end; and where this source partition's snapshots go to another
    /// partition now (the state topic got more of them), that one from its beginning to its end. Chunks may be below.
    /// What is past the end, or in no partition, is not there: no error.
    From(Place),
}

impl Reading {
    /// What has to be read for this commit under this reset.
    #[must_use]
    pub fn of(commit: Option<&Commit>, reset: Option<&Reset>) -> Self {
        match (commit.and_then(|commit| CommitPointer::parse(&commit.metadata).ok()), reset) {
            (Some(CommitPointer::Snapshot { partition, offset, .. }), None) => Self::From(Place { partition, offset }),
            (None | Some(CommitPointer::None | CommitPointer::Start | CommitPointer::Snapshot { .. }), _) => {
                Self::Everything
            }
        }
    }
}
