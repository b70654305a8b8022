//! How durable one partition is: the snapshot on its way, the commit that names it, and what is certain.
//!
//! Whose turn it is, is the engine's business (`engine::recovery::Turns`); here are the bytes, the answers and what goes
//! along. A commit whose answer did not come, or was no, is repeated as it is while the partition is ours. Deliberately
//! without I/O: records and commits go out as values, answers come in as arguments.

use std::time::Duration;

use engine::commit_pointer::CommitPointer;
use engine::recovery::{Litter, Marks, NamedCommit, Place, Turn, Turns};
use engine::snapshot::Snapshot;
use engine::time::Time;

use crate::kafka::delivery::Refusal;
use crate::kafka::source::Commit;
use crate::state::{Head, Key, Recovered, Subject, pieces};

/// Tells the answer to one record from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The partition whose state it is.
    pub(crate) partition: i32,
    /// Its assignment.
    pub(crate) assignment: u32,
    /// Which of the assignment's writes, those that failed included.
    write: u64,
    /// The record's chunk; `None` for the snapshot or its head.
    chunk: Option<usize>,
}

/// A record for the state topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// The partition of the state topic.
    pub(crate) place: i32,
    /// The key.
    pub(crate) key: Vec<u8>,
    /// The value.
    pub(crate) value: Vec<u8>,
    /// How many of the owner's snapshots were committed before.
    pub(crate) sequence: u64,
    /// Comes back with the answer.
    pub(crate) token: Token,
}

/// A snapshot whose records are not all acknowledged.
#[derive(Debug)]
struct Writing {
    turn: Turn,
    write: u64,
    watermark: i64,
    checksum: u64,
    /// Where the chunks are, as far as they are acknowledged; empty when one record holds it all.
    chunks: Vec<Option<i64>>,
}

/// A commit that is to be taken by the group.
#[derive(Debug)]
struct Pending {
    commit: NamedCommit,
    /// The number under which it is on its way.
    sent: Option<usize>,
}

/// Who owns a partition's state from now on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    /// A number that no other owner has.
    pub(crate) id: u64,
    /// The assignment it stands for.
    pub(crate) assignment: u32,
    /// After so long without a sign of life a member is out of its group.
    pub(crate) session: Duration,
}

/// The ledger of one partition in one assignment.
#[derive(Debug)]
pub(crate) struct Ledger {
    subject: Subject,
    /// In which partition of the state topic it writes.
    place: i32,
    owner: Owner,
    turns: Turns,
    writes: u64,
    marks: Marks,
    last_reset: String,
    litter: Litter<(i32, Key)>,
    writing: Option<Writing>,
    pending: Option<Pending>,
    /// When the group last took a commit; before that, when the partition came.
    certain_at: Time,
    /// Why the last snapshot was not written.
    refused: Option<Refusal>,
}

impl Ledger {
    /// A ledger that goes on after what was recovered, and writes to partition `place` of the state topic.
    pub(crate) fn new(recovered: &Recovered, place: i32, owner: Owner, now: Time) -> Self {
        let decision = &recovered.decision;
        Self {
            subject: recovered.subject.clone(),
            place,
            owner,
            turns: Turns::new(decision.epoch),
            writes: 0,
            marks: Marks::claimed(&decision.scan),
            last_reset: decision.snapshot.last_reset.clone(),
            litter: Litter::new(recovered.seen.iter().cloned(), decision.epoch, now, owner.session),
            writing: None,
            pending: None,
            certain_at: now,
            refused: None,
        }
    }

    /// Whether the claim is certain: only then records are taken in.
    pub(crate) fn is_claimed(&self) -> bool {
        self.turns.is_claimed()
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        self.writing.is_none() && self.pending.is_none()
    }

    /// Whether records of a snapshot are on their way.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// When the group last took a commit; before that, when the partition came.
    pub(crate) fn certain_at(&self) -> Time {
        self.certain_at
    }

    /// Why the last snapshot was not written; `None` when it was.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// A dead letter of this thread's is in its topic, and the engine knows.
    pub(crate) fn note_acknowledged(&mut self, dead_letter_partition: i32, offset: i64) {
        self.marks.note_acknowledged(dead_letter_partition, offset);
    }

    /// Begins a checkpoint with a cut: the records to write. None, when the last snapshot says the same: then its commit
    /// is repeated, if `repeats`. Only when settled.
    pub(crate) fn begin(&mut self, mut cut: Snapshot, repeats: bool) -> Vec<Outgoing> {
        cut.scan_marks = self.marks.in_snapshot();
        cut.last_reset.clone_from(&self.last_reset);
        let bytes = cut.encode();
        let checksum = Snapshot::checksum(&bytes).expect("encoded bytes end with their checksum");
        if let Some(named) = self.turns.named().filter(|named| is_of(named, checksum)) {
            self.pending = repeats.then_some(Pending { commit: named, sent: None });
            return Vec::new();
        }
        let Some(turn) = self.turns.begin() else { return Vec::new() };
        let count = pieces(&bytes).len();
        let chunks = if count == 1 { Vec::new() } else { vec![None; count] };
        self.writes += 1;
        self.writing = Some(Writing { turn, write: self.writes, watermark: cut.watermark, checksum, chunks });
        if count == 1 {
            return vec![self.outgoing(turn, None, bytes)];
        }
        let pieces = pieces(&bytes).enumerate();
        pieces.map(|(number, piece)| self.outgoing(turn, Some(number), piece.to_vec())).collect()
    }

    fn outgoing(&self, turn: Turn, chunk: Option<usize>, value: Vec<u8>) -> Outgoing {
        let Turn { epoch, sequence, slot } = turn;
        let number = chunk.map_or(0, |chunk| u32::try_from(chunk + 1).expect("a snapshot has few chunks"));
        let key = Key { subject: self.subject.clone(), epoch, owner: self.owner.id, slot, chunk: number };
        let (partition, assignment) = (self.subject.partition, self.owner.assignment);
        let token = Token { partition, assignment, write: self.writes, chunk };
        Outgoing { place: self.place, key: key.encode(), value, sequence, token }
    }

    /// The answer to a record: where it is, or why not. The head to write when the last chunk is in its place.
    pub(crate) fn written(&mut self, token: Token, result: Result<(i32, i64), Refusal>) -> Option<Outgoing> {
        let writing = self.writing.as_mut().filter(|writing| writing.write == token.write)?;
        let (partition, offset) = match result {
            Ok(place) => place,
            Err(refusal) => {
                self.writing = None;
                self.turns.not_written();
                self.refused = Some(refusal);
                return None;
            }
        };
        self.refused = None;
        let Some(chunk) = token.chunk else {
            let (checksum, watermark) = (writing.checksum, writing.watermark);
            self.writing = None;
            let commit = self.turns.written(Place { partition, offset }, checksum, watermark);
            self.pending = commit.map(|commit| Pending { commit, sent: None });
            return None;
        };
        *writing.chunks.get_mut(chunk)? = Some(offset);
        let offsets = writing.chunks.iter().copied().collect::<Option<Vec<i64>>>()?;
        let (turn, head) = (writing.turn, Head { checksum: writing.checksum, offsets }.encode());
        Some(self.outgoing(turn, None, head))
    }

    /// The commit that waits to be sent.
    pub(crate) fn to_send(&self) -> Option<Commit> {
        let Pending { commit, .. } = self.pending.as_ref().filter(|pending| pending.sent.is_none())?;
        let (partition, metadata) = (self.subject.partition, commit.pointer.to_string());
        Some(Commit { partition, offset: commit.offset, metadata })
    }

    /// The commit that waited is on its way as number `number`.
    pub(crate) fn note_sent(&mut self, number: usize) {
        if let Some(pending) = &mut self.pending {
            pending.sent = Some(number);
        }
    }

    /// Commit `number` was taken by the group. Answers with its offset, if it is ours.
    pub(crate) fn taken(&mut self, number: usize, now: Time) -> Option<i64> {
        let Pending { commit, .. } = self.pending.take_if(|pending| pending.sent == Some(number))?;
        self.turns.committed(commit);
        self.litter.note_committed();
        self.certain_at = now;
        Some(commit.offset)
    }

    /// Commit `number` was not taken, or nobody knows: it is to be sent again.
    pub(crate) fn not_taken(&mut self, number: usize) {
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.sent == Some(number)) {
            pending.sent = None;
        }
    }

    /// Keys of former owners that are of no use any more: the partition of the state topic, and each key's bytes.
    pub(crate) fn take_litter(&mut self, now: Time) -> Vec<(i32, Vec<u8>)> {
        self.litter.take_due(now).iter().map(|(place, key)| (*place, key.encode())).collect()
    }
}

/// Whether a commit names the snapshot with this checksum.
fn is_of(commit: &NamedCommit, snapshot: u64) -> bool {
    matches!(commit.pointer, CommitPointer::Snapshot { checksum, .. } if checksum == snapshot)
}

#[cfg(test)]
mod tests;
