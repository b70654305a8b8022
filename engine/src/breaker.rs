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
    bucket_microseconds: u64,
    newest: u64,
    counts: [(u64, u64); BUCKETS],
}

impl RatioWindow {
    fn new(length: Duration) -> Self {
        let bucket = (length / BUCKETS as u32).max(Duration::from_micros(1));
        let bucket_microseconds = u64::try_from(bucket.as_micros()).unwrap_or(u64::MAX);
        Self { bucket_microseconds, newest: 0, counts: [(0, 0); BUCKETS] }
    }

    fn advance(&mut self, now: Time) {
        let number = now.0 / self.bucket_microseconds;
        let steps = number.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 0..steps {
            self.counts[((number - step) % BUCKETS as u64) as usize] = (0, 0);
        }
        self.newest = self.newest.max(number);
    }

    fn record(&mut self, now: Time, ok: bool) {
        self.record_many(now, u64::from(ok), u64::from(!ok));
    }

    fn record_many(&mut self, now: Time, good: u64, bad: u64) {
        self.advance(now);
        let count = &mut self.counts[(self.newest % BUCKETS as u64) as usize];
        count.0 += good + bad;
        count.1 += bad;
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

    /// Tells how one record ended: `ok` unless it was given up.
    pub fn record(&mut self, now: Time, ok: bool) {
        self.record_many(now, u64::from(ok), u64::from(!ok));
    }

    /// Tells how many records ended well and how many were given up since it was last told.
    pub fn record_many(&mut self, now: Time, well: u64, given_up: u64) {
        self.window.record_many(now, well, given_up);
        if given_up == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn record(breaker: &mut Breaker, from: u64, good: usize, bad: usize) {
        (0..good).for_each(|_| breaker.record(Time(from), true));
        (0..bad).for_each(|_| breaker.record(Time(from), false));
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        record(&mut breaker, 100 * SECOND, 25, 25);
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn half_of_fifty_calls_opens_it() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        record(&mut breaker, 100 * SECOND, 25, 24);
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.record(Time(109 * SECOND), false);
        assert_eq!((breaker.state(), breaker.permit(Time(109 * SECOND))), (BreakerState::Open, false));
    }

    #[test]
    fn fewer_than_fifty_calls_or_less_than_half_never_open_it() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        record(&mut breaker, 0, 0, 49);
        record(&mut breaker, 11 * SECOND, 60, 50);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn calls_older_than_the_window_are_forgotten() {
        let mut breaker = Breaker::new(BreakerPolicy::default());
        record(&mut breaker, 5 * SECOND, 0, 49);
        breaker.record(Time(15 * SECOND), false);
        assert_eq!(breaker.state(), BreakerState::Closed, "ten seconds later");
        record(&mut breaker, 1_000 * SECOND, 0, 49);
        assert_eq!(breaker.state(), BreakerState::Closed, "long later");
    }

    #[test]
    fn five_good_probes_close_it() {
        let mut breaker = opened();
        assert!(!breaker.permit(Time(110 * SECOND - 1)));
        let now = Time(110 * SECOND);
        assert_eq!((0..9).filter(|_| breaker.permit(now)).count(), 5);
        (0..4).for_each(|_| breaker.record(now, true));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.record(now, true);
        assert_eq!((breaker.state(), breaker.permit(now)), (BreakerState::Closed, true));
        record(&mut breaker, 111 * SECOND, 0, 49);
        assert_eq!(breaker.state(), BreakerState::Closed, "what was before it opened is forgotten");
    }

    #[test]
    fn one_bad_probe_opens_it_again() {
        let mut breaker = opened();
        let now = Time(110 * SECOND);
        assert!(breaker.permit(now));
        breaker.record(now, false);
        assert_eq!((breaker.state(), breaker.permit(Time(119 * SECOND))), (BreakerState::Open, false));
        assert!(breaker.permit(Time(120 * SECOND)));
    }

    #[test]
    fn probes_that_never_answer_are_given_anew() {
        let mut breaker = opened();
        assert_eq!((0..9).filter(|_| breaker.permit(Time(110 * SECOND))).count(), 5);
        assert!(!breaker.permit(Time(119 * SECOND)));
        assert_eq!((0..9).filter(|_| breaker.permit(Time(120 * SECOND))).count(), 5);
    }

    #[test]
    fn late_results_of_calls_begun_before_do_not_keep_it_open() {
        let mut breaker = opened();
        breaker.record(Time(109 * SECOND), false);
        assert!(breaker.permit(Time(110 * SECOND)));
    }

    #[test]
    fn more_than_half_of_a_thousand_records_trips_the_guard_until_it_is_reset() {
        let mut guard = FloodGuard::new(50.0);
        for number in 0..1000 {
            assert!(guard.permit(Time(SECOND)));
            guard.record(Time(SECOND), number % 2 == 0);
        }
        assert_eq!(guard.state(), BreakerState::Closed, "exactly half is allowed");
        guard.record(Time(2 * SECOND), false);
        assert_eq!((guard.state(), guard.permit(Time(10_000 * SECOND))), (BreakerState::Open, false));
        guard.reset();
        assert!(guard.permit(Time(10_000 * SECOND)));
    }

    #[test]
    fn a_ratio_of_a_hundred_never_trips_the_guard() {
        let mut guard = FloodGuard::new(100.0);
        (0..5000).for_each(|_| guard.record(Time(0), false));
        assert!(guard.permit(Time(0)));
    }

    #[test]
    fn a_thousand_dead_letters_in_more_than_a_minute_do_not_trip_the_guard() {
        let mut guard = FloodGuard::new(50.0);
        (0..5000).for_each(|number| guard.record(Time(number * SECOND / 10), false));
        assert_eq!(guard.state(), BreakerState::Closed);
    }
}
