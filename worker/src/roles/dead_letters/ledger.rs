//! What is in the partitions of the dead-letter topic that are ours to read: every distinct letter once.
//!
//! The topic is the only state: a partition's shelf is filled from the log's start when the partition comes to us, and
//! forgotten when it goes. All letters of the topic count, whichever consumer group gave them up: depth and value are
//! the topic's, and the retention that threatens them is too. Two pipelines that want figures of their own need
//! dead-letter topics of their own; how many letters are of other groups is kept beside. Records without our headers
//! are counted as foreign and mean nothing else. Deliberately without a broker and without a clock.

use std::collections::{BTreeMap, HashMap};

use schemas::dead_letter::DeadLetter;

use super::figures::{Figures, Weight};
use super::shelf::{Arrival, Mark, NO_TIMESTAMP, Shelf};

/// The shelves of all partitions that are ours.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The consumer group whose dead letters are expected here.
    group: String,
    partitions: BTreeMap<i32, Holding>,
    /// Numbers of groups and topics that letters came from.
    origins: HashMap<String, HashMap<String, u32>>,
    next_origin: u32,
}

#[derive(Debug, Default)]
struct Holding {
    shelf: Shelf,
    foreign: u64,
    of_other_groups: u64,
}

/// All partitions taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// The distinct letters.
    pub(super) figures: Figures,
    /// Copies that were dropped.
    pub(super) copies: u64,
    /// Records that are no dead letters of ours.
    pub(super) foreign: u64,
    /// How many of the distinct letters another consumer group gave up.
    pub(super) of_other_groups: u64,
    /// Timestamp of the oldest record of a letter, in milliseconds since 1970.
    pub(super) oldest: Option<i64>,
}

impl Ledger {
    /// An empty one, for the dead letters of `group`.
    pub(super) fn new(group: &str) -> Self {
        Self { group: group.to_owned(), partitions: BTreeMap::new(), origins: HashMap::new(), next_origin: 0 }
    }

    /// A partition comes to us; it is read from the log's start.
    pub(super) fn open(&mut self, partition: i32) {
        self.partitions.insert(partition, Holding::default());
    }

    /// A partition goes.
    pub(super) fn close(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// Counts a letter that was read at `offset` of `partition`; `timestamp` is its record's.
    pub(super) fn add(&mut self, partition: i32, offset: i64, letter: &DeadLetter, timestamp: Option<i64>) -> Arrival {
        let mark = Mark {
            origin: self.origin(&letter.group, &letter.topic),
            partition: letter.partition,
            offset: letter.offset,
            timestamp: letter.timestamp.unwrap_or(NO_TIMESTAMP),
        };
        let is_of_another_group = letter.group != self.group;
        let holding = self.partitions.entry(partition).or_default();
        let arrival = holding.shelf.add(offset, mark, Weight::of(letter), timestamp);
        if arrival == Arrival::New && is_of_another_group {
            holding.of_other_groups += 1;
        }
        arrival
    }

    /// Counts a record that is no dead letter of ours.
    pub(super) fn add_foreign(&mut self, partition: i32) {
        self.partitions.entry(partition).or_default().foreign += 1;
    }

    /// A partition's log begins at `low` now.
    pub(super) fn remove_below(&mut self, partition: i32, low: i64) {
        if let Some(holding) = self.partitions.get_mut(&partition) {
            holding.shelf.remove_below(low);
        }
    }

    /// What all partitions add up to.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for Holding { shelf, foreign, of_other_groups } in self.partitions.values() {
            sums.figures.merge(shelf.figures());
            sums.copies += shelf.copies();
            sums.foreign += foreign;
            sums.of_other_groups += of_other_groups;
            sums.oldest = [sums.oldest, shelf.oldest()].into_iter().flatten().min();
        }
        sums
    }

    fn origin(&mut self, group: &str, topic: &str) -> u32 {
        if let Some(number) = self.origins.get(group).and_then(|topics| topics.get(topic)) {
            return *number;
        }
        let number = self.next_origin;
        self.next_origin += 1;
        self.origins.entry(group.to_owned()).or_default().insert(topic.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::failure::{Disposition, FailureClass};
    use schemas::order::Currency;

    fn letter(offset: i64) -> DeadLetter {
        DeadLetter {
            topic: "orders".to_owned(),
            partition: 4,
            offset,
            group: "shop".to_owned(),
            pipeline: "shop".to_owned(),
            delivery_count: 4,
            message: "simulated failure".to_owned(),
            class: FailureClass::Transient,
            disposition: Disposition::RetriesExhausted,
            exception_class_name: String::new(),
            timestamp: Some(1_000),
            first_failure_timestamp: 0,
            last_failure_timestamp: 0,
            schema_id: None,
            order_id: Some("1051".to_owned()),
            product: Some("P7".to_owned()),
            order_value: Some((5_500, Currency::USD)),
            payload_omitted: false,
        }
    }

    #[test]
    fn letters_of_all_groups_count_and_those_of_others_are_told() {
        let mut ledger = Ledger::new("shop");
        ledger.open(0);
        let foreign_group = DeadLetter { group: "billing".to_owned(), ..letter(7) };
        assert_eq!(ledger.add(0, 0, &letter(7), Some(5)), Arrival::New);
        assert_eq!(ledger.add(0, 1, &foreign_group, Some(4)), Arrival::New, "the same order, dead in two groups");
        assert_eq!(ledger.add(0, 2, &foreign_group, Some(4)), Arrival::Copy);
        let sums = ledger.sums();
        assert_eq!((sums.figures.count(), sums.of_other_groups, sums.copies), (2, 1, 1));
        assert_eq!(sums.oldest, Some(4));
    }

    #[test]
    fn a_topic_made_anew_has_letters_of_its_own() {
        let mut ledger = Ledger::new("shop");
        let reborn = DeadLetter { timestamp: Some(2_000), ..letter(7) };
        let of_another_topic = DeadLetter { topic: "returns".to_owned(), ..letter(7) };
        for (offset, letter) in (0..).zip([letter(7), reborn, of_another_topic]) {
            assert_eq!(ledger.add(0, offset, &letter, None), Arrival::New);
        }
    }

    #[test]
    fn foreign_records_are_counted_and_nothing_else() {
        let mut ledger = Ledger::new("shop");
        ledger.add_foreign(0);
        ledger.add_foreign(0);
        assert_eq!(ledger.sums(), Sums { foreign: 2, ..Sums::default() });
    }

    #[test]
    fn a_partition_takes_its_letters_along_when_it_goes() {
        let mut ledger = Ledger::new("shop");
        ledger.open(0);
        ledger.open(1);
        ledger.add(0, 0, &letter(1), None);
        ledger.add(1, 0, &letter(2), None);
        ledger.close(0);
        assert_eq!(ledger.sums().figures.count(), 1);
        ledger.remove_below(1, 1);
        assert_eq!(ledger.sums(), Sums::default());
    }

    #[test]
    fn a_value_that_no_order_has_is_unknown() {
        let mut ledger = Ledger::new("shop");
        for offset in 0..3 {
            let absurd = DeadLetter { order_value: Some((i128::from(i64::MAX) + 1, Currency::USD)), ..letter(offset) };
            ledger.add(0, offset, &absurd, None);
        }
        assert_eq!(ledger.sums().figures.report().value_unknown, 3);
    }
}
