//! A (product, currency) pair in a form that compares and hashes in a few instructions.
//!
//! Deliberately exact: names up to 16 bytes are compared by two overlapping words, longer ones byte by byte; the hash
//! only says where to look.

use xxhash_rust::xxh3::xxh3_128;

/// The longest name that two words hold.
const WORDS: usize = 16;

/// A pair, told apart from every other one with a name of at most 16 bytes; longer names need a look at their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    first: u64,
    last: u64,
    /// Currency, then the length of the name.
    tag: u64,
}

impl Short {
    #[inline]
    pub(super) fn of(name: &[u8], currency: [u8; 3]) -> Self {
        let (first, last) = words(name);
        let [a, b, c] = currency;
        let length = (name.len() as u64) << 24;
        Self { first, last, tag: u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 0]) | length }
    }

    /// Folded multiplication, as wyhash does it.
    #[inline]
    pub(super) fn hash(self) -> u64 {
        let one = u128::from(self.first ^ 0xa076_1d64_78bd_642f) * u128::from(self.last ^ 0xe703_7ed1_a0b4_28db);
        let one = (one >> 64) as u64 ^ one as u64;
        let two = u128::from(one ^ self.tag) * 0x8ebc_6af0_9c88_c6e3;
        (two >> 64) as u64 ^ two as u64
    }
}

/// Up to 16 bytes: two words that overlap as needed, which with the length are as good as the bytes. More: a digest.
#[inline]
fn words(name: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        if name.len() <= WORDS {
            return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        }
        let digest = xxh3_128(name);
        return ((digest >> 64) as u64, digest as u64);
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    match name {
        [] => (0, 0),
        [only] => (u64::from(*only), 0),
        [first, .., last] => (u64::from(*first), u64::from(*last) | u64::from(name[1]) << 8),
    }
}

/// A pair with its name.
#[derive(Clone, Debug)]
pub(super) struct Product {
    short: Short,
    name: Box<[u8]>,
}

impl Product {
    pub(super) fn new(short: Short, name: &[u8]) -> Self {
        Self { short, name: name.into() }
    }

    #[inline]
    pub(super) fn is(&self, short: &Short, name: &[u8]) -> bool {
        self.short == *short && (name.len() <= WORDS || *self.name == *name)
    }

    pub(super) fn hash(&self) -> u64 {
        self.short.hash()
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn currency(&self) -> [u8; 3] {
        let [a, b, c, ..] = self.short.tag.to_le_bytes();
        [a, b, c]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_names_are_one_only_if_their_bytes_are(
            one in prop::collection::vec(0..3u8, 0..20), two in prop::collection::vec(0..3u8, 0..20),
        ) {
            let product = Product::new(Short::of(&one, *b"USD"), &one);
            prop_assert_eq!(product.is(&Short::of(&two, *b"USD"), &two), one == two);
            prop_assert!(!product.is(&Short::of(&one, *b"EUR"), &one));
            prop_assert_eq!((product.name(), product.currency()), (&one[..], *b"USD"));
        }
    }

    #[test]
    fn hashes_of_a_hundred_thousand_products_rarely_meet() {
        let names = (0..100_000).map(|number| format!("product-{number}"));
        let hashes = names.map(|name| Short::of(name.as_bytes(), *b"USD").hash() >> 40);
        let distinct: std::collections::HashSet<u64> = hashes.collect();
        assert!(distinct.len() > 99_000, "{}", distinct.len());
    }
}
