//! Bytes that nobody should send: every cut, every length, random bytes. Never a panic, never more memory than the input.

use proptest::prelude::*;
use schemas::codec::{DecodeReason, Decoder, Encoder, Encoding, SchemaVersion, compatibility};
use schemas::order::{Currency, Money, Order, Text};

use super::writers::{Written, written};

/// A schema that only the fall-back reads: it contains itself, has nulls in arrays and maps, and a big decimal.
const RECURSIVE: &str = r#"{"type": "record", "name": "Node", "fields": [
    {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"},
    {"name": "price", "type": ["double", {"type": "bytes", "logicalType": "big-decimal"}]},
    {"name": "children", "type": {"type": "array", "items": "Node"}},
    {"name": "nulls", "type": {"type": "array", "items": "null"}},
    {"name": "map", "type": {"type": "map", "values": "bytes"}}]}"#;
/// Bytes of fall-back memory for each byte of a record; a null of one bit less than a byte is a value of 56 bytes.
const FALLBACK_GROWTH: u64 = 400;
/// What the fall-back takes for any record: the schema's names, some thousand values.
const FALLBACK_BASE: u64 = 1 << 20;

/// How records begin that are more than bare ones.
const MARKS: &[&[u8]] = &[&[], &[0], &[0, 0, 0, 0, 1], &[0xc3, 1], &[0, 0, 0, 0, 9]];

/// Bytes that were allocated while an order was decoded.
fn allocated(decoder: &mut Decoder, bytes: &[u8]) -> u64 {
    allocation_counter::measure(|| {
        let order = decoder.decode(bytes);
        std::hint::black_box(order.map(|raw| raw.check()).is_ok());
    })
    .bytes_total
}

fn frame(id: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), bytes].concat()
}

fn order() -> Order<'static> {
    Order {
        order_id: Text::from("order-000029"),
        product: Text::from("P7 ü"),
        price: Money::from_minor(123_456),
        quantity: 300,
        currency: Currency::USD,
        created_at_milliseconds: 1_790_000_000_000,
    }
}

#[test]
fn a_record_cut_anywhere_is_refused() {
    for version in SchemaVersion::ALL {
        for encoding in [Encoding::Bare, Encoding::SingleObject, Encoding::Confluent(1)] {
            let mut bytes = Vec::new();
            Encoder::new(version, encoding).encode(&order(), &mut bytes);
            let mut decoder = Decoder::with_registry(Some(version.text())).expect("our own schema");
            decoder.add_schema(1, version.text()).expect("our own schema");
            assert!(decoder.decode(&bytes).is_ok());
            for end in 0..bytes.len() {
                let refused = decoder.decode(&bytes[..end]).expect_err("a cut record");
                assert_ne!(refused.kind(), DecodeReason::TrailingBytes, "{version:?} {encoding:?} cut at {end}");
            }
        }
    }
}

/// A node of the recursive schema with a list of children.
fn node(price: &[u8], children: &[u8]) -> Vec<u8> {
    [&[2][..], b"a", &[2], b"b", price, children, &[0, 0]].concat()
}

#[test]
fn hostile_lengths_cost_nothing_in_the_fall_back() {
    let mut decoder = Decoder::without_registry(Some(RECURSIVE)).expect("a schema of an order");
    let double = [0, 0, 0, 0, 0, 0, 0, 0x45, 0x40];
    assert!(decoder.decode(&node(&double, &[0])).is_ok());
    assert!(decoder.decode(&node(&[2, 6, 2, 5, 2], &[0])).is_ok(), "a big decimal of 0.5");
    assert_eq!(decoder.paths().fallback, 2);
    // 500 million, as a length or a count.
    let huge = [0x80, 0xca, 0xb5, 0xee, 0x03];
    let claims = [
        huge.to_vec(),
        [&[2, 0x41][..], &huge].concat(),
        node(&[&[2, 12][..], &huge, &[2]].concat(), &[0]),
        node(&double, &huge),
        node(&double, &[&[0][..], &huge].concat()),
        node(&double, &[&[0, 0][..], &huge].concat()),
    ];
    for bytes in claims {
        let taken = allocated(&mut decoder, &bytes);
        assert!(decoder.decode(&bytes).is_err(), "{bytes:?}");
        assert!(taken < FALLBACK_BASE, "{taken} bytes for {bytes:?}");
    }
}

#[test]
fn records_that_nest_without_end_are_refused() {
    let mut decoder = Decoder::without_registry(Some(RECURSIVE)).expect("a schema of an order");
    let double = [0, 0, 0, 0, 0, 0, 0, 0x45, 0x40];
    let bytes: Vec<u8> = (0..100_000).flat_map(|_| [&[2][..], b"a", &[2], b"b", &double, &[2]].concat()).collect();
    let taken = allocated(&mut decoder, &bytes);
    assert_eq!(decoder.decode(&bytes).map_err(|error| error.kind()).err(), Some(DecodeReason::TooDeep));
    assert!(taken < FALLBACK_BASE, "{taken}");
}

#[test]
fn a_schema_that_doubles_with_every_line_is_left_to_the_fall_back() {
    let doubling: String = (1..40)
        .map(|level| {
            let inner = format!(r#"{{"name": "a", "type": "L{0}"}}, {{"name": "b", "type": "L{0}"}}"#, level - 1);
            format!(r#", {{"name": "l{level}", "type": ["null", {{"type": "record", "name": "L{level}", "fields": [{inner}]}}]}}"#)
        })
        .collect();
    let fields = r#"{"name": "orderId", "type": "string"}, {"name": "product", "type": "string"}, {"name": "price", "type": "int"}"#;
    let bottom = r#", {"name": "l0", "type": ["null", {"type": "record", "name": "L0", "fields": [{"name": "n", "type": "null"}]}]}"#;
    let schema = format!(r#"{{"type": "record", "name": "O", "fields": [{fields}{bottom}{doubling}]}}"#);
    let mut decoder = Decoder::without_registry(Some(&schema)).expect("a schema of an order");
    let mut bytes = [&[2][..], b"a", &[2], b"b", &[2]].concat();
    bytes.resize(bytes.len() + 40, 0);
    assert!(decoder.decode(&bytes).is_ok());
    assert_eq!(decoder.paths().fallback, 1);
    *bytes.last_mut().expect("forty branches") = 2;
    assert!(decoder.decode(&bytes).is_err(), "2^39 nulls in one byte");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn random_bytes_never_panic_and_never_allocate(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        mark in prop::sample::select(MARKS),
    ) {
        let bytes = [mark, &bytes].concat();
        let mut decoder = Decoder::without_registry(None).expect("our own schemas");
        prop_assert_eq!(allocated(&mut decoder, &bytes), 0);
        let mut decoder = Decoder::with_registry(None).expect("our own schemas");
        decoder.add_schema(1, SchemaVersion::V2.text()).expect("our own schema");
        prop_assert_eq!(allocated(&mut decoder, &bytes), 0);
    }

    #[test]
    fn random_bytes_stay_within_bounds_in_the_fall_back(bytes in proptest::collection::vec(0..12_u8, 0..300)) {
        let mut decoder = Decoder::without_registry(Some(RECURSIVE)).expect("a schema of an order");
        let taken = allocated(&mut decoder, &bytes);
        prop_assert!(taken <= FALLBACK_BASE + FALLBACK_GROWTH * bytes.len() as u64, "{} bytes", taken);
    }

    #[test]
    fn random_schemas_never_panic(text in ".{0,200}") {
        let schemas = [compatibility::NamedSchema { name: "theirs", text: &text }];
        prop_assert!(compatibility::pairs(&schemas).is_ok() || Decoder::without_registry(Some(&text)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn plans_refuse_every_cut_and_never_allocate(
        Written { text, bytes, .. } in written(), random in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut decoder = Decoder::with_registry(None).expect("our own schemas");
        decoder.add_schema(1, &text).expect("a schema of an order");
        prop_assert_eq!(allocated(&mut decoder, &frame(1, &bytes)), 0);
        prop_assert_eq!(allocated(&mut decoder, &frame(1, &random)), 0);
        for end in 0..bytes.len() {
            let cut = frame(1, &bytes[..end]);
            prop_assert_eq!(allocated(&mut decoder, &cut), 0);
            // Nothing but nulls may follow the cut, which take no byte; then it is no cut.
            prop_assert!(decoder.decode(&cut).is_err(), "cut at {} of {:?}: {}", end, bytes, text);
        }
    }

    #[test]
    fn damaged_schemas_never_panic(
        Written { text, .. } in written(), at in any::<prop::sample::Index>(), with in ".{0,3}", length in 0..6_usize,
    ) {
        let characters: Vec<char> = text.chars().collect();
        let at = at.index(characters.len());
        let rest = characters.iter().skip(at + length);
        let damaged: String = characters.iter().take(at).copied().chain(with.chars()).chain(rest.copied()).collect();
        let _outcome = Decoder::without_registry(Some(&damaged)).is_ok();
    }
}
