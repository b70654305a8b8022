//! Orders with schemas in a real registry, and Confluent's own serializers on the other side.

use schemas::codec::{Encoding, ORDER_V2, SchemaVersion};
use serde_json::{Value, json};

use crate::{
    broker::Broker,
    orders,
    pipeline::Pipeline,
    process::{Ended, Process},
    registry::Registry,
    topic::{self, Record},
};

/// What producers of other teams write: another name, a float, fields that nobody here knows.
const PEER: &str = r#"{"type": "record", "name": "Purchase", "namespace": "com.example", "fields": [
    {"name": "buyer", "type": ["null", "string"], "default": null}, {"name": "orderId", "type": "string"},
    {"name": "product", "type": "string"}, {"name": "price", "type": "float"}]}"#;

/// An order that refers to a type of another subject.
const BY_REFERENCE: &str = r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
    {"name": "price", "type": "double"}, {"name": "buyer", "type": "people.Person"}]}"#;
const PERSON: &str = r#"{"type": "record", "name": "Person", "namespace": "people", "fields": [
    {"name": "name", "type": "string"}]}"#;

fn servers() -> Option<(&'static Broker, &'static Registry)> {
    Some((Broker::shared()?, Registry::shared()?))
}

/// Whether a report's totals are those of so many orders at 2.50.
fn assert_counted(report: &Value, count: u64) {
    let sum = format!("{:.2}", 2.5 * count as f64);
    let counted = json!({"count": count, "sum": sum, "records": count});
    let overall = &report["overall"][0];
    let seen = json!({"count": overall["count"], "sum": overall["sum"], "records": report["consumed"]["records"]});
    assert_eq!(seen, counted, "{report}");
}

#[test]
fn what_confluents_serializers_write_is_consumed_whatever_the_schema() {
    let Some((broker, registry)) = servers() else { return };
    let pipeline = Pipeline::new(broker.address(), "confluent", 2);
    let order = |id: &str| json!({"orderId": id, "product": "P1", "price": 2.5});
    let with = |id: &str, key: &str, value: Value| {
        let mut order = order(id);
        order[key] = value;
        order
    };
    let write = |schema, references: &[&str], written: &[Value]| {
        registry.write(broker.address(), &pipeline.orders, schema, references, written);
    };
    write(PEER, &[], &[order("a"), with("b", "buyer", json!("Ada"))]);
    let v2 = json!({"quantity": 3, "currency": "USD", "createdAt": 0, "priceMinor": 250});
    let mut exact = order("c");
    exact.as_object_mut().expect("an object").extend(v2.as_object().expect("an object").clone());
    write(ORDER_V2, &[], &[exact]);
    registry.register(&format!("{}-people", pipeline.orders), PERSON, &[]);
    let reference = format!("people.Person={}-people:1", pipeline.orders);
    write(BY_REFERENCE, &[&reference], &[with("d", "buyer", json!({"name": "Ada"}))]);

    let report = pipeline.drain(&["--schema-registry-url", registry.address()]);

    assert_counted(&report, 4);
    assert_eq!(report["consumed"]["succeeded"], 4, "{report}");
    assert!(pipeline.dead().is_empty());
}

#[test]
fn what_the_worker_writes_confluents_deserializers_read() {
    let Some((broker, registry)) = servers() else { return };
    let pipeline = Pipeline::new(broker.address(), "for-confluent", 1);
    let made = orders::made("o", 3);
    let at = ["--schema-registry-url", registry.address()];
    let refused = pipeline.producer_with(&made, &at).process.wait();
    assert_eq!(refused.code, Some(1));
    let words = format!("order.v2.avsc is not registered under subject {}-value", pipeline.orders);
    assert!(refused.stderr.contains(&words) && refused.stderr.contains("worker prepare"), "{}", refused.stderr);

    let prepared = prepare(&pipeline, registry, &["--registration", "register"]);
    assert_eq!(prepared["schemaCompatible"], json!({"status": "True", "reason": "AsExpected"}));
    let again = prepare(&pipeline, registry, &["--check-only"]);
    assert_eq!(again["schemaCompatible"]["status"], "True", "{again}");
    for registration in ["lookup", "register", "latest"] {
        pipeline.producer_with(&made, &[&at[..], &["--registration", registration]].concat()).done();
    }

    let read = registry.read(broker.address(), &pipeline.orders, 9);
    let id = registry.register(&format!("{}-value", pipeline.orders), ORDER_V2, &[]);
    for (order, made) in read.iter().zip(made.iter().cycle()) {
        assert_eq!((&order["orderId"], &order["_id"]), (&json!(made.id), &json!(id)), "{order}");
        assert_eq!((&order["priceMinor"], &order["quantity"]), (&json!(made.price), &json!(made.quantity)), "{order}");
    }
    let pinned = format!("id:{id}");
    let flags = ["--registration", &pinned, "--schema-version", "1"];
    let refused = pipeline.producer_with(&made, &[&at[..], &flags].concat()).process.wait();
    assert!(refused.stderr.contains("write with --schema-version 2"), "{}", refused.stderr);
    assert_eq!(pipeline.drain(&at)["consumed"]["succeeded"], 9);
}

#[test]
fn a_schema_that_does_not_fit_its_subject_is_refused_by_prepare() {
    let Some((broker, registry)) = servers() else { return };
    let pipeline = Pipeline::new(broker.address(), "incompatible", 1);
    let subject = format!("{}-value", pipeline.orders);
    let missing = prepare(&pipeline, registry, &[]);
    assert_eq!(missing["schemaCompatible"]["reason"], "NotRegistered", "{missing}");
    registry.register(&subject, &PEER.replace("\"float\"", "\"string\""), &[]);
    registry.set_compatibility(&subject, "BACKWARD");

    for more in [&["--registration", "register"][..], &["--registration", "register", "--check-only"]] {
        let refused = prepare(&pipeline, registry, more);
        assert_eq!(refused["schemaCompatible"]["reason"], "Incompatible", "{refused}");
    }
    let latest = prepare(&pipeline, registry, &["--registration", "latest"]);
    assert_eq!(latest["schemaCompatible"]["reason"], "Incompatible", "{latest}");
}

#[test]
fn an_id_that_the_registry_does_not_have_is_retried_and_dead_lettered_with_its_frame() {
    let Some((broker, registry)) = servers() else { return };
    let pipeline = Pipeline::new(broker.address(), "unknown-id", 1);
    let lost = orders::made("o", 1)[0].encoded(SchemaVersion::V2, Encoding::Confluent(4_000_000));
    topic::produce(broker.address(), &pipeline.orders, &[Record::new("lost", &lost), Record::new("lost", &lost)]);
    registry.write(
        broker.address(),
        &pipeline.orders,
        PEER,
        &[],
        &[json!({"orderId": "found", "product": "P1", "price": 2.5, "_key": "found"})],
    );

    let retries = ["--max-retries", "2", "--initial-backoff", "50ms"];
    let report = pipeline.drain(&[&["--schema-registry-url", registry.address()], &retries[..]].concat());

    assert_eq!(
        (&report["consumed"]["deadLettered"], &report["consumed"]["retries"]),
        (&json!(2), &json!(4)),
        "{report}"
    );
    assert_counted(&json!({"overall": report["overall"], "consumed": {"records": 1}}), 1);
    for dead in pipeline.dead() {
        assert_eq!(dead.value.as_ref(), Some(&lost));
        assert_eq!(dead.header("__dlq.errors.class"), Some("schema-unknown"));
        assert_eq!(dead.header("__dlq.errors.schema.id"), Some("4000000"));
        assert_eq!(dead.header("__dlq.errors.message"), Some("schema id 4000000 is not in the registry"));
    }
}

/// The result of `worker prepare` with the registry.
fn prepare(pipeline: &Pipeline<'_>, registry: &Registry, more: &[&str]) -> Value {
    let common =
        ["prepare", "--bootstrap-servers", pipeline.broker, "--topic", &pipeline.orders, "--schema-registry-url"];
    let Ended { stdout, stderr, .. } = Process::worker(&[&common[..], &[registry.address()], more].concat()).wait();
    serde_json::from_str(stdout.trim()).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"))
}
