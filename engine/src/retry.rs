//! When a failed order is tried again, and when it is given up: pure functions of the policy and its past.
//!
//! Deliberately without a timer (see `timer`) and without chance: jitter is a hash of a seed the caller gives.

use std::time::Duration;

use snafu::{Snafu, ensure};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::failure::{Disposition, FailureClass, Treatment};

/// The most retries a policy may have; the report's `retriesByNumber` has as many places.
pub const MAXIMUM_RETRIES: u8 = 20;
/// The longest delay a policy may ask for.
pub const MAXIMUM_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// What is wrong with a policy.
#[derive(Debug, Snafu, PartialEq)]
pub enum Error {
    /// More than [`MAXIMUM_RETRIES`].
    #[snafu(display("max retries {max_retries} is above {MAXIMUM_RETRIES}; use 0 to {MAXIMUM_RETRIES}"))]
    TooManyRetries {
        /// What was asked for.
        max_retries: u32,
    },
    /// A delay of nothing would spin.
    #[snafu(display("initial backoff {initial:?} is not between 1 ms and the max backoff {max:?}"))]
    InitialOutOfRange {
        /// What was asked for.
        initial: Duration,
        /// The upper end.
        max: Duration,
    },
    /// Longer than a day.
    #[snafu(display("max backoff {max:?} is longer than 24 h"))]
    MaxOutOfRange {
        /// What was asked for.
        max: Duration,
    },
    /// Below 1 delays would shrink; NaN and infinity are no numbers to multiply with.
    #[snafu(display("backoff multiplier {multiplier} is not between 1 and 1000"))]
    MultiplierOutOfRange {
        /// What was asked for.
        multiplier: f64,
    },
    /// A share of the delay cannot be more than all of it.
    #[snafu(display("jitter of {jitter_percent} % is not between 0 and 100 %"))]
    JitterOutOfRange {
        /// What was asked for.
        jitter_percent: f64,
    },
}

/// How often and when a failed order is tried again: the delay before retry `n` (counted from 1) is
/// `initial * multiplier^(n-1)`, at most `max`, then lengthened by up to `jitter_percent`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    max_retries: u8,
    base: [Duration; MAXIMUM_RETRIES as usize + 1],
    jitter_percent: f64,
}

impl RetryPolicy {
    /// Checks the numbers and works out the delays.
    ///
    /// # Errors
    /// One [`Error`] for each number that is out of its range.
    pub fn new(
        max_retries: u32,
        initial: Duration,
        multiplier: f64,
        max: Duration,
        jitter_percent: f64,
    ) -> Result<Self, Error> {
        ensure!(max_retries <= u32::from(MAXIMUM_RETRIES), TooManyRetriesSnafu { max_retries });
        ensure!(max <= MAXIMUM_BACKOFF, MaxOutOfRangeSnafu { max });
        ensure!(initial >= Duration::from_millis(1) && initial <= max, InitialOutOfRangeSnafu { initial, max });
        ensure!((1.0..=1000.0).contains(&multiplier), MultiplierOutOfRangeSnafu { multiplier });
        ensure!((0.0..=100.0).contains(&jitter_percent), JitterOutOfRangeSnafu { jitter_percent });
        let mut base = [max; MAXIMUM_RETRIES as usize + 1];
        let mut seconds = initial.as_secs_f64();
        for delay in &mut base {
            *delay = Duration::try_from_secs_f64(seconds).map_or(max, |exact| exact.min(max));
            seconds *= multiplier;
        }
        let max_retries = u8::try_from(max_retries).expect("checked to be at most 20");
        Ok(Self { max_retries, base, jitter_percent })
    }

    /// The most retries an order gets.
    #[must_use]
    pub fn max_retries(&self) -> u8 {
        self.max_retries
    }

    /// The delay before retry `retry_number` (from 1); the same for the same `jitter_seed`.
    #[must_use]
    pub fn delay(&self, retry_number: u8, jitter_seed: u64) -> Duration {
        let place = usize::from(retry_number.max(1) - 1).min(self.base.len() - 1);
        let base = self.base[place];
        if self.jitter_percent == 0.0 {
            return base;
        }
        let share = (xxh3_64_with_seed(&[retry_number], jitter_seed) >> 11) as f64 / (1u64 << 53) as f64;
        base + base.mul_f64(share * self.jitter_percent / 100.0)
    }

    /// The longest delay this policy can ask for, jitter included.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let base = self.base[self.base.len() - 1];
        base + base.mul_f64(self.jitter_percent / 100.0)
    }
}

impl Default for RetryPolicy {
    /// 3 retries after 1, 2 and 4 seconds.
    fn default() -> Self {
        Self::new(3, Duration::from_secs(1), 2.0, Duration::from_secs(30), 0.0).expect("the defaults are in range")
    }
}

/// What an order's past says when it fails once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Past {
    /// Retries it was given so far.
    pub(crate) retries: u8,
    /// Whether its handler panicked before.
    pub(crate) panicked: bool,
}

/// What is to be done with an order that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again, as one more retry.
    Retry,
    /// Try again when what it needs is back; costs no retry.
    Hold,
    /// Give up.
    DeadLetter(Disposition),
    /// Resolved without a trace but the counter.
    Skip,
}

/// Decides from the class alone what its treatment and the order's past allow.
pub(crate) fn decide(policy: &RetryPolicy, past: Past, class: FailureClass) -> Decision {
    let exhausted = past.retries >= policy.max_retries;
    match class.treatment() {
        Treatment::Skip => Decision::Skip,
        Treatment::Hold => Decision::Hold,
        Treatment::DeadLetter => Decision::DeadLetter(disposition_at_once(class)),
        Treatment::RetryOnce if past.panicked || exhausted => Decision::DeadLetter(Disposition::RetriesExhausted),
        Treatment::Retry if exhausted => Decision::DeadLetter(Disposition::RetriesExhausted),
        Treatment::Retry | Treatment::RetryOnce => Decision::Retry,
    }
}

fn disposition_at_once(class: FailureClass) -> Disposition {
    if class == FailureClass::Rejected { Disposition::Rejected } else { Disposition::Permanent }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_waits_1_2_and_4_seconds() {
        let policy = RetryPolicy::default();
        let delays = [1, 2, 3].map(|number| policy.delay(number, 99).as_millis());
        assert_eq!((delays, policy.max_retries()), ([1000, 2000, 4000], 3));
        assert_eq!(policy.delay(9, 0), Duration::from_secs(30), "at most the max");
    }

    #[test]
    fn each_number_out_of_range_has_its_refusal() {
        let second = Duration::from_secs(1);
        let day = Duration::from_secs(24 * 60 * 60);
        let error = |retries, initial, multiplier, max, jitter| {
            RetryPolicy::new(retries, initial, multiplier, max, jitter).err()
        };
        assert_eq!(error(20, second, 1.0, day, 100.0), None);
        assert_eq!(error(21, second, 2.0, second, 0.0), Some(Error::TooManyRetries { max_retries: 21 }));
        let initial = Duration::ZERO;
        assert_eq!(error(3, initial, 2.0, second, 0.0), Some(Error::InitialOutOfRange { initial, max: second }));
        assert_eq!(error(3, day, 2.0, second, 0.0), Some(Error::InitialOutOfRange { initial: day, max: second }));
        let max = day + Duration::from_millis(1);
        assert_eq!(error(3, second, 2.0, max, 0.0), Some(Error::MaxOutOfRange { max }));
        assert_eq!(error(3, second, 0.9, day, 0.0), Some(Error::MultiplierOutOfRange { multiplier: 0.9 }));
        assert!(matches!(error(3, second, f64::NAN, day, 0.0), Some(Error::MultiplierOutOfRange { .. })));
        let jitter_percent = 100.5;
        assert_eq!(error(3, second, 2.0, day, jitter_percent), Some(Error::JitterOutOfRange { jitter_percent }));
    }

    proptest! {
        #[test]
        fn delays_grow_stay_within_their_bounds_and_are_the_same_for_the_same_seed(
            initial in 1..100_000u64, multiplier in 1.0..20.0f64, max in 0..100_000u64, jitter in 0.0..100.0f64, seed: u64,
        ) {
            let (initial, max) = (Duration::from_millis(initial), Duration::from_millis(initial + max));
            let policy = RetryPolicy::new(20, initial, multiplier, max, jitter).expect("in range");
            let plain = RetryPolicy::new(20, initial, multiplier, max, 0.0).expect("in range");
            let mut before = initial;
            for number in 1..=20 {
                let (base, delay) = (plain.delay(number, seed), policy.delay(number, seed));
                prop_assert!(before <= base && base <= max);
                prop_assert!(base <= delay && delay <= base + base.mul_f64(jitter / 100.0) && delay <= policy.longest());
                prop_assert_eq!(delay, policy.delay(number, seed));
                before = base;
            }
        }
    }

    #[test]
    fn what_an_order_gets_follows_from_its_class_and_its_past() {
        let policy = RetryPolicy::default();
        let decision = |retries, panicked, class| decide(&policy, Past { retries, panicked }, class);
        let exhausted = Decision::DeadLetter(Disposition::RetriesExhausted);
        assert_eq!(decision(2, false, FailureClass::Transient), Decision::Retry);
        assert_eq!(decision(3, false, FailureClass::Transient), exhausted);
        assert_eq!(decision(3, false, FailureClass::SchemaUnknown), exhausted);
        assert_eq!(decision(1, false, FailureClass::HandlerPanic), Decision::Retry);
        assert_eq!(decision(1, true, FailureClass::HandlerPanic), exhausted);
        assert_eq!(decision(3, false, FailureClass::HandlerPanic), exhausted);
        assert_eq!(decision(3, false, FailureClass::DependencyDown), Decision::Hold);
        assert_eq!(decision(3, false, FailureClass::RegistryUnavailable), Decision::Hold);
        assert_eq!(decision(0, false, FailureClass::Invalid), Decision::DeadLetter(Disposition::Permanent));
        assert_eq!(decision(0, false, FailureClass::Rejected), Decision::DeadLetter(Disposition::Rejected));
        assert_eq!(decision(0, false, FailureClass::Tombstone), Decision::Skip);
    }
}
