//! `worker consume` when topics or commits are not what they should be: it says so, makes no topic, skips no record.

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, Role, products},
    process, topic, wait,
};

/// Every order is refused at its first try, and no number of dead letters stops intake.
const ALL_REFUSED: [&str; 4] = ["--permanent-percent", "100", "--max-dead-letter-ratio-percent", "100"];

fn readiness(role: &Role) -> (u16, String) {
    process::get(&role.process.admin_address(), "/readyz")
}

#[test]
fn a_missing_topic_is_named_and_stays_missing() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::without_topics(broker.address(), "missing");
    for missing in [&pipeline.orders, &pipeline.dead_letters] {
        let ended = pipeline.consumer(&[]).process.wait();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let remedy = format!("topic {missing} does not exist on {}; make it with `worker prepare", broker.address());
        assert!(ended.stderr.contains(&remedy), "{ended:?}");
        assert_eq!(topic::partition_count(pipeline.broker, missing), None);
        topic::create(pipeline.broker, missing, 1);
    }
    assert_eq!(pipeline.drain(&[])["consumed"]["records"], 0);
}

#[test]
fn a_dead_letter_topic_that_goes_away_stops_intake_until_it_is_back() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "no-grave", 1);
    let made = orders::made("no-grave", 30);
    let consumer = pipeline.consumer(&ALL_REFUSED);
    pipeline.fill(&made[..10]);
    pipeline.wait_until_committed();
    topic::delete(pipeline.broker, &pipeline.dead_letters);
    pipeline.fill(&made[10..20]);
    let answer = || format!("{:?}", readiness(&consumer));
    wait::until("readiness to name the topic", answer, || {
        let (code, words) = readiness(&consumer);
        (code == 503 && words.contains("dead-letter topic")).then_some(())
    });
    consumer.wait_for_status("it to be stuck", |status| (status["processing"] == "Stuck").then_some(()));
    let stuck_at = pipeline.committed();
    pipeline.fill(&made[20..]);
    let status = consumer
        .wait_for_status("the lag to grow", |status| (status["lag"].as_u64() >= Some(20)).then(|| status.clone()));
    assert!(status["assignment"][0]["unresolved"].as_u64() <= Some(10), "intake went on: {status}");
    assert_eq!(pipeline.committed(), stuck_at);
    assert_eq!(topic::partition_count(pipeline.broker, &pipeline.dead_letters), None, "nobody made it");

    topic::create(pipeline.broker, &pipeline.dead_letters, 3);
    pipeline.wait_until_committed();
    wait::until("readiness", answer, || (readiness(&consumer).0 == 200).then_some(()));
    let (_, report) = consumer.stop();
    assert_eq!(report["consumed"]["deadLettered"], 30);
    assert_eq!(pipeline.dead_ids(), orders::ids(&made[10..], |_| true));
}

#[test]
fn partitions_that_move_while_dead_letters_are_refused_take_them_along() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "refused-moved", 6);
    let made = orders::made("refused-moved", 60);
    let first = pipeline.consumer(&ALL_REFUSED);
    topic::make_unwritable(pipeline.broker, &pipeline.dead_letters);
    pipeline.fill(&made);
    first.wait_for_status("it to be stuck", |status| (status["processing"] == "Stuck").then_some(()));
    let second = pipeline.consumer(&ALL_REFUSED);
    second.wait_for_status("its share", |status| (status["assignment"].as_array()?.len() == 3).then_some(()));
    second.wait_for_status("it to be stuck, too", |status| (status["processing"] == "Stuck").then_some(()));
    assert!(pipeline.dead().is_empty());

    topic::make_writable(pipeline.broker, &pipeline.dead_letters);
    pipeline.wait_until_committed();
    let reports = [first.stop().1, second.stop().1];
    let counted: u64 = reports.iter().filter_map(|report| report["consumed"]["deadLettered"].as_u64()).sum();
    assert_eq!(counted, 60, "{reports:?}");
    assert_eq!(pipeline.dead_ids(), orders::ids(&made, |_| true));
}

#[test]
fn a_source_topic_that_is_deleted_under_a_consumer_is_named() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "deleted", 2);
    pipeline.fill(&orders::made("deleted", 10));
    let consumer = pipeline.consumer(&[]);
    pipeline.wait_until_committed();
    topic::delete(pipeline.broker, &pipeline.orders);
    let answer = || format!("{:?}", readiness(&consumer));
    wait::until("readiness to name the topic", answer, || {
        let (code, words) = readiness(&consumer);
        (code == 503 && words.contains(&pipeline.orders)).then_some(())
    });
    let (ended, report) = consumer.stop();
    assert_eq!(report["consumed"]["records"], 10);
    let told = ended.stderr.lines().filter(|line| line.starts_with("warning") && line.contains(&pipeline.orders));
    assert!((1..=3).contains(&told.count()), "{}", ended.stderr);
}

#[test]
fn a_topic_made_anew_is_not_read_from_an_old_offset() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "anew", 1);
    pipeline.fill(&orders::made("anew", 50));
    pipeline.drain(&[]);
    // Deleting a topic deletes the group's offsets in it; a group that was away meanwhile still has them elsewhere.
    topic::commit(pipeline.broker, &pipeline.group, &pipeline.orders, &[(0, 70, "op1:none")]);
    let ended = pipeline.consumer(&["--until-idle", "300ms"]).process.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let words = format!("group {} committed offset 70 in partition 0 of topic {}", pipeline.group, pipeline.orders);
    assert!(ended.stderr.contains(&words), "{ended:?}");
    assert!(ended.stderr.contains("whose log goes from 0 to 50"), "{ended:?}");
    assert_eq!(pipeline.committed()[&0], 70);
}

#[test]
fn another_programs_commits_are_gone_on_from() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "adopted", 2);
    let made = orders::told_apart("adopted", 100);
    let records: Vec<_> = made
        .iter()
        .zip(0..)
        .map(|(order, number)| topic::Record { partition: Some(number % 2), ..order.record() })
        .collect();
    topic::produce(pipeline.broker, &pipeline.orders, &records);
    topic::commit(pipeline.broker, &pipeline.group, &pipeline.orders, &[(0, 20, ""), (1, 50, "some text of theirs")]);

    let report = pipeline.drain(&[]);

    let rest: Vec<Made> = made.iter().step_by(2).skip(20).cloned().collect();
    assert_eq!(products(&report), orders::ids(&rest, |_| true));
    assert_eq!(topic::committed(pipeline.broker, &pipeline.group, &pipeline.orders)[&0], (50, "op1:none".to_owned()));
}

#[test]
fn a_group_that_starts_with_the_latest_orders_keeps_its_place() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "latest", 1);
    let made = orders::told_apart("latest", 20);
    pipeline.fill(&made[..10]);
    let latest = ["--start-from", "latest", "--checkpoint-interval", "1h"];
    let first = pipeline.consumer(&latest);
    pipeline.wait_until_committed();
    first.process.crash();
    first.process.wait();
    pipeline.fill(&made[10..]);
    let report = pipeline.drain(&latest);
    assert_eq!(products(&report), orders::ids(&made[10..], |_| true));
}
