//! Tells of dead letters: lines for people, events for the log, a progress line a second when they come too fast.
//!
//! A letter that the group's last reader had seen already is shown to a person all the same, who asked what is there;
//! the log and the counters tell only of what is new. Deliberately without arithmetic: figures come from the ledger.

use engine::time::Time;
use schemas::dead_letter::DeadLetter;

use super::ledger::Sums;
use crate::events::dead_letters::{Arrived, ForeignSeen};
use crate::metrics::dead_letters::DeadLetterMetrics;
use crate::screen::{DeadLetterLine, DeadLetterProgress, Gate, Price, Screen, Ticker};

/// Shows and logs.
#[derive(Debug)]
pub(super) struct Teller {
    screen: Screen,
    metrics: DeadLetterMetrics,
    letters: Gate,
    foreign: Gate,
    ticker: Ticker,
    /// Distinct letters read so far, and at the last progress line.
    read: u64,
    told: (Time, u64),
}

impl Teller {
    /// Tells from `now` on.
    pub(super) fn new(screen: Screen, metrics: DeadLetterMetrics, now: Time) -> Self {
        let (letters, foreign) = (Gate::default(), Gate::default());
        Self { screen, metrics, letters, foreign, ticker: Ticker::new(now), read: 0, told: (now, 0) }
    }

    /// A distinct letter was read. `is_news`: no reader of the group had seen it before.
    pub(super) fn letter(&mut self, letter: &DeadLetter, is_news: bool, now: Time) {
        self.read += 1;
        let told = self.letters.admits(now);
        if told && self.screen.is_shown() {
            self.screen.show(&line(letter));
        }
        if is_news {
            Arrived { letter, told: told && !self.screen.is_shown() }.emit(&self.metrics);
        }
    }

    /// A record that is no dead letter of ours was read.
    pub(super) fn foreign(&mut self, partition: i32, offset: i64, reason: &dyn std::error::Error, now: Time) {
        ForeignSeen { partition, offset, reason, told: self.foreign.admits(now) }.emit();
    }

    /// Shows how far the reading is, when a second is over and letters come too fast to be shown.
    pub(super) fn progress(&mut self, sums: &Sums, lag: Option<u64>, now: Time) {
        if !self.ticker.ticks(now) {
            return;
        }
        let (then, read) = std::mem::replace(&mut self.told, (now, self.read));
        let seconds = now.since(then).as_secs_f64();
        let fresh = self.read - read;
        if self.letters.is_shut() && fresh > 0 && seconds > 0.0 {
            let per_second = fresh as f64 / seconds;
            self.screen.say(&DeadLetterProgress { count: sums.figures.count(), per_second, lag });
        }
    }
}

/// The line that a person sees.
fn line(letter: &DeadLetter) -> DeadLetterLine<'_> {
    let price = |(minor, currency)| Some(Price { minor: i64::try_from(minor).ok()?, currency });
    DeadLetterLine {
        order_id: letter.order_id.as_deref(),
        origin: (&letter.topic, letter.partition, letter.offset),
        product: letter.product.as_deref(),
        price: letter.order_value.and_then(price),
        class: letter.class.as_str(),
        disposition: letter.disposition.as_str(),
        retries: letter.delivery_count.saturating_sub(1),
        message: &letter.message,
    }
}
