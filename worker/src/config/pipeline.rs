//! What all roles that talk to Kafka share.
//!
//! Deliberately plain data: how it got here (flag, environment, settings file) is forgotten.
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{HttpUrl, Kafka};

/// The part of the configuration that every Kafka role has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// How to reach the brokers.
    pub kafka: Kafka,
    /// The three topics; their names differ.
    pub topics: Topics,
    /// The consumer group; the dead-letter consumer's own group is [`Common::dead_letter_group_id`].
    pub group_id: String,
    /// The pipeline's name in reports and headers.
    pub pipeline: String,
    /// Where totals live.
    pub state_mode: StateMode,
    /// The schema registry; without one, schemas are those in the program or `writer_schema`.
    pub registry: Option<Registry>,
    /// The Avro schema (JSON text) that bare records were written with; absent = the order schemas.
    pub writer_schema: Option<String>,
    /// Where the report goes when the role ends.
    pub report: Option<PathBuf>,
    /// Where the admin server listens; port 0 = any free one.
    pub admin_address: SocketAddr,
    /// How many times `-v` was given.
    pub verbosity: u8,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Common {
    /// The dead-letter consumer's own group: `<group>-dead-letters`.
    #[must_use]
    pub fn dead_letter_group_id(&self) -> String {
        format!("{}-dead-letters", self.group_id)
    }
}

/// The topics of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Orders come from here (or, for the producer, go here).
    pub orders: String,
    /// What cannot be saved goes here.
    pub dead_letter: String,
    /// Compacted: the snapshots of the totals.
    pub state: String,
}

/// Where the totals of a consumer live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StateMode {
    /// In the state topic: they survive restarts and move with their partitions.
    #[default]
    Durable,
    /// In memory: they start at zero with each process.
    None,
}

/// Where schemas are looked up by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The base of Confluent's API; has no query.
    pub url: HttpUrl,
    /// Where the id comes from that our own records are framed with.
    pub registration: Registration,
    /// User name of basic authentication, and the file its password is in.
    pub credentials: Option<(String, PathBuf)>,
    /// PEM certificates of the authorities that sign the registry's certificate.
    pub ca_file: Option<PathBuf>,
}

/// Where the schema id comes from that written records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// The schema must be there: look its id up.
    #[default]
    Lookup,
    /// Register the schema when it is missing.
    Register,
    /// Whatever the subject's latest version is.
    Latest,
    /// A given id.
    Id(u32),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for a cluster's log collector.
    Json,
}
