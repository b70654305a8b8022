//! Money as whole minor units: exact, the same after a replay and in every order of addition.
//!
//! Deliberately no arithmetic beyond reading and writing: sums need 128 bits and live with the totals.

use std::fmt;

use snafu::{OptionExt, Snafu, ensure};

use super::Currency;

/// The largest price that is taken, in major units; in minor units of any currency it fits 64 bits.
///
/// A `double` tells cents apart up to 2^45 (3.5e13); above, only the exact field of version 2 does.
pub const MAXIMUM_PRICE_MAJOR: i64 = 90_000_000_000_000;

/// A price in minor units of a currency that stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money {
    minor: i64,
}

/// Why something is not a price. Each variant is one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Snafu)]
pub enum PriceError {
    /// `NaN`, or text that is no decimal number.
    #[snafu(display("price is not a number; write it like 12.34"))]
    NotANumber,
    /// Positive or negative infinity.
    #[snafu(display("price is infinite"))]
    Infinite,
    /// Below zero.
    #[snafu(display("price is negative"))]
    Negative,
    /// Above [`MAXIMUM_PRICE_MAJOR`].
    #[snafu(display("price is above {MAXIMUM_PRICE_MAJOR}, the largest that is kept exactly"))]
    TooLarge,
    /// Text with more decimals than the currency has.
    #[snafu(display("price has more than the {decimals} decimals its currency has"))]
    TooPrecise {
        /// What the currency has.
        decimals: u32,
    },
}

impl Money {
    /// Money of that many minor units, unchecked: also negative or large.
    #[inline]
    #[must_use]
    pub fn from_minor(minor: i64) -> Money {
        Money { minor }
    }

    /// Minor units.
    #[inline]
    #[must_use]
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// A price in minor units, as a writer sent it.
    ///
    /// # Errors
    /// When it is negative or above [`MAXIMUM_PRICE_MAJOR`].
    #[inline]
    pub fn price_from_minor(minor: i64, currency: Currency) -> Result<Money, PriceError> {
        ensure!(minor >= 0, NegativeSnafu);
        ensure!(minor <= MAXIMUM_PRICE_MAJOR * currency.minor_per_major(), TooLargeSnafu);
        Ok(Money { minor })
    }

    /// `round(price * 10^exponent)`, half away from zero; `price` in major units.
    ///
    /// # Errors
    /// When it is `NaN`, infinite, negative or above [`MAXIMUM_PRICE_MAJOR`].
    #[inline]
    pub fn from_f64(price: f64, currency: Currency) -> Result<Money, PriceError> {
        ensure!(!price.is_nan(), NotANumberSnafu);
        ensure!(price.is_finite(), InfiniteSnafu);
        ensure!(price >= 0.0, NegativeSnafu);
        ensure!(price <= MAXIMUM_PRICE_MAJOR as f64, TooLargeSnafu);
        Ok(Money { minor: round(price * currency.minor_per_major() as f64) })
    }

    /// A price from `unscaled * 10^-scale` major units, rounded half up to the currency's minor unit.
    ///
    /// # Errors
    /// When it is negative or above [`MAXIMUM_PRICE_MAJOR`].
    pub fn from_unscaled(unscaled: i128, scale: u32, currency: Currency) -> Result<Money, PriceError> {
        ensure!(unscaled >= 0, NegativeSnafu);
        let exponent = currency.exponent();
        let minor = if scale <= exponent {
            unscaled.checked_mul(10_i128.pow(exponent - scale)).context(TooLargeSnafu)?
        } else {
            // A divisor beyond 128 bits is more than twice any i128: what is left rounds to nothing.
            10_i128.checked_pow(scale - exponent).map_or(0, |divisor| {
                let rest = unscaled % divisor;
                unscaled / divisor + i128::from(rest >= divisor - rest)
            })
        };
        i64::try_from(minor).ok().context(TooLargeSnafu).and_then(|minor| Money::price_from_minor(minor, currency))
    }

    /// Reads a decimal such as `12`, `12.3` or `12.34`, exactly; trailing zeros beyond the currency's decimals are taken.
    ///
    /// # Errors
    /// When it is no plain decimal number, negative, above [`MAXIMUM_PRICE_MAJOR`], or finer than the minor unit.
    pub fn from_decimal_str(text: &str, currency: Currency) -> Result<Money, PriceError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        ensure!(!(whole.is_empty() && fraction.is_empty()), NotANumberSnafu);
        ensure!(whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()), NotANumberSnafu);
        let decimals = currency.exponent();
        let fraction = fraction.trim_end_matches('0');
        let missing = usize::try_from(decimals).ok().and_then(|decimals| decimals.checked_sub(fraction.len()));
        let missing = missing.context(TooPreciseSnafu { decimals })?;
        let minor = whole
            .bytes()
            .chain(fraction.bytes())
            .chain(std::iter::repeat_n(b'0', missing))
            .try_fold(0_i64, |minor, digit| minor.checked_mul(10)?.checked_add(i64::from(digit - b'0')));
        let minor = minor.context(TooLargeSnafu)?;
        ensure!(!negative || minor == 0, NegativeSnafu);
        Money::price_from_minor(minor, currency)
    }

    /// The price in major units, for writers of `double`; [`from_f64`](Money::from_f64) gives the same cents back up to
    /// 2^45 major units.
    #[inline]
    #[must_use]
    pub fn to_f64(self, currency: Currency) -> f64 {
        self.minor as f64 / currency.minor_per_major() as f64
    }

    /// The money as a decimal string in the currency's decimals, without its code: `55.00`.
    #[must_use]
    pub fn amount(self, currency: Currency) -> Amount {
        Amount::new(i128::from(self.minor), currency)
    }
}

/// `f64::round` of a number that is not negative, without the call into a mathematics library.
#[inline]
fn round(number: f64) -> i64 {
    let whole = number as i64;
    whole + i64::from(number - whole as f64 >= 0.5)
}

/// A sum of money to be shown: a decimal string in the currency's decimals, such as `12735.51` or `-0.05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    minor: i128,
    exponent: u32,
}

impl Amount {
    /// An amount of minor units of a currency.
    #[must_use]
    pub fn new(minor: i128, currency: Currency) -> Amount {
        Amount { minor, exponent: currency.exponent() }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.pow(self.exponent);
        let (major, minor) = (self.minor.unsigned_abs() / one, self.minor.unsigned_abs() % one);
        let digits = match self.exponent {
            0 => major.to_string(),
            exponent => format!("{major}.{minor:0width$}", width = exponent as usize),
        };
        formatter.pad_integral(self.minor >= 0, "", &digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code.as_bytes()).expect("three capital letters")
    }

    fn read(text: &str) -> Result<i64, PriceError> {
        Money::from_decimal_str(text, Currency::USD).map(Money::minor)
    }

    #[test]
    fn decimal_text_is_read_exactly() {
        for (text, minor) in [("12", 1200), ("12.3", 1230), ("12.34", 1234), (".5", 50), ("5.", 500), ("0.010", 1)] {
            assert_eq!(read(text), Ok(minor), "{text}");
        }
        assert_eq!(Money::from_decimal_str("12.345", currency("KWD")), Ok(Money::from_minor(12_345)));
        assert_eq!(Money::from_decimal_str("12", currency("JPY")), Ok(Money::from_minor(12)));
    }

    #[test]
    fn text_that_is_no_price_is_refused_by_rule() {
        for text in ["", ".", "abc", "1e3", "NaN", "inf", "1,50", "--1", "1.2.3", " 1", "٣"] {
            assert_eq!(read(text), Err(PriceError::NotANumber), "{text}");
        }
        assert_eq!(read("-0.01"), Err(PriceError::Negative));
        assert_eq!(read("-0.00"), Ok(0));
        assert_eq!(read("12.345"), Err(PriceError::TooPrecise { decimals: 2 }));
        assert_eq!(read("90000000000000"), Ok(9_000_000_000_000_000));
        assert_eq!(read("90000000000000.01"), Err(PriceError::TooLarge));
        assert_eq!(read("99999999999999999999999999"), Err(PriceError::TooLarge));
    }

    #[test]
    fn doubles_are_rounded_at_the_edge_and_refused_by_rule() {
        let price = |price: f64| Money::from_f64(price, Currency::USD).map(Money::minor);
        assert_eq!(price(1.005), Ok(100));
        assert_eq!(price(0.29), Ok(29));
        assert_eq!(price(f64::from(12.34_f32)), Ok(1234));
        assert_eq!(price(-0.0), Ok(0));
        assert_eq!(price(9.0e13), Ok(9_000_000_000_000_000));
        assert_eq!(price(f64::NAN), Err(PriceError::NotANumber));
        assert_eq!(price(f64::INFINITY), Err(PriceError::Infinite));
        assert_eq!(price(f64::NEG_INFINITY), Err(PriceError::Infinite));
        assert_eq!(price(-0.001), Err(PriceError::Negative));
        assert_eq!(price(9.000_000_000_000_1e13), Err(PriceError::TooLarge));
    }

    #[test]
    fn decimals_are_scaled_to_the_minor_unit() {
        let price = |unscaled, scale| Money::from_unscaled(unscaled, scale, Currency::USD).map(Money::minor);
        assert_eq!(price(1234, 2), Ok(1234));
        assert_eq!(price(12, 0), Ok(1200));
        assert_eq!(price(12_345, 3), Ok(1235));
        assert_eq!(price(12_344, 3), Ok(1234));
        assert_eq!(price(i128::MAX, 60), Ok(0));
        assert_eq!(price(-1, 2), Err(PriceError::Negative));
        assert_eq!(price(i128::MAX, 0), Err(PriceError::TooLarge));
    }

    #[test]
    fn amounts_show_the_decimals_of_their_currency() {
        assert_eq!(Amount::new(1_273_551, Currency::USD).to_string(), "12735.51");
        assert_eq!(Amount::new(-5, Currency::USD).to_string(), "-0.05");
        assert_eq!(Amount::new(5, currency("JPY")).to_string(), "5");
        assert_eq!(Amount::new(5, currency("KWD")).to_string(), "0.005");
        assert_eq!(format!("{:>8}", Amount::new(5500, Currency::USD)), "   55.00");
    }

    proptest! {
        #[test]
        fn shown_money_reads_back(minor in 0..=9_000_000_000_000_000_i64) {
            let money = Money::from_minor(minor);
            let shown = money.amount(Currency::USD).to_string();
            prop_assert_eq!(Money::from_decimal_str(&shown, Currency::USD), Ok(money));
        }

        #[test]
        fn money_survives_the_way_through_a_double(minor in 0..=100_i64 << 45) {
            let money = Money::from_minor(minor);
            prop_assert_eq!(Money::from_f64(money.to_f64(Currency::USD), Currency::USD), Ok(money));
        }

        #[test]
        fn rounding_is_that_of_the_standard_library(number in 0.0..9.0e18_f64, half in 0..1_i64 << 52) {
            prop_assert_eq!(round(number), number.round() as i64);
            let below = (half as f64 + 0.5).next_down();
            for number in [below, half as f64 + 0.5, number.fract()] {
                prop_assert_eq!(round(number), number.round() as i64);
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,30}") {
            let _price = Money::from_decimal_str(&text, Currency::USD);
        }

        #[test]
        fn any_decimal_is_taken_or_refused_without_a_panic(unscaled: i128, scale: u32) {
            let _price = Money::from_unscaled(unscaled, scale, Currency::USD);
        }
    }
}
