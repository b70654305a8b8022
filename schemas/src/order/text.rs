//! Text that is kept as bytes: checked to be UTF-8 once, compared and hashed without a second look.
//!
//! Deliberately not a `&str`: making one from bytes costs a second check or `unsafe`, and the hot path needs neither.

use std::fmt;

/// Borrowed bytes that were checked to be UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Checks the bytes; `None` when they are not UTF-8. Plain ASCII is recognised first, which is most of what comes.
    #[inline(always)]
    #[must_use]
    pub fn from_utf8(bytes: &'a [u8]) -> Option<Text<'a>> {
        (is_short_ascii(bytes) || is_utf8(bytes)).then_some(Text(bytes))
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text; checks the bytes again, so it belongs where text is shown and not where orders are counted.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).expect("bytes were checked when the text was made")
    }

    /// Length in bytes.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(text.as_bytes())
    }
}

/// Whether these are at most 16 bytes of ASCII, which ids and products mostly are: two overlapping reads tell.
#[inline(always)]
fn is_short_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) if bytes.len() <= 16 => {
            (u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last)) & HIGH_BITS == 0
        }
        (Some(_long), _) => false,
        (None, _) => bytes.iter().fold(0, |bits, byte| bits | byte) < 0x80,
    }
}

#[inline(never)]
fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_is_exactly_what_str_accepts(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(Text::from_utf8(&bytes).map(Text::as_str), std::str::from_utf8(&bytes).ok());
        }
    }
}
