//! An amount of money as people write it in a setting: a decimal number, no currency.
//!
//! Deliberately not `Money`: a limit such as `--max-price 1000.00` is meant in each order's own currency, and becomes
//! minor units only when that currency is known.
use std::fmt;
use std::str::FromStr;

use snafu::Snafu;

/// Most digits before the point; 15 keep every comparison within `i64` minor units (9.2e18) at three decimals.
const MOST_WHOLE_DIGITS: usize = 15;
/// Most digits behind the point.
const MOST_DECIMALS: usize = 4;

/// A non-negative decimal number with at most four decimals, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecimalPrice {
    ten_thousandths: i64,
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum DecimalPriceError {
    /// Something else than digits with at most one point between them.
    #[snafu(display("{text:?} is not an amount; write digits with at most four decimals, such as 950.00"))]
    Parse {
        /// What was written.
        text: String,
    },
    /// More digits before the point than any price has.
    #[snafu(display("{text} is too large; the largest amount has {MOST_WHOLE_DIGITS} digits before the point"))]
    TooLarge {
        /// What was written.
        text: String,
    },
}

impl DecimalPrice {
    /// The amount in minor units of a currency with `exponent` decimals (2 for USD, 0 for JPY), rounded down.
    ///
    /// Rounding down is exact for comparisons: a price in whole minor units is above the amount if and only if it is
    /// above the amount rounded down.
    #[must_use]
    pub const fn to_minor(self, exponent: u32) -> i64 {
        let exponent = if exponent > 4 { 4 } else { exponent };
        self.ten_thousandths / 10_i64.pow(4 - exponent)
    }
}

impl FromStr for DecimalPrice {
    type Err = DecimalPriceError;

    fn from_str(text: &str) -> Result<DecimalPrice, DecimalPriceError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > MOST_DECIMALS {
            return ParseSnafu { text }.fail();
        }
        if whole.len() > MOST_WHOLE_DIGITS - 1 {
            return TooLargeSnafu { text }.fail();
        }
        let parse = |part: &str| part.parse::<i64>().expect("at most 14 digits fit an i64");
        let scale = 10_i64.pow(4 - u32::try_from(decimals.len()).expect("at most four decimals"));
        Ok(DecimalPrice { ten_thousandths: parse(whole) * 10_000 + parse(decimals) * scale })
    }
}

impl fmt::Display for DecimalPrice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.ten_thousandths / 10_000, self.ten_thousandths % 10_000);
        match rest % 100 {
            0 => write!(formatter, "{whole}.{:02}", rest / 100),
            _ => write!(formatter, "{whole}.{rest:04}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> DecimalPrice {
        text.parse().expect("the test's amount is well formed")
    }

    #[test]
    fn amounts_are_exact_in_every_exponent() {
        assert_eq!(price("950").to_minor(2), 95_000);
        assert_eq!(price("950.5").to_minor(2), 95_050);
        assert_eq!(price("0.29").to_minor(2), 29);
        assert_eq!(price("12.3456").to_minor(3), 12_345);
        assert_eq!(price("12.99").to_minor(0), 12);
    }

    #[test]
    fn amounts_print_as_people_write_them() {
        assert_eq!(price("1000").to_string(), "1000.00");
        assert_eq!(price("0.0305").to_string(), "0.0305");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-1", "1,5", "1.", ".5", "1.23456", "1e3", "NaN", "inf", "1.2.3", " 1", "١"] {
            assert_eq!(text.parse::<DecimalPrice>(), ParseSnafu { text }.fail(), "{text}");
        }
        let text = "1000000000000000";
        assert_eq!(text.parse::<DecimalPrice>(), TooLargeSnafu { text }.fail());
    }
}
