//! The report while the reading goes on: a line for people or an event for the log, and the file of `--report` renewed.
//!
//! Deliberately the same figures as at the end; a file that cannot be written now is said and tried again next time.

use std::path::PathBuf;
use std::time::Duration;

use engine::time::Time;

use super::ledger::Sums;
use crate::config::DeadLetters;
use crate::events::dead_letters::Reported;
use crate::report::{self, Report};
use crate::roles::chain;
use crate::screen::{DeadLetterReport, Screen};

/// Reports each interval.
#[derive(Debug)]
pub(super) struct Reporter {
    screen: Screen,
    pipeline: String,
    file: Option<PathBuf>,
    interval: Option<Duration>,
    start: Time,
    due: Time,
}

impl Reporter {
    /// The first report an interval after `now`.
    pub(super) fn new(config: &DeadLetters, screen: Screen, now: Time) -> Self {
        let (pipeline, file) = (config.common.pipeline.clone(), config.common.report.clone());
        let interval = config.report_interval;
        Self { screen, pipeline, file, interval, start: now, due: now + interval.unwrap_or_default() }
    }

    /// Reports `sums` if it is time to. `age`: of the oldest letter; `lag`: records still to be read, where known.
    pub(super) fn report(&mut self, sums: &Sums, age: Option<Duration>, lag: Option<u64>, now: Time) {
        let Some(interval) = self.interval.filter(|_| now >= self.due) else { return };
        self.due = now + interval;
        let totals = sums.figures.report();
        if self.screen.is_shown() {
            self.screen.say(&DeadLetterReport { totals: &totals, age, lag });
        } else {
            Reported { totals: &totals, age, lag }.emit();
        }
        let Some(file) = &self.file else { return };
        let report = Report {
            pipeline: self.pipeline.clone(),
            dead_letters: Some(totals),
            seconds: now.since(self.start).as_secs_f64(),
            ..Report::default()
        };
        if let Err(error) = report::write(file, &report) {
            tracing::warn!("{}; trying again with the next report", chain(&error));
        }
    }
}
