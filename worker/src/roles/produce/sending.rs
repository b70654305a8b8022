//! What goes out: orders that are due, in small batches, until there are no more or a stop is asked for.
//!
//! One thread, which also takes the answers between two batches. Deliberately counts nothing itself; see `answers`.

use std::time::Duration;

use engine::time::Time;
use schemas::codec::Encoder;
use snafu::ResultExt;

use super::answers::Answers;
use super::framing::Framing;
use super::pace::Pacer;
use super::{Allowance, Error, InputSnafu, LineSnafu};
use crate::config::{OnBadLine, Orders, Produce};
use crate::events::producer::Draining;
use crate::kafka::renewal::Renewal;
use crate::kafka::sink::{Delivery, Sent, Sink};
use crate::roles::{RoleContext, chain};
use crate::source::{BadLine, OrderSource, Step};

/// Orders sent between two looks at the answers and the clock.
const BATCH: u64 = 256;
/// The loop sleeps at least this long, so that high paces do not spin.
const SHORTEST_WAIT: Duration = Duration::from_micros(200);
/// The loop wakes this often whatever happens: to notice a stop, and to show progress.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// How often it is asked again whether more orders are allowed, or there.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// After a stop was asked for, answers are waited for this long.
const DRAIN: Duration = Duration::from_secs(20);

/// A producer at work.
pub(super) struct Sending<'a> {
    pub(super) config: &'a Produce,
    pub(super) context: &'a RoleContext,
    pub(super) allowance: Allowance<'a>,
    pub(super) source: OrderSource,
    pub(super) sink: Sink,
    pub(super) renewal: Renewal,
    pub(super) answers: Answers<'a>,
    pub(super) pacer: Pacer,
    pub(super) encoder: Encoder,
    pub(super) framing: Framing,
    pub(super) progress: Progress,
}

/// Where the loop is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Orders handed to librdkafka, or refused by it.
    begun: u64,
    /// The first order was answered: connections are up, and the schedule runs.
    opened: bool,
    /// The source's current order is not sent yet: librdkafka had no room.
    held: bool,
    payload: Vec<u8>,
    deliveries: Vec<Delivery>,
}

/// What the loop does next.
enum Next {
    /// Goes on at once.
    Continue,
    /// Waits for answers, at most this long.
    Wait(Duration),
    /// Sends nothing more.
    Finish,
}

impl Sending<'_> {
    /// Sends what is due until nothing more is to be sent.
    ///
    /// # Errors
    /// When the input breaks or a bad line ends it, and when the producer can send no more.
    pub(super) fn send_all(&mut self) -> Result<(), Error> {
        while !self.context.shutdown.is_draining() {
            self.settle();
            if let Some(error) = self.sink.forbidden() {
                return Err(error.into());
            }
            self.renew();
            match self.send_due()? {
                Next::Continue => {}
                Next::Wait(limit) => self.sink.wait(limit.clamp(SHORTEST_WAIT, LONGEST_WAIT)),
                Next::Finish => break,
            }
        }
        Ok(())
    }

    /// Waits for the answers that are missing. Once a stop is asked for that takes [`DRAIN`] at most; what is then not
    /// acknowledged has failed.
    pub(super) fn wait_for_answers(&mut self) {
        if self.context.shutdown.is_draining() && self.answers.in_flight() > 0 {
            Draining { in_flight: self.answers.in_flight() }.emit();
        }
        let (mut deadline, mut gave_up) = (None, false);
        self.settle();
        while self.answers.in_flight() > 0 {
            self.sink.wait(LONGEST_WAIT);
            self.settle();
            let now = self.context.clock.now();
            if self.context.shutdown.is_draining() && now >= *deadline.get_or_insert(now + DRAIN) && !gave_up {
                self.sink.give_up();
                gave_up = true;
            }
        }
    }

    /// Takes up a password or certificate that has changed. A new certificate needs a new producer, which begins when all
    /// that the old one sent is answered, so that no order is sent twice or overtaken.
    fn renew(&mut self) {
        let Self { config, context, .. } = *self;
        self.sink.renew_login(context.clock.now());
        let (kafka, topic) = (&config.common.kafka, &config.common.topics.orders);
        if !self.renewal.is_due(topic, &context.clock, &context.shutdown) {
            return;
        }
        let fresh = Sink::new(kafka, topic, config.compression, context.clock);
        let deadline = context.clock.now() + DRAIN;
        while self.answers.in_flight() > 0 && context.clock.now() < deadline {
            self.sink.wait(LONGEST_WAIT);
            self.settle();
        }
        match fresh {
            Ok(_) if self.answers.in_flight() > 0 => {
                tracing::warn!(target: "kafka", "orders are still unanswered: going on with the connection as it is");
            }
            Ok(fresh) => self.sink = fresh,
            Err(error) => tracing::warn!(target: "kafka", "{}; going on with the connection as it is", chain(&error)),
        }
    }

    fn settle(&mut self) {
        self.sink.take(&mut self.progress.deliveries);
        self.answers.settle(&mut self.progress.deliveries);
    }

    /// Sends what is due now, a batch at most.
    fn send_due(&mut self) -> Result<Next, Error> {
        let (now, wall) = (self.context.clock.now(), self.context.clock.wall_milliseconds());
        if !self.opens(now) {
            return Ok(Next::Wait(LONGEST_WAIT));
        }
        let left = self.config.count.map_or(u64::MAX, |count| count.get() - self.progress.begun);
        let allowed = (self.allowance)().saturating_sub(self.progress.begun);
        let due = self.pacer.due(now);
        if let Some(encoder) = self.framing.renewed() {
            self.encoder = encoder;
        }
        let batch = if self.progress.opened { BATCH } else { 1 };
        for _ in 0..due.min(left).min(allowed).min(batch) {
            if let Some(next) = self.send_next(now, wall)? {
                return Ok(next);
            }
        }
        Ok(match () {
            () if self.config.count.is_some_and(|count| count.get() == self.progress.begun) => Next::Finish,
            () if allowed == 0 => Next::Wait(ASK_AGAIN),
            () if due == 0 => Next::Wait(self.pacer.until_due(now)),
            () => Next::Continue,
        })
    }

    /// The first order goes alone: it opens the connections. The schedule begins with its
    /// answer, so that the others are not late before they were ever due.
    fn opens(&mut self, now: Time) -> bool {
        let Progress { begun, opened, .. } = &mut self.progress;
        if !*opened && *begun > 0 && self.answers.in_flight() == 0 {
            self.pacer.restart_after_first(now);
            *opened = true;
        }
        *opened || *begun == 0
    }

    /// Sends one order; what to do instead of going on with the next, if anything.
    fn send_next(&mut self, now: Time, wall: i64) -> Result<Option<Next>, Error> {
        if !self.progress.held {
            match self.source.advance(wall).context(InputSnafu)? {
                Step::Order => {}
                Step::Bad(line) => {
                    self.refuse(line, now)?;
                    return Ok(None);
                }
                Step::Later => return Ok(Some(Next::Wait(ASK_AGAIN))),
                Step::End => return Ok(Some(Next::Finish)),
            }
        }
        self.progress.held = !self.send(now)?;
        Ok(self.progress.held.then_some(Next::Wait(LONGEST_WAIT)))
    }

    /// A line that is no order ends the run, or is named and counted.
    fn refuse(&mut self, line: BadLine, now: Time) -> Result<(), Error> {
        match &self.config.orders {
            Orders::Read { on_bad_line: OnBadLine::Skip, .. } => {
                self.answers.skip(&line, now);
                Ok(())
            }
            Orders::Read { on_bad_line: OnBadLine::Fail, .. } | Orders::Generated(_) => Err(line).context(LineSnafu),
        }
    }

    /// Sends the source's current order; false when there is no room for it.
    fn send(&mut self, now: Time) -> Result<bool, Error> {
        let draft = self.source.draft();
        let payload = &mut self.progress.payload;
        payload.clear();
        self.encoder.encode(&draft.order, payload);
        let token = self.answers.depart(&draft.order, self.pacer.peek(now), now);
        let sent = self.sink.send(draft.key, payload, token);
        match sent {
            Sent::Queued => {}
            Sent::Refused(reason) => self.answers.arrive(Delivery { token, at: now, result: Err(reason) }),
            Sent::Full => {
                self.answers.recall(token);
                return Ok(false);
            }
            Sent::Broken => {
                self.answers.recall(token);
                return Err(self.sink.broken().into());
            }
        }
        self.pacer.release();
        self.progress.begun += 1;
        Ok(true)
    }
}
