//! Per-key order: which lanes hold unresolved records, and the last record of each (I3).
//!
//! Deliberately ignorant of the records: it keeps the slot of each lane's last one, 4 bytes, and finds the lane's
//! number in the slab. A lane exists while it is not empty, so there is no limit to the number of keys.

use hashbrown::HashTable;

use crate::slab::{NONE, Slab};

/// Lanes kept room for when none is left.
const KEPT_LANES: usize = 1024;

/// The last slot of every lane that is not empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    tails: HashTable<u32>,
}

impl Lanes {
    /// Whether `lane` holds a record. O(1).
    #[inline]
    pub(crate) fn is_shut<R>(&self, slab: &Slab<R>, lane: u64) -> bool {
        !self.tails.is_empty() && self.tails.find(lane, |tail| slab.get(*tail).lane == lane).is_some()
    }

    /// `slot` is the last of its lane now; whether it is the first as well. Amortised O(1).
    pub(crate) fn append<R>(&mut self, slab: &mut Slab<R>, slot: u32) -> bool {
        let lane = slab.get(slot).lane;
        if let Some(tail) = self.tails.find_mut(lane, |tail| slab.get(*tail).lane == lane) {
            slab.get_mut(*tail).next_in_lane = slot;
            *tail = slot;
            return false;
        }
        self.tails.insert_unique(lane, slot, |tail| slab.get(*tail).lane);
        true
    }

    /// The first record of a lane leaves it: gives its successor, or ends the lane. O(1).
    pub(crate) fn leave<R>(&mut self, slab: &Slab<R>, slot: u32) -> Option<u32> {
        let entry = slab.get(slot);
        if entry.next_in_lane != NONE {
            return Some(entry.next_in_lane);
        }
        if let Ok(place) = self.tails.find_entry(entry.lane, |tail| *tail == slot) {
            place.remove();
        }
        if self.tails.is_empty() && self.tails.capacity() > KEPT_LANES {
            self.tails = HashTable::new();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::{Entry, Trail};

    fn add(slab: &mut Slab<u8>, lanes: &mut Lanes, lane: u64) -> (u32, bool) {
        let slot = slab.insert(Entry::new(0, 0, Some(lane), Trail::default()));
        (slot, lanes.append(slab, slot))
    }

    #[test]
    fn a_lane_exists_while_it_holds_a_record() {
        let (mut slab, mut lanes) = (Slab::new(0), Lanes::default());
        assert!(!lanes.is_shut(&slab, 5));
        let (first, alone) = add(&mut slab, &mut lanes, 5);
        let (second, follows) = add(&mut slab, &mut lanes, 5);
        assert!(alone && !follows && lanes.is_shut(&slab, 5) && !lanes.is_shut(&slab, 6));
        assert_eq!(lanes.leave(&slab, first), Some(second));
        slab.remove(first);
        assert!(lanes.is_shut(&slab, 5));
        assert_eq!(lanes.leave(&slab, second), None);
        assert!(!lanes.is_shut(&slab, 5));
    }

    #[test]
    fn lanes_give_their_memory_back_when_the_last_one_ends() {
        let (mut slab, mut lanes) = (Slab::new(0), Lanes::default());
        let slots: Vec<u32> =
            (0..10_000u64).map(|lane| add(&mut slab, &mut lanes, lane.wrapping_mul(0x9E37_79B9_7F4A_7C15)).0).collect();
        for slot in slots {
            assert_eq!(lanes.leave(&slab, slot), None);
        }
        assert!(lanes.tails.capacity() <= KEPT_LANES);
    }
}
