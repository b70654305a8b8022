//! A record's value to what came of it: decoded, checked, handled, or the failure and its class.
//!
//! Deliberately without state of orders: one call is one try, and a panic of a handler ends as a failure of that try.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::totals::Sale;
use schemas::codec::{DecodePaths, Decoder};
use schemas::failure::FailureClass;
use schemas::order::Order;

use crate::config::DecimalPrice;
use crate::handler::{Answer, Fault, Handler};

/// What came of one try of a record.
pub(crate) enum Judgement<'a> {
    /// It is handled.
    Sold(Order<'a>),
    /// A null value: there is nothing to handle.
    Skipped,
    /// It failed; the order, as far as the record has one.
    Failed(Fault, Option<Order<'a>>),
}

/// Decodes, checks and handles. One for each consumer thread.
pub(crate) struct Judge {
    decoder: Decoder,
    handler: Handler,
    max_price: Option<DecimalPrice>,
}

impl Judge {
    /// Puts the parts together.
    pub(crate) fn new(decoder: Decoder, handler: Handler, max_price: Option<DecimalPrice>) -> Self {
        Self { decoder, handler, max_price }
    }

    /// Tries the record with this value; `attempt` counts from 1.
    pub(crate) fn judge<'a>(&'a mut self, value: Option<&'a [u8]>, attempt: u32) -> Judgement<'a> {
        let Some(value) = value else { return Judgement::Skipped };
        let raw = match self.decoder.decode(value) {
            Ok(raw) => raw,
            Err(error) => return failed(FailureClass::Undecodable, "DecodeError", &error),
        };
        let order = match raw.check() {
            Ok(order) => order,
            Err(error) => return failed(FailureClass::Invalid, "InvalidOrder", &error),
        };
        if let Some(fault) = self.max_price.and_then(|limit| above(limit, &order)) {
            return Judgement::Failed(fault, Some(order));
        }
        let handler = &self.handler;
        match catch_unwind(AssertUnwindSafe(|| handler.handle(&order, attempt))) {
            Ok(Answer::Done) => Judgement::Sold(order),
            Ok(Answer::Failed(fault)) => Judgement::Failed(fault, Some(order)),
            Err(panic) => Judgement::Failed(panicked(panic.as_ref()), Some(order)),
        }
    }

    /// The order in a value, if there is a valid one; for what is said about a dead letter.
    pub(crate) fn order<'a>(&'a mut self, value: Option<&'a [u8]>) -> Option<Order<'a>> {
        self.decoder.decode(value?).ok()?.check().ok()
    }

    /// The schema id of the value's frame, if it has one.
    pub(crate) fn schema_id(&mut self, value: Option<&[u8]>) -> Option<u32> {
        match self.decoder.decode(value?) {
            Ok(raw) => raw.schema_id,
            Err(error) => error.schema_id(),
        }
    }

    /// Why a value does not decode: the label of `avro_decode_errors_total`.
    pub(crate) fn decode_error(&mut self, value: Option<&[u8]>) -> Option<&'static str> {
        self.decoder.decode(value?).err().map(|error| error.reason())
    }

    /// How records were decoded so far.
    pub(crate) fn paths(&self) -> DecodePaths {
        self.decoder.paths()
    }
}

/// What an order adds to the totals.
pub(crate) fn sale<'a>(order: &Order<'a>) -> Sale<'a> {
    Sale {
        product: order.product.as_bytes(),
        currency: *order.currency.as_bytes(),
        price_minor: order.price.minor(),
        quantity: order.quantity,
    }
}

fn failed<'a>(class: FailureClass, exception: &'static str, error: &dyn std::error::Error) -> Judgement<'a> {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    Judgement::Failed(Fault { class, message: Cow::Owned(message), exception }, None)
}

fn above(limit: DecimalPrice, order: &Order<'_>) -> Option<Fault> {
    (order.price.minor() > limit.to_minor(order.currency.exponent())).then(|| Fault {
        class: FailureClass::Invalid,
        message: Cow::Owned(format!("price is above {limit} {}", order.currency.as_str())),
        exception: "InvalidOrder",
    })
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Fault {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Fault {
        class: FailureClass::HandlerPanic,
        message: Cow::Owned(format!("the handler panicked: {text}")),
        exception: "HandlerPanic",
    }
}
