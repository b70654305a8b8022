//! Before the first dead letter: the brokers answer and the topic is there.
//!
//! A service waits for its brokers for as long as it takes; a one-shot run gives up after `--connect-timeout`.
//! Deliberately never makes the topic: that is `worker prepare`.

use std::collections::BTreeMap;

use snafu::ResultExt;

use super::{ConnectSnafu, Error, ReadSnafu, TopicMissingSnafu};
use crate::config::{DeadLetters, Kafka};
use crate::kafka::source::Source;
use crate::kafka::topic;
use crate::roles::RoleContext;

/// A member of the group, not joined yet, and how many partitions the topic has; `None` when a stop came first.
pub(super) fn connect(config: &DeadLetters, context: &RoleContext) -> Result<Option<(Source, i32)>, Error> {
    let (name, kafka) = (&config.common.topics.dead_letter, &config.common.kafka);
    let is_one_shot = config.peek || config.until_idle.is_some();
    let limit = is_one_shot.then_some(kafka.connect_timeout);
    let partitions = match topic::partitions(kafka, name, limit, &context.clock, &context.shutdown) {
        Ok(Some(partitions)) => i32::try_from(partitions).unwrap_or(i32::MAX),
        Ok(None) => return Ok(None),
        // Its own words are for the orders topic.
        Err(topic::Error::Missing { topic, addresses }) => return TopicMissingSnafu { topic, addresses }.fail(),
        Err(error) => return Err(error).context(ConnectSnafu),
    };
    Ok(Some((member(config)?, partitions)))
}

/// A member of the group that has not joined yet.
pub(super) fn member(config: &DeadLetters) -> Result<Source, Error> {
    let (name, kafka) = (&config.common.topics.dead_letter, &config.common.kafka);
    let group = config.common.dead_letter_group_id();
    let source = Source::new(&reading_from_the_start(kafka), &group, name, std::thread::current());
    source.context(ReadSnafu { topic: name })
}

/// Retention may remove the log's start between the question where it is and the first fetch: then what is left is
/// read from its start. Nothing else may ever be skipped here, so that this is safe.
fn reading_from_the_start(kafka: &Kafka) -> Kafka {
    let reset = ("auto.offset.reset".to_owned(), "earliest".to_owned());
    let client_config: BTreeMap<String, String> = kafka.client_config.clone().into_iter().chain([reset]).collect();
    Kafka { client_config, ..kafka.clone() }
}
