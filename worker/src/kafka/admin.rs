//! Topics: look at them, create, grow and delete them, and read their settings.
//!
//! Each function does one thing and waits for the answer; what should be done is decided by `roles::prepare`. Existence
//! is asked through a consumer: a producer's question would make most brokers create the topic. Deliberately without a
//! way to alter settings, and without any of this on the embedded broker, which answers no admin requests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use snafu::{ResultExt, Snafu, ensure};

use super::client::{self, ClientLog};
use super::topic;
use crate::clock::Clock;
use crate::config::{BrokerKind, Kafka};

/// How long one question or order may take once the brokers were reached.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Pause between two questions about a topic that was just made.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A topic that was made is known to all brokers after this, and one that still has no settings may not be read.
const KNOWN_EVERYWHERE_AFTER: Duration = Duration::from_secs(2);
/// How long the first attempt to reach a broker lasts; each further one twice as long, for brokers that are slow to
/// answer. Between two, what the client has to say is logged.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);

/// What can go wrong between us and the brokers.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// The embedded broker was asked.
    #[snafu(display(
        "the embedded broker answers no admin requests, so its topics cannot be prepared; `worker demo` makes its own"
    ))]
    Embedded,
    /// The settings cannot be put together.
    #[snafu(display("cannot put the admin client's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make an admin client: check --client-config"))]
    MakeClient {
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// Nobody answered in time.
    #[snafu(display(
        "no broker answered at {addresses} within {} s ({trouble}); check --bootstrap-servers",
        waited.as_secs_f64()
    ))]
    Unreachable {
        /// Where we looked.
        addresses: String,
        /// For how long.
        waited: Duration,
        /// The last trouble in librdkafka's words.
        trouble: String,
        /// What kind of trouble that is.
        kind: Trouble,
    },
    /// We have no right to it.
    #[snafu(display("may not {task} topic {topic}: allow this user the operation {}", task.right()))]
    Forbidden {
        /// What was tried.
        task: Task,
        /// With which topic.
        topic: String,
    },
    /// The broker said no.
    #[snafu(display("cannot {task} topic {topic}: the broker answers {code}"))]
    Refused {
        /// What was tried.
        task: Task,
        /// With which topic.
        topic: String,
        /// Its answer.
        code: RDKafkaErrorCode,
    },
    /// The question or order got no answer.
    #[snafu(display("cannot {task} topic {topic}: no answer"))]
    NoAnswer {
        /// What was tried.
        task: Task,
        /// With which topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
}

/// What may be tried with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Ask whether it is there and how many partitions it has.
    Describe,
    /// Read its settings.
    ReadSettings,
    /// Make it.
    Create,
    /// Give it more partitions.
    Grow,
    /// Remove it with all its records.
    Delete,
}

impl Task {
    /// The right that a broker with ACLs asks for.
    fn right(self) -> &'static str {
        match self {
            Task::Describe => "Describe on the topic",
            Task::ReadSettings => "DescribeConfigs on the topic",
            Task::Create => "Create on the topic or on the cluster",
            Task::Grow => "Alter on the topic",
            Task::Delete => "Delete on the topic",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Task::Describe => "look at",
            Task::ReadSettings => "read the settings of",
            Task::Create => "create",
            Task::Grow => "add partitions to",
            Task::Delete => "delete",
        })
    }
}

/// Kinds of trouble on the way to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The name has no address.
    Name,
    /// TLS did not come about.
    Tls,
    /// Name or password was refused.
    Authentication,
    /// Nobody listens, or nobody answers.
    Silence,
}

impl Trouble {
    /// Sorts librdkafka's words for it.
    fn of(words: &str) -> Self {
        let says = |part: &str| words.contains(part);
        if says("Failed to resolve") {
            Trouble::Name
        } else if says("SASL") || says("uthentication") {
            Trouble::Authentication
        } else if says("SSL") || says("ssl://") || says("certificate") {
            Trouble::Tls
        } else {
            Trouble::Silence
        }
    }
}

impl Error {
    /// Whether a right is missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Error::Forbidden { .. })
    }

    /// Whether the brokers have too few members for the copies asked for.
    pub(crate) fn is_short_of_brokers(&self) -> bool {
        self.has_code(RDKafkaErrorCode::InvalidReplicationFactor)
    }

    fn has_code(&self, asked: RDKafkaErrorCode) -> bool {
        matches!(self, Error::Refused { code, .. } if *code == asked)
    }
}

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
        let log = ClientLog::default();
        let client = config.create_with_context(log.clone()).context(MakeClientSnafu)?;
        let asker: BaseConsumer<ClientLog> = config.create_with_context(log).context(MakeClientSnafu)?;
        let admin = Self { client, asker, clock };
        admin.wait_for_answer(kafka, topic)?;
        Ok(admin)
    }

    fn wait_for_answer(&self, kafka: &Kafka, topic: &str) -> Result<(), Error> {
        let (waited, addresses) = (kafka.connect_timeout, &kafka.bootstrap_servers);
        let end = self.clock.now() + waited;
        let mut attempt = FIRST_ATTEMPT;
        loop {
            let left = end.since(self.clock.now());
            let Err(error) = self.asker.fetch_metadata(Some(topic), left.min(attempt)) else { return Ok(()) };
            topic::serve(&self.asker);
            if self.clock.now() >= end {
                let trouble = self.asker.context().trouble().unwrap_or_else(|| error.to_string());
                let kind = Trouble::of(&trouble);
                return UnreachableSnafu { addresses, waited, trouble, kind }.fail();
            }
            attempt *= 2;
        }
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
            return if is_missing(code) { Ok(None) } else { Err(refusal(task, topic, code)) };
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
            ensure!(self.clock.now() < end, ForbiddenSnafu { task, topic });
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
        match judge(Task::Create, made.name, answer) {
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
                    return Err(refusal(Task::Describe, topic, RDKafkaErrorCode::UnknownTopicOrPartition));
                }
            }
        }
    }

    /// Gives a topic that is there more partitions, `to` in all.
    pub(crate) fn grow(&self, topic: &str, to: i32) -> Result<(), Error> {
        let new = NewPartitions::new(topic, usize::try_from(to).unwrap_or_default());
        let answer = wait(self.client.create_partitions([&new], &options()));
        match judge(Task::Grow, topic, answer) {
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
        match judge(Task::Delete, topic, answer) {
            Ok(()) => Ok(true),
            Err(error) if error.has_code(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WITHIN)).operation_timeout(Some(ANSWER_WITHIN))
}

/// What became of an order about one topic.
fn judge(task: Task, topic: &str, answer: Result<Vec<rdkafka::admin::TopicResult>, KafkaError>) -> Result<(), Error> {
    match answer.context(NoAnswerSnafu { task, topic })?.into_iter().next() {
        Some(Err((_, code))) => Err(refusal(task, topic, code)),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn refusal(task: Task, topic: &str, code: RDKafkaErrorCode) -> Error {
    let forbidden =
        [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::ClusterAuthorizationFailed].contains(&code);
    if forbidden { ForbiddenSnafu { task, topic }.build() } else { RefusedSnafu { task, topic, code }.build() }
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

    #[test]
    fn a_missing_right_is_named() {
        let named = |task, code| refusal(task, "orders", code).to_string();
        let topic = RDKafkaErrorCode::TopicAuthorizationFailed;
        let expected =
            "may not create topic orders: allow this user the operation Create on the topic or on the cluster";
        assert_eq!(named(Task::Create, topic), expected);
        assert_eq!(named(Task::Create, RDKafkaErrorCode::ClusterAuthorizationFailed), expected);
        for (task, right) in [
            (Task::Describe, "Describe"),
            (Task::ReadSettings, "DescribeConfigs"),
            (Task::Grow, "Alter"),
            (Task::Delete, "Delete"),
        ] {
            let expected = format!("may not {task} topic orders: allow this user the operation {right} on the topic");
            assert_eq!(named(task, topic), expected);
        }
    }

    #[test]
    fn trouble_is_sorted_by_what_the_client_says() {
        for (words, kind) in [
            ("kafka:9092/bootstrap: Failed to resolve 'kafka:9092': Name or service not known", Trouble::Name),
            (
                "sasl_plaintext://a:1/bootstrap: SASL authentication error: Authentication failed",
                Trouble::Authentication,
            ),
            ("ssl://a:1/bootstrap: SSL handshake failed: certificate verify failed", Trouble::Tls),
            ("127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused", Trouble::Silence),
        ] {
            assert_eq!(Trouble::of(words), kind, "{words}");
        }
    }

    #[test]
    fn another_refusal_says_what_the_broker_said() {
        let error = refusal(Task::Create, "orders", RDKafkaErrorCode::InvalidReplicationFactor);
        assert!(!error.is_forbidden());
        assert!(error.to_string().starts_with("cannot create topic orders: the broker answers "), "{error}");
    }
}
