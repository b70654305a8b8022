//! What a consumer thread needs for durable totals: the state topic to write to, and the recovery of partitions that
//! come to it, beside the loop.
//!
//! Deliberately without decisions: the ledgers of the partitions say what is written, `engine::recovery` what counts.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::Thread;
use std::time::Duration;

use engine::recovery::{Reset, ResetTo, StartFrom};
use engine::time::Time;
use snafu::ResultExt;

use super::ledger::{Outgoing, Owner, Token};
use super::{Error, StateSnafu};
use crate::clock::Clock;
use crate::config::{self, Consume, Kafka, ResetMode, ResetState};
use crate::kafka::ErrorCode;
use crate::kafka::delivery::{Delivered, Refusal};
use crate::kafka::log_reader::LogReader;
use crate::kafka::state_sink::{StateRecord, StateSink};
use crate::roles::chain;
use crate::state::{self, Asked, Outcome, SEQUENCE, recover};

/// How long after a question to the brokers failed it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How often a producer that librdkafka gave up is made anew.
const MEND_EVERY: Duration = Duration::from_secs(5);

/// Former owners are gone after this at the latest, if their session is no longer.
const LEAST_SESSION: Duration = Duration::from_secs(60);

/// The tools; see the module.
pub(crate) struct Durable {
    sink: StateSink<Option<Token>>,
    asked: Asked,
    kafka: Kafka,
    clock: Clock,
    waker: Thread,
    /// Begins the ids of this thread's owners.
    first_owner: u64,
    session: Duration,
    /// When a producer that was given up may be made anew.
    mend_at: Time,
}

impl Durable {
    /// The tools of a thread that `waker` names.
    ///
    /// # Errors
    /// When the producer cannot be made.
    pub(crate) fn new(config: &Consume, clock: Clock, waker: Thread) -> Result<Self, Error> {
        let common = &config.common;
        let sink = StateSink::new(&common.kafka, &common.topics.state, waker.clone()).context(StateSnafu)?;
        let session = common.kafka.client_config.get("session.timeout.ms").and_then(|text| text.parse().ok());
        Ok(Self {
            sink,
            asked: asked(config),
            kafka: common.kafka.clone(),
            clock,
            waker,
            // Two processes that claim a partition at a time must not write to each other's keys.
            first_owner: RandomState::new().hash_one(std::process::id()),
            mend_at: Time::ZERO,
            session: session.map_or(LEAST_SESSION, Duration::from_millis).max(LEAST_SESSION),
        })
    }

    /// Takes up a password that has changed, and makes a producer anew that librdkafka gave up.
    pub(crate) fn mend(&mut self, now: Time) {
        self.sink.renew_login(now);
        if self.sink.is_broken() && now >= self.mend_at {
            self.mend_at = now + MEND_EVERY;
            self.renew_sink();
        }
    }

    /// A new producer; what the old one had not written comes back as failures.
    pub(crate) fn renew_sink(&mut self) {
        if let Err(error) = self.sink.renew() {
            tracing::warn!(target: "kafka", "{}; going on with the old one", chain(&error));
        }
    }

    /// The owner of a partition in this assignment.
    pub(crate) fn owner(&self, assignment: u32) -> Owner {
        let id = self.first_owner.wrapping_add(u64::from(assignment));
        Owner { id, assignment, session: self.session }
    }

    /// Begins to recover these partitions on a thread of its own.
    pub(crate) fn begin(&self, numbers: Vec<i32>) -> Recovering {
        let (sender, answer) = channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let task = Task {
            asked: self.asked.clone(),
            numbers,
            kafka: self.kafka.clone(),
            clock: self.clock,
            given_up: Arc::clone(&given_up),
        };
        let waker = self.waker.clone();
        let body = move || {
            // Without a receiver the assignment is over, and nobody wants to know.
            if sender.send(task.run()).is_ok() {
                waker.unpark();
            }
        };
        std::thread::Builder::new().name("recovery".to_owned()).spawn(body).expect("the system has threads left");
        Recovering { given_up, answer }
    }

    /// Hands a record to the producer.
    pub(crate) fn write(&self, out: &Outgoing) {
        let sequence = out.sequence.to_string();
        let header = (SEQUENCE, sequence.as_str());
        let record = StateRecord { partition: out.place, key: &out.key, value: Some(&out.value), header };
        self.sink.send(record, Some(out.token));
    }

    /// Removes a key that is of no use any more. Nobody waits for the answer.
    pub(crate) fn remove(&self, place: i32, key: &[u8]) {
        self.sink.send(StateRecord { partition: place, key, value: None, header: (SEQUENCE, "0") }, None);
    }

    /// The answer to the next record that somebody waits for.
    pub(crate) fn answer(&self) -> Option<Delivered<Token>> {
        loop {
            let Delivered { token, result } = self.sink.answer()?;
            match (token, result) {
                // A broker that had the record already does not say where: as good as not written.
                (Some(token), Ok((_, ..0))) => {
                    let result = Err(Refusal::Passing(ErrorCode::OutOfOrderSequenceNumber));
                    return Some(Delivered { token, result });
                }
                (Some(token), result) => return Some(Delivered { token, result }),
                (None, Ok(_)) => {}
                (None, Err(refusal)) => tracing::debug!(target: "kafka", ?refusal, "a tombstone was not written"),
            }
        }
    }
}

/// What a consumer asks of the past.
fn asked(config: &Consume) -> Asked {
    let start_from = match config.start_from {
        config::StartFrom::Earliest => StartFrom::Earliest,
        config::StartFrom::Latest => StartFrom::Latest,
    };
    let to = |mode| match mode {
        ResetMode::Snapshot => ResetTo::Snapshot,
        ResetMode::Committed => ResetTo::Committed,
        ResetMode::Empty => ResetTo::Empty,
    };
    let reset = config.reset_state.as_ref().map(|ResetState { mode, id }| Reset { to: to(*mode), id: id.clone() });
    let (group, topics) = (config.common.group_id.clone(), config.common.topics.clone());
    Asked { group, topics, start_from, reset }
}

/// A recovery that is under way; dropping it gives it up.
pub(crate) struct Recovering {
    given_up: Arc<AtomicBool>,
    answer: Receiver<Result<Outcome, state::Error>>,
}

impl Recovering {
    /// Its answer, once it is there.
    pub(crate) fn take(&self) -> Option<Result<Outcome, state::Error>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the recovery thread answers before it ends"),
        }
    }
}

impl Drop for Recovering {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Release);
    }
}

/// What the recovery thread does.
struct Task {
    asked: Asked,
    numbers: Vec<i32>,
    kafka: Kafka,
    clock: Clock,
    given_up: Arc<AtomicBool>,
}

impl Task {
    /// Asks until the brokers answer.
    fn run(&self) -> Result<Outcome, state::Error> {
        loop {
            match self.once() {
                Err(error) if error.is_passing() && !self.given_up.load(Ordering::Acquire) => {
                    tracing::warn!(target: "kafka", "{}; asking again", chain(&error));
                    std::thread::park_timeout(ASK_AGAIN_AFTER);
                }
                answer => return answer,
            }
        }
    }

    fn once(&self) -> Result<Outcome, state::Error> {
        let group = &self.asked.group;
        let reader = LogReader::new(&self.kafka, group, self.clock, Arc::clone(&self.given_up));
        recover(&self.asked, &self.numbers, &reader.context(state::ReadSnafu { group })?)
    }
}
