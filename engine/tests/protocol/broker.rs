//! What the brokers keep: the state topic, the dead-letter topic, and the group with its commit.
//!
//! Deliberately one source partition and one state partition: the protocol has nothing that joins two of them.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    commit_pointer::CommitPointer,
    recovery::{Bounds, Commit, DeadLetterLog, Found, Place, Slot, Unusable},
    snapshot::Snapshot,
};

/// Partitions of the dead-letter topic.
pub(crate) const DEAD_LETTER_PARTITIONS: usize = 2;

/// A key of the state topic; the group, the topic and the partition are always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) epoch: u64,
    pub(crate) owner: u64,
    pub(crate) slot: Slot,
    /// 0 = the head.
    pub(crate) chunk: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Tombstone,
    Chunk,
    Head {
        sequence: u64,
        bytes: Vec<u8>,
        /// Where its chunks are.
        chunks: Vec<i64>,
    },
}

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Broker {
    /// Records of the source topic.
    pub(crate) orders: i64,
    pub(crate) state: BTreeMap<i64, (Key, Value)>,
    state_end: i64,
    /// The orders whose dead letters they are.
    pub(crate) letters: [Vec<i64>; DEAD_LETTER_PARTITIONS],
    /// What retention removed is below.
    letters_low: [usize; DEAD_LETTER_PARTITIONS],
    pub(crate) commit: Option<Commit>,
    pub(crate) members: BTreeSet<u64>,
    /// Processes that died and that the group still counts on: member, assignment.
    pub(crate) dead: Vec<(u64, Option<u64>)>,
    /// Which assignment has the partition.
    pub(crate) assigned: Option<u64>,
}

impl Broker {
    pub(crate) fn new(orders: i64) -> Self {
        Self { orders, ..Self::default() }
    }

    /// Appends to the state topic; the offset.
    pub(crate) fn write_state(&mut self, key: Key, value: Value) -> i64 {
        let offset = self.state_end;
        self.state.insert(offset, (key, value));
        self.state_end += 1;
        offset
    }

    /// The snapshots from `from` on, and the highest epoch in any key.
    pub(crate) fn read_state(&self, from: i64) -> (Vec<Found>, Option<u64>) {
        let found = self.state.range(from..).filter_map(|(offset, (key, value))| self.found(*offset, *key, value));
        (found.collect(), self.state.range(from..).map(|(_, (key, _))| key.epoch).max())
    }

    fn found(&self, offset: i64, key: Key, value: &Value) -> Option<Found> {
        let Value::Head { sequence, bytes, chunks } = value else { return None };
        let is_complete = chunks.iter().all(|chunk| self.state.contains_key(chunk));
        let read = || Snapshot::decode(bytes).map_err(Unusable::Unreadable);
        Some(Found {
            epoch: key.epoch,
            sequence: *sequence,
            place: Place { partition: 0, offset },
            checksum: Snapshot::checksum(bytes).expect("it was written whole"),
            content: if is_complete { read() } else { Err(Unusable::Incomplete) },
        })
    }

    /// Removes what a later record of its key replaced, and tombstones.
    pub(crate) fn compact(&mut self) {
        let mut last = BTreeMap::new();
        for (offset, (key, _)) in &self.state {
            last.insert(*key, *offset);
        }
        self.state.retain(|offset, (key, value)| last[key] == *offset && !matches!(value, Value::Tombstone));
    }

    pub(crate) fn dead_letter_partition(offset: i64) -> usize {
        usize::try_from(offset).expect("offsets are not negative") % DEAD_LETTER_PARTITIONS
    }

    /// Appends a dead letter; its partition and offset.
    pub(crate) fn write_letter(&mut self, offset: i64) -> (i32, i64) {
        let partition = Self::dead_letter_partition(offset);
        let log = &mut self.letters[partition];
        log.push(offset);
        (i32::try_from(partition).expect("few"), i64::try_from(log.len()).expect("few") - 1)
    }

    pub(crate) fn expire_letters(&mut self) {
        for (low, log) in self.letters_low.iter_mut().zip(&self.letters) {
            *low = log.len();
        }
    }

    pub(crate) fn dead_letter_logs(&self) -> Vec<DeadLetterLog> {
        let bounds = |partition: usize| Bounds {
            low: i64::try_from(self.letters_low[partition]).expect("few"),
            high: i64::try_from(self.letters[partition].len()).expect("few"),
        };
        let logs = (0..DEAD_LETTER_PARTITIONS).map(|partition| DeadLetterLog {
            partition: i32::try_from(partition).expect("few"),
            bounds: bounds(partition),
        });
        logs.collect()
    }

    /// The group takes a commit of whoever is a member, whatever it is assigned.
    pub(crate) fn take_commit(&mut self, member: u64, offset: i64, pointer: CommitPointer) -> bool {
        let is_member = self.members.contains(&member);
        if is_member {
            self.commit = Some(Commit { offset, metadata: pointer.to_string() });
        }
        is_member
    }

    /// The member is out of the group; so is what `assignment` had.
    pub(crate) fn remove(&mut self, member: u64, assignment: Option<u64>) {
        self.members.remove(&member);
        if assignment.is_some() && self.assigned == assignment {
            self.assigned = None;
        }
    }
}
