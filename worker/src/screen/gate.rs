//! How often lines are shown: each order while they come slowly, a progress line a second when they do not.
//!
//! Deliberately without a clock: time comes in.

use engine::time::Time;

/// Above this many orders a second lines give way to progress.
const LINES_A_SECOND: u32 = 20;
const SECOND: u64 = 1_000_000;

/// Lets lines of one kind through while there are at most 20 a second. In the second that brings more the first 20
/// pass; then none, until a whole second has brought no more than 20 again.
#[derive(Debug, Default)]
pub struct Gate {
    second: u64,
    seen: u32,
    shut: bool,
}

impl Gate {
    /// Whether the line that came up at `now` may be shown. Call it for each line, shown or not.
    pub fn admits(&mut self, now: Time) -> bool {
        self.note(now, 1)
    }

    /// Notes `count` orders at once, as a batch brings them; true when one line may be shown for them.
    pub fn note(&mut self, now: Time, count: u32) -> bool {
        let second = now.0 / SECOND;
        if second != self.second {
            let quiet = self.seen <= LINES_A_SECOND || second > self.second + 1;
            self.shut = self.shut && !quiet;
            self.second = second;
            self.seen = 0;
        }
        self.seen = self.seen.saturating_add(count);
        self.shut = self.shut || self.seen > LINES_A_SECOND;
        !self.shut
    }

    /// Whether lines are being held back, so that progress has to be shown instead.
    pub fn is_shut(&self) -> bool {
        self.shut
    }
}

/// Says once a second that a second is over.
#[derive(Debug, Default)]
pub struct Ticker {
    next: Time,
}

impl Ticker {
    /// A ticker whose first tick is one second after `now`.
    pub fn new(now: Time) -> Self {
        Self { next: Time(now.0 + SECOND) }
    }

    /// True once for each second; seconds that were slept through are not made up for.
    pub fn ticks(&mut self, now: Time) -> bool {
        if now < self.next {
            return false;
        }
        self.next = Time(now.0 - (now.0 - self.next.0) % SECOND + SECOND);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, SECOND, Ticker};
    use engine::time::Time;

    fn shown(gate: &mut Gate, second: u64, lines: u64) -> usize {
        (0..lines).filter(|line| gate.admits(Time(second * SECOND + line))).count()
    }

    #[test]
    fn slow_orders_are_all_shown() {
        let mut gate = Gate::default();
        assert_eq!((0..5).map(|second| shown(&mut gate, second, 20)).sum::<usize>(), 100);
        assert!(!gate.is_shut());
    }

    #[test]
    fn a_burst_shows_its_beginning_and_then_progress() {
        let mut gate = Gate::default();
        assert_eq!(shown(&mut gate, 0, 50), 20);
        assert!(gate.is_shut());
        assert_eq!(shown(&mut gate, 1, 50), 0);
    }

    #[test]
    fn lines_return_after_a_quiet_second() {
        let mut gate = Gate::default();
        shown(&mut gate, 0, 50);
        assert_eq!(shown(&mut gate, 1, 5), 0, "the second that proves quiet is still silent");
        assert_eq!(shown(&mut gate, 2, 5), 5);
        shown(&mut gate, 3, 50);
        assert_eq!(shown(&mut gate, 9, 5), 5, "nothing came for seconds");
    }

    #[test]
    fn a_ticker_ticks_once_a_second_and_keeps_its_beat() {
        let mut ticker = Ticker::new(Time(500));
        assert!(!ticker.ticks(Time(SECOND)));
        assert!(ticker.ticks(Time(SECOND + 700)));
        assert!(!ticker.ticks(Time(SECOND + 900)));
        assert!(ticker.ticks(Time(2 * SECOND + 500)));
        assert!(ticker.ticks(Time(9 * SECOND + 600)), "one tick for seven seconds");
        assert!(!ticker.ticks(Time(10 * SECOND + 499)));
        assert!(ticker.ticks(Time(10 * SECOND + 500)));
    }
}
