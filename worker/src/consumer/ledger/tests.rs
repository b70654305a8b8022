//! The order of things: snapshot, commit, certainty, the other slot.

use engine::commit_pointer::CommitPointer;
use engine::recovery::{Decision, Origin, Scan, Slot};
use engine::totals::Sale;

use super::*;
use crate::kafka::ErrorCode;

const MINUTE: Duration = Duration::from_secs(60);

fn ledger() -> Ledger {
    let subject = Subject { group: "orders".to_owned(), topic: "orders".to_owned(), partition: 4 };
    let old = |epoch| (epoch, (1, Key { subject: subject.clone(), epoch, owner: 1, slot: Slot::B, chunk: 0 }));
    let decision = Decision { origin: Origin::Fresh, snapshot: snapshot(0), start: 0, epoch: 7, scan: Scan::default() };
    let recovered = Recovered { subject: subject.clone(), decision, letters: Vec::new(), seen: vec![old(6), old(7)] };
    Ledger::new(&recovered, 2, Owner { id: 0xabc, assignment: 1, session: MINUTE }, Time(5))
}

fn snapshot(watermark: i64) -> Snapshot {
    Snapshot { watermark, end: watermark, ..Snapshot::default() }
}

fn write(ledger: &mut Ledger, watermark: i64) -> Outgoing {
    let mut out = ledger.begin(snapshot(watermark), true);
    assert_eq!(out.len(), 1);
    out.remove(0)
}

fn slot(outgoing: &Outgoing) -> Slot {
    Key::parse(&outgoing.key).expect("a key of ours").slot
}

/// Takes a checkpoint all the way.
fn certain(ledger: &mut Ledger, watermark: i64, number: usize) -> Slot {
    let record = write(ledger, watermark);
    assert_eq!(ledger.written(record.token, Ok((2, 100 + watermark))), None);
    ledger.note_sent(number);
    assert_eq!(ledger.taken(number, Time(9)), Some(watermark));
    slot(&record)
}

#[test]
fn a_commit_names_the_snapshot_that_was_written_before_it() {
    let mut ledger = ledger();
    let record = write(&mut ledger, 31);
    let key = Key::parse(&record.key).expect("a key of ours");
    assert_eq!((record.place, key.epoch, key.owner, key.slot, key.chunk), (2, 7, 0xabc, Slot::A, 0));
    assert_eq!((Snapshot::decode(&record.value), record.sequence), (Ok(snapshot(31)), 0));
    assert_eq!(ledger.to_send(), None, "not before the snapshot is acknowledged");
    ledger.written(record.token, Ok((2, 131)));
    let checksum = Snapshot::checksum(&record.value).expect("it ends with it");
    let commit = ledger.to_send().expect("the commit waits");
    assert_eq!((commit.partition, commit.offset), (4, 31));
    let pointer = CommitPointer::Snapshot { epoch: 7, partition: 2, offset: 131, checksum };
    assert_eq!(CommitPointer::parse(&commit.metadata), Ok(pointer));
    assert!(!ledger.is_claimed());
    ledger.note_sent(1);
    ledger.taken(1, Time(9));
    assert!(ledger.is_claimed() && ledger.is_settled());
    assert_eq!(ledger.certain_at(), Time(9));
}

#[test]
fn snapshots_take_turns_in_two_slots_and_only_certainty_frees_one() {
    let mut ledger = ledger();
    assert_eq!(certain(&mut ledger, 1, 1), Slot::A);
    assert_eq!(certain(&mut ledger, 2, 2), Slot::B);
    let failed = write(&mut ledger, 3);
    ledger.written(failed.token, Err(Refusal::Passing(ErrorCode::MessageTimedOut)));
    assert_eq!(ledger.refused(), Some(Refusal::Passing(ErrorCode::MessageTimedOut)));
    assert_eq!((slot(&failed), certain(&mut ledger, 4, 3)), (Slot::A, Slot::A), "B is the certain one");
    assert_eq!(ledger.refused(), None);
}

#[test]
fn an_uncertain_commit_is_repeated_as_it_is() {
    let mut ledger = ledger();
    let record = write(&mut ledger, 3);
    ledger.written(record.token, Ok((2, 10)));
    let commit = ledger.to_send();
    ledger.note_sent(1);
    assert_eq!((ledger.to_send(), ledger.is_settled()), (None, false));
    ledger.not_taken(1);
    assert_eq!(ledger.to_send(), commit);
    ledger.note_sent(2);
    assert_eq!(ledger.taken(1, Time(9)), None, "that one was given up; the repetition will tell");
    assert_eq!(ledger.taken(2, Time(9)), Some(3));
}

#[test]
fn what_did_not_change_is_not_written_again_but_committed_again() {
    let mut ledger = ledger();
    assert_eq!(certain(&mut ledger, 3, 1), Slot::A);
    assert!(ledger.begin(snapshot(3), false).is_empty() && ledger.is_settled());
    assert!(ledger.begin(snapshot(3), true).is_empty());
    assert_eq!(ledger.to_send().map(|commit| commit.offset), Some(3));
    ledger.note_sent(2);
    assert_eq!(ledger.taken(2, Time(9)), Some(3));
    assert_eq!(certain(&mut ledger, 4, 3), Slot::B, "A is still the certain one");
}

#[test]
fn answers_to_a_write_that_was_given_up_change_nothing() {
    let mut ledger = ledger();
    let first = write(&mut ledger, 1);
    ledger.written(first.token, Err(Refusal::Passing(ErrorCode::MessageTimedOut)));
    let second = write(&mut ledger, 2);
    assert_eq!(ledger.written(first.token, Ok((2, 10))), None);
    assert_eq!(ledger.to_send(), None);
    ledger.written(second.token, Ok((2, 11)));
    assert_eq!(ledger.to_send().map(|commit| commit.offset), Some(2));
}

#[test]
fn a_large_snapshot_goes_in_chunks_and_its_head_last() {
    let mut large = snapshot(5);
    for number in 0..20_000_i64 {
        let product = format!("product-{number:032}");
        large.totals.add(Sale { product: product.as_bytes(), currency: *b"USD", price_minor: number, quantity: 1 });
    }
    let mut ledger = ledger();
    let chunks = ledger.begin(large.clone(), true);
    assert!(chunks.len() > 1, "{}", chunks.len());
    let numbers: Vec<u32> = chunks.iter().map(|chunk| Key::parse(&chunk.key).expect("ours").chunk).collect();
    assert_eq!(numbers, (1..=u32::try_from(chunks.len()).expect("few")).collect::<Vec<_>>());
    let mut head = None;
    for (offset, chunk) in (50..).zip(&chunks) {
        assert_eq!(head, None, "not before the last chunk");
        head = ledger.written(chunk.token, Ok((2, offset)));
    }
    let head = head.expect("the last chunk brings the head");
    let whole: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.value.clone()).collect();
    let listed = Head::decode(&head.value).expect("a head");
    assert_eq!(listed.offsets, (50..50 + chunks.len() as i64).collect::<Vec<_>>());
    assert_eq!(Some(listed.checksum), Snapshot::checksum(&whole));
    assert_eq!(Snapshot::decode(&whole), Ok(large));
    assert_eq!(ledger.to_send(), None);
    ledger.written(head.token, Ok((2, 99)));
    assert!(ledger.to_send().is_some_and(|commit| commit.metadata.starts_with("op1:7:2:99:")));
}

#[test]
fn keys_of_former_owners_go_after_a_session_and_a_later_checkpoint() {
    let mut ledger = ledger();
    certain(&mut ledger, 1, 1);
    let later = Time(6) + MINUTE;
    assert!(ledger.take_litter(later).is_empty(), "the claim alone is not enough");
    certain(&mut ledger, 2, 2);
    assert!(ledger.take_litter(Time(6)).is_empty(), "a former owner may still write");
    let litter = ledger.take_litter(later);
    let epochs = litter.iter().filter_map(|(place, key)| Some((*place, Key::parse(key)?.epoch)));
    assert_eq!(epochs.collect::<Vec<_>>(), [(1, 6)]);
}
