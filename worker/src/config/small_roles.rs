//! What the roles with few settings need to know: dead-letters, prepare, demo, check-schemas.
//!
//! Deliberately in one file while each of them is a handful of fields.
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use schemas::codec::SchemaVersion;
use schemas::order::Currency;

use super::{Common, Orders, Pace, Retry, Simulate};

/// `worker dead-letters`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetters {
    /// What all roles share.
    pub common: Common,
    /// End when everything is read, for this long.
    pub until_idle: Option<Duration>,
    /// Read everything once without joining the group, then end.
    pub peek: bool,
    /// What dead letters may amount to before somebody is told.
    pub budget: Budget,
    /// How often the figures are reported while reading; absent = only at the end.
    pub report_interval: Option<Duration>,
}

/// What the dead letters in the topic may amount to. What is absent has no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    /// How many distinct ones.
    pub max_depth: Option<u64>,
    /// How old the oldest.
    pub max_age: Option<Duration>,
    /// What they are worth in a currency, in its minor units.
    pub max_value: BTreeMap<Currency, i128>,
}

impl Budget {
    /// Whether there is any limit.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Budget::default()
    }
}

/// `worker prepare`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    /// What all roles share.
    pub common: Common,
    /// What to do.
    pub task: PrepareTask,
    /// Which order schema is looked for in the registry, or registered.
    pub schema_version: SchemaVersion,
    /// Where the result goes besides stdout.
    pub termination_message: Option<PathBuf>,
}

/// What `worker prepare` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub enum PrepareTask {
    /// Create what is missing, grow the topics in `created`, report drift.
    Create {
        /// Partitions and configuration of the topics.
        shape: TopicShape,
        /// Topics this pipeline created: their partitions may be grown.
        created: Vec<String>,
    },
    /// Look, change nothing.
    Check {
        /// What to compare with.
        shape: TopicShape,
    },
    /// Delete these topics.
    Delete {
        /// Their names; at least one.
        topics: Vec<String>,
    },
}

/// How the three topics should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicShape {
    /// Partitions of the orders topic; at least 1.
    pub orders_partitions: i32,
    /// Partitions of the dead-letter topic; at least 1.
    pub dead_letter_partitions: i32,
    /// Partitions of the state topic; at least 1.
    pub state_partitions: i32,
    /// Copies of each partition; absent = the broker's default.
    pub replication_factor: Option<i32>,
    /// Topic settings of the orders topic (`--topic-config`).
    pub config: BTreeMap<String, String>,
}

/// `worker demo`.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// What all roles share. Its bootstrap servers are those of the real broker, or empty: start an embedded one.
    /// Its topics, group and pipeline are names to build the demo's own from.
    pub common: Common,
    /// Whether the admin address was asked for. If not, and its port is taken, any free one does.
    pub admin_address_given: bool,
    /// How many orders; absent = all of the input.
    pub orders: Option<NonZeroU64>,
    /// How fast.
    pub pace: Pace,
    /// Where they come from.
    pub source: Orders,
    /// Which tries fail.
    pub simulate: Simulate,
    /// When to try again.
    pub retry: Retry,
}

impl Demo {
    /// Whether the demo brings its own broker.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.common.kafka.bootstrap_servers.is_empty()
    }
}

/// `worker check-schemas`. Needs no Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSchemas {
    /// Further order schemas (`.avsc`) to check against the two in the binary.
    pub files: Vec<PathBuf>,
}
