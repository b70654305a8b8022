//! Which encoding a record is taken for, and which writers' schemas are accepted: the rules one by one.

use schemas::codec::{
    DecodeReason, Decoder, Encoder, Encoding, InvalidOrder, RawPrice, SchemaError, SchemaVersion, WriterSchema,
};
use schemas::order::{Currency, Money, Order, Text};

const FLOAT_WRITER: &str = r#"{"type": "record", "name": "Order", "namespace": "com.example", "fields": [
    {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"}, {"name": "price", "type": "float"}]}"#;

fn order(order_id: &str) -> Order<'_> {
    Order {
        order_id: Text::from(order_id),
        product: Text::from("P7"),
        price: Money::from_minor(5550),
        quantity: 2,
        currency: Currency::USD,
        created_at_milliseconds: 1_700_000_000_000,
    }
}

fn encoded(version: SchemaVersion, encoding: Encoding, order_id: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::new(version, encoding).encode(&order(order_id), &mut bytes);
    bytes
}

fn float_record(order_id: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8 * 2], text.as_bytes()].concat();
    [text(order_id), text("P7"), 55.5_f32.to_le_bytes().to_vec()].concat()
}

fn without_registry(writer_schema: Option<&str>) -> Decoder {
    Decoder::without_registry(writer_schema).expect("a usable schema")
}

fn refusal(decoder: &mut Decoder, bytes: &[u8]) -> DecodeReason {
    decoder.decode(bytes).expect_err("not an order").kind()
}

#[test]
fn bare_records_are_version_2_then_1() {
    let mut decoder = without_registry(None);
    for (version, schema) in [(SchemaVersion::V1, WriterSchema::V1), (SchemaVersion::V2, WriterSchema::V2)] {
        let bytes = encoded(version, Encoding::Bare, "1001");
        let raw = decoder.decode(&bytes).expect("a bare record");
        assert_eq!((raw.schema, raw.schema_id, raw.order_id.as_str()), (schema, None, "1001"));
    }
    assert_eq!(decoder.paths().exact, 2);
}

#[test]
fn a_frame_is_taken_off_where_the_bare_record_does_not_fit() {
    let mut decoder = without_registry(None);
    for version in SchemaVersion::ALL {
        for id in [0, 1, 258, u32::MAX] {
            let bytes = encoded(version, Encoding::Confluent(id), "1001");
            let raw = decoder.decode(&bytes).expect("a framed record");
            assert_eq!((raw.schema_id, raw.order_id.as_str()), (Some(id), "1001"));
        }
    }
}

#[test]
fn single_objects_are_known_by_fingerprint_whatever_the_writer_schema() {
    for writer_schema in [None, Some(FLOAT_WRITER)] {
        let mut decoder = without_registry(writer_schema);
        for version in SchemaVersion::ALL {
            let bytes = encoded(version, Encoding::SingleObject, "1001");
            assert_eq!(decoder.decode(&bytes).map(|raw| raw.order_id.as_str()), Ok("1001"));
        }
    }
}

#[test]
fn an_unknown_fingerprint_is_named_after_the_bare_schema_failed_too() {
    let mut decoder = without_registry(None);
    let mut bytes = encoded(SchemaVersion::V1, Encoding::SingleObject, "1001");
    bytes[5] ^= 1;
    assert_eq!(refusal(&mut decoder, &bytes), DecodeReason::UnknownFingerprint);
    assert_eq!(refusal(&mut decoder, &[0xc3, 0x01, 7]), DecodeReason::BadLength);
    // A schema whose first field is a number may well write C3 01 there.
    let odd = r#"{"type": "record", "name": "O", "fields": [{"name": "n", "type": "long"},
        {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"}, {"name": "price", "type": "float"}]}"#;
    let bytes = [&[0xc3, 0x01][..], &float_record("1001")].concat();
    assert_eq!(without_registry(Some(odd)).decode(&bytes).map(|raw| raw.order_id.as_str()), Ok("1001"));
}

#[test]
fn a_writer_schema_replaces_ours_for_bare_and_framed_records() {
    let mut decoder = without_registry(Some(FLOAT_WRITER));
    for (prefix, schema_id) in [(&[][..], None), (&[0, 0, 0, 0, 9][..], Some(9))] {
        let bytes = [prefix, &float_record("1001")].concat();
        let raw = decoder.decode(&bytes).expect("a record of the writer's schema");
        assert_eq!((raw.schema, raw.schema_id), (WriterSchema::Configured, schema_id));
        assert_eq!(raw.price, RawPrice::Double(55.5));
    }
    assert_eq!(decoder.paths().plan, 2);
    let ours = encoded(SchemaVersion::V2, Encoding::Bare, "1001");
    assert_eq!(refusal(&mut decoder, &ours), DecodeReason::TrailingBytes);
}

#[test]
fn a_frame_of_an_unknown_schema_says_what_it_looks_like() {
    let mut decoder = without_registry(None);
    let bytes = [&[0, 0, 0, 0, 9][..], &float_record("1001")].concat();
    let error = decoder.decode(&bytes).expect_err("a float where a double is read");
    assert_eq!((error.kind(), error.schema_id()), (DecodeReason::LooksConfluentFramed, Some(9)));
    assert!(error.to_string().contains("looks Confluent-framed"), "{error}");
    assert_eq!(refusal(&mut decoder, &[0, 0, 0]), DecodeReason::Truncated);
}

#[test]
fn an_order_without_an_id_is_invalid_rather_than_undecodable() {
    for version in SchemaVersion::ALL {
        for encoding in [Encoding::Bare, Encoding::SingleObject, Encoding::Confluent(3)] {
            let mut decoder = without_registry(None);
            let bytes = encoded(version, encoding, "");
            let raw = decoder.decode(&bytes).expect("an exact fit");
            assert_eq!(raw.check(), Err(InvalidOrder::EmptyOrderId), "{version:?} {encoding:?}");
        }
    }
}

#[test]
fn left_over_and_missing_bytes_are_refused() {
    let mut decoder = without_registry(None);
    for version in SchemaVersion::ALL {
        let mut bytes = encoded(version, Encoding::Bare, "1001");
        bytes.push(0);
        assert!(decoder.decode(&bytes).is_err());
        for end in 0..bytes.len() - 1 {
            match decoder.decode(&bytes[..end]) {
                Ok(raw) => assert_eq!((version, raw.schema), (SchemaVersion::V2, WriterSchema::V1), "cut at {end}"),
                Err(error) => assert_ne!(error.kind(), DecodeReason::TrailingBytes),
            }
        }
    }
    assert_eq!(refusal(&mut decoder, &[]), DecodeReason::Empty);
}

#[test]
fn with_a_registry_a_zero_begins_a_frame_and_ids_are_looked_up() {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    let framed = encoded(SchemaVersion::V2, Encoding::Confluent(12), "1001");
    let error = decoder.decode(&framed).expect_err("nobody added id 12");
    assert_eq!((error.kind(), error.schema_id()), (DecodeReason::UnknownSchemaId, Some(12)));
    decoder.add_schema(12, SchemaVersion::V2.text()).expect("our own schema");
    decoder.add_schema(3, FLOAT_WRITER).expect("a usable schema");
    assert!(decoder.knows(12) && decoder.knows(3) && !decoder.knows(4));
    for _twice in 0..2 {
        let raw = decoder.decode(&framed).expect("a known id");
        assert_eq!((raw.schema, raw.schema_id), (WriterSchema::Registered, Some(12)));
        let bytes = [&[0, 0, 0, 0, 3][..], &float_record("1002")].concat();
        assert_eq!(decoder.decode(&bytes).map(|raw| raw.order_id.as_str()), Ok("1002"));
    }
    assert_eq!((decoder.paths().exact, decoder.paths().plan), (2, 2));
    assert_eq!(refusal(&mut decoder, &[0, 0, 0]), DecodeReason::ShortFrame);
    let bare = encoded(SchemaVersion::V1, Encoding::Bare, "1003");
    assert_eq!(decoder.decode(&bare).map(|raw| raw.order_id.as_str()), Ok("1003"));
    let single = encoded(SchemaVersion::V1, Encoding::SingleObject, "1004");
    assert_eq!(decoder.decode(&single).map(|raw| raw.order_id.as_str()), Ok("1004"));
}

#[test]
fn a_registered_schema_that_is_no_order_is_remembered_as_unusable() {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    decoder.add_schema(5, r#"{"type": "record", "name": "Payment", "fields": []}"#).expect_err("not an order");
    assert!(decoder.knows(5));
    assert_eq!(refusal(&mut decoder, &[0, 0, 0, 0, 5, 1, 2, 3]), DecodeReason::UnusableSchema);
}

#[test]
fn schemas_that_are_no_order_are_refused_by_name() {
    let refused = |schema: &str| Decoder::without_registry(Some(schema)).expect_err("not an order");
    let with_fields = |fields: &str| refused(&format!(r#"{{"type": "record", "name": "O", "fields": [{fields}]}}"#));
    assert!(matches!(refused("{"), SchemaError::Parse { .. }));
    assert!(matches!(refused(&" ".repeat(1 << 21)), SchemaError::TooLarge { bytes: 2_097_152 }));
    assert!(matches!(refused("\"string\""), SchemaError::NotARecord));
    let missing = with_fields(r#"{"name": "orderId", "type": "string"}, {"name": "price", "type": "double"}"#);
    assert!(missing.to_string().contains(r#"has no field "product""#), "{missing}");
    let unusable = with_fields(
        r#"{"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
           {"name": "cost", "aliases": ["price"], "type": "boolean"}"#,
    );
    assert!(unusable.to_string().starts_with(r#"field "cost" of the schema cannot be read as "price""#), "{unusable}");
    let ambiguous = with_fields(
        r#"{"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
           {"name": "a", "aliases": ["price"], "type": "double"}, {"name": "b", "aliases": ["price"], "type": "double"}"#,
    );
    assert!(matches!(ambiguous, SchemaError::AmbiguousField { .. }), "{ambiguous}");
}

#[test]
fn a_size_beyond_63_bits_is_no_reason_to_panic() {
    for size in ["9223372036854775808", "18446744073709551615", "18446744073709551616", "-1"] {
        let fixed = format!(r#"{{"type": "fixed", "name": "F", "size": {size}}}"#);
        let map = format!(r#"{{"type": "map", "values": {fixed}}}"#);
        for (huge, record) in [(fixed, float_record("1001")), (map, [&[2], float_record("1001").as_slice()].concat())] {
            let field = format!(r#"{{"name": "x", "type": {huge}}}, {{"name": "orderId""#);
            let schema = FLOAT_WRITER.replace(r#"{"name": "orderId""#, &field);
            if let Ok(mut decoder) = Decoder::without_registry(Some(&schema)) {
                let reason = refusal(&mut decoder, &record);
                assert!([DecodeReason::Truncated, DecodeReason::BadLength].contains(&reason), "{size}: {reason:?}");
            }
        }
    }
}

/// An order whose price is defined by another schema, which again refers to a third.
const BY_REFERENCE: &str = r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
    {"name": "price", "type": "double"}, {"name": "buyer", "type": "people.Person"}]}"#;
const PERSON: &str = r#"{"type": "record", "name": "Person", "namespace": "people", "fields": [
    {"name": "name", "type": "string"}, {"name": "home", "type": "places.Address"},
    {"name": "work", "type": "places.Address"}]}"#;
const ADDRESS: &str = r#"{"type": "record", "name": "Address", "namespace": "places", "fields": [
    {"name": "street", "type": "string"}]}"#;

#[test]
fn a_schema_that_refers_to_others_is_read_with_them_in_any_order() {
    let text = |text: &str| [&[text.len() as u8 * 2], text.as_bytes()].concat();
    let record =
        [text("1001"), text("P7"), 55.5_f64.to_le_bytes().to_vec(), text("Ada"), text("Home St"), text("Mill")]
            .concat();
    let framed = [&[0, 0, 0, 0, 9][..], &record].concat();
    for references in [[PERSON, ADDRESS], [ADDRESS, PERSON]] {
        let mut decoder = Decoder::with_registry(None).expect("our own schemas");
        assert_eq!(decoder.missing_schema(&framed), Some(9));
        decoder.add_schema_with_references(9, BY_REFERENCE, &references).expect("the references are whole");
        assert_eq!(decoder.missing_schema(&framed), None);
        let raw = decoder.decode(&framed).expect("a framed record");
        assert_eq!((raw.order_id.as_str(), raw.price), ("1001", RawPrice::Double(55.5)));
        assert_eq!(decoder.paths().plan, 1);
    }
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    let error = decoder.add_schema_with_references(9, BY_REFERENCE, &[PERSON]).expect_err("one is missing");
    assert!(matches!(error, SchemaError::Parse { .. }), "{error}");
    assert_eq!(refusal(&mut decoder, &framed), DecodeReason::UnusableSchema);
}

#[test]
fn only_frames_of_ids_that_nobody_told_ask_for_a_schema() {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    let framed = |id| encoded(SchemaVersion::V2, Encoding::Confluent(id), "1001");
    decoder.add_schema(1, SchemaVersion::V2.text()).expect("our own schema");
    decoder.add_unusable(2);
    assert_eq!([1, 2, 3].map(|id| decoder.missing_schema(&framed(id))), [None, None, Some(3)]);
    assert_eq!(decoder.missing_schema(&framed(3)[..4]), None, "a short frame is no question");
    assert_eq!(decoder.missing_schema(&encoded(SchemaVersion::V2, Encoding::Bare, "1001")), None);
    assert_eq!(refusal(&mut decoder, &framed(2)), DecodeReason::UnusableSchema);
    assert_eq!(without_registry(None).missing_schema(&framed(3)), None, "there is nobody to ask");
}

#[test]
fn a_schema_that_contains_itself_is_read_and_one_that_is_nothing_else_is_refused() {
    let chain = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
        {"name": "price", "type": "double"}, {"name": "replaces", "type": ["null", "Order"]}]}"#;
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    decoder.add_schema(4, chain).expect("an order that may name the one it replaces");
    let one = |id: &str| [&[id.len() as u8 * 2], id.as_bytes(), &[2, b'P'], &55.5_f64.to_le_bytes()].concat();
    let framed = [&[0, 0, 0, 0, 4][..], &one("1002"), &[2], &one("1001"), &[0]].concat();
    assert_eq!(decoder.decode(&framed).expect("an order").order_id.as_str(), "1002");

    let endless = r#"{"type": "record", "name": "Order", "fields": [{"name": "itself", "type": "Order"}]}"#;
    decoder.add_schema(5, endless).expect_err("it has no order id");
    let cycle = [BY_REFERENCE, &PERSON.replace("places.Address", "shop.Order")];
    decoder.add_schema_with_references(6, cycle[0], &cycle[1..]).expect_err("a circle of references");
}

#[test]
fn a_schema_beyond_its_size_or_depth_is_refused_before_it_is_parsed() {
    let mut decoder = Decoder::with_registry(None).expect("our own schemas");
    let large = " ".repeat(1 << 20);
    let error = decoder.add_schema_with_references(1, ADDRESS, &[&large]).expect_err("too large together");
    assert!(matches!(error, SchemaError::TooLarge { .. }), "{error}");
    let deep = "[".repeat(100_000);
    assert!(matches!(decoder.add_schema(1, &deep), Err(SchemaError::TooDeep { depth: 100_000 })));
    let nested = "[".repeat(200) + &"]".repeat(200);
    assert!(matches!(decoder.add_schema(1, &nested), Err(SchemaError::Parse { .. })));
}

#[test]
fn a_layout_of_ours_is_recognised_behind_other_names() {
    let renamed = SchemaVersion::V2.text().replace("orderpipeline", "com.example");
    assert!(matches!(SchemaVersion::with_layout_of(&renamed, &[]), Ok(Some(SchemaVersion::V2))));
    assert!(matches!(SchemaVersion::with_layout_of(SchemaVersion::V1.text(), &[]), Ok(Some(SchemaVersion::V1))));
    assert!(matches!(SchemaVersion::with_layout_of(FLOAT_WRITER, &[]), Ok(None)));
    assert!(SchemaVersion::with_layout_of("\"string\"", &[]).is_err());
}
