//! Snapshots that are too large for one record: chunks first, then a head that lists where they are.
//!
//! ```text
//! head: magic "OPSS" | version 1 | kind 1 | body length, u64 LE | body | xxh3-64 of all before, u64 LE
//! body: checksum of the whole snapshot, u64 LE | offset of each chunk in the state partition, i64 LE each
//! ```
//! A chunk is a plain piece of the snapshot's bytes. A record of Kafka never changes, so its offset is enough to name it;
//! whether the pieces fit together is said by the snapshot's own checksum. Deliberately no compression: the producer
//! does that.

use snafu::{OptionExt, Snafu, ensure};
use xxhash_rust::xxh3::xxh3_64;

/// The largest piece, before compression: half of what brokers take by default.
pub(crate) const LARGEST: usize = 512 * 1024;

const MAGIC: &[u8; 4] = b"OPSS";
const VERSION: u8 = 1;
const HEAD: u8 = 1;
/// Magic, version, kind, body length.
const FRONT: usize = 14;
const CHECKSUM: usize = 8;

/// What is wrong with a head.
#[derive(Debug, Snafu, PartialEq, Eq)]
pub(crate) enum Error {
    /// It is not laid out as one, or a bit is wrong.
    #[snafu(display("the head of a snapshot in chunks is damaged; use an older snapshot"))]
    Damaged,
}

/// A head: which pieces make the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The checksum that the whole snapshot ends with.
    pub(crate) checksum: u64,
    /// Where the chunks are, in order.
    pub(crate) offsets: Vec<i64>,
}

/// The pieces of a snapshot; a single one when it fits into one record.
pub(crate) fn pieces(snapshot: &[u8]) -> impl ExactSizeIterator<Item = &[u8]> {
    snapshot.chunks(LARGEST)
}

/// Whether a value is the head of a snapshot in chunks, and not a snapshot.
pub(crate) fn is_head(value: &[u8]) -> bool {
    value.starts_with(MAGIC) && value.get(4..6) == Some(&[VERSION, HEAD])
}

impl Head {
    /// The head's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = CHECKSUM + 8 * self.offsets.len();
        let mut out = Vec::with_capacity(FRONT + body + CHECKSUM);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, HEAD]);
        out.extend_from_slice(&(body as u64).to_le_bytes());
        out.extend_from_slice(&self.checksum.to_le_bytes());
        self.offsets.iter().for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a head.
    ///
    /// # Errors
    /// When it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        ensure!(is_head(bytes), DamagedSnafu);
        let (all, last) = bytes.split_last_chunk::<CHECKSUM>().context(DamagedSnafu)?;
        let (front, body) = all.split_at_checked(FRONT).context(DamagedSnafu)?;
        let length = front.last_chunk().map(|length| u64::from_le_bytes(*length));
        ensure!(length == Some(body.len() as u64) && xxh3_64(all) == u64::from_le_bytes(*last), DamagedSnafu);
        let (checksum, offsets) = body.split_first_chunk::<CHECKSUM>().context(DamagedSnafu)?;
        let (offsets, rest) = offsets.as_chunks::<8>();
        ensure!(rest.is_empty() && !offsets.is_empty(), DamagedSnafu);
        let offsets = offsets.iter().map(|offset| i64::from_le_bytes(*offset)).collect();
        Ok(Self { checksum: u64::from_le_bytes(*checksum), offsets })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Error, Head, LARGEST, is_head, pieces};

    proptest! {
        #[test]
        fn what_is_written_is_read_back(checksum: u64, offsets in prop::collection::vec(any::<i64>(), 1..50)) {
            let head = Head { checksum, offsets };
            prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
        }

        #[test]
        fn a_changed_byte_is_noticed(
            offsets in prop::collection::vec(any::<i64>(), 1..5), place: prop::sample::Index, byte: u8,
        ) {
            let mut bytes = Head { checksum: 7, offsets }.encode();
            let place = place.index(bytes.len());
            prop_assume!(bytes[place] != byte);
            bytes[place] = byte;
            prop_assert_eq!(Head::decode(&bytes), Err(Error::Damaged));
        }

        #[test]
        fn no_bytes_make_it_stumble(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Head::decode(&bytes).is_err());
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let bytes = Head { checksum: 0x0807_0605_0403_0201, offsets: vec![5, 256] }.encode();
        let expected = [
            b"OPSS\x01\x01".as_slice(),
            &[24, 0, 0, 0, 0, 0, 0, 0],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &[5, 0, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(&bytes[..bytes.len() - 8], expected);
        assert!(is_head(&bytes));
    }

    #[test]
    fn a_snapshot_is_no_head_and_falls_into_pieces_of_at_most_half_a_mebibyte() {
        let snapshot = engine::snapshot::Snapshot::default().encode();
        assert!(!is_head(&snapshot));
        assert_eq!(pieces(&snapshot).len(), 1);
        let large = vec![7; 2 * LARGEST + 1];
        assert_eq!(pieces(&large).map(<[u8]>::len).collect::<Vec<_>>(), [LARGEST, LARGEST, 1]);
    }
}
