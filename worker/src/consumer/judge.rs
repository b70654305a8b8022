//! A record's value to what came of it: decoded, checked, handled, or the failure and its class.
//!
//! Deliberately without state of orders: one call is one try, and a panic of a handler ends as a failure of that try.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine::totals::Sale;
use schemas::codec::{DecodePaths, DecodeReason, Decoder};
use schemas::failure::FailureClass;
use schemas::order::Order;

use crate::config::DecimalPrice;
use crate::handler::{Answer, Fault, Handler};
use crate::registry::{Asker, Found, Known, Schemas};
use crate::roles::chain;

/// What came of one try of a record.
pub(crate) enum Judgement<'a> {
    /// It is handled.
    Sold(Order<'a>),
    /// It is an order, and its handler takes time.
    Valid(Order<'a>),
    /// A null value: there is nothing to handle.
    Skipped,
    /// It failed.
    Failed(Failed<'a>),
}

/// A failed try.
pub(crate) struct Failed<'a> {
    /// What kind of failure, and what a person reads of it.
    pub(crate) fault: Fault,
    /// The order, where the record has a valid one.
    pub(crate) order: Option<Order<'a>>,
    /// Why the bytes are no order, where they are none.
    pub(crate) undecodable: Option<DecodeReason>,
}

/// Decodes, checks and handles. One for each consumer thread.
pub(crate) struct Judge {
    decoder: Decoder,
    /// Where schemas come from that the decoder does not know yet.
    schemas: Option<Schemas>,
    handler: Handler,
    max_price: Option<DecimalPrice>,
}

impl Judge {
    /// Puts the parts together.
    pub(crate) fn new(
        decoder: Decoder,
        schemas: Option<Schemas>,
        handler: Handler,
        max_price: Option<DecimalPrice>,
    ) -> Self {
        Self { decoder, schemas, handler, max_price }
    }

    /// Tries the record with this value; `attempt` counts from 1.
    pub(crate) fn judge<'a>(&'a mut self, value: Option<&'a [u8]>, attempt: u32) -> Judgement<'a> {
        let Some(value) = value else { return Judgement::Skipped };
        if let Some(id) = self.decoder.missing_schema(value)
            && let Some(fault) = self.learn(id, attempt)
        {
            return Judgement::Failed(Failed { fault, order: None, undecodable: None });
        }
        let raw = match self.decoder.decode(value) {
            Ok(raw) => raw,
            Err(error) => {
                let fault = fault(FailureClass::Undecodable, "DecodeError", &error);
                return Judgement::Failed(Failed { fault, order: None, undecodable: Some(error.kind()) });
            }
        };
        let order = match raw.check() {
            Ok(order) => order,
            Err(error) => {
                let fault = fault(FailureClass::Invalid, "InvalidOrder", &error);
                return Judgement::Failed(Failed { fault, order: None, undecodable: None });
            }
        };
        if let Some(fault) = self.max_price.and_then(|limit| above(limit, &order)) {
            return failed(fault, order);
        }
        let handler = &self.handler;
        match catch_unwind(AssertUnwindSafe(|| handler.handle(&order, attempt))) {
            Ok(Some(Answer::Done)) => Judgement::Sold(order),
            Ok(Some(Answer::Failed(fault))) => failed(fault, order),
            Ok(None) => Judgement::Valid(order),
            Err(panic) => failed(panicked(panic.as_ref()), order),
        }
    }

    /// Takes a schema over from the registry, or says why the record cannot be decoded now.
    #[cold]
    fn learn(&mut self, id: u32, attempt: u32) -> Option<Fault> {
        let asker = if attempt > 1 { Asker::Retry } else { Asker::FirstTry };
        match self.schemas.as_ref()?.look_up(id, asker) {
            Known::Schema(found) => {
                self.take_over(id, &found);
                None
            }
            Known::Missing => Some(Fault {
                class: FailureClass::SchemaUnknown,
                message: Cow::Owned(format!("schema id {id} is not in the registry")),
                exception: "SchemaUnknown",
            }),
            Known::Coming { trouble } => {
                let why = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
                Some(Fault {
                    class: FailureClass::RegistryUnavailable,
                    message: Cow::Owned(format!("schema id {id} is not known yet{why}")),
                    exception: "RegistryUnavailable",
                })
            }
        }
    }

    fn take_over(&mut self, id: u32, found: &Found) {
        let trouble = match found {
            Found::Unusable(why) => {
                self.decoder.add_unusable(id);
                Some(why.clone())
            }
            Found::Avro { text, references } => {
                let references: Vec<&str> = references.iter().map(String::as_str).collect();
                let added = self.decoder.add_schema_with_references(id, text, &references);
                added.err().map(|error| chain(&error))
            }
        };
        match trouble {
            Some(why) => tracing::warn!(target: "registry", id, "records with this schema are no orders: {why}"),
            None => tracing::info!(target: "registry", id, "learnt a schema"),
        }
    }

    /// How many answers the registry has given: a record that waits for its schema is worth another look when there are
    /// more.
    pub(crate) fn answers(&self) -> u64 {
        self.schemas.as_ref().map_or(0, Schemas::answers)
    }

    /// Why schemas stay unknown, while some do.
    pub(crate) fn registry_trouble(&self) -> Option<Arc<str>> {
        self.schemas.as_ref()?.trouble()
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

/// A valid order that was not handled.
fn failed(fault: Fault, order: Order<'_>) -> Judgement<'_> {
    Judgement::Failed(Failed { fault, order: Some(order), undecodable: None })
}

fn fault(class: FailureClass, exception: &'static str, error: &dyn std::error::Error) -> Fault {
    Fault { class, message: Cow::Owned(chain(error)), exception }
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
