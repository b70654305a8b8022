//! What every Kafka client of the worker has in common: settings, logging, and the words for connection trouble.
//!
//! Deliberately no consumer or producer here; see `source` and `sink`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;
use snafu::{ResultExt, Snafu};

use crate::config::{BrokerKind, Kafka, Security};

/// How often the same connection trouble is said again.
const REPEAT_AFTER: Duration = Duration::from_secs(30);

/// What can go wrong before a client exists.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// The password's file cannot be read.
    #[snafu(display("cannot read the password from {}: check --sasl-password-file", path.display()))]
    ReadPassword {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The settings that all clients share: where the brokers are, how to reach them, and what the user added.
///
/// `role` becomes part of the client id, which brokers show in their logs and quotas.
///
/// # Errors
/// When the password's file cannot be read.
pub(crate) fn base(kafka: &Kafka, role: &str) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("client.id", format!("order-pipeline-{role}"))
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true")
        .set("log.connection.close", "false");
    match kafka.broker_kind {
        BrokerKind::Kafka => {}
        // The embedded broker speaks plain text on loopback, so that a slow first look-up is never its fault.
        BrokerKind::Embedded => {
            config.set("reconnect.backoff.max.ms", "1000").set("broker.address.family", "v4");
        }
    }
    secure(&mut config, &kafka.security)?;
    Ok(config)
}

/// The user's own settings, last: they win over ours. What the pipeline owns was refused before.
pub(crate) fn override_with(config: &mut ClientConfig, kafka: &Kafka) {
    for (key, value) in &kafka.client_config {
        config.set(key, value);
    }
}

/// Adds what of the security settings is set.
fn secure(config: &mut ClientConfig, security: &Security) -> Result<(), Error> {
    config.set("security.protocol", security.protocol.client_name());
    let files = [
        ("ssl.ca.location", &security.ca_file),
        ("ssl.certificate.location", &security.certificate_file),
        ("ssl.key.location", &security.key_file),
    ];
    for (key, file) in files {
        if let Some(file) = file {
            config.set(key, file.to_string_lossy());
        }
    }
    if let Some(sasl) = &security.sasl {
        let path = &sasl.password_file;
        let password = std::fs::read_to_string(path).context(ReadPasswordSnafu { path })?;
        config
            .set("sasl.mechanism", sasl.mechanism.client_name())
            .set("sasl.username", &sasl.username)
            .set("sasl.password", password.trim_end_matches(['\r', '\n']));
    }
    Ok(())
}

/// Receives a client's log lines and errors, and remembers the last trouble with a connection.
///
/// librdkafka repeats itself at every attempt; the same line is passed on once in half a minute.
#[derive(Clone, Default)]
pub(crate) struct ClientLog {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    trouble: Option<String>,
    said: Vec<(String, Instant)>,
}

impl ClientLog {
    /// The last connection trouble in librdkafka's words; `None` while there was none.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    /// Whether `line` was not said within the last half minute; notes that it is said now.
    #[expect(clippy::disallowed_methods, reason = "librdkafka calls from its own threads, with no time to pass in")]
    fn is_news(&self, line: &str) -> bool {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.said.retain(|(_, at)| now.duration_since(*at) < REPEAT_AFTER);
        let topic = subject(line);
        if seen.said.iter().any(|(said, _)| said == topic) {
            return false;
        }
        seen.said.push((topic.to_owned(), now));
        true
    }

    fn remember(&self, trouble: &str) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(trouble.to_owned());
    }
}

/// A line without what changes at each repetition: librdkafka adds `(after 3ms in state CONNECT, 4 identical …)`.
fn subject(line: &str) -> &str {
    line.split(" (after ").next().unwrap_or(line)
}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                // The same words arrive through `error`, where they are judged.
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
            RDKafkaLogLevel::Warning => {
                if self.is_news(line) {
                    tracing::warn!(target: "librdkafka", facility, "{line}");
                }
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down follows from the troubles with each, which say why.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) && self.trouble().is_some() {
            return;
        }
        self.remember(subject(reason));
        if self.is_news(reason) {
            tracing::warn!(target: "kafka", "{}; trying again", subject(reason));
        }
    }

    fn stats(&self, _statistics: Statistics) {}
}

/// Clients that send nothing (the one that carries the embedded broker) need no delivery reports.
impl ProducerContext for ClientLog {
    type DeliveryOpaque = ();

    fn delivery(&self, _report: &DeliveryResult<'_>, (): ()) {}
}
