//! What stops intake, and who is told: a breaker that is open, a flood of dead letters, a dead-letter topic that refuses.
//!
//! None of them loses or skips a record: what was read stays unresolved, and the commit waits for it. Deliberately no
//! way to go past them but to mend the cause; the flood guard, whose cause is a deployment, waits for the next one.

use engine::breaker::BreakerState;
use engine::partition::Occupancy;
use engine::time::Time;

use super::assigned::Assigned;
use super::calls::Calls;
use super::consumer_loop::ConsumerLoop;
use super::gauges::Gauges;

/// What `/readyz` says when the flood guard stopped intake.
const TOO_MANY: &str = "intake stopped: too many orders were dead-lettered; mend the cause, then start again";

impl ConsumerLoop<'_> {
    /// Whether records may be taken in: not while draining, while dead letters or state are refused, while there are too
    /// many dead letters, or while the service behind the handler is down.
    pub(super) fn takes_in(&self) -> bool {
        self.draining_since.is_none()
            && self.desk.graveyard.refused().is_none()
            && self.state_trouble().is_none()
            && !self.is_flooded()
            && self.desk.calls.as_ref().is_none_or(|calls| calls.state() != BreakerState::Open)
    }

    /// Whether too much was given up. Then nothing is tried again either: what waits would follow the rest into the
    /// dead-letter topic.
    pub(super) fn is_flooded(&self) -> bool {
        self.desk.flood.state() == BreakerState::Open
    }

    /// Whether what waits may be tried: then a retry that comes due is something to wait for.
    pub(super) fn may_try(&self) -> bool {
        !self.is_flooded() && self.desk.calls.as_ref().is_none_or(|calls| calls.state() == BreakerState::Closed)
    }

    /// Whether anything of what was read may be resolved until `deadline`.
    pub(super) fn can_finish_until(&self, deadline: Time) -> bool {
        let may_try = self.may_try();
        self.partitions.iter().any(|partition| {
            let Occupancy { running, dead_lettering, .. } = partition.engine.occupancy();
            running + dead_lettering > 0 || (may_try && partition.can_finish_until(deadline))
        })
    }

    /// Tells the flood guard how records ended since it was last told.
    pub(super) fn guard(&mut self, now: Time) {
        let well: u64 = self.partitions.iter().map(Assigned::own_well).sum();
        let given_up = self.desk.graveyard.given_up();
        // A partition that went took its count along: then a round goes unheard, no more.
        let (well_before, given_up_before) = std::mem::replace(&mut self.guarded, (well, given_up));
        let before = self.desk.flood.state();
        self.desk.flood.record_many(now, well.saturating_sub(well_before), given_up - given_up_before);
        if before != self.desk.flood.state() {
            tracing::error!(target: "orders", "{TOO_MANY}");
        }
    }

    /// Renews what `/readyz` says.
    pub(super) fn say_readiness(&self) {
        if self.draining_since.is_some() {
            return;
        }
        // A member may be left without partitions for good; trouble tells that it is not that.
        let trouble = self.source.trouble().filter(|_| self.partitions.is_empty());
        let is_new = self.partitions.is_empty() && self.assignments == 0;
        let waits_for = if self.is_flooded() {
            Some(TOO_MANY.to_owned())
        } else if let Some(words) = self.blocked() {
            Some(words)
        } else if let Some(words) = trouble {
            Some(format!("kafka: waiting for partitions: {words}"))
        } else {
            is_new.then(|| "kafka: waiting for partitions".to_owned()).or_else(|| self.schema_trouble())
        };
        match waits_for {
            Some(words) => self.ready.wait_for(words),
            None => self.ready.set_ready(),
        }
    }

    /// What keeps orders from being resolved until somebody mends it.
    fn blocked(&self) -> Option<String> {
        let refused = self.desk.graveyard.refused().map(|code| self.desk.graveyard.remedy(code));
        let outage = || self.desk.calls.as_ref().and_then(Calls::trouble).map(|words| format!("http handler: {words}"));
        refused.or_else(outage).or_else(|| self.state_trouble()).or_else(|| self.trouble.clone())
    }

    /// What gauges and `/status` are made of besides the engines.
    pub(super) fn gauges(&self) -> Gauges {
        let calls = self.desk.calls.as_ref();
        Gauges {
            bounds: self.partitions.iter().map(|partition| self.source.known_bounds(&partition.reader)).collect(),
            pending_dead_letters: self.desk.graveyard.pending(),
            refused: self.desk.graveyard.refused(),
            flood: self.desk.flood.state(),
            breaker: calls.map(Calls::state),
            blocked: self.blocked(),
            in_flight: calls.map_or(0, Calls::under_way),
            schema_trouble: self.schema_trouble(),
        }
    }
}
