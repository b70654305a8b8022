//! The loop of a consumer thread: serve the group, take records in, run what is due, settle, commit, rest.
//!
//! One thread owns the client, the partitions, their engines and the totals; nothing is locked and nothing is handed
//! over. It polls at least every 20 ms whatever handlers do. Deliberately thin: each step is a file of its own.

use std::sync::Arc;
use std::time::Duration;

use engine::retry::RetryPolicy;
use engine::snapshot::Counters;
use engine::time::Time;
use engine::totals::Totals;
use runtime::{ReadyHandle, Shutdown};
use snafu::ResultExt;

use super::assigned::Assigned;
use super::assignment::Arriving;
use super::checkpoint::Checkpoints;
use super::desk::Desk;
use super::durable::Durable;
use super::progress::Progress;
use super::watch::{Handled, Sold};
use super::{Error, ReadSnafu};
use crate::config::Common;
use crate::kafka::ErrorCode;
use crate::kafka::delivery::Refusal;
use crate::kafka::renewal::Renewal;
use crate::kafka::rights::{Operation, Resource, grant};
use crate::kafka::source::{Event, Source};

/// The longest rest, and the longest time between two looks at the group.
const SERVE_EVERY: Duration = Duration::from_millis(20);

/// Due retries may take as long as reading took, but at least this.
const LEAST_TIME_FOR_RETRIES: Duration = Duration::from_millis(1);

/// How often gauges and progress are renewed.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// What a consumer thread leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the orders it handled add up to.
    pub(crate) totals: Totals,
    /// How its records ended.
    pub(crate) counters: Counters,
    /// How fast.
    pub(crate) handled: Handled,
    /// Whether its last checkpoint is certain.
    pub(crate) is_certain: bool,
}

/// What a loop shares with the rest of its process.
pub(crate) struct Around {
    /// How far it is.
    pub(crate) progress: Arc<Progress>,
    /// Ends it.
    pub(crate) shutdown: Shutdown,
    /// Says what it waits for.
    pub(crate) ready: ReadyHandle,
}

/// One consumer thread's state; see the module.
pub(crate) struct ConsumerLoop<'c> {
    pub(super) desk: Desk<'c>,
    pub(super) source: Source,
    pub(super) policy: RetryPolicy,
    pub(super) partitions: Vec<Assigned>,
    pub(super) arriving: Option<Arriving>,
    /// The partition that has the first turn.
    pub(super) first: usize,
    /// How many assignments there were; the number of the newest.
    pub(super) assignments: u32,
    pub(super) checkpoints: Checkpoints,
    /// Where totals are kept; `None` = in memory.
    pub(super) durable: Option<Durable>,
    progress: Arc<Progress>,
    pub(super) shutdown: Shutdown,
    pub(super) ready: ReadyHandle,
    shown: Vec<Sold>,
    serve_at: Time,
    publish_at: Time,
    /// What is wrong with the topic, since the last record.
    pub(super) trouble: Option<String>,
    pub(super) renewal: Renewal,
    pub(super) idle_since: Option<Time>,
    pub(super) draining_since: Option<Time>,
    /// How many records the flood guard knows to have ended well, and to have been given up.
    pub(super) guarded: (u64, u64),
}

impl<'c> ConsumerLoop<'c> {
    /// A loop over a member that has joined.
    pub(crate) fn new(
        desk: Desk<'c>,
        source: Source,
        policy: RetryPolicy,
        durable: Option<Durable>,
        around: Around,
    ) -> Self {
        let Around { progress, shutdown, ready } = around;
        let now = desk.moment().now;
        let checkpoints = Checkpoints::new(desk.config.checkpoint_interval, now);
        let renewal = Renewal::of(&desk.config.common.kafka, now);
        Self {
            desk,
            source,
            policy,
            partitions: Vec::new(),
            arriving: None,
            first: 0,
            assignments: 0,
            checkpoints,
            durable,
            progress,
            shutdown,
            ready,
            shown: Vec::new(),
            serve_at: now,
            publish_at: now,
            renewal,
            idle_since: None,
            draining_since: None,
            trouble: None,
            guarded: (0, 0),
        }
    }

    /// Consumes until it is told to drain, or until everything is read and resolved where that was asked for.
    pub(crate) fn run(mut self) -> Result<Ended, Error> {
        loop {
            let worked = self.turn()?;
            if self.is_over()? {
                break;
            }
            if !worked {
                self.rest();
            }
        }
        self.leave()
    }

    /// One round; whether there was anything to do.
    fn turn(&mut self) -> Result<bool, Error> {
        let start = self.desk.moment().now;
        if start >= self.serve_at {
            self.serve(start)?;
        }
        let settled = self.settle_calls();
        let mut ran = 0;
        if self.desk.calls.is_some() {
            self.desk.grant_retries(start);
            ran += self.run_due(start, LEAST_TIME_FOR_RETRIES);
        }
        self.desk.grant_all(start);
        let taken = if self.takes_in() { self.take_in()? } else { 0 };
        let after = self.desk.moment().now;
        if taken > 0 {
            self.desk.watch.note_taken(start, after);
        }
        ran += self.run_due(after, after.since(start).max(LEAST_TIME_FOR_RETRIES));
        self.desk.flush_calls();
        if ran > 0 {
            let ended = self.desk.moment().now;
            self.desk.watch.note_ran(ended);
        }
        self.settle_dead_letters();
        self.hear_registry(after);
        self.guard(after);
        self.progress.note(&self.partitions, self.desk.watch.retired_records());
        self.checkpoint(after);
        if after >= self.publish_at {
            self.publish(after);
        }
        Ok(settled + taken + ran > 0)
    }

    /// Rebalances and commit answers.
    fn serve(&mut self, now: Time) -> Result<(), Error> {
        self.serve_at = now + SERVE_EVERY;
        for event in self.source.serve().context(ReadSnafu { topic: self.topic() })? {
            match event {
                Event::Assigned(numbers) => self.note_assigned(numbers, now),
                Event::Revoked { partitions, lost } => self.note_revoked(&partitions, lost)?,
                Event::Committed(answered) => self.note_committed(&answered),
                Event::Trouble(words) => self.note_trouble(words),
                Event::Forbidden(words) => self.note_forbidden(words)?,
            }
        }
        self.start_arriving(now)?;
        self.renew()?;
        self.note_ends();
        Ok(())
    }

    /// Looks which partitions are read to their end, and lets their engines know of offsets that never come.
    fn note_ends(&mut self) {
        for Assigned { reader, engine, is_at_end, .. } in &mut self.partitions {
            let next = self.source.reached_end(reader, engine.position());
            *is_at_end = next.is_some();
            if let Some(next) = next {
                engine.note_end(next);
            }
        }
    }

    /// Something about the topic that the client does not mend; said once, and `/readyz` tells until records come again.
    pub(super) fn note_trouble(&mut self, words: String) {
        if self.trouble.as_ref() != Some(&words) {
            tracing::warn!(target: "kafka", topic = self.topic(), "{words}");
            self.trouble = Some(words);
        }
    }

    /// Runs stored records whose turn has come, for at most `budget`.
    fn run_due(&mut self, start: Time, budget: Duration) -> usize {
        let mut ran = 0;
        if self.is_flooded() {
            return ran;
        }
        loop {
            let before = ran;
            for index in 0..self.partitions.len() {
                ran += self.desk.run_ready(&mut self.partitions[index], &mut self.shown);
                for sold in std::mem::take(&mut self.shown) {
                    self.desk.watch.show(&sold, &self.partitions);
                }
            }
            if ran == before || self.desk.moment().now.since(start) >= budget {
                return ran;
            }
        }
    }

    /// Takes answers to dead letters, and writes again what was refused.
    pub(super) fn settle_dead_letters(&mut self) {
        let moment = self.desk.moment();
        let Desk { graveyard, judge, watch, .. } = &mut self.desk;
        let round = graveyard.settle(&mut self.partitions, judge, moment);
        let ledgers = self.partitions.iter_mut().filter_map(|partition| partition.ledger.as_mut());
        ledgers.for_each(|ledger| round.note_places(ledger));
        graveyard.write_again(&self.partitions, judge, moment);
        watch.note_buried(&round, moment);
    }

    /// Rests until something arrives, a retry comes due, or the group has to be served.
    fn rest(&self) {
        let now = self.desk.moment().now;
        // Without room for a call only its answer, or the breaker, can bring something.
        let may_begin = self.may_try() && self.desk.allowance > 0;
        let partitions = self.partitions.iter().filter(|_| may_begin);
        let due = partitions.filter_map(|partition| partition.engine.next_due()).min();
        let until = due.map_or(SERVE_EVERY, |due| due.since(now)).min(SERVE_EVERY);
        std::thread::park_timeout(until);
    }

    /// Renews what `/metrics`, `/status` and the progress line show.
    pub(super) fn publish(&mut self, now: Time) {
        self.publish_at = now + PUBLISH_EVERY;
        self.say_readiness();
        let gauges = self.gauges();
        self.desk.watch.publish(&mut self.partitions, &gauges, self.desk.judge.paths(), self.desk.moment());
    }

    /// Why nothing more may be taken in for the sake of the totals: snapshots are refused, so that the way back after a
    /// crash would grow and grow.
    pub(super) fn state_trouble(&self) -> Option<String> {
        let refused = self.partitions.iter().find_map(|partition| partition.ledger.as_ref()?.refused());
        let why = match refused? {
            Refusal::Passing(_) => return None,
            Refusal::NotAllowed(ErrorCode::TopicAuthorizationFailed) => {
                let Common { kafka, topics, .. } = &self.desk.config.common;
                grant(kafka, Operation::Write, Resource::Topic(&topics.state))
            }
            Refusal::NotAllowed(code) => code.to_string(),
            Refusal::TooLarge => "it takes no record of 512 KiB; raise its max.message.bytes".to_owned(),
        };
        Some(format!("state topic {}: {why}", self.desk.config.common.topics.state))
    }

    pub(super) fn topic(&self) -> &'c str {
        &self.desk.config.common.topics.orders
    }

    pub(super) fn group(&self) -> &'c str {
        &self.desk.config.common.group_id
    }

    pub(super) fn numbers(&self) -> Vec<i32> {
        self.partitions.iter().map(|partition| partition.number).collect()
    }
}
