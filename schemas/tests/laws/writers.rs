//! Random writers: a schema that has an order in it, and a record of that schema.

use apache_avro::types::Value;
use apache_avro::{Decimal, Schema};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

/// A type as its schema says it, and a value of it.
type Typed = (Json, Value);

/// A writer and one record of it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The schema's text.
    pub(crate) text: String,
    /// The schema.
    pub(crate) schema: Schema,
    /// The record's bytes, bare, as `apache-avro` writes them.
    pub(crate) bytes: Vec<u8>,
}

/// Writers that have a plan: flat orders among fields of every kind, nested ones too.
pub(crate) fn written() -> impl Strategy<Value = Written> {
    writer([text(), text(), price(), whole(), text(), time(), whole()], 0.1)
}

/// Writers whose records `apache-avro` resolves to our own schema, as long as no needed field is null: no aliases, no
/// text in enums, no decimals, no time in another unit.
pub(crate) fn resolvable() -> impl Strategy<Value = Written> {
    let price = prop_oneof![double(), float(), int(), long()].boxed();
    let quantity = int();
    let exact = prop_oneof![long(), int()].boxed();
    writer([nullable(string()), string(), nullable(price), quantity, string(), long(), nullable(exact)], 0.0)
}

/// Writers of the seven fields in the order of version 2, any of the last four missing, among fields that nobody knows.
fn writer(types: [BoxedStrategy<Typed>; 7], renamed: f64) -> impl Strategy<Value = Written> {
    let names = ["orderId", "product", "price", "quantity", "currency", "createdAt", "priceMinor"];
    let known = names.into_iter().zip(types).enumerate().map(|(index, (name, typed))| {
        let field = field(name, typed, renamed);
        if index < 3 { field.prop_map(Some).boxed() } else { proptest::option::of(field).boxed() }
    });
    let known: Vec<_> = known.collect();
    let unknown = vec(anything(), 0..5).prop_map(|fields| {
        let named = fields.into_iter().enumerate();
        named
            .map(|(index, (schema, value))| Some((json!({"name": format!("x{index}"), "type": schema}), value)))
            .collect()
    });
    (known, unknown, proptest::option::of(1..40_usize))
        .prop_map(|(known, unknown, block): (Vec<_>, Vec<_>, _)| {
            (known.into_iter().chain(unknown).flatten().collect::<Vec<_>>(), block)
        })
        .prop_flat_map(|(fields, block)| (Just(fields).prop_shuffle(), Just(block)))
        .prop_map(|(fields, block)| write(fields, block))
}

/// A field under its own name or, now and then, another with an alias.
fn field(name: &'static str, typed: BoxedStrategy<Typed>, renamed: f64) -> impl Strategy<Value = Typed> {
    (typed, (0.0..1.0_f64).prop_map(move |chance| chance < renamed)).prop_map(move |((schema, value), renamed)| {
        match renamed {
            false => (json!({"name": name, "type": schema}), value),
            true => (json!({"name": format!("their_{name}"), "aliases": ["else", name], "type": schema}), value),
        }
    })
}

fn write(fields: Vec<Typed>, target_block_size: Option<usize>) -> Written {
    let (mut fields, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let mut names = 0;
    fields.iter_mut().for_each(|field| name_types(&mut field["type"], &mut names));
    let record =
        fields.iter().zip(values).map(|(field, value)| (field["name"].as_str().expect("a name").to_owned(), value));
    let value = Value::Record(record.collect());
    let text = json!({"type": "record", "name": "Order", "fields": fields}).to_string();
    let schema = Schema::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
        .maybe_target_block_size(target_block_size)
        .build()
        .expect("a schema without references");
    let bytes = writer.write_value_to_vec(value).unwrap_or_else(|error| panic!("{text}: {error}"));
    Written { text, bytes, schema: schema.clone() }
}

/// Gives every named type a name of its own.
fn name_types(schema: &mut Json, names: &mut usize) {
    match schema {
        Json::Object(object) => {
            if object.get("name").is_some_and(|name| name == "?") {
                object.insert("name".to_owned(), json!(format!("T{names}")));
                *names += 1;
            }
            object.values_mut().for_each(|value| name_types(value, names));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| name_types(item, names)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A union of null and the type, in either order, null or not.
fn nullable(typed: BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let union = (typed.clone(), any::<bool>(), any::<bool>()).prop_map(|((schema, value), null_first, is_null)| {
        let (null, other) = if null_first { (0, 1) } else { (1, 0) };
        let branches = if null_first { json!(["null", schema]) } else { json!([schema, "null"]) };
        let value = if is_null { Value::Union(null, Value::Null.into()) } else { Value::Union(other, value.into()) };
        (branches, value)
    });
    prop_oneof![2 => typed, 1 => union].boxed()
}

fn string() -> BoxedStrategy<Typed> {
    // Lengths around 8, 16 and 64 are where the decoder's ways part.
    prop_oneof!["[a-z0-9-]{0,20}", ".{0,20}", "[a-z]{60,70}", "[ -~]{7,9}é?"]
        .prop_map(|text| (json!("string"), Value::String(text)))
        .boxed()
}

fn symbols() -> BoxedStrategy<Typed> {
    let symbols = ["USD", "EUR", "JPY"];
    let schema = json!({"type": "enum", "name": "?", "symbols": symbols});
    (0..symbols.len())
        .prop_map(move |index| (schema.clone(), Value::Enum(index as u32, symbols[index].to_owned())))
        .boxed()
}

fn text() -> BoxedStrategy<Typed> {
    let bytes = ".{0,20}".prop_map(|text| (json!("bytes"), Value::Bytes(text.into_bytes())));
    nullable(prop_oneof![4 => string(), 1 => symbols(), 1 => bytes].boxed())
}

fn int() -> BoxedStrategy<Typed> {
    prop_oneof![-70..70, any::<i32>()].prop_map(|number| (json!("int"), Value::Int(number))).boxed()
}

fn long() -> BoxedStrategy<Typed> {
    let sizes = (any::<i64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift);
    sizes.prop_map(|number| (json!("long"), Value::Long(number))).boxed()
}

fn float() -> BoxedStrategy<Typed> {
    prop_oneof![0.0..1000.0_f32, any::<f32>()].prop_map(|number| (json!("float"), Value::Float(number))).boxed()
}

fn double() -> BoxedStrategy<Typed> {
    prop_oneof![0.0..1000.0_f64, any::<f64>()].prop_map(|number| (json!("double"), Value::Double(number))).boxed()
}

fn decimal() -> BoxedStrategy<Typed> {
    let bytes = (any::<i64>(), 0..6_u32).prop_map(|(unscaled, scale)| {
        let schema = json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": scale});
        (schema, Value::Decimal(Decimal::from(unscaled.to_be_bytes())))
    });
    let fixed = (any::<i64>(), 0..6_u32).prop_map(|(unscaled, scale)| {
        let schema =
            json!({"type": "fixed", "name": "?", "size": 8, "logicalType": "decimal", "precision": 18, "scale": scale});
        (schema, Value::Decimal(Decimal::from(unscaled.to_be_bytes())))
    });
    prop_oneof![bytes, fixed].boxed()
}

fn price() -> BoxedStrategy<Typed> {
    let either = (any::<i32>(), any::<f64>(), any::<bool>()).prop_map(|(int, double, is_int)| {
        let value = if is_int {
            Value::Union(1, Value::Int(int).into())
        } else {
            Value::Union(2, Value::Double(double).into())
        };
        (json!(["null", "int", "double"]), value)
    });
    let plain = prop_oneof![4 => double(), 2 => float(), 1 => int(), 1 => long(), 2 => decimal()].boxed();
    prop_oneof![8 => nullable(plain), 1 => either].boxed()
}

fn whole() -> BoxedStrategy<Typed> {
    nullable(prop_oneof![int(), long()].boxed())
}

/// Whole numbers with a meaning.
fn stamped() -> BoxedStrategy<Typed> {
    let unit = select(&["timestamp-millis", "timestamp-micros", "local-timestamp-millis", "timestamp-nanos"][..]);
    let typed = (any::<i64>(), unit).prop_map(|(time, unit)| {
        let value = match unit {
            "timestamp-millis" => Value::TimestampMillis(time),
            "timestamp-micros" => Value::TimestampMicros(time),
            "timestamp-nanos" => Value::TimestampNanos(time),
            _local => Value::LocalTimestampMillis(time),
        };
        (json!({"type": "long", "logicalType": unit}), value)
    });
    typed.boxed()
}

fn time() -> BoxedStrategy<Typed> {
    nullable(prop_oneof![2 => long(), 3 => stamped(), 1 => int(), 1 => string()].boxed())
}

/// A value of any type, at most a few levels deep.
fn anything() -> BoxedStrategy<Typed> {
    let boolean = any::<bool>().prop_map(|flag| (json!("boolean"), Value::Boolean(flag)));
    let bytes = vec(any::<u8>(), 0..20).prop_map(|bytes| (json!("bytes"), Value::Bytes(bytes)));
    let fixed = vec(any::<u8>(), 1..20).prop_map(|bytes| {
        (json!({"type": "fixed", "name": "?", "size": bytes.len()}), Value::Fixed(bytes.len(), bytes))
    });
    let null = Just((json!("null"), Value::Null));
    let plain = prop_oneof![
        string(),
        symbols(),
        int(),
        long(),
        float(),
        double(),
        decimal(),
        stamped(),
        boolean,
        bytes,
        fixed,
        null
    ];
    plain
        .boxed()
        .prop_recursive(3, 20, 4, |inner| {
            // Items of one schema: the first value, several times.
            let array = (inner.clone(), 0..5_usize).prop_map(|((schema, value), count)| {
                (json!({"type": "array", "items": schema}), Value::Array(vec![value; count]))
            });
            let map = (inner.clone(), hash_map(".{0,5}", Just(()), 0..4)).prop_map(|((schema, value), keys)| {
                let entries = keys.into_keys().map(|key| (key, value.clone())).collect();
                (json!({"type": "map", "values": schema}), Value::Map(entries))
            });
            let record = vec(inner.clone(), 1..4).prop_map(|fields| {
                let name = |index: usize| format!("f{index}");
                let schemas: Vec<_> = fields
                    .iter()
                    .enumerate()
                    .map(|(index, (schema, _))| json!({"name": name(index), "type": schema}))
                    .collect();
                let values = fields.into_iter().enumerate().map(|(index, (_, value))| (name(index), value)).collect();
                (json!({"type": "record", "name": "?", "fields": schemas}), Value::Record(values))
            });
            let not_null_or_union = |schema: &Json| *schema != json!("null") && !schema.is_array();
            let optional = nullable(
                inner
                    .prop_filter("a union holds no null twice and no union", move |(schema, _)| {
                        not_null_or_union(schema)
                    })
                    .boxed(),
            );
            prop_oneof![array, map, record, optional]
        })
        .boxed()
}
