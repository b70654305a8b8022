//! One moment on both clocks: the monotonic one decides, the wall clock is what people and records read.
//!
//! Deliberately read once for a batch of records, not for each.

use engine::time::Time;

use crate::clock::Clock;

/// Now, as it was read once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Monotonic, since the process's clock was started.
    pub(crate) now: Time,
    /// Milliseconds since 1970.
    pub(crate) wall_milliseconds: i64,
}

impl Moment {
    /// Reads both clocks.
    pub(crate) fn read(clock: &Clock) -> Self {
        Self { now: clock.now(), wall_milliseconds: clock.wall_milliseconds() }
    }
}
