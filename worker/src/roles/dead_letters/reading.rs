//! The loop of the dead-letter consumer: serve the group, take letters in, forget what retention removed, rest.
//!
//! A partition that comes to us is read from the log's start, whatever was committed. Commits only say what was told
//! already, so that a restart does not tell it again, and show lag tools how far the reading is: losing one loses
//! nothing. One thread owns it all. Deliberately writes nothing to any topic: what goes wrong here cannot come back as
//! a dead letter.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::time::Time;
use runtime::ReadyHandle;
use snafu::ResultExt;

use super::board::Board;
use super::budget::{Notice, Watchman, age};
use super::connection::member;
use super::desk::{Assigned, Desk};
use super::reporter::Reporter;
use super::{Error, ForbiddenSnafu, ReadSnafu};
use crate::config::DeadLetters;
use crate::events::dead_letters::{BudgetPassed, Expiring};
use crate::kafka::renewal::Renewal;
use crate::kafka::source::{self, Commit, Event, Source};
use crate::roles::{RoleContext, chain};

/// The longest rest, and the longest time between two looks at the group.
const SERVE_EVERY: Duration = Duration::from_millis(20);
/// How often figures are renewed.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
/// How often what was told is committed.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How often it is asked where the logs begin.
const LOOK_FOR_RETENTION_EVERY: Duration = Duration::from_secs(10);
/// How long after a question to the brokers failed it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The loop's state.
pub(super) struct Reading<'r> {
    source: Source,
    desk: Desk,
    board: Board,
    context: &'r RoleContext,
    ready: ReadyHandle,
    config: &'r DeadLetters,
    renewal: Renewal,
    watchman: Watchman,
    reporter: Reporter,
    assigned: Vec<Assigned>,
    /// Partitions that the group gave us and that are not started yet, and when to ask for them.
    arriving: Option<(Vec<i32>, Time)>,
    /// Positions that were committed last.
    committed: BTreeMap<i32, i64>,
    serve_at: Time,
    publish_at: Time,
    commit_at: Time,
    look_at: Time,
    idle_since: Option<Time>,
}

impl<'r> Reading<'r> {
    /// A loop over a member that joins now.
    pub(super) fn join(
        source: Source,
        desk: Desk,
        board: Board,
        context: &'r RoleContext,
        ready: ReadyHandle,
        config: &'r DeadLetters,
    ) -> Result<Self, Error> {
        source.join().context(ReadSnafu { topic: &desk.topic })?;
        let now = context.clock.now();
        Ok(Self {
            source,
            desk,
            board,
            context,
            ready,
            config,
            renewal: Renewal::of(&config.common.kafka, now),
            watchman: Watchman::new(config.budget.clone()),
            reporter: Reporter::new(config, context.screen.clone(), now),
            assigned: Vec::new(),
            arriving: None,
            committed: BTreeMap::new(),
            serve_at: now,
            publish_at: now,
            commit_at: now + COMMIT_EVERY,
            look_at: now + LOOK_FOR_RETENTION_EVERY,
            idle_since: None,
        })
    }

    /// Reads until a stop is asked for, or until everything is read where that is enough. Answers with what was read.
    pub(super) fn run(mut self) -> Result<Desk, Error> {
        while !self.context.shutdown.is_draining() {
            let taken = self.turn()?;
            if self.is_idle_for_long() {
                break;
            }
            if taken == 0 {
                std::thread::park_timeout(SERVE_EVERY);
            }
        }
        Ok(self.leave())
    }

    /// One round; how many entries it took.
    fn turn(&mut self) -> Result<usize, Error> {
        let now = self.context.clock.now();
        if now >= self.serve_at {
            self.serve(now)?;
        }
        let mut taken = 0;
        for partition in &mut self.assigned {
            taken += self.desk.take_batch(partition, now)?;
        }
        if now >= self.commit_at {
            self.commit_at = now + COMMIT_EVERY;
            self.commit(|source, commits| source.commit(commits, 0));
        }
        if now >= self.look_at {
            self.look_for_retention(now);
        }
        if now >= self.publish_at {
            self.publish(now);
        }
        Ok(taken)
    }

    /// Rebalances and commit answers.
    fn serve(&mut self, now: Time) -> Result<(), Error> {
        self.serve_at = now + SERVE_EVERY;
        for event in self.source.serve().context(ReadSnafu { topic: &self.desk.topic })? {
            match event {
                Event::Assigned(numbers) => {
                    tracing::info!(partitions = ?numbers, "dead-letter partitions assigned");
                    self.arriving = Some((numbers, now));
                }
                Event::Revoked { partitions, lost } => self.give_back(&partitions, lost)?,
                // A commit that failed is repeated with the next one, and missing it loses nothing.
                Event::Committed(answers) => tracing::debug!(target: "kafka", ?answers, "committed"),
                Event::Trouble(words) => tracing::warn!(target: "kafka", "{words}"),
                // It keeps no state, so that ending costs nothing, and whoever starts it again waits a while.
                Event::Forbidden(words) => return ForbiddenSnafu { words }.fail(),
            }
        }
        self.start_arriving(now)?;
        self.renew()?;
        for partition in &mut self.assigned {
            let next = self.source.reached_end(&partition.reader, partition.position);
            partition.is_at_end = next.is_some();
            partition.position = next.unwrap_or(partition.position);
        }
        Ok(())
    }

    /// Starts the partitions that arrived, once the brokers have said where their logs begin.
    fn start_arriving(&mut self, now: Time) -> Result<(), Error> {
        let Some((numbers, _)) = self.arriving.take_if(|(_, ask_at)| now >= *ask_at) else { return Ok(()) };
        match self.starts(&numbers) {
            Ok((starts, seen)) => self.start(&starts, &seen),
            Err(error) if error.is_passing() => {
                tracing::warn!(target: "kafka", "{}; asking again", chain(&error));
                self.arriving = Some((numbers, now + ASK_AGAIN_AFTER));
                Ok(())
            }
            Err(error) => Err(error).context(ReadSnafu { topic: &self.desk.topic }),
        }
    }

    /// Where each partition's log begins, and what of it was seen before.
    #[expect(clippy::type_complexity, reason = "two columns of one table, used once")]
    fn starts(&self, numbers: &[i32]) -> Result<(Vec<(i32, i64)>, BTreeMap<i32, i64>), source::Error> {
        if numbers.is_empty() {
            return Ok((Vec::new(), BTreeMap::new()));
        }
        let committed = self.source.committed(numbers)?;
        let seen = committed.into_iter().filter_map(|(number, commit)| Some((number, commit?.0))).collect();
        let start = |number: &i32| Ok((*number, self.source.bounds(*number)?.low));
        Ok((numbers.iter().map(start).collect::<Result<_, _>>()?, seen))
    }

    fn start(&mut self, starts: &[(i32, i64)], seen: &BTreeMap<i32, i64>) -> Result<(), Error> {
        let readers = self.source.start(starts).context(ReadSnafu { topic: &self.desk.topic })?;
        for (reader, &(number, low)) in readers.into_iter().zip(starts) {
            let seen_before = seen.get(&number).copied().unwrap_or(0);
            self.desk.ledger.open(number);
            self.committed.insert(number, seen_before);
            self.assigned.push(Assigned::new(reader, low, seen_before));
        }
        self.ready.set_ready();
        Ok(())
    }

    /// The group takes these partitions back.
    fn give_back(&mut self, numbers: &[i32], lost: bool) -> Result<(), Error> {
        tracing::info!(partitions = ?numbers, lost, "dead-letter partitions given back");
        self.arriving = None;
        if !lost {
            self.commit(Source::commit_and_wait);
        }
        self.assigned.retain(|partition| !numbers.contains(&partition.number));
        for number in numbers {
            self.desk.ledger.close(*number);
            self.committed.remove(number);
        }
        self.source.give_back(numbers).context(ReadSnafu { topic: &self.desk.topic })
    }

    /// Joins with a new client when certificates have changed. The partitions come back and are read from the start.
    fn renew(&mut self) -> Result<(), Error> {
        let context = self.context;
        if !self.renewal.is_due(&self.desk.topic, &context.clock, &context.shutdown) {
            return Ok(());
        }
        let fresh = member(self.config)?;
        self.commit(Source::commit_and_wait);
        self.arriving = None;
        for partition in self.assigned.drain(..) {
            self.desk.ledger.close(partition.number);
        }
        self.committed.clear();
        // The group learns that the old member is gone before the new one comes.
        drop(std::mem::replace(&mut self.source, fresh));
        self.source.join().context(ReadSnafu { topic: &self.desk.topic })
    }

    /// Commits the positions that moved forward.
    fn commit(&mut self, send: fn(&Source, &[Commit]) -> Result<(), source::Error>) {
        let moved = self.assigned.iter().filter_map(|partition| {
            let known = self.committed.get(&partition.number).copied().unwrap_or(0);
            let (partition, offset) = (partition.number, partition.position);
            (offset > known).then_some(Commit { partition, offset, metadata: String::new() })
        });
        let commits: Vec<Commit> = moved.collect();
        if commits.is_empty() {
            return;
        }
        match send(&self.source, &commits) {
            Ok(()) => self.committed.extend(commits.iter().map(|commit| (commit.partition, commit.offset))),
            Err(error) => tracing::debug!(target: "kafka", "{}", chain(&error)),
        }
    }

    /// Forgets the letters that retention removed.
    fn look_for_retention(&mut self, now: Time) {
        self.look_at = now + LOOK_FOR_RETENTION_EVERY;
        for partition in &self.assigned {
            match self.source.bounds(partition.number) {
                Ok(bounds) => self.desk.ledger.remove_below(partition.number, bounds.low),
                Err(error) => {
                    // The others would be asked in vain as well, and each question takes its time.
                    tracing::debug!(target: "kafka", "{}", chain(&error));
                    return;
                }
            }
        }
    }

    /// Whether everything has been read for as long as was asked for.
    fn is_idle_for_long(&mut self) -> bool {
        let Some(patience) = self.config.until_idle else { return false };
        let is_idle = !self.assigned.is_empty()
            && self.arriving.is_none()
            && self.assigned.iter().all(|partition| partition.is_at_end);
        if !is_idle {
            self.idle_since = None;
            return false;
        }
        let now = self.context.clock.now();
        let since = *self.idle_since.get_or_insert(now);
        if now.since(since) < patience {
            return false;
        }
        // Nothing arrives from a broker that is gone either: only an answered question tells the two apart.
        let is_certain = self.is_everything_read();
        self.idle_since = is_certain.then_some(since);
        is_certain
    }

    fn is_everything_read(&self) -> bool {
        self.assigned.iter().all(|partition| match self.source.bounds(partition.number) {
            Ok(bounds) => bounds.high <= partition.position,
            Err(error) => {
                tracing::warn!(target: "kafka", "{}; not idle yet", chain(&error));
                false
            }
        })
    }

    /// Renews what `/metrics`, `/status` and the progress line show, and says what has to be said.
    fn publish(&mut self, now: Time) {
        self.publish_at = now + PUBLISH_EVERY;
        if self.assigned.is_empty() {
            let trouble = self.source.trouble().map(|words| format!(": {words}")).unwrap_or_default();
            self.ready.wait_for(format!("dead-letters: waiting for partitions{trouble}"));
        }
        let behind = self.assigned.iter().map(|partition| {
            let end = self.source.known_end(&partition.reader)?;
            u64::try_from((end - partition.position).max(0)).ok()
        });
        let lag = behind.sum::<Option<u64>>();
        let sums = self.desk.ledger.sums();
        self.desk.teller.progress(&sums, lag, now);
        let wall_milliseconds = self.context.clock.wall_milliseconds();
        for notice in self.watchman.look(&sums, self.board.retention(), wall_milliseconds) {
            self.say(&notice);
        }
        self.reporter.report(&sums, age(&sums, wall_milliseconds), lag, now);
        let partitions = self.assigned.iter().map(|partition| partition.number).collect();
        self.board.publish(partitions, lag, sums, self.watchman.over_budget());
    }

    fn say(&self, notice: &Notice) {
        let topic = &self.desk.topic;
        match notice {
            Notice::Over(excess) => BudgetPassed { topic, excess, is_over: true }.emit(),
            Notice::Within(excess) => BudgetPassed { topic, excess, is_over: false }.emit(),
            Notice::Expiring { age, left } => Expiring { topic, age: *age, left: *left }.emit(),
        }
    }

    /// Says how far it came, and gives everything back.
    fn leave(mut self) -> Desk {
        self.ready.wait_for("dead-letters: draining");
        self.commit(Source::commit_and_wait);
        self.publish(self.context.clock.now());
        self.assigned.clear();
        drop(self.source);
        self.desk
    }
}
