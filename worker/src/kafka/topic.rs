//! Whether a topic is there, asked before anything is sent to it or read from it.
//!
//! The question is a consumer's, with topic creation off: a producer's would make the topic on brokers that allow it.
//! Deliberately changes nothing; topics are made by `worker prepare`.

use std::time::Duration;

use engine::time::Time;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use runtime::Shutdown;
use snafu::{ResultExt, Snafu};

use super::client::{self, ClientLog};
use super::login::Login;
use super::rights::{Operation, Resource, grant};
use super::tls_files::TlsFiles;
use crate::clock::Clock;
use crate::config::Kafka;
use crate::roles::chain;

/// One question is given up after this, so that a stop is noticed.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Pause between two questions.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Log lines and errors passed on between two questions: with librdkafka's `debug=all` an error stands behind hundreds
/// of lines.
const EVENTS_AT_ONCE: usize = 4096;

/// Why nobody knows how many partitions a topic has, or it has none.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put the client's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make a Kafka client: check --client-config and the security flags"))]
    Create {
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// No broker answered in time.
    #[snafu(display(
        "no answer from Kafka at {addresses} within {}{}; check --bootstrap-servers, and that the broker runs",
        humantime::format_duration(*limit),
        trouble.as_ref().map(|trouble| format!(" ({trouble})")).unwrap_or_default()
    ))]
    Unreachable {
        /// Whom we asked.
        addresses: String,
        /// How long.
        limit: Duration,
        /// librdkafka's last word on the connection.
        trouble: Option<String>,
    },
    /// It is not there.
    #[snafu(display("topic {topic} does not exist on {addresses}; make it with `worker prepare --topic {topic}`"))]
    Missing {
        /// The topic.
        topic: String,
        /// Where.
        addresses: String,
    },
    /// A broker is there and does not let us in, or is not to be trusted.
    #[snafu(display("{words}"))]
    NotLetIn {
        /// Why, and what to mend.
        words: String,
    },
    /// We may not see it.
    #[snafu(display("topic {topic} may not be seen: {remedy}"))]
    NotAllowed {
        /// The topic.
        topic: String,
        /// How to get the right.
        remedy: String,
    },
    /// Something else is wrong with it.
    #[snafu(display("topic {topic} cannot be used: {reason}"))]
    Unusable {
        /// The topic.
        topic: String,
        /// The broker's word.
        reason: RDKafkaErrorCode,
    },
}

/// A client that joins no group has no rebalances and no commits to hear of.
impl ConsumerContext for ClientLog {}

/// How many partitions `topic` has. Asks until `limit` is over, or for ever without one; trouble is logged by the client,
/// each kind once in half a minute. A password or certificate that changes meanwhile is taken up. `None` when `shutdown`
/// came first.
///
/// # Errors
/// When the topic is not there or may not be seen, and, with a `limit`, when no broker answered within it, or lets us in.
pub(crate) fn partitions(
    kafka: &Kafka,
    topic: &str,
    limit: Option<Duration>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Result<Option<usize>, Error> {
    let mut asker = Asker::new(kafka)?;
    let deadline = limit.map(|limit| clock.now() + limit);
    while !shutdown.is_draining() {
        let left = deadline.map_or(ANSWER_WITHIN, |deadline| deadline.since(clock.now()).min(ANSWER_WITHIN));
        if let Some(answer) = ask(&asker.client, topic, left.max(ASK_AGAIN_AFTER), kafka) {
            return answer.map(Some);
        }
        serve(&asker.client);
        if let Some(limit) = limit {
            let log = asker.client.context();
            if let Some(trouble) = log.lasting_trouble() {
                return NotLetInSnafu { words: trouble.words }.fail();
            }
            if is_over(deadline, clock.now()) {
                let addresses = kafka.bootstrap_servers.clone();
                return UnreachableSnafu { addresses, limit, trouble: log.trouble() }.fail();
            }
        }
        asker.renew(kafka);
        shutdown.wait_timeout(ASK_AGAIN_AFTER);
    }
    Ok(None)
}

/// A client that asks, with the secrets as they are now.
struct Asker {
    client: BaseConsumer<ClientLog>,
    login: Login,
    files: TlsFiles,
}

impl Asker {
    fn new(kafka: &Kafka) -> Result<Self, Error> {
        let (login, files) = (Login::of(&kafka.security), TlsFiles::of(&kafka.security));
        let mut config = client::base(kafka, "look").context(SettingsSnafu)?;
        config.set("allow.auto.create.topics", "false").set_log_level(RDKafkaLogLevel::Info);
        client::override_with(&mut config, kafka);
        let made = config.create_with_context(ClientLog::of(kafka));
        client::blame(&made, kafka).context(SettingsSnafu)?;
        Ok(Self { client: made.context(CreateSnafu)?, login, files })
    }

    /// Takes up a password or certificate that has changed.
    fn renew(&mut self, kafka: &Kafka) {
        self.login.renew(self.client.client());
        if self.files.have_changed() {
            match Self::new(kafka) {
                Ok(asker) => *self = asker,
                Err(error) => {
                    tracing::warn!(target: "kafka", "{}; going on with the files as they were", chain(&error))
                }
            }
        }
    }
}

/// Passes the client's log lines and errors on; each call of `poll` takes one.
pub(super) fn serve(asker: &BaseConsumer<ClientLog>) {
    for _ in 0..EVENTS_AT_ONCE {
        drop(asker.poll(Duration::ZERO));
    }
}

fn is_over(deadline: Option<Time>, now: Time) -> bool {
    deadline.is_some_and(|deadline| now >= deadline)
}

/// One question; `None` when there is no useful answer yet.
fn ask(asker: &BaseConsumer<ClientLog>, topic: &str, within: Duration, kafka: &Kafka) -> Option<Result<usize, Error>> {
    let metadata = asker.fetch_metadata(Some(topic), within).ok()?;
    let found = metadata.topics().iter().find(|found| found.name() == topic)?;
    let Some(error) = found.error().map(RDKafkaErrorCode::from) else {
        // A topic that is being made has no partitions for a moment.
        return Some(found.partitions().len()).filter(|partitions| *partitions > 0).map(Ok);
    };
    match error {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            Some(MissingSnafu { topic, addresses: &kafka.bootstrap_servers }.fail())
        }
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            let remedy = grant(kafka, Operation::Describe, Resource::Topic(topic));
            Some(NotAllowedSnafu { topic, remedy }.fail())
        }
        RDKafkaErrorCode::InvalidTopic => Some(UnusableSnafu { topic, reason: error }.fail()),
        // The rest passes: no leader yet, a broker that is just coming up.
        _ => None,
    }
}
