//! Rebalances: where a partition starts when it comes to us, and how it is given back.
//!
//! A partition starts where its group committed, or where `--start-from` says when there is no commit. Deliberately no
//! silent reset: a commit that is not within the log ends the run with a message.

use std::time::Duration;

use engine::commit_pointer::CommitPointer;
use engine::partition::{Limits, Partition};
use engine::time::Time;
use snafu::{ResultExt, ensure};

use super::assigned::Assigned;
use super::consumer_loop::ConsumerLoop;
use super::{CommitOutsideLogSnafu, Error, ReadSnafu};
use crate::config::StartFrom;
use crate::kafka::source::{self, Bounds};
use crate::roles::chain;

/// How long after a question to the brokers failed it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How long a revocation waits for dead letters that are on their way.
const WAIT_FOR_DEAD_LETTERS: Duration = Duration::from_secs(2);

/// Below every offset: the group has not committed yet.
const NEVER: i64 = -1;

/// Partitions that the group gave us and that are not started yet.
pub(crate) struct Arriving {
    numbers: Vec<i32>,
    ask_at: Time,
}

impl ConsumerLoop<'_> {
    /// The group gives us these partitions.
    pub(super) fn note_assigned(&mut self, numbers: Vec<i32>, now: Time) {
        self.desk.watch.note_rebalance("assign", &numbers);
        self.arriving = Some(Arriving { numbers, ask_at: now });
    }

    /// Starts the partitions that arrived, once the brokers have said where.
    pub(super) fn start_arriving(&mut self, now: Time) -> Result<(), Error> {
        let Some(arriving) = self.arriving.take_if(|arriving| now >= arriving.ask_at) else { return Ok(()) };
        match self.plan(&arriving.numbers) {
            Ok(starts) => self.start(&starts),
            Err(Plan::Refused(error)) => Err(*error),
            Err(Plan::Unanswered(error)) if error.is_passing() => {
                tracing::warn!(target: "kafka", "{}; asking again", chain(&error));
                self.arriving = Some(Arriving { numbers: arriving.numbers, ask_at: now + ASK_AGAIN_AFTER });
                Ok(())
            }
            Err(Plan::Unanswered(error)) => Err(error).context(ReadSnafu { topic: self.topic() }),
        }
    }

    /// Where each partition starts.
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
        tracing::info!(target: "kafka", "starting at (partition, offset) {places:?}");
        let readers = self.source.start(&places).context(ReadSnafu { topic: self.topic() })?;
        for (reader, start) in readers.into_iter().zip(starts) {
            self.assignments += 1;
            let limits = Limits { parked_bytes: 0, window: Limits::WINDOW };
            let engine = Partition::new(start.offset, self.policy.clone(), limits, self.assignments);
            self.partitions.push(Assigned {
                number: start.number,
                assignment: self.assignments,
                reader,
                engine,
                committed: if start.is_committed { start.offset } else { NEVER },
                is_at_end: false,
                read_timestamp: None,
                is_full: false,
            });
        }
        self.share_out();
        self.pin(starts)
    }

    /// Commits where a group begins that starts with the newest records: else a crash before its first commit would
    /// begin later still, and what came in between would be lost.
    fn pin(&mut self, starts: &[Start]) -> Result<(), Error> {
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

    /// The group takes these partitions back: what is resolved is committed, the rest is the next owner's.
    pub(super) fn note_revoked(&mut self, numbers: &[i32], lost: bool) -> Result<(), Error> {
        self.desk.watch.note_rebalance(if lost { "lost" } else { "revoke" }, numbers);
        self.arriving = None;
        if !lost {
            if self.desk.graveyard.pending() > 0 {
                self.desk.graveyard.flush(WAIT_FOR_DEAD_LETTERS);
                self.settle_dead_letters();
            }
            if let Err(error) = self.commit_and_wait(numbers) {
                tracing::warn!(target: "kafka", "{}; the next owner reads these orders again", chain(&error));
            }
        }
        self.retire(numbers);
        self.source.give_back(numbers).context(ReadSnafu { topic: self.topic() })?;
        self.share_out();
        Ok(())
    }

    /// Forgets partitions, keeping what they add to this process's report.
    fn retire(&mut self, numbers: &[i32]) {
        let gone = self.partitions.extract_if(.., |partition| numbers.contains(&partition.number));
        for partition in gone {
            self.desk.watch.retire(&partition);
        }
    }
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
