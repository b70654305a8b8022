//! Why bytes are not an order. Every refusal is one reason from a closed list, which is also the metric label.
//!
//! Deliberately without the bytes themselves: they go to the dead-letter topic whole, and a log line needs no payload.

use std::fmt;

/// The closed list of reasons; [`as_str`](DecodeReason::as_str) is the label of `avro_decode_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeReason {
    /// No byte at all.
    Empty,
    /// The record ends inside a field.
    Truncated,
    /// Bytes are left after the last field.
    TrailingBytes,
    /// A length or a block count is negative or larger than what is left.
    BadLength,
    /// A number does not end, or does not fit its type.
    BadNumber,
    /// Text is not UTF-8.
    BadUtf8,
    /// A union names a branch its schema does not have.
    BadUnionBranch,
    /// An enum names a symbol its schema does not have.
    BadEnumSymbol,
    /// A boolean is neither 0 nor 1.
    BadBoolean,
    /// Nested deeper than the fall-back follows.
    TooDeep,
    /// It begins with C3 01 and the fingerprint of a schema nobody told us.
    UnknownFingerprint,
    /// It begins with 0x00 like a Confluent frame, and no known schema fits with or without the frame.
    LooksConfluentFramed,
    /// A Confluent frame of fewer than five bytes.
    ShortFrame,
    /// A Confluent frame whose schema id is not known (yet): ask the registry, then decode again.
    UnknownSchemaId,
    /// A Confluent frame whose schema is not one of an order.
    UnusableSchema,
    /// The fall-back reader refused it.
    Fallback,
}

impl DecodeReason {
    /// Every reason, for metrics that start at 0.
    pub const ALL: [DecodeReason; 16] = [
        DecodeReason::Empty,
        DecodeReason::Truncated,
        DecodeReason::TrailingBytes,
        DecodeReason::BadLength,
        DecodeReason::BadNumber,
        DecodeReason::BadUtf8,
        DecodeReason::BadUnionBranch,
        DecodeReason::BadEnumSymbol,
        DecodeReason::BadBoolean,
        DecodeReason::TooDeep,
        DecodeReason::UnknownFingerprint,
        DecodeReason::LooksConfluentFramed,
        DecodeReason::ShortFrame,
        DecodeReason::UnknownSchemaId,
        DecodeReason::UnusableSchema,
        DecodeReason::Fallback,
    ];

    /// The reason as a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DecodeReason::Empty => "empty",
            DecodeReason::Truncated => "truncated",
            DecodeReason::TrailingBytes => "trailing-bytes",
            DecodeReason::BadLength => "bad-length",
            DecodeReason::BadNumber => "bad-number",
            DecodeReason::BadUtf8 => "bad-utf8",
            DecodeReason::BadUnionBranch => "bad-union-branch",
            DecodeReason::BadEnumSymbol => "bad-enum-symbol",
            DecodeReason::BadBoolean => "bad-boolean",
            DecodeReason::TooDeep => "too-deep",
            DecodeReason::UnknownFingerprint => "unknown-fingerprint",
            DecodeReason::LooksConfluentFramed => "looks-confluent-framed",
            DecodeReason::ShortFrame => "short-frame",
            DecodeReason::UnknownSchemaId => "unknown-schema-id",
            DecodeReason::UnusableSchema => "unusable-schema",
            DecodeReason::Fallback => "fallback",
        }
    }

    fn message(self) -> &'static str {
        match self {
            DecodeReason::Empty => "record is empty",
            DecodeReason::Truncated => "record ends inside a field",
            DecodeReason::TrailingBytes => "bytes are left after the last field; is this its writer's schema?",
            DecodeReason::BadLength => "a length is negative or larger than the record",
            DecodeReason::BadNumber => "a number does not fit its type",
            DecodeReason::BadUtf8 => "text is not UTF-8",
            DecodeReason::BadUnionBranch => "a union branch is not in the writer's schema",
            DecodeReason::BadEnumSymbol => "an enum symbol is not in the writer's schema",
            DecodeReason::BadBoolean => "a boolean is neither 0 nor 1",
            DecodeReason::TooDeep => "record is nested too deeply",
            DecodeReason::UnknownFingerprint => {
                "single object of a schema that is not known; give it with --writer-schema"
            }
            DecodeReason::LooksConfluentFramed => {
                "record fits no known schema and looks Confluent-framed; give --schema-registry-url or --writer-schema"
            }
            DecodeReason::ShortFrame => "Confluent frame is shorter than its five bytes",
            DecodeReason::UnknownSchemaId => "schema id is not known",
            DecodeReason::UnusableSchema => "its schema has no order id, product and price that can be read",
            DecodeReason::Fallback => "the general Avro reader refused it",
        }
    }
}

/// Bytes that are not an order: failure class `undecodable`, but for [`DecodeReason::UnknownSchemaId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    reason: DecodeReason,
    schema_id: Option<u32>,
}

impl DecodeError {
    pub(crate) fn new(reason: DecodeReason, schema_id: Option<u32>) -> DecodeError {
        DecodeError { reason, schema_id }
    }

    /// The reason's label, from the closed list of [`DecodeReason`].
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason.as_str()
    }

    /// The reason, to match on.
    #[must_use]
    pub fn kind(&self) -> DecodeReason {
        self.reason
    }

    /// The id of the Confluent frame around it, where there is one.
    #[must_use]
    pub fn schema_id(&self) -> Option<u32> {
        self.schema_id
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason.message())?;
        match self.schema_id {
            Some(id) => write!(formatter, " (schema id {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_closed_and_distinct() {
        let labels: std::collections::BTreeSet<_> = DecodeReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(labels.len(), DecodeReason::ALL.len());
    }

    #[test]
    fn the_message_names_the_frame() {
        let error = DecodeError::new(DecodeReason::UnknownSchemaId, Some(7));
        assert_eq!(error.to_string(), "schema id is not known (schema id 7)");
        assert!(
            DecodeError::new(DecodeReason::LooksConfluentFramed, None).to_string().contains("looks Confluent-framed")
        );
    }
}
