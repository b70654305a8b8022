//! A writer's schema as a short list of steps: each reads one field into the order, or steps over it.
//!
//! Running a plan borrows from the record and never allocates. Deliberately without a way to be built by hand: `compile`
//! makes plans out of schemas.

use super::cursor::Cursor;
use super::shape::Shape;
use super::{DecodeReason, RawOrder, RawPrice};
use crate::order::Text;

/// A text field of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextSlot {
    OrderId,
    Product,
    Currency,
}

/// A whole number of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberSlot {
    /// Major units.
    Price,
    PriceMinor,
    Quantity,
    /// The number is divided by this to give milliseconds.
    CreatedAt {
        per_millisecond: i64,
    },
}

/// What is done with one value of the writer's record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A string, or bytes that are one.
    Text(TextSlot),
    /// An enum: the text is the symbol's.
    Symbol(TextSlot, Box<[Box<str>]>),
    /// A price.
    Double,
    /// A price.
    Float,
    /// A price; of that many bytes, or of a length before it.
    Decimal { size: Option<usize>, scale: u32 },
    /// An int.
    Int(NumberSlot),
    /// A long.
    Long(NumberSlot),
    /// Null leaves the order's default.
    Null,
    /// A value that nobody reads.
    Skip(Shape),
}

/// What is done with one field of the writer's record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    /// A value.
    One(Step),
    /// A union: a branch number, then that branch's step.
    Union(Box<[Step]>),
}

/// The fields of a record, in the writer's order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    fields: Box<[Field]>,
}

impl Plan {
    pub(crate) fn new(fields: Box<[Field]>) -> Plan {
        Plan { fields }
    }

    /// Fills an order that stands at its defaults from a record that must end with the plan.
    #[inline(always)]
    pub(crate) fn read<'a>(&'a self, record: &'a [u8], order: &mut RawOrder<'a>) -> Result<(), DecodeReason> {
        let mut cursor = Cursor::new(record);
        let mut draft = Draft { order, exact_price: None };
        for field in &self.fields {
            let step = match field {
                Field::One(step) => step,
                Field::Union(branches) => &branches[cursor.index(branches.len(), DecodeReason::BadUnionBranch)?],
            };
            step.run(&mut cursor, &mut draft)?;
        }
        if let Some(minor) = draft.exact_price {
            order.price = RawPrice::Minor(minor);
        }
        cursor.finish()
    }
}

impl Step {
    #[inline(always)]
    fn run<'a>(&'a self, cursor: &mut Cursor<'a>, draft: &mut Draft<'a, '_>) -> Result<(), DecodeReason> {
        match self {
            Step::Text(slot) => draft.text(*slot, cursor.text()?),
            Step::Symbol(slot, symbols) => {
                let symbol = cursor.index(symbols.len(), DecodeReason::BadEnumSymbol)?;
                draft.text(*slot, Text::from(&*symbols[symbol]));
            }
            Step::Double => draft.order.price = RawPrice::Double(cursor.double()?),
            Step::Float => draft.order.price = RawPrice::Double(f64::from(cursor.float()?)),
            Step::Decimal { size, scale } => {
                let unscaled = match size {
                    Some(size) => cursor.take(*size)?,
                    None => cursor.bytes()?,
                };
                draft.order.price = RawPrice::Decimal { unscaled, scale: *scale };
            }
            Step::Int(slot) => draft.number(*slot, i64::from(cursor.int()?)),
            Step::Long(slot) => draft.number(*slot, cursor.long()?),
            Step::Null => {}
            Step::Skip(shape) => *cursor = shape.skipped(*cursor)?,
        }
        Ok(())
    }
}

/// An order while its fields come in; the exact price may come before the one it overrides.
struct Draft<'a, 'o> {
    order: &'o mut RawOrder<'a>,
    exact_price: Option<i64>,
}

impl<'a> Draft<'a, '_> {
    #[inline(always)]
    fn text(&mut self, slot: TextSlot, text: Text<'a>) {
        match slot {
            TextSlot::OrderId => self.order.order_id = text,
            TextSlot::Product => self.order.product = text,
            TextSlot::Currency => self.order.currency = text,
        }
    }

    #[inline(always)]
    fn number(&mut self, slot: NumberSlot, number: i64) {
        match slot {
            NumberSlot::Price => self.order.price = RawPrice::Major(number),
            NumberSlot::PriceMinor => self.exact_price = Some(number),
            NumberSlot::Quantity => self.order.quantity = number,
            NumberSlot::CreatedAt { per_millisecond } => {
                self.order.created_at_milliseconds = number.div_euclid(per_millisecond);
            }
        }
    }
}
