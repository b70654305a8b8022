//! What every Kafka client of the worker has in common: settings, logging, and the words for connection trouble.
//!
//! Deliberately no consumer or producer here; see `source` and `sink`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;
use snafu::{ResultExt, Snafu};

use super::certificate;
use super::login::{self, Password};
use super::own_certificate::OwnCertificate;
use super::tls_files;
use super::trouble::{self, Kind, Trouble};
use crate::config::{BrokerKind, Kafka, SaslMechanism, Security};

/// How often the same connection trouble is said again.
const REPEAT_AFTER: Duration = Duration::from_secs(30);

/// Connection trouble counts for this long: librdkafka tells one that lasts each half minute.
const FORGET_AFTER: Duration = Duration::from_secs(70);

/// What can go wrong before a client exists.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// There is no password.
    #[snafu(display("cannot prove who we are"))]
    NoPassword {
        /// Why.
        source: login::Error,
    },
    /// A file of the TLS connection cannot be used.
    #[snafu(display("cannot protect the connection"))]
    NoTls {
        /// Why.
        source: tls_files::Error,
    },
}

/// The settings that all clients share: where the brokers are, how to reach them, and what the user added.
///
/// `role` becomes part of the client id, which brokers show in their logs and quotas.
///
/// # Errors
/// When a file that the security settings name cannot be used.
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
    if kafka.security.sasl.is_some() {
        // A password that is refused is refused the next time, too; and some brokers lock a user who keeps trying.
        config.set("reconnect.backoff.max.ms", "10000");
    }
    secure(&mut config, &kafka.security)?;
    Ok(config)
}

/// Whether librdkafka refused to make a client for the files that the security settings name.
///
/// # Errors
/// Which, and what to do about it.
pub(crate) fn blame<T>(made: &KafkaResult<T>, kafka: &Kafka) -> Result<(), Error> {
    let refused = made.as_ref().err().and_then(|error| tls_files::refused(&error.to_string(), &kafka.security));
    refused.map_or(Ok(()), |source| Err(Error::NoTls { source }))
}

/// The user's own settings, last: they win over ours. What the pipeline owns was refused before.
pub(crate) fn override_with(config: &mut ClientConfig, kafka: &Kafka) {
    for (key, value) in &kafka.client_config {
        config.set(key, value);
    }
}

/// Adds what of the security settings is set.
fn secure(config: &mut ClientConfig, security: &Security) -> Result<(), Error> {
    let is_scram = security.sasl.as_ref().is_some_and(|sasl| match sasl.mechanism {
        SaslMechanism::Plain => false,
        SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 => true,
    });
    let is_built = cfg!(feature = "tls") || !(security.protocol.encrypts() || is_scram);
    let usable = if is_built { tls_files::check(security) } else { Err(tls_files::Error::NotBuilt) };
    usable.context(NoTlsSnafu)?;
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
        let password = Password::read(sasl).context(NoPasswordSnafu)?;
        config
            .set("sasl.mechanism", sasl.mechanism.client_name())
            .set("sasl.username", &sasl.username)
            .set("sasl.password", password.reveal());
    }
    Ok(())
}

/// Receives a client's log lines and errors, and remembers the last trouble with a connection.
///
/// librdkafka repeats itself at every attempt, and a process has several clients with the same trouble: the same line is
/// passed on once in half a minute. What is held against a broker's certificate is found out on a thread of its own.
#[derive(Clone, Default)]
pub(crate) struct ClientLog {
    seen: Arc<Mutex<Seen>>,
    /// What the client was made of, so that remedies can be named.
    kafka: Option<Arc<Kafka>>,
}

#[derive(Default)]
struct Seen {
    trouble: Option<(Trouble, Instant)>,
    /// The group was refused to us.
    is_group_closed: bool,
    is_being_diagnosed: bool,
}

/// What this process said, and when.
static SAID: Mutex<Vec<(String, Instant)>> = Mutex::new(Vec::new());

/// Whether the process has not said `line` within the last half minute; notes that it says it now.
fn is_news(line: &str) -> bool {
    let now = now();
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.retain(|(_, at)| now.duration_since(*at) < REPEAT_AFTER);
    if said.iter().any(|(known, _)| known == line) {
        return false;
    }
    said.push((line.to_owned(), now));
    true
}

#[expect(clippy::disallowed_methods, reason = "librdkafka calls from its own threads, with no time to pass in")]
fn now() -> Instant {
    Instant::now()
}

/// Whether the certificate in a file is no longer good.
#[expect(clippy::disallowed_methods, reason = "librdkafka calls from its own threads, with no time to pass in")]
fn has_expired(file: &Path) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    OwnCertificate::read(file).is_some_and(|certificate| certificate.expires < now)
}

impl ClientLog {
    /// The log of a client that is made of `kafka`.
    pub(crate) fn of(kafka: &Kafka) -> Self {
        Self { kafka: Some(Arc::new(kafka.clone())), ..Self::default() }
    }

    /// The last connection trouble in words; `None` while there was none for a while.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.last().map(|trouble| trouble.words)
    }

    /// The last connection trouble, if it is one that does not pass by itself.
    pub(crate) fn lasting_trouble(&self) -> Option<Trouble> {
        self.last().filter(|trouble| trouble.is_lasting)
    }

    /// The last connection trouble, where there was any of late.
    pub(crate) fn last(&self) -> Option<Trouble> {
        let now = now();
        let seen = self.seen();
        let recent = seen.trouble.as_ref().filter(|(_, at)| now.duration_since(*at) < FORGET_AFTER);
        recent.map(|(trouble, _)| trouble.clone())
    }

    /// Whether the group was refused to us: a question to its coordinator then ends without an answer.
    pub(crate) fn is_group_closed(&self) -> bool {
        self.seen().is_group_closed
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, trouble: Trouble) {
        self.seen().trouble = Some((trouble, now()));
    }

    fn note(&self, trouble: Trouble) {
        if is_news(&trouble.words) {
            tracing::warn!(target: "kafka", "{}; trying again", trouble.words);
        }
        self.remember(trouble);
    }

    /// A certificate was refused: says so once it is known why.
    fn diagnose(&self, refused: Trouble) {
        let Some(kafka) = self.kafka.clone() else { return self.note(refused) };
        self.remember(refused.clone());
        if std::mem::replace(&mut self.seen().is_being_diagnosed, true) {
            return;
        }
        let (log, known) = (self.clone(), refused.clone());
        let body = move || {
            let found = certificate::diagnose(&kafka).unwrap_or(known);
            log.seen().is_being_diagnosed = false;
            log.note(found);
        };
        if std::thread::Builder::new().name("certificate".to_owned()).spawn(body).is_err() {
            self.note(refused);
        }
    }
}

impl ClientContext for ClientLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                // The same words arrive through `error`, where they are judged.
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
            RDKafkaLogLevel::Warning => {
                if is_news(trouble::subject(line)) {
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
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) && self.last().is_some() {
            return;
        }
        // Whoever asked for it hears of the missing right, and names it.
        let told_by_others = [RDKafkaErrorCode::TopicAuthorizationFailed, RDKafkaErrorCode::GroupAuthorizationFailed];
        if error.rdkafka_error_code().is_some_and(|code| told_by_others.contains(&code)) {
            self.seen().is_group_closed |=
                error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed);
            tracing::debug!(target: "kafka", "{reason}");
            return;
        }
        let trouble = Trouble::of(reason, self.kafka.as_deref(), has_expired);
        match trouble.kind {
            Kind::Certificate => self.diagnose(trouble),
            Kind::Name | Kind::Tls | Kind::Authentication | Kind::Silence => self.note(trouble),
        }
    }

    fn stats(&self, _statistics: Statistics) {}
}

/// Clients that send nothing (the one that carries the embedded broker) need no delivery reports.
impl ProducerContext for ClientLog {
    type DeliveryOpaque = ();

    fn delivery(&self, _report: &DeliveryResult<'_>, (): ()) {}
}
