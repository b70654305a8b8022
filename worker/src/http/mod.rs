//! The worker's one HTTP client: connections are kept, answers are limited in time and size.
//!
//! Deliberately follows no redirect (a password must not travel on), knows no proxy and no HTTP/2, and repeats nothing:
//! what an answer means, and when to ask again, is the caller's business (`registry`, `handler`).

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a schema registry's passwords are read by its client, which comes next")
)]
mod authorization;
#[expect(dead_code, reason = "single requests are what a schema registry is asked by, which comes next")]
mod client;
mod connector;

pub(crate) use authorization::{UnreadableSecret, UnsendableSnafu, secret};
pub(crate) use client::Error;
pub(crate) use connector::{Connector, Stream, connector};
