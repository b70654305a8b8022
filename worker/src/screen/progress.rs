//! The progress lines: one a second on stderr when orders come too fast to be shown one by one.
//!
//! Deliberately plain lines and no cursor tricks, so that a log of the terminal stays readable.

use std::fmt::{self, Write};

use super::line::Line;
use super::palette::{Palette, Tone};

/// How far the producer is: `produced 1,200 of 5,000 orders  800/s  3 failed  120 on their way`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProduceProgress {
    /// Acknowledged so far.
    pub acknowledged: u64,
    /// Refused or lost so far.
    pub failed: u64,
    /// Sent and not yet answered.
    pub in_flight: u64,
    /// How many there will be; `None` when nobody knows.
    pub of: Option<u64>,
    /// Acknowledged in the last second.
    pub per_second: f64,
}

impl Line for ProduceProgress {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{} {}", palette.paint(Tone::Strong, "produced"), Grouped(self.acknowledged))?;
        if let Some(of) = self.of {
            write!(to, " of {}", Grouped(of))?;
        }
        write!(to, " orders  {}/s", Rate(self.per_second))?;
        if self.failed > 0 {
            write!(to, "  {}", palette.paint(Tone::Bad, format!("{} failed", Grouped(self.failed))))?;
        }
        write!(to, "  {} on their way", Grouped(self.in_flight))
    }
}

/// How far the consumer is: `consumed 1,200 orders  800/s  1,100 succeeded  12 parked  40 retries  3 dead-lettered  lag 250`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConsumeProgress {
    /// Records read so far.
    pub records: u64,
    /// Orders that succeeded.
    pub succeeded: u64,
    /// Waiting for their retry now.
    pub parked: u64,
    /// Retries made so far.
    pub retries: u64,
    /// Given up so far.
    pub dead_lettered: u64,
    /// Records behind the end of the topic; `None` while unknown.
    pub lag: Option<u64>,
    /// Records read in the last second.
    pub per_second: f64,
}

impl Line for ConsumeProgress {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{} {} orders", palette.paint(Tone::Strong, "consumed"), Grouped(self.records))?;
        write!(to, "  {}/s  {} succeeded", Rate(self.per_second), Grouped(self.succeeded))?;
        let waiting = format!("{} parked  {} retries", Grouped(self.parked), Grouped(self.retries));
        write!(to, "  {}", palette.paint(Tone::Waiting, waiting))?;
        let dead = format!("{} dead-lettered", Grouped(self.dead_lettered));
        write!(to, "  {}", palette.paint(if self.dead_lettered > 0 { Tone::Bad } else { Tone::Faint }, dead))?;
        self.lag.map_or(Ok(()), |lag| write!(to, "  lag {}", Grouped(lag)))
    }
}

/// How far the dead-letter consumer is: `dead letters 1,200  800/s  250 to read`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeadLetterProgress {
    /// Distinct dead letters now in the topic, as far as it is read.
    pub count: u64,
    /// Read in the last second.
    pub per_second: f64,
    /// Records that are still to be read; `None` while unknown.
    pub lag: Option<u64>,
}

impl Line for DeadLetterProgress {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{} {}", palette.paint(Tone::Bad, "dead letters"), Grouped(self.count))?;
        write!(to, "  {}/s", Rate(self.per_second))?;
        self.lag.map_or(Ok(()), |lag| write!(to, "  {} to read", Grouped(lag)))
    }
}

/// A count with a comma between thousands: `1,234,567`.
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        formatter.pad(&text)
    }
}

/// A rate: one decimal below 100, whole and grouped above.
pub(super) struct Rate(pub(super) f64);

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 99.95 {
            return write!(formatter, "{:.1}", self.0);
        }
        // Saturates, and no rate of orders comes near the end of the range.
        Grouped(self.0.round() as u64).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producer_says_how_far_it_is() {
        let mut progress =
            ProduceProgress { acknowledged: 1200, failed: 0, in_flight: 120, of: Some(5000), per_second: 800.4 };
        assert_eq!(progress.text(Palette::PLAIN), "produced 1,200 of 5,000 orders  800/s  120 on their way");
        progress = ProduceProgress { failed: 3, of: None, per_second: 49.96, ..progress };
        assert_eq!(progress.text(Palette::PLAIN), "produced 1,200 orders  50.0/s  3 failed  120 on their way");
    }

    #[test]
    fn the_consumer_says_how_far_it_is() {
        let progress = ConsumeProgress {
            records: 1200,
            succeeded: 1100,
            parked: 12,
            retries: 40,
            dead_lettered: 3,
            lag: Some(250),
            per_second: 800.0,
        };
        let expected = "consumed 1,200 orders  800/s  1,100 succeeded  12 parked  40 retries  3 dead-lettered  lag 250";
        assert_eq!(progress.text(Palette::PLAIN), expected);
    }

    #[test]
    fn the_dead_letter_consumer_says_how_far_it_is() {
        let progress = DeadLetterProgress { count: 1200, per_second: 800.0, lag: Some(250) };
        assert_eq!(progress.text(Palette::PLAIN), "dead letters 1,200  800/s  250 to read");
    }

    #[test]
    fn large_counts_are_grouped() {
        let shown = [0, 999, 1000, 123_456, 1_234_567].map(|count| Grouped(count).to_string());
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
        assert_eq!([Rate(99.96).to_string(), Rate(1_234_567.8).to_string()], ["100", "1,234,568"]);
    }
}
