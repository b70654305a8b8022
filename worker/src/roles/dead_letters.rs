//! `worker dead-letters`: what could not be saved, printed, sorted by class, and added up to the value at risk.
//!
//! It reads headers and keeps no state but the topic itself; see `ledger` for what counts, `reading` for the loop.
//! Deliberately produces nothing and mends nothing: sending a letter again is another command's work.

mod board;
mod budget;
mod connection;
mod desk;
mod figures;
mod ledger;
mod peek;
mod reading;
mod reporter;
mod retention;
mod shelf;
mod teller;

use std::time::Duration;

use runtime::Shutdown;
use snafu::Snafu;

pub(crate) use self::board::Board;
use self::budget::{Notice, Watchman};
use self::connection::connect;
use self::desk::Desk;
use self::ledger::{Ledger, Sums};
use self::reading::Reading;
use self::teller::Teller;
use super::standalone::{Outcome, standalone};
use super::{Ending, RoleContext, RoleError};
use crate::config::DeadLetters;
use crate::events::dead_letters::BudgetPassed;
use crate::kafka::{ErrorCode, source, topic};
use crate::metrics::dead_letters::DeadLetterMetrics;
use crate::report::{self, Report};

/// The role's name in metrics, status and messages.
pub(crate) const ROLE: &str = "dead-letters";

/// Why the dead-letter consumer ended without being asked to.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(self)))]
pub(crate) enum Error {
    /// The topic cannot be looked at.
    #[snafu(display("cannot read dead letters"))]
    Connect {
        /// Why.
        source: topic::Error,
    },
    /// The broker went away in the middle of a peek.
    #[snafu(display(
        "nothing more came from {addresses} for {} s{}: check that the broker runs",
        limit.as_secs(),
        trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default()
    ))]
    Silence {
        /// Where.
        addresses: String,
        /// How long.
        limit: Duration,
        /// The client's last word.
        trouble: Option<String>,
    },
    /// The topic is not there.
    #[snafu(display(
        "topic {topic} does not exist on {addresses}: make it with `worker prepare`, or check --dead-letter-topic"
    ))]
    TopicMissing {
        /// The topic.
        topic: String,
        /// Where.
        addresses: String,
    },
    /// The connection to the brokers cannot be used.
    #[snafu(display("cannot read topic {topic}"))]
    Read {
        /// The topic.
        topic: String,
        /// Why.
        #[snafu(source(from(source::Error, Box::new)))]
        source: Box<source::Error>,
    },
    /// A right is missing.
    #[snafu(display("{words}"))]
    Forbidden {
        /// Which, and how to get it.
        words: String,
    },
    /// A partition cannot be read any more.
    #[snafu(display("cannot go on reading partition {partition} of topic {topic}: {code}"))]
    PartitionStopped {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The broker's word.
        code: ErrorCode,
    },
}

/// Runs the role to its end.
///
/// # Errors
/// When the brokers cannot be reached in time, the topic is missing, or a partition cannot be read any more.
pub fn run(config: &DeadLetters) -> Result<Ending, RoleError> {
    standalone(ROLE, &config.common, |context| {
        let start = context.clock.now();
        let board = Board::new(DeadLetterMetrics::register(&context.metrics));
        let found = read(config, context, &board).map_err(|error| RoleError::ran(ROLE, error))?;
        let report = Report {
            pipeline: config.common.pipeline.clone(),
            dead_letters: Some(found),
            seconds: context.clock.now().since(start).as_secs_f64(),
            ..Report::default()
        };
        Ok(Outcome { report, handled: None, ending: Ending::Done })
    })
}

/// Reads dead letters in the process of `context` until a stop is asked for, or to the end where that is enough.
/// Answers with what is in the topic's partitions that were ours at the end. Meanwhile `board` shows how many there are.
///
/// # Errors
/// When the brokers cannot be reached in time, the topic is missing, or a partition cannot be read any more.
pub(crate) fn read(
    config: &DeadLetters,
    context: &RoleContext,
    board: &Board,
) -> Result<report::DeadLetterTotals, Error> {
    let ready = context.readiness.handle("dead-letters: waiting for Kafka");
    let shown = board.clone();
    context.status.publish(ROLE, move || serde_json::json!(shown.status()));
    let Some((source, partitions)) = connect(config, context)? else { return Ok(report::DeadLetterTotals::default()) };
    let teller = Teller::new(context.screen.clone(), board.metrics().clone(), context.clock.now());
    let (topic, ledger) = (config.common.topics.dead_letter.clone(), Ledger::new(&config.common.group_id));
    let mut desk = Desk { topic, may_not_read: source.may_not_read(), ledger, teller };
    if config.peek {
        ready.set_ready();
        peek::peek(&source, partitions, &mut desk, &config.common.kafka, context)?;
        drop(source);
    } else {
        let stop = Shutdown::new();
        retention::watch(&config.common, board.clone(), context.clock, stop.clone());
        let reading = Reading::join(source, desk, board.clone(), context, ready, config)?;
        let read = reading.run();
        stop.drain();
        desk = read?;
    }
    let sums = desk.ledger.sums();
    if config.peek {
        // While reading, the loop has said it.
        let topic = &config.common.topics.dead_letter;
        for notice in Watchman::new(config.budget.clone()).look(&sums, None, context.clock.wall_milliseconds()) {
            if let Notice::Over(excess) = notice {
                BudgetPassed { topic, excess: &excess, is_over: true }.emit();
            }
        }
    }
    remark(&sums, &config.common.group_id, context);
    Ok(sums.figures.report())
}

/// What the report has no place for.
fn remark(sums: &Sums, group: &str, context: &RoleContext) {
    let Sums { copies, foreign, of_other_groups, .. } = *sums;
    let remarks = [
        (foreign, "records without the headers of a dead letter, left out".to_owned()),
        (copies, "copies of dead letters, not counted again".to_owned()),
        (of_other_groups, format!("dead letters of other groups than {group}, counted like the rest")),
    ];
    for (count, words) in remarks.into_iter().filter(|(count, _)| *count > 0) {
        context.screen.say(&format!("{words}: {count}"));
    }
}

#[cfg(test)]
mod tests;
