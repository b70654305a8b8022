//! What follows a try: retries that come due, orders that waited behind another one of their key, and verdicts.
//!
//! Deliberately without intake: that is `intake`.

use std::time::Duration;

use engine::outcome::{Action, Failure, Outcome, Ready, Verdict};
use engine::totals::Sale;

use super::assigned::Assigned;
use super::calls::Place;
use super::desk::Desk;
use super::graveyard::Burial;
use super::judge::{Failed, Judgement, sale};
use super::moment::Moment;
use super::watch::Sold;
use crate::handler::Fault;

/// Retries between two looks at the clock.
const CHUNK: usize = 64;

impl Desk<'_> {
    /// Runs stored records of one partition whose turn has come, at most a chunk. Answers how many ran, and the lines
    /// to show.
    pub(crate) fn run_ready(&mut self, partition: &mut Assigned, shown: &mut Vec<Sold>) -> usize {
        let moment = self.moment();
        let mut ran = 0;
        while ran < CHUNK && self.allowance > 0 {
            let Some(ready) = partition.engine.next_ready(moment.now) else { break };
            ran += 1;
            match ready.action {
                Action::Run => shown.extend(self.run(partition, ready, moment)),
                Action::DeadLetter(disposition) => {
                    let burial = Burial::new(partition, ready.ticket, disposition, "given up before a restart", "");
                    self.graveyard.bury(partition, &mut self.judge, burial);
                }
            }
        }
        ran
    }

    /// One try of a stored record.
    fn run(&mut self, partition: &mut Assigned, ready: Ready, moment: Moment) -> Option<Sold> {
        if let Some(due) = ready.due {
            self.watch.note_retry(moment.now.since(due));
        }
        let record = partition.engine.record(ready.ticket)?;
        match self.judge.judge(record.value(), u32::from(ready.retry) + 1) {
            Judgement::Sold(order) => {
                // The order lives in the record, which the engine is about to give up.
                self.product.clear();
                self.product.extend_from_slice(order.product.as_bytes());
                let sold = self.watch.line_for(&order, moment);
                let sale = Sale { product: &self.product, ..sale(&order) };
                partition.engine.complete(ready.ticket, Outcome::Succeeded(sale), moment.now);
                sold
            }
            Judgement::Valid(order) => {
                let calls = self.calls.as_ref().expect("a handler that takes time has its calls");
                let request = calls.request(&order, (partition.number, ready.offset), record.headers());
                let Assigned { number, assignment, .. } = *partition;
                let place = Place { partition: number, offset: ready.offset, assignment, ticket: ready.ticket };
                self.begin(place, request, moment.now);
                None
            }
            Judgement::Skipped => {
                partition.engine.complete(ready.ticket, Outcome::Skipped, moment.now);
                None
            }
            Judgement::Failed(Failed { fault, order, .. }) => {
                let name = order.map(|order| order.order_id.as_str().to_owned());
                let failure = Failure { class: fault.class, wall_milliseconds: moment.wall_milliseconds };
                if let Some(verdict) = partition.engine.complete(ready.ticket, Outcome::Failed(failure), moment.now) {
                    self.follow(partition, verdict, &fault, name.as_deref(), moment);
                }
                None
            }
        }
    }

    /// Does what a verdict asks for.
    pub(crate) fn follow(
        &mut self,
        partition: &mut Assigned,
        verdict: Verdict,
        fault: &Fault,
        order_id: Option<&str>,
        moment: Moment,
    ) {
        match verdict {
            Verdict::Resolved => {}
            Verdict::Held { due } => self.watch.note_held(fault, order_id, due.since(moment.now), moment),
            Verdict::Parked { due, retry } => {
                let delay = round_to_milliseconds(due.since(moment.now));
                self.watch.note_parked(fault, order_id, retry, delay, moment);
            }
            Verdict::DeadLetter(ticket, disposition) => {
                let burial = Burial::new(partition, ticket, disposition, &fault.message, fault.exception);
                self.graveyard.bury(partition, &mut self.judge, burial);
            }
        }
    }
}

/// Delays are shown as they were set: a microsecond of rounding is nobody's business.
fn round_to_milliseconds(delay: Duration) -> Duration {
    Duration::from_millis(u64::try_from((delay.as_micros() + 500) / 1000).unwrap_or(u64::MAX))
}
