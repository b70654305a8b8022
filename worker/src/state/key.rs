//! The key of a record in the state topic: whose state it is, who wrote it, and which part of it.
//!
//! `op1:<partition>:<epoch>:<owner>:<slot>:<chunk>:<topic>:<group>`: numbers in decimal without leading zeros, the owner in
//! 16 hexadecimal digits, the slot `A` or `B`, chunk 0 the head. A topic's name holds no colon, so the group, which may
//! hold anything, comes last. Compaction keeps the newest record of a key, so nobody ever overwrites what another owner
//! or another epoch wrote. Deliberately strict: what [`Key::parse`] takes, [`Key::encode`] gives back byte for byte;
//! anything else is somebody else's.

use engine::recovery::Slot;
use xxhash_rust::xxh3::xxh3_64;

/// What the keys of this version begin with.
const PREFIX: &str = "op1";

/// Whose state: one partition of one topic, as one group reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subject {
    /// The consumer group.
    pub(crate) group: String,
    /// The orders topic.
    pub(crate) topic: String,
    /// Its partition.
    pub(crate) partition: i32,
}

impl Subject {
    /// In which of `partitions` partitions of the state topic its records go: the same for every owner and epoch.
    pub(crate) fn place(&self, partitions: i32) -> i32 {
        let Self { group, topic, partition } = self;
        let count = u64::from(partitions.max(1).unsigned_abs());
        let place = xxh3_64(format!("{partition}:{topic}:{group}").as_bytes()) % count;
        i32::try_from(place).unwrap_or(0)
    }
}

/// One record's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Whose state.
    pub(crate) subject: Subject,
    /// Under which epoch it was written.
    pub(crate) epoch: u64,
    /// Who wrote it: a number that no other owner has.
    pub(crate) owner: u64,
    /// Which of the owner's two snapshots.
    pub(crate) slot: Slot,
    /// 0 for the snapshot or its head, else the number of a chunk.
    pub(crate) chunk: u32,
}

impl Key {
    /// The key's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { subject: Subject { group, topic, partition }, epoch, owner, slot, chunk } = self;
        let slot = match slot {
            Slot::A => 'A',
            Slot::B => 'B',
        };
        format!("{PREFIX}:{partition}:{epoch}:{owner:016x}:{slot}:{chunk}:{topic}:{group}").into_bytes()
    }

    /// Reads a key; `None` for one that is not of this program or not of this version.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut parts = text.splitn(8, ':');
        if parts.next() != Some(PREFIX) {
            return None;
        }
        let partition = parts.next()?.parse().ok().filter(|partition| *partition >= 0)?;
        let epoch = parts.next()?.parse().ok()?;
        let owner = u64::from_str_radix(parts.next()?, 16).ok()?;
        let slot = match parts.next()? {
            "A" => Slot::A,
            "B" => Slot::B,
            _ => return None,
        };
        let chunk = parts.next()?.parse().ok()?;
        let (topic, group) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let key = Self { subject: Subject { group, topic, partition }, epoch, owner, slot, chunk };
        (key.encode() == bytes).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Key, Slot, Subject};

    fn keys() -> impl Strategy<Value = Key> {
        let subject = (".{1,20}", "[a-zA-Z0-9._-]{1,20}", 0..=i32::MAX);
        let subject = subject.prop_map(|(group, topic, partition)| Subject { group, topic, partition });
        let slot = prop_oneof![Just(Slot::A), Just(Slot::B)];
        (subject, any::<u64>(), any::<u64>(), slot, any::<u32>()).prop_map(|(subject, epoch, owner, slot, chunk)| Key {
            subject,
            epoch,
            owner,
            slot,
            chunk,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(key in keys()) {
            prop_assert_eq!(Key::parse(&key.encode()), Some(key));
        }

        #[test]
        fn what_is_read_was_written_so(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "op1:[0-9+-]{0,3}:[0-9]{0,3}:[0-9a-f]{0,17}:[ABC]:[0-9]{0,3}:[a-z:]{0,5}:.{0,5}".prop_map(String::into_bytes),
            ],
        ) {
            if let Some(key) = Key::parse(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_never_reads_as_the_same_key(key in keys(), place: prop::sample::Index, byte: u8) {
            let mut bytes = key.encode();
            let place = place.index(bytes.len());
            prop_assume!(bytes[place] != byte);
            bytes[place] = byte;
            prop_assert_ne!(Key::parse(&bytes), Some(key));
        }

        #[test]
        fn every_subject_has_a_place(key in keys(), partitions in 1..50_i32) {
            prop_assert!((0..partitions).contains(&key.subject.place(partitions)));
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let subject = Subject { group: "shop:eu".to_owned(), topic: "orders".to_owned(), partition: 5 };
        let key = Key { subject, epoch: 12, owner: 0xfeed, slot: Slot::B, chunk: 0 };
        assert_eq!(key.encode(), b"op1:5:12:000000000000feed:B:0:orders:shop:eu");
    }

    /// A later release that places them elsewhere would not find them.
    #[test]
    fn the_places_are_these() {
        let place = |partition| Subject { group: "orders".to_owned(), topic: "orders".to_owned(), partition }.place(3);
        assert_eq!((0..6).map(place).collect::<Vec<_>>(), [0, 2, 2, 1, 1, 2]);
    }
}
