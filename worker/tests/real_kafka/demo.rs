//! `worker demo` as a process, on a real broker and on its own: everything is accounted for, and nothing else touched.

use std::fs;

use serde_json::Value;

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::Pipeline,
    process::{self, Ended, Process},
    topic, wait,
};

/// `worker demo` with short retries, a free admin port and a report in the folder of `pipeline`.
fn demo(pipeline: &Pipeline<'_>, more: &[&str]) -> (Process, std::path::PathBuf) {
    let report = pipeline.file("report.json");
    let path = report.to_str().expect("temporary paths are UTF-8");
    let common = ["demo", "--initial-backoff", "50ms", "--admin-address", "127.0.0.1:0", "--report", path];
    (Process::worker(&[&common[..], more].concat()), report)
}

fn done((process, report): (Process, std::path::PathBuf)) -> (Ended, Value) {
    let ended = process.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (ended, process::report(&report))
}

/// Every order that was sent was handled or given up, and each that was given up was seen.
fn assert_accounted_for(report: &Value, count: u64) {
    let number = |of: &str, name: &str| report[of][name].as_u64().expect("a count");
    assert_eq!((number("produced", "acknowledged"), number("produced", "failed")), (count, 0), "{report}");
    assert_eq!(number("consumed", "records"), count, "{report}");
    assert_eq!(number("consumed", "succeeded") + number("consumed", "deadLettered"), count, "{report}");
    assert_eq!(number("deadLetters", "count"), number("consumed", "deadLettered"), "{report}");
}

/// What stands behind `-t` in the line that shows how to look at `what`.
fn topic_of(process: &Process, what: &str) -> String {
    let line = process.wait_for("the line for kcat", |lines| {
        lines.iter().find(|line| line.contains("kcat") && line.contains(what)).cloned()
    });
    let mut words = line.split(' ').skip_while(|word| *word != "-t");
    words.nth(1).expect("a topic stands behind -t").to_owned()
}

#[test]
fn on_a_real_broker_it_uses_topics_of_its_own() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "demo", 2);
    pipeline.fill(&orders::made("theirs", 5));
    let names =
        ["--topic", &pipeline.orders, "--dead-letter-topic", &pipeline.dead_letters, "--group-id", &pipeline.group];
    let where_to = ["--bootstrap-servers", pipeline.broker, "--orders", "300", "--rate", "0"];

    let demo = demo(&pipeline, &[&where_to[..], &names].concat());
    let (own_orders, own_dead) = (topic_of(&demo.0, "orders "), topic_of(&demo.0, "dead letters"));
    let (_, report) = done(demo);

    assert_accounted_for(&report, 300);
    assert!(own_orders.starts_with("demo-") && own_dead.starts_with("demo-"), "{own_orders} {own_dead}");
    assert_eq!(topic::read_all(pipeline.broker, &own_orders).len(), 300);
    assert_eq!(report["deadLetters"]["count"], topic::read_all(pipeline.broker, &own_dead).len());
    assert_eq!(topic::read_all(pipeline.broker, &pipeline.orders).len(), 5);
    assert!(pipeline.dead().is_empty() && pipeline.committed().is_empty());
}

#[test]
fn an_order_file_goes_through_with_the_fate_of_each_order() {
    let pipeline = Pipeline::without_topics("none", "demo-file");
    let made = orders::made("demo-file", 500);
    let input = pipeline.file("orders.csv");
    fs::write(&input, orders::csv(&made)).expect("a writable folder");
    let input = input.to_str().expect("temporary paths are UTF-8");

    let (_, report) = done(demo(&pipeline, &["--input", input, "--rate", "0", "--failure-percent", "30"]));

    let is_dead = |order: &&Made| order.fate(30.0, 3).is_dead;
    assert_accounted_for(&report, 500);
    assert_eq!(report["products"], orders::products(made.iter().filter(|order| !is_dead(order))));
    let dead: Vec<Made> = made.iter().filter(is_dead).cloned().collect();
    assert!(!dead.is_empty());
    assert_eq!(report["deadLetters"]["count"], dead.len());
    assert_eq!(report["deadLetters"]["byClass"][0]["class"], "transient");
    let worth = orders::overall(dead.iter())[0]["revenue"].clone();
    assert_eq!(report["deadLetters"]["value"], serde_json::json!([{"currency": "USD", "value": worth}]));
}

#[test]
fn a_hundred_thousand_orders_as_fast_as_it_goes_are_all_accounted_for() {
    let pipeline = Pipeline::without_topics("none", "demo-many");
    let (_, report) = done(demo(&pipeline, &["--rate", "0", "--orders", "100000"]));
    assert_accounted_for(&report, 100_000);
}

#[test]
fn the_address_that_it_prints_is_a_broker_for_others_while_it_runs() {
    let pipeline = Pipeline::without_topics("none", "demo-open");
    let (process, report) = demo(&pipeline, &["--orders", "100000", "--rate", "100"]);
    let line = process.wait_for_line("kcat -b ");
    let address = line.split(' ').skip_while(|word| *word != "-b").nth(1).expect("an address stands behind -b");
    let orders = topic_of(&process, "orders ");
    let admin = process.admin_address();
    wait::until("orders", String::new, || {
        let sent = "orderpipeline_consumer_orders_total{outcome=\"succeeded\",role=\"consume\"}";
        process::metric(&admin, sent).filter(|count| *count > 20.0)
    });
    let seen = topic::read_all(address, &orders);
    assert!(seen.len() > 20, "{}", seen.len());
    assert!(seen.iter().all(|record| record.key.as_deref() == Some(orders::id_of(record).as_bytes())));
    let roles = process::status(&admin)["roles"].as_array().map_or(0, Vec::len);
    assert_eq!(roles, 3);

    process.terminate();
    let (_, report) = done((process, report));
    assert_accounted_for(&report, report["produced"]["acknowledged"].as_u64().expect("a count"));
}
