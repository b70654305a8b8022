//! When orders are due: an open loop, in which a slow broker makes orders late but never fewer.
//!
//! The time of each order follows from its number alone, so nothing drifts. What could not be sent for a while is made up
//! for, up to [`MOST_BEHIND`]; the rest of the delay moves the whole schedule. Deliberately without a clock.

use std::time::Duration;

use engine::time::Time;

use crate::config::Pace;

/// Orders that are later than this are not made up for: after an outage no flood comes.
const MOST_BEHIND: Duration = Duration::from_secs(1);

/// A schedule of orders.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Microseconds between two orders; `None`: each is due at once.
    interval: Option<f64>,
    /// When the order counted as number 0 was due.
    origin: Time,
    released: u64,
}

impl Pacer {
    /// A schedule whose first order is due at `now`.
    pub(super) fn new(pace: Pace, now: Time) -> Self {
        let interval = match pace {
            Pace::Unlimited => None,
            Pace::PerSecond(rate) => Some(1e6 / rate),
            Pace::Every(interval) => Some(interval.as_secs_f64() * 1e6),
        };
        Self { interval, origin: now, released: 0 }
    }

    /// Begins anew after the first order: the second is due one interval after `now`.
    pub(super) fn restart_after_first(&mut self, now: Time) {
        (self.origin, self.released) = (now, 1);
    }

    /// Orders a second; 0 = as many as go.
    pub(super) fn per_second(&self) -> f64 {
        self.interval.map_or(0.0, |interval| 1e6 / interval)
    }

    /// How many orders are due at `now`.
    pub(super) fn due(&mut self, now: Time) -> u64 {
        let Some(interval) = self.interval else { return u64::MAX };
        let behind = now.since(self.next(interval));
        if let Some(too_late) = behind.checked_sub(MOST_BEHIND.max(micros(interval))) {
            self.origin = self.origin + too_late;
        }
        let next = self.next(interval);
        if now < next { 0 } else { (now.since(next).as_secs_f64() * 1e6 / interval) as u64 + 1 }
    }

    /// How long it is from `now` to the next order.
    pub(super) fn until_due(&self, now: Time) -> Duration {
        self.interval.map_or(Duration::ZERO, |interval| self.next(interval).since(now))
    }

    /// When the next order is to be sent; without a schedule that is `now`.
    pub(super) fn peek(&self, now: Time) -> Time {
        self.interval.map_or(now, |interval| self.next(interval))
    }

    /// Takes one order off the schedule.
    pub(super) fn release(&mut self) {
        self.released += 1;
    }

    fn next(&self, interval: f64) -> Time {
        self.origin + micros(self.released as f64 * interval)
    }
}

fn micros(micros: f64) -> Duration {
    Duration::try_from_secs_f64(micros / 1e6).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000;

    /// Sends whatever is due at each of `moments`; when each order was to be sent.
    fn run(pacer: &mut Pacer, moments: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut sent = Vec::new();
        for now in moments {
            for _ in 0..pacer.due(Time(now)) {
                sent.push(pacer.peek(Time(now)).0);
                pacer.release();
            }
        }
        sent
    }

    #[test]
    fn orders_keep_their_times_however_the_thread_wakes() {
        let mut pacer = Pacer::new(Pace::PerSecond(3.0), Time(0));
        let sent = run(&mut pacer, (0..=100).map(|tenth| tenth * SECOND / 10));
        assert_eq!((sent.len(), &sent[..4]), (31, &[0, 333_333, 666_666, SECOND][..]));
        assert_eq!(
            run(&mut Pacer::new(Pace::Every(Duration::from_millis(500)), Time(7)), [7, 500_007].into_iter()),
            [7, 500_007]
        );
    }

    #[test]
    fn a_short_stop_is_made_up_for_and_a_long_one_is_not() {
        let mut pacer = Pacer::new(Pace::PerSecond(100.0), Time(0));
        assert_eq!(run(&mut pacer, [0, SECOND / 2].into_iter()).len(), 51);
        let after_a_minute = run(&mut pacer, [60 * SECOND].into_iter());
        assert_eq!(after_a_minute.len(), 101, "a second's worth");
        assert!(after_a_minute[0] >= 59 * SECOND, "{after_a_minute:?}");
        let next = run(&mut pacer, [61 * SECOND].into_iter());
        assert_eq!(next.len(), 100, "the pace is as before");
    }

    #[test]
    fn the_schedule_begins_when_the_first_order_has_gone_through() {
        let mut pacer = Pacer::new(Pace::PerSecond(10.0), Time(0));
        assert_eq!(pacer.peek(Time(0)), Time(0));
        pacer.release();
        pacer.restart_after_first(Time(3 * SECOND));
        assert_eq!(run(&mut pacer, [3 * SECOND, 4 * SECOND].into_iter()).first(), Some(&(3 * SECOND + SECOND / 10)));
    }

    #[test]
    fn slow_paces_wait_their_whole_interval() {
        let mut pacer = Pacer::new(Pace::Every(Duration::from_secs(3600)), Time(0));
        assert_eq!(run(&mut pacer, [0, 10 * SECOND].into_iter()), [0]);
        assert_eq!(pacer.until_due(Time(10 * SECOND)), Duration::from_secs(3590));
    }

    #[test]
    fn no_limit_is_always_due() {
        let mut pacer = Pacer::new(Pace::Unlimited, Time(0));
        assert_eq!(
            (pacer.due(Time(0)), pacer.until_due(Time(0)), pacer.peek(Time(5))),
            (u64::MAX, Duration::ZERO, Time(5))
        );
    }

    proptest! {
        #[test]
        fn the_rate_is_kept_over_any_wake_ups(rate in 1_u32..100_000, wakes in proptest::collection::vec(1_u64..900_000, 1..50)) {
            let mut pacer = Pacer::new(Pace::PerSecond(f64::from(rate)), Time(0));
            let mut now = 0;
            let moments: Vec<u64> = wakes.iter().map(|wake| { now += wake; now }).collect();
            let sent = run(&mut pacer, moments.into_iter()).len() as f64;
            let expected = now as f64 / 1e6 * f64::from(rate) + 1.0;
            prop_assert!((sent - expected).abs() <= 1.0, "{sent} against {expected}");
        }
    }
}
