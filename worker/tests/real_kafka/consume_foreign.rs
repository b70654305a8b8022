//! `worker consume` on topics that others write to: each record is an order, or ends in the class it belongs to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use schemas::codec::{Encoding, SchemaVersion};

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, products},
    process,
    topic::{self, Record},
};

/// A length or a number as Avro writes it; enough for what is written here.
fn avro_long(number: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (number << 1, Vec::new());
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}

fn avro_text(text: &[u8]) -> Vec<u8> {
    [avro_long(text.len()), text.to_vec()].concat()
}

/// A bare record of version 1, however wrong.
fn version_1(id: &[u8], product: &[u8], price: f64) -> Vec<u8> {
    [avro_text(id), avro_text(product), price.to_le_bytes().to_vec()].concat()
}

/// Values that are no orders, by name, with the class in which they end.
fn hopeless() -> BTreeMap<&'static str, (&'static str, Vec<u8>)> {
    let good = orders::made("good", 1).remove(0).bytes();
    let cut = good[..good.len() - 3].to_vec();
    let longer = [good.as_slice(), b"more"].concat();
    let garbage: Vec<u8> = (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let unknown = [b"\xc3\x01".as_slice(), &[7; 8], &good].concat();
    BTreeMap::from([
        ("garbage", ("undecodable", garbage)),
        ("truncated", ("undecodable", cut)),
        ("trailing", ("undecodable", longer)),
        ("empty", ("undecodable", Vec::new())),
        ("text", ("undecodable", br#"{"orderId": "1", "product": "P1", "price": 5}"#.to_vec())),
        ("bad-utf8", ("undecodable", version_1(b"\xff\xfe", b"P1", 5.0))),
        ("unknown-fingerprint", ("undecodable", unknown)),
        ("framed-garbage", ("undecodable", b"\0\0\0\0\x07garbage".to_vec())),
        ("not-a-number", ("invalid", version_1(b"nan", b"P1", f64::NAN))),
        ("infinite", ("invalid", version_1(b"infinite", b"P1", f64::INFINITY))),
        ("negative", ("invalid", version_1(b"negative", b"P1", -5.0))),
        ("empty-id", ("invalid", version_1(b"", b"P1", 5.0))),
        ("empty-product", ("invalid", version_1(b"1001", b"", 5.0))),
        ("too-dear", ("invalid", version_1(b"dear", b"P1", 5_000.0))),
    ])
}

#[test]
fn orders_of_every_known_encoding_are_read() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "encodings", 2);
    let made = orders::told_apart("encodings", 6);
    let versions = [SchemaVersion::V1, SchemaVersion::V2];
    let encodings = [Encoding::Bare, Encoding::SingleObject, Encoding::Confluent(17)];
    let combinations = versions.iter().flat_map(|version| encodings.iter().map(move |encoding| (*version, *encoding)));
    let records: Vec<Record> = made
        .iter()
        .zip(combinations)
        .map(|(order, (version, encoding))| Record::new(&order.key, order.encoded(version, encoding)))
        .collect();
    topic::produce(pipeline.broker, &pipeline.orders, &records);

    let report = pipeline.drain(&[]);

    assert_eq!(products(&report), orders::ids(&made, |_| true));
    // Version 1 has no quantity: it is one then.
    let read =
        |(place, order): (usize, &Made)| Made { quantity: if place < 3 { 1 } else { order.quantity }, ..order.clone() };
    let read: Vec<Made> = made.iter().enumerate().map(read).collect();
    assert_eq!(report["overall"], orders::overall(read.iter()));
    assert!(pipeline.dead().is_empty());
}

#[test]
fn the_usual_float_prices_are_read_with_their_writer_schema() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "float-prices", 2);
    let schema = pipeline.file("order.avsc");
    let text = r#"{"type": "record", "name": "Order", "namespace": "com.example", "fields": [
        {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"}, {"name": "price", "type": "float"}]}"#;
    fs::write(&schema, text).expect("a writable folder");
    let body =
        |id: &str, price: f32| [avro_text(id.as_bytes()), avro_text(b"P1"), price.to_le_bytes().to_vec()].concat();
    let records = [
        Record::new("1001", body("1001", 55.1)),
        Record::new("1002", [b"\0\0\0\0\x2a".as_slice(), &body("1002", 44.9)].concat()),
        Record::new("1003", b"neither bare nor framed"),
    ];
    topic::produce(pipeline.broker, &pipeline.orders, &records);

    let report = pipeline.drain(&["--writer-schema", schema.to_str().expect("temporary paths are UTF-8")]);

    assert_eq!(report["consumed"]["succeeded"], 2);
    assert_eq!(report["overall"][0]["sum"], "100.00");
    let dead = pipeline.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header("__dlq.errors.class"), Some("undecodable"));
}

#[test]
fn what_is_no_order_ends_in_its_class_and_holds_up_nobody() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "foreign", 2);
    let (made, hopeless) = (orders::made("foreign", 100), hopeless());
    let mut records = orders::records(&made[..50]);
    records.extend(hopeless.iter().map(|(name, (_, value))| Record::new(name, value)));
    records.push(Record { value: None, ..Record::new("tombstone", "") });
    records.push(Record { key: None, ..Record::new("", "no key and no order") });
    records.extend(orders::records(&made[50..]));
    topic::produce(pipeline.broker, &pipeline.orders, &records);

    let consumer = pipeline.consumer(&["--max-price", "1000.00"]);
    pipeline.wait_until_committed();
    let admin = consumer.process.admin_address();
    let refused = hopeless.values().filter(|(class, _)| *class == "undecodable").count() + 1;
    let (_, metrics) = process::get(&admin, "/metrics");
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("orderpipeline_avro_decode_errors_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!(counted, refused as f64);
    let (_, report) = consumer.stop();

    assert_eq!(report["consumed"]["succeeded"], 100);
    assert_eq!(report["consumed"]["skipped"], 1);
    assert_eq!(report["consumed"]["deadLettered"], hopeless.len() + 1);
    assert_eq!(report["consumed"]["retries"], 0);
    assert_eq!(report["overall"], orders::overall(made.iter()));
    let letters = pipeline.dead();
    assert_eq!(letters.len(), hopeless.len() + 1);
    for letter in &letters {
        let Some(name) = letter.key.as_ref().and_then(|key| std::str::from_utf8(key).ok()) else {
            assert_eq!(letter.value.as_deref(), Some(b"no key and no order".as_slice()));
            continue;
        };
        let (class, value) = &hopeless[name];
        assert_eq!(letter.header("__dlq.errors.class"), Some(*class), "{name}: {:?}", letter.headers);
        assert_eq!(letter.header("__dlq.errors.disposition"), Some("permanent"), "{name}");
        assert_eq!(letter.header("__dlq.errors.delivery.count"), Some("1"), "{name}");
        assert_eq!(letter.value.as_ref(), Some(value), "{name}");
    }
    let messages: BTreeSet<&str> = letters.iter().filter_map(|letter| letter.header("__dlq.errors.message")).collect();
    assert!(messages.iter().any(|message| message.contains("Confluent")), "{messages:?}");
}
