//! `worker consume` while its broker is away: it waits, says so now and then, and goes on.

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, products},
    process, topic, wait,
};

const FAILING: [&str; 4] = ["--failure-percent", "30", "--initial-backoff", "200ms"];

/// Lines of trouble that one outage may bring on stderr.
const MOST_LINES: usize = 50;

fn is_dead(order: &Made) -> bool {
    order.fate(30.0, 3).is_dead
}

#[test]
fn a_broker_that_goes_away_for_a_while_costs_no_order() {
    let Some(broker) = Broker::start(&[]) else { return };
    let pipeline = Pipeline::new(broker.address(), "outage", 3);
    let made = orders::told_apart("outage", 2_000);
    let consumer = pipeline.consumer(&[&FAILING[..], &["--until-idle", "3s"]].concat());
    let producer = pipeline.producer(&made, 200);
    consumer.wait_for_records(300);
    broker.crash();
    // Longer than the group waits: the partitions are lost, too.
    consumer.process.wait_for_line("session timed out");
    broker.start_again();
    producer.done();
    let (ended, report) = consumer.done();

    assert_eq!(products(&report), orders::ids(&made, |order| !is_dead(order)));
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, is_dead));
    assert_eq!(pipeline.committed(), pipeline.ends());
    let trouble = ended.stderr.lines().filter(|line| line.starts_with("warning") || line.starts_with("error")).count();
    assert!((1..=MOST_LINES).contains(&trouble), "{trouble} lines:\n{}", ended.stderr);
}

#[test]
fn a_broker_that_is_away_never_looks_like_an_idle_topic() {
    let Some(broker) = Broker::start(&[]) else { return };
    let pipeline = Pipeline::new(broker.address(), "outage-idle", 3);
    pipeline.fill(&orders::made("outage-idle", 10));
    let consumer = pipeline.consumer(&["--until-idle", "5s", "--checkpoint-interval", "1h"]);
    consumer.wait_for_records(9);
    broker.crash();
    consumer.process.wait_for_line("not idle yet");
    broker.start_again();
    consumer.done();
    assert_eq!(pipeline.committed(), pipeline.ends());
}

#[test]
fn a_consumer_can_be_stopped_while_its_broker_is_away() {
    let Some(broker) = Broker::start(&[]) else { return };
    let pipeline = Pipeline::new(broker.address(), "outage-stop", 3);
    pipeline.fill(&orders::made("outage-stop", 10));
    let consumer = pipeline.consumer(&["--checkpoint-interval", "1h"]);
    consumer.wait_for_records(9);
    broker.stop();
    let (ended, report) = consumer.stop();
    assert!(ended.stderr.contains("these orders will be read again"), "{ended:?}");
    assert_eq!(report["consumed"]["records"], 10);
}

#[test]
fn a_service_waits_for_a_broker_that_is_not_there_yet() {
    let Some(broker) = Broker::start(&[]) else { return };
    let pipeline = Pipeline::new(broker.address(), "outage-start", 1);
    pipeline.fill(&orders::made("outage-start", 10));
    broker.stop();
    // The time-out is for one-shot runs: the one below takes longer, and the service is still there.
    let consumer = pipeline.consumer(&["--connect-timeout", "1s"]);
    consumer.process.wait_for_line(broker.address());
    let admin = consumer.process.admin_address();
    let (code, waits_for) = process::get(&admin, "/readyz");
    assert_eq!((code, waits_for.contains("waiting for Kafka")), (503, true), "{waits_for}");
    let once = pipeline.consumer(&["--until-idle", "1s", "--connect-timeout", "2s"]);
    let ended = once.process.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("no answer from Kafka at {} within 2s", broker.address())), "{ended:?}");
    broker.start_again();
    consumer.wait_for_records(9);
    wait::until(
        "readiness",
        || process::get(&admin, "/readyz").1,
        || (process::get(&admin, "/readyz").0 == 200).then_some(()),
    );
    consumer.stop();
    assert_eq!(topic::end_offsets(pipeline.broker, &pipeline.orders).values().sum::<i64>(), 10);
}
