//! `worker consume` with durable totals, across clean restarts: exact after each of them, and told by `worker report`.

use serde_json::Value;

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::Pipeline,
    process::{self, Process},
    topic, wait,
};

const FAILING: [&str; 4] = ["--failure-percent", "30", "--initial-backoff", "50ms"];

fn is_dead(order: &Made) -> bool {
    order.fate(30.0, 3).is_dead
}

/// The report says exactly this of these orders.
#[track_caller]
fn assert_tells(report: &Value, made: &[Made]) {
    let dead = made.iter().filter(|order| is_dead(order)).count();
    let retries: u32 = made.iter().map(|order| order.fate(30.0, 3).retries).sum();
    let counts = ["records", "succeeded", "deadLettered", "skipped", "retries"].map(|name| &report["consumed"][name]);
    assert_eq!(counts, [made.len(), made.len() - dead, dead, 0, retries as usize].map(Value::from).each_ref());
    assert_eq!(report["overall"], orders::overall(made.iter().filter(|order| !is_dead(order))));
    assert_eq!(report["products"], orders::products(made.iter().filter(|order| !is_dead(order))));
}

#[test]
fn totals_go_on_where_the_last_run_left_them_and_a_report_tells_the_same() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "durable", 6);
    let made = orders::made("durable", 3_000);
    for (start, end, consumers) in [(0, 1_000, "1"), (1_000, 2_500, "3"), (2_500, 3_000, "1")] {
        pipeline.fill(&made[start..end]);
        let report = pipeline.durable_drain(&[&FAILING[..], &["--consumers", consumers]].concat());
        assert_tells(&report, &made[..end]);
        let (_, told) = pipeline.report();
        for part in ["overall", "products"] {
            assert_eq!(told[part], report[part]);
        }
        assert_tells(&told, &made[..end]);
    }
    assert_eq!(pipeline.committed(), pipeline.ends());
    assert_eq!(pipeline.dead().len(), made.iter().filter(|order| is_dead(order)).count(), "each once");
    let commits = topic::committed(pipeline.broker, &pipeline.group, &pipeline.orders);
    assert!(commits.values().all(|(_, metadata)| metadata != "op1:none"), "{commits:?}");
}

#[test]
fn a_stop_with_parked_orders_keeps_their_tries_for_the_next_run() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "parked", 3);
    let made = orders::made("parked", 200);
    pipeline.fill(&made);
    let slow = ["--failure-percent", "30", "--initial-backoff", "25s", "--backoff-multiplier", "1"];
    let failing = made.iter().filter(|order| order.fate(30.0, 3).retries > 0).count();
    let first = pipeline.durable(&slow);
    first.wait_for_status("all failing orders to be parked", |status| {
        (status["parked"] == failing && status["totals"]["records"] == 200 - failing).then_some(())
    });
    let (_, report) = first.stop();
    assert_eq!(report["consumed"]["records"], 200 - failing);

    let second = pipeline.durable(&slow);
    second.wait_for_status("what was parked to be parked again", |status| {
        (status["parked"] == failing && status["totals"]["records"] == 200 - failing).then_some(())
    });
    let (_, metrics) = process::get(&second.process.admin_address(), "/metrics");
    let tried = metrics.lines().filter(|line| line.starts_with("orderpipeline_consumer_retries_total{"));
    assert!(tried.into_iter().all(|line| line.ends_with(" 0")), "none was tried from the start: {metrics}");
    second.wait_for_records(200 - failing as u64);
    second.process.crash();
    assert_eq!(second.process.wait().signal, Some(9));
}

#[test]
fn a_snapshot_in_chunks_is_found_again() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "chunks", 1);
    let long = |order: Made| Made { product: format!("{:->60}", order.product), ..order };
    let made: Vec<Made> = orders::told_apart("chunks", 20_000).into_iter().map(long).collect();
    pipeline.fill(&made);
    let report = pipeline.durable_drain(&[]);
    assert_eq!(report["overall"], orders::overall(made.iter()));
    let state = topic::read_all(pipeline.broker, &pipeline.state);
    let largest = state.iter().filter_map(|record| record.value.as_ref()).map(Vec::len).max();
    assert_eq!(largest, Some(512 * 1024), "nothing was cut into chunks");
    let again = pipeline.durable_drain(&[]);
    assert_eq!(again["products"], orders::products(made.iter()));
}

#[test]
fn a_group_that_starts_with_the_newest_orders_begins_where_its_first_member_came() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "latest", 3);
    let made = orders::made("latest", 90);
    pipeline.fill(&made[..30]);
    let first = pipeline.durable(&["--start-from", "latest"]);
    let claimed = || topic::committed(pipeline.broker, &pipeline.group, &pipeline.orders).len();
    wait::until("all partitions to be committed", || claimed().to_string(), || (claimed() == 3).then_some(()));
    first.process.crash();
    assert_eq!(first.process.wait().signal, Some(9));
    pipeline.fill(&made[30..]);
    let report = pipeline.durable_drain(&["--start-from", "latest"]);
    assert_eq!(report["overall"], orders::overall(made[30..].iter()));
}

#[test]
fn a_report_of_a_group_without_durable_totals_says_so() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "memory", 1);
    pipeline.fill(&orders::made("memory", 10));
    pipeline.drain(&[]);
    let names = ["--group-id", &pipeline.group, "--topic", &pipeline.orders, "--bootstrap-servers", pipeline.broker];
    let ended = Process::worker(&[&["report"], &names[..]].concat()).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("keeps its totals in memory (--state none)"), "{ended:?}");

    let report = pipeline.durable_drain(&[]);
    assert_eq!(report["consumed"]["records"], 0, "the offset goes on, the totals begin empty");
    assert_eq!(pipeline.report().1["consumed"]["records"], 0);
}
