//! Bytes to order and back: Avro records bare, as single objects or in Confluent frames.
//!
//! A writer's schema is parsed once by `apache-avro` and compiled to a short plan that fills a [`RawOrder`] borrowed
//! from the record, without an allocation. Deliberately no registry client here: schemas are handed in by whoever has them.

mod bounds;
pub mod compatibility;
mod compile;
mod cursor;
mod decoder;
mod encode;
mod error;
mod fallback;
mod fingerprint;
mod frame;
mod layout;
mod plan;
mod raw;
mod schema;
mod shape;

pub use decoder::{DecodePaths, Decoder};
pub use encode::{Encoder, Encoding};
pub use error::{DecodeError, DecodeReason};
pub use raw::{InvalidOrder, RawOrder, RawPrice, WriterSchema};
pub use schema::{MAXIMUM_SCHEMA_BYTES, ORDER_V1, ORDER_V2, Role, SchemaError, SchemaVersion};
