//! The dead-letter consumer end to end in one process, on the embedded broker.
//!
//! Deliberately nothing that the embedded broker has not: retention, rights, several processes.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::Registry;
use runtime::{Readiness, Shutdown};
use schemas::dead_letter::DeadLetter;
use schemas::failure::{Disposition, FailureClass};
use schemas::order::Currency;
use schemas::worker_status::WorkerStatus;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::config::{BrokerKind, Budget, Common, Kafka, LogFormat, Security, StateMode, Topics};
use crate::kafka::embedded::EmbeddedBroker;
use crate::kafka::testing::{Sent, send};
use crate::metrics::Scope;
use crate::roles::StatusBoard;
use crate::screen::Screen;
use crate::screen::tests::{Captured, captured};

const GRAVES: &str = "orders-dlq";
/// A bound on hangs, never on speed.
const HANG: Duration = Duration::from_secs(30);

fn broker() -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().expect("the embedded broker starts");
    broker.make_topic(GRAVES, 3).expect("the dead-letter topic");
    broker
}

fn config(broker: &EmbeddedBroker) -> DeadLetters {
    let kafka = Kafka {
        bootstrap_servers: broker.bootstrap_servers().to_owned(),
        broker_kind: BrokerKind::Embedded,
        security: Security::default(),
        client_config: BTreeMap::new(),
        connect_timeout: HANG,
    };
    let topics = Topics { orders: "orders".into(), dead_letter: GRAVES.into(), state: "orders-state".into() };
    let common = Common {
        kafka,
        topics,
        group_id: "shop".into(),
        pipeline: "shop".into(),
        state_mode: StateMode::None,
        registry: None,
        writer_schema: None,
        report: None,
        admin_address: ([127, 0, 0, 1], 0).into(),
        verbosity: 0,
        log_format: LogFormat::Text,
    };
    DeadLetters {
        common,
        until_idle: Some(Duration::from_millis(300)),
        peek: false,
        budget: Budget::default(),
        report_interval: None,
    }
}

fn peeking(broker: &EmbeddedBroker) -> DeadLetters {
    DeadLetters { until_idle: None, peek: true, ..config(broker) }
}

fn context(screen: Screen) -> RoleContext {
    RoleContext {
        clock: Clock::start(),
        shutdown: Shutdown::new(),
        screen,
        metrics: Scope::new(Registry::new()),
        readiness: Readiness::new(),
        status: StatusBoard::default(),
        admin_port: 0,
    }
}

fn run(config: &DeadLetters, context: &RoleContext) -> report::DeadLetterTotals {
    let board = Board::new(DeadLetterMetrics::register(&context.metrics));
    read(config, context, &board).expect("the broker answers")
}

fn letter(offset: i64, class: FailureClass, value: Option<(i128, Currency)>) -> Sent {
    let is_readable = value.is_some();
    let headers = DeadLetter {
        topic: "orders".into(),
        partition: 1,
        offset,
        group: "shop".into(),
        pipeline: "shop".into(),
        delivery_count: if is_readable { 4 } else { 1 },
        message: "simulated failure".into(),
        class,
        disposition: class.disposition().unwrap_or(Disposition::Permanent),
        exception_class_name: String::new(),
        timestamp: Some(1_700_000_000_000 + offset),
        first_failure_timestamp: 0,
        last_failure_timestamp: 0,
        schema_id: None,
        order_id: is_readable.then(|| format!("order-{offset}")),
        product: is_readable.then(|| "P7".into()),
        order_value: value,
        payload_omitted: false,
    }
    .headers();
    Sent {
        key: Some(format!("key-{offset}").into_bytes()),
        value: Some(b"whatever the producer sent".to_vec()),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
    }
}

fn usd(offset: i64, minor: i128) -> Sent {
    letter(offset, FailureClass::Transient, Some((minor, Currency::USD)))
}

fn foreign() -> Vec<Sent> {
    let with = |headers: &[(&str, Option<&str>)]| Sent {
        key: None,
        value: None,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(|v| v.as_bytes().to_vec())))
            .collect(),
    };
    vec![
        with(&[]),
        with(&[("__dlq.errors.topic", Some("orders"))]),
        with(&[("__dlq.errors.partition", None), ("kafka_dlt-original-topic", Some("x"))]),
    ]
}

#[test]
fn letters_are_counted_by_class_and_added_up_by_currency() {
    let broker = broker();
    let yen = Currency::parse(b"JPY").expect("a currency");
    let undecodable = letter(3, FailureClass::Undecodable, None);
    let invalid = letter(4, FailureClass::Invalid, Some((700, yen)));
    let letters = [usd(1, 10_010), usd(2, 11_000), undecodable, invalid];
    let config = config(&broker);
    send(&config.common.kafka, GRAVES, &letters);
    let (screen, out, _talk) = captured();
    let context = context(screen);
    let found = run(&config, &context);
    assert_eq!(
        serde_json::to_value(found).expect("plain data"),
        json!({
            "count": 4, "valueUnknown": 1,
            "value": [{"currency": "JPY", "value": "700"}, {"currency": "USD", "value": "210.10"}],
            "byClass": [
                {"class": "invalid", "count": 1, "value": [{"currency": "JPY", "value": "700"}]},
                {"class": "transient", "count": 2, "value": [{"currency": "USD", "value": "210.10"}]},
                {"class": "undecodable", "count": 1, "value": []},
            ],
        })
    );
    context.screen.finish(None);
    let shown = Captured::text(&out);
    for line in [
        "dead letter  order order-1  product P7  100.10 USD  transient, retries-exhausted after 3 retries: simulated failure",
        "dead letter  record orders/1@3  value unknown  undecodable, permanent: simulated failure",
        "dead letter  order order-4  product P7  700 JPY  invalid, permanent after 3 retries: simulated failure",
    ] {
        assert!(shown.contains(line), "{line}\nis not in\n{shown}");
    }
}

#[test]
fn copies_and_foreign_records_do_not_count_and_stop_nothing() {
    let broker = broker();
    let config = config(&broker);
    let mut records = foreign();
    records.extend([usd(1, 100), usd(1, 100), usd(2, 100)]);
    send(&config.common.kafka, GRAVES, &records);
    let (screen, _out, talk) = captured();
    let context = context(screen);
    assert_eq!(run(&config, &context).count, 2);
    context.screen.finish(None);
    let said = Captured::text(&talk);
    assert!(said.contains("records without the headers of a dead letter, left out: 3"), "{said}");
    assert!(said.contains("copies of dead letters, not counted again: 1"), "{said}");
    let status = context.status.document();
    assert_eq!((&status["copies"], &status["foreignRecords"], &status["lag"]), (&json!(1), &json!(3), &json!(0)));
    let read: Result<WorkerStatus, _> = serde_json::from_value(status);
    assert!(matches!(read, Ok(WorkerStatus::DeadLetters(_))), "{read:?}");
}

#[test]
fn a_second_run_finds_everything_again_and_counts_only_what_is_new() {
    let broker = broker();
    let config = config(&broker);
    send(&config.common.kafka, GRAVES, &[usd(1, 100), usd(2, 100)]);
    let first = context(Screen::silent());
    assert_eq!(run(&config, &first).count, 2);
    assert_eq!(counted(&first), 2);
    send(&config.common.kafka, GRAVES, &[usd(3, 100)]);
    let second = context(Screen::silent());
    assert_eq!(run(&config, &second).count, 3);
    assert_eq!(counted(&second), 1);
}

/// Letters of class transient that the metric counted.
fn counted(context: &RoleContext) -> u64 {
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&context.metrics.registry().gather())
        .expect("metrics are text");
    let series = "orderpipeline_dead_letter_records_total{class=\"transient\"} ";
    let found = text.lines().find_map(|line| line.strip_prefix(series)).expect("the series is there from the start");
    found.parse().expect("a whole number")
}

#[test]
fn a_peek_sees_everything_each_time_and_leaves_no_trace() {
    let broker = broker();
    let config = peeking(&broker);
    send(&config.common.kafka, GRAVES, &[usd(1, 100), usd(2, 100)]);
    for _ in 0..2 {
        assert_eq!(run(&config, &context(Screen::silent())).count, 2);
    }
    let source = source::Source::new(&config.common.kafka, "shop-dead-letters", GRAVES, std::thread::current());
    let committed = source.expect("a client").committed(&[0, 1, 2]).expect("the broker answers");
    assert!(committed.iter().all(|(_, commit)| commit.is_none()), "{committed:?}");
}

#[test]
fn a_peek_at_an_empty_topic_ends() {
    let broker = broker();
    assert_eq!(run(&peeking(&broker), &context(Screen::silent())).count, 0);
}

#[test]
fn a_missing_topic_is_named_and_not_made() {
    let broker = broker();
    let mut config = peeking(&broker);
    config.common.topics.dead_letter = "nowhere-dlq".into();
    let context = context(Screen::silent());
    let board = Board::new(DeadLetterMetrics::register(&context.metrics));
    let error = read(&config, &context, &board).expect_err("there is no such topic");
    assert!(error.to_string().starts_with("topic nowhere-dlq does not exist on 127.0.0.1:"), "{error}");
}

#[test]
fn a_stop_ends_it_with_what_was_read() {
    let broker = broker();
    let config = DeadLetters { until_idle: None, ..config(&broker) };
    send(&config.common.kafka, GRAVES, &[usd(1, 100), usd(2, 100)]);
    let context = context(Screen::silent());
    let board = Board::new(DeadLetterMetrics::register(&context.metrics));
    let (watched, shutdown) = (board.clone(), context.shutdown.clone());
    let stopper = std::thread::spawn(move || {
        while watched.count() < 2 {
            assert!(!shutdown.wait_timeout(Duration::from_millis(10)), "nobody else stops it");
        }
        shutdown.drain();
    });
    assert_eq!(read(&config, &context, &board).expect("the broker answers").count, 2);
    stopper.join().expect("it saw both letters");
    assert_eq!(context.readiness.waiting_for(), ["dead-letters: draining"]);
}
