//! Which faults a run makes, in which order and for how long: a pure function of its seed.
//!
//! A round is one fault, or two at a time that touch different things. Faults are drawn from a bag that holds each kind, so
//! that none is left out by bad luck. Deliberately no word on when a round begins: that is when the one before is healed.

use std::{fmt, time::Duration};

use crate::chance::Chance;

/// How many of each there are.
pub(crate) const PRODUCERS: usize = 3;
/// How many of each there are.
pub(crate) const CONSUMERS: usize = 3;
/// After this the group takes a silent consumer for dead.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

/// Two faults at a time in so many of a hundred rounds, where they touch different things.
const TOGETHER: u64 = 50;

/// Something that goes wrong. Numbers say whom of the three it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// kill -9, and another one started later.
    ConsumerKilled(usize),
    /// SIGTERM, and another one started later.
    ConsumerStopped(usize),
    /// SIGSTOP for longer than the session: when it wakes up, its partitions are somebody else's.
    ConsumerHangs(usize),
    /// kill -9 for all of them.
    AllConsumersKilled,
    /// kill -9.
    ProducerKilled(usize),
    /// SIGTERM.
    ProducerStopped(usize),
    /// SIGSTOP.
    ProducerHangs(usize),
    /// kill -9 of the dead-letter consumer.
    DeadLetterConsumerKilled,
    /// A clean stop and a start.
    BrokerRestarted,
    /// kill -9 and a start.
    BrokerKilled,
    /// The dead-letter topic takes no record.
    DeadLettersRefused,
    /// The service of the http handler refuses, hangs or resets every call.
    ServiceOut,
    /// Every answer and question takes so many milliseconds longer.
    NetworkSlow(u64),
    /// Connections stay open, and nothing comes through.
    NetworkSilent,
    /// Connections are cut, and no new one is made.
    NetworkCut,
    /// The source topic is given another partition.
    PartitionAdded,
}

/// What a fault touches; two at a time never touch the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Consumer,
    Producer,
    DeadLetterConsumer,
    Kafka,
    Service,
}

/// A fault and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lasting {
    pub(crate) fault: Fault,
    pub(crate) time: Duration,
}

/// Faults that overlap, and the quiet before the next ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// The second, if there is one, begins while the first lasts.
    pub(crate) faults: Vec<Lasting>,
    /// From the moment everything got going again.
    pub(crate) quiet: Duration,
}

/// Rounds without end.
#[derive(Clone, Debug)]
pub(crate) struct Programme {
    chance: Chance,
    has_service: bool,
    bag: Vec<Fault>,
}

impl Fault {
    /// Its kind, for counting.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Fault::ConsumerKilled(_) => "consumer killed (kill -9)",
            Fault::ConsumerStopped(_) => "consumer stopped (SIGTERM)",
            Fault::ConsumerHangs(_) => "consumer hung for longer than its session (SIGSTOP)",
            Fault::AllConsumersKilled => "all consumers killed at once (kill -9)",
            Fault::ProducerKilled(_) => "producer killed (kill -9)",
            Fault::ProducerStopped(_) => "producer stopped (SIGTERM)",
            Fault::ProducerHangs(_) => "producer hung (SIGSTOP)",
            Fault::DeadLetterConsumerKilled => "dead-letter consumer killed (kill -9)",
            Fault::BrokerRestarted => "broker restarted",
            Fault::BrokerKilled => "broker killed (kill -9)",
            Fault::DeadLettersRefused => "dead-letter topic made unwritable",
            Fault::ServiceOut => "service of the handler out",
            Fault::NetworkSlow(_) => "network slow",
            Fault::NetworkSilent => "network silent",
            Fault::NetworkCut => "network cut",
            Fault::PartitionAdded => "partition added",
        }
    }

    fn place(self) -> Place {
        match self {
            Fault::ConsumerKilled(_)
            | Fault::ConsumerStopped(_)
            | Fault::ConsumerHangs(_)
            | Fault::AllConsumersKilled => Place::Consumer,
            Fault::ProducerKilled(_) | Fault::ProducerStopped(_) | Fault::ProducerHangs(_) => Place::Producer,
            Fault::DeadLetterConsumerKilled => Place::DeadLetterConsumer,
            Fault::BrokerRestarted
            | Fault::BrokerKilled
            | Fault::DeadLettersRefused
            | Fault::NetworkSlow(_)
            | Fault::NetworkSilent
            | Fault::NetworkCut
            | Fault::PartitionAdded => Place::Kafka,
            Fault::ServiceOut => Place::Service,
        }
    }

    /// From which to which millisecond it lasts.
    fn lasts(self) -> (u64, u64) {
        match self {
            Fault::ConsumerKilled(_) | Fault::ProducerKilled(_) | Fault::DeadLetterConsumerKilled => (0, 3_000),
            Fault::ConsumerStopped(_) | Fault::ProducerStopped(_) => (0, 2_000),
            // The broker looks for silent members now and then, hence the room.
            Fault::ConsumerHangs(_) => (8_000, 12_000),
            Fault::AllConsumersKilled | Fault::ProducerHangs(_) => (500, 5_000),
            Fault::BrokerRestarted | Fault::BrokerKilled => (0, 3_000),
            Fault::DeadLettersRefused | Fault::ServiceOut => (3_000, 12_000),
            Fault::NetworkSlow(_) => (4_000, 12_000),
            Fault::NetworkSilent => (2_000, 10_000),
            Fault::NetworkCut => (500, 8_000),
            Fault::PartitionAdded => (0, 0),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::ConsumerKilled(number)
            | Fault::ConsumerStopped(number)
            | Fault::ConsumerHangs(number)
            | Fault::ProducerKilled(number)
            | Fault::ProducerStopped(number)
            | Fault::ProducerHangs(number) => write!(formatter, "{} {number}", self.kind()),
            Fault::NetworkSlow(milliseconds) => write!(formatter, "{} by {milliseconds} ms", self.kind()),
            Fault::AllConsumersKilled
            | Fault::DeadLetterConsumerKilled
            | Fault::BrokerRestarted
            | Fault::BrokerKilled
            | Fault::DeadLettersRefused
            | Fault::ServiceOut
            | Fault::NetworkSilent
            | Fault::NetworkCut
            | Fault::PartitionAdded => formatter.write_str(self.kind()),
        }
    }
}

impl Programme {
    /// The rounds of a seed, with or without a service that can fail.
    pub(crate) fn new(seed: u64, has_service: bool) -> Programme {
        Programme { chance: Chance::new(seed, 1 + u64::from(has_service)), has_service, bag: Vec::new() }
    }

    /// The next fault, from a bag that is filled again when it is empty.
    fn draw(&mut self) -> Fault {
        if self.bag.is_empty() {
            self.fill();
        }
        let place = self.chance.between(0, self.bag.len() as u64 - 1);
        self.bag.swap_remove(usize::try_from(place).expect("a place in the bag"))
    }

    fn fill(&mut self) {
        let consumer = |chance: &mut Chance| chance.between(0, CONSUMERS as u64 - 1) as usize;
        let producer = |chance: &mut Chance| chance.between(0, PRODUCERS as u64 - 1) as usize;
        let chance = &mut self.chance;
        self.bag = vec![
            // What moves partitions is what can go wrong most: twice each.
            Fault::ConsumerKilled(consumer(chance)),
            Fault::ConsumerKilled(consumer(chance)),
            Fault::ConsumerHangs(consumer(chance)),
            Fault::ConsumerHangs(consumer(chance)),
            Fault::ConsumerStopped(consumer(chance)),
            Fault::AllConsumersKilled,
            Fault::ProducerKilled(producer(chance)),
            Fault::ProducerStopped(producer(chance)),
            Fault::ProducerHangs(producer(chance)),
            Fault::DeadLetterConsumerKilled,
            Fault::BrokerRestarted,
            Fault::BrokerKilled,
            Fault::DeadLettersRefused,
            Fault::NetworkSlow(chance.between(20, 200)),
            Fault::NetworkSilent,
            Fault::NetworkCut,
        ];
        if self.has_service {
            self.bag.extend([Fault::ServiceOut, Fault::ServiceOut]);
        }
    }

    fn lasting(&mut self, fault: Fault) -> Lasting {
        let (shortest, longest) = fault.lasts();
        Lasting { fault, time: Duration::from_millis(self.chance.between(shortest, longest)) }
    }
}

impl Iterator for Programme {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        let first = self.draw();
        let mut faults = vec![self.lasting(first)];
        if self.chance.percent(TOGETHER) {
            let second = self.draw();
            if second.place() == first.place() {
                self.bag.push(second);
            } else {
                faults.push(self.lasting(second));
            }
        }
        Some(Round { faults, quiet: Duration::from_millis(self.chance.between(200, 2_000)) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Fault, Programme, Round, SESSION};

    fn rounds(seed: u64, has_service: bool) -> Vec<Round> {
        Programme::new(seed, has_service).take(60).collect()
    }

    #[test]
    fn a_seed_makes_the_same_faults_again_and_another_seed_makes_others() {
        assert_eq!(rounds(7, true), rounds(7, true));
        assert_ne!(rounds(7, true), rounds(8, true));
    }

    #[test]
    fn every_kind_of_fault_comes_up_soon() {
        let kinds = |rounds: &[Round]| -> BTreeSet<&'static str> {
            rounds.iter().flat_map(|round| &round.faults).map(|lasting| lasting.fault.kind()).collect()
        };
        for seed in 0..100 {
            assert_eq!(kinds(&rounds(seed, true)[..20]).len(), 15, "seed {seed}");
            assert!(!kinds(&rounds(seed, false)).contains(Fault::ServiceOut.kind()));
        }
    }

    #[test]
    fn faults_that_overlap_touch_different_things() {
        for round in (0..100).flat_map(|seed| rounds(seed, true)) {
            if let [first, second] = &round.faults[..] {
                assert_ne!(first.fault.place(), second.fault.place(), "{round:?}");
            }
        }
    }

    #[test]
    fn a_consumer_hangs_for_longer_than_its_session() {
        let all: Vec<_> = rounds(1, false).into_iter().flat_map(|round| round.faults).collect();
        let mut hung = all.iter().filter(|lasting| matches!(lasting.fault, Fault::ConsumerHangs(_)));
        assert!(hung.clone().count() > 3);
        assert!(hung.all(|lasting| lasting.time > SESSION));
    }
}
