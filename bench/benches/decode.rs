//! Decoding one order: our layouts and plans against a hand-written floor and `apache-avro`, side by side in one run.
//!
//! `cargo bench -p bench --bench decode`. Deliberately exits with 1 when a target of the project is missed.
#![expect(clippy::print_stdout, reason = "the table is the product")]

use std::process::ExitCode;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use bench::{Contestant, Timing, contest};
use schemas::codec::{Decoder, Encoder, Encoding, ORDER_V1, ORDER_V2, SchemaVersion};
use schemas::order::{Currency, Money, Order, Text};
use serde::Deserialize;

const RECORDS: usize = 1024;
const ROUNDS: usize = 31;
const PASSES: usize = 60;

/// Version 1 with its first two fields swapped: the same bytes to read, and no layout of ours.
const SWAPPED: &str = r#"{"type": "record", "name": "Order", "fields": [{"name": "product", "type": "string"},
    {"name": "orderId", "type": "string"}, {"name": "price", "type": "double"}]}"#;
const SCHEMA_ID: u32 = 7;

#[derive(Deserialize)]
#[serde(rename = "Order", rename_all = "camelCase")]
struct OwnedV1 {
    order_id: String,
    product: String,
    price: f64,
}

#[derive(Deserialize)]
#[serde(rename = "Order", rename_all = "camelCase")]
struct OwnedV2 {
    order_id: String,
    product: String,
    price: f64,
    quantity: i32,
    currency: String,
    created_at: i64,
    price_minor: Option<i64>,
}

fn records(version: SchemaVersion, encoding: Encoding) -> Vec<Vec<u8>> {
    let encoder = Encoder::new(version, encoding);
    let record = |number: usize| {
        let (id, product) = (format!("order-{:04}", number % 10_000), format!("product-{}", number * 7 % 500));
        let mut bytes = Vec::new();
        let order = Order {
            order_id: Text::from(id.as_str()),
            product: Text::from(product.as_str()),
            price: Money::from_minor(1000 + number as i64 * 97),
            quantity: 1 + (number % 5) as i32,
            currency: Currency::USD,
            created_at_milliseconds: 1_790_000_000_000 + number as i64,
        };
        encoder.encode(&order, &mut bytes);
        bytes
    };
    (0..RECORDS).map(record).collect()
}

/// A pass of a decoder over records: sums what it read, so that nothing can be left out.
fn ours<'a>(name: &'static str, mut decoder: Decoder, records: &'a [Vec<u8>]) -> Contestant<'a> {
    let pass = move || {
        records.iter().fold(0, |sum, record| {
            let raw = decoder.decode(record).expect("a record of ours");
            sum + (raw.order_id.len() + raw.product.len()) as u64 + raw.quantity as u64
        })
    };
    Contestant { name, pass: Box::new(pass) }
}

fn ours_checked<'a>(name: &'static str, mut decoder: Decoder, records: &'a [Vec<u8>]) -> Contestant<'a> {
    let pass = move || {
        records.iter().fold(0, |sum, record| {
            let order = decoder.decode(record).expect("a record of ours").check().expect("a valid order");
            sum + (order.order_id.len() + order.product.len()) as u64 + order.price.minor() as u64
        })
    };
    Contestant { name, pass: Box::new(pass) }
}

/// What hand-written code for version 1 takes that checks UTF-8 and keeps bytes.
fn floor<'a>(name: &'static str, records: &'a [Vec<u8>]) -> Contestant<'a> {
    fn field(record: &[u8]) -> Option<(&[u8], &[u8])> {
        let (length, rest) = record.split_first()?;
        if *length & 0x81 != 0 {
            return None;
        }
        let (field, rest) = rest.split_at_checked(usize::from(length / 2))?;
        (field.is_ascii() || std::str::from_utf8(field).is_ok()).then_some((field, rest))
    }
    let decode = |record: &'a [u8]| {
        let (order_id, rest) = field(record)?;
        let (product, rest) = field(rest)?;
        let price = f64::from_le_bytes(rest.try_into().ok()?);
        Some((order_id, product, price))
    };
    let pass = move || {
        records.iter().fold(0, |sum, record| {
            let (order_id, product, price) = decode(record).expect("a record of version 1");
            sum + (order_id.len() + product.len()) as u64 + u64::from(price > 0.0)
        })
    };
    Contestant { name, pass: Box::new(pass) }
}

fn apache<'a, T: for<'de> Deserialize<'de>>(
    name: &'static str,
    schema: &'a Schema,
    records: &'a [Vec<u8>],
    weigh: impl Fn(T) -> u64 + 'a,
) -> Contestant<'a> {
    let reader = GenericDatumReader::builder(schema).build().expect("one of our schemas");
    let pass = move || {
        records.iter().fold(0, |sum, record| {
            sum + weigh(reader.read_deser::<T>(&mut record.as_slice()).expect("a record of ours"))
        })
    };
    Contestant { name, pass: Box::new(pass) }
}

fn with_schema(schema: &str) -> Decoder {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    decoder.add_schema(SCHEMA_ID, schema).expect("the schema of an order");
    decoder
}

fn main() -> ExitCode {
    // Without it this is `cargo test --benches`, where there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let bare = Decoder::without_registry;
    let (v1, v2) = (records(SchemaVersion::V1, Encoding::Bare), records(SchemaVersion::V2, Encoding::Bare));
    let framed = Encoding::Confluent(SCHEMA_ID);
    let (v1_framed, v2_framed) = (records(SchemaVersion::V1, framed), records(SchemaVersion::V2, framed));
    let schemas = [ORDER_V1, ORDER_V2].map(|text| Schema::parse_str(text).expect("one of our schemas"));
    let none = || bare(None).expect("our own schemas");
    let mut contestants = [
        floor("hand-written v1, validated &[u8] (floor)", &v1),
        ours("v1", none(), &v1),
        ours("v1, compiled plan (fields swapped)", bare(Some(SWAPPED)).expect("a schema"), &v1),
        ours("v1, framed, id known", with_schema(ORDER_V1), &v1_framed),
        ours("v1, framed, without a registry", none(), &v1_framed),
        ours_checked("v1 and check", none(), &v1),
        ours("v2", none(), &v2),
        ours("v2, framed, id known", with_schema(ORDER_V2), &v2_framed),
        ours_checked("v2 and check", none(), &v2),
        apache("apache-avro read_deser v1", &schemas[0], &v1, |order: OwnedV1| {
            (order.order_id.len() + order.product.len()) as u64 + u64::from(order.price > 0.0)
        }),
        apache("apache-avro read_deser v2", &schemas[1], &v2, |order: OwnedV2| {
            (order.order_id.len() + order.product.len() + order.currency.len()) as u64
                + (i64::from(order.quantity) + order.created_at + order.price_minor.unwrap_or(0)) as u64
                + u64::from(order.price > 0.0)
        }),
    ];
    let allocations: Vec<u64> = contestants.iter_mut().map(allocations).collect();
    let timings = contest(&mut contestants, ROUNDS, PASSES, RECORDS);
    print(&contestants, &timings, &allocations);
    verdict(&timings, &allocations)
}

/// Allocations of one pass.
fn allocations(contestant: &mut Contestant<'_>) -> u64 {
    allocation_counter::measure(|| {
        std::hint::black_box((contestant.pass)());
    })
    .count_total
}

/// Where the contestants stand in the table.
const FLOOR: usize = 0;
const OURS_V1: std::ops::RangeInclusive<usize> = 1..=5;
const OURS_V2: std::ops::RangeInclusive<usize> = 6..=8;
const APACHE_V1: usize = 9;
const APACHE_V2: usize = 10;

fn print(contestants: &[Contestant<'_>], timings: &[Timing], allocations: &[u64]) {
    println!("{RECORDS} records, {ROUNDS} interleaved rounds of {PASSES} passes, CPU time of the thread");
    println!("{:42} {:>8} {:>15} {:>9} {:>11} {:>8}", "", "median", "min..max ns", "of floor", "read_deser/", "allocs");
    for (index, (contestant, timing)) in contestants.iter().zip(timings).enumerate() {
        let apache = if OURS_V2.contains(&index) || index == APACHE_V2 { APACHE_V2 } else { APACHE_V1 };
        println!(
            "{:42} {:8.1} {:7.1}..{:<6.1} {:9.2} {:11.1} {:8.2}",
            contestant.name,
            timing.median,
            timing.least,
            timing.most,
            timing.median / timings[FLOOR].median,
            timings[apache].median / timing.median,
            allocations[index] as f64 / RECORDS as f64,
        );
    }
}

/// Version 1 at most 4 floors and a fifth of `read_deser`, version 2 a fifth of its `read_deser`, no allocation.
fn verdict(timings: &[Timing], allocations: &[u64]) -> ExitCode {
    let slow_v1 = OURS_V1.filter(|index| {
        let timing = timings[*index].median;
        timing > 4.0 * timings[FLOOR].median || timing > timings[APACHE_V1].median / 5.0
    });
    let slow_v2 = OURS_V2.filter(|index| timings[*index].median > timings[APACHE_V2].median / 5.0);
    let allocating = (0..APACHE_V1).filter(|index| allocations[*index] > 0);
    match slow_v1.chain(slow_v2).chain(allocating).count() {
        0 => {
            println!("targets met");
            ExitCode::SUCCESS
        }
        missed => {
            println!("{missed} targets missed");
            ExitCode::FAILURE
        }
    }
}
