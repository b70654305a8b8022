//! Orders whose schema has no plan (it contains itself, or names an order by a number): read by `apache-avro`, slowly.
//!
//! Records are walked by `bounds` first, so that hostile ones never reach that library. Deliberately without borrowed
//! results: values are copied into a scratch order that is reused.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{RecordSchema, ResolvedSchema};
use apache_avro::types::Value;

use super::schema::Role;
use super::{DecodeReason, RawOrder, RawPrice, bounds};
use crate::order::Text;

/// Zeros that are written out behind a big decimal of negative scale; no price needs more.
const MOST_ZEROS: i64 = 40;

/// A schema that only the fall-back reads, and what its fields are to an order.
#[derive(Debug)]
pub(crate) struct Fallback {
    schema: Schema,
    roles: Vec<Option<Role>>,
}

/// The last order that came through the fall-back.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    order_id: String,
    product: String,
    currency: Option<String>,
    price: OwnedPrice,
    price_minor: Option<i64>,
    quantity: Option<i64>,
    created_at_milliseconds: i64,
}

#[derive(Debug, Default)]
enum OwnedPrice {
    #[default]
    Missing,
    Double(f64),
    Major(i64),
    Decimal {
        unscaled: Vec<u8>,
        scale: u32,
    },
}

impl Fallback {
    pub(crate) fn new(schema: Schema, roles: Vec<Option<Role>>) -> Fallback {
        Fallback { schema, roles }
    }

    /// Fills an order that stands at its defaults from a record, by way of the scratch order.
    #[inline(never)]
    pub(crate) fn read<'a>(
        &self,
        record: &[u8],
        order: &mut RawOrder<'a>,
        scratch: &'a mut Scratch,
    ) -> Result<(), DecodeReason> {
        let refused = |_source| DecodeReason::Fallback;
        let Schema::Record(writer) = &self.schema else { return Err(DecodeReason::Fallback) };
        let resolved = ResolvedSchema::new(&self.schema).map_err(refused)?;
        bounds::check(&self.schema, resolved.get_names(), record)?;
        let reader = GenericDatumReader::builder(&self.schema).resolved_writer_schemata(resolved).build();
        let value = reader.map_err(refused)?.read_value(&mut &record[..]).map_err(refused)?;
        let Value::Record(fields) = value else { return Err(DecodeReason::Fallback) };
        *scratch = Scratch::default();
        for (index, (_name, value)) in fields.into_iter().enumerate() {
            if let Some(role) = self.roles.get(index).copied().flatten() {
                scratch.take(role, value, &FieldSchema { writer, index })?;
            }
        }
        scratch.view(order);
        Ok(())
    }
}

/// Where a decimal's scale is to be found.
struct FieldSchema<'s> {
    writer: &'s RecordSchema,
    index: usize,
}

impl FieldSchema<'_> {
    fn scale(&self, branch: Option<u32>) -> Option<u32> {
        let schema = &self.writer.fields.get(self.index)?.schema;
        let schema = match (schema, branch) {
            (Schema::Union(union), Some(branch)) => union.variants().get(usize::try_from(branch).ok()?)?,
            (schema, _) => schema,
        };
        match schema {
            Schema::Decimal(decimal) => u32::try_from(decimal.scale).ok(),
            _other => None,
        }
    }
}

impl Scratch {
    fn take(&mut self, role: Role, value: Value, schema: &FieldSchema<'_>) -> Result<(), DecodeReason> {
        let (branch, value) = match value {
            Value::Union(branch, value) => (Some(branch), *value),
            value => (None, value),
        };
        if matches!(value, Value::Null) {
            return Ok(());
        }
        match role {
            Role::OrderId => self.order_id = text(value)?,
            Role::Product => self.product = text(value)?,
            Role::Currency => self.currency = Some(text(value)?),
            Role::Price => self.price = price(value, schema.scale(branch))?,
            Role::Quantity => self.quantity = Some(whole(&value)?),
            Role::PriceMinor => self.price_minor = Some(whole(&value)?),
            Role::CreatedAt => self.created_at_milliseconds = milliseconds(&value),
        }
        Ok(())
    }

    /// Fills an order that stands at its defaults.
    fn view<'a>(&'a self, order: &mut RawOrder<'a>) {
        order.price = match (&self.price_minor, &self.price) {
            (Some(minor), _) => RawPrice::Minor(*minor),
            (None, OwnedPrice::Missing) => RawPrice::Missing,
            (None, OwnedPrice::Double(price)) => RawPrice::Double(*price),
            (None, OwnedPrice::Major(price)) => RawPrice::Major(*price),
            (None, OwnedPrice::Decimal { unscaled, scale }) => RawPrice::Decimal { unscaled, scale: *scale },
        };
        order.order_id = Text::from(self.order_id.as_str());
        order.product = Text::from(self.product.as_str());
        order.quantity = self.quantity.unwrap_or(order.quantity);
        order.currency = self.currency.as_deref().map_or(order.currency, Text::from);
        order.created_at_milliseconds = self.created_at_milliseconds;
    }
}

fn text(value: Value) -> Result<String, DecodeReason> {
    match value {
        Value::String(text) | Value::Enum(_, text) => Ok(text),
        Value::Bytes(bytes) => String::from_utf8(bytes).map_err(|_invalid| DecodeReason::BadUtf8),
        Value::Uuid(id) => Ok(id.to_string()),
        value => whole(&value).map(|number| number.to_string()),
    }
}

fn price(value: Value, scale: Option<u32>) -> Result<OwnedPrice, DecodeReason> {
    match value {
        Value::Double(price) => Ok(OwnedPrice::Double(price)),
        Value::Float(price) => Ok(OwnedPrice::Double(f64::from(price))),
        Value::Decimal(decimal) => {
            let unscaled = Vec::try_from(decimal).map_err(|_source| DecodeReason::Fallback)?;
            Ok(OwnedPrice::Decimal { unscaled, scale: scale.ok_or(DecodeReason::Fallback)? })
        }
        Value::BigDecimal(decimal) => {
            let (_, scale) = decimal.as_bigint_and_exponent();
            let decimal = if (-MOST_ZEROS..0).contains(&scale) { decimal.with_scale(0) } else { decimal };
            let (unscaled, scale) = decimal.as_bigint_and_exponent();
            let scale = u32::try_from(scale).map_err(|_negative| DecodeReason::BadNumber)?;
            Ok(OwnedPrice::Decimal { unscaled: unscaled.to_signed_bytes_be(), scale })
        }
        value => whole(&value).map(OwnedPrice::Major),
    }
}

fn whole(value: &Value) -> Result<i64, DecodeReason> {
    match value {
        Value::Int(number) => Ok(i64::from(*number)),
        Value::Long(number) => Ok(*number),
        _other => Err(DecodeReason::Fallback),
    }
}

/// A time that cannot be read is unknown.
fn milliseconds(value: &Value) -> i64 {
    match value {
        Value::TimestampMillis(time) | Value::LocalTimestampMillis(time) => *time,
        Value::TimestampMicros(time) | Value::LocalTimestampMicros(time) => time.div_euclid(1_000),
        Value::TimestampNanos(time) | Value::LocalTimestampNanos(time) => time.div_euclid(1_000_000),
        other => whole(other).unwrap_or(0),
    }
}
