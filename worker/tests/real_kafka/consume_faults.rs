//! Durable totals under faults: members that are killed, hung, joined and stopped under load; then the totals are compared
//! with what the orders must add up to, digit by digit.
//!
//! Kills come at times that are all over the checkpoint: it is taken every 50 ms, so that they hit the snapshot, the
//! commit, the claim, the scan and what lies between. Sessions are short, so that a killed member is missed quickly, and
//! the state topic is compacted all the time.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, Role},
    process, topic, wait,
};

/// Half of the tries fail, and one retry is given: a quarter of the orders dies.
const SETTINGS: [&str; 10] = [
    "--failure-percent",
    "50",
    "--max-retries",
    "1",
    "--initial-backoff",
    "100ms",
    "--checkpoint-interval",
    "50ms",
    "--client-config",
    "session.timeout.ms=1500",
];

/// Sessions of a second and a half are allowed here, and compaction never rests.
fn broker() -> Option<Broker> {
    let properties =
        ["group.min.session.timeout.ms=500", "group.initial.rebalance.delay.ms=0", "log.cleaner.backoff.ms=100"];
    Broker::start(&properties)
}

/// Topics of which the one for the state keeps hardly more than the newest record of each key.
fn pipeline<'b>(broker: &'b Broker, name: &str) -> Pipeline<'b> {
    let pipeline = Pipeline::without_topics(broker.address(), name);
    topic::create(pipeline.broker, &pipeline.orders, 6);
    topic::create(pipeline.broker, &pipeline.dead_letters, 3);
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", "0"),
        ("segment.ms", "200"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "100"),
    ];
    topic::create_with(pipeline.broker, &pipeline.state, 2, &settings);
    pipeline
}

#[track_caller]
fn assert_was_compacted(pipeline: &Pipeline<'_>) {
    let written: i64 = topic::end_offsets(pipeline.broker, &pipeline.state).values().sum();
    let kept = topic::read_all(pipeline.broker, &pipeline.state).len();
    assert!(written > 400 && (kept as i64) < written / 2, "{kept} of {written} records are kept");
}

fn is_dead(order: &Made) -> bool {
    order.fate(50.0, 1).is_dead
}

fn start(pipeline: &Pipeline<'_>) -> Role {
    pipeline.durable(&[&SETTINGS[..], &["--client-config", "heartbeat.interval.ms=300"]].concat())
}

fn kill(role: Role) {
    role.process.crash();
    assert_eq!(role.process.wait().signal, Some(9));
}

/// Numbers that look like chance and are the same in each run.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |sides| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    }
}

/// The totals, the dead letters without their copies, and what the report adds up are exact.
#[track_caller]
fn assert_exact(pipeline: &Pipeline<'_>, made: &[Made]) {
    pipeline.wait_until_committed();
    let dead = orders::ids(made, is_dead);
    assert_eq!(pipeline.dead_ids(), dead);
    let (_, report) = pipeline.report();
    let counts = ["records", "succeeded", "deadLettered"].map(|name| report["consumed"][name].clone());
    assert_eq!(counts, [made.len(), made.len() - dead.len(), dead.len()].map(Value::from));
    assert_eq!(report["overall"], orders::overall(made.iter().filter(|order| !is_dead(order))));
    assert_eq!(report["products"], orders::products(made.iter().filter(|order| !is_dead(order))));
}

/// How many commits the group took from this process, each partition's counted.
fn commits(role: &Role) -> f64 {
    let committed = "orderpipeline_consumer_commits_total{result=\"committed\"}";
    process::metric(&role.process.admin_address(), committed).unwrap_or(0.0)
}

#[test]
fn kills_at_any_moment_leave_no_trace_in_the_totals() {
    let Some(broker) = broker() else { return };
    let pipeline = pipeline(&broker, "kills");
    let made = orders::made("kills", 12_000);
    let producer = pipeline.producer(&made, 500);
    let mut roll = dice(7);
    let mut consumer = start(&pipeline);
    for _ in 0..8 {
        let wanted = roll(150) as f64;
        let is_far = || (commits(&consumer) > wanted).then_some(());
        wait::until("some commits", || commits(&consumer).to_string(), is_far);
        kill(consumer);
        consumer = start(&pipeline);
    }
    let (_, produced) = producer.done();
    assert_eq!(produced["produced"]["acknowledged"], made.len());
    assert_exact(&pipeline, &made);
    assert_eq!(consumer.process.status()["totals"]["records"], made.len(), "a live consumer shows the same");
    consumer.stop();
    assert_exact(&pipeline, &made);
    assert_was_compacted(&pipeline);
    assert_eq!(pipeline.dead().len(), pipeline.dead_ids().len(), "what was dead-lettered already is not written again");
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

#[test]
fn members_that_join_leave_hang_and_die_leave_no_trace_in_the_totals() {
    let Some(broker) = broker() else { return };
    let pipeline = pipeline(&broker, "members");
    let made = orders::made("members", 10_000);
    let producer = pipeline.producer(&made, 500);
    let (first, second, third) = (start(&pipeline), start(&pipeline), start(&pipeline));
    wait_until_shared(&[&first, &second, &third]);
    first.wait_for_records(50);
    first.process.suspend();
    wait_until_shared(&[&second, &third]);
    kill(second);
    wait_until_shared(&[&third]);
    let fourth = start(&pipeline);
    wait_until_shared(&[&third, &fourth]);
    first.process.resume();
    wait_until_shared(&[&first, &third, &fourth]);
    third.stop();
    wait_until_shared(&[&first, &fourth]);
    fourth.process.suspend();
    wait_until_shared(&[&first]);
    fourth.process.resume();
    let more = [start(&pipeline), start(&pipeline)];
    wait_until_shared(&[&first, &fourth, &more[0], &more[1]]);
    let (_, produced) = producer.done();
    assert_eq!(produced["produced"]["acknowledged"], made.len());
    assert_exact(&pipeline, &made);
    for role in [first, fourth].into_iter().chain(more) {
        role.stop();
    }
    assert_exact(&pipeline, &made);
}
