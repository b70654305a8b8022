//! Integers of variable length in snapshots: LEB128, signed ones zigzagged, strict in one spelling each.
//!
//! Deliberately without knowledge of what the numbers mean.

/// Appends unsigned 7 bits at a time, lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends signed: 0, -1, 1, -2, … become 0, 1, 2, 3, …
pub(super) fn put_signed(out: &mut Vec<u8>, value: i128) {
    put(out, (value.cast_unsigned() << 1) ^ (value >> 127).cast_unsigned());
}

/// Appends the length, then the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u128);
    out.extend_from_slice(bytes);
}

/// What is left to read. Every method gives `None` when the bytes end early or say something no writer says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    /// A number that fits `T`, in its shortest spelling.
    pub(super) fn number<T: TryFrom<u128>>(&mut self) -> Option<T> {
        let mut value = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return T::try_from(value).ok().filter(|_| shortest);
            }
        }
        None
    }

    pub(super) fn signed<T: TryFrom<i128>>(&mut self) -> Option<T> {
        let value: u128 = self.number()?;
        T::try_from((value >> 1).cast_signed() ^ -(value & 1).cast_signed()).ok()
    }

    /// A count of items of at least `item` bytes each: never more than the bytes left can hold.
    pub(super) fn count(&mut self, item: usize) -> Option<usize> {
        self.number::<usize>().filter(|count| *count <= self.bytes.len() / item)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.count(1)?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back_as_written(unsigned: u128, signed: i128, shift in 0..128u32) {
            let mut out = Vec::new();
            put(&mut out, unsigned >> shift);
            put_signed(&mut out, signed >> shift);
            put_bytes(&mut out, b"abc");
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number::<u128>(), Some(unsigned >> shift));
            prop_assert_eq!(reader.signed::<i128>(), Some(signed >> shift));
            prop_assert_eq!(reader.bytes(), Some(&b"abc"[..]));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn whatever_reads_as_a_number_is_spelt_the_one_way(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            let mut reader = Reader::new(&bytes);
            if let Some(value) = reader.number::<u128>() {
                let mut out = Vec::new();
                put(&mut out, value);
                prop_assert_eq!(&bytes[..bytes.len() - reader.bytes.len()], &out[..]);
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_read_back() {
        for value in [0, 1, -1, i128::MAX, i128::MIN] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            assert_eq!(Reader::new(&out).signed::<i128>(), Some(value));
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).number::<u64>(), None, "longer than needed");
        assert_eq!(Reader::new(&[0xff; 40]).number::<u128>(), None, "without end");
        assert_eq!(Reader::new(&[0x80, 0x02]).number::<u8>(), None, "too large");
    }
}
