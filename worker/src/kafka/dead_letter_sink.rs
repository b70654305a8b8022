//! Writes dead letters and tells the consumer thread which of them all in-sync replicas have.
//!
//! Deliberately without retries beyond librdkafka's own: a write that failed comes back to the consumer, which holds the
//! order and decides when to write again.

use std::thread::Thread;
use std::time::Duration;

use engine::time::Time;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::message::Header;
pub(crate) use rdkafka::message::OwnedHeaders;
use rdkafka::producer::BaseRecord;
use snafu::{ResultExt, Snafu};

use super::client;
pub(crate) use super::delivery::{Delivered, Refusal};
use super::writer::{self, Writer};
use crate::config::Kafka;

/// What can go wrong when the sink is made.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// There is no producer.
    #[snafu(display("cannot make a producer for dead-letter topic {topic}"))]
    Make {
        /// The topic.
        topic: String,
        /// Why.
        source: writer::Error,
    },
}

/// One record as it is to be written.
pub(crate) struct Letter<'a> {
    /// The key, unchanged; `None` stays null.
    pub(crate) key: Option<&'a [u8]>,
    /// The value, unchanged; `None` stays null.
    pub(crate) value: Option<&'a [u8]>,
    /// The original's timestamp.
    pub(crate) timestamp: Option<i64>,
    /// Where a record without a key goes, so that copies of it meet: any number, taken modulo the partitions.
    pub(crate) origin: u64,
    /// The original's headers, then ours.
    pub(crate) headers: OwnedHeaders,
}

/// Adds a header; names that are not UTF-8 (Kafka's other clients may write them) are passed on as well as they can be.
pub(crate) fn add_header(headers: OwnedHeaders, name: &[u8], value: Option<&[u8]>) -> OwnedHeaders {
    headers.insert(Header { key: &String::from_utf8_lossy(name), value })
}

/// An idempotent producer for one dead-letter topic.
pub(crate) struct DeadLetterSink<T: Send + Sync + 'static> {
    topic: String,
    partitions: i32,
    writer: Writer<T>,
}

impl<T: Send + Sync + 'static> DeadLetterSink<T> {
    /// Makes the producer. `waker` is unparked at each answer; `partitions` is how many the topic has.
    pub(crate) fn new(kafka: &Kafka, topic: &str, partitions: i32, waker: Thread) -> Result<Self, Error> {
        let writer = Writer::new(kafka, settings, waker).context(MakeSnafu { topic })?;
        Ok(Self { topic: topic.to_owned(), partitions: partitions.max(1), writer })
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

    /// Hands a record to the producer; its answer comes from [`Self::answer`], with the token. A full queue answers at
    /// once, like any other trouble that passes.
    pub(crate) fn send(&self, letter: Letter<'_>, token: T) {
        let mut record = BaseRecord::<[u8], [u8], Box<T>>::with_opaque_to(&self.topic, Box::new(token));
        record.key = letter.key;
        record.payload = letter.value;
        record.timestamp = letter.timestamp;
        record.headers = Some(letter.headers);
        if letter.key.is_none() {
            let place = letter.origin % u64::from(self.partitions.unsigned_abs());
            record.partition = i32::try_from(place).ok();
        }
        self.writer.send(record);
    }

    /// The next answer, if there is one.
    pub(crate) fn answer(&self) -> Option<Delivered<T>> {
        self.writer.answer()
    }

    /// Waits until everything is answered, at most for `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        if let Err(error) = self.writer.flush(limit) {
            tracing::warn!(target: "kafka", %error, "dead letters are not acknowledged yet; their orders will be read again");
        }
    }
}

fn settings(kafka: &Kafka) -> Result<ClientConfig, client::Error> {
    let mut config = client::base(kafka, "dead-letters")?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        // The topic decides what is too large; the client must not be stricter.
        .set("message.max.bytes", "1000000000")
        // A batch counts as one message against the topic's limit, and librdkafka does not split a refused one: with
        // its million bytes a burst of small dead letters would be refused for being many.
        .set("batch.size", "65536")
        .set("delivery.timeout.ms", "30000")
        // A topic that is gone is said so, not made anew with the broker's defaults.
        .set("allow.auto.create.topics", "false")
        .set_log_level(RDKafkaLogLevel::Info);
    Ok(config)
}
