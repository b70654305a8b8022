//! One partition of the dead-letter topic: which distinct letters are in it now.
//!
//! Letters come with rising offsets and go from the low end, when retention removes them. A letter that was written
//! twice (its writer died between the write and its acknowledgement, or lost the partition) counts once, and for as
//! long as one of its copies is there. Copies meet in one partition, because writers choose it by key or by origin.
//! Deliberately keeps no payload and no text: about 120 bytes a letter.

use std::collections::{HashMap, VecDeque};

use super::figures::{Figures, Weight};

/// A letter's identity (`schemas::dead_letter::Identity`) with group and topic as one number, so that a million letters
/// do not keep a million names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    /// Group and topic, numbered by the ledger.
    pub(super) origin: u32,
    /// Partition of the order.
    pub(super) partition: i32,
    /// Offset of the order.
    pub(super) offset: i64,
    /// Timestamp of the order in milliseconds; [`NO_TIMESTAMP`] if it had none.
    pub(super) timestamp: i64,
}

/// Stands for a timestamp that is not there; no record has it, for it is long before the universe.
pub(super) const NO_TIMESTAMP: i64 = i64::MIN;

/// What the shelf did with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the first of its kind.
    New,
    /// A letter that is here already.
    Copy,
}

/// The letters of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    letters: HashMap<Mark, Kept>,
    /// Every letter, copies too, by rising offset in the dead-letter topic.
    order: VecDeque<(i64, Mark)>,
    /// Candidates for the oldest timestamp: offsets rise, timestamps too; each entry is older than all that came after
    /// it (the usual minimum of a sliding window).
    ages: VecDeque<(i64, i64)>,
    figures: Figures,
    copies: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Where the last of its copies is.
    last: i64,
    weight: Weight,
}

impl Shelf {
    /// Puts a letter on the shelf. `offset` is where it is in the dead-letter topic, above all before it; `timestamp`
    /// is its record's, by which retention goes.
    pub(super) fn add(&mut self, offset: i64, mark: Mark, weight: Weight, timestamp: Option<i64>) -> Arrival {
        self.order.push_back((offset, mark));
        if let Some(timestamp) = timestamp {
            while self.ages.back().is_some_and(|(_, younger)| *younger >= timestamp) {
                self.ages.pop_back();
            }
            self.ages.push_back((offset, timestamp));
        }
        if let Some(kept) = self.letters.get_mut(&mark) {
            kept.last = offset;
            self.copies += 1;
            return Arrival::Copy;
        }
        self.letters.insert(mark, Kept { last: offset, weight });
        self.figures.add(weight);
        Arrival::New
    }

    /// The log begins at `low` now: what was below is gone.
    pub(super) fn remove_below(&mut self, low: i64) {
        while let Some((offset, mark)) = self.order.front().copied().filter(|(offset, _)| *offset < low) {
            self.order.pop_front();
            if let Some(kept) = self.letters.get(&mark).copied().filter(|kept| kept.last == offset) {
                self.letters.remove(&mark);
                self.figures.take_away(kept.weight);
            }
        }
        while self.ages.front().is_some_and(|(offset, _)| *offset < low) {
            self.ages.pop_front();
        }
    }

    /// What the letters add up to.
    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Copies that were dropped so far.
    pub(super) fn copies(&self) -> u64 {
        self.copies
    }

    /// Timestamp of the oldest letter, in milliseconds since 1970; `None` when there is none.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.ages.front().map(|(_, timestamp)| *timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::weights;
    use super::*;
    use proptest::prelude::*;
    use schemas::failure::FailureClass;

    fn mark(offset: i64) -> Mark {
        Mark { origin: 0, partition: 3, offset, timestamp: 7 }
    }

    fn weight() -> Weight {
        Weight::new(FailureClass::Transient, None)
    }

    #[test]
    fn a_letter_takes_little_room() {
        assert_eq!((size_of::<Mark>(), size_of::<Kept>()), (24, 24));
    }

    #[test]
    fn a_copy_counts_once_and_until_its_last_is_gone() {
        let mut shelf = Shelf::default();
        assert_eq!(shelf.add(10, mark(1), weight(), None), Arrival::New);
        assert_eq!(shelf.add(11, mark(2), weight(), None), Arrival::New);
        assert_eq!(shelf.add(12, mark(1), weight(), None), Arrival::Copy);
        assert_eq!((shelf.figures().count(), shelf.copies()), (2, 1));
        shelf.remove_below(12);
        assert_eq!(shelf.figures().count(), 1);
        shelf.remove_below(13);
        assert_eq!(shelf.figures(), &Figures::default());
    }

    #[test]
    fn every_part_of_the_mark_tells_letters_apart() {
        let one = mark(1);
        let others = [
            Mark { origin: 1, ..one },
            Mark { partition: 4, ..one },
            Mark { offset: 2, ..one },
            Mark { timestamp: 8, ..one },
            Mark { timestamp: NO_TIMESTAMP, ..one },
        ];
        let mut shelf = Shelf::default();
        for (offset, mark) in (0..).zip([one].into_iter().chain(others)) {
            assert_eq!(shelf.add(offset, mark, weight(), None), Arrival::New, "{mark:?}");
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add { mark: i64, weight: Weight, timestamp: Option<i64>, gap: i64 },
        RemoveBelow { share: f64 },
    }

    fn steps() -> impl Strategy<Value = Step> {
        let add = (0..12_i64, weights(), prop::option::of(0..50_i64), 1..4_i64)
            .prop_map(|(mark, weight, timestamp, gap)| Step::Add { mark, weight, timestamp, gap });
        prop_oneof![4 => add, 1 => (0.0..1.2_f64).prop_map(|share| Step::RemoveBelow { share })]
    }

    proptest! {
        /// The model keeps every record and looks at all of them each time.
        #[test]
        fn a_shelf_knows_what_is_in_the_log(steps in prop::collection::vec(steps(), 0..60)) {
            let mut shelf = Shelf::default();
            let mut log: Vec<(i64, i64, Option<i64>)> = Vec::new();
            let (mut next, mut low) = (0, 0);
            for step in steps {
                match step {
                    Step::Add { mark: number, weight, timestamp, gap } => {
                        next += gap;
                        let is_copy = log.iter().any(|(_, known, _)| *known == number);
                        let arrival = shelf.add(next, mark(number), weight, timestamp);
                        prop_assert_eq!(arrival == Arrival::Copy, is_copy);
                        log.push((next, number, timestamp));
                    }
                    Step::RemoveBelow { share } => {
                        low = low.max((next as f64 * share) as i64);
                        shelf.remove_below(low);
                        log.retain(|(offset, _, _)| *offset >= low);
                    }
                }
                let distinct: std::collections::BTreeSet<i64> = log.iter().map(|(_, number, _)| *number).collect();
                prop_assert_eq!(shelf.figures().count(), distinct.len() as u64);
                prop_assert_eq!(shelf.oldest(), log.iter().filter_map(|(_, _, timestamp)| *timestamp).min());
            }
        }
    }
}
