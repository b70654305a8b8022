//! The schema registry, by Confluent's API: schemas by id for the consumer, the id of ours for the producer.
//!
//! The consumer looks into [`Schemas`], which asks beside it; producer and `worker prepare` wait for a [`Subject`]'s id.
//! Deliberately no file of schemas and no second registry: while the registry is down, ids that are known go on, and
//! the others wait.

mod answer;
mod backoff;
mod book;
mod client;
mod error;
mod follower;
mod identity;
mod inquiry;
mod patience;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use backoff::Chance;
pub(crate) use book::{Asker, Known};
pub(crate) use client::{Client, Found};
pub(crate) use error::Error;
pub(crate) use follower::Follower;
pub(crate) use identity::{Refusal, Subject};
pub(crate) use inquiry::Schemas;
pub(crate) use patience::{Patience, block_on};
