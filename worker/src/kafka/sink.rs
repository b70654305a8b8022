//! The producer of orders: hands records to librdkafka and brings back what became of each.
//!
//! Reports are collected by a thread of rdkafka's and taken in batches by the role's own, so that sending a record costs
//! no lock that is fought over. Deliberately knows no orders: a record is bytes, and a token tells it apart.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::time::Time;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer};
use rdkafka::{ClientContext, Statistics};
use snafu::{ResultExt, Snafu};

use super::client::{self, ClientLog};
use super::login::Login;
use super::rights::{Operation, Resource, grant};
use crate::clock::Clock;
use crate::config::{Compression, Kafka};

/// Records that may wait in librdkafka or be on their way, 64 MiB at most. Enough for batches of thousands, and few enough
/// to stay in the processor's caches: with librdkafka's own 100,000 a record took 1.2 to 1.5 times the CPU time.
const MOST_QUEUED: u32 = 20_000;

/// One question of the warm-up is given up after this; records are sent all the same.
const WARM_UP_WITHIN: Duration = Duration::from_secs(1);

/// Why there is no producer, or no more.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put the producer's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make a producer for topic {topic}: check --client-config and the security flags"))]
    Create {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// We may not write to the topic.
    #[snafu(display("may not write to topic {topic}: {remedy}"))]
    Forbidden {
        /// The topic.
        topic: String,
        /// How to get the right.
        remedy: String,
    },
    /// The producer met an error after which its guarantees would not hold.
    #[snafu(display("the producer for topic {topic} cannot go on: {reason}; start it again"))]
    Broken {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        reason: String,
    },
}

/// Why a record is not in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undelivered(RDKafkaErrorCode);

impl fmt::Display for Undelivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RDKafkaErrorCode::PurgeQueue => formatter.write_str("not sent before the drain was over"),
            RDKafkaErrorCode::PurgeInflight => {
                formatter.write_str("sent, but not acknowledged before the drain was over")
            }
            RDKafkaErrorCode::MessageTimedOut => formatter.write_str("not acknowledged in time"),
            // The list is librdkafka's, and long; it has words for each.
            code => write!(formatter, "{code}"),
        }
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// What the sender gave along.
    pub(crate) token: usize,
    /// When the report came.
    pub(crate) at: Time,
    /// Partition and offset of a record that all in-sync replicas have.
    pub(crate) result: Result<(i32, i64), Undelivered>,
}

/// What became of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// librdkafka has it: there will be a report.
    Queued,
    /// No room: wait for reports, then send again.
    Full,
    /// It cannot be sent: there will be no report.
    Refused(Undelivered),
    /// Nothing can be sent any more; see [`Sink::broken`].
    Broken,
}

/// Sends records to one topic.
pub(crate) struct Sink {
    topic: String,
    /// What the producer was made of.
    kafka: Kafka,
    login: Login,
    producer: ThreadedProducer<Reports>,
    inbox: Arc<Inbox>,
}

impl Sink {
    /// Makes an idempotent producer for a topic that is there; it connects by itself, and keeps trying.
    pub(crate) fn new(kafka: &Kafka, topic: &str, compression: Compression, clock: Clock) -> Result<Self, Error> {
        let login = Login::of(&kafka.security);
        let mut config = client::base(kafka, "produce").context(SettingsSnafu)?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("compression.type", compression.client_name())
            // The partitioner of Java's clients: murmur2 of the key.
            .set("partitioner", "murmur2_random")
            .set("queue.buffering.max.messages", MOST_QUEUED.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .set_log_level(RDKafkaLogLevel::Info);
        client::override_with(&mut config, kafka);
        let inbox = Arc::new(Inbox::default());
        let context = Reports { inbox: Arc::clone(&inbox), clock, log: ClientLog::of(kafka) };
        let producer = config.create_with_context(context).context(CreateSnafu { topic })?;
        let sink = Self { topic: topic.to_owned(), kafka: kafka.clone(), login, producer, inbox };
        sink.warm_up();
        Ok(sink)
    }

    /// Gets the producer its id before the first record comes. librdkafka 2.12 asks for it when metadata arrives, but lets
    /// go of the bootstrap connection just then, and looks again only half a second later, or at the next metadata: the
    /// second question here, which goes over the new connection. The topic must be there, or a broker may make it.
    fn warm_up(&self) {
        for _ in 0..2 {
            if self.producer.client().fetch_metadata(Some(&self.topic), WARM_UP_WITHIN).is_err() {
                return;
            }
        }
    }

    /// Hands a record over; both slices are copied. Never waits.
    pub(crate) fn send(&self, key: &[u8], payload: &[u8], token: usize) -> Sent {
        let record = BaseRecord::with_opaque_to(&self.topic, token).key(key).payload(payload);
        match self.producer.send(record) {
            Ok(()) => Sent::Queued,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Sent::Full,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::Fatal), _)) => Sent::Broken,
            Err((error, _)) => Sent::Refused(undelivered(&error)),
        }
    }

    /// Takes up a password that has changed.
    pub(crate) fn renew_login(&self, now: Time) {
        self.login.renew_at(self.producer.client(), now);
    }

    /// That the topic is closed to us, if the broker said so of a record.
    pub(crate) fn forbidden(&self) -> Option<Error> {
        self.inbox.is_forbidden.load(Ordering::Relaxed).then(|| self.may_not_write())
    }

    fn may_not_write(&self) -> Error {
        let remedy = grant(&self.kafka, Operation::Write, Resource::Topic(&self.topic));
        ForbiddenSnafu { topic: &self.topic, remedy }.build()
    }

    /// Why nothing can be sent any more.
    pub(crate) fn broken(&self) -> Error {
        let (topic, fatal) = (&self.topic, self.producer.client().fatal_error());
        // An idempotent producer asks for its id first, which brokers refuse to who may write to no topic at all.
        if fatal.as_ref().is_some_and(|(code, _)| *code == RDKafkaErrorCode::ClusterAuthorizationFailed) {
            return self.may_not_write();
        }
        let reason = fatal.map_or_else(|| "librdkafka gives no reason".to_owned(), |(_, reason)| reason);
        BrokenSnafu { topic, reason }.build()
    }

    /// Moves the reports that have come to the end of `deliveries`.
    pub(crate) fn take(&self, deliveries: &mut Vec<Delivery>) {
        let mut waiting = self.inbox.lock();
        if deliveries.is_empty() {
            mem::swap(&mut *waiting, deliveries);
        } else {
            deliveries.append(&mut waiting);
        }
    }

    /// Waits until there is a report to take, at most for `limit`.
    pub(crate) fn wait(&self, limit: Duration) {
        let waiting = self.inbox.lock();
        let waited = self.inbox.arrived.wait_timeout_while(waiting, limit, |waiting| waiting.is_empty());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives up what is still queued or on its way: there will be a report for each, that it was not delivered.
    pub(crate) fn give_up(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sink").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// Reports that wait to be taken.
#[derive(Default)]
struct Inbox {
    waiting: Mutex<Vec<Delivery>>,
    arrived: Condvar,
    is_forbidden: AtomicBool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Delivery>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, delivery: Delivery) {
        let mut waiting = self.lock();
        waiting.push(delivery);
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
    }
}

/// Where librdkafka's reports arrive.
struct Reports {
    inbox: Arc<Inbox>,
    clock: Clock,
    log: ClientLog,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.log.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, token: usize) {
        let result = match report {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
                    self.inbox.is_forbidden.store(true, Ordering::Relaxed);
                }
                Err(undelivered(error))
            }
        };
        self.inbox.put(Delivery { token, at: self.clock.now(), result });
    }
}

fn undelivered(error: &KafkaError) -> Undelivered {
    Undelivered(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown))
}
