//! Calls of a handler that takes time: how many may begin, whose order each is of, and what is done with its answer.
//!
//! The breaker stands here: while the service is taken to be down nothing begins but a few probes, and no order is
//! blamed for it: it is held, however often it was tried. Deliberately bounded: at most `--max-in-flight` orders of the
//! process are with the service, and answers that belong to an earlier assignment are dropped (I5).

use std::thread::Thread;
use std::time::Duration;

use engine::Ticket;
use engine::breaker::{Breaker, BreakerPolicy, BreakerState, Permit};
use engine::outcome::{Failure, Outcome};
use engine::time::Time;
use engine::totals::Sale;
use schemas::failure::FailureClass;
use schemas::order::Order;

use super::assigned::Assigned;
use super::consumer_loop::ConsumerLoop;
use super::desk::Desk;
use super::judge::sale;
use super::moment::Moment;
use super::watch::Sold;
use crate::clock::Clock;
use crate::config::{self, Consume};
use crate::handler::http::{Error, IdempotencyKeys, Reply, Request, Said, Service};
use crate::handler::{Answer, Fault};

/// The longest rest while calls are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// So many different orders that fail, with no call that goes well in between, for [`LONG_STREAK`]: the service is down,
/// even if the calls are too few for the breaker's window.
const STREAK: usize = 5;

/// See [`STREAK`]: shorter than all retries of an order together, with the default delays.
const LONG_STREAK: Duration = Duration::from_secs(5);

/// Which order a call is of, and under which leave of the breaker it was made.
#[derive(Debug)]
pub(crate) struct Token {
    partition: i32,
    offset: i64,
    assignment: u32,
    ticket: Ticket,
    permit: Permit,
}

/// Where the order of a call is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The partition's number.
    pub(crate) partition: i32,
    /// Where in it.
    pub(crate) offset: i64,
    /// Which assignment of it.
    pub(crate) assignment: u32,
    /// The engine's name for the record.
    pub(crate) ticket: Ticket,
}

impl Token {
    /// Whether its record is kept by this assignment of its partition, and not by one before or after.
    fn belongs_to(&self, partition: &Assigned) -> bool {
        (partition.number, partition.assignment) == (self.partition, self.assignment)
    }
}

/// Failures with no success in between.
#[derive(Default)]
struct Streak {
    since: Option<Time>,
    /// Partition and offset of the first few orders.
    orders: Vec<(i32, i64)>,
}

impl Streak {
    fn end(&mut self) {
        self.since = None;
        self.orders.clear();
    }

    /// Notes a failure; whether it is an outage by now.
    fn grow(&mut self, order: (i32, i64), now: Time) -> bool {
        let since = *self.since.get_or_insert(now);
        if self.orders.len() < STREAK && !self.orders.contains(&order) {
            self.orders.push(order);
        }
        self.orders.len() >= STREAK && now.since(since) >= LONG_STREAK
    }
}

/// The calls of one consumer thread.
pub(crate) struct Calls {
    service: Service<Token>,
    keys: IdempotencyKeys,
    breaker: Breaker,
    streak: Streak,
    address: String,
    most: usize,
    under_way: usize,
    /// No `Retry-After` makes an order wait longer.
    longest_wait: Duration,
    /// What the last call that failed came to, for what is said while the breaker is not closed.
    last_failure: String,
    /// Due retries come first in every other round when there is room for one call.
    retries_first: bool,
}

impl Calls {
    /// The calls of a thread that is woken by `waker`.
    ///
    /// # Errors
    /// When the service cannot be called at all.
    pub(crate) fn start(config: &Consume, http: &config::Http, waker: Thread, clock: Clock) -> Result<Self, Error> {
        let limit = http.timeout.min(config.handler_timeout);
        let most = usize::try_from(config.max_in_flight / u32::from(config.consumers.max(1))).unwrap_or(usize::MAX);
        Ok(Self {
            service: Service::start(http, limit, waker, clock)?,
            keys: IdempotencyKeys::new(&config.common.group_id, &config.common.topics.orders),
            breaker: Breaker::new(BreakerPolicy::default()),
            streak: Streak::default(),
            address: http.shown_url(),
            most: most.max(1),
            under_way: 0,
            longest_wait: config.retry.max_backoff,
            last_failure: String::new(),
            retries_first: false,
        })
    }

    /// How many calls may begin now.
    pub(crate) fn room(&mut self, now: Time) -> usize {
        let allowed = usize::try_from(self.breaker.room(now)).unwrap_or(usize::MAX);
        allowed.min(self.most - self.under_way.min(self.most))
    }

    /// What due retries may have of it: half, so that fresh orders never starve; of an odd number by turns the larger one.
    fn room_for_retries(&mut self, now: Time) -> usize {
        self.retries_first = !self.retries_first;
        (self.room(now) + usize::from(self.retries_first)) / 2
    }

    /// How many orders are with the service.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way
    }

    /// What is posted for an order of this record.
    pub(crate) fn request<'r>(
        &self,
        order: &Order<'_>,
        (partition, offset): (i32, i64),
        headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Request {
        Request::new(order, self.keys.key(partition, offset), headers)
    }

    /// Begins a call; the caller asked for [`Self::room`].
    pub(crate) fn begin(&mut self, place: Place, request: Request, now: Time) {
        let Place { partition, offset, assignment, ticket } = place;
        let permit = self.breaker.permit(now).expect("a call is begun only where there is room for it");
        self.under_way += 1;
        self.service.call(Token { partition, offset, assignment, ticket, permit }, request);
    }

    /// Sends off what was begun.
    pub(crate) fn flush(&mut self) {
        self.service.flush();
    }

    /// Takes note of an answer. Gives back the token, and the answer as its order is to take it: what failed because the
    /// service is down is nothing that the order could have done better.
    fn hear(&mut self, said: Said<Token>, now: Time) -> (Token, Reply) {
        let Said { token, mut reply, .. } = said;
        self.under_way = self.under_way.saturating_sub(1);
        let before = self.breaker.state();
        match &mut reply.answer {
            Answer::Done => {
                self.streak.end();
                self.breaker.record(now, token.permit, true);
            }
            Answer::Failed(fault) if fault.class == FailureClass::Transient => {
                self.last_failure.clear();
                self.last_failure.push_str(&fault.message);
                self.breaker.record(now, token.permit, false);
                if self.streak.grow((token.partition, token.offset), now) {
                    self.breaker.trip(now);
                }
                if !self.breaker.blames_the_order(token.permit) {
                    fault.class = FailureClass::DependencyDown;
                }
            }
            // A service that refuses is up. A bug in the handler says nothing of the service.
            Answer::Failed(fault) if fault.class == FailureClass::Rejected => {
                self.streak.end();
                self.breaker.record(now, token.permit, true);
            }
            Answer::Failed(_) => {}
        }
        reply.wait = reply.wait.map(|wait| wait.min(self.longest_wait));
        self.tell(before);
        (token, reply)
    }

    fn tell(&self, before: BreakerState) {
        let now = self.breaker.state();
        if before == BreakerState::Closed && now == BreakerState::Open {
            tracing::error!(target: "orders", "{}", self.words());
        }
        if before == BreakerState::HalfOpen && now == BreakerState::Closed {
            tracing::info!(target: "orders", "the service at {} answers again: intake goes on", self.address);
        }
    }

    fn words(&self) -> String {
        let (address, last) = (&self.address, &self.last_failure);
        format!(
            "intake stopped: at least half of the calls to {address} fail, last: {last}; orders are held and none is \
             dead-lettered for it; it is tried every 2 s, and intake goes on by itself"
        )
    }

    /// What the breaker allows.
    pub(crate) fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// What keeps intake stopped, while the breaker does.
    pub(crate) fn trouble(&self) -> Option<String> {
        (self.breaker.state() != BreakerState::Closed).then(|| self.words())
    }
}

impl Desk<'_> {
    /// Lets due retries begin their share of the calls there is room for.
    pub(crate) fn grant_retries(&mut self, now: Time) {
        self.allowance = self.calls.as_mut().map_or(usize::MAX, |calls| calls.room_for_retries(now));
    }

    /// Lets as many calls begin as there is room for.
    pub(crate) fn grant_all(&mut self, now: Time) {
        self.allowance = self.calls.as_mut().map_or(usize::MAX, |calls| calls.room(now));
    }

    /// One call is begun.
    pub(crate) fn begin(&mut self, place: Place, request: Request, now: Time) {
        let calls = self.calls.as_mut().expect("a handler that takes time has its calls");
        calls.begin(place, request, now);
        self.allowance = self.allowance.saturating_sub(1);
    }

    /// Does what an answer asks for; the line to show, if there is one.
    fn settle_call(&mut self, partitions: &mut [Assigned], said: Said<Token>, moment: Moment) -> Option<Sold> {
        let calls = self.calls.as_mut()?;
        self.watch.note_call(&said.reply.answer, said.took);
        let (token, reply) = calls.hear(said, moment.now);
        let partition = partitions.iter_mut().find(|partition| token.belongs_to(partition))?;
        match reply.answer {
            Answer::Done => self.succeed(partition, token.ticket, moment),
            Answer::Failed(fault) => {
                self.fail(partition, token.ticket, &fault, reply.wait.unwrap_or_default(), moment);
                None
            }
        }
    }

    fn succeed(&mut self, partition: &mut Assigned, ticket: Ticket, moment: Moment) -> Option<Sold> {
        let record = partition.engine.record(ticket)?;
        let is_first_try = partition.engine.history(ticket).is_none();
        let order = self.judge.order(record.value()).expect("it was an order when the call began");
        if is_first_try {
            self.watch.note_first_try(&order, record.timestamp(), moment, 0);
        }
        let sold = self.watch.line_for(&order, moment);
        // The order lives in the record, which the engine is about to give up.
        self.product.clear();
        self.product.extend_from_slice(order.product.as_bytes());
        let sale = Sale { product: &self.product, ..sale(&order) };
        partition.engine.complete(ticket, Outcome::Succeeded(sale), moment.now);
        sold
    }

    fn fail(&mut self, partition: &mut Assigned, ticket: Ticket, fault: &Fault, wait: Duration, moment: Moment) {
        let record = partition.engine.record(ticket);
        let order = record.and_then(|record| self.judge.order(record.value()));
        let name = order.map(|order| order.order_id.as_str().to_owned());
        let failure = Failure { class: fault.class, wall_milliseconds: moment.wall_milliseconds };
        if let Some(verdict) = partition.engine.fail_later(ticket, failure, wait, moment.now) {
            self.follow(partition, verdict, fault, name.as_deref(), moment);
        }
    }
}

impl ConsumerLoop<'_> {
    /// Takes what calls came to; how many they were.
    pub(super) fn settle_calls(&mut self) -> usize {
        let Some(calls) = &mut self.desk.calls else { return 0 };
        let (said, before) = (calls.service.take(), calls.state());
        if said.is_empty() {
            return 0;
        }
        let (count, moment) = (said.len(), self.desk.moment());
        for one in said {
            if let Some(sold) = self.desk.settle_call(&mut self.partitions, one, moment) {
                self.desk.watch.show(&sold, &self.partitions);
            }
        }
        let is_all_resolved = self.partitions.iter().all(|partition| partition.engine.unresolved() == 0);
        if let Some(calls) = self.desk.calls.as_mut().filter(|_| is_all_resolved) {
            calls.breaker.settle_for_less();
        }
        let state = self.desk.calls.as_ref().map(Calls::state);
        if before != BreakerState::Closed && state == Some(BreakerState::Closed) {
            self.partitions.iter_mut().for_each(|partition| _ = partition.engine.release_held(moment.now));
        }
        self.desk.watch.note_ran(moment.now);
        // Before anything else is begun: a flood is not fed.
        self.guard(moment.now);
        count
    }

    /// Waits for calls of these partitions that are under way, at most for `limit`; what comes later is dropped.
    pub(super) fn finish_calls(&mut self, numbers: &[i32], limit: Duration) {
        let deadline = self.desk.moment().now + limit;
        loop {
            self.settle_calls();
            let mut chosen = self.partitions.iter().filter(|partition| numbers.contains(&partition.number));
            let now = self.desk.moment().now;
            if now >= deadline || !chosen.any(|partition| partition.engine.occupancy().running > 0) {
                return;
            }
            std::thread::park_timeout(deadline.since(now).min(LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LONG_STREAK, Streak, Time};

    const LONG: Time = Time(LONG_STREAK.as_micros() as u64);

    #[test]
    fn five_orders_that_fail_for_five_seconds_are_an_outage() {
        let mut streak = Streak::default();
        for offset in [1, 2, 3, 4, 5, 5, 1] {
            assert!(!streak.grow((0, offset), Time::ZERO), "it may pass");
        }
        assert!(!streak.grow((0, 1), Time(LONG.0 - 1)));
        assert!(streak.grow((0, 1), LONG));
    }

    #[test]
    fn few_orders_that_keep_failing_are_their_own_fault() {
        let mut streak = Streak::default();
        assert!((0..100).all(|number| !streak.grow((0, number % 4), Time(number.unsigned_abs() * 1_000_000))));
    }

    #[test]
    fn one_call_that_goes_well_ends_the_streak() {
        let mut streak = Streak::default();
        (0..9).for_each(|offset| _ = streak.grow((0, offset), Time::ZERO));
        streak.end();
        assert!(!streak.grow((0, 1), LONG));
        assert!((2..9).all(|offset| !streak.grow((0, offset), Time(LONG.0 + 1))));
    }
}
