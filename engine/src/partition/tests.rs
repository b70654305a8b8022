//! One behaviour of a partition a test; the laws are in `tests/laws.rs`.

use super::*;
use crate::{
    failure::{Disposition, FailureClass},
    outcome::{Action, Ready},
    snapshot::Snapshot,
};

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

#[test]
fn a_wait_that_was_asked_for_lengthens_a_delay_and_never_shortens_it() {
    let mut partition = partition();
    assert_eq!(partition.admit(100, LANE, 10), Admission::Run);
    let ticket = partition.start(100, LANE, Copy(10));
    let mut verdict =
        partition.fail_later(ticket, failure(FailureClass::Transient), Duration::from_secs(5), Time::ZERO);
    assert_eq!(verdict, Some(Verdict::Parked { due: Time(5 * SECOND), retry: 1 }));
    assert_eq!(
        partition.fail_later(ticket, failure(FailureClass::Transient), Duration::ZERO, Time::ZERO),
        None,
        "stale"
    );
    let again = ready(&mut partition, Time(5 * SECOND)).ticket;
    let wait = Duration::from_millis(500);
    verdict = partition.fail_later(again, failure(FailureClass::Transient), wait, Time(5 * SECOND));
    assert_eq!(verdict, Some(Verdict::Parked { due: Time(7 * SECOND), retry: 2 }));
}

const LANE: Lane = Lane::Shared(1);
const SECOND: u64 = 1_000_000;

fn fail(partition: &mut Partition<Copy>, offset: i64, class: FailureClass, now: Time) -> Verdict {
    assert_eq!(partition.admit(offset, LANE, 10), Admission::Run);
    partition.fail(offset, LANE, Copy(10), failure(class), now)
}

fn ready(partition: &mut Partition<Copy>, now: Time) -> Ready {
    partition.next_ready(now).expect("something is ready")
}

fn restored(snapshot: Snapshot, now: Time, wall_milliseconds: i64) -> Partition<Copy> {
    let limits = Limits { parked_bytes: 1 << 20, window: Limits::WINDOW };
    Partition::restore(snapshot, RetryPolicy::default(), limits, 2, (now, wall_milliseconds))
}

#[test]
fn permanent_failures_are_given_up_at_once() {
    for (class, disposition) in [
        (FailureClass::Undecodable, Disposition::Permanent),
        (FailureClass::Invalid, Disposition::Permanent),
        (FailureClass::Rejected, Disposition::Rejected),
    ] {
        let mut partition = partition();
        let Verdict::DeadLetter(ticket, given) = fail(&mut partition, 100, class, Time::ZERO) else {
            panic!("{class}")
        };
        let history = partition.history(ticket).expect("the ticket is good");
        assert_eq!((given, history.runs, history.retries, history.class), (disposition, 1, 0, class));
        assert_eq!((partition.unresolved(), partition.occupancy().dead_lettering), (1, 1));
        assert!(partition.dead_letter_acknowledged(ticket) && !partition.dead_letter_acknowledged(ticket));
        assert_eq!((partition.watermark(), partition.counters().dead_lettered), (101, 1));
    }
}

#[test]
fn a_panic_gets_one_retry() {
    let mut partition = partition();
    let panic = Outcome::Failed(failure(FailureClass::HandlerPanic));
    assert!(matches!(
        fail(&mut partition, 100, FailureClass::HandlerPanic, Time::ZERO),
        Verdict::Parked { retry: 1, .. }
    ));
    let turn = ready(&mut partition, Time(SECOND));
    let verdict = partition.complete(turn.ticket, panic, Time(SECOND));
    assert!(matches!(verdict, Some(Verdict::DeadLetter(_, Disposition::RetriesExhausted))));
}

#[test]
fn a_held_record_comes_back_later_and_later_without_using_up_retries_or_when_it_is_released() {
    let mut partition = partition();
    let down = FailureClass::RegistryUnavailable;
    let mut now = Time::ZERO;
    let mut verdict = fail(&mut partition, 100, down, now);
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        let due = now + Duration::from_secs(seconds);
        assert_eq!(verdict, Verdict::Held { due });
        now = due;
        let turn = ready(&mut partition, now);
        assert_eq!((turn.retry, turn.due), (0, Some(due)));
        verdict = partition.complete(turn.ticket, Outcome::Failed(failure(down)), now).expect("good");
    }
    assert_eq!((partition.next_ready(now), partition.release_held(now), partition.release_held(now)), (None, 1, 1));
    let turn = ready(&mut partition, now);
    assert_eq!(partition.complete(turn.ticket, Outcome::Succeeded(sale()), now), Some(Verdict::Resolved));
    assert_eq!((partition.counters().retries(), partition.counters().succeeded), (0, 1));
}

#[test]
fn a_tombstone_is_skipped_and_counted() {
    let mut partition = partition();
    assert_eq!(fail(&mut partition, 100, FailureClass::Tombstone, Time::ZERO), Verdict::Resolved);
    assert_eq!((partition.watermark(), partition.counters().skipped, partition.stored_bytes()), (101, 1, 0));
}

#[test]
fn null_keys_wait_for_nobody() {
    let mut partition = partition();
    for offset in 100..103 {
        assert_eq!(partition.admit(offset, Lane::Own, 10), Admission::Run);
        partition.start(offset, Lane::Own, Copy(10));
    }
    assert_eq!(partition.occupancy().running, 3);
}

#[test]
fn a_partition_without_room_takes_nothing_in_until_some_is_free() {
    let mut partition = partition();
    partition.set_parked_bytes(2 * (100 + OVERHEAD));
    assert_eq!(partition.admit(100, Lane::Own, 1 << 30), Admission::Run, "alone, a record may be larger");
    let first = partition.start(100, Lane::Own, Copy(100));
    partition.start(101, Lane::Own, Copy(100));
    assert_eq!(partition.admit(102, Lane::Own, 100), Admission::Full);
    assert!(!partition.has_room());
    assert_eq!(partition.complete(first, Outcome::Succeeded(sale()), Time::ZERO), Some(Verdict::Resolved));
    assert!(partition.has_room());
    assert_eq!(partition.admit(102, Lane::Own, 100), Admission::Run);
    assert_eq!(partition.admit(102, Lane::Own, 101), Admission::Full, "not a byte more");
}

#[test]
fn the_window_ends_four_million_offsets_ahead_of_the_watermark_gaps_included() {
    let mut partition = partition();
    let far = 100 + i64::from(Limits::WINDOW);
    let first = partition.start(100, LANE, Copy(1));
    assert_eq!(partition.admit(far - 1, Lane::Own, 1), Admission::Run);
    assert_eq!(partition.admit(far, Lane::Own, 1), Admission::Full);
    assert_eq!(partition.complete(first, Outcome::Skipped, Time::ZERO), Some(Verdict::Resolved));
    assert_eq!(partition.admit(far + 1_000_000_000, Lane::Own, 1), Admission::Run, "a gap holds nothing up");
}

#[test]
fn retries_and_successors_take_turns() {
    let mut partition = partition();
    let lanes = [1, 2].map(Lane::Shared);
    for (number, lane) in lanes.into_iter().enumerate() {
        let offset = 100 + 3 * number as i64;
        let ticket = partition.start(offset, lane, Copy(1));
        partition.wait(offset + 1, lane, Copy(1));
        partition.fail(offset + 2, Lane::Own, Copy(1), failure(FailureClass::Transient), Time::ZERO);
        assert_eq!(partition.complete(ticket, Outcome::Succeeded(sale()), Time::ZERO), Some(Verdict::Resolved));
    }
    let order: Vec<i64> = std::iter::from_fn(|| partition.next_ready(Time(SECOND))).map(|ready| ready.offset).collect();
    assert_eq!(order, [102, 101, 105, 104]);
}

#[test]
fn a_restart_keeps_the_schedule_and_what_was_done_ahead() {
    let mut before = partition();
    fail(&mut before, 100, FailureClass::Transient, Time::ZERO);
    before.succeed(101, sale());
    before.wait(102, LANE, Copy(10));
    let mut after = restored(before.cut(Time(SECOND / 4), 250), Time(7 * SECOND), 500);
    assert_eq!((after.watermark(), after.unresolved(), after.stored_bytes()), (100, 2, 0));
    assert_eq!(after.totals(), before.totals());
    assert_eq!(after.admit(100, LANE, 10), Admission::Wait);
    after.wait(100, LANE, Copy(10));
    assert_eq!(after.admit(101, LANE, 10), Admission::Done);
    assert_eq!(after.admit(102, LANE, 10), Admission::Wait);
    after.wait(102, LANE, Copy(10));
    assert_eq!(after.next_ready(Time(7 * SECOND + SECOND / 2 - 1)), None, "half a second was left");
    let turn = ready(&mut after, Time(7 * SECOND + SECOND / 2 + 2_000));
    assert_eq!((turn.offset, turn.retry), (100, 1));
}

#[test]
fn a_restart_goes_on_with_a_dead_letter_that_was_not_acknowledged() {
    let mut before = partition();
    fail(&mut before, 100, FailureClass::Rejected, Time::ZERO);
    let mut after = restored(before.cut(Time::ZERO, 0), Time::ZERO, 0);
    assert_eq!(after.admit(100, LANE, 10), Admission::Wait);
    after.wait(100, LANE, Copy(10));
    let turn = ready(&mut after, Time::ZERO);
    assert_eq!((turn.action, turn.due), (Action::DeadLetter(Disposition::Rejected), None));
    assert!(after.dead_letter_acknowledged(turn.ticket));
}

#[test]
fn dead_letters_found_by_a_scan_are_done_wherever_they_are() {
    let mut before = partition();
    fail(&mut before, 100, FailureClass::Transient, Time::ZERO);
    let mut after = restored(before.cut(Time::ZERO, 0), Time::ZERO, 0);
    assert!(after.found_dead_lettered(100, 3) && !after.found_dead_lettered(100, 3));
    assert!(after.found_dead_lettered(200, 0) && !after.found_dead_lettered(200, 0));
    assert_eq!((after.watermark(), after.counters().dead_lettered, after.counters().retries()), (101, 2, 3));
    let mut again = restored(after.cut(Time::ZERO, 0), Time::ZERO, 0);
    assert_eq!(again.admit(150, LANE, 10), Admission::Run);
    again.succeed(150, sale());
    assert_eq!(again.admit(200, LANE, 10), Admission::Done);
    assert_eq!((again.watermark(), again.counters().records()), (201, 3));
}

#[test]
fn records_that_compaction_took_hold_the_watermark_no_longer() {
    let mut before = partition();
    fail(&mut before, 100, FailureClass::Transient, Time::ZERO);
    before.start(101, Lane::Own, Copy(1));
    let mut after = restored(before.cut(Time::ZERO, 0), Time::ZERO, 0);
    after.note_end(102);
    assert_eq!((after.watermark(), after.unresolved(), after.position()), (102, 0, 102));
}
