//! The consumer's context: librdkafka calls it, and it keeps what happens until [`super::Source::serve`] takes it.
//!
//! Deliberately decides nothing, but for a source that is being dropped: nobody is left to ask then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::Event;
use crate::config::Kafka;
use crate::kafka::client::ClientLog;

/// The consumer's context: keeps what happens until [`serve`](super::Source::serve) takes it.
pub(crate) struct Member {
    events: Mutex<VecDeque<Event>>,
    /// Set when the source is dropped: whatever the group still asks is answered by giving everything back.
    closing: AtomicBool,
    log: ClientLog,
}

impl Member {
    /// The context of a consumer that is made of `kafka`.
    pub(super) fn new(kafka: &Kafka) -> Self {
        Self { events: Mutex::default(), closing: AtomicBool::new(false), log: ClientLog::of(kafka) }
    }

    /// The last connection trouble in librdkafka's words.
    pub(super) fn trouble(&self) -> Option<String> {
        self.log.trouble()
    }

    /// The source is being dropped.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    pub(super) fn take(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// An assignment that arrives while closing is taken, so that the group can take it back.
    fn take_for_closing(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let taken = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(list),
        };
        if let Err(error) = taken {
            tracing::debug!(target: "kafka", %error, "taking partitions while closing");
        }
    }

    /// What to do when nobody is left to ask.
    fn give_up(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let given_back = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = given_back {
            tracing::debug!(target: "kafka", %error, "giving partitions back while closing");
        }
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.log.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = list.elements().iter().map(TopicPartitionListElem::partition).collect();
        if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if self.closing.load(Ordering::Acquire) {
                self.take_for_closing(consumer, list);
            } else {
                self.push(Event::Assigned(partitions));
            }
        } else if self.closing.load(Ordering::Acquire) {
            self.give_up(consumer, list);
        } else {
            self.push(Event::Revoked { partitions, lost: consumer.assignment_lost() });
        }
    }
}
