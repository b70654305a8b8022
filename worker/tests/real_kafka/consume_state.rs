//! `worker consume` on state that does not fit: refused with a message that names thing and remedy, and what
//! `--reset-state` makes of it.

use std::time::Duration;

use engine::snapshot::Snapshot;

use crate::{
    broker::Broker,
    orders,
    pipeline::Pipeline,
    process::Ended,
    topic::{self, Record},
};

/// Runs a consumer that has to refuse; what it says.
#[track_caller]
fn refused(pipeline: &Pipeline<'_>, more: &[&str]) -> String {
    let Ended { code, stderr, stdout, .. } = pipeline.durable(more).process.wait();
    assert_eq!(code, Some(1), "{stderr}\n{stdout}");
    let error = stderr.lines().find(|line| line.starts_with("error: "));
    error.unwrap_or_else(|| panic!("no error: {stderr}")).to_owned()
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

/// A pipeline with one partition in which 20 orders are done.
fn with_past<'b>(broker: &'b Broker, name: &str) -> Pipeline<'b> {
    let pipeline = Pipeline::new(broker.address(), name, 1);
    pipeline.fill(&orders::made(name, 20));
    assert_eq!(pipeline.durable_drain(&[])["consumed"]["records"], 20);
    pipeline
}

fn commit(pipeline: &Pipeline<'_>, offset: i64, metadata: &str) {
    topic::commit(pipeline.broker, &pipeline.group, &pipeline.orders, &[(0, offset, metadata)]);
}

/// Offset and metadata of the only partition.
fn committed(pipeline: &Pipeline<'_>) -> (i64, String) {
    topic::committed(pipeline.broker, &pipeline.group, &pipeline.orders).remove(&0).expect("a commit")
}

#[test]
fn a_foreign_group_is_refused_until_somebody_adopts_it_and_that_once() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "adopt", 1);
    let made = orders::made("adopt", 30);
    pipeline.fill(&made);
    commit(&pipeline, 20, "");
    assert_says(
        &refused(&pipeline, &[]),
        &["partition 0", &pipeline.orders, &pipeline.group, "--reset-state committed:ID"],
    );

    let report = pipeline.durable_drain(&["--reset-state", "committed:adopted"]);
    assert_eq!(report["overall"], orders::overall(made[20..].iter()));
    let report = pipeline.durable_drain(&["--reset-state", "committed:adopted"]);
    assert_eq!(report["consumed"]["records"], 10, "obeyed once for each id");
    let report = pipeline.durable_drain(&["--reset-state", "empty:again"]);
    assert_eq!(report["consumed"]["records"], 30, "another id is another decision");
}

#[test]
fn a_group_that_was_moved_by_hand_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "moved");
    let (_, metadata) = committed(&pipeline);
    commit(&pipeline, 5, &metadata);
    assert_says(&refused(&pipeline, &[]), &["committed offset 5", "ends at 20", "--reset-state snapshot:ID"]);
    let report = pipeline.durable_drain(&["--reset-state", "snapshot:back"]);
    assert_eq!(report["consumed"]["records"], 20);
}

#[test]
fn a_topic_that_was_made_anew_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "anew");
    topic::delete(pipeline.broker, &pipeline.orders);
    topic::create(pipeline.broker, &pipeline.orders, 1);
    let made = orders::made("new", 7);
    pipeline.fill(&made);
    assert_says(&refused(&pipeline, &[]), &["the log ends at 7", "--reset-state empty:ID"]);
    let report = pipeline.durable_drain(&["--reset-state", "empty:anew"]);
    assert_eq!(report["overall"], orders::overall(made.iter()));
}

#[test]
fn orders_that_retention_removed_unread_are_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "retention");
    let made = orders::made("later", 10);
    pipeline.fill(&made);
    topic::remove_below(pipeline.broker, &pipeline.orders, 0, 25);
    assert_says(
        &refused(&pipeline, &[]),
        &["from offset 20 on are not done", "starts at 25", "--reset-state snapshot:ID"],
    );
    let report = pipeline.durable_drain(&["--reset-state", "snapshot:gap"]);
    assert_eq!(report["consumed"]["records"], 25);
}

#[test]
fn a_state_topic_that_lost_its_snapshots_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "lost");
    topic::delete(pipeline.broker, &pipeline.state);
    assert_says(&refused(&pipeline, &["--until-idle", "1s"]), &[&pipeline.state, "worker prepare", "--state none"]);
    topic::create_with(pipeline.broker, &pipeline.state, 2, &[("cleanup.policy", "compact")]);
    assert_says(&refused(&pipeline, &[]), &["not in the state topic", "--reset-state committed:ID"]);
    assert_says(&refused(&pipeline, &["--reset-state", "snapshot:x"]), &["no snapshot", "empty:ID"]);
    let report = pipeline.durable_drain(&["--reset-state", "committed:x"]);
    assert_eq!(report["consumed"]["records"], 0);
}

#[test]
fn a_state_topic_that_is_not_compacted_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "not-compacted", 1);
    let other = topic::unique("deleting-state");
    topic::create(pipeline.broker, &other, 1);
    let error = refused(&pipeline, &["--state-topic", &other]);
    assert_says(&error, &[&other, "cleanup.policy=delete", "compact"]);
}

/// Writes a record that looks like a newer owner's snapshot in place of the one that counts.
fn put(pipeline: &Pipeline<'_>, value: &[u8]) {
    let state = topic::read_all(pipeline.broker, &pipeline.state);
    let last = state.iter().rfind(|record| record.value.is_some()).expect("a snapshot");
    let key = String::from_utf8(last.key.clone().expect("a key")).expect("keys are text here");
    let epoch = key.split(':').nth(2).expect("the third part is the epoch").to_owned();
    let key = key.replacen(&format!(":{epoch}:"), ":99:", 1);
    let record = Record { partition: last.partition, ..Record::new(key, value) };
    topic::produce(pipeline.broker, &pipeline.state, &[record]);
    let place = topic::end_offsets(pipeline.broker, &pipeline.state)[&last.partition.expect("read")] - 1;
    let checksum = Snapshot::checksum(value).unwrap_or(0);
    commit(pipeline, 20, &format!("op1:99:{}:{place}:{checksum:016x}", last.partition.expect("read")));
}

#[test]
fn damaged_foreign_and_newer_snapshots_are_refused() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "damaged");
    let good = Snapshot { watermark: 20, end: 20, ..Snapshot::default() }.encode();
    let mut damaged = good.clone();
    damaged[20] ^= 1;
    put(&pipeline, &damaged);
    assert_says(&refused(&pipeline, &[]), &["checksum", "--reset-state snapshot:ID"]);
    put(&pipeline, b"{\"watermark\": 20}");
    assert_says(&refused(&pipeline, &[]), &["no snapshot of this program", "shared with another one"]);
    let report = pipeline.durable_drain(&["--reset-state", "snapshot:older"]);
    assert_eq!(report["consumed"]["records"], 20, "the newest that can be used");
    let mut newer = good;
    newer[4] = 2;
    put(&pipeline, &newer);
    assert_says(&refused(&pipeline, &[]), &["format version 2", "run the release that wrote it"]);
}

#[test]
fn totals_outlive_the_commits_of_their_group() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = with_past(broker, "expired");
    topic::forget_group(pipeline.broker, &pipeline.group);
    pipeline.fill(&orders::made("later", 5));
    let report = pipeline.durable_drain(&[]);
    assert_eq!(report["consumed"]["records"], 25);
}

#[test]
fn partitions_that_are_added_while_it_runs_are_taken_from_their_beginning() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "added", 2);
    let made = orders::made("added", 300);
    pipeline.fill(&made[..100]);
    let consumer = pipeline.durable(&["--client-config", "topic.metadata.refresh.interval.ms=500"]);
    consumer.wait_for_records(99);
    topic::grow(pipeline.broker, &pipeline.orders, 5);
    pipeline.fill(&made[100..]);
    consumer.wait_for_records(299);
    let (_, report) = consumer.stop();
    assert_eq!(report["overall"], orders::overall(made.iter()));
    assert_eq!(pipeline.committed().len(), 5);
}

#[test]
fn a_state_topic_that_goes_away_stops_intake_until_it_is_back() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "state-away", 1);
    let made = orders::made("state-away", 40);
    pipeline.fill(&made[..20]);
    let consumer = pipeline.durable(&["--checkpoint-interval", "200ms"]);
    pipeline.wait_until_committed();
    topic::delete(pipeline.broker, &pipeline.state);
    pipeline.fill(&made[20..30]);
    let admin = consumer.process.admin_address();
    crate::wait::until_within(
        Duration::from_secs(90),
        "/readyz to name the state topic",
        || crate::process::get(&admin, "/readyz").1,
        || crate::process::get(&admin, "/readyz").1.contains(&pipeline.state).then_some(()),
    );
    topic::create_with(pipeline.broker, &pipeline.state, 2, &[("cleanup.policy", "compact")]);
    pipeline.fill(&made[30..]);
    pipeline.wait_until_committed();
    let (_, report) = consumer.stop();
    assert_eq!(report["overall"], orders::overall(made.iter()));
    assert_eq!(pipeline.durable_drain(&[])["consumed"]["records"], 40);
}
