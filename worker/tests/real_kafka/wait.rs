//! Waiting for a condition with a deadline: the only place where these tests sleep.
//!
//! Deliberately no assertion on speed: deadlines are bounds on hangs.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// The usual deadline: far above what a busy two-core machine needs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers; panics after `deadline` with `what` was waited for and what was `seen` last.
pub(crate) fn until_within<T>(
    deadline: Duration,
    what: &str,
    seen: impl Fn() -> String,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let started = now();
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        let waited = now() - started;
        assert!(waited < deadline, "waited {waited:?} for {what}; seen:\n{}", seen());
        sleep(PAUSE);
    }
}

/// [`until_within`] the usual [`DEADLINE`].
pub(crate) fn until<T>(what: &str, seen: impl Fn() -> String, probe: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, seen, probe)
}

#[expect(clippy::disallowed_methods, reason = "a deadline on real processes needs the real clock")]
fn now() -> Instant {
    Instant::now()
}
