//! Which offsets of a partition are resolved, and the lowest one that is not.
//!
//! Deliberately ignorant of records: offsets only.

use std::collections::BTreeSet;

/// The offsets from the watermark to the end of what is known.
#[derive(Clone, Debug)]
pub struct Window {
    end: i64,
    unresolved: BTreeSet<i64>,
}

impl Window {
    /// Nothing known from `start` on.
    #[must_use]
    pub fn new(start: i64) -> Self {
        Self { end: start, unresolved: BTreeSet::new() }
    }

    /// The lowest unresolved offset, or the end when there is none.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.unresolved.first().copied().unwrap_or(self.end)
    }

    /// One past the highest offset known.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.end
    }

    /// How many offsets are unresolved.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.unresolved.len()
    }

    /// Whether `offset` is known and unresolved.
    #[must_use]
    pub fn is_unresolved(&self, offset: i64) -> bool {
        self.unresolved.contains(&offset)
    }

    /// Everything below `end` that was not opened is resolved.
    pub fn extend(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// `offset` is known from now on, and unresolved.
    pub fn open(&mut self, offset: i64) {
        self.extend(offset + 1);
        self.unresolved.insert(offset);
    }

    /// Resolves `offset`; `false` when it was not unresolved.
    pub fn resolve(&mut self, offset: i64) -> bool {
        self.unresolved.remove(&offset)
    }

    /// The unresolved offsets, ascending.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.unresolved.iter().copied()
    }
}
