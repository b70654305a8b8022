//! The worker's clock: the one place of the roles where time is read; everything below takes it as an argument.
//!
//! Deliberately not a trait: what has to be tested with other times takes times, not clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use engine::time::Time;

/// A monotonic clock that starts at 0 when it is made, and the wall clock beside it. Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::disallowed_methods, reason = "this file is where the worker reads the clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Time since the start, for pacing, latencies and the engine.
    #[expect(clippy::disallowed_methods, reason = "this file is where the worker reads the clock")]
    pub fn now(&self) -> Time {
        Time::ZERO + Instant::now().saturating_duration_since(self.origin)
    }

    /// Wall-clock time, milliseconds since 1970-01-01T00:00:00Z; 0 for a clock that is set before that.
    #[expect(clippy::disallowed_methods, reason = "this file is where the worker reads the clock")]
    pub fn wall_milliseconds(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn time_never_runs_backwards() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(clock.wall_milliseconds() > 1_600_000_000_000, "later than 2020");
    }
}
