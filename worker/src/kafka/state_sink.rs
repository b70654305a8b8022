//! Writes snapshots to the state topic and tells the consumer thread where all in-sync replicas have them.
//!
//! A producer of its own: a full dead-letter queue must not hold up a checkpoint. Deliberately ignorant of what is
//! written; a write that failed comes back, and the caller decides what to do.

use std::thread::Thread;

use engine::time::Time;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use snafu::{ResultExt, Snafu};

use super::client;
use super::delivery::Delivered;
use super::writer::{self, Writer};
use crate::config::Kafka;

/// Why there is no producer of snapshots.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// There is no producer.
    #[snafu(display("cannot make a producer for state topic {topic}"))]
    Make {
        /// The topic.
        topic: String,
        /// Why.
        source: writer::Error,
    },
}

/// A record as it is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRecord<'a> {
    /// The partition of the state topic.
    pub(crate) partition: i32,
    /// The key.
    pub(crate) key: &'a [u8],
    /// The value; a tombstone has none.
    pub(crate) value: Option<&'a [u8]>,
    /// Name and value of its header.
    pub(crate) header: (&'a str, &'a str),
}

/// An idempotent producer for one state topic.
pub(crate) struct StateSink<T: Send + Sync + 'static> {
    topic: String,
    writer: Writer<T>,
}

impl<T: Send + Sync + 'static> StateSink<T> {
    /// Makes the producer. `waker` is unparked at each answer.
    pub(crate) fn new(kafka: &Kafka, topic: &str, waker: Thread) -> Result<Self, Error> {
        let writer = Writer::new(kafka, settings, waker).context(MakeSnafu { topic })?;
        Ok(Self { topic: topic.to_owned(), writer })
    }

    /// Makes the producer anew: for certificates that have changed, or after librdkafka gave it up.
    pub(crate) fn renew(&mut self) -> Result<(), Error> {
        self.writer.renew().context(MakeSnafu { topic: &self.topic })
    }

    /// Whether librdkafka gave the producer up: nothing is written before it is made anew.
    pub(crate) fn is_broken(&self) -> bool {
        self.writer.broken().is_some()
    }

    /// Takes up a password that has changed.
    pub(crate) fn renew_login(&self, now: Time) {
        self.writer.renew_login(now);
    }

    /// Hands a record to the producer; its parts are copied. Its answer comes from [`Self::answer`], with the token.
    pub(crate) fn send(&self, state: StateRecord<'_>, token: T) {
        let mut record = BaseRecord::<[u8], [u8], Box<T>>::with_opaque_to(&self.topic, Box::new(token));
        record.partition = Some(state.partition);
        record.key = Some(state.key);
        record.payload = state.value;
        let value = state.header.1.as_bytes();
        record.headers = Some(OwnedHeaders::new().insert(Header { key: state.header.0, value: Some(value) }));
        self.writer.send(record);
    }

    /// The next answer, if there is one.
    pub(crate) fn answer(&self) -> Option<Delivered<T>> {
        self.writer.answer()
    }
}

fn settings(kafka: &Kafka) -> Result<ClientConfig, client::Error> {
    let mut config = client::base(kafka, "state")?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "1")
        .set("compression.type", "zstd")
        .set("delivery.timeout.ms", "30000")
        // A topic that is gone is said so, not made anew with the broker's defaults: it would not be compacted.
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    Ok(config)
}
