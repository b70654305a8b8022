//! Two guards over sliding windows of virtual time: the circuit breaker of a handler that depends on something, and
//! the flood guard that stops a bad deployment from pouring a topic into the dead-letter queue.
//!
//! Deliberately passive: they say what is allowed; the caller stops intake, holds records and tells people.

use std::time::Duration;

use crate::time::Time;

const BUCKETS: usize = 10;

/// Counts of good and bad over the last `length`, in ten buckets: what is older than that, less up to a tenth, is forgotten.
#[derive(Clone, Debug)]
struct RatioWindow {
    bucket: Duration,
    newest: u64,
    counts: [(u64, u64); BUCKETS],
}

impl RatioWindow {
    fn new(length: Duration) -> Self {
        Self { bucket: length / 10, newest: 0, counts: [(0, 0); BUCKETS] }
    }

    fn advance(&mut self, now: Time) {
        let number = now.0 / u64::try_from(self.bucket.as_micros()).unwrap_or(u64::MAX).max(1);
        let steps = number.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 0..steps {
            self.counts[((number - step) % BUCKETS as u64) as usize] = (0, 0);
        }
        self.newest = self.newest.max(number);
    }

    fn record(&mut self, now: Time, ok: bool) {
        self.advance(now);
        let count = &mut self.counts[(self.newest % BUCKETS as u64) as usize];
        count.0 += 1;
        count.1 += u64::from(!ok);
    }

    /// (all, bad)
    fn sums(&mut self, now: Time) -> (u64, u64) {
        self.advance(now);
        self.counts.iter().fold((0, 0), |(all, bad), count| (all + count.0, bad + count.1))
    }

    fn clear(&mut self) {
        self.counts = [(0, 0); BUCKETS];
    }
}

/// What a breaker or guard allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// A few probes pass; what they find decides.
    HalfOpen,
}

/// When a breaker opens and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Calls in the window below which nothing is concluded.
    pub minimum_calls: u64,
    /// Failing share, in per cent, from which it opens.
    pub ratio_percent: f64,
    /// Length of the window.
    pub window: Duration,
    /// How long it stays open before probing.
    pub open_for: Duration,
    /// Probes that all have to succeed.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    /// Half of at least 50 calls in 10 s; probes with 5 calls after 10 s.
    fn default() -> Self {
        Self {
            minimum_calls: 50,
            ratio_percent: 50.0,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(10),
            probes: 5,
        }
    }
}

/// Circuit breaker of one dependency.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    window: RatioWindow,
    state: BreakerState,
    /// When it opened, or when probing began.
    since: Time,
    probes_given: u32,
    probes_succeeded: u32,
}

impl Breaker {
    /// Closed, with an empty window.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            window: RatioWindow::new(policy.window),
            state: BreakerState::Closed,
            since: Time::ZERO,
            probes_given: 0,
            probes_succeeded: 0,
        }
    }

    /// What it allowed when it was last asked or told.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a call may be made now; each `true` of a half-open breaker is one of its probes, so make the call.
    pub fn permit(&mut self, now: Time) -> bool {
        match self.state {
            BreakerState::Closed => true,
            BreakerState::Open | BreakerState::HalfOpen => self.permit_probe(now),
        }
    }

    /// Tells how a call went. Results of calls begun before it opened are ignored while it is open.
    pub fn record(&mut self, now: Time, ok: bool) {
        match self.state {
            BreakerState::Closed => self.record_closed(now, ok),
            BreakerState::Open => {}
            BreakerState::HalfOpen if ok => {
                self.probes_succeeded += 1;
                if self.probes_succeeded >= self.policy.probes {
                    self.window.clear();
                    self.state = BreakerState::Closed;
                }
            }
            BreakerState::HalfOpen => self.open(now),
        }
    }

    fn record_closed(&mut self, now: Time, ok: bool) {
        self.window.record(now, ok);
        if ok {
            return;
        }
        let (all, bad) = self.window.sums(now);
        if all >= self.policy.minimum_calls && bad as f64 * 100.0 >= self.policy.ratio_percent * all as f64 {
            self.open(now);
        }
    }

    fn open(&mut self, now: Time) {
        self.state = BreakerState::Open;
        self.since = now;
    }

    /// Probes whose result never came are given anew after `open_for`.
    fn permit_probe(&mut self, now: Time) -> bool {
        let rested = now.since(self.since) >= self.policy.open_for;
        if rested {
            self.state = BreakerState::HalfOpen;
            self.since = now;
            self.probes_given = 0;
            self.probes_succeeded = 0;
        }
        let allowed = self.state == BreakerState::HalfOpen && self.probes_given < self.policy.probes;
        self.probes_given += u32::from(allowed);
        allowed
    }
}

/// Stops intake when too large a share of the records is given up; stays so until `reset`.
#[derive(Clone, Debug)]
pub struct FloodGuard {
    ratio_percent: f64,
    minimum_records: u64,
    window: RatioWindow,
    state: BreakerState,
}

impl FloodGuard {
    /// Trips above `ratio_percent` of at least 1,000 records in 60 s; 100 or more never trips.
    #[must_use]
    pub fn new(ratio_percent: f64) -> Self {
        Self {
            ratio_percent,
            minimum_records: 1000,
            window: RatioWindow::new(Duration::from_secs(60)),
            state: BreakerState::Closed,
        }
    }

    /// `Closed` = intake goes on, `Open` = it has to stop; never `HalfOpen`.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether records may be taken in.
    #[must_use]
    pub fn permit(&self, _now: Time) -> bool {
        self.state == BreakerState::Closed
    }

    /// Tells how `records` ended, `dead_lettered` of them given up.
    pub fn record(&mut self, now: Time, ok: bool) {
        self.window.record(now, ok);
        if ok {
            return;
        }
        let (all, bad) = self.window.sums(now);
        if all >= self.minimum_records && bad as f64 * 100.0 > self.ratio_percent * all as f64 {
            self.state = BreakerState::Open;
        }
    }

    /// Lets records in again, with an empty window.
    pub fn reset(&mut self) {
        self.window.clear();
        self.state = BreakerState::Closed;
    }
}
