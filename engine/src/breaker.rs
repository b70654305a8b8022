//! Two guards over sliding windows of virtual time: the circuit breaker of a handler that depends on something, and
//! the flood guard that stops a bad deployment from pouring a topic into the dead-letter queue.
//!
//! Deliberately passive: they say what is allowed; the caller stops intake, holds records and tells people.

use std::time::Duration;

use crate::time::Time;

const BUCKETS: usize = 10;

/// The newest buckets of the window that may open a breaker by themselves: after a long good time the whole window
/// would need half of its length to notice that everything fails.
const RECENT: usize = 3;

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

    /// (all, bad) of the whole window.
    fn sums(&mut self, now: Time) -> (u64, u64) {
        self.newest_sums(now, BUCKETS)
    }

    /// (all, bad) of the newest buckets, the one that is being filled included.
    fn newest_sums(&mut self, now: Time, buckets: usize) -> (u64, u64) {
        self.advance(now);
        let place = |back: u64| ((self.newest + BUCKETS as u64 - back) % BUCKETS as u64) as usize;
        let counts = (0..buckets as u64).map(|back| self.counts[place(back)]);
        counts.fold((0, 0), |(all, bad), count| (all + count.0, bad + count.1))
    }

    fn clear(&mut self) {
        self.counts = [(0, 0); BUCKETS];
    }
}

/// What a breaker or guard allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    #[default]
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
    /// Length of the window. The last three tenths of it open the breaker, too, if they hold calls enough.
    pub window: Duration,
    /// How long it stays open before probing.
    pub open_for: Duration,
    /// Calls that are tried before it closes or opens again, whichever the same share of them says.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    /// Half of at least 50 calls in 10 s; probes with 5 calls after 2 s.
    fn default() -> Self {
        Self {
            minimum_calls: 50,
            ratio_percent: 50.0,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(2),
            probes: 5,
        }
    }
}

/// Leave for one call. It remembers the spell of the breaker in which it was given: what a call says that began before
/// the last opening, or among probes that were given up, is no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit(u32);

/// Circuit breaker of one dependency.
///
/// A spell begins when it opens and whenever probes are given anew; results count in the spell of their permit alone.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    window: RatioWindow,
    state: BreakerState,
    spell: u32,
    /// When it opened, or when probing began.
    since: Time,
    probes: Probes,
}

/// What became of the probes of one spell.
#[derive(Clone, Copy, Debug, Default)]
struct Probes {
    given: u32,
    succeeded: u32,
    failed: u32,
}

impl Breaker {
    /// Closed, with an empty window.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            window: RatioWindow::new(policy.window),
            state: BreakerState::Closed,
            spell: 0,
            since: Time::ZERO,
            probes: Probes::default(),
        }
    }

    /// What it allowed when it was last asked or told.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// How many calls may begin now: no limit (`u32::MAX`) while it is closed, none while it is open. One that was open
    /// for long enough becomes half open by being asked.
    pub fn room(&mut self, now: Time) -> u32 {
        match self.state {
            BreakerState::Closed => u32::MAX,
            BreakerState::Open => {
                if now.since(self.since) >= self.policy.open_for {
                    self.probe(now);
                }
                self.probes_left()
            }
            BreakerState::HalfOpen => {
                let Probes { given, succeeded, failed } = self.probes;
                // Probes that do not answer (they hang) are not waited for.
                if given > succeeded + failed && now.since(self.since) >= self.policy.open_for {
                    self.probe(now);
                }
                self.probes_left()
            }
        }
    }

    /// Leave for one call, if there is [`Self::room`]; one of a half-open breaker is one of its probes, so make the call.
    pub fn permit(&mut self, now: Time) -> Option<Permit> {
        if self.room(now) == 0 {
            return None;
        }
        if self.state == BreakerState::HalfOpen {
            self.probes.given += 1;
        }
        Some(Permit(self.spell))
    }

    /// Tells how a call went.
    pub fn record(&mut self, now: Time, permit: Permit, ok: bool) {
        if permit.0 != self.spell {
            return;
        }
        match self.state {
            BreakerState::Closed => self.record_closed(now, ok),
            BreakerState::Open => {}
            BreakerState::HalfOpen => self.record_probe(now, ok),
        }
    }

    /// Whether a failed call is its order's own: not while the dependency is taken to be down, nor if it was at any time
    /// since the call began. Ask after [`Self::record`].
    #[must_use]
    pub fn blames_the_order(&self, permit: Permit) -> bool {
        self.state == BreakerState::Closed && permit.0 == self.spell
    }

    /// Opens it, if it is closed, for what the caller knows besides.
    pub fn trip(&mut self, now: Time) {
        if self.state == BreakerState::Closed {
            self.open(now);
        }
    }

    /// There is nothing left to probe with: closes a half-open one whose probes went well so far.
    pub fn settle_for_less(&mut self) {
        if self.state == BreakerState::HalfOpen && self.probes.succeeded > 0 && self.probes.failed == 0 {
            self.close();
        }
    }

    fn record_closed(&mut self, now: Time, ok: bool) {
        self.window.record(now, ok);
        if !ok && [BUCKETS, RECENT].into_iter().any(|buckets| self.is_too_much(now, buckets)) {
            self.open(now);
        }
    }

    fn is_too_much(&mut self, now: Time, buckets: usize) -> bool {
        let (all, bad) = self.window.newest_sums(now, buckets);
        all >= self.policy.minimum_calls && bad as f64 * 100.0 >= self.policy.ratio_percent * all as f64
    }

    /// The share that opened it, of all probes, decides; an answer of each is not waited for.
    fn record_probe(&mut self, now: Time, ok: bool) {
        self.probes.succeeded += u32::from(ok);
        self.probes.failed += u32::from(!ok);
        let all = f64::from(self.policy.probes);
        if f64::from(self.probes.failed) * 100.0 >= self.policy.ratio_percent * all {
            self.open(now);
        } else if f64::from(self.probes.succeeded) * 100.0 > (100.0 - self.policy.ratio_percent) * all {
            self.close();
        }
    }

    fn close(&mut self) {
        self.window.clear();
        self.state = BreakerState::Closed;
    }

    fn open(&mut self, now: Time) {
        self.state = BreakerState::Open;
        self.begin_spell(now);
    }

    fn probe(&mut self, now: Time) {
        self.state = BreakerState::HalfOpen;
        self.begin_spell(now);
    }

    fn begin_spell(&mut self, now: Time) {
        self.spell = self.spell.wrapping_add(1);
        self.since = now;
        self.probes = Probes::default();
    }

    fn probes_left(&self) -> u32 {
        if self.state == BreakerState::HalfOpen { self.policy.probes.saturating_sub(self.probes.given) } else { 0 }
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
mod tests;
