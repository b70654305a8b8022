//! The consumer's metrics.
//!
//! STUB
#![allow(missing_docs, unused)]
use super::Scope;
use crate::consumer::{Assigned, Gauges};
use engine::snapshot::Counters;
use engine::totals::Totals;
use schemas::codec::DecodePaths;
use schemas::failure::FailureClass;
use std::time::Duration;
#[derive(Clone)]
pub(crate) struct ConsumerMetrics;
impl ConsumerMetrics {
    pub(crate) fn new(_: &Scope) -> Self {
        Self
    }
    pub(crate) fn end_to_end_latency(&self, d: Duration) {}
    pub(crate) fn failure(&self, c: FailureClass) {}
    pub(crate) fn decode_error(&self, r: &'static str) {}
    pub(crate) fn retry_start_delay(&self, d: Duration) {}
    pub(crate) fn retry(&self, c: FailureClass, n: u8) {}
    pub(crate) fn dead_letter_write_failures(&self, n: usize) {}
    pub(crate) fn dead_letter(&self, c: FailureClass) {}
    pub(crate) fn commit(&self, ok: bool) {}
    pub(crate) fn rebalance(&self, kind: &'static str) {}
    pub(crate) fn publish(&self, p: &mut [Assigned], t: &Totals, c: &Counters, g: &Gauges, d: DecodePaths) {}
}
