//! A member of a consumer group that reads partition by partition: joins, starts where it is told, commits.
//!
//! It decides nothing: the rebalances that the group asks for come out of [`Source::serve`] as events, and the caller
//! says where each partition starts and what is committed. Deliberately without automatic commits, offset resets,
//! pausing, or a shared queue.
//!
//! Everything here belongs to one thread. Lists of partitions never leave a function, because a live one would hang the
//! consumer when it is dropped.

mod error;
mod member;

use std::ffi::CString;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use snafu::{OptionExt, ResultExt, ensure};

use super::client;
use super::ffi::{CommitQueue, PartitionReader};
use super::login::Login;
use super::rights::{Operation, Resource, grant};
use crate::config::{BrokerKind, Kafka};
pub(crate) use error::Error;
use error::{
    AssignSnafu, CommitSnafu, CreateSnafu, FatalSnafu, NoPartitionSnafu, NoQueueSnafu, ReadCommittedSnafu,
    ReadWatermarksSnafu, SettingsSnafu, StraySnafu, SubscribeSnafu,
};
pub(crate) use member::Member;

/// How long one question to the brokers (offsets, watermarks) may take: well below a tenth of `max.poll.interval.ms`.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How many main-queue events one call of [`Source::serve`] handles at most.
const EVENTS_AT_ONCE: usize = 16;

/// What the group and the brokers tell the member.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// These partitions are to be started with [`Source::start`]; nothing else moves in the group until then.
    Assigned(Vec<i32>),
    /// These are to be given back with [`Source::give_back`]. `lost`: the group gave them to others already, and
    /// nothing may be committed for them.
    Revoked {
        /// Which.
        partitions: Vec<i32>,
        /// Whether they are others' already.
        lost: bool,
    },
    /// A commit was answered.
    Committed(Answered),
    /// The topic is gone; in words.
    Trouble(String),
    /// A right is missing; in words that say how to give it.
    Forbidden(String),
}

/// The answer to a commit.
#[derive(Debug, PartialEq)]
pub(crate) struct Answered {
    /// The number that was given along.
    pub(crate) number: usize,
    /// For each partition the committed offset, or why not.
    pub(crate) partitions: Vec<(i32, Result<i64, RDKafkaErrorCode>)>,
}

/// Where a partition's log begins and ends: the first offset there is, and the one after the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// The first offset there is.
    pub(crate) low: i64,
    /// The offset after the last record.
    pub(crate) high: i64,
}

/// A commit of one partition: the lowest unresolved offset, and what is said with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    /// The partition.
    pub(crate) partition: i32,
    /// The offset to go on from.
    pub(crate) offset: i64,
    /// ASCII text kept with it.
    pub(crate) metadata: String,
}

/// A group member; see the module.
pub(crate) struct Source {
    topic: String,
    topic_name: CString,
    group: String,
    /// What the client was made of.
    kafka: Kafka,
    login: Login,
    waker: Thread,
    /// Dropped before the client it belongs to.
    answers: CommitQueue<Member>,
    consumer: Arc<BaseConsumer<Member>>,
}

/// A partition's committed offset with its metadata; `None` where there is no commit.
pub(crate) type Committed = (i32, Option<(i64, String)>);

/// A reader of one partition of a [`Source`].
pub(crate) type Reader = PartitionReader<Member>;

impl Source {
    /// A member of `group` that has not joined yet. `waker` is the thread that reads: it is unparked when something
    /// arrives.
    pub(crate) fn new(kafka: &Kafka, group: &str, topic: &str, waker: Thread) -> Result<Self, Error> {
        let login = Login::of(&kafka.security);
        let consumer: BaseConsumer<Member> =
            settings(kafka, group)?.create_with_context(Member::new(kafka)).context(CreateSnafu { group })?;
        let topic_name = CString::new(topic).unwrap_or_default();
        let consumer = Arc::new(consumer);
        let answers = CommitQueue::new(&consumer).context(NoQueueSnafu { group })?;
        let (topic, group, kafka) = (topic.to_owned(), group.to_owned(), kafka.clone());
        Ok(Self { topic, topic_name, group, kafka, login, waker, answers, consumer })
    }

    /// Joins the group; [`Event::Assigned`] follows.
    pub(crate) fn join(&self) -> Result<(), Error> {
        let (group, topic) = (&self.group, &self.topic);
        self.consumer.subscribe(&[topic]).context(SubscribeSnafu { group, topic })
    }

    /// The last connection trouble in librdkafka's words.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.consumer.context().trouble()
    }

    /// Serves the main queue without waiting and returns what came of it. Call it every few milliseconds. A password that
    /// has changed is taken up.
    pub(crate) fn serve(&self) -> Result<Vec<Event>, Error> {
        self.login.renew(self.consumer.client());
        for _ in 0..EVENTS_AT_ONCE {
            match self.consumer.poll(Duration::ZERO) {
                None => {
                    if self.consumer.context().is_empty() {
                        break;
                    }
                }
                Some(Ok(_)) => return StraySnafu { topic: &self.topic }.fail(),
                Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(source).context(FatalSnafu { group: &self.group, topic: &self.topic });
                }
                Some(Err(error)) => self.note_trouble(&error),
            }
        }
        let mut events = self.consumer.context().take();
        for answered in std::iter::from_fn(|| self.answered()) {
            let refused =
                answered.partitions.iter().find_map(|(_, answer)| self.missing_right(*answer.as_ref().err()?));
            events.extend(refused.map(Event::Forbidden));
            events.push(Event::Committed(answered));
        }
        Ok(events)
    }

    /// What right is missing where the brokers refuse with this code, and how to give it.
    fn missing_right(&self, code: RDKafkaErrorCode) -> Option<String> {
        match code {
            RDKafkaErrorCode::TopicAuthorizationFailed => Some(self.may_not_read()),
            RDKafkaErrorCode::GroupAuthorizationFailed => {
                let remedy = grant(&self.kafka, Operation::Read, Resource::Group(&self.group));
                Some(format!("may not join group {}: {remedy}", self.group))
            }
            _ => None,
        }
    }

    /// The next answer to a commit, if one is there.
    pub(crate) fn answered(&self) -> Option<Answered> {
        self.answers.answers().map(|(number, partitions)| Answered { number, partitions })
    }

    /// Connections mend by themselves, and the client's log tells of them; a topic or a right that is gone does not.
    fn note_trouble(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if let Some(words) = code.and_then(|code| self.missing_right(code)) {
            self.consumer.context().push(Event::Forbidden(words));
            return;
        }
        match code {
            Some(code @ (RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition)) => {
                self.consumer.context().push(Event::Trouble(format!("topic {}: {code}", self.topic)));
            }
            _ => tracing::debug!(target: "kafka", "{error}"),
        }
    }

    /// That the topic is closed to us, and how to open it.
    pub(crate) fn may_not_read(&self) -> String {
        let remedy = grant(&self.kafka, Operation::Read, Resource::Topic(&self.topic));
        format!("may not read topic {}: {remedy}", self.topic)
    }

    /// The offsets that the group committed.
    pub(crate) fn committed(&self, partitions: &[i32]) -> Result<Vec<Committed>, Error> {
        let asked = self.list(partitions);
        let answer =
            self.consumer.committed_offsets(asked, ANSWER_WITHIN).context(ReadCommittedSnafu { group: &self.group })?;
        let mut found = Vec::with_capacity(partitions.len());
        for element in answer.elements() {
            element.error().context(ReadCommittedSnafu { group: &self.group })?;
            let commit = match element.offset() {
                Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
            };
            found.push((element.partition(), commit));
        }
        Ok(found)
    }

    /// Asks the partition's leader where its log begins and ends.
    pub(crate) fn bounds(&self, partition: i32) -> Result<Bounds, Error> {
        let (low, high) = self
            .consumer
            .fetch_watermarks(&self.topic, partition, ANSWER_WITHIN)
            .context(ReadWatermarksSnafu { topic: &self.topic, partition })?;
        Ok(Bounds { low, high })
    }

    /// Takes the partitions that [`Event::Assigned`] named, each from the offset given, and answers with their readers.
    pub(crate) fn start(&self, starts: &[(i32, i64)]) -> Result<Vec<Reader>, Error> {
        let mut readers = Vec::with_capacity(starts.len());
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for &(partition, offset) in starts {
            let reader = Reader::detach(&self.consumer, &self.topic, partition, self.waker.clone());
            ensure!(reader.is_some(), NoPartitionSnafu { topic: &self.topic, partition });
            readers.extend(reader);
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
                .context(AssignSnafu { topic: &self.topic })?;
        }
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.consumer.assign(&list),
        }
        .context(AssignSnafu { topic: &self.topic })?;
        Ok(readers)
    }

    /// Gives back what [`Event::Revoked`] named. Their readers must be dropped before.
    pub(crate) fn give_back(&self, partitions: &[i32]) -> Result<(), Error> {
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_unassign(&self.list(partitions)),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.consumer.unassign(),
        }
        .context(AssignSnafu { topic: &self.topic })
    }

    /// Sends a commit; the answer comes as [`Event::Committed`] with this number.
    pub(crate) fn commit(&self, commits: &[Commit], number: usize) -> Result<(), Error> {
        let list = self.offsets(commits)?;
        let sent = self.answers.commit(&list, number).map_err(KafkaError::ConsumerCommit);
        sent.context(CommitSnafu { group: &self.group })
    }

    /// Commits and waits for the answer.
    pub(crate) fn commit_and_wait(&self, commits: &[Commit]) -> Result<(), Error> {
        let list = self.offsets(commits)?;
        self.consumer.commit(&list, CommitMode::Sync).context(CommitSnafu { group: &self.group })
    }

    fn offsets(&self, commits: &[Commit]) -> Result<TopicPartitionList, Error> {
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for commit in commits {
            let mut element = list.add_partition(&self.topic, commit.partition);
            element.set_metadata(&commit.metadata);
            element.set_offset(Offset::Offset(commit.offset)).context(CommitSnafu { group: &self.group })?;
        }
        Ok(list)
    }

    /// The end of the reader's partition as of the last fetch.
    pub(crate) fn known_end(&self, reader: &Reader) -> Option<i64> {
        reader.known_bounds(&self.topic_name).map(|(_, high)| high)
    }

    /// The offset of the next record to come, if everything before it was handed out; `None` while there is more, and
    /// before the first fetch. `position` is the offset behind the last record that the caller took.
    ///
    /// Deliberately not librdkafka's end-of-partition event: its batch call takes that for a record and moves the
    /// client's position past the end, from where the next rebalance resumes: out of range.
    pub(crate) fn reached_end(&self, reader: &Reader, position: i64) -> Option<i64> {
        if reader.current().is_some() {
            return None;
        }
        let end = self.known_bounds(reader)?.high;
        if position >= end {
            return Some(position);
        }
        // Markers of transactions and compacted records have offsets, but never arrive.
        self.handed_out(reader.partition()).filter(|next| *next >= end)
    }

    /// The offset behind all that the client handed out, markers included; `None` before the first record.
    fn handed_out(&self, partition: i32) -> Option<i64> {
        let positions = self.consumer.position().ok()?;
        match positions.find_partition(&self.topic, partition)?.offset() {
            Offset::Offset(next) => Some(next),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
        }
    }

    /// Where the log of the reader's partition begins and ends as of the last fetch.
    pub(crate) fn known_bounds(&self, reader: &Reader) -> Option<Bounds> {
        reader.known_bounds(&self.topic_name).map(|(low, high)| Bounds { low, high })
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.consumer.context().close();
    }
}

/// The settings of every consumer of a group, embedded or real.
fn settings(kafka: &Kafka, group: &str) -> Result<ClientConfig, Error> {
    let mut config = client::base(kafka, "consumer").context(SettingsSnafu)?;
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("queued.min.messages", "20000")
        // Of each partition: 4 MiB are no faster, and six queues of small records then take three times the memory.
        .set("queued.max.messages.kbytes", "1024")
        .set_log_level(RDKafkaLogLevel::Info);
    match kafka.broker_kind {
        BrokerKind::Kafka => {
            config
                .set("auto.offset.reset", "error")
                .set("fetch.queue.backoff.ms", "1")
                .set("fetch.wait.max.ms", "50")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", "10000")
                .set("heartbeat.interval.ms", "3000");
        }
        // It sleeps through a long poll, answers resets from an old log start, and re-forms classic groups slowly.
        BrokerKind::Embedded => {
            config
                .set("auto.offset.reset", "earliest")
                .set("fetch.queue.backoff.ms", "5")
                .set("fetch.wait.max.ms", "10")
                .set("fetch.error.backoff.ms", "0")
                .set("group.protocol", "consumer");
        }
    }
    client::override_with(&mut config, kafka);
    Ok(config)
}
