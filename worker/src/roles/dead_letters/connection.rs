//! Before the first dead letter: the brokers answer and the topic is there.
//!
//! A service waits for its brokers for as long as it takes; a one-shot run gives up after `--connect-timeout`.
//! Deliberately never makes the topic: that is `worker prepare`.

use std::collections::BTreeMap;
use std::time::Duration;

use snafu::{ResultExt, ensure};

use super::{Error, ReadSnafu, TopicMissingSnafu, UnreachableSnafu};
use crate::config::{DeadLetters, Kafka};
use crate::kafka::source::Source;
use crate::roles::{RoleContext, chain};

/// How long after an unanswered question it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A member of the group, not joined yet, and how many partitions the topic has; `None` when a stop came first.
pub(super) fn connect(config: &DeadLetters, context: &RoleContext) -> Result<Option<(Source, i32)>, Error> {
    let topic = &config.common.topics.dead_letter;
    let group = config.common.dead_letter_group_id();
    let kafka = reading_from_the_start(&config.common.kafka);
    let source = Source::new(&kafka, &group, topic, std::thread::current()).context(ReadSnafu { topic })?;
    let is_one_shot = config.peek || config.until_idle.is_some();
    let (addresses, limit) = (&kafka.bootstrap_servers, kafka.connect_timeout);
    let start = context.clock.now();
    while !context.shutdown.is_draining() {
        match source.partitions_of(topic) {
            Ok(Some(partitions)) if partitions > 0 => return Ok(Some((source, partitions))),
            // A topic that is being made has no partitions for a moment.
            Ok(Some(_)) => {}
            Ok(None) => return TopicMissingSnafu { topic, addresses }.fail(),
            Err(error) => {
                let trouble = source.trouble().unwrap_or_else(|| chain(&error));
                let is_late = is_one_shot && context.clock.now().since(start) >= limit;
                ensure!(!is_late, UnreachableSnafu { addresses, limit, trouble });
                tracing::debug!(target: "kafka", "{addresses}: {trouble}; asking again");
            }
        }
        context.shutdown.wait_timeout(ASK_AGAIN_AFTER);
    }
    Ok(None)
}

/// Retention may remove the log's start between the question where it is and the first fetch: then what is left is
/// read from its start. Nothing else may ever be skipped here, so that this is safe.
fn reading_from_the_start(kafka: &Kafka) -> Kafka {
    let reset = ("auto.offset.reset".to_owned(), "earliest".to_owned());
    let client_config: BTreeMap<String, String> = kafka.client_config.clone().into_iter().chain([reset]).collect();
    Kafka { client_config, ..kafka.clone() }
}
