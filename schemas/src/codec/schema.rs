//! The order schemas by version, and what a writer's schema must have to be one of an order.
//!
//! Deliberately no second copy of a schema: the texts are the `.avsc` files themselves.

use std::sync::OnceLock;

use apache_avro::Schema;
use apache_avro::schema::{RecordField, RecordSchema};
use snafu::{OptionExt, ResultExt, Snafu, ensure};

use super::fingerprint::fingerprint;

/// Text of `order.v1.avsc`.
pub const ORDER_V1: &str = include_str!("../../order.v1.avsc");
/// Text of `order.v2.avsc`.
pub const ORDER_V2: &str = include_str!("../../order.v2.avsc");

/// Largest text of a schema that is parsed, in bytes, with those it refers to.
pub const MAXIMUM_SCHEMA_BYTES: usize = 1 << 20;

/// Deepest nesting of brackets in the text of a schema and those it refers to, added up.
const DEEPEST_TEXT: usize = 256;

/// The versions of the order schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaVersion {
    /// Order id, product, price.
    V1,
    /// Version 1 and quantity, currency, time, exact price.
    V2,
}

impl SchemaVersion {
    /// Every version, oldest first.
    pub const ALL: [SchemaVersion; 2] = [SchemaVersion::V1, SchemaVersion::V2];

    /// The schema's text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            SchemaVersion::V1 => ORDER_V1,
            SchemaVersion::V2 => ORDER_V2,
        }
    }

    /// The schema's file name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            SchemaVersion::V1 => "order.v1.avsc",
            SchemaVersion::V2 => "order.v2.avsc",
        }
    }

    /// CRC-64-AVRO of the schema's canonical form, by which single objects name it.
    #[must_use]
    pub fn fingerprint(self) -> u64 {
        static FINGERPRINTS: [OnceLock<u64>; 2] = [OnceLock::new(), OnceLock::new()];
        *FINGERPRINTS[self as usize].get_or_init(|| fingerprint(&self.schema()))
    }

    /// The schema, parsed.
    pub(crate) fn schema(self) -> Schema {
        Schema::parse_str(self.text()).expect("the embedded schemas are valid; a test parses them")
    }
}

/// Why a schema cannot be used to read orders.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum SchemaError {
    /// Its text is longer than [`MAXIMUM_SCHEMA_BYTES`].
    #[snafu(display("schema has {bytes} bytes; at most {MAXIMUM_SCHEMA_BYTES} are read"))]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Its text is nested deeper than is followed.
    #[snafu(display("schema is nested {depth} levels deep; at most {DEEPEST_TEXT} are followed"))]
    TooDeep {
        /// How deep.
        depth: usize,
    },
    /// It is not an Avro schema.
    #[snafu(display("schema is not an Avro schema; give one record in Avro's JSON form"))]
    Parse {
        /// What the parser says.
        source: Box<apache_avro::Error>,
    },
    /// It is a schema, but not a record's.
    #[snafu(display("schema is not a record's; give the order's record"))]
    NotARecord,
    /// A field that every order has is missing.
    #[snafu(display("schema has no field {:?}, neither by name nor by alias", role.field()))]
    MissingField {
        /// What is missing.
        role: Role,
    },
    /// Two fields have an alias that is a field of ours.
    #[snafu(display("fields {first:?} and {second:?} of the schema both claim to be {:?}", role.field()))]
    AmbiguousField {
        /// What both claim to be.
        role: Role,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// A field's type cannot be read as what we need.
    #[snafu(display("field {field:?} of the schema cannot be read as {:?}: {} is needed", role.field(), role.types()))]
    UnusableField {
        /// The writer's name of it.
        field: String,
        /// What it should be.
        role: Role,
    },
}

/// What a field of a writer's record is to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `orderId`
    OrderId,
    /// `product`
    Product,
    /// `price`
    Price,
    /// `quantity`
    Quantity,
    /// `currency`
    Currency,
    /// `createdAt`
    CreatedAt,
    /// `priceMinor`
    PriceMinor,
}

impl Role {
    const ALL: [Role; 7] =
        [Role::OrderId, Role::Product, Role::Price, Role::Quantity, Role::Currency, Role::CreatedAt, Role::PriceMinor];
    const REQUIRED: [Role; 3] = [Role::OrderId, Role::Product, Role::Price];

    /// The field's name in our schemas.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Role::OrderId => "orderId",
            Role::Product => "product",
            Role::Price => "price",
            Role::Quantity => "quantity",
            Role::Currency => "currency",
            Role::CreatedAt => "createdAt",
            Role::PriceMinor => "priceMinor",
        }
    }

    /// The types it can be read from, for messages.
    fn types(self) -> &'static str {
        match self {
            Role::OrderId | Role::Product | Role::Currency => {
                "a string, an enum, a whole number or a nullable of these"
            }
            Role::Price => "a double, float, int, long, decimal or a nullable of these",
            Role::Quantity | Role::CreatedAt | Role::PriceMinor => "an int, a long or a nullable of these",
        }
    }

    fn of(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.field() == name)
    }
}

/// Parses a writer's schema.
pub(crate) fn parse(text: &str) -> Result<Schema, SchemaError> {
    parse_with_references(text, &[])
}

/// Parses a writer's schema that names types which other schemas define. What comes out names nothing outside itself.
pub(crate) fn parse_with_references(text: &str, references: &[&str]) -> Result<Schema, SchemaError> {
    let texts = || references.iter().copied().chain([text]);
    let bytes: usize = texts().map(str::len).sum();
    ensure!(bytes <= MAXIMUM_SCHEMA_BYTES, TooLargeSnafu { bytes });
    let depth: usize = texts().map(depth).sum();
    ensure!(depth <= DEEPEST_TEXT, TooDeepSnafu { depth });
    let parsed = if references.is_empty() {
        Schema::parse_str(text)
    } else {
        Schema::parse_str_with_list(text, references)
            .and_then(|(mut schema, others)| schema.denormalize(&others).map(|()| schema))
    };
    parsed.map_err(Box::new).context(ParseSnafu)
}

/// How deep brackets are nested; those inside of texts count too, which no schema of an order will notice.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The record that a schema is.
pub(crate) fn record(schema: &Schema) -> Result<&RecordSchema, SchemaError> {
    match schema {
        Schema::Record(record) => Ok(record),
        _other => NotARecordSnafu.fail(),
    }
}

/// What each field of a writer's record is to an order, if anything: by its name, else by its aliases.
///
/// Avro gives aliases to readers; that a writer kept one says that its field once had our name.
pub(crate) fn roles(record: &RecordSchema) -> Result<Vec<Option<Role>>, SchemaError> {
    let mut roles: Vec<_> = record.fields.iter().map(|field| Role::of(&field.name)).collect();
    let named = roles.clone();
    for (index, field) in record.fields.iter().enumerate().filter(|(index, _)| named[*index].is_none()) {
        let alias = field.aliases.iter().find_map(|alias| Role::of(alias).filter(|role| !named.contains(&Some(*role))));
        let Some(role) = alias else { continue };
        if let Some(other) = roles.iter().position(|taken| *taken == Some(role)) {
            let (first, second) = (record.fields[other].name.clone(), field.name.clone());
            return AmbiguousFieldSnafu { role, first, second }.fail();
        }
        roles[index] = Some(role);
    }
    for role in Role::REQUIRED {
        roles.iter().flatten().find(|found| **found == role).context(MissingFieldSnafu { role })?;
    }
    Ok(roles)
}

/// A refusal of a field's type.
pub(crate) fn unusable(field: &RecordField, role: Role) -> SchemaError {
    UnusableFieldSnafu { field: &field.name, role }.build()
}
