//! Whether two schemas read each other's records: both ways, fully, and with the same meaning.
//!
//! `apache-avro` compares the types; what it lets pass is compared here: another logical type under the same type (a
//! time-stamp off by a thousand), a field renamed by alias (it accepts that and then cannot read it), and an enum that
//! may grow without a default. Deliberately stricter than Avro: better a refused schema than a wrong order.

use std::fmt;

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, InnerDecimalSchema, RecordSchema, UuidSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use super::schema::{SchemaError, SchemaVersion, parse};

/// A schema to be compared: what to call it, and its text.
#[derive(Clone, Copy, Debug)]
pub struct NamedSchema<'s> {
    /// What reports call it, such as its file name.
    pub name: &'s str,
    /// Its JSON.
    pub text: &'s str,
}

/// How records written with one schema are read with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairReport {
    /// Name of the schema that records were written with.
    pub writer: String,
    /// Name of the schema they are read with.
    pub reader: String,
    /// Why not, one sentence each; empty = fully compatible.
    pub problems: Vec<String>,
}

impl PairReport {
    /// Whether every record of the writer is read with its full meaning.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for PairReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_full() { "full" } else { "REFUSED" };
        write!(formatter, "{} reads {}: {verdict}", self.reader, self.writer)?;
        self.problems.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

/// Reports on all order schemas, each version reading each other one and itself.
#[must_use]
pub fn order_schemas() -> Vec<PairReport> {
    let schemas = SchemaVersion::ALL.map(|version| NamedSchema { name: version.file_name(), text: version.text() });
    pairs(&schemas).expect("the embedded schemas are valid; a test parses them")
}

/// Reports on every ordered pair of the schemas, each with itself included.
///
/// # Errors
/// When one of them is not an Avro schema.
pub fn pairs(schemas: &[NamedSchema<'_>]) -> Result<Vec<PairReport>, SchemaError> {
    let parsed = schemas.iter().map(|schema| Ok((schema.name, parse(schema.text)?))).collect::<Result<Vec<_>, _>>()?;
    let report = |(writer, written): &(&str, Schema), (reader, read): &(&str, Schema)| PairReport {
        writer: (*writer).to_owned(),
        reader: (*reader).to_owned(),
        problems: problems(written, read),
    };
    Ok(parsed.iter().flat_map(|writer| parsed.iter().map(|reader| report(writer, reader))).collect())
}

fn problems(writer: &Schema, reader: &Schema) -> Vec<String> {
    let mut problems = Vec::new();
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => {}
        Ok(Compatibility::Partial) => problems.push("some of the writer's values cannot be read".to_owned()),
        Err(error) => problems.push(error.to_string()),
    }
    compare(writer, reader, &mut "order".to_owned(), &mut problems);
    problems
}

/// Compares what stands at one place of both schemas; `path` names the place.
fn compare(writer: &Schema, reader: &Schema, path: &mut String, problems: &mut Vec<String>) {
    match (writer, reader) {
        (Schema::Record(writer), Schema::Record(reader)) => compare_records(writer, reader, path, problems),
        (Schema::Union(_), _) | (_, Schema::Union(_)) => {
            compare_branches(branches(writer), branches(reader), path, problems);
        }
        (Schema::Array(writer), Schema::Array(reader)) => compare(&writer.items, &reader.items, path, problems),
        (Schema::Map(writer), Schema::Map(reader)) => compare(&writer.types, &reader.types, path, problems),
        (Schema::Enum(writer), Schema::Enum(reader)) => compare_enums(writer, reader, path, problems),
        (writer, reader) if meaning(writer) != meaning(reader) => {
            let (writer, reader) = (meaning(writer), meaning(reader));
            problems.push(format!("{path}: {writer} is written where {reader} is read"));
        }
        (_writer, _reader) => {}
    }
}

fn compare_records(writer: &RecordSchema, reader: &RecordSchema, path: &mut String, problems: &mut Vec<String>) {
    if writer.name != reader.name {
        problems.push(format!("{path}: record {} is not {}; a record keeps its name", writer.name, reader.name));
    }
    for field in &reader.fields {
        let length = path.len();
        path.push('.');
        path.push_str(&field.name);
        let same_name = writer.fields.iter().find(|written| written.name == field.name);
        let alias = || writer.fields.iter().find(|written| field.aliases.contains(&written.name));
        match (same_name, alias()) {
            (Some(written), _) => compare(&written.schema, &field.schema, path, problems),
            (None, Some(written)) => {
                problems.push(format!("{path}: renamed from {}; a field keeps its name", written.name))
            }
            (None, None) => {}
        }
        path.truncate(length);
    }
}

/// The branches of a union; anything else is its own only branch.
fn branches(schema: &Schema) -> &[Schema] {
    match schema {
        Schema::Union(union) => union.variants(),
        other => std::slice::from_ref(other),
    }
}

/// Each of the writer's branches must mean the same as one of the reader's.
fn compare_branches(writer: &[Schema], reader: &[Schema], path: &mut String, problems: &mut Vec<String>) {
    for written in writer {
        let attempts = reader.iter().map(|read| {
            let mut problems = Vec::new();
            compare(written, read, path, &mut problems);
            problems
        });
        if let Some(fewest) = attempts.min_by_key(Vec::len) {
            problems.extend(fewest);
        }
    }
}

/// A symbol may be added only where older readers have a default for it.
fn compare_enums(writer: &EnumSchema, reader: &EnumSchema, path: &str, problems: &mut Vec<String>) {
    if writer.symbols != reader.symbols && reader.default.is_none() {
        problems.push(format!("{path}: enum {} differs and has no default", reader.name));
    }
}

/// What a value of the schema means beyond its bytes; promotions (float to double) are not compared here.
fn meaning(schema: &Schema) -> String {
    let plain = match schema {
        Schema::Null => "null",
        Schema::Boolean => "a boolean",
        Schema::Int | Schema::Long | Schema::Float | Schema::Double => "a number",
        Schema::Bytes => "bytes",
        Schema::String => "text",
        Schema::Array(_) => "an array",
        Schema::Map(_) => "a map",
        Schema::Union(_) => "a union",
        Schema::Record(_) => "a record",
        Schema::Enum(_) => "an enum",
        Schema::Fixed(_) => "fixed bytes",
        Schema::BigDecimal => "a big decimal",
        Schema::Uuid(UuidSchema::String) => "a UUID as text",
        Schema::Uuid(UuidSchema::Bytes | UuidSchema::Fixed(_)) => "a UUID as bytes",
        Schema::Date => "a date",
        Schema::TimeMillis => "a time of day in milliseconds",
        Schema::TimeMicros => "a time of day in microseconds",
        Schema::TimestampMillis => "a time-stamp in milliseconds",
        Schema::TimestampMicros => "a time-stamp in microseconds",
        Schema::TimestampNanos => "a time-stamp in nanoseconds",
        Schema::LocalTimestampMillis => "a local time-stamp in milliseconds",
        Schema::LocalTimestampMicros => "a local time-stamp in microseconds",
        Schema::LocalTimestampNanos => "a local time-stamp in nanoseconds",
        Schema::Duration(_) => "a duration",
        Schema::Ref { name } => return format!("a {name}"),
        Schema::Decimal(decimal) => {
            let inner = match &decimal.inner {
                InnerDecimalSchema::Bytes => "bytes".to_owned(),
                InnerDecimalSchema::Fixed(fixed) => format!("{} bytes", fixed.size),
            };
            return format!("a decimal({}, {}) in {inner}", decimal.precision, decimal.scale);
        }
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order with one more field.
    fn schema(field: &str) -> String {
        format!(r#"{{"type": "record", "name": "Order", "fields": [{{"name": "orderId", "type": "string"}}{field}]}}"#)
    }

    /// Problems of a record written with one more field, read with another.
    fn between(written: &str, read: &str) -> Vec<String> {
        let (written, read) = (schema(written), schema(read));
        let schemas = [NamedSchema { name: "a", text: &written }, NamedSchema { name: "b", text: &read }];
        let reports = pairs(&schemas).expect("valid schemas");
        assert!(reports[0].is_full() && reports[3].is_full(), "each reads itself");
        reports[1].problems.clone()
    }

    fn typed(name: &str, schema: &str, more: &str) -> String {
        format!(r#", {{"name": "{name}", "type": {schema}{more}}}"#)
    }

    #[test]
    fn all_order_schemas_read_each_other_fully_both_ways() {
        let reports = order_schemas();
        assert_eq!(reports.len(), SchemaVersion::ALL.len().pow(2));
        for report in reports {
            assert!(report.is_full(), "{report}");
        }
    }

    #[test]
    fn a_time_stamp_in_another_unit_is_refused() {
        let millis = typed("at", r#"{"type": "long", "logicalType": "timestamp-millis"}"#, "");
        let micros = typed("at", r#"{"type": "long", "logicalType": "timestamp-micros"}"#, "");
        let problems = between(&micros, &millis);
        assert_eq!(
            problems,
            ["order.at: a time-stamp in microseconds is written where a time-stamp in milliseconds is read"]
        );
        let plain = typed("at", r#""long""#, "");
        assert_eq!(between(&plain, &millis).len(), 1);
    }

    #[test]
    fn bytes_read_as_a_decimal_are_refused() {
        let decimal = typed("price", r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#, "");
        assert_eq!(between(&typed("price", r#""bytes""#, ""), &decimal).len(), 1);
    }

    #[test]
    fn a_nullable_read_as_a_plain_value_is_refused() {
        let nullable = typed("price", r#"["null", "double"]"#, "");
        let problems = between(&nullable, &typed("price", r#""double""#, ""));
        assert!(problems[0].contains("some of the writer's values"), "{problems:?}");
    }

    #[test]
    fn a_plain_value_read_as_its_nullable_is_taken() {
        let nullable = typed("price", r#"["null", "double"]"#, "");
        assert_eq!(between(&typed("price", r#""float""#, ""), &nullable), [""; 0]);
        assert_eq!(between(&nullable, &nullable), [""; 0]);
    }

    #[test]
    fn a_logical_type_inside_a_nullable_is_compared() {
        let nullable =
            |unit: &str| typed("at", &format!(r#"["null", {{"type": "long", "logicalType": "{unit}"}}]"#), "");
        assert_eq!(between(&nullable("timestamp-micros"), &nullable("timestamp-millis")).len(), 1);
        let plain = typed("at", r#"{"type": "long", "logicalType": "timestamp-micros"}"#, "");
        assert_eq!(between(&plain, &nullable("timestamp-millis")).len(), 1);
    }

    #[test]
    fn a_renamed_field_is_refused_with_and_without_an_alias() {
        let price = typed("price", r#""double""#, "");
        let renamed = typed("cost", r#""double""#, r#", "aliases": ["price"]"#);
        assert_eq!(between(&price, &renamed), ["order.cost: renamed from price; a field keeps its name"]);
        assert_eq!(between(&price, &typed("cost", r#""double""#, "")).len(), 1);
    }

    #[test]
    fn a_growing_enum_needs_a_default() {
        let kinds = |symbols: &str, more: &str| {
            typed("kind", &format!(r#"{{"type": "enum", "name": "Kind", "symbols": [{symbols}]{more}}}"#), "")
        };
        assert!(!between(&kinds(r#""A", "B""#, ""), &kinds(r#""A""#, "")).is_empty());
        let with_default = r#", "default": "A""#;
        assert!(between(&kinds(r#""A", "B""#, with_default), &kinds(r#""A""#, with_default)).is_empty());
    }

    #[test]
    fn another_record_name_or_type_is_refused() {
        let price = |schema| typed("price", schema, "");
        assert!(!between(&price(r#""string""#), &price(r#""double""#)).is_empty());
        assert!(!between(&price(r#""double""#), &price(r#""float""#)).is_empty());
        let schemas = [
            NamedSchema { name: "a", text: &schema("") },
            NamedSchema { name: "b", text: &schema("").replace("Order", "Orders") },
        ];
        let reports = pairs(&schemas).expect("valid schemas");
        assert!(!reports[1].is_full() && reports[1].to_string().starts_with("b reads a: REFUSED\n"), "{}", reports[1]);
    }
}
