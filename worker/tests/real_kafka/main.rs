//! Tests against a real Apache Kafka broker: what the embedded one cannot show (restarts with data, evicted members,
//! auto-creation, several processes in a group).
//!
//! Each test opens with `let Some(broker) = Broker::shared() else { return };`: where Java or Maven is missing it says
//! `SKIPPED` on stderr and passes, but fails under `CI=true`. Tests share the broker and never a topic or a group
//! (`topic::unique`). Deliberately no knowledge of the worker's inside: it is a process here, seen from its edges.

mod broker;
mod guard;
mod orders;
mod pipeline;
mod process;
mod registry;
mod topic;
mod wait;

mod consume;
mod consume_admin;
mod consume_durable;
mod consume_faults;
mod consume_foreign;
mod consume_outage;
mod consume_oversized;
mod consume_rebalance;
mod consume_state;
mod consume_stop;
mod consume_topics;
mod dead_letters;
mod demo;
mod harness;
mod http_handler;
mod prepare;
mod produce;
mod registry_orders;
mod registry_outage;
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "some serve only the tests of TLS"))]
mod secured;
mod secured_password;
mod secured_proxy;
mod secured_rights;
#[cfg(feature = "tls")]
mod secured_tls;
