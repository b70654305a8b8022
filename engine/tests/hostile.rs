//! What the parsers of the engine do with bytes that somebody made up: they refuse them, quickly and in little memory.
//!
//! Deliberately from outside: lengths are spelt as a writer that knows the format and lies would spell them. That every
//! byte has its one spelling is tested beside the parsers.

use allocation_counter::measure;
use engine::{
    commit_pointer::{self, CommitPointer},
    failure::{Disposition, FailureClass},
    snapshot::{Counters, Pending, ScanMark, Snapshot, Tries, Unresolved},
    totals::{Sale, Totals},
};
use proptest::prelude::*;

/// Magic, version, kind, body length.
const FRONT: usize = 14;
const CHECKSUM: usize = 8;

/// The most memory for each byte that is read: an unresolved offset takes 2 bytes at least, and 72 in memory.
const MULTIPLE: u64 = 64;
const CONSTANT: u64 = 16 * 1024;

/// A snapshot with something in every part of it.
fn full() -> Snapshot {
    let mut totals = Totals::new();
    totals.add(Sale { product: b"P1", currency: *b"USD", price_minor: 5500, quantity: 2 });
    let tries = |pending| Tries {
        retries: 1,
        retry_pending: false,
        panicked: false,
        runs: 2,
        class: FailureClass::Transient,
        first_failure_milliseconds: 1_795_000_000_000,
        last_failure_milliseconds: 1_795_000_001_000,
        pending,
    };
    let unresolved = [
        (10, Some(tries(Pending::Run { due_milliseconds: 1_795_000_002_000 }))),
        (11, None),
        (15, Some(tries(Pending::DeadLetter(Disposition::RetriesExhausted)))),
    ];
    Snapshot {
        watermark: 10,
        end: 20,
        unresolved: unresolved.map(|(offset, tries)| Unresolved { offset, tries }).to_vec(),
        resolved_ahead: vec![22, 30],
        counters: Counters { succeeded: 1, dead_lettered: 7, ..Counters::default() },
        totals,
        scan_marks: vec![ScanMark { partition: 0, offset: 17 }],
        last_reset: "reset".to_owned(),
    }
}

/// A body with everything around it right.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = [b"OPSS".as_slice(), &[1, 0], &(body.len() as u64).to_le_bytes(), body].concat();
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A number as the format spells it: 7 bits at a time, lowest first.
fn spelt(mut number: u128) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
    out
}

fn is_modest(bytes: &[u8]) -> bool {
    let most = measure(|| drop(Snapshot::decode(bytes))).bytes_max;
    most <= bytes.len() as u64 * MULTIPLE + CONSTANT
}

proptest! {
    #[test]
    fn a_length_that_lies_costs_no_memory(
        place: prop::sample::Index, number in any::<u128>(), shift in 0..128u32, filler in 0..3000usize,
    ) {
        let bytes = full().encode();
        let mut body = bytes[FRONT..bytes.len() - CHECKSUM].to_vec();
        let place = place.index(body.len());
        body.splice(place..=place, spelt(number >> shift));
        body.extend(std::iter::repeat_n(0, filler));
        prop_assert!(is_modest(&sealed(&body)));
    }

    #[test]
    fn a_body_of_anything_is_modest(body in prop::collection::vec(any::<u8>(), 0..4000)) {
        prop_assert!(is_modest(&sealed(&body)));
        prop_assert!(is_modest(&body));
    }

    #[test]
    fn a_length_of_the_body_that_lies_is_refused(length: u64) {
        let mut bytes = full().encode();
        prop_assume!(length != (bytes.len() - FRONT - CHECKSUM) as u64);
        bytes[FRONT - 8..FRONT].copy_from_slice(&length.to_le_bytes());
        prop_assert!(Snapshot::decode(&bytes).is_err());
    }

    #[test]
    fn metadata_of_any_length_is_refused_with_a_short_message(
        front in prop::sample::select(vec!["", "op1:", "op1:1:", "op1:1:2:3:", "op1:none", "op1:start"]),
        filler in "[0-9a-f:ü]", length in 100..100_000usize,
    ) {
        let text = format!("{front}{}", filler.repeat(length));
        let mut refused = Ok(CommitPointer::None);
        let memory = measure(|| refused = CommitPointer::parse(&text)).bytes_max;
        let message = refused.as_ref().expect_err("it is refused").to_string();
        let is_ours = matches!(refused, Err(commit_pointer::Error::Malformed { .. }));
        prop_assert!(message.len() < 300 && memory < 1000, "{} bytes: {}", memory, message);
        prop_assert_eq!(is_ours, text.starts_with("op1:"));
    }
}
