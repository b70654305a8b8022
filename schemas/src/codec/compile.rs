//! A writer's schema to the quickest way of reading its records: our own layout, a plan, or the fall-back.
//!
//! Deliberately done once for each schema: nothing here is on the way of a record.

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, RecordField, ResolvedSchema, UuidSchema};
use snafu::ResultExt;

use super::fallback::Fallback;
use super::plan::{Field, NumberSlot, Plan, Step, TextSlot};
use super::schema::{self, ParseSnafu, Role, SchemaError, SchemaVersion, record, roles, unusable};
use super::shape::{Shapeless, Shaper};

/// A way of reading the records of one schema.
#[derive(Debug)]
pub(crate) enum Reader {
    /// The layout of version 1, whatever the record's name.
    V1,
    /// The layout of version 2.
    V2,
    /// Any other that can be written out in steps.
    Plan(Plan),
    /// All that cannot.
    Fallback(Box<Fallback>),
}

/// Why a field has no step.
enum NoStep {
    /// The fall-back can read it.
    Fallback,
    /// Nobody can.
    Unusable,
}

impl From<Shapeless> for NoStep {
    fn from(_shapeless: Shapeless) -> NoStep {
        NoStep::Fallback
    }
}

/// Compiles a schema.
pub(crate) fn compile(schema: Schema) -> Result<Reader, SchemaError> {
    Ok(match plan(&schema)? {
        Some(plan) if plan == v1_plan() => Reader::V1,
        Some(plan) if plan == v2_plan() => Reader::V2,
        Some(plan) => Reader::Plan(plan),
        None => {
            let roles = roles(record(&schema)?)?;
            Reader::Fallback(Box::new(Fallback::new(schema, roles)))
        }
    })
}

impl SchemaVersion {
    /// The version of ours whose records are byte for byte what a writer with this schema writes, whatever its names
    /// and documentation; `None` when there is none. `references` as for
    /// [`Decoder::add_schema_with_references`](super::Decoder::add_schema_with_references).
    ///
    /// # Errors
    /// When the schema is not one of an order.
    pub fn with_layout_of(schema: &str, references: &[&str]) -> Result<Option<SchemaVersion>, SchemaError> {
        Ok(match compile(schema::parse_with_references(schema, references)?)? {
            Reader::V1 => Some(SchemaVersion::V1),
            Reader::V2 => Some(SchemaVersion::V2),
            Reader::Plan(_) | Reader::Fallback(_) => None,
        })
    }
}

/// The plan of a schema, or `None` when only the fall-back can read it.
pub(crate) fn plan(schema: &Schema) -> Result<Option<Plan>, SchemaError> {
    let record = record(schema)?;
    let roles = roles(record)?;
    let resolved = ResolvedSchema::new(schema).map_err(Box::new).context(ParseSnafu)?;
    let mut compiler = Compiler { shaper: Shaper::new(resolved.get_names()) };
    let mut fields = Vec::with_capacity(record.fields.len());
    for (field, role) in record.fields.iter().zip(roles) {
        match (compiler.field(field, role), role) {
            (Ok(step), _) => fields.push(step),
            (Err(NoStep::Unusable), Some(role)) => return Err(unusable(field, role)),
            (Err(NoStep::Unusable | NoStep::Fallback), _) => {}
        }
    }
    Ok((fields.len() == record.fields.len()).then(|| Plan::new(fields.into())))
}

/// The plan of version 1.
pub(crate) fn v1_plan() -> Plan {
    Plan::new(Box::new(v1_fields()))
}

fn v1_fields() -> [Field; 3] {
    [Step::Text(TextSlot::OrderId), Step::Text(TextSlot::Product), Step::Double].map(Field::One)
}

/// The plan of version 2.
pub(crate) fn v2_plan() -> Plan {
    let added = [
        Field::One(Step::Int(NumberSlot::Quantity)),
        Field::One(Step::Text(TextSlot::Currency)),
        Field::One(Step::Long(NumberSlot::CreatedAt { per_millisecond: 1 })),
        Field::Union(Box::new([Step::Null, Step::Long(NumberSlot::PriceMinor)])),
    ];
    Plan::new(v1_fields().into_iter().chain(added).collect())
}

struct Compiler<'s> {
    shaper: Shaper<'s>,
}

impl Compiler<'_> {
    fn field(&mut self, field: &RecordField, role: Option<Role>) -> Result<Field, NoStep> {
        let Some(role) = role else {
            return Ok(Field::One(Step::Skip(self.shaper.shape(&field.schema)?)));
        };
        match &field.schema {
            Schema::Union(union) => {
                let branches =
                    union.variants().iter().map(|branch| self.step(branch, role)).collect::<Result<_, _>>()?;
                Ok(Field::Union(branches))
            }
            schema => self.step(schema, role).map(Field::One),
        }
    }

    fn step(&mut self, schema: &Schema, role: Role) -> Result<Step, NoStep> {
        let schema = self.shaper.resolve(schema)?;
        if matches!(schema, Schema::Null) {
            return Ok(Step::Null);
        }
        match role {
            Role::OrderId => text_step(schema, TextSlot::OrderId),
            Role::Product => text_step(schema, TextSlot::Product),
            Role::Currency => text_step(schema, TextSlot::Currency),
            Role::Price => price_step(schema),
            Role::Quantity => whole_step(schema, NumberSlot::Quantity),
            Role::PriceMinor => whole_step(schema, NumberSlot::PriceMinor),
            // A time we cannot read is a time we do not know: no reason to refuse a writer.
            Role::CreatedAt => match time_step(schema) {
                Some(step) => Ok(step),
                None => Ok(Step::Skip(self.shaper.shape(schema)?)),
            },
        }
    }
}

fn text_step(schema: &Schema, slot: TextSlot) -> Result<Step, NoStep> {
    match schema {
        Schema::String | Schema::Bytes | Schema::Uuid(UuidSchema::String) => Ok(Step::Text(slot)),
        Schema::Enum(symbols) => {
            Ok(Step::Symbol(slot, symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect()))
        }
        Schema::Int | Schema::Long | Schema::Uuid(UuidSchema::Bytes | UuidSchema::Fixed(_)) => Err(NoStep::Fallback),
        _other => Err(NoStep::Unusable),
    }
}

fn price_step(schema: &Schema) -> Result<Step, NoStep> {
    match schema {
        Schema::Double => Ok(Step::Double),
        Schema::Float => Ok(Step::Float),
        Schema::Decimal(decimal) => {
            let scale = u32::try_from(decimal.scale).map_err(|_large| NoStep::Unusable)?;
            let size = match &decimal.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
            };
            Ok(Step::Decimal { size, scale })
        }
        Schema::BigDecimal => Err(NoStep::Fallback),
        other => whole_step(other, NumberSlot::Price),
    }
}

fn whole_step(schema: &Schema, slot: NumberSlot) -> Result<Step, NoStep> {
    match schema {
        Schema::Int => Ok(Step::Int(slot)),
        Schema::Long => Ok(Step::Long(slot)),
        _other => Err(NoStep::Unusable),
    }
}

fn time_step(schema: &Schema) -> Option<Step> {
    let per_millisecond = match schema {
        Schema::Int => return Some(Step::Int(NumberSlot::CreatedAt { per_millisecond: 1 })),
        Schema::Long | Schema::TimestampMillis | Schema::LocalTimestampMillis => 1,
        Schema::TimestampMicros | Schema::LocalTimestampMicros => 1_000,
        Schema::TimestampNanos | Schema::LocalTimestampNanos => 1_000_000,
        _other => return None,
    };
    Some(Step::Long(NumberSlot::CreatedAt { per_millisecond }))
}
