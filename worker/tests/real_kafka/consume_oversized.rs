//! `worker consume` whose dead letters do not fit their topic: none is cut without need, none is lost, none is skipped.

use crate::{
    broker::Broker,
    orders,
    pipeline::{Pipeline, Role},
    process,
    topic::{self, Record},
    wait,
};

/// What the dead-letter topic takes here: less than the usual million bytes, more than a few headers.
const LIMIT: &str = "70000";

/// Nothing stops intake but the topic itself.
const NO_GUARD: [&str; 2] = ["--max-dead-letter-ratio-percent", "100"];

/// Bytes that are no order and that no compression makes smaller.
fn garbage(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

fn limited<'b>(broker: &'b str, name: &str, limit: &str) -> Pipeline<'b> {
    let pipeline = Pipeline::without_topics(broker, name);
    topic::create(broker, &pipeline.orders, 1);
    topic::create_with(broker, &pipeline.dead_letters, 1, &[("max.message.bytes", limit)]);
    pipeline
}

fn readiness(role: &Role) -> (u16, String) {
    process::get(&role.process.admin_address(), "/readyz")
}

#[test]
fn many_small_dead_letters_are_not_too_large_together() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = limited(broker.address(), "burst", LIMIT);
    let records: Vec<Record> = (1..=500).map(|number| Record::new(number.to_string(), garbage(number, 900))).collect();
    topic::produce(pipeline.broker, &pipeline.orders, &records);

    pipeline.drain(&NO_GUARD);

    let dead = pipeline.dead();
    assert_eq!(dead.len(), records.len());
    for letter in &dead {
        assert_eq!(letter.header("__dlq.errors.payload.omitted"), None);
        assert_ne!(letter.header("__dlq.errors.message"), Some(""), "its message was cut");
        assert!(records.iter().any(|record| record.key == letter.key && record.value == letter.value));
    }
}

#[test]
fn a_dead_letter_that_is_too_large_points_at_its_record() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = limited(broker.address(), "oversized", LIMIT);
    let note = ("note".to_owned(), Some(b"original".to_vec()));
    let large = Record { headers: vec![note.clone()], ..Record::new("large", garbage(7, 200_000)) };
    let large_key = Record { headers: vec![note], ..Record::new(garbage(8, 100_000), garbage(9, 10)) };
    topic::produce(pipeline.broker, &pipeline.orders, &[large, large_key]);
    pipeline.fill(&orders::made("oversized", 10));

    let report = pipeline.drain(&NO_GUARD);

    assert_eq!((&report["consumed"]["deadLettered"], &report["consumed"]["succeeded"]), (&2.into(), &10.into()));
    let dead = pipeline.dead();
    let of = |offset| dead.iter().find(|letter| letter.header("__dlq.errors.offset") == Some(offset)).expect("there");
    let (value_omitted, all_omitted) = (of("0"), of("1"));
    assert_eq!((value_omitted.key.as_deref(), value_omitted.value.as_deref()), (Some(b"large".as_slice()), None));
    assert_eq!(value_omitted.header("note"), Some("original"));
    assert_eq!((all_omitted.key.as_deref(), all_omitted.value.as_deref()), (None, None));
    assert_eq!(all_omitted.header("note"), None);
    for letter in [value_omitted, all_omitted] {
        assert_eq!(letter.header("__dlq.errors.payload.omitted"), Some("true"));
        assert_eq!(letter.header("__dlq.errors.class"), Some("undecodable"));
        assert_eq!(letter.header("__dlq.errors.topic"), Some(pipeline.orders.as_str()));
    }
}

#[test]
fn a_topic_that_takes_no_dead_letter_at_all_stops_intake_and_says_what_to_raise() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = limited(broker.address(), "tiny", "100");
    let small = Record::new("garbage", garbage(3, 10));
    topic::produce(pipeline.broker, &pipeline.orders, std::slice::from_ref(&small));
    let consumer = pipeline.consumer(&NO_GUARD);
    let seen = || format!("{:?}", readiness(&consumer));
    wait::until("readiness to name the setting", seen, || {
        let (code, words) = readiness(&consumer);
        (code == 503 && words.contains("max.message.bytes") && words.contains(&pipeline.dead_letters)).then_some(())
    });
    assert!(pipeline.dead().is_empty());
    pipeline.fill(&orders::made("tiny", 10));
    let status = consumer
        .wait_for_status("the lag to grow", |status| (status["lag"].as_u64() >= Some(11)).then(|| status.clone()));
    assert_eq!(status["totals"]["succeeded"], 0, "intake went on");
    // Whole and with short headers, and both once more: by then it would be said again.
    let failures = || {
        let series = "orderpipeline_consumer_dead_letter_write_failures_total";
        process::metric(&consumer.process.admin_address(), series)
    };
    wait::until("five refusals", || format!("{:?}", failures()), || failures().filter(|count| *count >= 5.0));

    topic::change_setting(pipeline.broker, &pipeline.dead_letters, "max.message.bytes", LIMIT);
    wait::until("readiness", seen, || (readiness(&consumer).0 == 200).then_some(()));
    let (ended, report) = consumer.stop();
    assert_eq!(report["consumed"]["deadLettered"], 1);
    assert_eq!(report["consumed"]["succeeded"], 10);
    let dead = pipeline.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0].key, &dead[0].value), (&small.key, &small.value), "what was too much is not left out now");
    assert_eq!(ended.stderr.matches("max.message.bytes").count(), 1, "said once: {}", ended.stderr);
}
