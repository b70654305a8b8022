//! The real clock, and waiting for it: faults last for a while.
//!
//! Deliberately apart from `wait.rs`: there a condition is waited for, here time has to pass.

use std::{
    sync::mpsc,
    time::{Duration, Instant, SystemTime},
};

/// The present.
#[expect(clippy::disallowed_methods, reason = "faults and their ends are measured on real processes")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// For a seed nobody gave.
#[expect(clippy::disallowed_methods, reason = "a run without a seed is to differ from the one before")]
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Lets a fault last until then.
pub(crate) fn pass_until(end: Instant) {
    // Nobody sends: what is waited for is the time-out.
    let (_sender, receiver) = mpsc::channel::<()>();
    receiver.recv_timeout(end.saturating_duration_since(now())).expect_err("nobody sends");
}

/// Lets a fault last so long.
pub(crate) fn pass(time: Duration) {
    pass_until(now() + time);
}

/// Times since it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(now())
    }

    /// The time since.
    pub(crate) fn elapsed(self) -> Duration {
        now() - self.0
    }
}
