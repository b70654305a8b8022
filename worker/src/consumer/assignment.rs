//! Rebalances: where a partition starts when it comes to us, and how it is given back.
//!
//! With durable totals a partition is recovered beside the loop, then claimed: only when the group took the claim's
//! commit is its first record taken in. Without, it starts where its group committed, or where `--start-from` says when
//! there is no commit. Deliberately no silent reset: what does not fit ends the run with a message.

use std::time::Duration;

use engine::commit_pointer::CommitPointer;
use engine::partition::{Limits, Partition};
use engine::recovery::Origin;
use engine::snapshot::Counters;
use engine::time::Time;
use snafu::{ResultExt, ensure};

use super::assigned::Assigned;
use super::checkpoint::LONGEST;
use super::consumer_loop::ConsumerLoop;
use super::durable::Recovering;
use super::ledger::Ledger;
use super::stored::Stored;
use super::{CommitOutsideLogSnafu, Error, ReadSnafu, RecoverSnafu};
use crate::config::StartFrom;
use crate::kafka::source::{self, Bounds, Commit, Reader};
use crate::roles::chain;
use crate::state::{Outcome, Recovered};

/// How long after a question to the brokers failed it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How long a revocation waits for handlers that are running.
const WAIT_FOR_CALLS: Duration = Duration::from_secs(2);

/// How long a revocation waits for dead letters that are on their way.
const WAIT_FOR_DEAD_LETTERS: Duration = Duration::from_secs(2);

/// Below every offset: the group has not committed yet.
const NEVER: i64 = -1;

/// Partitions that the group gave us and that are not started yet.
pub(crate) struct Arriving {
    numbers: Vec<i32>,
    came_at: Time,
    ask_at: Time,
    /// Under way beside the loop, with durable totals.
    recovering: Option<Recovering>,
}

impl ConsumerLoop<'_> {
    /// The group gives us these partitions.
    pub(super) fn note_assigned(&mut self, numbers: Vec<i32>, now: Time) {
        self.desk.watch.note_rebalance("assign", &numbers);
        self.arriving = Some(Arriving { numbers, came_at: now, ask_at: now, recovering: None });
    }

    /// Starts the partitions that arrived, once the brokers have said where.
    pub(super) fn start_arriving(&mut self, now: Time) -> Result<(), Error> {
        let Some(mut arriving) = self.arriving.take_if(|arriving| now >= arriving.ask_at) else { return Ok(()) };
        if let Some(durable) = self.durable.as_ref().filter(|_| !arriving.numbers.is_empty()) {
            let recovering = arriving.recovering.get_or_insert_with(|| durable.begin(arriving.numbers.clone()));
            match recovering.take() {
                None => self.arriving = Some(arriving),
                Some(answer) => self.go_on(arriving, answer.context(RecoverSnafu)?, now)?,
            }
            return Ok(());
        }
        match self.plan(&arriving.numbers) {
            Ok(starts) => self.start(&starts),
            Err(Plan::Refused(error)) => Err(*error),
            Err(Plan::Unanswered(error)) if error.is_passing() => {
                tracing::warn!(target: "kafka", "{}; asking again", chain(&error));
                self.arriving = Some(Arriving { ask_at: now + ASK_AGAIN_AFTER, ..arriving });
                Ok(())
            }
            Err(Plan::Unanswered(error)) => Err(error).context(ReadSnafu { topic: self.topic() }),
        }
    }

    /// Goes on with what recovery found.
    fn go_on(&mut self, arriving: Arriving, outcome: Outcome, now: Time) -> Result<(), Error> {
        match outcome {
            Outcome::Recovered(recovered, places) => self.resume(recovered, places, arriving.came_at),
            Outcome::Pin(commits) => {
                let ask_at = match self.pin(&commits) {
                    Ok(()) => now,
                    Err(error) => {
                        tracing::warn!(target: "kafka", "{}; asking again", chain(&error));
                        now + ASK_AGAIN_AFTER
                    }
                };
                self.arriving = Some(Arriving { ask_at, recovering: None, ..arriving });
                Ok(())
            }
        }
    }

    /// Commits where a new group begins that starts with the newest records, for every partition of the topic: else one
    /// that is started later would begin later still, and what came in between would be lost.
    fn pin(&self, commits: &[Commit]) -> Result<(), source::Error> {
        tracing::info!(target: "kafka", "the group is new: it begins at the ends of all partitions");
        self.source.commit_and_wait(commits)
    }

    /// Starts partitions with their recovered state, and claims them.
    fn resume(&mut self, recovered: Vec<Recovered>, places: i32, came_at: Time) -> Result<(), Error> {
        let mut started: Vec<(Recovered, Partition<Stored>, u32)> = Vec::with_capacity(recovered.len());
        for one in recovered {
            self.assignments += 1;
            let engine = self.restore(&one);
            started.push((one, engine, self.assignments));
        }
        let place =
            |(one, engine, _): &(Recovered, Partition<Stored>, u32)| (one.subject.partition, engine.watermark());
        let readers = self.take(&started.iter().map(place).collect::<Vec<_>>())?;
        for (reader, (one, engine, assignment)) in readers.into_iter().zip(started) {
            let Some(durable) = &self.durable else { break };
            let ledger = Ledger::new(&one, one.subject.place(places), durable.owner(assignment), came_at);
            self.add(reader, engine, assignment, NEVER);
            let added = self.partitions.last_mut().expect("one was added");
            added.inherited = added.engine.counters().clone();
            added.ledger = Some(ledger);
            self.begin(self.partitions.len() - 1, true);
        }
        self.share_out();
        Ok(())
    }

    /// The engine of a partition as it was left, with the dead letters that were written since.
    fn restore(&self, one: &Recovered) -> Partition<Stored> {
        let moment = self.desk.moment();
        let clocks = (moment.now, moment.wall_milliseconds);
        let snapshot = one.decision.snapshot.clone();
        let mut engine = Partition::restore(snapshot, self.policy.clone(), limits(), self.assignments, clocks);
        engine.note_end(one.decision.start);
        let found =
            one.letters.iter().filter(|(offset, retries)| engine.found_dead_lettered(*offset, *retries)).count();
        let partition = one.subject.partition;
        let (watermark, epoch, records) = (engine.watermark(), one.decision.epoch, engine.counters().records());
        match one.decision.origin {
            Origin::WithoutTotals => tracing::warn!(
                target: "orders", partition, watermark,
                "the group's last run kept its totals in memory (--state none): they begin empty"
            ),
            origin => tracing::info!(
                target: "orders", partition, watermark, epoch, records, dead_letters_found = found, ?origin,
                "totals go on"
            ),
        }
        engine
    }

    /// Where each partition starts that has no durable totals.
    fn plan(&self, numbers: &[i32]) -> Result<Vec<Start>, Plan> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let committed = self.source.committed(numbers).map_err(Plan::Unanswered)?;
        let mut starts = Vec::with_capacity(numbers.len());
        for (number, commit) in committed {
            let bounds = self.source.bounds(number).map_err(Plan::Unanswered)?;
            let offset = self.start_of(number, commit.as_ref(), bounds);
            let offset = offset.map_err(|error| Plan::Refused(Box::new(error)))?;
            starts.push(Start { number, offset, is_committed: commit.is_some() });
        }
        Ok(starts)
    }

    fn start_of(&self, partition: i32, commit: Option<&(i64, String)>, bounds: Bounds) -> Result<i64, Error> {
        let Bounds { low, high } = bounds;
        let Some((committed, metadata)) = commit else {
            return Ok(match self.desk.config.start_from {
                StartFrom::Earliest => low,
                StartFrom::Latest => high,
            });
        };
        ensure!(
            (low..=high).contains(committed),
            CommitOutsideLogSnafu {
                group: self.group(),
                topic: self.topic(),
                partition,
                committed: *committed,
                low,
                high
            }
        );
        if let Ok(CommitPointer::Snapshot { .. }) = CommitPointer::parse(metadata) {
            tracing::warn!(
                target: "orders", partition,
                "the commit names durable totals; this run keeps its totals in memory and starts them at zero"
            );
        }
        Ok(*committed)
    }

    fn start(&mut self, starts: &[Start]) -> Result<(), Error> {
        let places: Vec<(i32, i64)> = starts.iter().map(|start| (start.number, start.offset)).collect();
        let readers = self.take(&places)?;
        for (reader, start) in readers.into_iter().zip(starts) {
            self.assignments += 1;
            let engine = Partition::new(start.offset, self.policy.clone(), limits(), self.assignments);
            self.add(reader, engine, self.assignments, if start.is_committed { start.offset } else { NEVER });
        }
        self.share_out();
        self.pin_new(starts)
    }

    /// Takes partitions from the group, each from its offset.
    fn take(&mut self, places: &[(i32, i64)]) -> Result<Vec<Reader>, Error> {
        tracing::info!(target: "kafka", "starting at (partition, offset) {places:?}");
        self.source.start(places).context(ReadSnafu { topic: self.topic() })
    }

    fn add(&mut self, reader: Reader, engine: Partition<Stored>, assignment: u32, committed: i64) {
        self.partitions.push(Assigned {
            number: reader.partition(),
            assignment,
            reader,
            engine,
            committed,
            ledger: None,
            inherited: Counters::default(),
            is_at_end: false,
            read_timestamp: None,
            is_full: false,
            held_since_answer: None,
        });
    }

    /// Commits where a group begins that starts with the newest records and keeps its totals in memory: else a crash
    /// before its first commit would begin later still, and what came in between would be lost.
    fn pin_new(&mut self, starts: &[Start]) -> Result<(), Error> {
        let new: Vec<i32> = starts.iter().filter(|start| !start.is_committed).map(|start| start.number).collect();
        match self.desk.config.start_from {
            StartFrom::Earliest => Ok(()),
            StartFrom::Latest => self.commit_and_wait(&new).context(ReadSnafu { topic: self.topic() }),
        }
    }

    /// Gives each partition its fair share of the bytes that may be parked.
    fn share_out(&mut self) {
        let shares = u64::try_from(self.partitions.len().max(1)).unwrap_or(u64::MAX);
        let whole = self.desk.config.max_parked_bytes / u64::from(self.desk.config.consumers.max(1));
        let share = usize::try_from(whole / shares).unwrap_or(usize::MAX);
        for partition in &mut self.partitions {
            partition.engine.set_parked_bytes(share);
        }
    }

    /// The group takes these partitions back: what is resolved is kept for the next owner, the rest is its own.
    pub(super) fn note_revoked(&mut self, numbers: &[i32], lost: bool) -> Result<(), Error> {
        self.desk.watch.note_rebalance(if lost { "lost" } else { "revoke" }, numbers);
        let started = self.part_with(numbers, lost);
        self.source.give_back(&started).context(ReadSnafu { topic: self.topic() })?;
        self.share_out();
        Ok(())
    }

    /// Keeps what is resolved of these partitions, and forgets them; answers which had been started.
    pub(super) fn part_with(&mut self, numbers: &[i32], lost: bool) -> Vec<i32> {
        let deadline = self.desk.moment().now + LONGEST;
        // What had not been started yet is not librdkafka's to take back.
        let started: Vec<i32> = self.numbers().into_iter().filter(|number| numbers.contains(number)).collect();
        self.arriving = None;
        if !lost {
            self.finish_calls(numbers, WAIT_FOR_CALLS);
            if self.desk.graveyard.pending() > 0 {
                self.desk.graveyard.flush(WAIT_FOR_DEAD_LETTERS);
                self.settle_dead_letters();
            }
            if let Err(undone) = self.checkpoint_and_wait(&started, deadline) {
                tracing::warn!(target: "kafka", "{undone}; the next owner reads these orders again");
            }
        }
        self.retire(&started);
        started
    }

    /// Forgets partitions, keeping what they add to this process's report.
    fn retire(&mut self, numbers: &[i32]) {
        let gone = self.partitions.extract_if(.., |partition| numbers.contains(&partition.number));
        for partition in gone {
            self.desk.watch.retire(&partition);
        }
    }
}

/// What a partition may hold before its share is known.
fn limits() -> Limits {
    Limits { parked_bytes: 0, window: Limits::WINDOW }
}

/// Where a partition starts.
struct Start {
    number: i32,
    offset: i64,
    /// The group has committed in it before.
    is_committed: bool,
}

/// Why there is no plan.
enum Plan {
    /// The brokers did not answer.
    Unanswered(source::Error),
    /// What they answered does not fit.
    Refused(Box<Error>),
}
