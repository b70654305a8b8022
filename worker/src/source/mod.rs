//! Where a producer's orders come from: made up, or read from a file or standard input.
//!
//! A source is pulled: [`OrderSource::advance`], then [`OrderSource::draft`] borrows the order it found. Deliberately
//! decides nothing about bad lines (the role fails or skips) and knows neither Kafka nor pace.

mod file;
mod generator;
mod lines;
mod notation;
mod piped;

pub use file::{Error, OrderFile};
pub use generator::Generator;
pub use notation::{BadLine, Refusal};

use schemas::order::Order;

use crate::config::Orders;

/// An order that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The order.
    pub order: Order<'a>,
    /// The record's key: the order id, or the input's `key` column.
    pub key: &'a [u8],
}

/// What [`OrderSource::advance`] found.
#[derive(Debug)]
pub enum Step {
    /// An order: see [`OrderSource::draft`].
    Order,
    /// A line that is none; the next call goes on behind it.
    Bad(BadLine),
    /// Nothing now: standard input is quiet.
    Later,
    /// Nothing more.
    End,
}

/// A producer's orders, one after the other.
#[derive(Debug)]
pub enum OrderSource {
    /// Made up, without end.
    Generated(Generator),
    /// Read.
    Read(Box<OrderFile>),
}

impl OrderSource {
    /// Opens what the configuration names; a file's header is read and checked here, before anything is sent.
    ///
    /// # Errors
    /// When the file cannot be opened or read, is empty, or its header lacks a column.
    pub fn open(orders: &Orders) -> Result<Self, Error> {
        match orders {
            Orders::Generated(generator) => Ok(OrderSource::Generated(Generator::new(generator))),
            Orders::Read { input, format, on_bad_line: _ } => {
                OrderFile::open(input, *format).map(|file| OrderSource::Read(Box::new(file)))
            }
        }
    }

    /// Goes to the next order, which is made at `now` (milliseconds since 1970) if the source makes it itself.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn advance(&mut self, now: i64) -> Result<Step, Error> {
        match self {
            OrderSource::Generated(generator) => {
                generator.advance(now);
                Ok(Step::Order)
            }
            OrderSource::Read(file) => file.advance(),
        }
    }

    /// The products that are known beforehand: none of a file's.
    pub fn known_products(&self) -> impl Iterator<Item = String> {
        match self {
            OrderSource::Generated(generator) => generator.products().to_vec(),
            OrderSource::Read(_) => Vec::new(),
        }
        .into_iter()
    }

    /// The order that [`advance`](Self::advance) found last; the source's first if it found none yet.
    pub fn draft(&self) -> Draft<'_> {
        match self {
            OrderSource::Generated(generator) => generator.draft(),
            OrderSource::Read(file) => file.draft(),
        }
    }
}
