//! A plain producer and reader for tests that look at topics from outside.
//!
//! Deliberately as simple as clients get: nothing of the worker's own settings, so that it can be a witness.
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::config::{BrokerKind, Kafka, Sasl, SaslMechanism, Security, SecurityProtocol};

/// How to reach brokers without any protection.
pub(crate) fn plain(bootstrap_servers: &str) -> Kafka {
    Kafka {
        bootstrap_servers: bootstrap_servers.to_owned(),
        broker_kind: BrokerKind::Kafka,
        security: Security::default(),
        client_config: std::collections::BTreeMap::new(),
        connect_timeout: Duration::from_secs(30),
    }
}

/// How to reach brokers with a password in a file that nobody reads.
pub(crate) fn with_password(username: &str, file: &str) -> Kafka {
    let sasl =
        Sasl { mechanism: SaslMechanism::ScramSha512, username: username.to_owned(), password_file: file.into() };
    let protocol = SecurityProtocol::SaslPlaintext;
    Kafka { security: Security { protocol, sasl: Some(sasl), ..Security::default() }, ..plain("kafka:9092") }
}

/// A record to send, or one that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// Key; `None` is null.
    pub(crate) key: Option<Vec<u8>>,
    /// Value; `None` is null.
    pub(crate) value: Option<Vec<u8>>,
    /// Headers in order.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Sends records and waits for their acknowledgement.
pub(crate) fn send(kafka: &Kafka, topic: &str, records: &[Sent]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("linger.ms", "5")
        .create()
        .expect("a plain producer");
    for sent in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &sent.headers {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
        record.key = sent.key.as_deref();
        record.payload = sent.value.as_deref();
        producer.send(record).map_err(|(error, _)| error).expect("the queue has room");
    }
    producer.flush(Duration::from_secs(10)).expect("the broker acknowledges");
}

/// Reads everything that is in a topic now.
pub(crate) fn read_all(kafka: &Kafka, topic: &str) -> Vec<Sent> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("group.id", "witness")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a plain consumer");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("the topic's metadata");
    let mut left = 0;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
        let (low, high) =
            consumer.fetch_watermarks(topic, partition.id(), Duration::from_secs(10)).expect("the partition's ends");
        left += high - low;
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a valid offset");
    }
    consumer.assign(&list).expect("the assignment");
    drop(list);
    let mut read = Vec::new();
    while left > 0 {
        let message = consumer.poll(Duration::from_secs(10)).expect("a record in time").expect("a readable record");
        left -= 1;
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        read.push(Sent {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        });
    }
    read
}
