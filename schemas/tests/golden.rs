//! Records written by other people's libraries, read as they meant them: `golden/*.ndjson` by `golden/make.sh`.
//!
//! Each case comes bare, in a Confluent frame and as a single object, from fastavro (Python) and from avsc (JavaScript).

use schemas::codec::{DecodePaths, Decoder, Encoder, Encoding, ORDER_V1, ORDER_V2, RawOrder, RawPrice, SchemaVersion};
use serde_json::{Value, json};

const CASES: &str = include_str!("golden/cases.json");
const WRITTEN: [(&str, &str); 2] =
    [("fastavro", include_str!("golden/fastavro.ndjson")), ("avsc", include_str!("golden/avsc.ndjson"))];

/// A case: what was written, and what an order it is.
struct Case {
    number: u32,
    schema: String,
    order: Value,
    fallback: bool,
}

/// A record of a case.
struct Record {
    label: String,
    case: Case,
    encoding: String,
    bytes: Vec<u8>,
}

fn case(name: &Value) -> Case {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("cases.json is a list");
    let number = cases.iter().position(|case| case["name"] == *name).expect("a case of that name");
    let case = &cases[number];
    let schema = match case["schema"].as_str() {
        Some("order.v1.avsc") => ORDER_V1.to_owned(),
        Some(_) => ORDER_V2.to_owned(),
        None => case["schema"].to_string(),
    };
    let fallback = case["fallback"] == true;
    Case { number: u32::try_from(number).expect("few cases"), schema, order: case["order"].clone(), fallback }
}

fn records() -> impl Iterator<Item = Record> {
    WRITTEN.iter().flat_map(|(library, lines)| {
        lines.lines().map(move |line| {
            let line: Value = serde_json::from_str(line).expect("one JSON object a line");
            let hex = line["hex"].as_str().expect("hexadecimal digits");
            let digit = |index: usize| u8::from_str_radix(&hex[index..index + 2], 16).expect("hexadecimal digits");
            let label = format!("{library}: {} {}", line["case"], line["encoding"]);
            let encoding = line["encoding"].as_str().expect("a name").to_owned();
            let bytes = (0..hex.len()).step_by(2).map(digit).collect();
            Record { label, case: case(&line["case"]), encoding, bytes }
        })
    })
}

fn seen(raw: &RawOrder<'_>) -> Value {
    let price = match raw.price {
        RawPrice::Missing => "missing".to_owned(),
        RawPrice::Double(price) => format!("double {price}"),
        RawPrice::Major(price) => format!("major {price}"),
        RawPrice::Minor(price) => format!("minor {price}"),
        RawPrice::Decimal { unscaled, scale } => {
            let first = unscaled.first().map_or(0, |first| i128::from(*first as i8));
            let number = unscaled.iter().skip(1).fold(first, |number, byte| (number << 8) | i128::from(*byte));
            format!("decimal {number} {scale}")
        }
    };
    json!([
        raw.order_id.as_str(),
        raw.product.as_str(),
        price,
        raw.quantity,
        raw.currency.as_str(),
        raw.created_at_milliseconds
    ])
}

#[test]
fn records_are_read_as_their_writers_meant_them() {
    let mut count = 0;
    for Record { label, case, encoding, bytes } in records() {
        let mut decoder = Decoder::without_registry(Some(&case.schema)).expect("a usable schema");
        let raw = decoder.decode(&bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(seen(&raw), case.order, "{label}");
        let id = (encoding == "framed").then_some(100 + case.number);
        assert_eq!(raw.schema_id, id, "{label}");
        assert_eq!(decoder.paths().fallback, u64::from(case.fallback), "{label}");
        count += 1;
    }
    assert_eq!(count, 90);
}

#[test]
fn a_registry_reads_frames_by_their_id() {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    for Record { label, case, bytes, .. } in records().filter(|record| record.encoding == "framed") {
        decoder.add_schema(100 + case.number, &case.schema).expect("a usable schema");
        let raw = decoder.decode(&bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(seen(&raw), case.order, "{label}");
    }
    let DecodePaths { exact, plan, fallback } = decoder.paths();
    assert_eq!(exact + plan + fallback, 30);
}

#[test]
fn our_own_records_need_no_writer_schema() {
    let ours = |record: &Record| [ORDER_V1, ORDER_V2].contains(&record.case.schema.as_str());
    for Record { label, case, bytes, .. } in records().filter(ours) {
        let mut decoder = Decoder::without_registry(None).expect("our own schemas");
        let raw = decoder.decode(&bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
        assert_eq!(seen(&raw), case.order, "{label}");
        assert_eq!(decoder.paths().exact, 1, "{label}");
    }
}

#[test]
fn what_we_write_is_what_the_others_write() {
    let mut compared = 0;
    for Record { label, case, encoding, bytes } in records() {
        let version = SchemaVersion::ALL.into_iter().find(|version| version.text() == case.schema);
        let exact = case.order[2].as_str().is_some_and(|price| price.starts_with("minor"));
        let Some(version) = version.filter(|version| *version == SchemaVersion::V1 || exact) else { continue };
        let encoding = match encoding.as_str() {
            "framed" => Encoding::Confluent(100 + case.number),
            "single-object" => Encoding::SingleObject,
            _bare => Encoding::Bare,
        };
        let mut decoder = Decoder::without_registry(None).expect("our own schemas");
        let raw = decoder.decode(&bytes).expect("our own schemas");
        // A price of 0.1 is written from 10 cents: the same double.
        let mut written = Vec::new();
        Encoder::new(version, encoding).encode(&raw.check().expect("a valid order"), &mut written);
        assert_eq!(written, bytes, "{label}");
        compared += 1;
    }
    assert_eq!(compared, 24);
}
