//! `worker produce` as a process: what it reports is what is in the topic, whatever happens to it or to the broker.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    broker::Broker,
    process::{self, Process},
    topic, wait,
};

fn folder() -> TempDir {
    TempDir::with_prefix("real-kafka-").expect("the folder for temporary files is writable")
}

/// `worker produce` to a topic, with a free admin port, its report at `report`, and what else is asked for.
fn produce(broker: &Broker, topic: &str, report: &Path, more: &[&str]) -> Process {
    let report = report.to_str().expect("temporary paths are UTF-8");
    let common = ["produce", "--bootstrap-servers", broker.address(), "--topic", topic, "--report", report];
    Process::worker(&[&common[..], &["--admin-address", "127.0.0.1:0"], more].concat())
}

fn acknowledged(report: &Value) -> u64 {
    report["produced"]["acknowledged"].as_u64().expect("the report counts acknowledged orders")
}

fn in_topic(broker: &Broker, topic: &str) -> u64 {
    topic::end_offsets(broker.address(), topic).values().sum::<i64>().unsigned_abs()
}

#[test]
fn a_topic_that_is_missing_is_named_and_stays_missing() {
    let Some(broker) = Broker::shared() else { return };
    let (missing, folder) = (topic::unique("produce-missing"), folder());
    let ended = produce(broker, &missing, &folder.path().join("report"), &["--count", "3"]).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let remedy = format!("topic {missing} does not exist on {}; make it with `worker prepare", broker.address());
    assert!(ended.stderr.contains(&remedy), "{ended:?}");
    assert_eq!(topic::partition_count(broker.address(), &missing), None);
}

#[test]
fn keys_go_to_the_partitions_that_java_would_choose() {
    let Some(broker) = Broker::shared() else { return };
    let (orders, folder) = (topic::unique("produce-keys"), folder());
    topic::create(broker.address(), &orders, 6);
    // From the tests of Kafka's own murmur2: -973932308, 479470107, -985981536, -1486304829, each without its sign bit,
    // modulo 6.
    let keys = [("21", 0), ("abc", 3), ("a-little-bit-long-string", 2), ("a-little-bit-longer-string", 5)];
    let input = folder.path().join("orders.csv");
    let lines: String = keys.iter().map(|(key, _)| format!("1001,P1,5.00,{key}\n")).collect();
    fs::write(&input, format!("orderId,product,price,key\n{lines}")).expect("a writable folder");
    let input = input.to_str().expect("temporary paths are UTF-8");
    let more = ["--input", input, "--rate", "0"];
    let ended = produce(broker, &orders, &folder.path().join("report"), &more).wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for record in topic::read_all(broker.address(), &orders) {
        let key = String::from_utf8(record.key.expect("orders have keys")).expect("keys are text");
        let place = keys.iter().find(|(known, _)| *known == key).map(|(_, place)| *place);
        assert_eq!(record.partition, place, "the partition of {key}");
    }
    assert_eq!(in_topic(broker, &orders), 4);
}

#[test]
fn a_stop_at_full_speed_loses_no_order_and_counts_each() {
    let Some(broker) = Broker::shared() else { return };
    let (orders, folder) = (topic::unique("produce-stop"), folder());
    topic::create(broker.address(), &orders, 3);
    let report = folder.path().join("report");
    let worker = produce(broker, &orders, &report, &["--rate", "0"]);
    let admin = worker.admin_address();
    let status = || process::status(&admin)["acknowledged"].as_u64();
    wait::until("a thousand orders", || format!("{:?}", status()), || status().filter(|count| *count > 1_000));
    worker.terminate();
    let ended = worker.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = process::report(&report);
    assert_eq!(report["produced"]["failed"], 0);
    assert_eq!(acknowledged(&report), in_topic(broker, &orders));
}

#[test]
fn a_broker_that_goes_away_for_a_while_costs_no_order_and_doubles_none() {
    let Some(broker) = Broker::start(&[]) else { return };
    let (orders, folder) = (topic::unique("produce-outage"), folder());
    topic::create(broker.address(), &orders, 3);
    let report = folder.path().join("report");
    let worker = produce(&broker, &orders, &report, &["--rate", "500", "--count", "5000"]);
    let admin = worker.admin_address();
    let status = || process::status(&admin)["acknowledged"].as_u64();
    wait::until("some orders", || format!("{:?}", status()), || status().filter(|count| *count > 500));
    broker.stop();
    broker.start_again();
    let ended = worker.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(acknowledged(&process::report(&report)), 5_000);
    let records = topic::read_all(broker.address(), &orders);
    let keys: BTreeSet<_> = records.iter().map(|record| record.key.clone()).collect();
    assert_eq!((records.len(), keys.len()), (5_000, 5_000));
}

#[test]
fn a_quiet_pipe_holds_up_neither_answers_nor_a_stop() {
    let Some(broker) = Broker::shared() else { return };
    let (orders, folder) = (topic::unique("produce-pipe"), folder());
    topic::create(broker.address(), &orders, 1);
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    let script = "exec 3<>\"$1\"; printf 'orderId,product,price\\n1001,P7,55\\n' >&3; exec \"$2\" produce \
        --bootstrap-servers \"$3\" --topic \"$4\" --admin-address 127.0.0.1:0 --input - --rate 0 <&3";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(&pipe).args([env!("CARGO_BIN_EXE_worker"), broker.address(), &orders]);
    let worker = Process::start(&mut command);
    worker.wait_for_line("sent  order 1001  product P7  55.00 USD  partition 0 offset 0");
    worker.terminate();
    let ended = worker.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("1 acknowledged, 0 failed"), "{ended:?}");
}
