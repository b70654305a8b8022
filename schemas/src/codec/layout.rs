//! Our own two layouts, read by hand: what nearly every record is.
//!
//! Deliberately the same result as their compiled plans; a test holds the two against each other.

use super::cursor::Cursor;
use super::{DecodeReason, RawOrder, RawPrice, WriterSchema};

/// The fields that versions 1 and 2 share.
#[inline(always)]
fn shared_fields<'a>(order: &mut RawOrder<'a>, cursor: &mut Cursor<'a>) -> Result<(), DecodeReason> {
    order.order_id = cursor.text()?;
    order.product = cursor.text()?;
    order.price = RawPrice::Double(cursor.double()?);
    Ok(())
}

/// The fields that version 2 adds.
#[inline(always)]
fn added_fields<'a>(order: &mut RawOrder<'a>, cursor: &mut Cursor<'a>) -> Result<(), DecodeReason> {
    order.quantity = i64::from(cursor.int()?);
    order.currency = cursor.text()?;
    order.created_at_milliseconds = cursor.long()?;
    if cursor.index(2, DecodeReason::BadUnionBranch)? == 1 {
        order.price = RawPrice::Minor(cursor.long()?);
    }
    Ok(())
}

/// Fills an order that stands at its defaults from a record of version 1.
#[inline(always)]
pub(crate) fn read_v1<'a>(record: &'a [u8], order: &mut RawOrder<'a>) -> Result<(), DecodeReason> {
    let mut cursor = Cursor::new(record);
    shared_fields(order, &mut cursor)?;
    cursor.finish()
}

/// Fills an order that stands at its defaults from a record of version 2.
#[inline(always)]
pub(crate) fn read_v2<'a>(record: &'a [u8], order: &mut RawOrder<'a>) -> Result<(), DecodeReason> {
    let mut cursor = Cursor::new(record);
    shared_fields(order, &mut cursor)?;
    added_fields(order, &mut cursor)?;
    cursor.finish()
}

/// Fills an order that stands at its defaults from a record of version 2 or, where it ends behind the shared fields, of
/// version 1: no record fits both.
#[inline(always)]
pub(crate) fn read_either<'a>(record: &'a [u8], order: &mut RawOrder<'a>) -> Result<(), DecodeReason> {
    let mut cursor = Cursor::new(record);
    shared_fields(order, &mut cursor)?;
    order.schema = WriterSchema::V1;
    if cursor.left() == 0 {
        return Ok(());
    }
    order.schema = WriterSchema::V2;
    added_fields(order, &mut cursor)?;
    cursor.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::compile::{Reader, compile, v1_plan, v2_plan};
    use crate::codec::{Encoder, Encoding, SchemaVersion};
    use crate::order::{Currency, Money, Order, Text};
    use proptest::prelude::*;

    fn order<'a>(order_id: &'a str, product: &'a str, minor: i64, quantity: i32, created_at: i64) -> Order<'a> {
        Order {
            order_id: Text::from(order_id),
            product: Text::from(product),
            price: Money::from_minor(minor),
            quantity,
            currency: Currency::USD,
            created_at_milliseconds: created_at,
        }
    }

    #[test]
    fn our_schemas_compile_to_our_layouts() {
        assert!(matches!(compile(SchemaVersion::V1.schema()), Ok(Reader::V1)));
        assert!(matches!(compile(SchemaVersion::V2.schema()), Ok(Reader::V2)));
    }

    /// What a way of reading makes of a record, but for the schema that the caller knows.
    fn seen<'a>(
        record: &'a [u8],
        read: impl Fn(&'a [u8], &mut RawOrder<'a>) -> Result<(), DecodeReason>,
    ) -> Result<String, DecodeReason> {
        let mut order = RawOrder::with_defaults(WriterSchema::Configured, None);
        read(record, &mut order)?;
        order.schema = WriterSchema::Configured;
        Ok(format!("{order:?}"))
    }

    proptest! {
        #[test]
        fn layouts_and_plans_read_the_same(
            id in ".{0,20}", product in ".{0,90}", minor: i64, quantity: i32, created_at: i64,
            version in proptest::sample::select(&SchemaVersion::ALL[..]), cut in 0..200_usize, flip: (u8, u8),
        ) {
            let mut bytes = Vec::new();
            let order = order(&id, &product, minor, quantity, created_at);
            Encoder::new(version, Encoding::Bare).encode(&order, &mut bytes);
            let damaged = usize::from(flip.0) % bytes.len();
            bytes[damaged] ^= flip.1;
            bytes.truncate(cut.max(1));
            let (v1, v2) = (v1_plan(), v2_plan());
            let [by_v1, by_v2] = [&v1, &v2].map(|plan| seen(&bytes, |record, order| plan.read(record, order)));
            prop_assert_eq!(seen(&bytes, read_v1), by_v1.clone());
            prop_assert_eq!(seen(&bytes, read_v2), by_v2.clone());
            prop_assert_eq!(seen(&bytes, read_either).ok(), by_v2.or(by_v1).ok());
        }
    }
}
