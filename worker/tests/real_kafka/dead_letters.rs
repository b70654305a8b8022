//! `worker dead-letters` against a real broker: what the embedded one has not (retention, several readers, a broker
//! that goes away), and dead letters as the consumer really writes them.
//!
//! Deliberately sparing with counts and classes: those are tested where they are made.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    broker::Broker,
    process::{self, Process},
    topic::{self, Record},
    wait,
};

/// A dead-letter topic and a group of its own.
struct Names {
    broker: String,
    orders: String,
}

impl Names {
    fn new(broker: &Broker) -> Names {
        Names { broker: broker.address().to_owned(), orders: topic::unique("graves") }
    }

    fn dead_letter(&self) -> String {
        format!("{}-dlq", self.orders)
    }

    fn start(&self, command: &str, extra: &[&str]) -> Process {
        let common =
            [command, "--bootstrap-servers", &self.broker, "--topic", &self.orders, "--group-id", &self.orders];
        Process::worker(&[&common[..], &["--admin-address", "127.0.0.1:0"], extra].concat())
    }

    /// The dead-letter consumer to its end; its report's part.
    fn read(&self, extra: &[&str]) -> Value {
        let file = tempfile::NamedTempFile::new().expect("a writable folder");
        let report = ["--report", file.path().to_str().expect("a plain path")];
        let ended = self.start("dead-letters", &[extra, &report[..]].concat()).wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        process::report(file.path())["deadLetters"].clone()
    }

    /// Letters with these offsets of origin, in one partition.
    fn bury(&self, partition: i32, offsets: impl IntoIterator<Item = i64>) {
        let letters: Vec<Record> = offsets.into_iter().map(|offset| letter(&self.orders, partition, offset)).collect();
        topic::produce(&self.broker, &self.dead_letter(), &letters);
    }
}

/// A dead letter of the group that is named like the topic, worth 1.00 USD.
fn letter(orders: &str, partition: i32, offset: i64) -> Record {
    let (offset, timestamp) = (offset.to_string(), "1700000000000");
    let headers = [
        ("topic", orders),
        ("partition", "0"),
        ("offset", &offset),
        ("group", orders),
        ("delivery.count", "4"),
        ("message", "simulated failure"),
        ("class", "transient"),
        ("disposition", "retries-exhausted"),
        ("timestamp", timestamp),
        ("order.id", &offset),
        ("product", "P7"),
        ("order.value.minor", "100"),
        ("order.currency", "USD"),
    ];
    let header = |(name, value): &(&str, &str)| (format!("__dlq.errors.{name}"), Some(value.as_bytes().to_vec()));
    let headers = headers.iter().map(header).collect();
    Record { partition: Some(partition), headers, ..Record::new(&offset, "as it was sent") }
}

#[test]
fn what_the_consumer_gave_up_is_seen_with_its_value() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let made = Process::worker(&[
        "prepare",
        "--bootstrap-servers",
        &names.broker,
        "--topic",
        &names.orders,
        "--group-id",
        &names.orders,
    ]);
    assert_eq!(made.wait().code, Some(0));
    assert_eq!(names.start("produce", &["--count", "30", "--rate", "0"]).wait().code, Some(0));
    let backoff = ["--initial-backoff", "20ms", "--until-idle", "1s"];
    let consumed = names.start("consume", &[&["--permanent-percent", "100"], &backoff[..]].concat()).wait();
    assert_eq!(consumed.code, Some(0), "{consumed:?}");

    let found = names.read(&["--until-idle", "500ms"]);
    assert_eq!(found["count"], 30, "{found}");
    assert_eq!(found["valueUnknown"], 0, "{found}");
    assert_eq!(found["value"][0]["currency"], "USD", "{found}");
    assert_eq!(names.read(&["--peek"]), found, "the same, however it is read and how often");
}

#[test]
fn copies_and_foreign_records_are_left_out() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 1);
    topic::produce(&names.broker, &names.dead_letter(), &[Record::new("key", "somebody else's")]);
    names.bury(0, [1, 2, 1, 3, 2]);
    let ended = names.start("dead-letters", &["--peek"]).wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.matches("dead letter  order").count(), 3, "{}", ended.stdout);
    for remark in ["left out: 1", "not counted again: 2"] {
        assert!(ended.stderr.contains(remark), "{}", ended.stderr);
    }
}

#[test]
fn a_peek_leaves_no_trace() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 3);
    names.bury(1, 0..10);
    assert_eq!(names.read(&["--peek"])["count"], 10);
    let group = format!("{}-dead-letters", names.orders);
    assert!(topic::committed(&names.broker, &group, &names.dead_letter()).is_empty());
}

#[test]
fn a_missing_topic_ends_it_and_is_not_made() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let ended = names.start("dead-letters", &["--peek"]).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("topic {} does not exist", names.dead_letter())), "{}", ended.stderr);
    assert_eq!(topic::partition_count(&names.broker, &names.dead_letter()), None);
}

#[test]
fn what_retention_removes_leaves_the_figures() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 1);
    names.bury(0, 0..10);
    let reader = names.start("dead-letters", &[]);
    let admin = reader.admin_address();
    wait_for_depth(&admin, 10.0);
    assert_eq!(process::metric(&admin, "orderpipeline_dead_letter_value{currency=\"USD\"}"), Some(10.0));
    wait::until("the retention to be known", String::new, || {
        process::metric(&admin, "orderpipeline_dead_letter_retention_seconds").filter(|seconds| *seconds == 604_800.0)
    });

    topic::remove_below(&names.broker, &names.dead_letter(), 0, 7);
    wait_for_depth(&admin, 3.0);
    assert_eq!(process::metric(&admin, "orderpipeline_dead_letter_value{currency=\"USD\"}"), Some(3.0));
    reader.terminate();
    assert_eq!(reader.wait().code, Some(0));
}

fn wait_for_depth(admin: &str, depth: f64) {
    let seen = || process::metric(admin, "orderpipeline_dead_letter_depth");
    wait::until(&format!("a depth of {depth}"), || format!("{:?}", seen()), || (seen() == Some(depth)).then_some(()));
}

#[test]
fn what_exceeds_the_budget_is_told_and_reported_while_it_lasts() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 1);
    names.bury(0, 0..3);
    let file = tempfile::NamedTempFile::new().expect("a writable folder");
    let report = file.path().to_str().expect("a plain path");
    let budget = ["--max-depth", "2", "--max-age", "1s", "--max-value", "USD=2.50", "--max-value", "EUR=1"];
    let reader =
        names.start("dead-letters", &[&budget[..], &["--report-interval", "100ms", "--report", report]].concat());
    let admin = reader.admin_address();
    let over = |limit: &str| {
        process::metric(&admin, &format!("orderpipeline_dead_letter_budget_exceeded{{limit=\"{limit}\"}}"))
    };
    let wait_for = |expected: [f64; 3]| {
        let seen = || ["depth", "age", "value"].map(|limit| over(limit).unwrap_or(-1.0));
        wait::until(&format!("{expected:?}"), || format!("{:?}", seen()), || (seen() == expected).then_some(()));
    };
    wait_for([1.0, 1.0, 1.0]);
    let told = "over budget (--max-value): value of the dead letters is 3.00 USD, 2.50 USD are allowed";
    reader.wait_for_line(told);
    let listed = process::status(&admin)["overBudget"].clone();
    assert_eq!(listed[0]["limit"], "maxDepth", "{listed}");
    assert_eq!(
        listed[2],
        serde_json::json!({"limit": "maxValue", "currency": "USD", "actual": "3.00", "allowed": "2.50"})
    );
    reader.wait_for_line("dead letters 3  3.00 USD at risk  3 transient  oldest");
    assert_eq!(process::report(file.path())["deadLetters"]["count"], 3, "renewed while it runs");

    topic::remove_below(&names.broker, &names.dead_letter(), 0, 3);
    wait_for([0.0, 0.0, 0.0]);
    assert_eq!(process::status(&admin)["overBudget"], serde_json::json!([]));
    reader.terminate();
    let ended = reader.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("over budget").count(), 3, "each limit once: {}", ended.stderr);
}

#[test]
fn letters_that_kafka_is_about_to_delete_are_told() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let brief = Names::new(broker);
    // Both letters are from 1970. One topic keeps three hundred years, the other seventy: three quarters of these were
    // over in 2022.
    let old = |orders: &str| Record { timestamp: Some(1), ..letter(orders, 0, 1) };
    for (names, retention) in [(&names, "10000000000000"), (&brief, "2200000000000")] {
        topic::create_with(&names.broker, &names.dead_letter(), 1, &[("retention.ms", retention)]);
        topic::produce(&names.broker, &names.dead_letter(), &[old(&names.orders)]);
    }
    let readers = [&names, &brief].map(|names| names.start("dead-letters", &[]));
    let told = readers[1].wait_for_line(&format!("Kafka deletes dead letters of topic {} in ", brief.dead_letter()));
    assert!(told.contains("retention.ms"), "{told}");
    let admin = readers[0].admin_address();
    wait_for_depth(&admin, 1.0);
    wait::until("the retention to be known", String::new, || {
        process::metric(&admin, "orderpipeline_dead_letter_retention_seconds").filter(|seconds| *seconds == 1e10)
    });
    let [far, _] = readers;
    far.terminate();
    let ended = far.wait();
    assert!(!ended.stderr.contains("Kafka deletes"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_was_killed_knows_it_all_again() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 2);
    names.bury(0, 0..200);
    names.bury(1, (1000..1200).chain(1150..1170));
    let before = names.start("dead-letters", &[]);
    wait_for_depth(&before.admin_address(), 400.0);
    before.crash();
    topic::remove_below(&names.broker, &names.dead_letter(), 0, 50);
    names.bury(1, 1200..1210);
    // Its place in the group is taken when the dead one's session is over.
    let after = names.start("dead-letters", &[]);
    let admin = after.admin_address();
    wait_for_depth(&admin, 360.0);
    assert_eq!(process::metric(&admin, "orderpipeline_dead_letter_value{currency=\"USD\"}"), Some(360.0));
    assert_eq!(names.read(&["--peek"])["count"], 360);
}

#[test]
fn readers_of_a_group_share_the_topic_and_see_everything_together() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    topic::create(&names.broker, &names.dead_letter(), 4);
    for partition in 0..4 {
        names.bury(partition, (0..5).map(|offset| i64::from(partition) * 100 + offset));
    }
    let first = names.start("dead-letters", &[]);
    wait_for_depth(&first.admin_address(), 20.0);
    // What the first has read and then gives away must leave its figures.
    let readers = [first, names.start("dead-letters", &[])];
    let admins = readers.each_ref().map(Process::admin_address);
    let partitions = |admin: &String| -> BTreeSet<i64> {
        let status = process::status(admin);
        status["partitions"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
    };
    let depth = |admin: &String| process::metric(admin, "orderpipeline_dead_letter_depth").unwrap_or(0.0);
    wait::until(
        "each reader to have its share, read",
        || format!("{:?}", admins.each_ref().map(|admin| process::get(admin, "/status").1)),
        || {
            let [one, other] = admins.each_ref().map(partitions);
            let shared = one.len() == 2 && other.len() == 2 && one.is_disjoint(&other);
            let depths = admins.each_ref().map(depth);
            (shared && depths == [10.0, 10.0]).then_some(())
        },
    );
    for reader in readers {
        reader.terminate();
        assert_eq!(reader.wait().code, Some(0));
    }
}

#[test]
fn a_broker_that_is_gone_is_not_the_end_of_the_topic() {
    let Some(broker) = Broker::start(&[]) else { return };
    let names = Names::new(&broker);
    topic::create(&names.broker, &names.dead_letter(), 1);
    names.bury(0, 0..3);
    let reader = names.start("dead-letters", &["--until-idle", "5s"]);
    reader.wait_for_line("dead letter  order 2");
    // Gone before those 5 s are over, which a clean stop may not be.
    broker.crash();
    // The session ends after 10 s: by then it has been idle for twice as long as it was to wait.
    reader.wait_for_line("dead-letter partitions given back");
    broker.start_again();
    names.bury(0, 3..5);
    let ended = reader.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("dead letter  order 4"), "{}", ended.stdout);
}
