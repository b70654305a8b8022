//! Currencies by their ISO 4217 code, and how many decimals each has.
//!
//! Deliberately no list of existing codes: an unknown code of three capital letters is a currency with two decimals.

use std::fmt;

/// Codes of ISO 4217 (2018 amendment 176) whose minor unit is the major unit itself.
const NO_DECIMALS: [&[u8; 3]; 17] = [
    b"BIF", b"CLP", b"DJF", b"GNF", b"ISK", b"JPY", b"KMF", b"KRW", b"PYG", b"RWF", b"UGX", b"UYI", b"VND", b"VUV",
    b"XAF", b"XOF", b"XPF",
];
/// Codes with a thousandth as minor unit.
const THREE_DECIMALS: [&[u8; 3]; 7] = [b"BHD", b"IQD", b"JOD", b"KWD", b"LYD", b"OMR", b"TND"];
/// Codes (units of account) with a ten-thousandth as minor unit.
const FOUR_DECIMALS: [&[u8; 3]; 2] = [b"CLF", b"UYW"];

/// An ISO 4217 code: three capital ASCII letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of an order that names none.
    pub const USD: Currency = Currency(*b"USD");

    /// Reads a code; `None` unless it is three capital ASCII letters.
    #[inline]
    #[must_use]
    pub fn parse(code: &[u8]) -> Option<Currency> {
        let code: [u8; 3] = code.try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Currency(code))
    }

    /// Decimals of the minor unit: 0 for the yen, 3 for the dinars, 4 for two units of account, else 2.
    #[inline]
    #[must_use]
    pub fn exponent(self) -> u32 {
        match &self.0 {
            b"USD" | b"EUR" => 2,
            _other => self.listed_exponent(),
        }
    }

    #[inline(never)]
    fn listed_exponent(self) -> u32 {
        let among = |codes: &[&[u8; 3]]| codes.iter().any(|code| **code == self.0);
        if among(&NO_DECIMALS) {
            0
        } else if among(&THREE_DECIMALS) {
            3
        } else if among(&FOUR_DECIMALS) {
            4
        } else {
            2
        }
    }

    /// Minor units in one major unit: `10^exponent`.
    #[inline]
    #[must_use]
    pub fn minor_per_major(self) -> i64 {
        const POWERS: [i64; 5] = [1, 10, 100, 1_000, 10_000];
        POWERS[self.exponent() as usize]
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII letters")
    }

    /// The code as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_capital_letters_are_a_currency() {
        assert_eq!(Currency::parse(b"USD"), Some(Currency::USD));
        for refused in [&b"usd"[..], b"US", b"USDT", b"", b"U\xc3\x84", b"US1"] {
            assert_eq!(Currency::parse(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn exponents_follow_iso_4217() {
        let exponent = |code: &str| Currency::parse(code.as_bytes()).map(Currency::exponent);
        for (code, expected) in [("USD", 2), ("EUR", 2), ("JPY", 0), ("XPF", 0), ("BHD", 3), ("CLF", 4), ("ZZZ", 2)] {
            assert_eq!(exponent(code), Some(expected), "{code}");
        }
    }
}
