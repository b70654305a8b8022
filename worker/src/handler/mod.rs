//! What is done with an order once it is decoded and checked.
//!
//! Deliberately without retries and dead letters: a handler answers for one try, the engine decides what follows.

pub(crate) mod http;
mod simulate;

use std::borrow::Cow;

use schemas::failure::FailureClass;
use schemas::order::Order;

use crate::config;

/// What a handler says of one try.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// The order is handled.
    Done,
    /// It is not.
    Failed(Fault),
}

/// Why a try failed: the class decides what follows, the message is for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// What kind of failure.
    pub(crate) class: FailureClass,
    /// What a person reads in the dead letter.
    pub(crate) message: Cow<'static, str>,
    /// What kind of error, as `__dlq.errors.exception.class.name` says it.
    pub(crate) exception: &'static str,
}

/// The handler that was asked for.
pub(crate) enum Handler {
    /// Nothing is done: every valid order succeeds.
    None,
    /// Failures are made up.
    Simulate(config::Simulate),
    /// A service is called, which takes time: see [`http`].
    Http,
}

impl Handler {
    /// The handler of a checked setting.
    pub(crate) fn new(setting: &config::Handler) -> Self {
        match setting {
            config::Handler::None => Self::None,
            config::Handler::Simulate(simulate) => Self::Simulate(simulate.clone()),
            config::Handler::Http(_) => Self::Http,
        }
    }

    /// Runs one try of an order; `attempt` counts from 1. `None`: it takes time, and has to be called.
    pub(crate) fn handle(&self, order: &Order<'_>, attempt: u32) -> Option<Answer> {
        match self {
            Self::None => Some(Answer::Done),
            Self::Simulate(setting) => Some(simulate::handle(setting, order, attempt)),
            Self::Http => None,
        }
    }
}
