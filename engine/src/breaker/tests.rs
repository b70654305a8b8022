//! Breaker and flood guard on virtual time.

use super::*;

const SECOND: u64 = 1_000_000;

/// Calls that begin and end at one moment.
fn call(breaker: &mut Breaker, at: u64, good: usize, bad: usize) {
    for ok in std::iter::repeat_n(true, good).chain(std::iter::repeat_n(false, bad)) {
        let permit = breaker.permit(Time(at)).expect("a call may begin");
        breaker.record(Time(at), permit, ok);
    }
}

fn breaker() -> Breaker {
    Breaker::new(BreakerPolicy::default())
}

/// Opened at 100 s; it probes from 102 s on.
fn opened() -> Breaker {
    let mut breaker = breaker();
    call(&mut breaker, 100 * SECOND, 25, 25);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

fn probes(breaker: &mut Breaker, at: u64) -> Vec<Permit> {
    std::iter::from_fn(|| breaker.permit(Time(at))).take(9).collect()
}

#[test]
fn half_of_fifty_calls_opens_it() {
    let mut breaker = breaker();
    call(&mut breaker, 100 * SECOND, 25, 24);
    assert_eq!(breaker.state(), BreakerState::Closed);
    call(&mut breaker, 109 * SECOND, 0, 1);
    assert_eq!((breaker.state(), breaker.permit(Time(109 * SECOND))), (BreakerState::Open, None));
}

#[test]
fn fewer_than_fifty_calls_or_less_than_half_never_open_it() {
    let mut breaker = breaker();
    call(&mut breaker, 0, 0, 49);
    call(&mut breaker, 11 * SECOND, 60, 50);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn calls_older_than_the_window_are_forgotten() {
    let mut breaker = breaker();
    call(&mut breaker, 5 * SECOND, 0, 49);
    call(&mut breaker, 15 * SECOND, 0, 1);
    assert_eq!(breaker.state(), BreakerState::Closed, "ten seconds later");
    call(&mut breaker, 1_000 * SECOND, 0, 49);
    assert_eq!(breaker.state(), BreakerState::Closed, "long later");
}

#[test]
fn a_long_good_time_does_not_hide_that_everything_fails_now() {
    let mut breaker = breaker();
    (90..100).for_each(|second| call(&mut breaker, second * SECOND, 100_000, 0));
    call(&mut breaker, 101 * SECOND, 0, 10_000);
    assert_eq!(breaker.state(), BreakerState::Closed, "a second of the good time is still among the last three");
    call(&mut breaker, 102 * SECOND, 0, 1);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn three_good_ones_of_five_probes_close_it() {
    let mut breaker = opened();
    assert_eq!(breaker.room(Time(102 * SECOND - 1)), 0);
    let now = Time(102 * SECOND);
    let permits = probes(&mut breaker, now.0);
    assert_eq!((permits.len(), breaker.state()), (5, BreakerState::HalfOpen));
    for (permit, ok) in permits.iter().zip([true, false, true, false]) {
        breaker.record(now, *permit, ok);
        assert!(!breaker.blames_the_order(*permit), "nobody knows yet whose fault it was");
    }
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::HalfOpen, 0));
    breaker.record(now, permits[4], true);
    assert_eq!((breaker.state(), breaker.room(now)), (BreakerState::Closed, u32::MAX));
    call(&mut breaker, 103 * SECOND, 0, 49);
    assert_eq!(breaker.state(), BreakerState::Closed, "what was before it opened is forgotten");
}

#[test]
fn three_bad_probes_open_it_again() {
    let mut breaker = opened();
    let permits = probes(&mut breaker, 102 * SECOND);
    permits[..3].iter().for_each(|permit| breaker.record(Time(102 * SECOND), *permit, false));
    assert_eq!((breaker.state(), breaker.room(Time(104 * SECOND - 1))), (BreakerState::Open, 0));
    assert_eq!(breaker.room(Time(104 * SECOND)), 5);
}

#[test]
fn probes_that_hang_are_given_anew_and_what_they_say_later_is_no_news() {
    let mut breaker = opened();
    let hanging = probes(&mut breaker, 102 * SECOND);
    assert_eq!(breaker.room(Time(104 * SECOND - 1)), 0);
    let good = probes(&mut breaker, 104 * SECOND);
    assert_eq!((hanging.len(), good.len()), (5, 5));
    hanging.iter().for_each(|permit| breaker.record(Time(105 * SECOND), *permit, false));
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    good[..3].iter().for_each(|permit| breaker.record(Time(105 * SECOND), *permit, true));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(hanging.iter().all(|permit| !breaker.blames_the_order(*permit)));
    assert!(good.iter().all(|permit| breaker.blames_the_order(*permit)));
}

#[test]
fn probes_that_come_one_by_one_add_up() {
    let mut breaker = opened();
    for second in [102, 110, 120] {
        assert_ne!(breaker.state(), BreakerState::Closed);
        call(&mut breaker, second * SECOND, 1, 0);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn it_can_be_opened_and_closed_for_other_reasons() {
    let mut breaker = breaker();
    breaker.settle_for_less();
    breaker.trip(Time(100 * SECOND));
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker.settle_for_less();
    assert_eq!(breaker.state(), BreakerState::Open, "no probe went well");
    let permits = probes(&mut breaker, 102 * SECOND);
    breaker.trip(Time(103 * SECOND));
    breaker.record(Time(103 * SECOND), permits[0], false);
    breaker.record(Time(103 * SECOND), permits[1], true);
    breaker.settle_for_less();
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "one went badly");
    let permits = probes(&mut breaker, 104 * SECOND);
    breaker.record(Time(104 * SECOND), permits[0], true);
    breaker.settle_for_less();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn calls_that_began_before_it_opened_say_nothing_about_after() {
    let mut breaker = breaker();
    let before: Vec<Permit> = (0..100).filter_map(|_| breaker.permit(Time(99 * SECOND))).collect();
    call(&mut breaker, 100 * SECOND, 25, 25);
    call(&mut breaker, 102 * SECOND, 3, 0);
    assert_eq!(breaker.state(), BreakerState::Closed);
    before.iter().for_each(|permit| breaker.record(Time(103 * SECOND), *permit, false));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(before.iter().all(|permit| !breaker.blames_the_order(*permit)));
}

#[test]
fn more_than_half_of_a_thousand_records_trips_the_guard_until_it_is_reset() {
    let mut guard = FloodGuard::new(50.0);
    for number in 0..1000 {
        assert!(guard.permit(Time(SECOND)));
        guard.record(Time(SECOND), number % 2 == 0);
    }
    assert_eq!(guard.state(), BreakerState::Closed, "exactly half is allowed");
    guard.record(Time(2 * SECOND), false);
    assert_eq!((guard.state(), guard.permit(Time(10_000 * SECOND))), (BreakerState::Open, false));
    guard.reset();
    assert!(guard.permit(Time(10_000 * SECOND)));
}

#[test]
fn a_ratio_of_a_hundred_never_trips_the_guard() {
    let mut guard = FloodGuard::new(100.0);
    (0..5000).for_each(|_| guard.record(Time(0), false));
    assert!(guard.permit(Time(0)));
}

#[test]
fn a_thousand_dead_letters_in_more_than_a_minute_do_not_trip_the_guard() {
    let mut guard = FloodGuard::new(50.0);
    (0..5000).for_each(|number| guard.record(Time(number * SECOND / 10), false));
    assert_eq!(guard.state(), BreakerState::Closed);
}
