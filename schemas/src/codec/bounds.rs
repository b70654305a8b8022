//! Walks a record by its schema before `apache-avro` reads it: every length, count, branch and depth is checked.
//!
//! That library allocates what a length says before it looks for the bytes (up to 512 MiB), reads missing bytes as null
//! and follows recursion without end. What passes here it reads with memory in proportion to the record. Deliberately
//! without a result: it only says whether the record is exactly one value of the schema.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};

use super::DecodeReason;
use super::cursor::Cursor;
use super::shape::Names;

/// Deepest nesting that is followed.
const DEEPEST: usize = 64;
/// Values that a record may have beyond one for each byte: nulls and empty records take none.
const VALUES_BEYOND_BYTES: usize = 4096;

/// Checks that the record is exactly one value of the schema, with values in proportion to its bytes.
pub(crate) fn check(schema: &Schema, names: &Names<'_>, record: &[u8]) -> Result<(), DecodeReason> {
    let mut walk = Walk { cursor: Cursor::new(record), names, values_left: record.len() + VALUES_BEYOND_BYTES };
    walk.value(schema, 0)?;
    walk.cursor.finish()
}

struct Walk<'s, 'a> {
    cursor: Cursor<'a>,
    names: &'s Names<'s>,
    values_left: usize,
}

impl Walk<'_, '_> {
    fn value(&mut self, schema: &Schema, depth: usize) -> Result<(), DecodeReason> {
        if depth >= DEEPEST {
            return Err(DecodeReason::TooDeep);
        }
        self.values_left = self.values_left.checked_sub(1).ok_or(DecodeReason::BadLength)?;
        let within = depth + 1;
        match schema {
            Schema::Null => Ok(()),
            Schema::Boolean => self.cursor.boolean().map(drop),
            Schema::Int | Schema::Date | Schema::TimeMillis => self.cursor.int().map(drop),
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => self.cursor.long().map(drop),
            Schema::Float => self.cursor.float().map(drop),
            Schema::Double => self.cursor.double().map(drop),
            Schema::Bytes | Schema::Uuid(UuidSchema::Bytes) => self.cursor.bytes().map(drop),
            Schema::BigDecimal => self.big_decimal(),
            Schema::String | Schema::Uuid(UuidSchema::String) => self.cursor.text().map(drop),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => self.cursor.bytes().map(drop),
                InnerDecimalSchema::Fixed(fixed) => self.cursor.take(fixed.size).map(drop),
            },
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.cursor.take(fixed.size).map(drop)
            }
            Schema::Enum(symbols) => self.cursor.index(symbols.symbols.len(), DecodeReason::BadEnumSymbol).map(drop),
            Schema::Union(union) => {
                let branches = union.variants();
                let branch = self.cursor.index(branches.len(), DecodeReason::BadUnionBranch)?;
                self.value(&branches[branch], within)
            }
            Schema::Record(record) => record.fields.iter().try_for_each(|field| self.value(&field.schema, within)),
            Schema::Array(array) => self.blocks(|walk| walk.value(&array.items, within)),
            Schema::Map(map) => self.blocks(|walk| {
                walk.cursor.text()?;
                walk.value(&map.types, within)
            }),
            Schema::Ref { name } => {
                let named = self.names.get(name).copied().ok_or(DecodeReason::Fallback)?;
                self.value(named, within)
            }
        }
    }

    /// A count ends at the first item that the bytes or the budget of values do not cover.
    fn blocks(&mut self, item: impl Fn(&mut Self) -> Result<(), DecodeReason>) -> Result<(), DecodeReason> {
        loop {
            let (count, size) = self.cursor.block()?;
            if count == 0 {
                return Ok(());
            }
            let before = self.cursor.left();
            for _item in 0..count {
                item(self)?;
            }
            if size.is_some_and(|size| size != before - self.cursor.left()) {
                return Err(DecodeReason::BadLength);
            }
        }
    }

    /// `bytes` that hold, once more as Avro, the unscaled number's bytes and the scale.
    fn big_decimal(&mut self) -> Result<(), DecodeReason> {
        let mut inner = Cursor::new(self.cursor.bytes()?);
        inner.bytes()?;
        inner.long()?;
        inner.finish()
    }
}
