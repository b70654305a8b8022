//! What can go wrong between a source and its brokers.
//!
//! Deliberately tells apart only what the caller treats differently or a person mends differently.

use rdkafka::error::KafkaError;
use snafu::Snafu;

use crate::kafka::client;

/// What can go wrong between a source and its brokers.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub(crate) enum Error {
    /// A setting cannot be had.
    #[snafu(display("cannot put the consumer's settings together"))]
    Settings {
        /// Which.
        source: client::Error,
    },
    /// librdkafka refused the settings.
    #[snafu(display("cannot make a consumer for group {group}: check --client-config"))]
    Create {
        /// The group.
        group: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// librdkafka has no queue for the answers to commits.
    #[snafu(display("cannot make a queue for the commits of group {group}: librdkafka gave no reason"))]
    NoQueue {
        /// The group.
        group: String,
    },
    /// The subscription was refused.
    #[snafu(display("cannot subscribe group {group} to topic {topic}"))]
    Subscribe {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// Taking or giving back partitions was refused.
    #[snafu(display("cannot take or give back partitions of topic {topic}"))]
    Assign {
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// A partition has no queue.
    #[snafu(display("topic {topic} has no partition {partition}, although the group gave it to us"))]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The committed offsets could not be read.
    #[snafu(display("cannot read the committed offsets of group {group}"))]
    ReadCommitted {
        /// The group.
        group: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// The ends of a partition could not be read.
    #[snafu(display("cannot read where partition {partition} of topic {topic} begins and ends"))]
    ReadWatermarks {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// A commit could not be sent.
    #[snafu(display("cannot commit offsets of group {group}"))]
    Commit {
        /// The group.
        group: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// The client cannot go on.
    #[snafu(display("group {group} cannot go on reading topic {topic}; start it again"))]
    Fatal {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// A record came through the main queue although every partition has a queue of its own.
    #[snafu(display("a record of topic {topic} came outside its partition's queue; start the consumer again"))]
    Stray {
        /// The topic.
        topic: String,
    },
}

impl Error {
    /// Whether the same call may go through later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::ReadCommitted { .. } | Self::ReadWatermarks { .. } | Self::Commit { .. } => true,
            Self::Settings { .. }
            | Self::Create { .. }
            | Self::NoQueue { .. }
            | Self::Subscribe { .. }
            | Self::Assign { .. }
            | Self::NoPartition { .. }
            | Self::Fatal { .. }
            | Self::Stray { .. } => false,
        }
    }
}
