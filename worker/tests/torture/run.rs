//! One run: carries out the programme, waits after each round until everybody gets on, and drains at the end.
//!
//! Deliberately goes on after a problem where it can: one run is to tell as much as possible.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    Handling,
    broker::Broker,
    clock,
    fleet::{Fleet, Place, Role},
    material,
    programme::{CONSUMERS, Fault, Lasting, PRODUCERS, Programme, Round},
    progress::Watch,
    proxy::{Proxy, Weather},
    topic,
};

/// Everybody has to get on this soon after a fault is over.
pub(crate) const LONGEST_STUCK: Duration = Duration::from_secs(30);
/// When nobody got on by then, the run is broken off.
const HOPELESS: Duration = Duration::from_secs(90);
/// From the last order to the last commit.
const DRAIN: Duration = Duration::from_secs(180);
/// Partitions of the source topic, at first and after one was added.
const PARTITIONS: [i32; 2] = [6, 7];

/// The network, the broker and the workers.
pub(crate) struct Run<'a> {
    broker: &'a Broker,
    proxy: &'a Proxy,
    place: &'a Place,
    handling: &'a Handling,
    fleet: Fleet,
    watch: Watch,
    seed: u64,
    told: Told,
}

/// What a run tells.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How often each kind of fault was made.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// The longest time until everybody got on again, and after which faults.
    pub(crate) worst_stuck: Option<(Duration, String)>,
    /// From the last order to the last commit; absent where it never came.
    pub(crate) drain: Option<Duration>,
    /// What went wrong so far.
    pub(crate) problems: Vec<String>,
}

impl<'a> Run<'a> {
    /// Makes the topics and starts everybody.
    pub(crate) fn start(
        broker: &'a Broker,
        proxy: &'a Proxy,
        place: &'a Place,
        seed: u64,
        handling: &'a Handling,
    ) -> Run<'a> {
        topic::create(&place.broker, &place.orders, PARTITIONS[0]);
        topic::create(&place.broker, &place.dead_letters, 3);
        topic::create_with(&place.broker, &format!("{}-state", place.group), 2, &[("cleanup.policy", "compact")]);
        let fleet = Fleet::start(place.clone(), seed, handling.rate, &handling.arguments);
        let watch = Watch::new(place, PARTITIONS[0]);
        Run { broker, proxy, place, handling, fleet, watch, seed, told: Told::default() }
    }

    /// Makes faults for so long, then lets everything drain.
    pub(crate) fn torture(mut self, length: Duration, programme: Programme) -> (Fleet, Told) {
        let start = clock::now();
        let mut has_grown = false;
        let mut goes_on = self.wait_until_all_get_on(start, "the start");
        for (number, round) in (0..).zip(programme) {
            if !goes_on || clock::now() - start >= length {
                break;
            }
            topic::produce(&self.place.broker, &self.place.orders, &material::foreign(self.seed, number));
            if !has_grown && clock::now() - start >= length / 2 {
                has_grown = true;
                let added = Lasting { fault: Fault::PartitionAdded, time: Duration::ZERO };
                goes_on = self.go_through(&Round { faults: vec![added], quiet: Duration::ZERO });
            }
            goes_on = goes_on && self.go_through(&round);
        }
        self.drain();
        (self.fleet, self.told)
    }

    fn grow(&mut self) {
        topic::grow(&self.place.broker, &self.place.orders, PARTITIONS[1]);
        // A new client, because one that knows the topic would not ask again for minutes.
        self.watch = Watch::new(self.place, PARTITIONS[1]);
    }

    fn set_service_out(&self, is_out: bool) {
        self.handling.service.iter().for_each(|service| service.set_out(is_out));
    }

    fn count(&mut self, fault: Fault) {
        *self.told.faults.entry(fault.kind()).or_default() += 1;
    }

    /// Makes the faults of a round, undoes them, and waits until everybody gets on; false where nobody does.
    fn go_through(&mut self, round: &Round) -> bool {
        let names: Vec<String> = round.faults.iter().map(|Lasting { fault, .. }| fault.to_string()).collect();
        let names = names.join(", and ");
        tell(&format!("{names} ({:?})", round.faults.iter().map(|lasting| lasting.time).collect::<Vec<_>>()));
        let mut ends: Vec<(Instant, Fault)> = Vec::new();
        for Lasting { fault, time } in &round.faults {
            self.begin(*fault);
            self.count(*fault);
            ends.push((clock::now() + *time, *fault));
        }
        ends.sort();
        for (end, fault) in ends {
            clock::pass_until(end);
            self.undo(fault);
        }
        let goes_on = self.wait_until_all_get_on(clock::now(), &names);
        self.told.problems.extend(self.fleet.deserters());
        clock::pass(round.quiet);
        goes_on
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::ConsumerKilled(number) => self.fleet.kill(Role::Consumer(number)),
            Fault::ConsumerStopped(number) => self.fleet.stop(Role::Consumer(number)),
            Fault::ConsumerHangs(number) => self.fleet.suspend(Role::Consumer(number)),
            Fault::AllConsumersKilled => (0..CONSUMERS).for_each(|number| self.fleet.kill(Role::Consumer(number))),
            Fault::ProducerKilled(number) => self.fleet.kill(Role::Producer(number)),
            Fault::ProducerStopped(number) => self.fleet.stop(Role::Producer(number)),
            Fault::ProducerHangs(number) => self.fleet.suspend(Role::Producer(number)),
            Fault::DeadLetterConsumerKilled => self.fleet.kill(Role::DeadLetters),
            Fault::BrokerRestarted => self.broker.stop(),
            Fault::BrokerKilled => self.broker.crash(),
            Fault::DeadLettersRefused => topic::make_unwritable(&self.place.broker, &self.place.dead_letters),
            Fault::NetworkSlow(milliseconds) => self.proxy.set(Weather::Slow(Duration::from_millis(milliseconds))),
            Fault::NetworkSilent => self.proxy.set(Weather::Silent),
            Fault::NetworkCut => self.proxy.set(Weather::Cut),
            Fault::ServiceOut => self.set_service_out(true),
            Fault::PartitionAdded => self.grow(),
        }
    }

    fn undo(&mut self, fault: Fault) {
        match fault {
            Fault::ConsumerKilled(number) | Fault::ConsumerStopped(number) => {
                self.fleet.launch(Role::Consumer(number));
            }
            Fault::ConsumerHangs(number) => self.fleet.resume(Role::Consumer(number)),
            Fault::AllConsumersKilled => (0..CONSUMERS).for_each(|number| self.fleet.launch(Role::Consumer(number))),
            Fault::ProducerKilled(number) | Fault::ProducerStopped(number) => {
                self.fleet.launch(Role::Producer(number));
            }
            Fault::ProducerHangs(number) => self.fleet.resume(Role::Producer(number)),
            Fault::DeadLetterConsumerKilled => self.fleet.launch(Role::DeadLetters),
            Fault::BrokerRestarted | Fault::BrokerKilled => self.broker.start_again(),
            Fault::DeadLettersRefused => topic::make_writable(&self.place.broker, &self.place.dead_letters),
            Fault::NetworkSlow(_) | Fault::NetworkSilent | Fault::NetworkCut => self.proxy.set(Weather::Fair),
            Fault::ServiceOut => self.set_service_out(false),
            Fault::PartitionAdded => {}
        }
    }

    fn wait_until_all_get_on(&mut self, since: Instant, after: &str) -> bool {
        let stuck = match self.watch.wait_for_progress(since, HOPELESS) {
            Ok(stuck) => stuck,
            Err(why) => {
                self.told.problems.push(format!("after {after}: {why}"));
                return false;
            }
        };
        tell(&format!("  all got on after {stuck:.1?}"));
        if stuck > LONGEST_STUCK {
            self.told.problems.push(format!("stuck for {stuck:?} after {after}"));
        }
        if self.told.worst_stuck.as_ref().is_none_or(|(worst, _)| *worst < stuck) {
            self.told.worst_stuck = Some((stuck, after.to_owned()));
        }
        true
    }

    /// No new orders; what is there is resolved and committed; then everybody ends.
    fn drain(&mut self) {
        self.fleet.stop_all(|role| (0..PRODUCERS).any(|number| role == Role::Producer(number)));
        match self.watch.wait_for_the_end(DRAIN) {
            Ok(drain) => self.told.drain = Some(drain),
            Err(why) => self.told.problems.push(why),
        }
        self.told.problems.extend(self.fleet.deserters());
        self.fleet.stop_all(|_| true);
    }
}

/// To stderr at once: what is going on now.
pub(crate) fn tell(line: &str) {
    use std::io::Write;
    // Nobody may be listening.
    writeln!(std::io::stderr(), "{line}").ok();
}
