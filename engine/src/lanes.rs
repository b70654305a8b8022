//! Per-key order: which lanes hold unresolved records, and the last record of each.
//!
//! Deliberately ignorant of the records: slots only. A lane exists while it is not empty.

use std::collections::HashMap;

/// The last slot of every lane that is not empty.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    tails: HashMap<u64, u32>,
}

impl Lanes {
    pub(crate) fn is_shut(&self, lane: u64) -> bool {
        self.tails.contains_key(&lane)
    }

    /// `slot` is the last of `lane` now; gives the one it follows.
    pub(crate) fn append(&mut self, lane: u64, slot: u32) -> Option<u32> {
        self.tails.insert(lane, slot)
    }

    /// The lane is empty: it exists no more.
    pub(crate) fn remove(&mut self, lane: u64) {
        self.tails.remove(&lane);
    }
}
