//! The producer against the embedded broker: what it counts is what is in the topic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::Registry;
use runtime::{Readiness, Shutdown};
use schemas::codec::{Decoder, SchemaVersion};

use super::*;
use crate::clock::Clock;
use crate::config::{
    BrokerKind, Common, Compression, Encoding, Generator, Input, Kafka, LogFormat, OnBadLine, Pace, Security,
    StateMode, Topics,
};
use crate::kafka::embedded::EmbeddedBroker;
use crate::kafka::testing::{self, Sent as Record};
use crate::metrics::Scope;
use crate::roles::StatusBoard;
use crate::screen::tests::{Captured, captured};

/// A bound on hangs, never on speed.
const HANG: Duration = Duration::from_secs(30);

fn broker(partitions: i32) -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().expect("a broker needs a loopback port alone");
    broker.make_topic("orders", partitions).expect("a fresh broker has no topics");
    broker
}

fn config(bootstrap_servers: &str, orders: Orders, count: u64) -> Produce {
    let kafka = Kafka {
        bootstrap_servers: bootstrap_servers.to_owned(),
        broker_kind: BrokerKind::Embedded,
        security: Security::default(),
        client_config: BTreeMap::new(),
        connect_timeout: HANG,
    };
    let topics =
        Topics { orders: "orders".to_owned(), dead_letter: "orders-dlq".to_owned(), state: "orders-state".to_owned() };
    let common = Common {
        kafka,
        topics,
        group_id: "orders".to_owned(),
        pipeline: "orders".to_owned(),
        state_mode: StateMode::None,
        registry: None,
        writer_schema: None,
        report: None,
        admin_address: ([127, 0, 0, 1], 0).into(),
        verbosity: 0,
        log_format: LogFormat::Text,
    };
    Produce {
        common,
        orders,
        count: NonZeroU64::new(count),
        pace: Pace::Unlimited,
        compression: Compression::Lz4,
        encoding: Encoding::Bare,
        schema_version: SchemaVersion::V2,
    }
}

fn generated() -> Orders {
    Orders::Generated(Generator {
        seed: 42,
        products: 10,
        min_price: "10.00".parse().expect("a price"),
        max_price: "1000.00".parse().expect("a price"),
        id_prefix: "order-test-".to_owned(),
    })
}

/// Orders of a CSV file that is kept as long as the guard.
fn csv(text: &str, on_bad_line: OnBadLine) -> (Orders, tempfile::TempPath) {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file").into_temp_path();
    std::fs::write(&file, text).expect("a temporary file can be written");
    (Orders::Read { input: Input::File(file.to_path_buf()), format: None, on_bad_line }, file)
}

fn context() -> (RoleContext, Captured) {
    let (screen, out, _) = captured();
    let context = RoleContext {
        clock: Clock::start(),
        shutdown: Shutdown::new(),
        screen,
        metrics: Scope::new(Registry::new()),
        readiness: Readiness::new(),
        status: StatusBoard::default(),
        admin_port: 0,
    };
    (context, out)
}

/// Waits until `/status` shows at least so many acknowledged orders.
fn wait_for_acknowledged(context: &RoleContext, count: u64) {
    let acknowledged = || context.status.document()["acknowledged"].as_u64().unwrap_or(0);
    let end = context.clock.now() + HANG;
    while acknowledged() < count {
        assert!(context.clock.now() < end, "only {} of {count} orders were acknowledged", acknowledged());
        std::thread::yield_now();
    }
}

fn ids(records: &[Record]) -> Vec<String> {
    let key = |record: &Record| String::from_utf8(record.key.clone().expect("orders have keys")).expect("UTF-8");
    let mut ids: Vec<String> = records.iter().map(key).collect();
    ids.sort();
    ids
}

#[test]
fn every_order_is_acknowledged_counted_and_in_the_topic() {
    let broker = broker(3);
    let config = config(broker.bootstrap_servers(), generated(), 1_000);
    let (context, _) = context();
    let finished = run(&config, &context, UNLIMITED).expect("the broker is there");
    let Produced { acknowledged, failed, latency_milliseconds } = finished.produced;
    assert_eq!((acknowledged, failed, latency_milliseconds.is_some()), (1_000, 0, true));

    let records = testing::read_all(&config.common.kafka, "orders");
    let expected: Vec<String> = (1..=1_000).map(|number| format!("order-test-{number:06}")).collect();
    assert_eq!(ids(&records), expected);
    let mut decoder = Decoder::without_registry(None).expect("the built-in schemas are good");
    for record in &records {
        let value = record.value.as_ref().expect("orders have values");
        let order = decoder.decode(value).expect("we wrote it").check().expect("it is valid");
        assert_eq!(Some(order.order_id.as_bytes()), record.key.as_deref());
        assert!(order.created_at_milliseconds > 0);
    }
}

#[test]
fn slow_orders_are_shown_with_their_place_and_fast_ones_only_at_first() {
    let broker = broker(1);
    let config = config(broker.bootstrap_servers(), generated(), 500);
    let (context, out) = context();
    run(&config, &context, UNLIMITED).expect("the broker is there");
    context.screen.finish(None);
    let shown = out.text();
    let first = "sent  order order-test-000001  product P8  168.31 USD  partition 0 offset 0";
    assert_eq!(shown.lines().next(), Some(first));
    assert!((20..=40).contains(&shown.lines().count()), "{shown}");
}

#[test]
fn metrics_and_status_say_what_the_report_says() {
    let broker = broker(1);
    let config = config(broker.bootstrap_servers(), generated(), 50);
    let (context, _) = context();
    run(&config, &context, UNLIMITED).expect("the broker is there");
    let status = context.status.document();
    assert_eq!(
        (&status["role"], &status["acknowledged"], &status["queued"]),
        (&"produce".into(), &50.into(), &0.into())
    );
    let families = context.metrics.registry().gather();
    let orders = families.iter().find(|family| family.name() == "orderpipeline_producer_orders_total");
    let orders = orders.expect("the producer counts orders").get_metric();
    assert_eq!(orders.len(), 20, "ten products, two results");
    assert_eq!(orders.iter().map(|metric| metric.get_counter().get_value()).sum::<f64>(), 50.0);
}

#[test]
fn a_missing_topic_is_named_and_not_made() {
    let broker = EmbeddedBroker::start().expect("a broker needs a loopback port alone");
    let address = broker.bootstrap_servers();
    let config = config(address, generated(), 10);
    let error = run(&config, &context().0, UNLIMITED).expect_err("there is no topic");
    let cause = std::error::Error::source(&error).expect("the topic is the cause").to_string();
    let expected = format!("topic orders does not exist on {address}; make it with `worker prepare --topic orders`");
    assert_eq!(cause, expected);
    assert_eq!(testing::read_all(&config.common.kafka, "orders"), []);
}

/// An address where nobody listens: a port that was free a moment ago.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a listener has an address").to_string()
}

#[test]
fn a_run_that_ends_gives_an_unreachable_broker_up_and_names_it() {
    let address = nobody();
    let mut config = config(&address, generated(), 10);
    config.common.kafka.connect_timeout = Duration::from_millis(300);
    let error = run(&config, &context().0, UNLIMITED).expect_err("nobody answers");
    let cause = std::error::Error::source(&error).expect("the address is the cause").to_string();
    assert!(cause.starts_with(&format!("no answer from Kafka at {address} within 300ms")), "{cause}");
    assert!(cause.contains("refused"), "{cause}");
}

#[test]
fn a_service_keeps_asking_an_unreachable_broker_until_it_is_stopped() {
    let mut config = config(&nobody(), generated(), 0);
    config.common.kafka.connect_timeout = Duration::from_millis(1);
    let (context, _) = context();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&config, &context, UNLIMITED));
        assert!(!context.shutdown.wait_timeout(Duration::from_millis(500)), "nobody asked to stop");
        assert!(!running.is_finished(), "a service goes on");
        context.shutdown.drain();
        let finished = running.join().expect("no panic").expect("stopping is no error");
        assert_eq!(finished.produced, Produced::default());
    });
}

#[test]
fn a_stop_loses_no_order_and_counts_each() {
    let broker = broker(2);
    let mut config = config(broker.bootstrap_servers(), generated(), 0);
    config.pace = Pace::PerSecond(2_000.0);
    let (context, _) = context();
    let finished = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&config, &context, UNLIMITED));
        wait_for_acknowledged(&context, 300);
        context.shutdown.drain();
        running.join().expect("no panic").expect("stopping is no error")
    });
    let records = testing::read_all(&config.common.kafka, "orders");
    assert_eq!((finished.produced.acknowledged, finished.produced.failed), (records.len() as u64, 0));
    let expected: Vec<String> = (1..=records.len()).map(|number| format!("order-test-{number:06}")).collect();
    assert_eq!(ids(&records), expected, "no order is missing");
}

#[test]
fn back_pressure_holds_orders_back() {
    let broker = broker(1);
    let config = config(broker.bootstrap_servers(), generated(), 30);
    let (context, _) = context();
    let allowed = AtomicU64::new(10);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&config, &context, &|| allowed.load(Ordering::Relaxed)));
        wait_for_acknowledged(&context, 10);
        assert!(!context.shutdown.wait_timeout(Duration::from_millis(50)), "nobody asked to stop");
        assert_eq!(testing::read_all(&config.common.kafka, "orders").len(), 10);
        allowed.store(30, Ordering::Relaxed);
        let finished = running.join().expect("no panic").expect("the broker is there");
        assert_eq!(finished.produced.acknowledged, 30);
    });
}

const WITH_A_BAD_LINE: &str = "orderId,product,price,key\n1,P1,1.50,c1\n2,P1,2.50,\n3,P1,oops,\n4,P1,4.50,\n";

#[test]
fn nothing_is_sent_behind_a_bad_line_and_what_was_sent_counts() {
    let broker = broker(1);
    let (orders, _file) = csv(WITH_A_BAD_LINE, OnBadLine::Fail);
    let config = config(broker.bootstrap_servers(), orders, 0);
    let finished = run(&config, &context().0, UNLIMITED).expect("the broker is there");
    assert_eq!((finished.produced.acknowledged, finished.skipped_lines), (2, 0));
    let error = finished.stopped_by.expect("line 4 is bad");
    let cause = std::error::Error::source(&error).expect("the line is the cause").to_string();
    assert!(cause.ends_with(".csv, line 4"), "{cause}");
    assert_eq!(ids(&testing::read_all(&config.common.kafka, "orders")), ["2", "c1"]);
}

#[test]
fn bad_lines_are_skipped_and_counted_when_asked() {
    let broker = broker(1);
    let (orders, _file) = csv(WITH_A_BAD_LINE, OnBadLine::Skip);
    let config = config(broker.bootstrap_servers(), orders, 0);
    let finished = run(&config, &context().0, UNLIMITED).expect("the broker is there");
    assert_eq!((finished.produced.acknowledged, finished.skipped_lines), (3, 1));
    assert!(finished.stopped_by.is_none());
}

#[test]
fn an_order_that_no_broker_takes_has_failed_and_the_others_go_on() {
    let broker = broker(1);
    let long = "x".repeat(60_000);
    let (orders, _file) = csv(&format!("orderId,product,price\n1,P1,1\n2,{long},2\n3,P1,3\n"), OnBadLine::Fail);
    let mut config = config(broker.bootstrap_servers(), orders, 0);
    config.common.kafka.client_config.insert("message.max.bytes".to_owned(), "2000".to_owned());
    let finished = run(&config, &context().0, UNLIMITED).expect("the broker is there");
    assert_eq!((finished.produced.acknowledged, finished.produced.failed), (2, 1));
    assert!(finished.stopped_by.is_none());
}
