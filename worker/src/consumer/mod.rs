//! The consumer: one thread that reads, decides with the engine, handles, retries, gives up and commits.
//!
//! Deliberately without a task or a channel per record, and without locks: everything belongs to the one thread, but
//! what a handler does that takes time. Read `consumer_loop` first, then `intake`, `dispatch`, `calls`, `graveyard`,
//! `protection`, `assignment`, `ledger`, `checkpoint`.

mod assigned;
mod assignment;
mod calls;
mod checkpoint;
mod connect;
mod consumer_loop;
mod desk;
mod dispatch;
mod durable;
mod ending;
mod gauges;
mod graveyard;
mod holding;
mod intake;
mod judge;
mod ledger;
mod moment;
mod progress;
mod protection;
mod renewal;
mod span;
mod status;
mod stored;
mod watch;

#[cfg(test)]
mod tests;

use engine::retry;
use schemas::codec::SchemaError;
use snafu::Snafu;

pub(crate) use connect::{Surroundings, connect};
pub(crate) use consumer_loop::Ended;
pub(crate) use progress::Progress;
pub(crate) use status::{ThreadStatus, joined};
pub(crate) use watch::{Board, Handled, Shown};

use crate::handler::http;
use crate::kafka::{admin, dead_letter_sink, source, state_sink, topic};
use crate::registry;
use crate::state;

/// Why a consumer ended without being asked to.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum Error {
    /// The writer schema is not one of an order.
    #[snafu(display("cannot read orders with this --writer-schema"))]
    WriterSchema {
        /// Why not.
        source: SchemaError,
    },
    /// The registry cannot be asked at all.
    #[snafu(display("cannot read framed orders"))]
    Registry {
        /// Why not.
        #[snafu(source(from(registry::Error, Box::new)))]
        source: Box<registry::Error>,
    },
    /// The retry settings contradict each other.
    #[snafu(display("cannot retry like this"))]
    RetryPolicy {
        /// Why not.
        source: retry::Error,
    },
    /// A topic cannot be used.
    #[snafu(display("cannot consume"))]
    Topic {
        /// Why.
        source: topic::Error,
    },
    /// It was told to stop before a broker answered.
    #[snafu(display("stopped before a Kafka broker answered at {addresses}"))]
    Stopped {
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
    /// The dead-letter producer cannot be made.
    #[snafu(display("cannot write dead letters"))]
    DeadLetters {
        /// Why.
        source: dead_letter_sink::Error,
    },
    /// Snapshots cannot be written.
    #[snafu(display("cannot write snapshots"))]
    State {
        /// Why.
        source: state_sink::Error,
    },
    /// There is nowhere to keep the totals.
    #[snafu(display(
        "state topic {topic} does not exist on {addresses}; make it with `worker prepare --state-topic {topic}`, or keep \
         the totals in memory with --state none"
    ))]
    StateTopicMissing {
        /// The topic.
        topic: String,
        /// Where.
        addresses: String,
    },
    /// Kafka would delete the totals.
    #[snafu(display(
        "state topic {topic} has cleanup.policy={policy}, so that totals in it would be deleted with age; set it to \
         compact, or choose another --state-topic"
    ))]
    NotCompacted {
        /// The topic.
        topic: String,
        /// Its policy.
        policy: String,
    },
    /// The state topic's settings cannot be read.
    #[snafu(display("cannot see whether state topic {topic} is compacted"))]
    LookAtState {
        /// The topic.
        topic: String,
        /// Why not.
        #[snafu(source(from(admin::Error, Box::new)))]
        source: Box<admin::Error>,
    },
    /// What the group left behind cannot be continued.
    #[snafu(display("cannot go on with what the group left behind"))]
    Recover {
        /// Why not.
        #[snafu(source(from(state::Error, Box::new)))]
        source: Box<state::Error>,
    },
    /// The handler cannot be used.
    #[snafu(display("cannot handle orders with --handler http"))]
    Handler {
        /// Why.
        source: http::Error,
    },
    /// A right is missing.
    #[snafu(display("{words}"))]
    Forbidden {
        /// Which, and how to get it.
        words: String,
    },
    /// A partition cannot be read any more.
    #[snafu(display("cannot go on reading partition {partition} of topic {topic} at offset {offset}: {words}"))]
    PartitionStopped {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where.
        offset: i64,
        /// librdkafka's words.
        words: String,
    },
    /// The committed offset is not within the log.
    #[snafu(display(
        "group {group} committed offset {committed} in partition {partition} of topic {topic}, whose log goes from {low} to {high}: \
         records were deleted before they were read, or the topic was made anew; set the group's offsets with Kafka's \
         `kafka-consumer-groups --reset-offsets`, or choose another --group-id"
    ))]
    CommitOutsideLog {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The committed offset.
        committed: i64,
        /// The first offset there is.
        low: i64,
        /// The offset after the last.
        high: i64,
    },
}
