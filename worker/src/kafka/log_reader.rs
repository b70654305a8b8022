//! A short-lived client that reads partitions from one offset to another, and asks what the group committed.
//!
//! It joins no group and commits nothing, and it lives and dies on the thread that made it. Used to recover state beside
//! the consumer's loop. What retention or compaction took away is passed over; foreign records are the caller's to judge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::time::Time;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use snafu::{IntoError, OptionExt, ResultExt, Snafu, ensure};

use super::client::{self, ClientLog};
use super::ffi::{Entry, PartitionReader};
use super::rights::{Operation, Resource, grant};
use super::source::{Bounds, Committed};
use super::topic;
use crate::clock::Clock;
use crate::config::{BrokerKind, Kafka};

/// How long one question to the brokers may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Without a record for so long, reading has failed.
const SILENCE: Duration = Duration::from_secs(15);

/// The longest rest between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Records taken from one partition before the next has its turn.
const BATCH: usize = 1000;

/// What can go wrong.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put the reader's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make a reader: check --client-config"))]
    Create {
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// The committed offsets could not be read.
    #[snafu(display("cannot read the committed offsets of group {group}"))]
    ReadCommitted {
        /// The group.
        group: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// The ends of a partition could not be read.
    #[snafu(display("cannot read where partition {partition} of topic {topic} begins and ends"))]
    ReadWatermarks {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// How many partitions there are could not be read.
    #[snafu(display("cannot look at topic {topic}"))]
    Look {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// A right is missing.
    #[snafu(display("{words}"))]
    Forbidden {
        /// Which, and how to get it.
        words: String,
    },
    /// It is not there.
    #[snafu(display("cannot read topic {topic}: {code}; it has to be there"))]
    Refused {
        /// The topic.
        topic: String,
        /// The broker's word.
        code: RDKafkaErrorCode,
    },
    /// librdkafka does not take the partitions.
    #[snafu(display("cannot read partitions of topic {topic}"))]
    Assign {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// A partition has no queue.
    #[snafu(display("topic {topic} has no partition {partition}"))]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// Nothing came for a while.
    #[snafu(display("topic {topic} was not read to its end: no record for {} s", SILENCE.as_secs()))]
    Silent {
        /// The topic.
        topic: String,
    },
    /// Nobody waits for the answer any more.
    #[snafu(display("reading topic {topic} was given up"))]
    GivenUp {
        /// The topic.
        topic: String,
    },
}

impl Error {
    /// Whether the same call may go through later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::ReadCommitted { .. } | Self::ReadWatermarks { .. } | Self::Look { .. } | Self::Silent { .. } => true,
            Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::Settings { .. }
            | Self::Create { .. }
            | Self::Assign { .. }
            | Self::NoPartition { .. }
            | Self::GivenUp { .. } => false,
        }
    }
}

/// A piece of a partition to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The partition.
    pub(crate) partition: i32,
    /// The first offset to read.
    pub(crate) from: i64,
    /// The offset to stop before.
    pub(crate) to: i64,
}

/// The client; see the module.
pub(crate) struct LogReader {
    consumer: Arc<BaseConsumer<ClientLog>>,
    group: String,
    /// What the client was made of.
    kafka: Kafka,
    clock: Clock,
    /// Set when nobody waits for the answer any more.
    given_up: Arc<AtomicBool>,
}

impl LogReader {
    /// A client that has not connected yet. Setting `given_up` ends what it is doing.
    pub(crate) fn new(kafka: &Kafka, group: &str, clock: Clock, given_up: Arc<AtomicBool>) -> Result<Self, Error> {
        let mut config = client::base(kafka, "recover").context(SettingsSnafu)?;
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // What is gone from a log's start is passed over here, and judged by the caller.
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("fetch.queue.backoff.ms", "1")
            .set("fetch.wait.max.ms", "10")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "16384")
            .set("allow.auto.create.topics", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        if kafka.broker_kind == BrokerKind::Embedded {
            config.set("fetch.error.backoff.ms", "0");
        }
        client::override_with(&mut config, kafka);
        let consumer = Arc::new(config.create_with_context(ClientLog::of(kafka)).context(CreateSnafu)?);
        Ok(Self { consumer, group: group.to_owned(), kafka: kafka.clone(), clock, given_up })
    }

    /// How many partitions a topic has.
    pub(crate) fn partitions(&self, topic: &str) -> Result<i32, Error> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER_WITHIN).context(LookSnafu { topic })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let code = RDKafkaErrorCode::UnknownTopicOrPartition;
        let found = found.context(RefusedSnafu { topic, code })?;
        if let Some(error) = found.error() {
            return Err(self.refused(topic, RDKafkaErrorCode::from(error)));
        }
        Ok(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX))
    }

    /// Why a topic cannot be read.
    fn refused(&self, topic: &str, code: RDKafkaErrorCode) -> Error {
        if code != RDKafkaErrorCode::TopicAuthorizationFailed {
            return RefusedSnafu { topic, code }.build();
        }
        let remedy = grant(&self.kafka, Operation::Read, Resource::Topic(topic));
        ForbiddenSnafu { words: format!("may not read topic {topic}: {remedy}") }.build()
    }

    /// Why the group's commits cannot be read.
    fn unread(&self, error: KafkaError) -> Error {
        topic::serve(&self.consumer);
        let is_closed = self.consumer.context().is_group_closed();
        if !is_closed && error.rdkafka_error_code() != Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            return ReadCommittedSnafu { group: &self.group }.into_error(error);
        }
        let remedy = grant(&self.kafka, Operation::Describe, Resource::Group(&self.group));
        ForbiddenSnafu { words: format!("may not read the commits of group {}: {remedy}", self.group) }.build()
    }

    /// The offsets that the group committed, with their metadata.
    pub(crate) fn committed(&self, topic: &str, partitions: &[i32]) -> Result<Vec<Committed>, Error> {
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            asked.add_partition(topic, partition);
        }
        let answer = self.consumer.committed_offsets(asked, ANSWER_WITHIN).map_err(|error| self.unread(error))?;
        let mut found = Vec::with_capacity(partitions.len());
        for element in answer.elements() {
            element.error().map_err(|error| self.unread(error))?;
            let commit = match element.offset() {
                Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
            };
            found.push((element.partition(), commit));
        }
        Ok(found)
    }

    /// Where a partition's log begins and ends.
    pub(crate) fn bounds(&self, topic: &str, partition: i32) -> Result<Bounds, Error> {
        let asked = self.consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN);
        let (low, high) = asked.context(ReadWatermarksSnafu { topic, partition })?;
        Ok(Bounds { low, high })
    }

    /// Reads stretches of a topic, each partition at most once, side by side; `each` sees the records of a partition in
    /// order.
    pub(crate) fn read(
        &self,
        topic: &str,
        stretches: &[Stretch],
        mut each: impl FnMut(i32, &Entry<'_>),
    ) -> Result<(), Error> {
        let mut open = self.open(topic, stretches)?;
        let mut heard_at = self.clock.now();
        while !open.is_empty() {
            ensure!(!self.given_up.load(Ordering::Acquire), GivenUpSnafu { topic });
            topic::serve(&self.consumer);
            let mut is_quiet = true;
            for (reader, stretch) in &mut open {
                is_quiet &= !reader.refill(BATCH);
                take(reader, stretch, &mut each).map_err(|code| self.refused(topic, code))?;
            }
            open.retain(|(_, stretch)| stretch.from < stretch.to);
            let now = self.clock.now();
            if !is_quiet {
                heard_at = now;
            } else if !open.is_empty() {
                ensure!(is_recent(heard_at, now), SilentSnafu { topic });
                std::thread::park_timeout(LOOK_EVERY);
            }
        }
        self.consumer.unassign().context(AssignSnafu { topic })
    }

    fn open(&self, topic: &str, stretches: &[Stretch]) -> Result<Vec<(PartitionReader<ClientLog>, Stretch)>, Error> {
        let mut open = Vec::new();
        let mut list = TopicPartitionList::new();
        for stretch in stretches.iter().filter(|stretch| stretch.from < stretch.to) {
            let partition = stretch.partition;
            let reader = PartitionReader::detach(&self.consumer, topic, partition, std::thread::current());
            open.push((reader.context(NoPartitionSnafu { topic, partition })?, *stretch));
            list.add_partition_offset(topic, partition, Offset::Offset(stretch.from)).context(AssignSnafu { topic })?;
        }
        if !open.is_empty() {
            self.consumer.assign(&list).context(AssignSnafu { topic })?;
        }
        Ok(open)
    }
}

fn is_recent(heard_at: Time, now: Time) -> bool {
    now.since(heard_at) < SILENCE
}

/// Takes what was fetched of one partition; its stretch begins behind that then.
fn take(
    reader: &mut PartitionReader<ClientLog>,
    stretch: &mut Stretch,
    each: &mut impl FnMut(i32, &Entry<'_>),
) -> Result<(), RDKafkaErrorCode> {
    while let Some(entry) = reader.current() {
        match entry.error() {
            None if entry.offset() < stretch.to => {
                each(stretch.partition, &entry);
                stretch.from = entry.offset() + 1;
            }
            // Behind the end that was asked for, or at the log's: what is missing will never come.
            None | Some(RDKafkaErrorCode::PartitionEOF) => stretch.from = stretch.to,
            Some(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition),
            ) => return Err(code),
            Some(code) => tracing::debug!(target: "kafka", partition = stretch.partition, %code, "reading again"),
        }
        reader.advance();
    }
    Ok(())
}
