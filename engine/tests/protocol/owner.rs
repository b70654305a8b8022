//! One assignment of the partition in one process: the engine's own code, from reading the commit to giving back.
//!
//! Deliberately nothing decided here that the engine decides. Time stands still but for retries: the wall clock says 0
//! always, so that equal situations are equal bytes.

use std::{collections::BTreeSet, time::Duration};

use engine::{
    Ticket,
    commit_pointer::CommitPointer,
    failure::FailureClass,
    outcome::{Action, Admission, Failure, Lane, Outcome, Stored, Verdict},
    partition::{Limits, Partition},
    recovery::{
        Bounds, Commit, Found, Litter, Marks, NamedCommit, Origin, Question, Reading, Refusal, StartFrom, Turn, Turns,
        decide,
    },
    retry::RetryPolicy,
    snapshot::Snapshot,
    time::Time,
    totals::Sale,
};

use super::{
    broker::{Broker, Key},
    happening::{Answer, Defect, Setting},
};

/// The copy of a record; nobody looks into it.
#[derive(Clone, Debug)]
pub(crate) struct Copy;

impl Stored for Copy {
    fn bytes(&self) -> usize {
        1
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Never the same twice.
    pub(crate) id: u64,
    /// The process, as the group knows it.
    pub(crate) member: u64,
    pub(crate) is_leaving: bool,
    pub(crate) phase: Phase,
}

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Assigned,
    ReadCommit(Option<Commit>),
    /// The group is new and starts with the next records: it says so first.
    Pinning,
    ReadState {
        commit: Option<Commit>,
        found: Vec<Found>,
        highest_epoch: Option<u64>,
        keys: Vec<(u64, Key)>,
    },
    AtWork(Box<Work>),
}

#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) partition: Partition<Copy>,
    pub(crate) turns: Turns,
    pub(crate) marks: Marks,
    pub(crate) litter: Litter<Key>,
    /// Where the totals begin, carried along as resets are.
    beginning: String,
    now: Time,
    /// The turn under way.
    pub(crate) turn: Option<Turn>,
    /// To be written, or written again.
    pub(crate) letters: BTreeSet<i64>,
    /// Of all letters that are not acknowledged.
    tickets: Vec<(i64, Ticket)>,
    pub(crate) since_cut: u32,
    /// Nobody asks whether it is claimed: a planted defect.
    is_unclaimed_at_work: bool,
}

/// A snapshot that is to be written.
pub(crate) struct Cut {
    pub(crate) turn: Turn,
    pub(crate) watermark: i64,
    pub(crate) bytes: Vec<u8>,
}

impl Owner {
    pub(crate) fn new(id: u64, member: u64) -> Self {
        Self { id, member, is_leaving: false, phase: Phase::Assigned }
    }

    pub(crate) fn work(&self) -> Option<&Work> {
        match &self.phase {
            Phase::AtWork(work) => Some(work),
            Phase::Assigned | Phase::ReadCommit(_) | Phase::Pinning | Phase::ReadState { .. } => None,
        }
    }

    pub(crate) fn work_mut(&mut self) -> Option<&mut Work> {
        match &mut self.phase {
            Phase::AtWork(work) => Some(work),
            Phase::Assigned | Phase::ReadCommit(_) | Phase::Pinning | Phase::ReadState { .. } => None,
        }
    }

    /// One step towards being at work.
    pub(crate) fn begin(&mut self, broker: &Broker, setting: Setting) -> Result<(), Refusal> {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Assigned) {
            Phase::Assigned | Phase::Pinning => Phase::ReadCommit(broker.commit.clone()),
            Phase::ReadCommit(None) if setting.is_latest => Phase::Pinning,
            Phase::ReadCommit(commit) => read_state(broker, commit, setting.defect),
            Phase::ReadState { commit, found, highest_epoch, keys } => {
                let work = start(self.id, broker, commit.as_ref(), &found, highest_epoch, keys, setting)?;
                Phase::AtWork(Box::new(work))
            }
            phase @ Phase::AtWork(_) => phase,
        };
        Ok(())
    }
}

fn read_state(broker: &Broker, commit: Option<Commit>, defect: Defect) -> Phase {
    let from = match Reading::of(commit.as_ref(), None) {
        Reading::Everything => 0,
        Reading::From(place) => place.offset,
    };
    let (mut found, highest_epoch) = broker.read_state(from);
    if defect == Defect::NoReadingOn && found.iter().any(|found| found.place.offset == from) {
        found.retain(|found| found.place.offset == from);
    }
    let is_pin = commit.as_ref().is_some_and(|commit| commit.metadata == CommitPointer::Start.to_string());
    if defect == Defect::TrustedPin && is_pin {
        found.clear();
    }
    let keys = broker.state.range(from..).map(|(_, (key, _))| (key.epoch, *key));
    let keys = keys.flat_map(|(epoch, key)| [(epoch, key), (epoch, Key { slot: key.slot.other(), ..key })]).collect();
    Phase::ReadState { commit, found, highest_epoch, keys }
}

/// Decides, restores, and looks for dead letters.
fn start(
    owner: u64,
    broker: &Broker,
    commit: Option<&Commit>,
    found: &[Found],
    highest_epoch: Option<u64>,
    keys: Vec<(u64, Key)>,
    Setting { defect, is_latest, .. }: Setting,
) -> Result<Work, Refusal> {
    let logs = broker.dead_letter_logs();
    let decision = decide(&Question {
        commit,
        group_has_commits: commit.is_some(),
        found,
        highest_epoch,
        log: Bounds { low: 0, high: broker.orders },
        dead_letters: &logs,
        start_from: if is_latest { StartFrom::Latest } else { StartFrom::Earliest },
        reset: None,
    })?;
    if let Origin::FellBack { named, .. } = decision.origin
        && defect == Defect::NoFallBack
    {
        return Err(Refusal::NamedMissing { place: named });
    }
    let policy = RetryPolicy::new(1, Duration::from_secs(1), 1.0, Duration::from_secs(1), 0.0).expect("in range");
    let limits = Limits { parked_bytes: 1 << 20, window: Limits::WINDOW };
    let beginning = match decision.origin {
        Origin::Fresh | Origin::Pinned => decision.start.to_string(),
        Origin::Named
        | Origin::Superseded { .. }
        | Origin::FellBack { .. }
        | Origin::Newest
        | Origin::WithoutTotals
        | Origin::Reset(_) => decision.snapshot.last_reset.clone(),
    };
    let assignment = u32::try_from(owner).expect("few");
    let mut partition = Partition::restore(decision.snapshot, policy, limits, assignment, (Time::ZERO, 0));
    partition.note_end(decision.start);
    for (number, log) in logs.iter().zip(&broker.letters).filter(|_| defect != Defect::NoScan) {
        for (place, letter) in log.iter().enumerate() {
            if decision.scan.covers(number.partition, i64::try_from(place).expect("few")) {
                partition.found_dead_lettered(*letter, 0);
            }
        }
    }
    Ok(Work {
        partition,
        turns: Turns::new(decision.epoch),
        marks: Marks::claimed(&decision.scan),
        litter: Litter::new(keys, decision.epoch, Time::ZERO, Duration::ZERO),
        beginning,
        now: Time(1),
        turn: None,
        letters: BTreeSet::new(),
        tickets: Vec::new(),
        since_cut: 0,
        is_unclaimed_at_work: defect == Defect::NoClaim,
    })
}

impl Work {
    pub(crate) fn may_admit(&self) -> bool {
        self.is_unclaimed_at_work || self.turns.is_claimed()
    }

    pub(crate) fn cut(&mut self, broker: &Broker, defect: Defect) -> Option<Cut> {
        let turn = self.turns.begin()?;
        let mut snapshot = self.partition.cut(self.now, 0);
        if defect == Defect::MarkFromEnd {
            for log in broker.dead_letter_logs() {
                self.marks.note_acknowledged(log.partition, log.bounds.high - 1);
            }
        }
        snapshot.scan_marks = self.marks.in_snapshot();
        snapshot.last_reset.clone_from(&self.beginning);
        self.since_cut = 0;
        self.turn = Some(turn);
        Some(Cut { turn, watermark: snapshot.watermark, bytes: snapshot.encode() })
    }

    /// A stored order whose turn has come or will come, else the next one of the topic.
    pub(crate) fn has_order(&self, broker: &Broker) -> bool {
        self.partition.next_due().is_some() || self.partition.position() < broker.orders
    }

    /// Takes an order, stored ones first, and tries it.
    pub(crate) fn take(&mut self, orders: i64, answer: impl Fn(i64) -> Answer) {
        self.since_cut += 1;
        if let Some(due) = self.partition.next_due() {
            self.now = self.now.max(due);
        }
        if let Some(ready) = self.partition.next_ready(self.now) {
            if let Action::DeadLetter(_) = ready.action {
                self.give_up(ready.offset, ready.ticket);
                return;
            }
            let outcome = match failure(answer(ready.offset)) {
                None => Outcome::Succeeded(sale(ready.offset)),
                Some(failure) => Outcome::Failed(failure),
            };
            let verdict = self.partition.complete(ready.ticket, outcome, self.now);
            self.note(ready.offset, verdict.expect("its turn is not over"));
            return;
        }
        let offset = self.partition.position();
        if offset >= orders {
            return;
        }
        let lane = Lane::Shared(u64::from(offset % 3 == 2));
        match self.partition.admit(offset, lane, 1) {
            Admission::Run => match failure(answer(offset)) {
                None => self.partition.succeed(offset, sale(offset)),
                Some(failure) => {
                    let verdict = self.partition.fail(offset, lane, Copy, failure, self.now);
                    self.note(offset, verdict);
                }
            },
            Admission::Wait => self.partition.wait(offset, lane, Copy),
            Admission::Done => {}
            Admission::Full => unreachable!("there is room for all of them"),
        }
    }

    fn note(&mut self, offset: i64, verdict: Verdict) {
        match verdict {
            Verdict::DeadLetter(ticket, _) => self.give_up(offset, ticket),
            Verdict::Resolved | Verdict::Parked { .. } | Verdict::Held { .. } => {}
        }
    }

    fn give_up(&mut self, offset: i64, ticket: Ticket) {
        self.letters.insert(offset);
        self.tickets.push((offset, ticket));
    }

    pub(crate) fn acknowledged(&mut self, offset: i64, (partition, at): (i32, i64)) {
        let place = self.tickets.iter().position(|(of, _)| *of == offset);
        if let Some((_, ticket)) = place.map(|place| self.tickets.swap_remove(place)) {
            assert!(self.partition.dead_letter_acknowledged(ticket), "a letter is acknowledged once");
            self.since_cut += 1;
        }
        self.marks.note_acknowledged(partition, at);
    }

    pub(crate) fn tombstones(&mut self) -> Vec<Key> {
        self.litter.take_due(self.now)
    }

    pub(crate) fn named(&self) -> Option<NamedCommit> {
        self.turns.named()
    }

    /// What the cut would be: equal work, equal bytes.
    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        Snapshot {
            scan_marks: self.marks.in_snapshot(),
            last_reset: self.beginning.clone(),
            ..self.partition.cut(self.now, 0)
        }
        .encode()
    }
}

/// Adds up to a number whose bits say which orders are in it, and twice which are in it twice.
fn sale(offset: i64) -> Sale<'static> {
    Sale { product: b"P", currency: *b"USD", price_minor: 1 << offset, quantity: 1 }
}

fn failure(answer: Answer) -> Option<Failure> {
    let class = match answer {
        Answer::Done => return None,
        Answer::Later => FailureClass::Transient,
        Answer::Never => FailureClass::Rejected,
        Answer::Nothing => FailureClass::Tombstone,
    };
    Some(Failure { class, wall_milliseconds: 0 })
}
