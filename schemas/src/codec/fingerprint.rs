//! A schema's canonical form and its CRC-64-AVRO, by which single objects name their schema.
//!
//! Formats: Avro 1.12, "parsing canonical form" and "schema fingerprints". Not `apache_avro`'s own form: it keeps the
//! precision and scale of decimals and the braces around logical types, so that Java and Python compute another number.

use std::fmt::Write as _;

use apache_avro::Schema;
use apache_avro::schema::{FixedSchema, InnerDecimalSchema, Name, UuidSchema};

/// Fingerprint of nothing, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// CRC-64-AVRO.
pub(crate) const fn crc_64_avro(bytes: &[u8]) -> u64 {
    let mut crc = EMPTY;
    let mut index = 0;
    while index < bytes.len() {
        crc ^= bytes[index] as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
            bit += 1;
        }
        index += 1;
    }
    crc
}

/// The fingerprint of a schema's canonical form.
pub(crate) fn fingerprint(schema: &Schema) -> u64 {
    crc_64_avro(canonical_form(schema).as_bytes())
}

/// The canonical form: no doc, alias, default or logical type, full names, keys in a fixed order, no spaces.
pub(crate) fn canonical_form(schema: &Schema) -> String {
    let mut form = String::new();
    write(schema, None, &mut form);
    form
}

fn write(schema: &Schema, namespace: Option<&str>, form: &mut String) {
    match schema {
        Schema::Null => form.push_str("\"null\""),
        Schema::Boolean => form.push_str("\"boolean\""),
        Schema::Int | Schema::Date | Schema::TimeMillis => form.push_str("\"int\""),
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => form.push_str("\"long\""),
        Schema::Float => form.push_str("\"float\""),
        Schema::Double => form.push_str("\"double\""),
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => form.push_str("\"bytes\""),
        Schema::String | Schema::Uuid(UuidSchema::String) => form.push_str("\"string\""),
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Bytes => form.push_str("\"bytes\""),
            InnerDecimalSchema::Fixed(fixed) => write_fixed(fixed, namespace, form),
        },
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            write_fixed(fixed, namespace, form);
        }
        Schema::Array(array) => write_wrapped("{\"type\":\"array\",\"items\":", &array.items, namespace, form),
        Schema::Map(map) => write_wrapped("{\"type\":\"map\",\"values\":", &map.types, namespace, form),
        Schema::Union(union) => {
            form.push('[');
            write_list(union.variants(), form, |branch, form| write(branch, namespace, form));
            form.push(']');
        }
        Schema::Enum(symbols) => {
            write_name(&symbols.name, namespace, form);
            form.push_str(",\"type\":\"enum\",\"symbols\":[");
            write_list(&symbols.symbols, form, |symbol, form| write_quoted(symbol, form));
            form.push_str("]}");
        }
        Schema::Record(record) => {
            write_name(&record.name, namespace, form);
            form.push_str(",\"type\":\"record\",\"fields\":[");
            let within = record.name.namespace().or(namespace);
            write_list(&record.fields, form, |field, form| {
                form.push_str("{\"name\":");
                write_quoted(&field.name, form);
                form.push_str(",\"type\":");
                write(&field.schema, within, form);
                form.push('}');
            });
            form.push_str("]}");
        }
        Schema::Ref { name } => write_quoted(&name.fullname(namespace), form),
    }
}

fn write_name(name: &Name, namespace: Option<&str>, form: &mut String) {
    form.push_str("{\"name\":");
    write_quoted(&name.fullname(namespace), form);
}

fn write_quoted(text: &str, form: &mut String) {
    write!(form, "\"{text}\"").expect("writing to a string succeeds");
}

fn write_fixed(fixed: &FixedSchema, namespace: Option<&str>, form: &mut String) {
    write_name(&fixed.name, namespace, form);
    write!(form, ",\"type\":\"fixed\",\"size\":{}}}", fixed.size).expect("writing to a string succeeds");
}

fn write_wrapped(opening: &str, inner: &Schema, namespace: Option<&str>, form: &mut String) {
    form.push_str(opening);
    write(inner, namespace, form);
    form.push('}');
}

fn write_list<T>(items: &[T], form: &mut String, write_item: impl Fn(&T, &mut String)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            form.push(',');
        }
        write_item(item, form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_one_of_the_specification() {
        // The specification's test vectors: the canonical forms "null" and "int".
        assert_eq!(crc_64_avro(b"\"null\"") as i64, 7_195_948_357_588_979_594);
        assert_eq!(crc_64_avro(b"\"int\"") as i64, 8_247_732_601_305_521_295);
    }

    #[test]
    fn the_canonical_form_drops_what_readers_do_not_need() {
        let text = r#"{"type": "record", "name": "Order", "namespace": "a.b", "doc": "x", "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"], "default": "A"}},
            {"name": "kinds", "type": {"type": "array", "items": "Kind"}},
            {"name": "hash", "type": ["null", {"type": "fixed", "name": "c.Hash", "size": 4}], "default": null}]}"#;
        let schema = Schema::parse_str(text).expect("a schema");
        assert_eq!(
            canonical_form(&schema),
            concat!(
                r#"{"name":"a.b.Order","type":"record","fields":[{"name":"at","type":"long"},"#,
                r#"{"name":"price","type":"bytes"},"#,
                r#"{"name":"kind","type":{"name":"a.b.Kind","type":"enum","symbols":["A","B"]}},"#,
                r#"{"name":"kinds","type":{"type":"array","items":"a.b.Kind"}},"#,
                r#"{"name":"hash","type":["null",{"name":"c.Hash","type":"fixed","size":4}]}]}"#
            )
        );
    }
}
