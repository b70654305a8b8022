//! The lines about single orders, one type a line.
//!
//! Ids, products and messages come from records that anybody may have written: control characters are made visible, so
//! that no order can move the cursor, and long ones are cut. Deliberately no I/O: a line turns into text, `Screen` writes.

use std::fmt::{self, Write};
use std::time::Duration;

use schemas::order::{Amount, Currency};

use super::decimal;
use super::palette::{Palette, Tone};

/// Longer texts of records are cut at this many characters.
const LONGEST_TEXT: usize = 120;

/// Something that is shown as one line (or a block of lines), without the last line break.
pub trait Line {
    /// Writes the line in the colours of `palette`.
    ///
    /// # Errors
    /// Only those of `to`.
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result;

    /// The line as a string.
    fn text(&self, palette: Palette) -> String {
        let mut text = String::new();
        self.write(palette, &mut text).expect("a string takes everything");
        text
    }
}

impl Line for str {
    fn write(&self, _palette: Palette, to: &mut dyn Write) -> fmt::Result {
        to.write_str(self)
    }
}

impl Line for String {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        self.as_str().write(palette, to)
    }
}

/// Text of a record, made safe for a terminal.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.chars().enumerate() {
            if index == LONGEST_TEXT {
                return formatter.write_char('…');
            }
            if character.is_control() || is_invisible(character) {
                write!(formatter, "{}", character.escape_unicode())?;
            } else {
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Characters that print nothing but turn the direction or join of those around them.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An amount with its currency: `55.00 USD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// In minor units of `currency`.
    pub minor: i64,
    /// What the amount is in.
    pub currency: Currency,
}

impl fmt::Display for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", Amount::new(i128::from(self.minor), self.currency), self.currency)
    }
}

/// The producer's line: `sent  order order-web-000029  product P3  45.10 USD  partition 4 offset 7`.
pub struct SentLine<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// What was ordered.
    pub product: &'a str,
    /// For how much a piece.
    pub price: Price,
    /// Where the broker put it.
    pub partition: i32,
    /// At which offset.
    pub offset: i64,
}

impl Line for SentLine<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        let (id, product) = (Safe(self.order_id), Safe(self.product));
        let place = format!("partition {} offset {}", self.partition, self.offset);
        let sent = palette.paint(Tone::Good, "sent");
        write!(to, "{sent}  order {id}  product {product}  {}  {}", self.price, palette.paint(Tone::Faint, place))
    }
}

/// The consumer's line: `order 1001  product P7  55.00 USD  average 55.00 (product 54.10)`.
pub struct HandledLine<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// What was ordered.
    pub product: &'a str,
    /// For how much a piece.
    pub price: Price,
    /// Sum in minor units and count of all orders in this currency.
    pub overall: (i128, u64),
    /// The same of this product.
    pub of_product: (i128, u64),
}

impl Line for HandledLine<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        let exponent = self.price.currency.exponent();
        let average = |(sum, count)| decimal::average(sum, count, exponent, exponent.max(2));
        let (id, product) = (Safe(self.order_id), Safe(self.product));
        let (overall, of_product) = (average(self.overall), average(self.of_product));
        write!(to, "{} {id}  product {product}  {}  ", palette.paint(Tone::Good, "order"), self.price)?;
        write!(to, "average {overall} {}", palette.paint(Tone::Faint, format!("(product {of_product})")))
    }
}

/// A retry is coming: `retry 2 of 3 in 2 s  order 1044: simulated failure`.
pub struct RetryLine<'a> {
    /// The order's id.
    pub order_id: &'a str,
    /// Which retry, from 1.
    pub number: u32,
    /// How many there are at most.
    pub of: u32,
    /// When, from now.
    pub delay: Duration,
    /// Why the try before failed.
    pub message: &'a str,
}

impl Line for RetryLine<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        let what = format!("retry {} of {} in {}", self.number, self.of, span(self.delay));
        write!(to, "{}  order {}: {}", palette.paint(Tone::Waiting, what), Safe(self.order_id), Safe(self.message))
    }
}

/// The consumer gave an order up: `moved to DLQ  order 1051 after 3 retries: …`.
pub struct MovedLine<'a> {
    /// The order's id; `None` when the record could not be read.
    pub order_id: Option<&'a str>,
    /// Where the record is: topic, partition, offset; shown when there is no id.
    pub origin: (&'a str, i32, i64),
    /// Retries that were made.
    pub retries: u32,
    /// Why it was given up.
    pub message: &'a str,
}

impl Line for MovedLine<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{}  ", palette.paint(Tone::Bad, "moved to DLQ"))?;
        let (topic, partition, offset) = self.origin;
        match self.order_id {
            Some(id) => write!(to, "order {}", Safe(id))?,
            None => write!(to, "record {}/{partition}@{offset}", Safe(topic))?,
        }
        write!(to, "{}: {}", After(self.retries), Safe(self.message))
    }
}

/// The dead-letter consumer's line: `dead letter  order 1051  product P7  55.00 USD  transient, retries-exhausted after
/// 3 retries: simulated failure`.
pub struct DeadLetterLine<'a> {
    /// The order's id; `None` when the record could not be read.
    pub order_id: Option<&'a str>,
    /// Where the record was: topic, partition, offset; shown when there is no id.
    pub origin: (&'a str, i32, i64),
    /// What was ordered, where known.
    pub product: Option<&'a str>,
    /// For how much a piece, where known.
    pub price: Option<Price>,
    /// Failure class.
    pub class: &'a str,
    /// Why it was given up: `permanent`, `retries-exhausted`, …
    pub disposition: &'a str,
    /// Retries that were made.
    pub retries: u32,
    /// What went wrong.
    pub message: &'a str,
}

impl Line for DeadLetterLine<'_> {
    fn write(&self, palette: Palette, to: &mut dyn Write) -> fmt::Result {
        write!(to, "{}  ", palette.paint(Tone::Bad, "dead letter"))?;
        let (topic, partition, offset) = self.origin;
        match self.order_id {
            Some(id) => write!(to, "order {}  ", Safe(id))?,
            None => write!(to, "record {}/{partition}@{offset}  ", Safe(topic))?,
        }
        if let Some(product) = self.product {
            write!(to, "product {}  ", Safe(product))?;
        }
        match self.price {
            Some(price) => write!(to, "{price}  ")?,
            None => write!(to, "value unknown  ")?,
        }
        write!(to, "{}, {}{}: ", Safe(self.class), Safe(self.disposition), After(self.retries))?;
        write!(to, "{}", Safe(self.message))
    }
}

/// ` after 3 retries`, or nothing.
struct After(u32);

impl fmt::Display for After {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => formatter.write_str(" after 1 retry"),
            retries => write!(formatter, " after {retries} retries"),
        }
    }
}

/// A span of time as people write it: `500 ms`, `2 s`, `1.5 s`, `2 min`.
pub(super) fn span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..120_000 if milliseconds.is_multiple_of(1_000) => format!("{} s", milliseconds / 1_000),
        1_000..120_000 => format!("{:.1} s", span.as_secs_f64()),
        120_000.. => format!("{} min", milliseconds / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USD: Currency = Currency::USD;

    fn plain(line: &dyn Line) -> String {
        line.text(Palette::PLAIN)
    }

    #[test]
    fn an_order_is_shown_with_both_averages() {
        let price = Price { minor: 5500, currency: USD };
        let line =
            HandledLine { order_id: "1001", product: "P7", price, overall: (11_000, 2), of_product: (16_230, 3) };
        assert_eq!(plain(&line), "order 1001  product P7  55.00 USD  average 55.00 (product 54.10)");
    }

    #[test]
    fn a_sent_order_is_shown_with_its_place() {
        let price = Price { minor: 4510, currency: USD };
        let line = SentLine { order_id: "order-web-000029", product: "P3", price, partition: 4, offset: 7 };
        assert_eq!(plain(&line), "sent  order order-web-000029  product P3  45.10 USD  partition 4 offset 7");
        assert_eq!(
            line.text(Palette::new(true, false)),
            "\x1b[32msent\x1b[0m  order order-web-000029  product P3  45.10 USD  \x1b[2mpartition 4 offset 7\x1b[0m"
        );
    }

    #[test]
    fn a_retry_says_when() {
        let line = RetryLine {
            order_id: "1044",
            number: 2,
            of: 3,
            delay: Duration::from_secs(2),
            message: "simulated failure",
        };
        assert_eq!(plain(&line), "retry 2 of 3 in 2 s  order 1044: simulated failure");
    }

    #[test]
    fn a_dead_letter_says_why_and_what_it_is_worth() {
        let mut moved =
            MovedLine { order_id: Some("1051"), origin: ("orders", 3, 70), retries: 3, message: "simulated failure" };
        assert_eq!(plain(&moved), "moved to DLQ  order 1051 after 3 retries: simulated failure");
        moved = MovedLine { order_id: None, retries: 0, message: "looks Confluent-framed", ..moved };
        assert_eq!(plain(&moved), "moved to DLQ  record orders/3@70: looks Confluent-framed");
        let mut letter = DeadLetterLine {
            order_id: Some("1051"),
            origin: ("orders", 3, 70),
            product: Some("P7"),
            price: Some(Price { minor: 5500, currency: USD }),
            class: "transient",
            disposition: "retries-exhausted",
            retries: 3,
            message: "simulated failure",
        };
        assert_eq!(
            plain(&letter),
            "dead letter  order 1051  product P7  55.00 USD  transient, retries-exhausted after 3 retries: simulated failure"
        );
        letter = DeadLetterLine { order_id: None, product: None, price: None, retries: 0, ..letter };
        assert_eq!(
            plain(&letter),
            "dead letter  record orders/3@70  value unknown  transient, retries-exhausted: simulated failure"
        );
    }

    #[test]
    fn a_record_cannot_move_the_cursor_or_fill_the_screen() {
        assert_eq!(Safe("a\x1b[2Jb\r\n\u{202e}ö").to_string(), "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}ö");
        assert_eq!(Safe(&"x".repeat(500)).to_string().chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn spans_are_short() {
        let shown = |milliseconds| span(Duration::from_millis(milliseconds));
        assert_eq!([shown(0), shown(500), shown(2000), shown(1500)], ["0 ms", "500 ms", "2 s", "1.5 s"]);
        assert_eq!([shown(60_000), shown(150_000)], ["60 s", "2 min"]);
    }
}
