//! The worker's own copy of a record that cannot be finished at once: one block of memory for all of it.
//!
//! Parked records are counted in hundreds of thousands, so a copy is one allocation with the lengths in front. It keeps
//! what a dead letter needs byte for byte: key, value (both may be null), headers in order, timestamp. It does not know
//! what the bytes mean.

use crate::kafka::ffi::Entry;

/// Stands for a null key or value in the lengths.
const NULL: u32 = u32::MAX;

/// Bytes in front: timestamp (8), length of the key (4), length of the value (4).
const FRONT: usize = 16;

/// A copy of one record.
///
/// Layout, all integers little-endian: timestamp in milliseconds (`i64`, -1 for none), key length, value length
/// (`u32`, 2^32-1 for null), key, value, then for each header name length, value length, name, value.
pub(crate) struct Stored(Box<[u8]>);

impl engine::outcome::Stored for Stored {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Stored {
    /// Copies a record out of librdkafka's memory.
    pub(crate) fn copy(entry: &Entry<'_>) -> Self {
        Self::from_parts(entry.timestamp(), entry.key(), entry.value(), entry.headers())
    }

    /// Puts a record together from its parts. A part of 4 GiB or more cannot come from Kafka and is cut off.
    pub(crate) fn from_parts<'r>(
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Self {
        let capacity = FRONT + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let mut block = Vec::with_capacity(capacity);
        block.extend_from_slice(&timestamp.unwrap_or(-1).to_le_bytes());
        block.extend_from_slice(&length(key).to_le_bytes());
        block.extend_from_slice(&length(value).to_le_bytes());
        block.extend_from_slice(key.unwrap_or_default());
        block.extend_from_slice(value.unwrap_or_default());
        for (name, value) in headers {
            block.extend_from_slice(&length(Some(name)).to_le_bytes());
            block.extend_from_slice(&length(value).to_le_bytes());
            block.extend_from_slice(name);
            block.extend_from_slice(value.unwrap_or_default());
        }
        Self(block.into_boxed_slice())
    }

    /// The record's timestamp in milliseconds since 1970; `None` if it has none.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        let (front, _) = self.0.split_first_chunk::<8>()?;
        Some(i64::from_le_bytes(*front)).filter(|timestamp| *timestamp >= 0)
    }

    /// The key; `None` if it is null.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.part(FRONT, self.number(8))
    }

    /// The value; `None` if it is null.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.part(FRONT + size(self.number(8)), self.number(12))
    }

    /// The headers in order, as they came.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut at = FRONT + size(self.number(8)) + size(self.number(12));
        std::iter::from_fn(move || {
            if at >= self.0.len() {
                return None;
            }
            let (name, value) = (self.number(at), self.number(at + 4));
            let start = at + 8;
            at = start + size(name) + size(value);
            Some((self.part(start, name)?, self.part(start + size(name), value)))
        })
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
        u32::from_le_bytes(*bytes.expect("the block was laid out by `from_parts`"))
    }

    fn part(&self, start: usize, length: u32) -> Option<&[u8]> {
        (length != NULL)
            .then(|| self.0.get(start..start + size(length)).expect("the block was laid out by `from_parts`"))
    }
}

/// The length to write for a part.
fn length(part: Option<&[u8]>) -> u32 {
    part.map_or(NULL, |part| u32::try_from(part.len()).expect("Kafka's lengths are 32 bits with a sign"))
}

/// How many bytes a part with this length takes.
fn size(length: u32) -> usize {
    if length == NULL { 0 } else { length as usize }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Stored;

    type Bytes = Vec<u8>;

    proptest! {
        #[test]
        fn a_copy_gives_back_every_part_byte_for_byte(
            timestamp in proptest::option::of(0_i64..),
            key in proptest::option::of(any::<Bytes>()),
            value in proptest::option::of(any::<Bytes>()),
            headers in proptest::collection::vec((any::<Bytes>(), proptest::option::of(any::<Bytes>())), 0..5),
        ) {
            let lent = headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
            let stored = Stored::from_parts(timestamp, key.as_deref(), value.as_deref(), lent.clone());
            prop_assert_eq!(stored.timestamp(), timestamp);
            prop_assert_eq!(stored.key(), key.as_deref());
            prop_assert_eq!(stored.value(), value.as_deref());
            prop_assert!(stored.headers().eq(lent));
        }
    }
}
