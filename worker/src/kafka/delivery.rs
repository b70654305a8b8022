//! What became of records that were handed to a producer: its context passes the answers on to one thread.
//!
//! Deliberately without retries: whoever sent the record holds what it was made of, and decides when to send again.

use std::sync::mpsc::Sender;
use std::thread::Thread;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, Statistics, config::RDKafkaLogLevel};

use super::client::ClientLog;
use crate::config::Kafka;

/// Why a record is not in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The record with its headers is larger than the topic takes.
    TooLarge,
    /// The topic is not there, or we may not write to it: nothing more may be taken in until that is mended.
    NotAllowed(RDKafkaErrorCode),
    /// Anything that may pass by itself.
    Passing(RDKafkaErrorCode),
}

impl Refusal {
    pub(super) fn of(error: &KafkaError) -> Self {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if matches!(code, RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) {
            Self::TooLarge
        } else if matches!(
            code,
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        ) {
            Self::NotAllowed(code)
        } else {
            Self::Passing(code)
        }
    }
}

/// What became of one write; `T` is what the caller gave along.
pub(crate) struct Delivered<T> {
    /// What the caller gave along.
    pub(crate) token: T,
    /// All in-sync replicas have it, in this partition at this offset; or why not.
    pub(crate) result: Result<(i32, i64), Refusal>,
}

/// A producer's context: passes answers on.
pub(super) struct Answers<T: Send + Sync + 'static> {
    sender: Sender<Delivered<T>>,
    waker: Thread,
    log: ClientLog,
}

impl<T: Send + Sync + 'static> Answers<T> {
    /// The context of a producer that is made of `kafka`; `waker` is unparked at each answer.
    pub(super) fn new(kafka: &Kafka, waker: Thread, sender: Sender<Delivered<T>>) -> Self {
        Self { sender, waker, log: ClientLog::of(kafka) }
    }

    /// Passes on an answer that is known without the broker.
    pub(super) fn answer(&self, delivered: Delivered<T>) {
        // A receiver that is gone has ended its assignment: nothing waits for the answer any more.
        if self.sender.send(delivered).is_ok() {
            self.waker.unpark();
        }
    }
}

impl<T: Send + Sync + 'static> ClientContext for Answers<T> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.log.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl<T: Send + Sync + 'static> ProducerContext for Answers<T> {
    type DeliveryOpaque = Box<T>;

    fn delivery(&self, report: &DeliveryResult<'_>, token: Box<T>) {
        let result = match report {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(Refusal::of(error)),
        };
        self.answer(Delivered { token: *token, result });
    }
}
