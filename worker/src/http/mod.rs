//! The worker's one HTTP client: connections are kept, answers are limited in time and size.
//!
//! Deliberately follows no redirect (a password must not travel on), knows no proxy and no HTTP/2, and repeats nothing:
//! what an answer means, and when to ask again, is the caller's business (`registry`, `handler`).

mod authorization;
mod client;
mod connector;
#[cfg(test)]
mod tests;

pub(crate) use authorization::{Authorization, UnreadableSecret, UnsendableSnafu, secret};
pub(crate) use client::{Answer, Error, HttpClient, Limits, Options};
pub(crate) use connector::{Connector, Stream, connector};
