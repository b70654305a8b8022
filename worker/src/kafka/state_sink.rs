//! Writes snapshots to the state topic and tells the consumer thread where all in-sync replicas have them.
//!
//! A producer of its own: a full dead-letter queue must not hold up a checkpoint. Deliberately ignorant of what is
//! written; a write that failed comes back, and the caller decides what to do.

use std::sync::mpsc::Receiver;
use std::thread::Thread;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use snafu::{ResultExt, Snafu};

use super::client;
use super::delivery::{Answers, Delivered, Refusal};
use crate::config::Kafka;

/// Why there is no producer of snapshots.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put the state producer's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make a producer for state topic {topic}: check --client-config"))]
    Create {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
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
    producer: ThreadedProducer<Answers<T>>,
    answers: Receiver<Delivered<T>>,
}

impl<T: Send + Sync + 'static> StateSink<T> {
    /// Makes the producer. `waker` is unparked at each answer.
    pub(crate) fn new(kafka: &Kafka, topic: &str, waker: Thread) -> Result<Self, Error> {
        let (context, answers) = Answers::new(waker);
        let mut config = client::base(kafka, "state").context(SettingsSnafu)?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("compression.type", "zstd")
            .set("delivery.timeout.ms", "30000")
            // A topic that is gone is said so, not made anew with the broker's defaults: it would not be compacted.
            .set("allow.auto.create.topics", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        client::override_with(&mut config, kafka);
        let producer = config.create_with_context(context).context(CreateSnafu { topic })?;
        Ok(Self { topic: topic.to_owned(), producer, answers })
    }

    /// Hands a record to the producer; its parts are copied. Its answer comes from [`Self::answer`], with the token.
    pub(crate) fn send(&self, state: StateRecord<'_>, token: T) {
        let mut record = BaseRecord::<[u8], [u8], Box<T>>::with_opaque_to(&self.topic, Box::new(token));
        record.partition = Some(state.partition);
        record.key = Some(state.key);
        record.payload = state.value;
        let value = state.header.1.as_bytes();
        record.headers = Some(OwnedHeaders::new().insert(Header { key: state.header.0, value: Some(value) }));
        if let Err((error, record)) = self.producer.send(record) {
            let result = Err(Refusal::of(&error));
            self.producer.context().answer(Delivered { token: *record.delivery_opaque, result });
        }
    }

    /// The next answer, if there is one.
    pub(crate) fn answer(&self) -> Option<Delivered<T>> {
        self.answers.try_recv().ok()
    }
}
