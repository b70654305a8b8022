//! Reads the orders of the source topic: bare Avro of order schema 2.
//!
//! Written by hand from the Avro specification on purpose: the worker's decoder is not to judge itself. Deliberately reads
//! what this harness writes and nothing more.

use crate::orders::Made;

/// The order in these bytes, or `None` where they are none.
pub(crate) fn order(key: &[u8], value: &[u8]) -> Option<Made> {
    let mut rest = Bytes(value);
    let (id, product) = (rest.text()?, rest.text()?);
    rest.take(8)?;
    let quantity = i32::try_from(rest.long()?).ok()?;
    let (_currency, _created_at) = (rest.text()?, rest.long()?);
    // A union of null and long: which one, then the value.
    let price = (rest.long()? == 1).then(|| rest.long())??;
    let key = String::from_utf8(key.to_vec()).ok()?;
    rest.0.is_empty().then_some(Made { id, key, product, price, quantity })
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Variable length, zigzag.
    fn long(&mut self) -> Option<i64> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.long()?).ok()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::order;
    use crate::material::Stream;

    #[test]
    fn what_was_written_is_read() {
        for made in Stream::new(1, "a").take(100) {
            assert_eq!(order(made.key.as_bytes(), &made.bytes()), Some(made));
        }
    }

    #[test]
    fn what_is_no_order_is_not_read() {
        let bytes = Stream::new(1, "a").next().expect("it has no end").bytes();
        assert_eq!(order(b"", &bytes[..bytes.len() - 1]), None);
        assert_eq!(order(b"", &[&bytes[..], &[0]].concat()), None);
        assert_eq!(order(b"", &[0xff, 0xff, 0xff, 0xff, 1]), None);
    }
}
