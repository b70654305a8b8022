//! The table at the end of a role: what became of the orders, drawn from the same report that `--report` writes.
//!
//! Deliberately computes next to nothing: what is in the table is in the report too.

use std::fmt::{self, Write};
use std::time::Duration;

use super::line::Line;
use super::palette::{Palette, Tone};
use super::progress::{Grouped, Rate};
use crate::report::{Consumed, CurrencyAmount, CurrencyTotal, DeadLetterTotals, Latency, Produced, Report};

/// The last thing a role shows.
pub struct Summary<'a> {
    /// What is shown.
    pub report: &'a Report,
    /// What this process handled itself, when it consumed.
    pub handled: Option<Handled>,
}

/// How fast this process was; not part of the report, whose totals may be those of many processes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Handled {
    /// Records this process resolved.
    pub records: u64,
    /// From the record's timestamp to its resolution, where measured.
    pub latency: Option<Latency>,
}

impl Line for Summary<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{}", palette.paint(Tone::Strong, format!("summary of {}", self.report.pipeline)))?;
        self.totals(palette, to)?;
        if let Some(produced) = &self.report.produced {
            write_produced(produced, self.report.seconds, palette, to)?;
        }
        if let Some(consumed) = &self.report.consumed {
            write_consumed(consumed, palette, to)?;
        }
        if let Some(handled) = &self.handled {
            write!(to, "\n  speed         {} orders/s", Rate(per_second(handled.records, self.report.seconds)))?;
            write_latency(handled.latency, to)?;
        }
        if let Some(dead_letters) = &self.report.dead_letters {
            write_dead_letters(dead_letters, palette, to)?;
        }
        write!(to, "\n  time          {:.1} s", self.report.seconds)
    }
}

impl Summary<'_> {
    /// One row a product, then one a currency.
    fn totals(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        let products = self.report.products.iter().flatten().map(|total| (total.product.as_str(), &total.total));
        let overall = self.report.overall.iter().flatten().map(|total| ("all", total));
        let rows: Vec<[String; 7]> = products.chain(overall).map(|(name, total)| row(name, total)).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let heading = ["product", "currency", "orders", "average", "min", "max", "revenue"].map(str::to_owned);
        let widths: [usize; 7] = std::array::from_fn(|column| {
            let cells = rows.iter().chain([&heading]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        });
        write!(to, "\n  {}", palette.paint(Tone::Faint, aligned(&heading, widths)))?;
        for row in &rows {
            write!(to, "\n  {}", aligned(row, widths))?;
        }
        Ok(())
    }
}

fn row(name: &str, total: &CurrencyTotal) -> [String; 7] {
    let name = name.chars().map(|character| if character.is_control() { '?' } else { character }).take(40).collect();
    let texts = [&total.currency, &total.average, &total.min, &total.max, &total.revenue].map(Clone::clone);
    let [currency, average, min, max, revenue] = texts;
    [name, currency, Grouped(total.count).to_string(), average, min, max, revenue]
}

/// Words to the left, figures to the right.
fn aligned(cells: &[String; 7], widths: [usize; 7]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let gap = if column == 0 { "" } else { "  " };
        let padding = " ".repeat(width - cell.chars().count());
        if column < 2 {
            line.extend([gap, cell, padding.as_str()]);
        } else {
            line.extend([gap, padding.as_str(), cell]);
        }
    }
    line
}

fn write_produced(produced: &Produced, seconds: f64, palette: Palette, to: &mut dyn Write) -> fmt::Result {
    let all = produced.acknowledged + produced.failed;
    write!(to, "\n  produced      {} acknowledged, ", Grouped(produced.acknowledged))?;
    let failed = format!("{} failed", Grouped(produced.failed));
    write!(to, "{}", palette.paint(if produced.failed > 0 { Tone::Bad } else { Tone::Good }, failed))?;
    write!(to, ", success rate {}", Percent { part: produced.acknowledged, all })?;
    write!(to, ", {} orders/s", Rate(per_second(produced.acknowledged, seconds)))?;
    write_latency(produced.latency_milliseconds, to)
}

fn write_latency(latency: Option<Latency>, to: &mut dyn Write) -> fmt::Result {
    let Some(Latency { p50, p99 }) = latency else { return Ok(()) };
    write!(to, ", latency p50 {p50:.1} ms, p99 {p99:.1} ms")
}

fn write_consumed(consumed: &Consumed, palette: Palette, to: &mut dyn Write) -> fmt::Result {
    let Consumed { records, succeeded, dead_lettered, skipped, retries, retries_by_number } = consumed;
    let dead = format!("{} dead-lettered", Grouped(*dead_lettered));
    let dead = palette.paint(if *dead_lettered > 0 { Tone::Bad } else { Tone::Good }, dead);
    write!(to, "\n  consumed      {} records: {} succeeded, {dead}", Grouped(*records), Grouped(*succeeded))?;
    write!(to, ", {} skipped, success rate {}", Grouped(*skipped), Percent { part: *succeeded, all: *records })?;
    write!(to, "\n  retries       {}", Grouped(*retries))?;
    if *retries == 0 {
        return Ok(());
    }
    let by_number = retries_by_number.iter().zip(1..).map(|(count, number)| format!("{number}: {}", Grouped(*count)));
    write!(to, " (number {})", by_number.collect::<Vec<_>>().join(", "))
}

fn write_dead_letters(dead_letters: &DeadLetterTotals, palette: Palette, to: &mut dyn Write) -> fmt::Result {
    let tone = if dead_letters.count > 0 { Tone::Bad } else { Tone::Good };
    write!(to, "\n  dead letters  {}", palette.paint(tone, Grouped(dead_letters.count)))?;
    if dead_letters.count > 0 {
        write!(to, ", value at risk {}", Values(&dead_letters.value))?;
    }
    if dead_letters.value_unknown > 0 {
        write!(to, ", {} of unknown value", Grouped(dead_letters.value_unknown))?;
    }
    for class in &dead_letters.by_class {
        write!(to, "\n    {:<20}  {:>7}  {}", class.class, Grouped(class.count), Values(&class.value))?;
    }
    Ok(())
}

/// What is in the dead-letter topic, while it is read on: `dead letters 4  210.10 USD at risk  3 transient, 1 invalid
/// oldest 2h 10m`.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetterReport<'a> {
    /// The figures.
    pub totals: &'a DeadLetterTotals,
    /// How old the oldest letter is.
    pub age: Option<Duration>,
    /// Records that are still to be read; `None` while unknown.
    pub lag: Option<u64>,
}

impl Line for DeadLetterReport<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        let DeadLetterTotals { count, value, by_class, .. } = self.totals;
        write!(to, "{} {}", palette.paint(Tone::Strong, "dead letters"), Grouped(*count))?;
        if *count > 0 {
            write!(to, "  {} at risk", Values(value))?;
            for (index, class) in by_class.iter().enumerate() {
                write!(to, "{}{} {}", if index == 0 { "  " } else { ", " }, Grouped(class.count), class.class)?;
            }
        }
        if let Some(age) = self.age {
            write!(to, "  oldest {}", coarse(age))?;
        }
        self.lag.filter(|lag| *lag > 0).map_or(Ok(()), |lag| write!(to, "  {} to read", Grouped(lag)))
    }
}

/// A long time in days, hours and minutes, a short one in seconds.
fn coarse(time: Duration) -> humantime::FormattedDuration {
    let unit = if time < Duration::from_mins(1) { 1 } else { 60 };
    humantime::format_duration(Duration::from_secs(time.as_secs() / unit * unit))
}

struct Values<'a>(&'a [CurrencyAmount]);

impl fmt::Display for Values<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("unknown");
        }
        for (index, CurrencyAmount { currency, value }) in self.0.iter().enumerate() {
            write!(formatter, "{}{value} {currency}", if index == 0 { "" } else { " + " })?;
        }
        Ok(())
    }
}

/// A share; rounded down, so that 100 % means all.
struct Percent {
    part: u64,
    all: u64,
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all == 0 {
            return formatter.write_str("-");
        }
        let hundredths = u128::from(self.part) * 10_000 / u128::from(self.all);
        write!(formatter, "{}.{:02} %", hundredths / 100, hundredths % 100)
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::demo;

    #[test]
    fn the_summary_of_a_demo_says_it_all() {
        let latency = Some(Latency { p50: 6.25, p99: 14.0 });
        let report = demo();
        let summary = Summary { report: &report, handled: Some(Handled { records: 200, latency }) };
        insta::assert_snapshot!(summary.text(Palette::PLAIN), @r"
        summary of demo
          product  currency  orders  average    min    max   revenue
          P1       USD           31  60.0000  11.20  99.90   1860.00
          all      USD          196  64.9771  11.20  99.90  12735.51
          produced      200 acknowledged, 0 failed, success rate 100.00 %, 17.5 orders/s, latency p50 1.2 ms, p99 4.0 ms
          consumed      200 records: 196 succeeded, 4 dead-lettered, 0 skipped, success rate 98.00 %
          retries       41 (number 1: 29, 2: 8, 3: 4)
          speed         17.5 orders/s, latency p50 6.2 ms, p99 14.0 ms
          dead letters  4, value at risk 210.10 USD
            transient                   4  210.10 USD
          time          11.4 s
        ");
    }

    #[test]
    fn dead_letters_are_reported_in_a_line() {
        let totals = demo().dead_letters.unwrap_or_default();
        let age = Some(Duration::from_secs(2 * 3600 + 10 * 60 + 7));
        let mut line = DeadLetterReport { totals: &totals, age, lag: Some(250) };
        let expected = "dead letters 4  210.10 USD at risk  4 transient  oldest 2h 10m  250 to read";
        assert_eq!(line.text(Palette::PLAIN), expected);
        let nothing = DeadLetterTotals::default();
        line = DeadLetterReport { totals: &nothing, age: None, lag: Some(0) };
        assert_eq!(line.text(Palette::PLAIN), "dead letters 0");
    }

    #[test]
    fn nothing_done_is_nothing_shown() {
        let report = Report { pipeline: "orders".to_owned(), ..Report::default() };
        let text = Summary { report: &report, handled: None }.text(Palette::PLAIN);
        assert_eq!(text, "summary of orders\n  time          0.0 s");
    }

    #[test]
    fn all_but_one_is_not_a_hundred_percent() {
        assert_eq!(Percent { part: 999_999, all: 1_000_000 }.to_string(), "99.99 %");
        assert_eq!(Percent { part: 7, all: 7 }.to_string(), "100.00 %");
        assert_eq!(Percent { part: 0, all: 0 }.to_string(), "-");
    }
}
