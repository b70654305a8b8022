//! One behaviour of a partition a test; the laws are in `tests/laws.rs`.

use super::*;
use crate::{failure::FailureClass, outcome::Lane};
use std::time::Duration;

struct Copy(usize);

impl Stored for Copy {
    fn bytes(&self) -> usize {
        self.0
    }
}

fn partition() -> Partition<Copy> {
    Partition::new(100, RetryPolicy::default(), Limits { parked_bytes: 1 << 20, window: Limits::WINDOW }, 1)
}

fn sale() -> Sale<'static> {
    Sale { product: b"P1", currency: *b"USD", price_minor: 5500, quantity: 1 }
}

fn failure(class: FailureClass) -> Failure {
    Failure { class, wall_milliseconds: 1_000 }
}

#[test]
fn orders_that_succeed_move_the_watermark_over_gaps() {
    let mut partition = partition();
    for offset in [100, 101, 105] {
        assert_eq!(partition.admit(offset, Lane::Shared(1), 10), Admission::Run);
        partition.succeed(offset, sale());
    }
    assert_eq!(partition.watermark(), 106);
    assert_eq!(partition.counters().succeeded, 3);
}

#[test]
fn a_transient_failure_is_retried_after_1_2_and_4_seconds_and_then_given_up() {
    let mut partition = partition();
    let lane = Lane::Shared(1);
    assert_eq!(partition.admit(100, lane, 10), Admission::Run);
    let mut now = Time::ZERO;
    let mut verdict = partition.fail(100, lane, Copy(10), failure(FailureClass::Transient), now);
    assert_eq!(partition.admit(101, lane, 10), Admission::Wait);
    partition.wait(101, lane, Copy(10));
    for (number, seconds) in [(1, 1), (2, 2), (3, 4)] {
        let expected = now + Duration::from_secs(seconds);
        assert_eq!(verdict, Verdict::Parked { due: expected, retry: number });
        assert!(partition.next_ready(Time(expected.0 - 1)).is_none());
        now = expected;
        let ready = partition.next_ready(now).expect("it is due");
        assert_eq!((ready.retry, ready.due), (number, Some(expected)));
        let outcome = Outcome::Failed(failure(FailureClass::Transient));
        verdict = partition.complete(ready.ticket, outcome, now).expect("the ticket is good");
        assert!(partition.complete(ready.ticket, outcome, now).is_none());
    }
    let Verdict::DeadLetter(ticket, _) = verdict else { panic!("{verdict:?}") };
    assert_eq!(partition.watermark(), 100);
    assert!(partition.dead_letter_acknowledged(ticket));
    assert_eq!(partition.watermark(), 101);
    let ready = partition.next_ready(now).expect("the lane opened");
    assert_eq!(partition.complete(ready.ticket, Outcome::Succeeded(sale()), now), Some(Verdict::Resolved));
    assert_eq!((partition.watermark(), partition.stored_bytes()), (102, 0));
    assert_eq!(partition.counters().retries[..4], [1, 1, 1, 0]);
}
