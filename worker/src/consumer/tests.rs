//! The consumer thread end to end in one process, on the embedded broker.
//!
//! Deliberately nothing of rebalances between processes: those are tested on a real broker.

mod http;
mod registry;

use std::path::PathBuf;
use std::time::Duration;

use prometheus::Registry;
use runtime::{Readiness, Shutdown};
use schemas::codec::{Encoder, Encoding, SchemaVersion};
use schemas::order::{Currency, Money, Order, Text};

use super::Ended;
use crate::clock::Clock;
use crate::config::{
    BrokerKind, Common, Consume, Handler, Kafka, LogFormat, Ordering, Retry, Security, Simulate, StartFrom, StateMode,
    Topics,
};
use crate::kafka::embedded::EmbeddedBroker;
use crate::kafka::testing::{Sent, read_all, send};
use crate::metrics::Scope;
use crate::roles::{RoleContext, StatusBoard, consume};
use crate::screen::Screen;

const ORDERS: &str = "orders";
const GRAVES: &str = "orders-dlq";

fn broker() -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().expect("the embedded broker starts");
    broker.make_topic(ORDERS, 3).expect("the orders topic");
    broker.make_topic(GRAVES, 1).expect("the dead-letter topic");
    broker.make_topic("orders-state", 2).expect("the state topic");
    broker
}

fn kafka(broker: &EmbeddedBroker) -> Kafka {
    Kafka {
        bootstrap_servers: broker.bootstrap_servers().to_owned(),
        broker_kind: BrokerKind::Embedded,
        security: Security::default(),
        client_config: Default::default(),
        connect_timeout: Duration::from_secs(10),
    }
}

fn config(broker: &EmbeddedBroker, handler: Handler) -> Consume {
    let common = Common {
        kafka: kafka(broker),
        topics: Topics { orders: ORDERS.into(), dead_letter: GRAVES.into(), state: "orders-state".into() },
        group_id: "orders".into(),
        pipeline: "shop".into(),
        state_mode: StateMode::Durable,
        registry: None,
        writer_schema: None,
        report: None::<PathBuf>,
        admin_address: ([127, 0, 0, 1], 0).into(),
        verbosity: 0,
        log_format: LogFormat::Text,
    };
    let retry = Retry {
        max_retries: 3,
        initial_backoff: Duration::from_millis(50),
        backoff_multiplier: 2.0,
        max_backoff: Duration::from_secs(30),
        jitter_percent: 0,
    };
    Consume {
        common,
        handler,
        max_price: None,
        retry,
        handler_timeout: Duration::from_secs(30),
        max_dead_letter_ratio_percent: 100,
        ordering: Ordering::Key,
        start_from: StartFrom::Earliest,
        reset_state: None,
        max_in_flight: 1000,
        max_parked_bytes: 128 << 20,
        consumers: 1,
        checkpoint_interval: Duration::from_secs(5),
        until_idle: Some(Duration::from_millis(300)),
    }
}

fn context() -> RoleContext {
    RoleContext {
        clock: Clock::start(),
        shutdown: Shutdown::new(),
        screen: Screen::silent(),
        metrics: Scope::new(Registry::new()),
        readiness: Readiness::new(),
        status: StatusBoard::default(),
        admin_port: 0,
    }
}

fn order(id: &str, minor: i64) -> Vec<u8> {
    let order = Order {
        order_id: Text::from(id),
        product: Text::from("P1"),
        price: Money::from_minor(minor),
        quantity: 2,
        currency: Currency::USD,
        created_at_milliseconds: 0,
    };
    let mut bytes = Vec::new();
    Encoder::new(SchemaVersion::V2, Encoding::Bare).encode(&order, &mut bytes);
    bytes
}

fn send_orders(broker: &EmbeddedBroker, count: i64) {
    let orders: Vec<Sent> = (0..count)
        .map(|number| {
            let id = format!("o-{number}");
            Sent { key: Some(id.clone().into_bytes()), value: Some(order(&id, number)), headers: Vec::new() }
        })
        .collect();
    send(&kafka(broker), ORDERS, &orders);
}

fn run(config: &Consume) -> Ended {
    consume::run(config, &context(), &Default::default()).expect("the consumer ends by itself")
}

#[test]
fn every_order_is_counted_once() {
    let broker = broker();
    send_orders(&broker, 1000);
    let ended = run(&config(&broker, Handler::None));
    assert_eq!((ended.counters.succeeded, ended.counters.records()), (1000, 1000));
    let (_, total) = ended.totals.overall().first().copied().expect("one currency");
    assert_eq!((total.count, total.sum, total.revenue), (1000, 499_500, 999_000));
}

#[test]
fn a_second_run_of_the_group_starts_behind_the_first() {
    let broker = broker();
    send_orders(&broker, 100);
    assert_eq!(run(&config(&broker, Handler::None)).counters.records(), 100);
    send_orders(&broker, 10);
    let ended = run(&config(&broker, Handler::None));
    assert_eq!((ended.handled.records, ended.counters.records()), (10, 110), "10 of its own, and the totals go on");
}

#[test]
fn totals_and_dead_letters_are_the_same_after_every_restart() {
    let broker = broker();
    send_orders(&broker, 400);
    let simulate = Simulate { failure_percent: 40.0, permanent_percent: 0.0, fail_above_price: None, seed: 42 };
    let config = config(&broker, Handler::Simulate(simulate));
    let first = run(&config);
    let second = run(&config);
    assert_eq!((second.handled.records, &second.totals, &second.counters), (0, &first.totals, &first.counters));
    assert_eq!(read_all(&kafka(&broker), GRAVES).len() as u64, first.counters.dead_lettered);
}

#[test]
fn totals_in_memory_begin_empty_at_each_start() {
    let broker = broker();
    let mut config = config(&broker, Handler::None);
    config.common.state_mode = StateMode::None;
    for _ in 0..2 {
        send_orders(&broker, 100);
        assert_eq!(run(&config).counters.records(), 100);
    }
}

#[test]
fn failed_orders_are_retried_and_what_keeps_failing_is_dead_lettered_byte_for_byte() {
    let broker = broker();
    send_orders(&broker, 400);
    let simulate = Simulate { failure_percent: 40.0, permanent_percent: 0.0, fail_above_price: None, seed: 42 };
    let ended = run(&config(&broker, Handler::Simulate(simulate)));
    assert_eq!(ended.counters.records(), 400);
    assert!(ended.counters.dead_lettered > 0 && ended.counters.retries() > 100, "{:?}", ended.counters);
    let graves = read_all(&kafka(&broker), GRAVES);
    assert_eq!(graves.len() as u64, ended.counters.dead_lettered);
    for grave in graves {
        let id = String::from_utf8(grave.key.expect("the key is kept")).expect("the key is the id");
        let number: i64 = id.trim_start_matches("o-").parse().expect("ids end in their number");
        assert_eq!(grave.value, Some(order(&id, number)), "the value is kept");
        assert!(grave.headers.iter().any(|(name, _)| name == "__dlq.errors.class"), "{:?}", grave.headers);
    }
}

#[test]
fn what_is_no_order_goes_to_the_dead_letters_and_a_null_value_is_skipped() {
    let broker = broker();
    let header = ("trace".to_owned(), Some(b"abc".to_vec()));
    let garbage = Sent { key: None, value: Some(b"garbage".to_vec()), headers: vec![header.clone()] };
    let tombstone = Sent { key: Some(b"k".to_vec()), value: None, headers: Vec::new() };
    let negative = Sent { key: Some(b"n".to_vec()), value: Some(order("n", -5)), headers: Vec::new() };
    send(&kafka(&broker), ORDERS, &[garbage, tombstone, negative]);
    let ended = run(&config(&broker, Handler::None));
    assert_eq!((ended.counters.dead_lettered, ended.counters.skipped, ended.counters.succeeded), (2, 1, 0));
    let graves = read_all(&kafka(&broker), GRAVES);
    let garbage = graves.iter().find(|grave| grave.key.is_none()).expect("the garbage, with its null key");
    assert_eq!(garbage.value.as_deref(), Some(&b"garbage"[..]));
    assert_eq!(garbage.headers.first(), Some(&header), "the original headers come first");
}

#[test]
fn a_topic_that_is_missing_is_named_with_the_remedy() {
    let broker = EmbeddedBroker::start().expect("the embedded broker starts");
    broker.make_topic(ORDERS, 1).expect("the orders topic");
    let mut config = config(&broker, Handler::None);
    config.common.kafka.connect_timeout = Duration::from_secs(1);
    config.common.topics.orders = "nowhere".into();
    // The embedded broker makes topics at a look, so only a broker that is not there can be shown here.
    config.common.kafka.bootstrap_servers = "127.0.0.1:1".into();
    let error = consume::run(&config, &context(), &Default::default()).expect_err("nobody listens there");
    let error = crate::roles::chain(&error);
    assert!(error.contains("127.0.0.1:1"), "{error}");
}
