//! Topics: look at them, create, grow and delete them, and read their settings.
//!
//! Each function does one thing and waits for the answer; what should be done is decided by `roles::prepare`. Existence
//! is asked through a consumer: a producer's question would make most brokers create the topic. Deliberately without a
//! way to alter settings, and without any of this on the embedded broker, which answers no admin requests.

mod error;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use snafu::{ResultExt, ensure};

use super::client::{self, ClientLog};
use super::login::Login;
use super::rights::{Resource, grant};
use super::topic;
use super::trouble::Kind;
use crate::clock::Clock;
use crate::config::{BrokerKind, Kafka};
use error::{
    EmbeddedSnafu, ForbiddenSnafu, MakeClientSnafu, NoAnswerSnafu, NotLetInSnafu, RefusedSnafu, SettingsSnafu,
    UnreachableSnafu,
};
pub(crate) use error::{Error, Task};

/// How long one question or order may take once the brokers were reached.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two questions about a topic that was just made.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A topic that was made is known to all brokers after this, and one that still has no settings may not be read.
const KNOWN_EVERYWHERE_AFTER: Duration = Duration::from_secs(2);
/// How long the first attempt to reach a broker lasts; each further one twice as long, for brokers that are slow to
/// answer. Between two, what the client has to say is logged.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// How a topic is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its partitions.
    pub(crate) partitions: i32,
    /// Copies of its first partition.
    pub(crate) replication: i32,
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its partitions.
    pub(crate) partitions: i32,
    /// Copies of each; `None` = the broker's default.
    pub(crate) replication: Option<i32>,
    /// Its settings.
    pub(crate) settings: Vec<(&'a str, String)>,
}

/// A connection that was seen to work.
pub(crate) struct Admin {
    client: AdminClient<ClientLog>,
    /// Asks about topics without creating them.
    asker: BaseConsumer<ClientLog>,
    /// What the clients were made of.
    kafka: Kafka,
    login: Login,
    clock: Clock,
}

impl Admin {
    /// Waits until a broker answers a question about `topic`, for as long as `--connect-timeout` says.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with the addresses when nobody answers; [`Error::Embedded`] for the embedded broker.
    pub(crate) fn connect(kafka: &Kafka, topic: &str, clock: Clock) -> Result<Self, Error> {
        ensure!(kafka.broker_kind == BrokerKind::Kafka, EmbeddedSnafu);
        let mut config = client::base(kafka, "admin").context(SettingsSnafu)?;
        client::override_with(&mut config, kafka);
        let (log, login) = (ClientLog::of(kafka), Login::of(&kafka.security));
        let made = config.create_with_context(log.clone());
        client::blame(&made, kafka).context(SettingsSnafu)?;
        let client = made.context(MakeClientSnafu)?;
        let asker: BaseConsumer<ClientLog> = config.create_with_context(log).context(MakeClientSnafu)?;
        let admin = Self { client, asker, kafka: kafka.clone(), login, clock };
        admin.wait_for_answer(topic)?;
        Ok(admin)
    }

    fn wait_for_answer(&self, topic: &str) -> Result<(), Error> {
        let (waited, addresses) = (self.kafka.connect_timeout, &self.kafka.bootstrap_servers);
        let end = self.clock.now() + waited;
        let mut attempt = FIRST_ATTEMPT;
        loop {
            let left = end.since(self.clock.now());
            // Less than a millisecond is no time for librdkafka: it would be asked hundreds of times in the last one.
            let within = left.min(attempt).max(ASK_AGAIN_AFTER);
            let Err(error) = self.asker.fetch_metadata(Some(topic), within) else { return Ok(()) };
            topic::serve(&self.asker);
            if let Some(trouble) = self.asker.context().lasting_trouble() {
                return NotLetInSnafu { words: trouble.words, kind: trouble.kind }.fail();
            }
            if self.clock.now() >= end {
                let trouble = self.asker.context().last();
                let kind = trouble.as_ref().map_or(Kind::Silence, |trouble| trouble.kind);
                let trouble = trouble.map_or_else(|| error.to_string(), |trouble| trouble.words);
                return UnreachableSnafu { addresses, waited, trouble, kind }.fail();
            }
            self.renew_login();
            attempt = attempt.saturating_mul(2);
        }
    }

    fn renew_login(&self) {
        self.login.renew(self.asker.client());
        self.login.renew(self.client.inner());
    }

    /// Passes on what the client has to say until it is worth asking again.
    fn pause(&self) {
        drop(self.asker.poll(ASK_AGAIN_AFTER));
        topic::serve(&self.asker);
    }

    /// The topic, if it is there.
    pub(crate) fn find(&self, topic: &str) -> Result<Option<Found>, Error> {
        let task = Task::Describe;
        let metadata = self.asker.fetch_metadata(Some(topic), ANSWER_WITHIN).context(NoAnswerSnafu { task, topic })?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        if let Some(error) = found.error() {
            let code = RDKafkaErrorCode::from(error);
            return if is_missing(code) { Ok(None) } else { Err(self.refusal(task, topic, code)) };
        }
        let replication = found.partitions().first().map_or(0, |partition| count(partition.replicas().len()));
        Ok(Some(Found { partitions: count(found.partitions().len()), replication }))
    }

    /// The settings of a topic that is there, defaults included.
    ///
    /// rdkafka passes a refusal on as a topic without any setting, which there is none of. Not every broker knows a
    /// topic that was made a moment ago, so it is asked again for a while.
    pub(crate) fn settings(&self, topic: &str) -> Result<BTreeMap<String, String>, Error> {
        let task = Task::ReadSettings;
        let end = self.clock.now() + KNOWN_EVERYWHERE_AFTER;
        loop {
            let asked = [ResourceSpecifier::Topic(topic)];
            let answer =
                wait(self.client.describe_configs(&asked, &options())).context(NoAnswerSnafu { task, topic })?;
            let entries = answer.into_iter().flatten().flat_map(|found| found.entries);
            let settings: BTreeMap<_, _> = entries.filter_map(|entry| Some((entry.name, entry.value?))).collect();
            if !settings.is_empty() {
                return Ok(settings);
            }
            if self.clock.now() >= end {
                return Err(forbidden(&self.kafka, task, topic));
            }
            self.pause();
        }
    }

    /// Makes a topic; `false` if it was there already (somebody else was faster).
    pub(crate) fn create(&self, made: &Made<'_>) -> Result<bool, Error> {
        let replication = TopicReplication::Fixed(made.replication.unwrap_or(-1));
        let mut topic = NewTopic::new(made.name, made.partitions, replication);
        for (key, value) in &made.settings {
            topic = topic.set(key, value);
        }
        let answer = wait(self.client.create_topics([&topic], &options()));
        match self.judge(Task::Create, made.name, answer) {
            Ok(()) => Ok(true),
            Err(error) if error.has_code(RDKafkaErrorCode::TopicAlreadyExists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until the topic is seen with at least this many partitions.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not seen in time.
    pub(crate) fn wait_for(&self, topic: &str, partitions: i32) -> Result<Found, Error> {
        let end = self.clock.now() + ANSWER_WITHIN;
        loop {
            match self.find(topic)? {
                Some(found) if found.partitions >= partitions => return Ok(found),
                Some(_) | None if self.clock.now() < end => self.pause(),
                Some(_) | None => {
                    return Err(self.refusal(Task::Describe, topic, RDKafkaErrorCode::UnknownTopicOrPartition));
                }
            }
        }
    }

    /// Gives a topic that is there more partitions, `to` in all.
    pub(crate) fn grow(&self, topic: &str, to: i32) -> Result<(), Error> {
        let new = NewPartitions::new(topic, usize::try_from(to).unwrap_or_default());
        let answer = wait(self.client.create_partitions([&new], &options()));
        match self.judge(Task::Grow, topic, answer) {
            // Somebody else grew it in the meantime; the caller sees what is there now.
            Err(error) if error.has_code(RDKafkaErrorCode::InvalidPartitions) && self.has(topic, to)? => Ok(()),
            answer => answer,
        }
    }

    fn has(&self, topic: &str, partitions: i32) -> Result<bool, Error> {
        Ok(self.find(topic)?.is_some_and(|found| found.partitions >= partitions))
    }

    /// Removes a topic with all its records; `false` if there was none.
    pub(crate) fn delete(&self, topic: &str) -> Result<bool, Error> {
        let answer = wait(self.client.delete_topics(&[topic], &options()));
        match self.judge(Task::Delete, topic, answer) {
            Ok(()) => Ok(true),
            Err(error) if error.has_code(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Admin {
    /// What became of an order about one topic.
    fn judge(
        &self,
        task: Task,
        topic: &str,
        answer: Result<Vec<rdkafka::admin::TopicResult>, KafkaError>,
    ) -> Result<(), Error> {
        match answer.context(NoAnswerSnafu { task, topic })?.into_iter().next() {
            Some(Err((_, code))) => Err(self.refusal(task, topic, code)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    fn refusal(&self, task: Task, topic: &str, code: RDKafkaErrorCode) -> Error {
        refusal(&self.kafka, task, topic, code)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WITHIN)).operation_timeout(Some(ANSWER_WITHIN))
}

fn refusal(kafka: &Kafka, task: Task, topic: &str, code: RDKafkaErrorCode) -> Error {
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            forbidden(kafka, task, topic)
        }
        code => RefusedSnafu { task, topic, code }.build(),
    }
}

fn forbidden(kafka: &Kafka, task: Task, topic: &str) -> Error {
    ForbiddenSnafu { task, topic, remedy: grant(kafka, task.right(), Resource::Topic(topic)) }.build()
}

fn is_missing(code: RDKafkaErrorCode) -> bool {
    [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::UnknownTopic].contains(&code)
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Waits for an answer that the admin client's own thread brings: any executor will do.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    let executor = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O needs nothing");
    executor.block_on(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::{plain, with_password};

    #[test]
    fn a_missing_right_is_named() {
        let kafka = with_password("alice", "/etc/password");
        let named = |task, code| refusal(&kafka, task, "orders", code).to_string();
        for code in [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::ClusterAuthorizationFailed] {
            for (task, right) in [
                (Task::Describe, "Describe"),
                (Task::ReadSettings, "DescribeConfigs"),
                (Task::Create, "Create"),
                (Task::Grow, "Alter"),
                (Task::Delete, "Delete"),
            ] {
                let expected =
                    format!("may not {task} topic orders: allow User:alice the operation {right} on topic orders (");
                assert!(named(task, code).starts_with(&expected), "{}", named(task, code));
            }
        }
    }

    #[test]
    fn another_refusal_says_what_the_broker_said() {
        let error = refusal(&plain("kafka:9092"), Task::Create, "orders", RDKafkaErrorCode::InvalidReplicationFactor);
        assert!(!error.is_forbidden());
        assert!(error.to_string().starts_with("cannot create topic orders: the broker answers "), "{error}");
    }
}
