//! Bytes to a raw order: recognises the encoding, finds the writer's schema, runs its plan.
//!
//! Deliberately no check of what the order says: that is [`RawOrder::check`].

use super::{DecodeError, DecodeReason, RawOrder, SchemaError};

/// How many records each way of decoding took; failed ones are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodePaths {
    /// Our own layouts, by hand.
    pub exact: u64,
    /// A compiled plan.
    pub plan: u64,
    /// The general reader of `apache-avro`.
    pub fallback: u64,
}

/// Decodes orders. One for each thread: it counts, and the fall-back keeps a buffer in it.
#[derive(Debug)]
pub struct Decoder {
    paths: DecodePaths,
}

impl Decoder {
    /// A decoder that is told its writer's schema instead of asking a registry: C3 01 and a known fingerprint; else bare
    /// with `writer_schema` (or version 2, then 1); if that does not fit exactly or its order id is empty, and the record
    /// begins with 0x00, the same behind the frame.
    ///
    /// # Errors
    /// When the writer's schema is not one of an order.
    pub fn without_registry(_writer_schema: Option<&str>) -> Result<Decoder, SchemaError> {
        Ok(Decoder { paths: DecodePaths::default() })
    }

    /// A decoder in which 0x00 always begins a Confluent frame; all else is as [without](Decoder::without_registry).
    /// Schemas come in by [`add_schema`](Decoder::add_schema).
    ///
    /// # Errors
    /// When the writer's schema is not one of an order.
    pub fn with_registry(_writer_schema: Option<&str>) -> Result<Decoder, SchemaError> {
        Ok(Decoder { paths: DecodePaths::default() })
    }

    /// Makes a registry's schema known by its id. After an error, records of that id are `unusable-schema`.
    ///
    /// # Errors
    /// When the schema is not one of an order.
    pub fn add_schema(&mut self, _id: u32, _schema: &str) -> Result<(), SchemaError> {
        Ok(())
    }

    /// What the writer wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly one record of a known schema.
    pub fn decode<'a>(&'a mut self, _bytes: &'a [u8]) -> Result<RawOrder<'a>, DecodeError> {
        Err(DecodeError::new(DecodeReason::Empty, None))
    }

    /// How many records went which way.
    #[must_use]
    pub fn paths(&self) -> DecodePaths {
        self.paths
    }
}
