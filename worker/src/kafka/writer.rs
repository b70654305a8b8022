//! A producer whose answers come back to one thread, and that can be made anew while its owner goes on.
//!
//! Made anew when certificates have changed, and when librdkafka gave it up for good (an idempotent producer whose user
//! may write to no topic does, and does not come back when the right is given). What the old one had not written comes
//! back as failures, like any other. Deliberately without retries: whoever sent the record decides when to send again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Thread;
use std::time::Duration;

use engine::time::Time;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use snafu::{ResultExt, Snafu};

use super::client;
use super::delivery::{Answers, Delivered, Refusal};
use super::login::Login;
use crate::config::Kafka;

/// Why there is no producer.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put its settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("check --client-config"))]
    Create {
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
}

/// The settings of a producer, with the secrets as they are now.
pub(super) type Settings = fn(&Kafka) -> Result<ClientConfig, client::Error>;

/// See the module. `T` is given along with each record and comes back with its answer.
pub(super) struct Writer<T: Send + Sync + 'static> {
    kafka: Kafka,
    settings: Settings,
    waker: Thread,
    login: Login,
    producer: ThreadedProducer<Answers<T>>,
    sender: Sender<Delivered<T>>,
    answers: Receiver<Delivered<T>>,
}

impl<T: Send + Sync + 'static> Writer<T> {
    /// Makes the producer. `waker` is unparked at each answer.
    pub(super) fn new(kafka: &Kafka, settings: Settings, waker: Thread) -> Result<Self, Error> {
        let (sender, answers) = channel();
        let (producer, login) = make(kafka, settings, &waker, &sender)?;
        Ok(Self { kafka: kafka.clone(), settings, waker, login, producer, sender, answers })
    }

    /// Makes the producer anew.
    pub(super) fn renew(&mut self) -> Result<(), Error> {
        let (producer, login) = make(&self.kafka, self.settings, &self.waker, &self.sender)?;
        self.login = login;
        // What the old one had left is answered while it is dropped.
        drop(std::mem::replace(&mut self.producer, producer));
        Ok(())
    }

    /// Takes up a password that has changed.
    pub(super) fn renew_login(&self, now: Time) {
        self.login.renew_at(self.producer.client(), now);
    }

    /// Why librdkafka gave the producer up, if it did.
    pub(super) fn broken(&self) -> Option<RDKafkaErrorCode> {
        self.producer.client().fatal_error().map(|(code, _)| code)
    }

    /// Hands a record over. A full queue answers at once, like any other trouble that passes.
    pub(super) fn send(&self, record: BaseRecord<'_, [u8], [u8], Box<T>>) {
        if let Err((error, record)) = self.producer.send(record) {
            let result = Err(Refusal::of(&error));
            self.producer.context().answer(Delivered { token: *record.delivery_opaque, result });
        }
    }

    /// The next answer, if there is one. What a producer that was given up says of single records is why it was.
    pub(super) fn answer(&self) -> Option<Delivered<T>> {
        let Delivered { token, result } = self.answers.try_recv().ok()?;
        let result = match (result, self.broken()) {
            // It asked for its id and was refused: who may write to no topic may not write to this one.
            (Err(Refusal::Passing(_)), Some(RDKafkaErrorCode::ClusterAuthorizationFailed)) => {
                Err(Refusal::NotAllowed(RDKafkaErrorCode::TopicAuthorizationFailed))
            }
            (Err(Refusal::Passing(_)), Some(code)) => Err(Refusal::NotAllowed(code)),
            (result, _) => result,
        };
        Some(Delivered { token, result })
    }

    /// Waits until everything is answered, at most for `limit`.
    pub(super) fn flush(&self, limit: Duration) -> Result<(), KafkaError> {
        self.producer.flush(limit)
    }
}

fn make<T: Send + Sync + 'static>(
    kafka: &Kafka,
    settings: Settings,
    waker: &Thread,
    sender: &Sender<Delivered<T>>,
) -> Result<(ThreadedProducer<Answers<T>>, Login), Error> {
    let login = Login::of(&kafka.security);
    let mut config = settings(kafka).context(SettingsSnafu)?;
    client::override_with(&mut config, kafka);
    let context = Answers::new(kafka, waker.clone(), sender.clone());
    Ok((config.create_with_context(context).context(CreateSnafu)?, login))
}
