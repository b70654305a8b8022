//! Checkpoints: how far everything is resolved, told to the group every few seconds, on revoke and at the end.
//!
//! With durable totals a checkpoint is a snapshot in the state topic, and then the commit that names it; without, the
//! commit alone, which says `op1:none`. Deliberately one commit on its way at a time, and none for a partition that was
//! taken from us.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::commit_pointer::CommitPointer;
use engine::time::Time;

use super::assigned::Assigned;
use super::consumer_loop::ConsumerLoop;
use super::ledger::Ledger;
use crate::kafka::ErrorCode;
use crate::kafka::delivery::Refusal;
use crate::kafka::source::{self, Answered, Commit};
use crate::roles::chain;

/// After this a commit without an answer counts as unanswered, and is sent again: longer than librdkafka waits for any.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// How long a commit waits for snapshots that are still being written, so that one commit names them all.
const WAIT_FOR_COMPANY: Duration = Duration::from_millis(100);

/// How long after a commit was not taken it is sent again.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// How long a checkpoint on revoke, at the end, or before a run counts as idle may take.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// How often it is looked for answers while waiting for them.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// When the next checkpoint is due, and which commit is on its way.
pub(crate) struct Checkpoints {
    interval: Duration,
    due: Time,
    /// Number of the commit on its way, and when it was sent.
    on_the_way: Option<(usize, Time)>,
    /// How many commits were sent.
    sent: usize,
    /// Since when a commit waits for company.
    waiting_since: Option<Time>,
    not_before: Time,
}

impl Checkpoints {
    /// One checkpoint each `interval`, the first an interval after `now`.
    pub(crate) fn new(interval: Duration, now: Time) -> Self {
        Self { interval, due: now + interval, on_the_way: None, sent: 0, waiting_since: None, not_before: now }
    }

    /// The client that sent the commit on its way is gone: there will be no answer.
    pub(super) fn forget_sent(&mut self) {
        self.on_the_way = None;
    }

    fn is_due(&mut self, now: Time) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.interval;
        }
        is_due
    }

    fn note_sent(&mut self, now: Time) -> usize {
        self.sent += 1;
        self.on_the_way = Some((self.sent, now));
        self.waiting_since = None;
        self.sent
    }

    /// The number of a commit that is as good as lost.
    fn take_unanswered(&mut self, now: Time) -> Option<usize> {
        self.on_the_way.take_if(|(_, sent)| now.since(*sent) >= ANSWER_WITHIN).map(|(number, _)| number)
    }
}

/// Why a checkpoint is not done.
#[derive(Debug)]
pub(super) enum Undone {
    /// The commit was refused, or not answered.
    Commit(Box<source::Error>),
    /// Snapshot or commit took too long.
    Late,
}

impl std::fmt::Display for Undone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Commit(error) => formatter.write_str(&chain(error)),
            Self::Late => write!(formatter, "no checkpoint within {} s", LONGEST.as_secs()),
        }
    }
}

impl ConsumerLoop<'_> {
    /// Takes the checkpoint that is due, and goes on with the one under way.
    pub(super) fn checkpoint(&mut self, now: Time) {
        let is_due = self.checkpoints.is_due(now);
        if let Some(number) = self.checkpoints.take_unanswered(now) {
            self.note_not_taken(number, "no answer");
        }
        if self.durable.is_none() {
            if is_due && self.checkpoints.on_the_way.is_none() {
                let commits = self.partitions.iter().filter_map(plain);
                let commits = commits.collect::<Vec<_>>();
                self.send(&commits, now);
            }
            return;
        }
        if let Some(durable) = &mut self.durable {
            durable.mend(now);
        }
        self.take_written();
        if is_due {
            let settled = |partition: &Assigned| partition.ledger.as_ref().is_some_and(|ledger| ledger.is_settled());
            for index in 0..self.partitions.len() {
                if settled(&self.partitions[index]) {
                    self.begin(index, true);
                }
            }
            self.remove_litter(now);
        }
        self.send_pending(now, WAIT_FOR_COMPANY);
    }

    /// Cuts a partition and writes what came of it.
    pub(super) fn begin(&mut self, index: usize, repeats: bool) {
        let moment = self.desk.moment();
        let Assigned { engine, ledger, .. } = &mut self.partitions[index];
        let (Some(ledger), Some(durable)) = (ledger, &self.durable) else { return };
        let cut = engine.cut(moment.now, moment.wall_milliseconds);
        ledger.begin(cut, repeats).iter().for_each(|out| durable.write(out));
    }

    /// Takes the answers to records in the state topic.
    fn take_written(&mut self) {
        let before = self.state_trouble();
        self.take_answers();
        match self.state_trouble() {
            Some(words) if before.as_ref() != Some(&words) => tracing::error!(target: "kafka", "{words}"),
            _ => {}
        }
    }

    fn take_answers(&mut self) {
        let Some(durable) = &self.durable else { return };
        while let Some(delivered) = durable.answer() {
            let token = delivered.token;
            let its = |partition: &&mut Assigned| {
                (partition.number, partition.assignment) == (token.partition, token.assignment)
            };
            let ledger = self.partitions.iter_mut().find(its).and_then(|partition| partition.ledger.as_mut());
            let Some(ledger) = ledger else { continue };
            if let Err(refusal @ Refusal::Passing(_)) = &delivered.result {
                tracing::warn!(target: "kafka", partition = token.partition, ?refusal, "a snapshot was not written; writing a new one");
            }
            if let Some(head) = ledger.written(token, delivered.result) {
                durable.write(&head);
            }
        }
    }

    fn remove_litter(&mut self, now: Time) {
        let Some(durable) = &self.durable else { return };
        for ledger in self.partitions.iter_mut().filter_map(|partition| partition.ledger.as_mut()) {
            for (place, key) in ledger.take_litter(now) {
                durable.remove(place, &key);
            }
        }
    }

    /// Sends the commits that wait, when no other one is on its way and those that would go along are written.
    fn send_pending(&mut self, now: Time, patience: Duration) {
        if self.checkpoints.on_the_way.is_some() || now < self.checkpoints.not_before {
            return;
        }
        let ledgers = || self.partitions.iter().filter_map(|partition| partition.ledger.as_ref());
        let commits: Vec<Commit> = ledgers().filter_map(|ledger| ledger.to_send()).collect();
        if commits.is_empty() {
            return;
        }
        let since = *self.checkpoints.waiting_since.get_or_insert(now);
        if ledgers().any(|ledger| ledger.is_writing()) && now.since(since) < patience {
            return;
        }
        self.send(&commits, now);
    }

    fn send(&mut self, commits: &[Commit], now: Time) {
        if commits.is_empty() {
            return;
        }
        let number = self.checkpoints.note_sent(now);
        let chosen = |number: i32| commits.iter().any(|commit| commit.partition == number);
        let partitions = self.partitions.iter_mut().filter(|partition| chosen(partition.number));
        partitions.filter_map(|partition| partition.ledger.as_mut()).for_each(|ledger| ledger.note_sent(number));
        if let Err(error) = self.source.commit(commits, number) {
            self.checkpoints.on_the_way = None;
            self.note_not_taken(number, &chain(&error));
        }
    }

    fn note_not_taken(&mut self, number: usize, reason: &str) {
        let now = self.desk.moment().now;
        self.checkpoints.not_before = now + REPEAT_AFTER;
        let ledgers = self.partitions.iter_mut().filter_map(|partition| partition.ledger.as_mut());
        ledgers.for_each(|ledger| ledger.not_taken(number));
        self.desk.watch.note_commit(Err(reason), now);
    }

    /// Takes the group's answer to a commit.
    pub(super) fn note_committed(&mut self, answered: &Answered) {
        self.checkpoints.on_the_way.take_if(|(number, _)| *number == answered.number);
        let now = self.desk.moment().now;
        let mut refused = None;
        for (number, answer) in &answered.partitions {
            let Some(partition) = self.partitions.iter_mut().find(|partition| partition.number == *number) else {
                continue;
            };
            match answer {
                Ok(offset) => {
                    let taken = match &mut partition.ledger {
                        Some(ledger) => {
                            let (came, is_new) = (ledger.certain_at(), !ledger.is_claimed());
                            let taken = ledger.taken(answered.number, now);
                            if is_new && ledger.is_claimed() {
                                self.desk.watch.note_restored(*number, now.since(came));
                            }
                            taken
                        }
                        None => Some(*offset),
                    };
                    partition.committed = partition.committed.max(taken.unwrap_or(partition.committed));
                    self.desk.watch.note_commit(Ok(()), now);
                }
                Err(ErrorCode::NoOffset) => {}
                Err(code) => refused = Some(code),
            }
        }
        // Whatever the answer did not name was not taken either.
        let ledgers = self.partitions.iter_mut().filter_map(|partition| partition.ledger.as_mut());
        ledgers.for_each(|ledger| ledger.not_taken(answered.number));
        // What is wrong with one partition's commit is wrong with all: said once.
        if let Some(code) = refused {
            self.checkpoints.not_before = now + REPEAT_AFTER;
            self.desk.watch.note_commit(Err(&code.to_string()), now);
        }
    }

    /// Takes a checkpoint of `numbers` and waits until it is certain, at most until `deadline`.
    pub(super) fn checkpoint_and_wait(&mut self, numbers: &[i32], deadline: Time) -> Result<(), Undone> {
        if self.durable.is_none() {
            return self.commit_and_wait(numbers).map_err(|error| Undone::Commit(Box::new(error)));
        }
        let mut begun = BTreeSet::new();
        loop {
            self.take_written();
            while let Some(answered) = self.source.answered() {
                self.note_committed(&answered);
            }
            if self.begin_again(numbers, &mut begun) {
                return Ok(());
            }
            let now = self.desk.moment().now;
            if now >= deadline {
                return Err(Undone::Late);
            }
            self.send_pending(now, WAIT_FOR_COMPANY);
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Begins a checkpoint of those that are settled and not begun yet; whether all are begun and settled. What is not
    /// claimed yet has nothing to keep.
    fn begin_again(&mut self, numbers: &[i32], begun: &mut BTreeSet<i32>) -> bool {
        let mut all = true;
        for index in 0..self.partitions.len() {
            let Assigned { number, ledger, .. } = &self.partitions[index];
            let number = *number;
            let Some(ledger) = ledger.as_ref().filter(|ledger| ledger.is_claimed()) else { continue };
            if !numbers.contains(&number) {
                continue;
            }
            if ledger.is_settled() && begun.insert(number) {
                self.begin(index, false);
            }
            let is_certain = |ledger: &Ledger| ledger.is_settled() && ledger.refused().is_none();
            all &= self.partitions[index].ledger.as_ref().is_some_and(is_certain);
        }
        all
    }

    /// Without durable totals: commits what `numbers` have resolved and waits for the answer; says so when it fails.
    pub(super) fn commit_and_wait(&mut self, numbers: &[i32]) -> Result<(), source::Error> {
        let chosen = self.partitions.iter().filter(|partition| numbers.contains(&partition.number));
        let commits: Vec<Commit> = chosen.filter_map(plain).collect();
        if commits.is_empty() {
            return Ok(());
        }
        let result = self.source.commit_and_wait(&commits);
        let now = self.desk.moment().now;
        match &result {
            Ok(()) => {
                for commit in &commits {
                    let partition = self.partitions.iter_mut().find(|partition| partition.number == commit.partition);
                    if let Some(partition) = partition {
                        partition.committed = commit.offset;
                    }
                }
                self.desk.watch.note_commit(Ok(()), now);
            }
            Err(error) => self.desk.watch.note_commit(Err(&chain(error)), now),
        }
        result
    }
}

/// The commit of a partition whose totals live in memory, if it is ahead of what the group knows.
fn plain(partition: &Assigned) -> Option<Commit> {
    let (number, offset) = (partition.number, partition.to_commit()?);
    Some(Commit { partition: number, offset, metadata: CommitPointer::None.to_string() })
}
