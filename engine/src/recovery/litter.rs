//! Keys of the state topic that are of no use any more, and when they may go.
//!
//! Deliberately without writing: tombstones are the caller's, in the background; losing one costs a key until the next
//! assignment finds it again.

use std::time::Duration;

use crate::time::Time;

/// The keys of lower epochs that were seen when a partition was assigned. They go once a checkpoint after the claim
/// was committed, and more than a session has passed since the claim: until then a former owner may still write them.
#[derive(Clone, Debug, Hash)]
pub struct Litter<K> {
    keys: Vec<K>,
    not_before: Time,
    checkpoints: u32,
}

impl<K> Litter<K> {
    /// `keys` with their epochs: all that were seen, of records that can be read or not, but no tombstones. Of a
    /// snapshot also its chunks, and its owner's other slot, which may be below what was read. What is of
    /// `claimed_epoch` or above is left alone.
    #[must_use]
    pub fn new(
        keys: impl IntoIterator<Item = (u64, K)>,
        claimed_epoch: u64,
        claimed_at: Time,
        session: Duration,
    ) -> Self {
        let lower = keys.into_iter().filter(|(epoch, _)| *epoch < claimed_epoch);
        Self { keys: lower.map(|(_, key)| key).collect(), not_before: claimed_at + session, checkpoints: 0 }
    }

    /// The group took a commit of this owner, the claim's included.
    pub fn note_committed(&mut self) {
        self.checkpoints = self.checkpoints.saturating_add(1);
    }

    /// The keys to write tombstones for, once their time has come; given out once.
    pub fn take_due(&mut self, now: Time) -> Vec<K> {
        if self.checkpoints < 2 || now <= self.not_before {
            return Vec::new();
        }
        std::mem::take(&mut self.keys)
    }
}
