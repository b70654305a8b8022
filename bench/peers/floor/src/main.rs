//! Reads a topic to its end in batches and looks at nothing: the floor under every consumer on librdkafka.
//!
//! Deliberately no group, no decoding, no commit, and nothing of the worker: it is what the worker is measured against.
#![expect(unsafe_code, reason = "rdkafka has no wrapper for the batch call, and the worker's is not to be used here")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]
#![expect(clippy::print_stdout, reason = "prints its one line of JSON")]

use std::{collections::HashMap, env, error::Error, fs, ptr, time::Instant};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    bindings::{
        rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_t, rd_kafka_queue_destroy,
        rd_kafka_queue_get_consumer, rd_kafka_resp_err_t,
    },
    consumer::{BaseConsumer, Consumer},
};

const BATCH: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let given: HashMap<&str, &str> = words.chunks_exact(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    let consumer = consumer(given["--bootstrap-servers"])?;
    let expected = assign_all(&consumer, given["--topic"])?;
    let (records, bytes, seconds) = drain(&consumer, expected);
    let max_rss = max_rss_mib()?;
    println!(r#"{{"records": {records}, "bytes": {bytes}, "seconds": {seconds:.4}, "maxRssMiB": {max_rss:.1}}}"#);
    Ok(())
}

/// The settings of our worker.
fn consumer(servers: &str) -> Result<BaseConsumer, Box<dyn Error>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "floor").set("enable.auto.commit", "false");
    config.set("enable.auto.offset.store", "false").set("fetch.queue.backoff.ms", "1");
    config.set("queued.min.messages", "20000").set("fetch.wait.max.ms", "50");
    Ok(config.create()?)
}

/// Assigns every partition from its beginning; returns how many records they hold.
fn assign_all(consumer: &BaseConsumer, topic: &str) -> Result<i64, Box<dyn Error>> {
    let timeout = std::time::Duration::from_secs(10);
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let mut list = TopicPartitionList::new();
    let mut expected = 0;
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), timeout)?;
        expected += high - low;
    }
    consumer.assign(&list)?;
    Ok(expected)
}

/// Records, bytes of their values, seconds since the first.
fn drain(consumer: &BaseConsumer, expected: i64) -> (i64, usize, f64) {
    let mut batch = [ptr::null_mut::<rd_kafka_message_t>(); BATCH];
    let (mut records, mut bytes, mut started) = (0, 0, None);
    // SAFETY: the consumer outlives the queue, which is destroyed before it.
    let queue = unsafe { rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    while records < expected {
        // SAFETY: `batch` has room for BATCH pointers.
        let count = unsafe { rd_kafka_consume_batch_queue(queue, 1, batch.as_mut_ptr(), BATCH) };
        for &message in &batch[..usize::try_from(count).unwrap_or(0)] {
            started.get_or_insert_with(Instant::now);
            // SAFETY: librdkafka filled the first `count` pointers; each message is destroyed once, after its last use.
            unsafe {
                if (*message).err == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    records += 1;
                    bytes += (*message).len;
                }
                rd_kafka_message_destroy(message);
            }
        }
    }
    let seconds = started.map_or(0.0, |started: Instant| started.elapsed().as_secs_f64());
    // SAFETY: no message of the queue is left, and nobody else has it.
    unsafe { rd_kafka_queue_destroy(queue) };
    (records, bytes, seconds)
}

fn max_rss_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no number in VmHWM")?.parse()?;
    Ok(kib / 1024.0)
}
