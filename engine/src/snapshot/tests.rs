//! The snapshot format: it reads back, it stays as the golden file has it, and nothing else passes for it.

use super::*;
use crate::totals::{Sale, Total};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn class() -> impl Strategy<Value = FailureClass> {
    prop::sample::select(FailureClass::ALL.to_vec())
}

fn pending() -> impl Strategy<Value = Pending> {
    prop_oneof![
        any::<i64>().prop_map(|due_milliseconds| Pending::Run { due_milliseconds }),
        prop::sample::select(Disposition::ALL.to_vec()).prop_map(Pending::DeadLetter),
    ]
}

fn tries() -> impl Strategy<Value = Tries> {
    (0..=MAXIMUM_RETRIES, any::<[bool; 2]>(), any::<u32>(), class(), any::<[i64; 2]>(), pending()).prop_map(
        |(retries, [retry_pending, panicked], runs, class, [first, last], pending)| Tries {
            retries,
            retry_pending,
            panicked,
            runs,
            class,
            first_failure_milliseconds: first,
            last_failure_milliseconds: last,
            pending,
        },
    )
}

fn total() -> impl Strategy<Value = Total> {
    (1..=u64::MAX, any::<[i128; 3]>(), any::<[i64; 2]>()).prop_map(|(count, [sum, squares, revenue], [min, max])| {
        Total { count, sum, sum_squares: squares, min, max, revenue }
    })
}

fn totals() -> impl Strategy<Value = Totals> {
    prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any::<[u8; 3]>(), total()), 0..8).prop_map(
        |rows| {
            let mut totals = Totals::new();
            let rows: BTreeMap<_, _> =
                rows.into_iter().map(|(product, currency, total)| ((product, currency), total)).collect();
            for ((product, currency), total) in rows {
                totals.add_total(&product, currency, &total);
            }
            totals
        },
    )
}

fn counters() -> impl Strategy<Value = Counters> {
    (any::<[u64; 3]>(), any::<[u64; MAXIMUM_RETRIES as usize]>(), 0..=usize::from(MAXIMUM_RETRIES)).prop_map(
        |([succeeded, dead_lettered, skipped], mut retries, used)| {
            retries[used..].fill(0);
            Counters { succeeded, dead_lettered, skipped, retries }
        },
    )
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let unresolved = prop::collection::vec((0..300i64, prop::option::of(tries())), 0..12);
    let ahead = prop::collection::vec(0..1000i64, 0..5);
    let marks = prop::collection::vec((any::<i32>(), any::<i64>()), 0..4);
    let offsets = (-1_000..i64::MAX / 2, 0..100_000i64);
    (offsets, unresolved, ahead, counters(), totals(), marks, ".{0,20}").prop_map(
        |((watermark, beyond), steps, ahead, counters, totals, marks, last_reset)| {
            let mut next = watermark;
            let mut unresolved = Vec::new();
            for (step, tries) in steps {
                let offset = if unresolved.is_empty() { watermark } else { next + step };
                unresolved.push(Unresolved { offset, tries });
                next = offset + 1;
            }
            let end = if unresolved.is_empty() { watermark } else { next + beyond };
            let mut next = end;
            let resolved_ahead = ahead.into_iter().map(|step| {
                next += step + 1;
                next - 1
            });
            let resolved_ahead = resolved_ahead.collect();
            let scan_marks = marks.into_iter().map(|(partition, offset)| ScanMark { partition, offset }).collect();
            Snapshot { watermark, end, unresolved, resolved_ahead, counters, totals, scan_marks, last_reset }
        },
    )
}

proptest! {
    #[test]
    fn a_snapshot_reads_back_as_written(snapshot in snapshot()) {
        let bytes = snapshot.encode();
        prop_assert_eq!(Snapshot::decode(&bytes), Ok(snapshot));
    }

    #[test]
    fn a_snapshot_cut_short_is_refused(snapshot in snapshot()) {
        let bytes = snapshot.encode();
        for length in 0..bytes.len() {
            prop_assert_eq!(Snapshot::decode(&bytes[..length]), Err(Error::Truncated { have: length }));
        }
    }

    #[test]
    fn a_changed_byte_is_noticed(snapshot in snapshot(), place: prop::sample::Index, change in 1..=255u8) {
        let mut bytes = snapshot.encode();
        *place.get_mut(&mut bytes) ^= change;
        prop_assert!(Snapshot::decode(&bytes).is_err());
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Snapshot::decode(&bytes).is_err());
    }

    /// A body of a hostile writer, with everything around it right.
    #[test]
    fn whatever_passes_has_the_one_spelling(snapshot in snapshot(), place: prop::sample::Index, byte: u8, cut: bool) {
        let mut body = snapshot.encode()[14..].to_vec();
        body.truncate(body.len() - 8);
        let place = place.index(body.len());
        body[place] = byte;
        body.truncate(if cut { place + 1 } else { body.len() });
        let bytes = sealed(1, 0, &body);
        if let Ok(snapshot) = Snapshot::decode(&bytes) {
            prop_assert_eq!(snapshot.encode(), bytes);
        }
    }
}

fn sealed(version: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = [b"OPSS".as_slice(), &[version, kind], &(body.len() as u64).to_le_bytes(), body].concat();
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn each_refusal_has_its_name() {
    let bytes = Snapshot::default().encode();
    assert_eq!(Snapshot::decode(b"PK\x03\x04 something else"), Err(Error::Foreign));
    assert_eq!(Snapshot::decode(&bytes[..9]), Err(Error::Truncated { have: 9 }));
    assert_eq!(Snapshot::decode(&sealed(2, 0, &[])), Err(Error::Newer { version: 2, kind: 0 }));
    assert_eq!(Snapshot::decode(&sealed(1, 1, &[])), Err(Error::Newer { version: 1, kind: 1 }));
    assert_eq!(Snapshot::decode(&[&bytes[..], b"x"].concat()), Err(Error::TrailingBytes { extra: 1 }));
    let mut flipped = bytes.clone();
    flipped[14] ^= 2;
    assert_eq!(Snapshot::decode(&flipped), Err(Error::Checksum));
    assert_eq!(Snapshot::decode(&sealed(1, 0, &[])), Err(Error::Malformed));
}

#[test]
fn a_count_larger_than_the_bytes_allocates_nothing() {
    let mut body = vec![0, 0];
    varint::put(&mut body, u128::from(u64::MAX) >> 1);
    assert_eq!(Snapshot::decode(&sealed(1, 0, &body)), Err(Error::Malformed));
}

#[test]
fn an_unresolved_offset_out_of_every_window_is_refused() {
    let mut snapshot = Snapshot { watermark: 5, end: 1 << 40, ..Snapshot::default() };
    snapshot.unresolved = [5, 1 << 39].map(|offset| Unresolved { offset, tries: None }).to_vec();
    assert_eq!(Snapshot::decode(&snapshot.encode()), Err(Error::Malformed));
}

fn golden() -> Snapshot {
    let mut totals = Totals::new();
    totals.add(Sale { product: b"P1", currency: *b"USD", price_minor: 5500, quantity: 2 });
    totals.add(Sale { product: b"P1", currency: *b"USD", price_minor: 1120, quantity: 1 });
    totals.add(Sale { product: "Müsli".as_bytes(), currency: *b"JPY", price_minor: 980, quantity: 3 });
    let failed = Tries {
        retries: 2,
        retry_pending: true,
        panicked: false,
        runs: 3,
        class: FailureClass::Transient,
        first_failure_milliseconds: 1_795_000_000_000,
        last_failure_milliseconds: 1_795_000_001_004,
        pending: Pending::Run { due_milliseconds: 1_795_000_003_004 },
    };
    let dead = Tries {
        retries: 1,
        retry_pending: false,
        panicked: true,
        runs: 2,
        class: FailureClass::HandlerPanic,
        first_failure_milliseconds: 1_795_000_000_500,
        last_failure_milliseconds: 1_795_000_001_500,
        pending: Pending::DeadLetter(Disposition::RetriesExhausted),
    };
    let unresolved = [(1000, Some(failed)), (1003, None), (1500, Some(dead))];
    Snapshot {
        watermark: 1000,
        end: 2000,
        unresolved: unresolved.map(|(offset, tries)| Unresolved { offset, tries }).to_vec(),
        resolved_ahead: vec![2000, 2007],
        counters: Counters {
            succeeded: 3,
            dead_lettered: 2,
            skipped: 1,
            retries: std::array::from_fn(|place| [29, 8, 4].get(place).copied().unwrap_or(0)),
        },
        totals,
        scan_marks: vec![ScanMark { partition: 0, offset: 17 }, ScanMark { partition: 2, offset: 0 }],
        last_reset: "2026-11-21-a".to_owned(),
    }
}

/// The file was written by the first release of the format. It must read for ever; never write it anew.
#[test]
fn the_golden_bytes_of_version_1_still_read_and_are_still_written() {
    let bytes = include_bytes!("../../tests/golden/snapshot-v1.bin");
    assert_eq!(Snapshot::decode(bytes), Ok(golden()));
    assert_eq!(golden().encode(), bytes);
}

#[test]
fn the_commit_pointer_can_name_the_checksum() {
    let bytes = golden().encode();
    assert_eq!(
        Snapshot::checksum(&bytes).map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..]),
        bytes.get(bytes.len() - 8..)
    );
    assert_eq!(Snapshot::checksum(b"short"), None);
}
