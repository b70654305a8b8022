//! One line of input, as CSV or as JSON, to the fields of an order: every refusal has a name.
//!
//! Prices are read as decimal numbers, exactly; no float is involved. Deliberately without I/O, and a line is all it
//! sees: a quoted CSV field that holds a line break is refused, so that one missing quote spoils one line and no file.

use std::borrow::Cow;

use schemas::order::{Currency, Money, Order, PriceError, Text};
use serde::Deserialize;
use serde_json::value::RawValue;
use snafu::{OptionExt, ResultExt, Snafu, ensure};

use super::Draft;
use super::lines::LONGEST_LINE;

/// Longer texts are cut in messages.
const LONGEST_SHOWN: usize = 40;

/// A line that is no order.
#[derive(Debug, Snafu)]
#[snafu(display("{name}, line {line}"))]
pub struct BadLine {
    /// The file's name, or `standard input`.
    pub name: String,
    /// Number of the line, from 1.
    pub line: u64,
    /// Why.
    pub source: Refusal,
}

/// Why a line is no order.
#[derive(Debug, PartialEq, Eq, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum Refusal {
    /// Bytes that are no text.
    #[snafu(display("not UTF-8; save the file as UTF-8"))]
    NotUtf8,
    /// Too long to be an order.
    #[snafu(display("longer than {LONGEST_LINE} bytes; no order is"))]
    TooLong,
    /// A quote that is not closed.
    #[snafu(display(
        "a quote is not closed; a field may not hold a line break, and a quote in a field is written \"\""
    ))]
    UnclosedQuote,
    /// A carriage return that does not end the line.
    #[snafu(display("a carriage return inside the line; lines end with LF or CRLF"))]
    CarriageReturn,
    /// More or fewer fields than the header names.
    #[snafu(display("{found} fields where the header names {expected}"))]
    FieldCount {
        /// In the header.
        expected: usize,
        /// In the line.
        found: usize,
    },
    /// No JSON object of an order.
    #[snafu(display("not a JSON object with orderId, product and price: {message}"))]
    NotJson {
        /// What the parser says, with the column.
        message: String,
    },
    /// A text that must be there.
    #[snafu(display("{column} is empty"))]
    Empty {
        /// Which.
        column: &'static str,
    },
    /// Not three capital letters.
    #[snafu(display("currency {text:?} is no ISO 4217 code; write it like USD"))]
    UnknownCurrency {
        /// What is there.
        text: String,
    },
    /// Not a price.
    #[snafu(display("price {text:?}: {reason}"))]
    BadPrice {
        /// What is there.
        text: String,
        /// Which rule it breaks.
        reason: PriceError,
    },
    /// Not a number of pieces.
    #[snafu(display("quantity {text:?} is no whole number from 1 to {}", i32::MAX))]
    BadQuantity {
        /// What is there.
        text: String,
    },
    /// Not a time.
    #[snafu(display("createdAt {text:?} is no time; write milliseconds since 1970, or UTC like 2026-11-21T10:00:00Z"))]
    BadTime {
        /// What is there.
        text: String,
    },
}

/// The fields of an order, owned; reused from line to line.
#[derive(Debug)]
pub(super) struct Fields {
    order_id: String,
    product: String,
    key: Option<String>,
    price: Money,
    quantity: i32,
    currency: Currency,
    created_at: i64,
}

/// The same, as they stand in a line. Empty optional fields are as good as missing ones.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    pub(super) order_id: Cow<'a, str>,
    pub(super) product: Cow<'a, str>,
    pub(super) price: Cow<'a, str>,
    pub(super) quantity: Cow<'a, str>,
    pub(super) currency: Cow<'a, str>,
    pub(super) created_at: Cow<'a, str>,
    pub(super) key: Cow<'a, str>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            order_id: String::new(),
            product: String::new(),
            key: None,
            price: Money::default(),
            quantity: 1,
            currency: Currency::USD,
            created_at: 0,
        }
    }
}

impl Fields {
    /// Takes the fields of a line over, all of them or none.
    pub(super) fn fill(&mut self, raw: &Raw<'_>) -> Result<(), Refusal> {
        ensure!(!raw.order_id.is_empty(), EmptySnafu { column: "orderId" });
        ensure!(!raw.product.is_empty(), EmptySnafu { column: "product" });
        ensure!(!raw.price.is_empty(), EmptySnafu { column: "price" });
        let currency = match &*raw.currency {
            "" => Currency::USD,
            code => Currency::parse(code.as_bytes()).with_context(|| UnknownCurrencySnafu { text: cut(code) })?,
        };
        let price = Money::from_decimal_str(&raw.price, currency);
        let price = price.map_err(|reason| Refusal::BadPrice { text: cut(&raw.price), reason })?;
        let (quantity, created_at) = (quantity(&raw.quantity)?, time(&raw.created_at)?);
        self.order_id.clear();
        self.order_id.push_str(&raw.order_id);
        self.product.clear();
        self.product.push_str(&raw.product);
        self.key = (!raw.key.is_empty()).then(|| raw.key.clone().into_owned());
        (self.price, self.quantity, self.currency, self.created_at) = (price, quantity, currency, created_at);
        Ok(())
    }

    /// The order, and its key.
    pub(super) fn draft(&self) -> Draft<'_> {
        let order = Order {
            order_id: Text::from(self.order_id.as_str()),
            product: Text::from(self.product.as_str()),
            price: self.price,
            quantity: self.quantity,
            currency: self.currency,
            created_at_milliseconds: self.created_at,
        };
        Draft { order, key: self.key.as_ref().unwrap_or(&self.order_id).as_bytes() }
    }
}

fn quantity(text: &str) -> Result<i32, Refusal> {
    if text.is_empty() {
        return Ok(1);
    }
    text.parse().ok().filter(|quantity| *quantity >= 1).with_context(|| BadQuantitySnafu { text: cut(text) })
}

/// Milliseconds since 1970; 0 = unknown.
fn time(text: &str) -> Result<i64, Refusal> {
    if text.is_empty() {
        return Ok(0);
    }
    let written = text.parse::<i64>().ok().or_else(|| {
        let since = humantime::parse_rfc3339_weak(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    });
    written.filter(|time| *time >= 0).with_context(|| BadTimeSnafu { text: cut(text) })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An order as a JSON object. Names it does not know are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    #[serde(borrow)]
    order_id: Cow<'a, str>,
    #[serde(borrow)]
    product: Cow<'a, str>,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow, default)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow, default)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
}

/// Reads a line as a JSON object. Price, quantity and time may be numbers or strings.
pub(super) fn json(line: &[u8]) -> Result<Raw<'_>, Refusal> {
    let text = std::str::from_utf8(line).ok().context(NotUtf8Snafu)?;
    let json: Json<'_> =
        serde_json::from_str(text).map_err(|error| Refusal::NotJson { message: cut_parser(&error.to_string()) })?;
    Ok(Raw {
        order_id: json.order_id,
        product: json.product,
        price: scalar(json.price),
        quantity: json.quantity.map(scalar).unwrap_or_default(),
        currency: json.currency.unwrap_or_default(),
        created_at: json.created_at.map(scalar).unwrap_or_default(),
        key: json.key.unwrap_or_default(),
    })
}

/// The parser counts its one line as `line 1`, which is no help.
fn cut_parser(message: &str) -> String {
    message.replace(" at line 1 column", " at column")
}

/// A number as it is written, or a string's content; `null` is nothing.
fn scalar(value: &RawValue) -> Cow<'_, str> {
    match value.get() {
        "null" => Cow::Borrowed(""),
        text if text.starts_with('"') => serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned),
        text => Cow::Borrowed(text),
    }
}

/// Where the columns of a CSV file are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    fields: usize,
    required: [usize; 3],
    optional: [Option<usize>; 4],
}

/// Columns that must be there.
const REQUIRED: [&str; 3] = ["orderId", "product", "price"];
/// Columns that may be there.
const OPTIONAL: [&str; 4] = ["quantity", "currency", "createdAt", "key"];

/// Why a header is none.
#[derive(Debug, PartialEq, Eq, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum HeaderRefusal {
    /// The line cannot be read as CSV.
    #[snafu(display("the header cannot be read"))]
    Unreadable {
        /// Why.
        source: Refusal,
    },
    /// A column is missing.
    #[snafu(display("column {column} is missing; the header names {header}"))]
    Missing {
        /// Which.
        column: &'static str,
        /// What is there.
        header: String,
    },
    /// A column is there twice.
    #[snafu(display("column {column} is there twice; the header names {header}"))]
    Twice {
        /// Which.
        column: &'static str,
        /// What is there.
        header: String,
    },
}

impl Columns {
    /// Finds the columns by the header's names. Others are passed over.
    pub(super) fn find(splitter: &mut Splitter, header: &[u8]) -> Result<Self, HeaderRefusal> {
        let fields = splitter.split(header).context(UnreadableSnafu)?;
        let names: Vec<&str> = fields.iter().collect();
        let header = || cut(&names.join(", "));
        let find = |column: &'static str| {
            let mut places = (0..names.len()).filter(|place| names[*place] == column);
            let place = places.next();
            ensure!(places.next().is_none(), TwiceSnafu { column, header: header() });
            Ok(place)
        };
        let (mut required, mut optional) = ([0; 3], [None; 4]);
        for (place, column) in required.iter_mut().zip(REQUIRED) {
            *place = find(column)?.with_context(|| MissingSnafu { column, header: header() })?;
        }
        for (place, column) in optional.iter_mut().zip(OPTIONAL) {
            *place = find(column)?;
        }
        Ok(Self { fields: names.len(), required, optional })
    }

    /// Takes a line apart.
    pub(super) fn read<'a>(&self, splitter: &'a mut Splitter, line: &[u8]) -> Result<Raw<'a>, Refusal> {
        let fields = splitter.split(line)?;
        let found = fields.iter().count();
        ensure!(found == self.fields, FieldCountSnafu { expected: self.fields, found });
        let [order_id, product, price] = self.required.map(|place| Cow::Borrowed(fields.get(place)));
        let [quantity, currency, created_at, key] =
            self.optional.map(|place| place.map_or(Cow::Borrowed(""), |place| Cow::Borrowed(fields.get(place))));
        Ok(Raw { order_id, product, price, quantity, currency, created_at, key })
    }
}

/// Takes CSV lines apart (RFC 4180); its buffers are reused.
#[derive(Debug)]
pub(super) struct Splitter {
    parser: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// The fields of a line, without the white space around them.
#[derive(Clone, Copy)]
pub(super) struct Split<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self { parser: csv_core::Reader::new(), output: Vec::new(), ends: Vec::new() }
    }

    fn split(&mut self, line: &[u8]) -> Result<Split<'_>, Refusal> {
        ensure!(std::str::from_utf8(line).is_ok(), NotUtf8Snafu);
        let quotes = line.iter().filter(|byte| **byte == b'"').count();
        ensure!(quotes % 2 == 0, UnclosedQuoteSnafu);
        // Fields are never longer than their line, nor more than its commas and one.
        self.output.resize(line.len() + 1, 0);
        self.ends.resize(line.len() + 2, 0);
        self.parser.reset();
        let (mut read, mut written, mut fields) = (0, 0, 0);
        for input in [line, b""] {
            let (_, bytes_read, bytes, ends) =
                self.parser.read_record(input, &mut self.output[written..], &mut self.ends[fields..]);
            (read, written, fields) = (read + bytes_read, written + bytes, fields + ends);
        }
        ensure!(read == line.len(), CarriageReturnSnafu);
        let text = std::str::from_utf8(&self.output[..written]).ok().context(NotUtf8Snafu)?;
        Ok(Split { text, ends: &self.ends[..fields] })
    }
}

impl<'a> Split<'a> {
    fn get(self, index: usize) -> &'a str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text[start..self.ends[index]].trim_ascii()
    }

    fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.ends.len()).map(move |index| self.get(index))
    }
}
