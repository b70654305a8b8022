//! How long to wait before a question is asked again: doubling, with full jitter, never sooner than the server asked for.
//!
//! "Full jitter" is a wait by chance between nothing and the doubled delay (AWS Architecture Blog, "Exponential Backoff
//! And Jitter"): members that were cut off together do not come back together. Deliberately without a clock; chance
//! comes in as a seed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The first delay to choose from.
const FIRST: Duration = Duration::from_millis(100);

/// The longest delay to choose from.
const LONGEST: Duration = Duration::from_secs(10);

/// The longest that a server may ask for: one that says more is asked again all the same.
const LONGEST_ASKED_FOR: Duration = Duration::from_mins(10);

/// A stream of chance (splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// A stream that differs where anything of `origin` does.
    pub(crate) fn new(origin: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// A stream of its own for each `branch`.
    pub(crate) fn fork(&self, branch: impl Hash) -> Self {
        Self::new((self.0, branch))
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How often a question failed so far.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    chance: Chance,
}

impl Backoff {
    /// Before the first failure.
    pub(crate) fn new(chance: Chance) -> Self {
        Self { failures: 0, chance }
    }

    /// How long to wait after one more failure; `asked_for` is what the server said.
    pub(crate) fn next(&mut self, asked_for: Option<Duration>) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        asked_for.unwrap_or_default().min(LONGEST_ASKED_FOR) + doubled.mul_f64(self.chance.share())
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Chance, Duration};

    #[test]
    fn delays_are_chosen_below_a_bound_that_doubles_up_to_ten_seconds() {
        let mut bounds = [0.0_f64; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(Chance::new(seed));
            for bound in &mut bounds {
                *bound = bound.max(backoff.next(None).as_secs_f64());
            }
        }
        let expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0, 10.0];
        for (bound, expected) in bounds.into_iter().zip(expected) {
            assert!(bound <= expected && bound > expected * 0.95, "{bound} of {expected}");
        }
    }

    #[test]
    fn some_come_back_at_once_and_no_two_together() {
        let first = |seed| Backoff::new(Chance::new(("host", seed))).next(None);
        let mut delays: Vec<Duration> = (0..100).map(first).collect();
        delays.sort_unstable();
        delays.dedup();
        assert_eq!(delays.len(), 100);
        assert!(delays[0] < Duration::from_millis(10) && delays[99] > Duration::from_millis(90));
    }

    #[test]
    fn what_the_server_asks_for_is_waited_for_within_reason() {
        let mut backoff = Backoff::new(Chance::new(7));
        let asked = Duration::from_secs(30);
        assert!((asked..asked + Duration::from_millis(100)).contains(&backoff.next(Some(asked))));
        assert!(backoff.next(Some(Duration::from_hours(24))) < Duration::from_secs(601));
    }
}
