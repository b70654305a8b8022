//! A registry that goes away: what is known goes on, what is not known waits, and nothing is dead-lettered.

use schemas::codec::{Encoding, ORDER_V1, ORDER_V2, SchemaVersion};

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, products},
    process,
    registry::Registry,
    topic::{self, Record},
};

/// A framed order in a partition.
fn framed(made: &Made, version: SchemaVersion, id: u32, partition: i32) -> Record {
    let value = made.encoded(version, Encoding::Confluent(id));
    Record { partition: Some(partition), ..Record::new(&made.key, value) }
}

#[test]
fn an_unknown_id_holds_its_partition_alone_while_the_registry_is_down() {
    let Some(broker) = Broker::shared() else { return };
    let Some(registry) = Registry::start() else { return };
    let pipeline = Pipeline::new(broker.address(), "registry-down", 2);
    let subject = format!("{}-value", pipeline.orders);
    let register = || [ORDER_V1, ORDER_V2].map(|schema| registry.register(&subject, schema, &[]));
    let [v1, v2] = register();
    // Of each key one order in each version, so that an order that overtakes another of its key shows.
    let made = orders::told_apart("o", 40);
    let known = |range: std::ops::Range<usize>, partition| {
        made[range].iter().map(|made| framed(made, SchemaVersion::V1, v1, partition)).collect::<Vec<_>>()
    };
    topic::produce(broker.address(), &pipeline.orders, &[known(0..5, 0), known(5..10, 1)].concat());
    let consumer = pipeline.consumer(&["--schema-registry-url", registry.address(), "--checkpoint-interval", "100ms"]);
    consumer.wait_for_records(9);

    registry.crash();
    let unknown: Vec<Record> = made[10..15].iter().map(|made| framed(made, SchemaVersion::V2, v2, 0)).collect();
    let behind = [unknown, known(15..20, 0), known(20..40, 1)].concat();
    topic::produce(broker.address(), &pipeline.orders, &behind);
    consumer.wait_for_records(29);
    let admin = consumer.process.admin_address();
    let message = consumer.wait_for_status("what it waits for", |status| {
        let message = status["message"].as_str()?;
        message.contains("1 of 2 partitions wait for the schema").then(|| message.to_owned())
    });
    assert!(message.contains(registry.address()) && message.contains("cannot connect"), "{message}");
    let (code, words) = process::get(&admin, "/readyz");
    assert!(code == 503 && words.contains("does not answer"), "{code}: {words}");
    assert_eq!(process::metric(&admin, "orderpipeline_consumer_held_partitions"), Some(1.0));
    assert_eq!(consumer.process.status()["totals"]["records"], 30, "nothing of the held partition");
    assert!(pipeline.dead().is_empty(), "an outage is nobody's fault");

    registry.start_again();
    assert_eq!(register(), [v1, v2], "a new registry counts from 1 again");
    consumer.wait_for_records(39);
    let (ended, report) = consumer.stop();

    assert_eq!(report["consumed"]["succeeded"], 40, "{ended:?}");
    assert_eq!(products(&report), orders::ids(&made, |_| true));
    assert!(pipeline.dead().is_empty());
}
