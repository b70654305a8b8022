//! What a field that nobody reads looks like on the wire, so that it can be stepped over.
//!
//! Deliberately finite: a schema that contains itself has no shape, and is left to the fall-back.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

use super::DecodeReason;
use super::cursor::Cursor;

/// The named types of a schema.
pub(crate) type Names<'s> = HashMap<Name, &'s Schema>;

/// Most parts a plan may have after named types are written out; a schema can double them with every line.
const MOST_PARTS: usize = 4096;
/// Deepest nesting of a shape.
const DEEPEST: usize = 32;

/// The form of a value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// No byte.
    Null,
    /// One byte, 0 or 1.
    Boolean,
    /// A variable-length number of at most 32 bits.
    Int,
    /// A variable-length number.
    Long,
    /// That many bytes.
    Fixed(usize),
    /// A length and as many bytes.
    Bytes,
    /// A length and as many bytes of UTF-8.
    Text,
    /// A number below the count of symbols.
    Enum(usize),
    /// A branch number, then that branch.
    Union(Box<[Shape]>),
    /// Blocks of items.
    Array(Box<Shape>),
    /// Blocks of text and value.
    Map(Box<Shape>),
    /// One after the other.
    Record(Box<[Shape]>),
}

/// A schema that cannot be written out: it contains itself, or is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shapeless;

/// Writes shapes out of a schema, within a budget.
#[derive(Debug)]
pub(crate) struct Shaper<'s> {
    names: &'s Names<'s>,
    parts_left: usize,
}

impl<'s> Shaper<'s> {
    pub(crate) fn new(names: &'s Names<'s>) -> Shaper<'s> {
        Shaper { names, parts_left: MOST_PARTS }
    }

    /// The schema behind a name; any other is itself.
    pub(crate) fn resolve<'r>(&self, schema: &'r Schema) -> Result<&'r Schema, Shapeless>
    where
        's: 'r,
    {
        match schema {
            Schema::Ref { name } => self.names.get(name).copied().ok_or(Shapeless),
            other => Ok(other),
        }
    }

    /// The shape of a schema's values.
    pub(crate) fn shape(&mut self, schema: &Schema) -> Result<Shape, Shapeless> {
        self.shape_at(schema, 0)
    }

    fn shape_at(&mut self, schema: &Schema, depth: usize) -> Result<Shape, Shapeless> {
        self.parts_left = self.parts_left.checked_sub(1).filter(|_left| depth < DEEPEST).ok_or(Shapeless)?;
        let within = depth + 1;
        Ok(match self.resolve(schema)? {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Shape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Long,
            Schema::Float => Shape::Fixed(4),
            Schema::Double => Shape::Fixed(8),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Shape::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Shape::Text,
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Shape::Bytes,
                InnerDecimalSchema::Fixed(fixed) => Shape::Fixed(fixed.size),
            },
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Shape::Fixed(fixed.size)
            }
            Schema::Enum(symbols) => Shape::Enum(symbols.symbols.len()),
            Schema::Array(array) => Shape::Array(Box::new(self.shape_at(&array.items, within)?)),
            Schema::Map(map) => Shape::Map(Box::new(self.shape_at(&map.types, within)?)),
            Schema::Union(union) => Shape::Union(self.shapes(union.variants().iter(), within)?),
            Schema::Record(record) => {
                Shape::Record(self.shapes(record.fields.iter().map(|field| &field.schema), within)?)
            }
            Schema::Ref { .. } => return Err(Shapeless),
        })
    }

    fn shapes<'r>(
        &mut self,
        schemas: impl Iterator<Item = &'r Schema>,
        depth: usize,
    ) -> Result<Box<[Shape]>, Shapeless> {
        schemas.map(|schema| self.shape_at(schema, depth)).collect()
    }
}

impl Shape {
    /// Fewest bytes a value takes; 0 means that it never takes any.
    fn fewest_bytes(&self) -> usize {
        match self {
            Shape::Null => 0,
            Shape::Fixed(size) => *size,
            Shape::Record(fields) => fields.iter().fold(0, |bytes, field| bytes.saturating_add(field.fewest_bytes())),
            Shape::Boolean
            | Shape::Int
            | Shape::Long
            | Shape::Bytes
            | Shape::Text
            | Shape::Enum(_)
            | Shape::Union(_)
            | Shape::Array(_)
            | Shape::Map(_) => 1,
        }
    }

    /// What follows a value. By value, so that the caller's cursor can stay in registers.
    #[inline(never)]
    pub(crate) fn skipped<'a>(&self, mut cursor: Cursor<'a>) -> Result<Cursor<'a>, DecodeReason> {
        self.skip(&mut cursor)?;
        Ok(cursor)
    }

    /// Steps over a value.
    fn skip(&self, cursor: &mut Cursor<'_>) -> Result<(), DecodeReason> {
        match self {
            Shape::Null => Ok(()),
            Shape::Boolean => cursor.boolean().map(drop),
            Shape::Int => cursor.int().map(drop),
            Shape::Long => cursor.long().map(drop),
            Shape::Fixed(size) => cursor.take(*size).map(drop),
            Shape::Bytes => cursor.bytes().map(drop),
            Shape::Text => cursor.text().map(drop),
            Shape::Enum(symbols) => cursor.index(*symbols, DecodeReason::BadEnumSymbol).map(drop),
            Shape::Union(branches) => {
                let branch = cursor.index(branches.len(), DecodeReason::BadUnionBranch)?;
                branches[branch].skip(cursor)
            }
            Shape::Array(item) => skip_blocks(cursor, item.fewest_bytes(), |cursor| item.skip(cursor)),
            Shape::Map(value) => skip_blocks(cursor, value.fewest_bytes().saturating_add(1), |cursor| {
                cursor.text()?;
                value.skip(cursor)
            }),
            Shape::Record(fields) => fields.iter().try_for_each(|field| field.skip(cursor)),
        }
    }
}

/// Steps over blocks. A count is believed only as far as the bytes that are left could hold it; items that take no byte
/// are not counted out one by one.
fn skip_blocks<'a>(
    cursor: &mut Cursor<'a>,
    fewest_bytes: usize,
    skip_item: impl Fn(&mut Cursor<'a>) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    loop {
        let (count, size) = cursor.block()?;
        if count == 0 {
            return Ok(());
        }
        let before = cursor.left();
        if let Some(most) = before.checked_div(fewest_bytes) {
            if count > most as u64 {
                return Err(DecodeReason::BadLength);
            }
            for _item in 0..count {
                skip_item(cursor)?;
            }
        }
        if size.is_some_and(|size| size != before - cursor.left()) {
            return Err(DecodeReason::BadLength);
        }
    }
}
