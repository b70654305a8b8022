//! How far a consumer is, for whoever has to know while it runs: the demo paces its producer by it, and ends by it.
//!
//! Deliberately two numbers and no lock.

use std::sync::atomic::{AtomicU64, Ordering};

use super::assigned::Assigned;

/// Counts of one process; threads store what they know at each round.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    resolved: AtomicU64,
    read: AtomicU64,
}

impl Progress {
    /// Renews the counts; `retired` are records of partitions that went.
    pub(crate) fn note(&self, partitions: &[Assigned], retired: u64) {
        let resolved: u64 = partitions.iter().map(|partition| partition.own_records()).sum();
        let stored: usize = partitions.iter().map(|partition| partition.engine.stored()).sum();
        self.resolved.store(retired + resolved, Ordering::Release);
        self.read.store(retired + resolved + stored as u64, Ordering::Release);
    }

    /// Records that are handled, dead-lettered or skipped.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved.load(Ordering::Acquire)
    }

    /// Records that were read from their topic, resolved or not.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }
}
