//! Topics as a test sees them: create, describe and delete; raw records in and out; what a group committed.
//!
//! An independent client on purpose: nothing of the worker's own Kafka code is used to check the worker.

use std::{
    collections::BTreeMap,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::wait;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A record to write, or one that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// To write: `None` lets the key decide. Read: always there.
    pub(crate) partition: Option<i32>,
    /// Read: always there. Not used when writing.
    pub(crate) offset: Option<i64>,
    /// Milliseconds since 1970; `None` writes the present.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with a key and a value.
    pub(crate) fn new(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Record {
        Record { key: Some(key.as_ref().to_vec()), value: Some(value.as_ref().to_vec()), ..Record::default() }
    }

    fn read(message: &BorrowedMessage<'_>) -> Record {
        let header = |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        Record {
            partition: Some(message.partition()),
            offset: Some(message.offset()),
            timestamp: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
        }
    }

    /// The header's value as text, where the record has it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        value.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// A name no other test has: `prefix-<process>-<number>`, for topics and groups.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Creates a topic and waits until the broker serves it.
pub(crate) fn create(broker: &str, topic: &str, partitions: i32) {
    create_with(broker, topic, partitions, &[]);
}

/// [`create`] with settings of its own.
pub(crate) fn create_with(broker: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        new = new.set(key, value);
    }
    let results = block_on(admin(broker).create_topics([&new], &AdminOptions::new()));
    assert_eq!(results.expect("the broker answers"), vec![Ok(topic.to_owned())]);
    wait_for_partitions(broker, topic, partitions);
}

fn wait_for_partitions(broker: &str, topic: &str, partitions: i32) {
    wait::until(
        &format!("topic {topic} to have {partitions} partitions"),
        || format!("{:?}", partition_count(broker, topic)),
        || (partition_count(broker, topic) == Some(partitions)).then_some(()),
    );
}

/// Gives a topic more partitions, and waits until the broker serves them.
pub(crate) fn grow(broker: &str, topic: &str, partitions: i32) {
    let count = usize::try_from(partitions).expect("a positive number");
    let results = block_on(admin(broker).create_partitions([&NewPartitions::new(topic, count)], &AdminOptions::new()));
    assert_eq!(results.expect("the broker answers"), vec![Ok(topic.to_owned())]);
    wait_for_partitions(broker, topic, partitions);
}

/// Forgets a group with all its commits, as the broker does with an empty group after a week.
pub(crate) fn forget_group(broker: &str, group: &str) {
    wait::until(&format!("group {group} to be forgotten"), String::new, || {
        let results = block_on(admin(broker).delete_groups(&[group], &AdminOptions::new()));
        results.expect("the broker answers").iter().all(Result::is_ok).then_some(())
    });
}

/// Deletes a topic and waits until it is gone.
pub(crate) fn delete(broker: &str, topic: &str) {
    let results = block_on(admin(broker).delete_topics(&[topic], &AdminOptions::new()));
    assert_eq!(results.expect("the broker answers"), vec![Ok(topic.to_owned())]);
    wait::until(&format!("topic {topic} to be gone"), String::new, || {
        partition_count(broker, topic).is_none().then_some(())
    });
}

/// Removes the records of a partition below an offset, as retention does.
pub(crate) fn remove_below(broker: &str, topic: &str, partition: i32, offset: i64) {
    let mut below = TopicPartitionList::new();
    below.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a valid offset");
    block_on(admin(broker).delete_records(&below, &AdminOptions::new())).expect("the broker answers");
}

/// The number of partitions, or `None` where there is no such topic. A consumer asks, so that nothing is created.
pub(crate) fn partition_count(broker: &str, topic: &str) -> Option<i32> {
    let metadata = reader(broker, "none").fetch_metadata(None, TIMEOUT).expect("the broker answers");
    let found = metadata.topics().iter().find(|found| found.name() == topic)?;
    Some(i32::try_from(found.partitions().len()).expect("few partitions"))
}

/// One setting of the topic as the broker has it, such as `retention.ms`.
pub(crate) fn setting(broker: &str, topic: &str, name: &str) -> Option<String> {
    let described = block_on(admin(broker).describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()));
    let resource =
        described.expect("the broker answers").pop().expect("one was asked for").expect("the topic is there");
    resource.get(name).and_then(|entry| entry.value.clone())
}

/// Lets the topic refuse every record: with its headers, none is below 100 bytes.
pub(crate) fn make_unwritable(broker: &str, topic: &str) {
    change_setting(broker, topic, "max.message.bytes", "100");
}

/// Undoes [`make_unwritable`].
pub(crate) fn make_writable(broker: &str, topic: &str) {
    change_setting(broker, topic, "max.message.bytes", "1048588");
}

/// Sets one setting of the topic; its others fall back to the broker's.
pub(crate) fn change_setting(broker: &str, topic: &str, name: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
    let results = block_on(admin(broker).alter_configs([&change], &AdminOptions::new())).expect("the broker answers");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Writes records and waits until all are acknowledged. Like any producer, it makes the broker create a missing topic.
pub(crate) fn produce(broker: &str, topic: &str, records: &[Record]) {
    let producer: BaseProducer =
        client(broker).set("acks", "all").set("message.max.bytes", "1048588").create().expect("valid settings");
    for record in records {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        let base = BaseRecord::<[u8], [u8]> {
            partition: record.partition,
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            timestamp: record.timestamp,
            headers: Some(headers),
            ..BaseRecord::to(topic)
        };
        producer.send(base).map_err(|(error, _)| error).expect("the queue holds a test's records");
    }
    producer.flush(TIMEOUT).expect("the broker acknowledges");
}

/// Every record of a topic, by partition and offset, up to the ends at the time of the call.
pub(crate) fn read_all(broker: &str, topic: &str) -> Vec<Record> {
    let mut records = Vec::new();
    scan(broker, topic, |record| records.push(record));
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// Hands on every record of a topic up to the ends at the time of the call; those of a partition in their order.
pub(crate) fn scan(broker: &str, topic: &str, mut take: impl FnMut(Record)) {
    let consumer = reader(broker, "none");
    let mut missing = end_offsets(broker, topic);
    let mut assignment = TopicPartitionList::new();
    for &partition in missing.keys() {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
    }
    consumer.assign(&assignment).expect("partitions of the topic");
    // A partition is read when the position is at its end: offsets may have gaps.
    wait::until_within(5 * wait::DEADLINE, &format!("the end of {topic}"), String::new, || {
        while let Some(message) = consumer.poll(Duration::ZERO) {
            take(Record::read(&message.expect("the broker serves the topic")));
        }
        let position = consumer.position().expect("an assignment");
        missing.retain(|&partition, end| {
            let reached = position.find_partition(topic, partition).map(|element| element.offset());
            *end > 0 && !matches!(reached, Some(Offset::Offset(offset)) if offset >= *end)
        });
        missing.is_empty().then_some(())
    });
}

/// The offset behind the last record of each partition.
pub(crate) fn end_offsets(broker: &str, topic: &str) -> BTreeMap<i32, i64> {
    let consumer = reader(broker, "none");
    let partitions = partition_count(broker, topic).expect("the topic is there");
    let end = |partition| consumer.fetch_watermarks(topic, partition, TIMEOUT).expect("the broker answers").1;
    (0..partitions).map(|partition| (partition, end(partition))).collect()
}

/// What a group committed for each partition of a topic: offset and metadata. Partitions without a commit are left out.
pub(crate) fn committed(broker: &str, group: &str, topic: &str) -> BTreeMap<i32, (i64, String)> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, partition_count(broker, topic).expect("the topic is there") - 1);
    let found = reader(broker, group).committed_offsets(asked, TIMEOUT).expect("the broker answers");
    let mut commits = BTreeMap::new();
    for element in found.elements() {
        if let Offset::Offset(offset) = element.offset() {
            commits.insert(element.partition(), (offset, element.metadata().to_owned()));
        }
    }
    commits
}

/// Commits offsets of a group without members, as any program may: partition, offset, metadata.
pub(crate) fn commit(broker: &str, group: &str, topic: &str, commits: &[(i32, i64, &str)]) {
    let mut list = TopicPartitionList::new();
    for (partition, offset, metadata) in commits {
        let mut element = list.add_partition(topic, *partition);
        element.set_metadata(metadata);
        element.set_offset(Offset::Offset(*offset)).expect("a valid offset");
    }
    reader(broker, group).commit(&list, CommitMode::Sync).expect("the group has no members");
}

fn client(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    config
}

/// A client that reads and asks, and commits nothing by itself.
pub(crate) fn reader(broker: &str, group: &str) -> BaseConsumer {
    let mut config = client(broker);
    config.set("group.id", group).set("enable.auto.commit", "false").set("fetch.wait.max.ms", "20");
    config.create().expect("valid settings")
}

fn admin(broker: &str) -> AdminClient<DefaultClientContext> {
    client(broker).create().expect("valid settings")
}

/// The admin client's answers come from a thread of its own: any executor will do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O").block_on(future)
}
