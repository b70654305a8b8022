//! Parked records by due time.
//!
//! Deliberately without a clock: it is told the time and never gives a slot before it is due.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::time::Time;

/// Slots in the order they are due.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    heap: BinaryHeap<Reverse<(Time, u32)>>,
}

impl Timer {
    pub(crate) fn insert(&mut self, due: Time, slot: u32) {
        self.heap.push(Reverse((due, slot)));
    }

    pub(crate) fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    pub(crate) fn pop(&mut self, now: Time) -> Option<(Time, u32)> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    pub(crate) fn drain(&mut self) -> Vec<(Time, u32)> {
        std::mem::take(&mut self.heap).into_iter().map(|Reverse(entry)| entry).collect()
    }
}
