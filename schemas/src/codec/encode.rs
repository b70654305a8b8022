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
fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
