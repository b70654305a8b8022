//! The invariants I1 to I7 of docs/guarantees.md, each a law over thousands of random schedules of arrivals, results,
//! timers, stale answers, late dead letters, checkpoints, revocations and crashes, in virtual time.
//!
//! Deliberately nothing here knows how the engine works: see `support/watch.rs` for the laws, `support/model.rs` for
//! the reference model.

mod support;

use proptest::{prelude::*, test_runner::TestCaseResult};
use support::{
    schedule::{Schedule, schedule},
    watch::Law,
    world::World,
};

fn holds(law: Law, schedule: Schedule) -> TestCaseResult {
    let violations = World::run(schedule).violations;
    let first = violations.iter().find(|(violated, _)| *violated == law);
    prop_assert!(first.is_none(), "{:?}", first);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn i1_the_watermark_never_passes_an_unresolved_offset_and_never_goes_back(schedule in schedule()) {
        holds(Law::I1, schedule)?;
    }

    #[test]
    fn i2_resolved_is_handled_dead_lettered_with_acknowledgement_or_skipped_and_nothing_else(schedule in schedule()) {
        holds(Law::I2, schedule)?;
    }

    #[test]
    fn i3_of_a_key_one_record_runs_or_is_parked_and_the_next_starts_when_it_is_resolved(schedule in schedule()) {
        holds(Law::I3, schedule)?;
    }

    #[test]
    fn i4_a_snapshot_adds_up_exactly_the_offsets_it_calls_resolved(schedule in schedule()) {
        holds(Law::I4, schedule)?;
    }

    #[test]
    fn i5_answers_of_a_turn_or_assignment_that_is_over_change_nothing(schedule in schedule()) {
        holds(Law::I5, schedule)?;
    }

    #[test]
    fn i6_bytes_and_offsets_stay_within_their_limits(schedule in schedule()) {
        holds(Law::I6, schedule)?;
    }

    #[test]
    fn i7_no_retry_starts_early_and_none_is_left_when_it_is_due(schedule in schedule()) {
        holds(Law::I7, schedule)?;
    }

    #[test]
    fn every_order_ends_as_it_must_and_is_counted_once_whatever_happens(schedule in schedule()) {
        holds(Law::Once, schedule)?;
    }

    #[test]
    fn the_engine_answers_as_the_reference_model_does(schedule in schedule()) {
        holds(Law::Model, schedule)?;
    }
}
