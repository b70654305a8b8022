//! Simulated failures: a pure function of (seed, order id, attempt), the same in every process and replay.
//!
//! Deliberately without a random generator, so that tests can compute the exact outcome of every order.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Whether try number `attempt` of an order fails, with `percent` (0 to 100) of all tries failing. Any numbering will do;
/// the worker counts from 1.
#[must_use]
pub fn fails(seed: u64, order_id: &[u8], attempt: u32, percent: f64) -> bool {
    happens(mix(seed, 1 + u64::from(attempt)), order_id, percent)
}

/// Whether an order is one of the `percent` (0 to 100) that never succeed.
#[must_use]
pub fn permanent(seed: u64, order_id: &[u8], percent: f64) -> bool {
    happens(mix(seed, 0), order_id, percent)
}

fn happens(seed: u64, order_id: &[u8], percent: f64) -> bool {
    if percent <= 0.0 {
        return false;
    }
    let share = (xxh3_64_with_seed(order_id, seed) >> 11) as f64 / (1u64 << 53) as f64;
    share * 100.0 < percent
}

/// One seed for each (seed, purpose).
fn mix(seed: u64, purpose: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&purpose.to_le_bytes());
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(number_of: u32, happens: impl Fn(&[u8]) -> bool) -> f64 {
        let count = (0..number_of).filter(|number| happens(format!("order-{number:06}").as_bytes())).count();
        count as f64 * 100.0 / f64::from(number_of)
    }

    /// The same on every platform, for ever: tests and demos elsewhere count on who fails.
    #[test]
    fn who_fails_never_changes() {
        let failing = |attempt| -> Vec<u32> {
            (0..40).filter(|number| fails(42, format!("order-{number:06}").as_bytes(), attempt, 15.0)).collect()
        };
        assert_eq!(failing(0), GOLDEN_FIRST);
        assert_eq!(failing(1), GOLDEN_SECOND);
        let permanent: Vec<u32> =
            (0..40).filter(|number| permanent(42, format!("order-{number:06}").as_bytes(), 10.0)).collect();
        assert_eq!(permanent, GOLDEN_PERMANENT);
        assert_eq!(mix(42, 1), GOLDEN_SEED);
    }

    const GOLDEN_FIRST: &[u32] = &[9, 18, 21, 38];
    const GOLDEN_SECOND: &[u32] = &[11, 16, 19, 23, 31];
    const GOLDEN_PERMANENT: &[u32] = &[5, 10, 17, 24];
    const GOLDEN_SEED: u64 = 12_724_497_122_058_697_963;

    #[test]
    fn as_many_fail_as_asked_for() {
        for percent in [0.0, 0.1, 1.0, 15.0, 50.0, 99.9, 100.0] {
            let bound = 3.5 * (percent * (100.0 - percent) / 100_000.0_f64).sqrt();
            let tries = share(100_000, |id| fails(7, id, 0, percent));
            assert!((tries - percent).abs() <= bound, "{tries} of {percent}");
            let orders = share(100_000, |id| permanent(7, id, percent));
            assert!((orders - percent).abs() <= bound, "{orders} of {percent}");
        }
    }

    #[test]
    fn tries_seeds_and_permanence_are_independent() {
        let first = |id: &[u8]| fails(1, id, 0, 15.0);
        let both = [
            share(100_000, |id| first(id) && fails(1, id, 1, 15.0)),
            share(100_000, |id| first(id) && fails(2, id, 0, 15.0)),
            share(100_000, |id| first(id) && permanent(1, id, 15.0)),
        ];
        assert!(both.iter().all(|share| (share - 2.25).abs() < 0.2), "{both:?}");
    }

    #[test]
    fn a_percentage_that_is_none_fails_nobody() {
        assert!(!fails(1, b"x", 0, f64::NAN) && !fails(1, b"x", 0, -5.0));
        assert!(fails(1, b"x", 0, 1e9));
    }
}
