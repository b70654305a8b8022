//! What a run is asked for: how long, and with which seed.
//!
//! From the environment, because a test takes no arguments. Deliberately nothing else can be set: a run is its seed.

use std::{env, time::Duration};

use crate::clock;

/// Long enough for most kinds of faults once.
const SECONDS: u64 = 180;

/// What a run is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long faults are made; starting, draining and comparing come on top.
    pub(crate) length: Duration,
    /// Where its chance starts.
    pub(crate) seed: u64,
}

impl Settings {
    /// `TORTURE_SECONDS` and `TORTURE_SEED`; without a seed, another one each time.
    pub(crate) fn read() -> Settings {
        Settings {
            length: Duration::from_secs(number("TORTURE_SECONDS").unwrap_or(SECONDS)),
            seed: number("TORTURE_SEED").unwrap_or_else(|| clock::seconds_since_1970() % 1_000_000),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads what a run is asked for")]
fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is '{text}', which is no number")))
}
