//! Monotonic time as the engine sees it: a number the caller supplies.
//!
//! Deliberately not a clock: nothing here can tell what time it is.

use std::{ops::Add, time::Duration};

/// Microseconds since an origin of the caller's choice; never goes back within a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The origin itself.
    pub const ZERO: Time = Time(0);

    /// How long it is from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at the end of time (584,000 years) instead of wrapping.
    fn add(self, delay: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)))
    }
}
