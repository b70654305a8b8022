//! Orders from a CSV or NDJSON file or from standard input, streamed: a file may be larger than memory.
//!
//! Deliberately decides nothing about bad lines: it says where and why, and goes on behind them when asked again.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use snafu::{ResultExt, Snafu};

use super::lines::{BYTE_ORDER_MARK, Found, Lines};
use super::notation::{self, BadLine, Columns, Fields, HeaderRefusal, Refusal, Splitter};
use super::piped::Piped;
use super::{Draft, Step};
use crate::config::{Input, InputFormat};

/// Why an input cannot be used at all.
#[derive(Debug, Snafu)]
pub enum Error {
    /// It is not there, or may not be read.
    #[snafu(display("cannot open {}; name a readable CSV or NDJSON file, or - for standard input", path.display()))]
    Open {
        /// What was named.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It broke off.
    #[snafu(display("cannot read {name} behind line {line}"))]
    Read {
        /// The file, or `standard input`.
        name: String,
        /// The last line that was read.
        line: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// There is nothing in it.
    #[snafu(display("{name} is empty; it needs a header orderId,product,price and a line for each order"))]
    Empty {
        /// The file, or `standard input`.
        name: String,
    },
    /// Its header does not do.
    #[snafu(display(
        "{name}, line {line} is no header; it needs orderId,product,price[,quantity,currency,createdAt,key]"
    ))]
    Header {
        /// The file, or `standard input`.
        name: String,
        /// Where the header is.
        line: u64,
        /// What is wrong with it.
        source: HeaderRefusal,
    },
}

type Reader = Box<dyn BufRead + Send>;

/// An open input.
#[derive(Debug)]
pub struct OrderFile {
    name: String,
    lines: Lines<Reader>,
    notation: Notation,
    fields: Fields,
}

#[derive(Debug)]
enum Notation {
    Csv { columns: Columns, splitter: Box<Splitter> },
    Ndjson,
}

impl OrderFile {
    /// Opens the input and, for CSV, reads its header. Without a `format` the first byte that is no space tells: a brace
    /// begins JSON.
    ///
    /// # Errors
    /// When it cannot be opened or read, is empty, or its header lacks a column.
    pub fn open(input: &Input, format: Option<InputFormat>) -> Result<Self, Error> {
        match input {
            Input::File(path) => {
                let file = File::open(path).context(OpenSnafu { path })?;
                Self::read(path.display().to_string(), Box::new(BufReader::new(file)), format)
            }
            Input::Stdin => {
                let name = "standard input";
                let (piped, patience) = Piped::start(io::stdin()).context(ReadSnafu { name, line: 0_u64 })?;
                let file = Self::read(name.to_owned(), Box::new(piped), format)?;
                patience.end();
                Ok(file)
            }
        }
    }

    fn read(name: String, mut reader: Reader, format: Option<InputFormat>) -> Result<Self, Error> {
        let start = reader.fill_buf().context(ReadSnafu { name: &name, line: 0_u64 })?;
        let start = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
        let told = if start.starts_with(b"{") { InputFormat::Ndjson } else { InputFormat::Csv };
        let mut lines = Lines::new(reader);
        let notation = match format.unwrap_or(told) {
            InputFormat::Csv => header(&name, &mut lines)?,
            InputFormat::Ndjson => Notation::Ndjson,
        };
        Ok(Self { name, lines, notation, fields: Fields::default() })
    }

    /// Goes to the next line.
    ///
    /// # Errors
    /// When the input breaks off, or has no line at all.
    pub fn advance(&mut self) -> Result<Step, Error> {
        let (name, line) = (&self.name, self.lines.number());
        match self.lines.advance().context(ReadSnafu { name, line })? {
            Found::Line => {}
            Found::Later => return Ok(Step::Later),
            Found::TooLong => return Ok(self.bad(Refusal::TooLong)),
            Found::End if self.lines.number() == 0 => return EmptySnafu { name }.fail(),
            Found::End => return Ok(Step::End),
        }
        let line = self.lines.line();
        let raw = match &mut self.notation {
            Notation::Csv { columns, splitter } => columns.read(splitter, line),
            Notation::Ndjson => notation::json(line),
        };
        match raw.and_then(|raw| self.fields.fill(&raw)) {
            Ok(()) => Ok(Step::Order),
            Err(refusal) => Ok(self.bad(refusal)),
        }
    }

    /// The order of the line read last.
    pub fn draft(&self) -> Draft<'_> {
        self.fields.draft()
    }

    fn bad(&self, source: Refusal) -> Step {
        Step::Bad(BadLine { name: self.name.clone(), line: self.lines.number(), source })
    }
}

fn header(name: &str, lines: &mut Lines<Reader>) -> Result<Notation, Error> {
    let found = lines.advance().context(ReadSnafu { name, line: 0_u64 })?;
    let mut splitter = Splitter::new();
    let columns = match found {
        Found::Line => Columns::find(&mut splitter, lines.line()),
        Found::TooLong => Err(HeaderRefusal::Unreadable { source: Refusal::TooLong }),
        Found::Later | Found::End => return EmptySnafu { name }.fail(),
    };
    let columns = columns.context(HeaderSnafu { name, line: lines.number() })?;
    Ok(Notation::Csv { columns, splitter: Box::new(splitter) })
}

#[cfg(test)]
mod tests;
