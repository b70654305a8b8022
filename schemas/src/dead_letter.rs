//! What a dead letter says about its record, in headers: written by the consumer, read by the dead-letter consumer.
//!
//! The names follow Kafka's own newest family (KIP-1191, `__dlq.errors.*`); every value is UTF-8 text, numbers in
//! decimal. Deliberately nothing of the record itself: key, value and original headers are passed on unchanged.

use std::collections::BTreeMap;
use std::str::FromStr;

use snafu::{OptionExt, Snafu};

use crate::failure::{Disposition, FailureClass};
use crate::order::{Currency, Order};

/// What all our header names begin with.
pub const PREFIX: &str = "__dlq.errors.";

/// The longest message that is written, in bytes of UTF-8; longer ones are cut at a character.
pub const LONGEST_MESSAGE: usize = 1024;

/// The longest order id, product and error type that is written, in bytes of UTF-8; a record may hold far longer ones.
pub const LONGEST_NAME: usize = 256;

/// Header values longer than this are not read: nothing we write is.
const LONGEST_VALUE: usize = 32 * 1024;

/// Everything our headers say. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Topic of the record.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The consumer group that gave it up.
    pub group: String,
    /// The pipeline of that group.
    pub pipeline: String,
    /// Handler runs and decodings that failed, those before a restart included.
    pub delivery_count: u32,
    /// What a person reads; at most [`LONGEST_MESSAGE`] bytes are written.
    pub message: String,
    /// What kind of failure was the last.
    pub class: FailureClass,
    /// Why it was given up.
    pub disposition: Disposition,
    /// What kind of error was the last; may be empty.
    pub exception_class_name: String,
    /// The record's own timestamp; `None` if it has none.
    pub timestamp: Option<i64>,
    /// When it failed first.
    pub first_failure_timestamp: i64,
    /// When it failed last.
    pub last_failure_timestamp: i64,
    /// The registry's id of its schema, where it is framed.
    pub schema_id: Option<u32>,
    /// The order's id; `None` when the record could not be read.
    pub order_id: Option<String>,
    /// What was ordered.
    pub product: Option<String>,
    /// Price times quantity in minor units of the currency, and the currency; `None` when the record could not be read.
    pub order_value: Option<(i128, Currency)>,
    /// The value was left out because the topic takes no record as large; it stays at its origin.
    pub payload_omitted: bool,
}

/// What tells a dead letter from all others, so that copies of it can be dropped. The timestamp is in it because a topic
/// that was made anew counts its offsets from the start again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The consumer group that gave it up.
    pub group: String,
    /// Topic of the record.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: Option<i64>,
}

/// Why headers are not those of a dead letter of ours.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum HeaderError {
    /// A header that every dead letter has is not there.
    #[snafu(display("header {name} is missing; the record is no dead letter of this pipeline"))]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A header's value is not what its name promises.
    #[snafu(display("header {name} cannot be read; the record is no dead letter of this pipeline"))]
    Malformed {
        /// Which.
        name: &'static str,
    },
}

mod name {
    pub(super) const TOPIC: &str = "__dlq.errors.topic";
    pub(super) const PARTITION: &str = "__dlq.errors.partition";
    pub(super) const OFFSET: &str = "__dlq.errors.offset";
    pub(super) const GROUP: &str = "__dlq.errors.group";
    pub(super) const PIPELINE: &str = "__dlq.errors.pipeline";
    pub(super) const DELIVERY_COUNT: &str = "__dlq.errors.delivery.count";
    pub(super) const MESSAGE: &str = "__dlq.errors.message";
    pub(super) const CLASS: &str = "__dlq.errors.class";
    pub(super) const DISPOSITION: &str = "__dlq.errors.disposition";
    pub(super) const EXCEPTION: &str = "__dlq.errors.exception.class.name";
    pub(super) const TIMESTAMP: &str = "__dlq.errors.timestamp";
    pub(super) const FIRST_FAILURE: &str = "__dlq.errors.first.failure.timestamp";
    pub(super) const LAST_FAILURE: &str = "__dlq.errors.last.failure.timestamp";
    pub(super) const SCHEMA_ID: &str = "__dlq.errors.schema.id";
    pub(super) const ORDER_ID: &str = "__dlq.errors.order.id";
    pub(super) const PRODUCT: &str = "__dlq.errors.product";
    pub(super) const VALUE: &str = "__dlq.errors.order.value.minor";
    pub(super) const CURRENCY: &str = "__dlq.errors.order.currency";
    pub(super) const PAYLOAD_OMITTED: &str = "__dlq.errors.payload.omitted";
}

impl DeadLetter {
    /// Takes over what an order says of itself: id, product, value.
    pub fn describe(&mut self, order: &Order<'_>) {
        let value = i128::from(order.price.minor()) * i128::from(order.quantity);
        self.order_id = Some(order.order_id.as_str().to_owned());
        self.product = Some(order.product.as_str().to_owned());
        self.order_value = Some((value, order.currency));
    }

    /// The headers to add to the record, in a fixed order. What is unknown is left out, what is long is cut.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let number = |number: i64| Some(number.to_string());
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let name = |text: &str| cut(text, LONGEST_NAME).to_owned();
        let all = [
            (name::TOPIC, Some(self.topic.clone())),
            (name::PARTITION, number(self.partition.into())),
            (name::OFFSET, number(self.offset)),
            (name::GROUP, Some(self.group.clone())),
            (name::PIPELINE, text(&self.pipeline)),
            (name::DELIVERY_COUNT, number(self.delivery_count.into())),
            (name::MESSAGE, Some(cut(&self.message, LONGEST_MESSAGE).to_owned())),
            (name::CLASS, Some(self.class.as_str().to_owned())),
            (name::DISPOSITION, Some(self.disposition.as_str().to_owned())),
            (name::EXCEPTION, text(cut(&self.exception_class_name, LONGEST_NAME))),
            (name::TIMESTAMP, self.timestamp.and_then(number)),
            (name::FIRST_FAILURE, number(self.first_failure_timestamp)),
            (name::LAST_FAILURE, number(self.last_failure_timestamp)),
            (name::SCHEMA_ID, self.schema_id.map(|id| id.to_string())),
            (name::ORDER_ID, self.order_id.as_deref().map(name)),
            (name::PRODUCT, self.product.as_deref().map(name)),
            (name::VALUE, self.order_value.map(|(minor, _)| minor.to_string())),
            (name::CURRENCY, self.order_value.map(|(_, currency)| currency.as_str().to_owned())),
            (name::PAYLOAD_OMITTED, self.payload_omitted.then(|| "true".to_owned())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Reads our headers from all of a record's. Of a header that is there twice the last counts: a record that was
    /// dead-lettered, sent again and dead-lettered again carries both, the newer behind the older.
    ///
    /// # Errors
    /// When topic, partition, offset, group or class are missing, or a number is none. What else cannot be read is taken
    /// as unknown.
    pub fn from_headers<'h>(
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) -> Result<DeadLetter, HeaderError> {
        let ours = Found::collect(headers);
        let class: FailureClass = ours.parsed(name::CLASS)?;
        let disposition = ours.optional(name::DISPOSITION).or(class.disposition()).unwrap_or(Disposition::Permanent);
        let currency = ours.text(name::CURRENCY).and_then(|code| Currency::parse(code.as_bytes()));
        let text = |name| ours.text(name).map(str::to_owned);
        Ok(DeadLetter {
            topic: ours.required(name::TOPIC)?.to_owned(),
            partition: ours.parsed(name::PARTITION)?,
            offset: ours.parsed(name::OFFSET)?,
            group: ours.required(name::GROUP)?.to_owned(),
            pipeline: text(name::PIPELINE).unwrap_or_default(),
            delivery_count: ours.optional(name::DELIVERY_COUNT).unwrap_or(0),
            message: text(name::MESSAGE).unwrap_or_default(),
            class,
            disposition,
            exception_class_name: text(name::EXCEPTION).unwrap_or_default(),
            timestamp: ours.optional(name::TIMESTAMP),
            first_failure_timestamp: ours.optional(name::FIRST_FAILURE).unwrap_or(0),
            last_failure_timestamp: ours.optional(name::LAST_FAILURE).unwrap_or(0),
            schema_id: ours.optional(name::SCHEMA_ID),
            order_id: text(name::ORDER_ID),
            product: text(name::PRODUCT),
            order_value: ours.optional(name::VALUE).zip(currency),
            payload_omitted: ours.text(name::PAYLOAD_OMITTED) == Some("true"),
        })
    }

    /// What tells it from all others.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            group: self.group.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
        }
    }
}

/// The headers of a record that are ours and readable.
struct Found<'h>(BTreeMap<&'h str, &'h str>);

impl<'h> Found<'h> {
    fn collect(headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>) -> Self {
        let readable = headers.filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok().filter(|name| name.starts_with(PREFIX))?;
            let value = value.filter(|value| value.len() <= LONGEST_VALUE)?;
            Some((name, std::str::from_utf8(value).ok()?))
        });
        Self(readable.collect())
    }

    fn text(&self, name: &str) -> Option<&'h str> {
        self.0.get(name).copied()
    }

    fn required(&self, name: &'static str) -> Result<&'h str, HeaderError> {
        self.text(name).context(MissingSnafu { name })
    }

    fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, HeaderError> {
        self.required(name)?.parse().ok().context(MalformedSnafu { name })
    }

    fn optional<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }
}

/// The longest beginning of a text that ends at a character and has at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letters() -> impl Strategy<Value = DeadLetter> {
        let origin = ("[a-z.]{1,20}", 0..i32::MAX, 0..i64::MAX, "[a-z.-]{1,20}", ".{0,20}");
        let failure = (
            any::<u32>(),
            "\\PC{0,400}",
            prop::sample::select(FailureClass::ALL.to_vec()),
            prop::sample::select(Disposition::ALL.to_vec()),
            "[A-Za-z]{0,20}",
        );
        let times =
            (proptest::option::of(any::<i64>()), any::<i64>(), any::<i64>(), proptest::option::of(any::<u32>()));
        let order = (
            proptest::option::of(".{0,30}"),
            proptest::option::of(".{0,30}"),
            proptest::option::of((any::<i128>(), prop::sample::select(vec![*b"USD", *b"JPY", *b"BHD"]))),
            any::<bool>(),
        );
        (origin, failure, times, order).prop_map(|(origin, failure, times, order)| DeadLetter {
            topic: origin.0,
            partition: origin.1,
            offset: origin.2,
            group: origin.3,
            pipeline: origin.4,
            delivery_count: failure.0,
            message: failure.1,
            class: failure.2,
            disposition: failure.3,
            exception_class_name: failure.4,
            timestamp: times.0,
            first_failure_timestamp: times.1,
            last_failure_timestamp: times.2,
            schema_id: times.3,
            order_id: order.0,
            product: order.1,
            order_value: order.2.map(|(minor, code)| (minor, Currency::parse(&code).expect("a known code"))),
            payload_omitted: order.3,
        })
    }

    fn read(headers: &[(&'static str, String)]) -> Result<DeadLetter, HeaderError> {
        DeadLetter::from_headers(headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(letter in letters()) {
            let mut expected = letter.clone();
            expected.message = cut(&letter.message, LONGEST_MESSAGE).to_owned();
            prop_assert_eq!(read(&letter.headers()), Ok(expected));
        }

        #[test]
        fn no_headers_of_others_bring_it_down(
            headers in prop::collection::vec(("(__dlq.errors.)?[a-z.]{0,20}", proptest::option::of(any::<Vec<u8>>())), 0..20),
        ) {
            let lent = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
            let _any = DeadLetter::from_headers(lent);
        }

        #[test]
        fn a_value_of_any_bytes_is_an_error_or_unknown(letter in letters(), at in 0_usize..19, bytes in any::<Vec<u8>>()) {
            let headers = letter.headers();
            let hostile = headers.iter().enumerate().map(|(index, (name, value))| {
                (name.as_bytes(), Some(if index == at { bytes.as_slice() } else { value.as_bytes() }))
            });
            let _any = DeadLetter::from_headers(hostile);
        }
    }

    #[test]
    fn a_foreign_record_is_told_by_what_it_lacks() {
        assert_eq!(read(&[]), Err(HeaderError::Missing { name: name::CLASS }));
        let headers = vec![(name::CLASS, "transient".to_owned()), (name::TOPIC, "orders".to_owned())];
        assert_eq!(read(&headers), Err(HeaderError::Missing { name: name::PARTITION }));
        let headers = vec![
            (name::CLASS, "transient".to_owned()),
            (name::TOPIC, "orders".to_owned()),
            (name::PARTITION, "x".to_owned()),
        ];
        assert_eq!(read(&headers), Err(HeaderError::Malformed { name: name::PARTITION }));
    }

    #[test]
    fn of_two_headers_of_one_name_the_last_counts() {
        let former = (name::GROUP, "former".to_owned());
        let ours = [(name::TOPIC, "orders"), (name::PARTITION, "3"), (name::OFFSET, "7"), (name::CLASS, "transient")];
        let ours = ours.map(|(name, value)| (name, value.to_owned()));
        let headers = [vec![former], ours.to_vec(), vec![(name::GROUP, "shop".to_owned())]].concat();
        let letter = read(&headers).expect("all that is needed is there");
        assert_eq!((letter.group.as_str(), letter.disposition), ("shop", Disposition::RetriesExhausted));
    }

    #[test]
    fn a_text_as_long_as_a_record_makes_no_header_as_long() {
        let ours = [(name::TOPIC, "orders"), (name::PARTITION, "3"), (name::OFFSET, "7"), (name::GROUP, "shop")];
        let mut headers = ours.map(|(name, value)| (name, value.to_owned())).to_vec();
        headers.push((name::CLASS, "transient".to_owned()));
        let mut letter = read(&headers).expect("all that is needed is there");
        let long = "ñ".repeat(500_000);
        letter.order_id = Some(long.clone());
        letter.product = Some(long.clone());
        letter.message = long.clone();
        letter.exception_class_name = long;
        for (name, value) in letter.headers() {
            assert!(value.len() <= LONGEST_MESSAGE, "{name}: {} bytes", value.len());
        }
        let copy = read(&letter.headers()).expect("cut texts are texts");
        assert_eq!(copy.identity(), letter.identity());
        assert_eq!(copy.order_id.map(|id| id.len()), Some(LONGEST_NAME));
    }

    #[test]
    fn messages_are_cut_at_a_character() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 9), "añb");
    }
}
