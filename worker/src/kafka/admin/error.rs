//! What can go wrong between an admin client and the brokers, and what was tried with a topic.
//!
//! Deliberately tells apart only what the caller treats differently or a person mends differently.

use std::fmt;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use snafu::Snafu;

use crate::kafka::client;
use crate::kafka::rights::Operation;
use crate::kafka::trouble::Kind;

/// What can go wrong between us and the brokers.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
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
        kind: Kind,
    },
    /// A broker is there and does not let us in, or is not to be trusted.
    #[snafu(display("{words}"))]
    NotLetIn {
        /// Why, and what to mend.
        words: String,
        /// What kind of trouble that is.
        kind: Kind,
    },
    /// We have no right to it.
    #[snafu(display("may not {task} topic {topic}: {remedy}"))]
    Forbidden {
        /// What was tried.
        task: Task,
        /// With which topic.
        topic: String,
        /// How to get it.
        remedy: String,
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
    pub(super) fn right(self) -> Operation {
        match self {
            Task::Describe => Operation::Describe,
            Task::ReadSettings => Operation::DescribeConfigs,
            Task::Create => Operation::Create,
            Task::Grow => Operation::Alter,
            Task::Delete => Operation::Delete,
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

impl Error {
    /// Whether a right is missing.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Error::Forbidden { .. })
    }

    /// Whether the brokers have too few members for the copies asked for.
    pub(crate) fn is_short_of_brokers(&self) -> bool {
        self.has_code(RDKafkaErrorCode::InvalidReplicationFactor)
    }

    pub(super) fn has_code(&self, asked: RDKafkaErrorCode) -> bool {
        matches!(self, Error::Refused { code, .. } if *code == asked)
    }
}
