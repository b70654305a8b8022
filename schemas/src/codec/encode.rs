//! Order to bytes, written by hand for our own two schemas: into a buffer the caller reuses, without an allocation.
//!
//! Deliberately for our own schemas alone: nobody here writes another's.

use super::{SchemaVersion, frame};
use crate::order::Order;

/// What is written before the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing.
    Bare,
    /// C3 01 and the schema's fingerprint.
    SingleObject,
    /// 0x00 and the schema's id in the registry.
    Confluent(u32),
}

impl Encoding {
    /// The schema id of its frame.
    #[must_use]
    pub fn schema_id(self) -> Option<u32> {
        match self {
            Encoding::Confluent(id) => Some(id),
            Encoding::Bare | Encoding::SingleObject => None,
        }
    }
}

/// Writes orders in one version and one encoding.
#[derive(Clone, Debug)]
pub struct Encoder {
    version: SchemaVersion,
    prefix: Vec<u8>,
}

impl Encoder {
    /// An encoder for a version of the schema and an encoding.
    #[must_use]
    pub fn new(version: SchemaVersion, encoding: Encoding) -> Encoder {
        let prefix = match encoding {
            Encoding::Bare => Vec::new(),
            Encoding::SingleObject => {
                [&frame::SINGLE_OBJECT_MARK[..], &version.fingerprint().to_le_bytes()[..]].concat()
            }
            Encoding::Confluent(id) => [&[frame::CONFLUENT_MAGIC][..], &id.to_be_bytes()[..]].concat(),
        };
        Encoder { version, prefix }
    }

    /// Appends the order to `out`. Version 1 has no place for quantity, currency and time: they are lost.
    pub fn encode(&self, order: &Order<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        bytes(order.order_id.as_bytes(), out);
        bytes(order.product.as_bytes(), out);
        out.extend_from_slice(&order.price.to_f64(order.currency).to_le_bytes());
        match self.version {
            SchemaVersion::V1 => {}
            SchemaVersion::V2 => {
                long(i64::from(order.quantity), out);
                bytes(order.currency.as_bytes(), out);
                long(order.created_at_milliseconds, out);
                long(PRICE_MINOR_BRANCH, out);
                long(order.price.minor(), out);
            }
        }
    }
}

/// Branch of `["null", "long"]` that holds the number.
const PRICE_MINOR_BRANCH: i64 = 1;

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    long(i64::try_from(bytes.len()).expect("a slice is never longer than an i64"), out);
    out.extend_from_slice(bytes);
}

/// Zig-zag, then seven bits a byte, lowest first (Avro 1.12, "binary encoding").
#[inline]
fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = [0; 10];
    let mut length = 0;
    while rest >= 0x80 {
        bytes[length] = rest as u8 | 0x80;
        rest >>= 7;
        length += 1;
    }
    bytes[length] = rest as u8;
    out.extend_from_slice(&bytes[..=length]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Decoder, WriterSchema};
    use crate::order::{Currency, Money, Text};
    use proptest::prelude::*;

    /// Orders that keep every rule.
    fn valid_orders() -> impl Strategy<Value = (String, String, i64, i32, String, i64)> {
        let currencies = proptest::sample::select(&["USD", "EUR", "JPY", "KWD"][..]).prop_map(String::from);
        (".{1,40}", ".{1,40}", 0..=9_000_000_000_000_i64, 1..=i32::MAX, currencies, any::<i64>())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            (id, product, minor, quantity, currency, created_at_milliseconds) in valid_orders(),
            version in proptest::sample::select(&SchemaVersion::ALL[..]),
            encoding in proptest::sample::select(&[Encoding::Bare, Encoding::SingleObject, Encoding::Confluent(7)][..]),
        ) {
            let (currency, quantity, created_at_milliseconds) = match version {
                SchemaVersion::V1 => (Currency::USD, 1, 0),
                SchemaVersion::V2 => {
                    (Currency::parse(currency.as_bytes()).expect("a code"), quantity, created_at_milliseconds)
                }
            };
            let (order_id, product) = (Text::from(id.as_str()), Text::from(product.as_str()));
            let price = Money::from_minor(minor);
            let order = Order { order_id, product, price, quantity, currency, created_at_milliseconds };
            let mut bytes = Vec::new();
            Encoder::new(version, encoding).encode(&order, &mut bytes);
            let mut decoder = Decoder::without_registry(None).expect("our own schemas");
            let raw = decoder.decode(&bytes).expect("our own bytes");
            let expected = match version {
                SchemaVersion::V1 => WriterSchema::V1,
                SchemaVersion::V2 => WriterSchema::V2,
            };
            prop_assert_eq!((raw.schema, raw.schema_id), (expected, encoding.schema_id()));
            prop_assert_eq!(raw.check(), Ok(order));
        }
    }

    #[test]
    fn orders_are_appended() {
        let order = Order {
            order_id: Text::from("1"),
            product: Text::from("P"),
            price: Money::from_minor(5500),
            quantity: 1,
            currency: Currency::USD,
            created_at_milliseconds: 0,
        };
        let mut out = vec![9];
        Encoder::new(SchemaVersion::V1, Encoding::Confluent(258)).encode(&order, &mut out);
        assert_eq!(out, [&[9, 0, 0, 0, 1, 2, 2, b'1', 2, b'P'][..], &55.0_f64.to_le_bytes()].concat());
    }
}
