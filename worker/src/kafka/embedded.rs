//! The in-process broker of `worker demo`: librdkafka's mock cluster, wrapped so that it cannot be misused.
//!
//! It speaks the Kafka protocol on a loopback port, so the same client code runs against it. It is for trying out and
//! for tests: it keeps 5 MiB a partition in memory, has no admin calls and no transactions, and ends with the process.
//! The guard rails of its use are kept where they belong: one broker and topics made here, quick groups here, client
//! settings in `source` and `sink`, back-pressure in the producer.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use snafu::{OptionExt, ResultExt, Snafu};

use super::client::ClientLog;
use super::ffi;

/// How often members of a group report to the embedded broker, in milliseconds: joins and leaves take about as long.
const HEARTBEAT_MILLISECONDS: i32 = 200;

/// What can go wrong when the embedded broker starts.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// librdkafka did not make the client that carries the broker.
    #[snafu(display("cannot start the embedded broker"))]
    Start {
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
    /// The client carries no broker.
    #[snafu(display("the embedded broker did not start; librdkafka gave no reason"))]
    NoBroker,
    /// A topic could not be made.
    #[snafu(display("cannot make topic {topic} with {partitions} partitions on the embedded broker"))]
    MakeTopic {
        /// The topic.
        topic: String,
        /// How many partitions it should have had.
        partitions: i32,
        /// librdkafka's word.
        #[snafu(source(from(KafkaError, Box::new)))]
        source: Box<KafkaError>,
    },
}

/// A running embedded broker. It stops when this is dropped: drop its clients first.
pub(crate) struct EmbeddedBroker {
    /// The client that carries the broker; unlike the broker's own handle it may move between threads.
    holder: BaseProducer<ClientLog>,
    bootstrap_servers: String,
}

impl EmbeddedBroker {
    /// Starts one broker on a free loopback port.
    pub(crate) fn start() -> Result<Self, Error> {
        let holder: BaseProducer<ClientLog> = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .create_with_context(ClientLog::default())
            .context(StartSnafu)?;
        let quick = ffi::speed_up_groups(holder.client(), HEARTBEAT_MILLISECONDS);
        let cluster = holder.client().mock_cluster().filter(|_| quick).context(NoBrokerSnafu)?;
        let bootstrap_servers = cluster.bootstrap_servers();
        drop(cluster);
        Ok(Self { holder, bootstrap_servers })
    }

    /// Makes a topic. The embedded broker answers no admin requests, so this is the only way.
    pub(crate) fn make_topic(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        let cluster = self.holder.client().mock_cluster().context(NoBrokerSnafu)?;
        cluster.create_topic(topic, partitions, 1).context(MakeTopicSnafu { topic, partitions })
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub(crate) fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }
}
