//! Commits: how far everything is resolved, told to the group every few seconds, on revoke and at the end.
//!
//! Totals live in memory in this release, so a commit says `op1:none`: whoever takes over starts at the offset, with
//! empty totals. Deliberately one commit on its way at a time, and none for a partition that was taken from us.

use std::time::Duration;

use engine::commit_pointer::CommitPointer;
use engine::time::Time;

use super::assigned::Assigned;
use super::consumer_loop::ConsumerLoop;
use crate::kafka::ErrorCode;
use crate::kafka::source::{self, Commit};
use crate::roles::chain;

/// After this a commit without an answer counts as failed, and the next is sent.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// When the next commit is due, and whether one is on its way.
pub(crate) struct Checkpoints {
    interval: Duration,
    due: Time,
    sent: Option<Time>,
}

impl Checkpoints {
    /// One checkpoint each `interval`, the first an interval after `now`.
    pub(crate) fn new(interval: Duration, now: Time) -> Self {
        Self { interval, due: now + interval, sent: None }
    }

    fn is_due(&mut self, now: Time) -> bool {
        if self.sent.is_some_and(|sent| now.since(sent) >= ANSWER_WITHIN) {
            self.sent = None;
        }
        now >= self.due && self.sent.is_none()
    }
}

/// The commits that are ahead of what the group knows.
pub(crate) fn ahead(partitions: &[Assigned]) -> Vec<Commit> {
    let commits = partitions.iter().filter_map(|partition| Some((partition.number, partition.to_commit()?)));
    commits.map(|(partition, offset)| commit(partition, offset)).collect()
}

fn commit(partition: i32, offset: i64) -> Commit {
    Commit { partition, offset, metadata: CommitPointer::None.to_string() }
}

impl ConsumerLoop<'_> {
    /// Sends the commit that is due.
    pub(super) fn checkpoint(&mut self, now: Time) {
        if !self.checkpoints.is_due(now) {
            return;
        }
        self.checkpoints.due = now + self.checkpoints.interval;
        let commits = ahead(&self.partitions);
        if commits.is_empty() {
            return;
        }
        match self.source.commit(&commits) {
            Ok(()) => self.checkpoints.sent = Some(now),
            Err(error) => self.desk.watch.note_commit(Err(&chain(&error)), now),
        }
    }

    /// Takes the group's answer to a commit.
    pub(super) fn note_committed(&mut self, answers: &[(i32, Result<i64, ErrorCode>)]) {
        self.checkpoints.sent = None;
        let now = self.desk.moment().now;
        for (number, answer) in answers {
            let partition = self.partitions.iter_mut().find(|partition| partition.number == *number);
            match (answer, partition) {
                (Ok(offset), Some(partition)) => {
                    partition.committed = partition.committed.max(*offset);
                    self.desk.watch.note_commit(Ok(()), now);
                }
                (Ok(_), None) | (Err(ErrorCode::NoOffset), _) => {}
                (Err(code), _) => self.desk.watch.note_commit(Err(&code.to_string()), now),
            }
        }
    }

    /// Commits what `numbers` have resolved and waits for the answer; says so when it fails.
    pub(super) fn commit_and_wait(&mut self, numbers: &[i32]) -> Result<(), source::Error> {
        let chosen = self.partitions.iter().filter(|partition| numbers.contains(&partition.number));
        let commits: Vec<Commit> =
            chosen.filter_map(|partition| Some(commit(partition.number, partition.to_commit()?))).collect();
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
