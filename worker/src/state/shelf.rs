//! The records of one partition's state as they are read: the newest of each key, put together to snapshots at the end.
//!
//! Reading a log and forgetting what a later record of its key replaces is what compaction does, and the protocol bears
//! compaction at any time; the snapshot that the commit names is kept all the same. So memory is bounded by the keys
//! there are, not by the checkpoints of an hour. Deliberately without I/O.

use std::collections::{BTreeMap, BTreeSet};

use engine::recovery::{Found, Place, Unusable};
use engine::snapshot::{self, Snapshot};

use super::chunks::{Head, is_head};
use super::key::Key;

/// A record of the state topic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    place: Place,
    sequence: u64,
    value: Vec<u8>,
}

/// What was read of one partition's state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// Where the head is that the commit names.
    named: Option<Place>,
    /// The newest record of each key that holds a snapshot or a head.
    heads: BTreeMap<Key, Kept>,
    /// The named one, when a later record has its key.
    replaced: Option<(Key, Kept)>,
    /// The newest record of each key that holds a chunk.
    chunks: BTreeMap<Key, Kept>,
    /// Chunks that were asked for by their places.
    wanted: BTreeMap<(i32, i64), Vec<u8>>,
    highest_epoch: Option<u64>,
    /// Every key that was seen, and in which partition of the state topic.
    seen: BTreeSet<(i32, Key)>,
}

impl Shelf {
    /// An empty one; `named` is where the head is that the commit names.
    pub(crate) fn new(named: Option<Place>) -> Self {
        Self { named, ..Self::default() }
    }

    /// The highest epoch in any key, of tombstones too.
    pub(crate) fn highest_epoch(&self) -> Option<u64> {
        self.highest_epoch
    }

    /// The next record of the subject in its partition; without a value it is a tombstone.
    pub(crate) fn put(&mut self, place: Place, key: Key, value: Option<&[u8]>, sequence: u64) {
        self.highest_epoch = self.highest_epoch.max(Some(key.epoch));
        let Some(value) = value else {
            self.seen.remove(&(place.partition, key));
            return;
        };
        self.seen.insert((place.partition, key.clone()));
        let kept = Kept { place, sequence, value: value.to_vec() };
        if key.chunk > 0 {
            self.chunks.insert(key, kept);
            return;
        }
        if let Some(before) = self.heads.insert(key.clone(), kept)
            && Some(before.place) == self.named
        {
            self.replaced = Some((key, before));
        }
    }

    /// Chunks that heads list and that were not read: they are below what was.
    pub(crate) fn missing(&self) -> Vec<Place> {
        let heads = self.heads.values().chain(self.replaced.iter().map(|(_, kept)| kept));
        let listed = heads.filter_map(|kept| Some((kept.place.partition, Head::decode(&kept.value).ok()?)));
        listed
            .flat_map(|(partition, head)| head.offsets.into_iter().map(move |offset| Place { partition, offset }))
            .filter(|place| self.chunk(*place).is_none())
            .collect()
    }

    /// A chunk that was missing.
    pub(crate) fn put_chunk(&mut self, place: Place, value: &[u8]) {
        self.wanted.insert((place.partition, place.offset), value.to_vec());
    }

    fn chunk(&self, place: Place) -> Option<&[u8]> {
        let wanted = self.wanted.get(&(place.partition, place.offset)).map(Vec::as_slice);
        wanted.or_else(|| self.chunks.values().find(|kept| kept.place == place).map(|kept| kept.value.as_slice()))
    }

    /// The snapshots.
    pub(crate) fn found(&self) -> Vec<Found> {
        let replaced = self.replaced.iter().map(|(key, kept)| (key, kept));
        let heads = self.heads.iter().chain(replaced);
        heads
            .map(|(key, kept)| {
                let (checksum, content) = self.content(kept);
                Found { epoch: key.epoch, sequence: kept.sequence, place: kept.place, checksum, content }
            })
            .collect()
    }

    fn content(&self, kept: &Kept) -> (u64, Result<Snapshot, Unusable>) {
        if !is_head(&kept.value) {
            let checksum = Snapshot::checksum(&kept.value).unwrap_or(0);
            return (checksum, Snapshot::decode(&kept.value).map_err(Unusable::Unreadable));
        }
        let Ok(head) = Head::decode(&kept.value) else {
            return (0, Err(Unusable::Unreadable(snapshot::Error::Checksum)));
        };
        let chunk = |offset: &i64| self.chunk(Place { offset: *offset, ..kept.place });
        let whole = head.offsets.iter().map(chunk).collect::<Option<Vec<&[u8]>>>().map(|chunks| chunks.concat());
        let whole = whole.filter(|whole| Snapshot::checksum(whole) == Some(head.checksum));
        let content = match whole {
            Some(whole) => Snapshot::decode(&whole).map_err(Unusable::Unreadable),
            None => Err(Unusable::Incomplete),
        };
        (head.checksum, content)
    }

    /// All keys that were seen and have no tombstone, each with its owner's other slot, which may be below what was
    /// read: the epoch, the partition of the state topic, the key.
    pub(crate) fn seen(&self) -> Vec<(u64, (i32, Key))> {
        let both = self.seen.iter().flat_map(|(partition, key)| {
            let other = Key { slot: key.slot.other(), ..key.clone() };
            [(*partition, key.clone()), (*partition, other)]
        });
        let distinct: BTreeSet<(i32, Key)> = both.collect();
        distinct.into_iter().map(|(partition, key)| (key.epoch, (partition, key))).collect()
    }
}

#[cfg(test)]
mod tests {
    use engine::recovery::Slot;

    use super::*;
    use crate::state::Subject;

    fn key(epoch: u64, slot: Slot, chunk: u32) -> Key {
        let subject = Subject { group: "g".to_owned(), topic: "t".to_owned(), partition: 0 };
        Key { subject, epoch, owner: 1, slot, chunk }
    }

    fn place(offset: i64) -> Place {
        Place { partition: 1, offset }
    }

    fn bytes(watermark: i64) -> Vec<u8> {
        Snapshot { watermark, end: watermark, ..Snapshot::default() }.encode()
    }

    fn watermarks(shelf: &Shelf) -> Vec<i64> {
        shelf.found().iter().filter_map(Found::snapshot).map(|snapshot| snapshot.watermark).collect()
    }

    #[test]
    fn of_each_key_the_newest_record_is_kept_and_the_named_one_besides() {
        let mut shelf = Shelf::new(Some(place(10)));
        for (offset, slot) in [(8, Slot::A), (9, Slot::B), (10, Slot::A), (11, Slot::B), (12, Slot::A)] {
            shelf.put(place(offset), key(3, slot, 0), Some(&bytes(offset)), 0);
        }
        let mut kept = watermarks(&shelf);
        kept.sort_unstable();
        assert_eq!(kept, [10, 11, 12]);
    }

    #[test]
    fn a_tombstone_is_no_snapshot_and_still_tells_its_epoch() {
        let mut shelf = Shelf::new(None);
        shelf.put(place(1), key(9, Slot::A, 0), None, 0);
        assert_eq!((shelf.highest_epoch(), shelf.found().len(), shelf.seen().len()), (Some(9), 0, 0));
    }

    #[test]
    fn chunks_are_put_together_in_the_order_of_their_head() {
        let whole = bytes(7);
        let (first, second) = whole.split_at(5);
        let head = Head { checksum: Snapshot::checksum(&whole).expect("it ends with it"), offsets: vec![4, 6] };
        let mut shelf = Shelf::new(None);
        shelf.put(place(6), key(3, Slot::A, 2), Some(second), 0);
        shelf.put(place(8), key(3, Slot::A, 0), Some(&head.encode()), 5);
        assert_eq!(shelf.missing(), [place(4)]);
        assert_eq!(shelf.found()[0].content, Err(Unusable::Incomplete));
        shelf.put_chunk(place(4), first);
        assert_eq!((shelf.missing(), watermarks(&shelf)), (Vec::new(), vec![7]));
        assert_eq!((shelf.found()[0].sequence, shelf.found()[0].checksum), (5, head.checksum));
    }

    #[test]
    fn a_chunk_of_another_snapshot_makes_none() {
        let (whole, other) = (bytes(7), bytes(8));
        let head = Head { checksum: Snapshot::checksum(&whole).expect("it ends with it"), offsets: vec![4] };
        let mut shelf = Shelf::new(None);
        shelf.put(place(4), key(3, Slot::A, 1), Some(&other), 0);
        shelf.put(place(8), key(3, Slot::A, 0), Some(&head.encode()), 0);
        assert_eq!(shelf.found()[0].content, Err(Unusable::Incomplete));
    }

    #[test]
    fn what_is_no_snapshot_says_what_is_wrong_with_it() {
        let mut newer = bytes(7);
        newer[4] = 2;
        let mut damaged = bytes(8);
        damaged[20] ^= 1;
        let mut shelf = Shelf::new(None);
        shelf.put(place(1), key(3, Slot::A, 0), Some(b"{\"json\": true}"), 0);
        shelf.put(place(2), key(4, Slot::A, 0), Some(&newer), 0);
        shelf.put(place(3), key(5, Slot::A, 0), Some(&damaged), 0);
        let errors: Vec<_> = shelf.found().into_iter().map(|found| found.content).collect();
        let unreadable = |error| Err(Unusable::Unreadable(error));
        assert_eq!(errors[0], unreadable(snapshot::Error::Foreign));
        assert_eq!(errors[1], unreadable(snapshot::Error::Newer { version: 2, kind: 0 }));
        assert_eq!(errors[2], unreadable(snapshot::Error::Checksum));
    }
}
