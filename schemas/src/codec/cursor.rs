//! Reads Avro's binary primitives from a slice: borrowed, checked, without an allocation.
//!
//! Format: Avro 1.12, "binary encoding". Deliberately stricter than most readers: a number must fit its type and end,
//! and nothing is ever read as "null because the bytes ran out".

use super::DecodeReason;
use crate::order::Text;

/// What is left of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// Bytes left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Succeeds when nothing is left.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), DecodeReason> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeReason::TrailingBytes) }
    }

    /// The next `length` bytes.
    #[inline(always)]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeReason> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeReason::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeReason> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeReason::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A `long`: zig-zag, seven bits a byte, lowest first.
    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64, DecodeReason> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeReason::Truncated)?;
        if *first < 0x80 {
            self.rest = rest;
            return Ok(zig_zag(u64::from(*first)));
        }
        self.long_of_many_bytes()
    }

    /// Up to eight bytes at once where there are as many, else one by one.
    #[inline(always)]
    fn long_of_many_bytes(&mut self) -> Result<i64, DecodeReason> {
        if let Some(word) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let bits = ends.trailing_zeros() + 1;
                self.rest = &self.rest[bits as usize / 8..];
                return Ok(zig_zag(gather(word & (u64::MAX >> (64 - bits)))));
            }
        }
        let (number, rest) = long_byte_by_byte(self.rest)?;
        self.rest = rest;
        Ok(number)
    }

    /// An `int`: a `long` that fits 32 bits.
    #[inline(always)]
    pub(crate) fn int(&mut self) -> Result<i32, DecodeReason> {
        i32::try_from(self.long()?).map_err(|_wide| DecodeReason::BadNumber)
    }

    /// A `boolean`.
    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeReason> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [_other] => Err(DecodeReason::BadBoolean),
        }
    }

    /// A `float`.
    #[inline(always)]
    pub(crate) fn float(&mut self) -> Result<f32, DecodeReason> {
        self.array().map(f32::from_le_bytes)
    }

    /// A `double`.
    #[inline(always)]
    pub(crate) fn double(&mut self) -> Result<f64, DecodeReason> {
        self.array().map(f64::from_le_bytes)
    }

    /// `bytes`: a length, then as many.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeReason> {
        let (length, rest) = match self.rest.split_first() {
            // One byte, not negative: nearly every length.
            Some((first, rest)) if first & 0x81 == 0 => (usize::from(first >> 1), rest),
            _other => long_byte_by_byte(self.rest).and_then(|(length, rest)| {
                Ok((usize::try_from(length).map_err(|_negative| DecodeReason::BadLength)?, rest))
            })?,
        };
        let (taken, rest) = rest.split_at_checked(length).ok_or(DecodeReason::BadLength)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A `string`.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'a>, DecodeReason> {
        Text::from_utf8(self.bytes()?).ok_or(DecodeReason::BadUtf8)
    }

    /// An index into a list of `count`: a union's branch or an enum's symbol.
    #[inline(always)]
    pub(crate) fn index(&mut self, count: usize, otherwise: DecodeReason) -> Result<usize, DecodeReason> {
        let index = self.long()?;
        usize::try_from(index).ok().filter(|index| *index < count).ok_or(otherwise)
    }

    /// The number of items in the next block of an array or map; 0 ends it. A block may tell its size in bytes.
    pub(crate) fn block(&mut self) -> Result<(u64, Option<usize>), DecodeReason> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        let size = usize::try_from(self.long()?).ok().filter(|size| *size <= self.left());
        Ok((count.unsigned_abs(), Some(size.ok_or(DecodeReason::BadLength)?)))
    }
}

/// A `long` and what follows it. Takes and returns the bytes by value, so that a cursor can stay in registers.
#[inline(never)]
fn long_byte_by_byte(bytes: &[u8]) -> Result<(i64, &[u8]), DecodeReason> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate() {
        // The tenth byte has room for one bit.
        if index == 9 && *byte > 1 {
            return Err(DecodeReason::BadNumber);
        }
        number |= u64::from(*byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Ok((zig_zag(number), &bytes[index + 1..]));
        }
    }
    Err(DecodeReason::Truncated)
}

/// 0, -1, 1, -2, … of 0, 1, 2, 3, …
#[inline]
fn zig_zag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The low seven bits of eight bytes, put together: first to pairs, then to fours, then to all.
#[inline]
fn gather(word: u64) -> u64 {
    let bytes = word & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (bytes & 0x007f_007f_007f_007f) | ((bytes & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long(bytes: &[u8]) -> Result<i64, DecodeReason> {
        let mut cursor = Cursor::new(bytes);
        let number = cursor.long()?;
        cursor.finish().map(|()| number)
    }

    #[test]
    fn longs_are_zig_zag() {
        for (bytes, number) in
            [(&[0][..], 0), (&[1], -1), (&[2], 1), (&[0x7f], -64), (&[0x80, 0x01], 64), (&[0x80, 0x00], 0)]
        {
            assert_eq!(long(bytes), Ok(number), "{bytes:?}");
        }
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), Ok(i64::MIN));
    }

    #[test]
    fn numbers_that_do_not_end_or_fit_are_refused() {
        assert_eq!(long(&[]), Err(DecodeReason::Truncated));
        assert_eq!(long(&[0x80]), Err(DecodeReason::Truncated));
        assert_eq!(long(&[0xff; 11]), Err(DecodeReason::BadNumber));
        assert_eq!(long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), Err(DecodeReason::BadNumber));
        assert_eq!(Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).int(), Err(DecodeReason::BadNumber));
    }

    #[test]
    fn lengths_beyond_the_record_are_refused_before_anything_is_taken() {
        assert_eq!(Cursor::new(&[0x01]).bytes(), Err(DecodeReason::BadLength));
        assert_eq!(Cursor::new(&[0x04, 0x41]).bytes(), Err(DecodeReason::BadLength));
        assert_eq!(Cursor::new(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).bytes(), Err(DecodeReason::BadLength));
        assert_eq!(Cursor::new(&[0x02, 0xff]).text(), Err(DecodeReason::BadUtf8));
        assert_eq!(Cursor::new(&[0x03, 0x7e, 0]).block(), Err(DecodeReason::BadLength));
    }

    #[test]
    fn flags_and_branches_outside_their_list_are_refused() {
        assert_eq!(Cursor::new(&[2]).boolean(), Err(DecodeReason::BadBoolean));
        assert_eq!(Cursor::new(&[4]).index(2, DecodeReason::BadUnionBranch), Err(DecodeReason::BadUnionBranch));
        assert_eq!(Cursor::new(&[1]).index(2, DecodeReason::BadEnumSymbol), Err(DecodeReason::BadEnumSymbol));
    }

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_the_same_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..14)) {
            let mut at_once = Cursor::new(&bytes);
            let number = at_once.long();
            prop_assert_eq!(number.map(|number| (number, at_once.rest)), long_byte_by_byte(&bytes));
        }

        #[test]
        fn whatever_the_bytes_a_cursor_only_moves_forward(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut cursor = Cursor::new(&bytes);
            let mut left = cursor.left();
            while cursor.text().is_ok() || cursor.block().is_ok() {
                prop_assert!(cursor.left() < left);
                left = cursor.left();
            }
        }
    }
}
