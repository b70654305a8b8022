//! Framed records: schemas that come late, never, or not while the registry is down.

use std::time::Duration;

use schemas::codec::{ORDER_V1, ORDER_V2};

use super::*;
use crate::config::Registration;
use crate::registry::testing::{FakeRegistry, Fault};

/// A bound on hangs, never on speed.
const HANG: Duration = Duration::from_secs(30);

fn framed(id: &str, version: SchemaVersion, schema: u32) -> Vec<u8> {
    let order = Order {
        order_id: Text::from(id),
        product: Text::from(id),
        price: Money::from_minor(100),
        quantity: 1,
        currency: Currency::USD,
        created_at_milliseconds: 0,
    };
    let mut bytes = Vec::new();
    Encoder::new(version, Encoding::Confluent(schema)).encode(&order, &mut bytes);
    bytes
}

fn record(key: &str, id: &str, version: SchemaVersion, schema: u32) -> Sent {
    Sent { key: Some(key.into()), value: Some(framed(id, version, schema)), headers: Vec::new() }
}

fn send_framed(broker: &EmbeddedBroker, key: &str, id: &str, version: SchemaVersion, schema: u32) {
    send(&kafka(broker), ORDERS, &[record(key, id, version, schema)]);
}

fn with(broker: &EmbeddedBroker, registry: &FakeRegistry) -> Consume {
    let mut config = config(broker, Handler::None);
    config.common.registry = Some(registry.config(Registration::Lookup));
    config
}

/// Waits until the condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let clock = Clock::start();
    while !holds() {
        assert!(clock.now().since(engine::time::Time::ZERO) < HANG, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Ends the consumer of a test that failed: it may have something to wait for.
struct EndOnPanic<'c>(&'c Shutdown);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.drain();
        }
    }
}

/// Runs a consumer until it has nothing to do, with somebody looking on.
fn run_watched(config: &Consume, watch: impl FnOnce(&RoleContext)) -> Ended {
    let context = context();
    std::thread::scope(|scope| {
        let _end = EndOnPanic(&context.shutdown);
        let consumer = scope.spawn(|| consume::run(config, &context, &Default::default()));
        watch(&context);
        consumer.join().expect("a consumer does not panic").expect("the consumer ends by itself")
    })
}

fn resolved(context: &RoleContext) -> u64 {
    context.status.document()["totals"]["records"].as_u64().unwrap_or_default()
}

#[test]
fn framed_orders_are_read_with_the_schemas_of_the_registry_each_asked_for_once() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    registry.add(1, "orders-value", ORDER_V1, &[]);
    registry.add(2, "orders-value", ORDER_V2, &[]);
    let one = |number: u32| {
        let (version, schema) = if number.is_multiple_of(2) { (SchemaVersion::V1, 1) } else { (SchemaVersion::V2, 2) };
        record(&number.to_string(), &number.to_string(), version, schema)
    };
    send(&kafka(&broker), ORDERS, &(0..50).map(one).collect::<Vec<_>>());
    let ended = run(&with(&broker, &registry));
    assert_eq!(ended.counters.succeeded, 50, "{:?}", ended.counters);
    assert_eq!(registry.requests().len(), 2, "{:?}", registry.requests());
}

#[test]
fn an_id_that_is_not_known_yet_holds_its_partition_and_no_other_and_loses_nothing() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    registry.add(1, "orders-value", ORDER_V1, &[]);
    registry.add(2, "orders-value", ORDER_V2, &[]);
    send_framed(&broker, "first", "known-0", SchemaVersion::V1, 1);
    let mut config = with(&broker, &registry);
    config.until_idle = Some(Duration::from_secs(1));
    let ended = run_watched(&config, |context| {
        until("the first order", || resolved(context) == 1);
        registry.fail(Some(Fault::Status(503, 50_003, None)));
        // Every key in its partition: of those of "held" the next has an unknown schema, then one that is known.
        send_framed(&broker, "held", "unknown-1", SchemaVersion::V2, 2);
        send_framed(&broker, "held", "known-2", SchemaVersion::V1, 1);
        until("the partition to be held", || context.status.document()["message"].as_str().is_some());
        let others = (0..60).map(|number| format!("other-{number}"));
        let others: Vec<Sent> = others.map(|name| record(&name, &name, SchemaVersion::V1, 1)).collect();
        send(&kafka(&broker), ORDERS, &others);
        // Three partitions, one of them held: the others' orders go on, about two of three.
        until("the others to go on", || resolved(context) > 20);
        let status = context.status.document();
        assert!(status["message"].as_str().is_some_and(|words| words.contains("1 of 3 partitions wait")), "{status}");
        until("readiness to tell", || context.readiness.waiting_for().iter().any(|words| words.contains("50003")));
        assert!(resolved(context) < 61, "behind the held order nothing is resolved");
        registry.fail(None);
    });
    assert_eq!((ended.counters.succeeded, ended.counters.records()), (63, 63), "{:?}", ended.counters);
    assert!(read_all(&kafka(&broker), GRAVES).is_empty(), "an outage is nobody's fault");
}

#[test]
fn an_id_that_is_not_in_the_registry_is_retried_and_then_dead_lettered_as_it_came() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    registry.add(1, "orders-value", ORDER_V1, &[]);
    let lost = (0..20).map(|number| record("key", &format!("lost-{number}"), SchemaVersion::V1, 99));
    let found = record("key", "found", SchemaVersion::V1, 1);
    send(&kafka(&broker), ORDERS, &lost.chain([found]).collect::<Vec<_>>());
    let ended = run(&with(&broker, &registry));
    assert_eq!((ended.counters.dead_lettered, ended.counters.succeeded), (20, 1), "{:?}", ended.counters);
    assert_eq!(ended.counters.retries(), 60, "three each, after 50, 100 and 200 ms");
    let graves = read_all(&kafka(&broker), GRAVES);
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    for (number, grave) in graves.iter().enumerate() {
        assert_eq!(grave.value, Some(framed(&format!("lost-{number}"), SchemaVersion::V1, 99)), "in the key's order");
        for expected in [
            header("__dlq.errors.class", "schema-unknown"),
            header("__dlq.errors.schema.id", "99"),
            header("__dlq.errors.disposition", "retries-exhausted"),
        ] {
            assert!(grave.headers.contains(&expected), "{:?}", grave.headers);
        }
    }
    let asked = registry.requests().iter().filter(|request| request.contains("/99")).count();
    assert!((2..=4).contains(&asked), "the miss is believed, but for the first retries: {asked}");
}

#[test]
fn a_schema_that_arrives_while_its_orders_wait_for_a_retry_is_used() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    send_framed(&broker, "key", "early", SchemaVersion::V2, 5);
    let mut config = with(&broker, &registry);
    config.retry.initial_backoff = Duration::from_millis(1100);
    config.until_idle = Some(Duration::from_millis(500));
    let ended = run_watched(&config, |context| {
        until("the retry to be waited for", || context.status.document()["parked"] == 1);
        registry.add(5, "orders-value", ORDER_V2, &[]);
    });
    assert_eq!((ended.counters.succeeded, ended.counters.retries()), (1, 1), "{:?}", ended.counters);
}

#[test]
fn what_the_registry_has_but_nobody_can_use_is_dead_lettered_at_once() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    registry.add(3, "payments-value", r#"{"type": "record", "name": "Payment", "fields": []}"#, &[]);
    send_framed(&broker, "a", "payment", SchemaVersion::V1, 3);
    let ended = run(&with(&broker, &registry));
    assert_eq!((ended.counters.dead_lettered, ended.counters.retries()), (1, 0), "{:?}", ended.counters);
    registry.fail_once(Fault::Huge { bytes: 40 << 20, is_announced: true });
    send_framed(&broker, "a", "huge", SchemaVersion::V1, 4);
    let ended = run(&with(&broker, &registry));
    assert_eq!((ended.counters.dead_lettered, ended.counters.retries()), (2, 0), "{:?}", ended.counters);
}

#[test]
fn a_registry_that_answers_with_a_page_is_waited_for_and_named() {
    let (broker, registry) = (broker(), FakeRegistry::start());
    registry.add(1, "orders-value", ORDER_V1, &[]);
    registry.fail(Some(Fault::Page));
    send_framed(&broker, "a", "order", SchemaVersion::V1, 1);
    let ended = run_watched(&with(&broker, &registry), |context| {
        let told = |words: &String| words.contains("does not answer like a schema registry");
        until("readiness to tell", || context.readiness.waiting_for().iter().any(told));
        registry.fail(None);
    });
    assert_eq!((ended.counters.succeeded, ended.counters.dead_lettered), (1, 0), "{:?}", ended.counters);
}
