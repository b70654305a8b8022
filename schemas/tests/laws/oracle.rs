//! The decoder against `apache-avro`: the same values, with and without resolution to our own schema.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use proptest::prelude::*;
use schemas::codec::{DecodePaths, Decoder, ORDER_V2, RawOrder, RawPrice};

use super::writers::{Written, resolvable, written};

/// An order as either side sees it, doubles by their bits.
#[derive(Debug, PartialEq)]
struct Seen {
    order_id: String,
    product: String,
    price: Price,
    quantity: i64,
    currency: String,
    created_at_milliseconds: i64,
}

#[derive(Debug, PartialEq)]
enum Price {
    Missing,
    Double(u64),
    Major(i64),
    Minor(i64),
    Decimal(Vec<u8>, u32),
}

fn ours(raw: &RawOrder<'_>) -> Seen {
    let price = match raw.price {
        RawPrice::Missing => Price::Missing,
        RawPrice::Double(price) => Price::Double(price.to_bits()),
        RawPrice::Major(price) => Price::Major(price),
        RawPrice::Minor(price) => Price::Minor(price),
        RawPrice::Decimal { unscaled, scale } => Price::Decimal(unscaled.to_vec(), scale),
    };
    Seen {
        order_id: raw.order_id.to_string(),
        product: raw.product.to_string(),
        price,
        quantity: raw.quantity,
        currency: raw.currency.to_string(),
        created_at_milliseconds: raw.created_at_milliseconds,
    }
}

/// What a record of the writer's schema says, from the library's own values.
fn theirs(schema: &Schema, value: Value) -> Seen {
    let (Schema::Record(schema), Value::Record(values)) = (schema, value) else { panic!("a record") };
    let mut seen = Seen {
        order_id: String::new(),
        product: String::new(),
        price: Price::Missing,
        quantity: 1,
        currency: "USD".to_owned(),
        created_at_milliseconds: 0,
    };
    let mut exact = None;
    for (field, (_, value)) in schema.fields.iter().zip(values) {
        let (branch, value) = match value {
            Value::Union(branch, value) => (branch as usize, *value),
            value => (0, value),
        };
        let schema = match &field.schema {
            Schema::Union(union) => &union.variants()[branch],
            schema => schema,
        };
        let name = field.name.strip_prefix("their_").unwrap_or(&field.name);
        match (name, value) {
            (_, Value::Null) => {}
            ("orderId", value) => seen.order_id = text(value),
            ("product", value) => seen.product = text(value),
            ("currency", value) => seen.currency = text(value),
            ("quantity", value) => seen.quantity = whole(&value).expect("a whole number"),
            ("priceMinor", value) => exact = whole(&value),
            ("createdAt", value) => seen.created_at_milliseconds = milliseconds(&value),
            ("price", value) => seen.price = price(schema, value),
            (_unknown, _) => {}
        }
    }
    seen.price = exact.map_or(seen.price, Price::Minor);
    seen
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) | Value::Enum(_, text) => text,
        Value::Bytes(bytes) => String::from_utf8(bytes).expect("the writer put text there"),
        other => panic!("{other:?} is no text"),
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        _other => None,
    }
}

fn milliseconds(value: &Value) -> i64 {
    match value {
        Value::TimestampMillis(time) | Value::LocalTimestampMillis(time) => *time,
        Value::TimestampMicros(time) => time.div_euclid(1_000),
        Value::TimestampNanos(time) => time.div_euclid(1_000_000),
        other => whole(other).unwrap_or(0),
    }
}

fn price(schema: &Schema, value: Value) -> Price {
    match (schema, value) {
        (_, Value::Double(price)) => Price::Double(price.to_bits()),
        (_, Value::Float(price)) => Price::Double(f64::from(price).to_bits()),
        (Schema::Decimal(schema), Value::Decimal(decimal)) => {
            Price::Decimal(Vec::try_from(decimal).expect("its own bytes"), schema.scale as u32)
        }
        (_, value) => Price::Major(whole(&value).expect("a whole number")),
    }
}

/// The library's value of a record that it reads to its end.
fn read_whole(schema: &Schema, mut bytes: &[u8]) -> Option<Value> {
    let reader = GenericDatumReader::builder(schema).build().expect("a schema without references");
    let value = reader.read_value(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

/// A NaN that was widened from a float may differ in its bits.
fn is_nan(price: &Price) -> bool {
    matches!(price, Price::Double(bits) if f64::from_bits(*bits).is_nan())
}

fn assert_same(ours: &Seen, theirs: &Seen) -> Result<(), TestCaseError> {
    if is_nan(&ours.price) && is_nan(&theirs.price) {
        return Ok(());
    }
    prop_assert_eq!(ours, theirs);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_plan_reads_what_apache_avro_reads(Written { text, schema, bytes } in written()) {
        let mut decoder = Decoder::without_registry(Some(&text)).expect("a schema of an order");
        let seen = ours(&decoder.decode(&bytes).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?);
        prop_assert_eq!(decoder.paths().fallback, 0);
        assert_same(&seen, &theirs(&schema, read_whole(&schema, &bytes).expect("its own bytes")))?;
    }

    #[test]
    fn a_plan_resolves_as_apache_avro_does(Written { text, schema, bytes } in resolvable()) {
        let target = Schema::parse_str(ORDER_V2).expect("our own schema");
        let reader = GenericDatumReader::builder(&schema).reader_schema(&target).build().expect("a schema");
        let resolved = reader.read_value(&mut bytes.as_slice());
        // A needed field that is null cannot be resolved.
        prop_assume!(resolved.is_ok());
        let mut decoder = Decoder::without_registry(Some(&text)).expect("a schema of an order");
        let mut seen = ours(&decoder.decode(&bytes).expect("what the library reads"));
        let resolved = theirs(&target, resolved.expect("just looked"));
        if let Price::Major(whole) = seen.price {
            seen.price = Price::Double((whole as f64).to_bits());
        }
        assert_same(&seen, &resolved)?;
    }

    #[test]
    fn what_a_plan_takes_of_damaged_records_apache_avro_takes_too(
        Written { text, schema, bytes } in written(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = bytes;
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
        for (at, byte) in damage {
            if let Some(at) = (!bytes.is_empty()).then(|| at.index(bytes.len())) {
                bytes[at] = byte;
            }
        }
        let mut decoder = Decoder::with_registry(None).expect("our own schemas");
        decoder.add_schema(1, &text).expect("a schema of an order");
        let framed = [&[0, 0, 0, 0, 1], bytes.as_slice()].concat();
        if let Ok(raw) = decoder.decode(&framed) {
            let value = read_whole(&schema, &bytes);
            prop_assert!(value.is_some(), "only we read {:?} of {}", bytes, text);
            assert_same(&ours(&raw), &theirs(&schema, value.expect("just looked")))?;
        }
    }
}

#[test]
fn fallback_and_plan_read_the_same() {
    let fields = r#"{"name": "orderId", "type": "string"}, {"name": "product", "type": ["null", "string"]},
        {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}, "double"]},
        {"name": "quantity", "type": "int"}, {"name": "currency", "type": {"type": "enum", "name": "C", "symbols": ["USD", "EUR"]}},
        {"name": "createdAt", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "priceMinor", "type": ["null", "long"]}"#;
    let planned =
        format!(r#"{{"type": "record", "name": "O", "fields": [{fields}, {{"name": "next", "type": "null"}}]}}"#);
    // A field that refers to its own record leaves only the fall-back.
    let recursive = planned.replace(r#""type": "null"}"#, r#""type": ["null", "O"]}"#);
    let prices: [&[u8]; 3] = [&[0], &[2, 4, 0x04, 0xd2], &[4, 0, 0, 0, 0, 0, 0, 0x45, 0x40]];
    for price in prices {
        for minor in [&[0][..], &[2, 0xf4, 0x03]] {
            let head = [&[8][..], b"1001", &[2, 4], b"P7", price, &[6, 2, 0xd0, 0x0f], minor].concat();
            let mut plan = Decoder::without_registry(Some(&planned)).expect("a schema of an order");
            let mut fallback = Decoder::without_registry(Some(&recursive)).expect("a schema of an order");
            let by_plan = ours(&plan.decode(&head).expect("a record"));
            let with_end = [head.as_slice(), &[0]].concat();
            assert_eq!(ours(&fallback.decode(&with_end).expect("a record")), by_plan);
            assert_eq!(fallback.paths(), DecodePaths { fallback: 1, ..DecodePaths::default() });
        }
    }
}
