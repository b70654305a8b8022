//! Bytes to a raw order: recognises the encoding, finds the writer's schema, runs its plan.
//!
//! Deliberately no check of what the order says: that is [`RawOrder::check`]. And no registry: schemas are handed in.

use super::compile::{Reader, compile};
use super::fallback::Scratch;
use super::fingerprint::fingerprint;
use super::{DecodeError, DecodeReason, RawOrder, SchemaError, SchemaVersion, WriterSchema, frame, layout, schema};

/// How many records each way of decoding took; failed ones are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodePaths {
    /// Our own layouts, by hand.
    pub exact: u64,
    /// A compiled plan.
    pub plan: u64,
    /// The general reader of `apache-avro`.
    pub fallback: u64,
}

/// Decodes orders. One for each thread: it counts, and the fall-back keeps a buffer in it.
#[derive(Debug)]
pub struct Decoder {
    /// The writer's schema that was given; without one, version 2 and 1.
    given: Option<Reader>,
    /// Schemas that single objects name.
    fingerprints: Vec<(u64, Named)>,
    /// Whether 0x00 always begins a Confluent frame.
    with_registry: bool,
    /// Sorted by id.
    registered: Vec<Registered>,
    /// Where in `registered` the last record's schema was.
    last: usize,
    paths: DecodePaths,
    scratch: Scratch,
}

/// What a fingerprint stands for.
#[derive(Clone, Copy, Debug)]
enum Named {
    V1,
    V2,
    Given,
}

#[derive(Debug)]
struct Registered {
    id: u32,
    /// `None`: it is not the schema of an order.
    reader: Option<Reader>,
}

/// How well bytes fit the schemas of bare records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Order,
    EmptyId,
    Not,
}

impl Decoder {
    /// A decoder that is told its writer's schema instead of asking a registry: C3 01 and a known fingerprint; else bare
    /// with `writer_schema` (or version 2, then 1); if that does not fit exactly or its order id is empty, and the record
    /// begins with 0x00, the same behind the frame. A bare record that fits exactly but for its empty id, with nothing
    /// better behind the frame, is an order without an id, which [`RawOrder::check`] refuses.
    ///
    /// # Errors
    /// When the writer's schema is not one of an order.
    pub fn without_registry(writer_schema: Option<&str>) -> Result<Decoder, SchemaError> {
        Decoder::new(writer_schema, false)
    }

    /// A decoder in which 0x00 always begins a Confluent frame; all else is as [without](Decoder::without_registry).
    /// Schemas come in by [`add_schema`](Decoder::add_schema).
    ///
    /// # Errors
    /// When the writer's schema is not one of an order.
    pub fn with_registry(writer_schema: Option<&str>) -> Result<Decoder, SchemaError> {
        Decoder::new(writer_schema, true)
    }

    fn new(writer_schema: Option<&str>, with_registry: bool) -> Result<Decoder, SchemaError> {
        let mut fingerprints = Vec::new();
        let mut name = |schema: &apache_avro::Schema, text: &str, named| {
            fingerprints.push((fingerprint(schema), named));
            fingerprints.extend(fingerprint_of_apache_avro(schema, text).map(|fingerprint| (fingerprint, named)));
        };
        let given = match writer_schema {
            Some(text) => Some((schema::parse(text)?, text)),
            None => None,
        };
        given.iter().for_each(|(schema, text)| name(schema, text, Named::Given));
        name(&SchemaVersion::V2.schema(), SchemaVersion::V2.text(), Named::V2);
        name(&SchemaVersion::V1.schema(), SchemaVersion::V1.text(), Named::V1);
        let given = given.map(|(schema, _text)| compile(schema)).transpose()?;
        let (registered, last, paths, scratch) = (Vec::new(), 0, DecodePaths::default(), Scratch::default());
        Ok(Decoder { given, fingerprints, with_registry, registered, last, paths, scratch })
    }

    /// Makes a registry's schema known by its id. After an error, records of that id are `unusable-schema`.
    ///
    /// # Errors
    /// When the schema is not one of an order.
    pub fn add_schema(&mut self, id: u32, schema: &str) -> Result<(), SchemaError> {
        self.add_schema_with_references(id, schema, &[])
    }

    /// The same for a schema that names types which other schemas define; `references` are their texts, in any order.
    ///
    /// # Errors
    /// When the schema is not one of an order, or the references are not whole.
    pub fn add_schema_with_references(
        &mut self,
        id: u32,
        schema: &str,
        references: &[&str],
    ) -> Result<(), SchemaError> {
        let reader = schema::parse_with_references(schema, references).and_then(compile);
        let (reader, outcome) = match reader {
            Ok(reader) => (Some(reader), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.register(Registered { id, reader });
        outcome
    }

    /// Makes an id known whose schema nobody can use: records of that id are `unusable-schema`.
    pub fn add_unusable(&mut self, id: u32) {
        self.register(Registered { id, reader: None });
    }

    fn register(&mut self, registered: Registered) {
        match self.position(registered.id) {
            Ok(position) => self.registered[position] = registered,
            Err(position) => self.registered.insert(position, registered),
        }
    }

    /// The id of the Confluent frame around these bytes, if no schema was added for it: whoever can ask a registry does
    /// so before the record is decoded. Always `None` [without a registry](Decoder::without_registry).
    #[inline]
    #[must_use]
    pub fn missing_schema(&self, bytes: &[u8]) -> Option<u32> {
        if !self.with_registry {
            return None;
        }
        let (id, _record) = frame::split_confluent(bytes)?;
        let is_last = self.registered.get(self.last).is_some_and(|last| last.id == id);
        (!is_last && !self.knows(id)).then_some(id)
    }

    /// Whether a schema id was added, usable or not.
    #[must_use]
    pub fn knows(&self, id: u32) -> bool {
        self.position(id).is_ok()
    }

    fn position(&self, id: u32) -> Result<usize, usize> {
        self.registered.binary_search_by_key(&id, |registered| registered.id)
    }

    /// How many records went which way.
    #[must_use]
    pub fn paths(&self) -> DecodePaths {
        self.paths
    }

    /// What the writer wrote.
    ///
    /// # Errors
    /// When the bytes are not exactly one record of a known schema.
    #[inline]
    pub fn decode<'a>(&'a mut self, bytes: &'a [u8]) -> Result<RawOrder<'a>, DecodeError> {
        match bytes {
            [] => Err(DecodeError::new(DecodeReason::Empty, None)),
            [frame::CONFLUENT_MAGIC, ..] if self.with_registry => self.frame(bytes),
            [frame::CONFLUENT_MAGIC, ..] => self.bare_or_frame(bytes),
            [first, second, ..] if [*first, *second] == frame::SINGLE_OBJECT_MARK => self.single_object(bytes),
            _bare => self.bare(bytes, None),
        }
    }

    /// A Confluent frame whose id is looked up.
    #[inline]
    fn frame<'a>(&'a mut self, bytes: &'a [u8]) -> Result<RawOrder<'a>, DecodeError> {
        let (id, record) = frame::split_confluent(bytes).ok_or(DecodeError::new(DecodeReason::ShortFrame, None))?;
        let refuse = |reason| DecodeError::new(reason, Some(id));
        if self.registered.get(self.last).is_none_or(|last| last.id != id) {
            self.last = self.position(id).map_err(|_absent| refuse(DecodeReason::UnknownSchemaId))?;
        }
        let reader = self.registered[self.last].reader.as_ref();
        let reader = reader.ok_or(refuse(DecodeReason::UnusableSchema))?;
        let origin = Origin { schema: WriterSchema::Registered, schema_id: Some(id) };
        read(reader, record, origin, &mut self.scratch, &mut self.paths)
    }

    /// A record that begins with 0x00: an order with an empty id, or a frame that no registry explains.
    #[inline(never)]
    fn bare_or_frame<'a>(&'a mut self, bytes: &'a [u8]) -> Result<RawOrder<'a>, DecodeError> {
        // In our own layouts a leading 0x00 is an empty id, so what fits behind the frame is better: no need to look twice.
        if let (None, Some((id, record))) = (&self.given, frame::split_confluent(bytes)) {
            let origin = Origin { schema: WriterSchema::Configured, schema_id: Some(id) };
            let framed = origin.fill(&mut 0, |order| layout::read_either(record, order));
            if framed.is_ok_and(|order| !order.order_id.is_empty()) {
                self.paths.exact += 1;
                return framed;
            }
        }
        let bare = self.fit(bytes);
        let frame = frame::split_confluent(bytes).filter(|(_id, record)| match bare {
            Fit::Order => false,
            Fit::EmptyId => self.fit(record) == Fit::Order,
            Fit::Not => true,
        });
        match frame {
            None => self.bare(bytes, None),
            Some((id, record)) => {
                let looks_framed = DecodeError::new(DecodeReason::LooksConfluentFramed, Some(id));
                self.bare(record, Some(id)).map_err(|_error| looks_framed)
            }
        }
    }

    /// A record that begins like a single object; where the fingerprint is not known it may still be a bare one.
    #[inline(never)]
    fn single_object<'a>(&'a mut self, bytes: &'a [u8]) -> Result<RawOrder<'a>, DecodeError> {
        let split = frame::split_single_object(bytes);
        let known = split.and_then(|(fingerprint, record)| {
            let (_, named) = self.fingerprints.iter().find(|(known, _named)| *known == fingerprint)?;
            Some((*named, record))
        });
        let Some((named, record)) = known else {
            let unknown = split.map(|_split| DecodeError::new(DecodeReason::UnknownFingerprint, None));
            return self.bare(bytes, None).map_err(|error| unknown.unwrap_or(error));
        };
        let (reader, schema) = match (named, &self.given) {
            (Named::Given, Some(given)) => (given, WriterSchema::Configured),
            (Named::V1, _) => (&Reader::V1, WriterSchema::V1),
            (Named::V2 | Named::Given, _) => (&Reader::V2, WriterSchema::V2),
        };
        read(reader, record, Origin { schema, schema_id: None }, &mut self.scratch, &mut self.paths)
    }

    /// A record with nothing before it, or behind a frame that was taken off.
    #[inline]
    fn bare<'a>(&'a mut self, record: &'a [u8], schema_id: Option<u32>) -> Result<RawOrder<'a>, DecodeError> {
        let origin = Origin { schema: WriterSchema::Configured, schema_id };
        match &self.given {
            None => origin.fill(&mut self.paths.exact, |order| layout::read_either(record, order)),
            Some(given) => read(given, record, origin, &mut self.scratch, &mut self.paths),
        }
    }

    /// How well bytes fit as a bare record; counts nothing.
    fn fit(&mut self, record: &[u8]) -> Fit {
        let paths = self.paths;
        let fit = match self.bare(record, None) {
            Ok(order) if order.order_id.is_empty() => Fit::EmptyId,
            Ok(_order) => Fit::Order,
            Err(_error) => Fit::Not,
        };
        self.paths = paths;
        fit
    }
}

/// The fingerprint that writers use whose library is `apache-avro`, which keeps more in the canonical form.
///
/// It panics over sizes beyond 63 bits: a schema with so long a number in it has no such fingerprint.
fn fingerprint_of_apache_avro(schema: &apache_avro::Schema, text: &str) -> Option<u64> {
    const SAFE_DIGITS: usize = 18;
    let numbers = text.split(|character: char| !character.is_ascii_digit());
    if numbers.map(str::len).any(|digits| digits > SAFE_DIGITS) {
        return None;
    }
    let bytes = schema.fingerprint::<apache_avro::rabin::Rabin>().bytes;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// What is known of a record before it is read.
#[derive(Clone, Copy)]
struct Origin {
    schema: WriterSchema,
    schema_id: Option<u32>,
}

impl Origin {
    /// An order of this origin, filled from its defaults; counted where it was taken.
    #[inline(always)]
    fn fill<'a>(
        self,
        taken: &mut u64,
        fill: impl FnOnce(&mut RawOrder<'a>) -> Result<(), DecodeReason>,
    ) -> Result<RawOrder<'a>, DecodeError> {
        let mut order = RawOrder::with_defaults(self.schema, self.schema_id);
        match fill(&mut order) {
            Ok(()) => {
                *taken += 1;
                Ok(order)
            }
            Err(reason) => Err(DecodeError::new(reason, self.schema_id)),
        }
    }
}

/// Reads a record by its schema and counts the way it took.
#[inline]
fn read<'a>(
    reader: &'a Reader,
    record: &'a [u8],
    origin: Origin,
    scratch: &'a mut Scratch,
    paths: &mut DecodePaths,
) -> Result<RawOrder<'a>, DecodeError> {
    match reader {
        Reader::V1 => origin.fill(&mut paths.exact, |order| layout::read_v1(record, order)),
        Reader::V2 => origin.fill(&mut paths.exact, |order| layout::read_v2(record, order)),
        Reader::Plan(plan) => origin.fill(&mut paths.plan, |order| plan.read(record, order)),
        Reader::Fallback(fallback) => origin.fill(&mut paths.fallback, |order| fallback.read(record, order, scratch)),
    }
}
