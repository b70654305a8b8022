//! Our own two layouts, read by hand: what nearly every record is.
//!
//! Deliberately the same result as their compiled plans; a test holds the two against each other.

use super::cursor::Cursor;
use super::{DecodeReason, RawOrder, RawPrice, WriterSchema};

/// The fields that versions 1 and 2 share, the rest at its defaults.
#[inline]
fn shared_fields<'a>(cursor: &mut Cursor<'a>, schema: WriterSchema) -> Result<RawOrder<'a>, DecodeReason> {
    let order_id = cursor.text()?;
    let product = cursor.text()?;
    let price = RawPrice::Double(cursor.double()?);
    Ok(RawOrder { order_id, product, price, ..RawOrder::with_defaults(schema) })
}

/// The fields that version 2 adds.
#[inline]
fn added_fields<'a>(order: &mut RawOrder<'a>, cursor: &mut Cursor<'a>) -> Result<(), DecodeReason> {
    order.quantity = i64::from(cursor.int()?);
    order.currency = cursor.text()?;
    order.created_at_milliseconds = cursor.long()?;
    if cursor.index(2, DecodeReason::BadUnionBranch)? == 1 {
        order.price = RawPrice::Minor(cursor.long()?);
    }
    Ok(())
}

/// A record of version 1.
#[inline]
pub(crate) fn read_v1(record: &[u8], schema: WriterSchema) -> Result<RawOrder<'_>, DecodeReason> {
    let mut cursor = Cursor::new(record);
    let order = shared_fields(&mut cursor, schema)?;
    cursor.finish()?;
    Ok(order)
}

/// A record of version 2.
#[inline]
pub(crate) fn read_v2(record: &[u8], schema: WriterSchema) -> Result<RawOrder<'_>, DecodeReason> {
    let mut cursor = Cursor::new(record);
    let mut order = shared_fields(&mut cursor, schema)?;
    added_fields(&mut order, &mut cursor)?;
    cursor.finish()?;
    Ok(order)
}

/// A record of version 2 or, where it ends behind the shared fields, of version 1: no record fits both.
#[inline]
pub(crate) fn read_either(record: &[u8]) -> Result<RawOrder<'_>, DecodeReason> {
    let mut cursor = Cursor::new(record);
    let mut order = shared_fields(&mut cursor, WriterSchema::V1)?;
    if cursor.left() > 0 {
        order.schema = WriterSchema::V2;
        added_fields(&mut order, &mut cursor)?;
        cursor.finish()?;
    }
    Ok(order)
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
            let seen = |order: Result<RawOrder<'_>, DecodeReason>| format!("{order:?}");
            prop_assert_eq!(seen(read_v1(&bytes, WriterSchema::V1)), seen(v1.read(&bytes, WriterSchema::V1)));
            prop_assert_eq!(seen(read_v2(&bytes, WriterSchema::V2)), seen(v2.read(&bytes, WriterSchema::V2)));
            let either = v2.read(&bytes, WriterSchema::V2).or_else(|_| v1.read(&bytes, WriterSchema::V1));
            prop_assert_eq!(format!("{:?}", read_either(&bytes).ok()), format!("{:?}", either.ok()));
        }
    }
}
