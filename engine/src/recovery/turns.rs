//! One owner's snapshots and commits, in turns: a snapshot, the commit that names it, and only then the next snapshot,
//! in the other slot. So a snapshot that a commit names is never overwritten by its successor, finished or not.
//!
//! Deliberately without time and without retries of its own: the caller decides when.

use crate::commit_pointer::CommitPointer;

use super::Place;

/// Which of its owner's two places a snapshot takes: part of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The first.
    #[default]
    A,
    /// The second.
    B,
}

impl Slot {
    /// Where the next one goes.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What a snapshot that is to be written goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Of its owner; in its key.
    pub epoch: u64,
    /// Counts the owner's snapshots that were committed; written beside it, see [`super::Found::sequence`].
    pub sequence: u64,
    /// In its key.
    pub slot: Slot,
}

/// A commit that names a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamedCommit {
    /// The offset to commit: the snapshot's watermark.
    pub offset: i64,
    /// The metadata to commit with it (`to_string`).
    pub pointer: CommitPointer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The next snapshot may be cut.
    Rest,
    /// It is being written.
    Write(Turn),
    /// It is written, and its commit is not answered for certain.
    Commit(NamedCommit),
}

/// The turns of one owner in one assignment of one partition. An owner id is never used again, not even by the same
/// process for the next assignment. A write that was given up may land later all the same, even after its successor
/// in the slot.
#[derive(Clone, Debug, Hash)]
pub struct Turns {
    epoch: u64,
    sequence: u64,
    slot: Slot,
    step: Step,
    named: Option<NamedCommit>,
}

impl Turns {
    /// Before the claim.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self { epoch, sequence: 0, slot: Slot::A, step: Step::Rest, named: None }
    }

    /// A snapshot is to be cut and written now; `None` while the one before is being written or its commit is not
    /// certain.
    pub fn begin(&mut self) -> Option<Turn> {
        if self.step != Step::Rest {
            return None;
        }
        let turn = Turn { epoch: self.epoch, sequence: self.sequence, slot: self.slot };
        self.step = Step::Write(turn);
        Some(turn)
    }

    /// All in-sync replicas have the snapshot of the turn that was begun, its head at `place`. The answer is the commit
    /// to send; `None` when no turn was begun (an answer of an assignment before).
    pub fn written(&mut self, place: Place, checksum: u64, watermark: i64) -> Option<NamedCommit> {
        let Step::Write(Turn { epoch, .. }) = self.step else { return None };
        let Place { partition, offset } = place;
        let pointer = CommitPointer::Snapshot { epoch, partition, offset, checksum };
        let commit = NamedCommit { offset: watermark, pointer };
        self.step = Step::Commit(commit);
        Some(commit)
    }

    /// The snapshot was not written, or nobody knows: the next one takes its slot.
    pub fn not_written(&mut self) {
        if matches!(self.step, Step::Write(_)) {
            self.step = Step::Rest;
        }
    }

    /// The commit to send again: one whose answer is uncertain (also after a rebalance that left the partition here),
    /// else the last one that was taken (commits expire, and a late one of a former owner may have come in between).
    /// `None` before the first snapshot was written.
    #[must_use]
    pub fn to_repeat(&self) -> Option<NamedCommit> {
        match self.step {
            Step::Commit(commit) => Some(commit),
            Step::Rest | Step::Write(_) => self.named,
        }
    }

    /// The group took `commit`: the other slot is free. An answer to another commit than the one under way changes
    /// nothing.
    pub fn committed(&mut self, commit: NamedCommit) {
        if self.step == Step::Commit(commit) {
            self.step = Step::Rest;
            self.slot = self.slot.other();
            self.sequence += 1;
            self.named = Some(commit);
        }
    }

    /// The group answered that it did not take the commit under way, and will not: its snapshot never happened, and
    /// the next one takes its slot. Not for time-outs and lost connections: repeat those until they are certain.
    pub fn refused(&mut self) {
        if matches!(self.step, Step::Commit(_)) {
            self.step = Step::Rest;
        }
    }

    /// The claim was committed: records may be admitted.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.named.is_some()
    }

    /// Whether a commit's answer is awaited.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        matches!(self.step, Step::Commit(_))
    }

    /// The commit that names the last snapshot which was committed. If its checksum is that of a new cut, nothing
    /// happened since: repeat it and write nothing.
    #[must_use]
    pub fn named(&self) -> Option<NamedCommit> {
        self.named
    }
}
