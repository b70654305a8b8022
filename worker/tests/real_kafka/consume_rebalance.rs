//! `worker consume` in groups that change: members join, leave and die under load, and no order is lost.
//!
//! Totals live in memory, so an order may be handled twice after a rebalance. What counts is that somebody handled each:
//! every order has a product of its own, so that the reports name the orders.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, Role, products},
    process, topic, wait,
};

/// Half of the tries fail, and one retry is given: a quarter of the orders dies.
const FAILING: [&str; 6] = ["--failure-percent", "50", "--max-retries", "1", "--initial-backoff", "300ms"];

/// Orders a second while members come and go.
const RATE: u32 = 300;

fn is_dead(order: &Made) -> bool {
    order.fate(50.0, 1).is_dead
}

/// 40 keys of many orders each.
fn of_few_keys(name: &str, count: usize) -> Vec<Made> {
    let made = orders::told_apart(name, count).into_iter().enumerate();
    made.map(|(number, order)| Made { key: format!("key-{}", number % 40), ..order }).collect()
}

fn partitions(role: &Role) -> BTreeSet<i64> {
    let status = role.process.status();
    let assignment = status["assignment"].as_array().cloned().unwrap_or_default();
    assignment.iter().filter_map(|partition| partition["partition"].as_i64()).collect()
}

/// Waits until each of `roles` has partitions, and all six are taken once.
fn wait_until_shared(roles: &[&Role]) {
    let shares = || roles.iter().map(|role| partitions(role)).collect::<Vec<_>>();
    wait::until(
        "all partitions to be shared",
        || format!("{:?}", shares()),
        || {
            let shares = shares();
            let taken: usize = shares.iter().map(BTreeSet::len).sum();
            let all: BTreeSet<i64> = shares.iter().flatten().copied().collect();
            (taken == 6 && all.len() == 6 && shares.iter().all(|share| !share.is_empty())).then_some(())
        },
    );
}

/// Of each key the dead letters came in the order of their orders, copies left out.
fn assert_dead_letters_are_in_order(pipeline: &Pipeline<'_>) {
    let mut seen: BTreeMap<Option<Vec<u8>>, Vec<i64>> = BTreeMap::new();
    for letter in pipeline.dead() {
        let offset = letter.header("__dlq.errors.offset").and_then(|text| text.parse().ok()).expect("an offset");
        let offsets = seen.entry(letter.key).or_default();
        if !offsets.contains(&offset) {
            offsets.push(offset);
        }
    }
    for (key, offsets) in seen {
        assert!(offsets.is_sorted(), "{key:?}: {offsets:?}");
    }
}

fn handled(reports: &[Value]) -> BTreeSet<String> {
    reports.iter().flat_map(products).collect()
}

#[test]
fn members_that_join_and_leave_under_load_lose_no_order() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "rebalance", 6);
    let made = of_few_keys("rebalance", 3_000);
    // Each member has orders of its own to wait for, however long it takes until it has its share.
    let [before, between, after] = [&made[..1_000], &made[1_000..2_000], &made[2_000..]];
    let first = pipeline.consumer(&FAILING);
    let mut producers = vec![pipeline.producer(before, RATE)];
    first.wait_for_records(100);
    let second = pipeline.consumer(&FAILING);
    wait_until_shared(&[&first, &second]);
    producers.push(pipeline.producer(between, RATE));
    second.wait_for_records(100);
    let (_, first) = first.stop();
    wait_until_shared(&[&second]);
    let third = pipeline.consumer(&FAILING);
    wait_until_shared(&[&second, &third]);
    producers.push(pipeline.producer(after, RATE));
    third.wait_for_records(100);
    let (_, second) = second.stop();
    for producer in producers {
        assert_eq!(producer.done().1["produced"]["acknowledged"], 1_000);
    }
    pipeline.wait_until_committed();
    let (_, third) = third.stop();

    assert_eq!(handled(&[first, second, third]), orders::ids(&made, |order| !is_dead(order)));
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, is_dead));
    assert_dead_letters_are_in_order(&pipeline);
    assert_eq!(pipeline.committed(), pipeline.ends());
}

#[test]
fn what_a_killed_member_left_open_is_done_by_the_next() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "kill", 6);
    let made = of_few_keys("kill", 3_000);
    let short =
        [&FAILING[..], &["--checkpoint-interval", "200ms", "--client-config", "session.timeout.ms=6000"]].concat();
    let first = pipeline.consumer(&short);
    let producer = pipeline.producer(&made, RATE);
    first.wait_for_records(500);
    let committed = || pipeline.committed().values().sum::<i64>();
    wait::until("100 orders to be committed", || committed().to_string(), || (committed() >= 100).then_some(()));
    first.wait_for_status("parked orders", |status| status["parked"].as_u64().filter(|parked| *parked > 0));
    first.process.crash();
    assert_eq!(first.process.wait().signal, Some(9));
    let committed = pipeline.committed();
    producer.done();
    let second = pipeline.consumer(&short);
    pipeline.wait_until_committed();
    let (_, second) = second.stop();

    let sources = topic::read_all(pipeline.broker, &pipeline.orders);
    let before: BTreeSet<String> = sources
        .iter()
        .filter(|source| source.offset < source.partition.and_then(|number| committed.get(&number)).copied())
        .map(orders::id_of)
        .collect();
    assert!(!before.is_empty() && before.len() < made.len(), "killed in the middle: {committed:?}");
    let all = orders::ids(&made, |order| !is_dead(order));
    let missing: Vec<&String> =
        all.iter().filter(|id| !before.contains(*id) && !products(&second).contains(*id)).collect();
    assert!(missing.is_empty(), "neither committed by the first nor handled by the second: {missing:?}");
    let again: Vec<String> = products(&second).intersection(&before).cloned().collect();
    assert!(again.is_empty(), "committed, yet handled again: {again:?}");
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, is_dead));
    assert_dead_letters_are_in_order(&pipeline);
}

#[test]
fn a_member_that_hung_and_came_back_loses_no_order() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "hung", 6);
    let made = of_few_keys("hung", 3_000);
    let short = [&FAILING[..], &["--client-config", "session.timeout.ms=6000"]].concat();
    let (hung, other) = (pipeline.consumer(&short), pipeline.consumer(&short));
    wait_until_shared(&[&hung, &other]);
    let producer = pipeline.producer(&made, 200);
    hung.wait_for_records(100);
    hung.process.suspend();
    wait_until_shared(&[&other]);
    let taken_over = pipeline.committed();
    other.wait_for_records(1_000);
    hung.process.resume();
    wait_until_shared(&[&hung, &other]);
    let back = pipeline.committed();
    assert!(taken_over.iter().all(|(number, offset)| back[number] >= *offset), "{taken_over:?} {back:?}");
    producer.done();
    pipeline.wait_until_committed();
    let reports = [hung.stop().1, other.stop().1];

    assert_eq!(handled(&reports), orders::ids(&made, |order| !is_dead(order)));
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, is_dead));
    assert_eq!(pipeline.committed(), pipeline.ends());
}

#[test]
fn a_member_without_room_for_longer_than_the_poll_interval_stays_in_its_group() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "no-room", 1);
    let made = orders::told_apart("no-room", 100);
    pipeline.fill(&made);
    // Each order's only retry comes after 8 s, the poll interval is 6 s, and there is room for a part of the orders.
    let failing = ["--fail-above-price", "0.00", "--max-retries", "1", "--initial-backoff", "8s"];
    let little = ["--max-parked-bytes", "16384", "--max-dead-letter-ratio-percent", "100"];
    let short = ["--client-config", "session.timeout.ms=6000", "--client-config", "max.poll.interval.ms=6000"];
    let consumer = pipeline.consumer(&[&failing[..], &little, &short].concat());
    let parked = consumer.wait_for_status("no more room", |status| {
        status["parked"].as_u64().filter(|parked| *parked > 0 && status["totals"]["records"] == 0)
    });
    pipeline.wait_until_committed();
    let rebalances = |kind| {
        let series = format!("orderpipeline_consumer_rebalances_total{{kind=\"{kind}\"}}");
        process::metric(&consumer.process.admin_address(), &series)
    };
    assert_eq!([rebalances("assign"), rebalances("revoke"), rebalances("lost")], [Some(1.0), Some(0.0), Some(0.0)]);
    assert!(parked < 100, "all {parked} found room");
    consumer.stop();
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, |_| true));
}
