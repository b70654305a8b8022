//! What others see of the reading: `/status`, `/metrics`, and the demo that waits for every dead letter to be seen.
//!
//! Deliberately a picture of a moment: the loop renews it a few times a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::worker_status::{DeadLettersStatus, Excess};

use super::ledger::Sums;
use crate::metrics::dead_letters::DeadLetterMetrics;

/// The picture. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    picture: Arc<Mutex<Picture>>,
    metrics: DeadLetterMetrics,
}

#[derive(Debug, Default)]
struct Picture {
    partitions: Vec<i32>,
    lag: Option<u64>,
    sums: Sums,
    retention: Option<Duration>,
    over_budget: Option<Vec<Excess>>,
}

impl Board {
    /// An empty board that shows what it is given in `metrics`.
    pub(crate) fn new(metrics: DeadLetterMetrics) -> Self {
        Self { picture: Arc::default(), metrics }
    }

    /// What Prometheus sees.
    pub(super) fn metrics(&self) -> &DeadLetterMetrics {
        &self.metrics
    }

    /// How many distinct dead letters are in the topic, as far as it is read.
    pub(crate) fn count(&self) -> u64 {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).sums.figures.count()
    }

    /// Renews the picture. `lag`: letters that are in the partitions and not read yet, where known; `over_budget`: what
    /// goes beyond the budget, if there is one.
    pub(super) fn publish(&self, partitions: Vec<i32>, lag: Option<u64>, sums: Sums, over_budget: Option<Vec<Excess>>) {
        self.metrics.show(&sums.figures.values(), sums.figures.count(), sums.oldest);
        self.metrics.show_budget(over_budget.as_deref().unwrap_or_default());
        let mut picture = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        picture.partitions = partitions;
        picture.lag = lag;
        picture.sums = sums;
        picture.over_budget = over_budget;
    }

    /// How long the topic keeps a letter; `None` = for ever.
    pub(super) fn set_retention(&self, retention: Option<Duration>) {
        self.metrics.show_retention(retention);
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).retention = retention;
    }

    /// How long the topic keeps a letter; `None` = for ever, or not known yet.
    pub(super) fn retention(&self) -> Option<Duration> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).retention
    }

    /// What `/status` answers.
    pub(super) fn status(&self) -> DeadLettersStatus {
        let picture = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        DeadLettersStatus {
            partitions: picture.partitions.clone(),
            lag: picture.lag,
            dead_letters: picture.sums.figures.report(),
            oldest_timestamp_milliseconds: picture.sums.oldest,
            retention_seconds: picture.retention.map(|retention| retention.as_secs()),
            over_budget: picture.over_budget.clone(),
            of_other_groups: picture.sums.of_other_groups,
            copies: picture.sums.copies,
            foreign_records: picture.sums.foreign,
        }
    }
}
