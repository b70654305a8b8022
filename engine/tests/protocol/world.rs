//! Two processes, a broker and a network between them, and everything that may happen next.
//!
//! Deliberately a value: the search copies it, and a history is a list of [`Action`]s that can be run again.

use std::hash::{DefaultHasher, Hash, Hasher};

use engine::{
    commit_pointer::CommitPointer,
    recovery::{NamedCommit, Place, Turn},
    snapshot::Snapshot,
};

use super::{
    broker::{Broker, Key, Value},
    happening::{Action, Answer, Setting},
    ledger::Ledger,
    owner::{Cut, Owner, Phase},
};

/// Processes at a time.
pub(crate) const SLOTS: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    Snapshot { key: Key, sequence: u64, watermark: i64, bytes: Vec<u8>, in_chunks: bool },
    Commit(NamedCommit),
    Letter(i64),
}

/// A request on its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) owner: u64,
    member: u64,
    pub(crate) content: Content,
    /// Its sender does not wait for it any more.
    pub(crate) is_late: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    /// 0 = it has to join.
    pub(crate) member: u64,
    pub(crate) owner: Option<Owner>,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) broker: Broker,
    pub(crate) network: Vec<Message>,
    pub(crate) processes: [Option<Process>; SLOTS],
    pub(crate) ledger: Ledger,
    /// Who had the partition last.
    pub(crate) last_assigned: usize,
    numbers: u64,
    tries: u64,
}

impl World {
    pub(crate) fn new(setting: Setting) -> Self {
        Self {
            setting,
            broker: Broker::new(if setting.is_latest { 1 } else { setting.orders }),
            network: Vec::new(),
            processes: [None, None],
            ledger: Ledger::default(),
            last_assigned: SLOTS - 1,
            numbers: 0,
            tries: 0,
        }
    }

    /// What a try of the order gives when nobody says otherwise: the same each time.
    pub(crate) fn usual_answer(offset: i64) -> Answer {
        [Answer::Done, Answer::Never, Answer::Later, Answer::Nothing][usize::try_from(offset % 4).expect("positive")]
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn owner(&self, slot: usize) -> Option<&Owner> {
        self.processes[slot].as_ref()?.owner.as_ref()
    }

    fn owner_mut(&mut self, slot: usize) -> Option<&mut Owner> {
        self.processes[slot].as_mut()?.owner.as_mut()
    }

    fn find(&mut self, id: u64) -> Option<&mut Owner> {
        let owners = self.processes.iter_mut().flatten().filter_map(|process| process.owner.as_mut());
        owners.into_iter().find(|owner| owner.id == id)
    }

    /// Lets it happen. What cannot happen changes nothing.
    pub(crate) fn apply(&mut self, action: Action) {
        match action {
            Action::Produce => self.broker.orders += i64::from(self.broker.orders < self.setting.orders),
            Action::Join(slot) => self.join(slot),
            Action::Crash(slot) => self.crash(slot),
            Action::Notice => self.bury_the_dead(),
            Action::Expire(slot) => self.expire(slot),
            Action::Assign(slot) => self.assign(slot),
            Action::Leave(slot) => self.owner_mut(slot).into_iter().for_each(|owner| owner.is_leaving = true),
            Action::GiveBack(slot) => self.give_back(slot),
            Action::Step(slot) => self.step(slot),
            Action::Take(slot, answer) => self.take(slot, Some(answer)),
            Action::Checkpoint(slot) => self.checkpoint(slot),
            Action::Repeat(slot) => self.repeat(slot),
            Action::Sweep(slot) => self.sweep(slot),
            Action::Land(place) => self.land(place, true),
            Action::LandUnanswered(place) => self.land(place, false),
            Action::LandHalf(place) => self.land_half(place),
            Action::Delay(place) => self.delay(place),
            Action::Drop(place) => self.drop(place),
            Action::Compact => self.broker.compact(),
            Action::Desert => self.desert(),
            Action::ExpireLetters => self.broker.expire_letters(),
        }
    }

    fn join(&mut self, slot: usize) {
        let member = self.number();
        let process = self.processes[slot].get_or_insert_default();
        if process.member == 0 {
            process.member = member;
            self.broker.members.insert(member);
        }
    }

    fn crash(&mut self, slot: usize) {
        if let Some(process) = self.processes[slot].take() {
            self.broker.dead.push((process.member, process.owner.map(|owner| owner.id)));
        }
    }

    fn expire(&mut self, slot: usize) {
        if let Some(process) = &self.processes[slot] {
            self.broker.remove(process.member, process.owner.as_ref().map(|owner| owner.id));
        }
    }

    /// The group notices every crash.
    fn bury_the_dead(&mut self) {
        for (member, assignment) in std::mem::take(&mut self.broker.dead) {
            self.broker.remove(member, assignment);
        }
    }

    fn assign(&mut self, slot: usize) {
        let id = self.number();
        let Some(process) = &mut self.processes[slot] else { return };
        if self.broker.assigned.is_none() && self.broker.members.contains(&process.member) && process.owner.is_none() {
            process.owner = Some(Owner::new(id, process.member));
            self.broker.assigned = Some(id);
            self.last_assigned = slot;
        }
    }

    fn give_back(&mut self, slot: usize) {
        let Some(owner) = self.processes[slot].as_mut().and_then(|process| process.owner.take()) else { return };
        if self.broker.assigned == Some(owner.id) {
            self.broker.assigned = None;
        }
    }

    /// What a process does by itself: begin, be done with letters, work, save.
    fn step(&mut self, slot: usize) {
        let setting = self.setting;
        let Some(owner) = self.processes[slot].as_mut().and_then(|process| process.owner.as_mut()) else { return };
        let Some(work) = owner.work() else {
            let (id, member) = (owner.id, owner.member);
            if let Err(refusal) = owner.begin(&self.broker, setting) {
                self.ledger.violation(|| format!("refused: {refusal}"));
            }
            if matches!(owner.phase, Phase::Pinning) {
                let pin = NamedCommit { offset: self.broker.orders, pointer: CommitPointer::Start };
                self.send(id, member, Content::Commit(pin));
            }
            return;
        };
        let has_message = self.network.iter().any(|message| message.owner == owner.id && !message.is_late);
        let is_done = owner.is_leaving && work.since_cut == 0 && work.named().is_some();
        if work.turns.is_uncertain() && !has_message {
            self.repeat(slot);
        } else if is_done && work.turn.is_none() {
            self.give_back(slot);
        } else if !work.may_admit() || owner.is_leaving || work.since_cut > 1 {
            self.checkpoint(slot);
        } else if let Some(offset) = work.letters.first().copied() {
            self.write_letter(slot, offset);
        } else if work.has_order(&self.broker) {
            self.take(slot, None);
        } else if work.since_cut > 0 || work.named().is_none() {
            self.checkpoint(slot);
        }
    }

    /// Whether a step would change anything.
    pub(crate) fn can_step(&self, slot: usize) -> bool {
        let Some(owner) = self.owner(slot) else { return false };
        let waits = self.network.iter().any(|message| message.owner == owner.id && !message.is_late);
        let Some(work) = owner.work() else { return !waits };
        let open = !work.letters.is_empty() || work.has_order(&self.broker) || work.since_cut > 0 || owner.is_leaving;
        !waits && (open || !work.may_admit() || work.turns.is_uncertain() || work.turns.named().is_none())
    }

    fn take(&mut self, slot: usize, answer: Option<Answer>) {
        self.tries += 1;
        let answer = answer.or_else(|| self.random_answer());
        let orders = self.broker.orders;
        let Some(work) = self.owner_mut(slot).and_then(Owner::work_mut).filter(|work| work.may_admit()) else { return };
        work.take(orders, |offset| match (Self::usual_answer(offset), answer) {
            (Answer::Nothing, _) => Answer::Nothing,
            (_, Some(answer)) => answer,
            (usual, None) => usual,
        });
    }

    fn random_answer(&self) -> Option<Answer> {
        let Setting { is_fickle: true, seed: 1.., .. } = self.setting else { return None };
        let mut hasher = DefaultHasher::new();
        (self.setting.seed, self.tries).hash(&mut hasher);
        Some(
            [Answer::Done, Answer::Never, Answer::Done, Answer::Later]
                [usize::from(hasher.finish().to_le_bytes()[0] % 4)],
        )
    }

    fn send(&mut self, owner: u64, member: u64, content: Content) {
        self.network.push(Message { owner, member, content, is_late: false });
    }

    fn write_letter(&mut self, slot: usize, offset: i64) {
        let Some(owner) = self.owner_mut(slot) else { return };
        let (id, member) = (owner.id, owner.member);
        if owner.work_mut().is_some_and(|work| work.letters.remove(&offset)) {
            self.send(id, member, Content::Letter(offset));
        }
    }

    fn checkpoint(&mut self, slot: usize) {
        let defect = self.setting.defect;
        let Some(owner) = self.processes[slot].as_mut().and_then(|process| process.owner.as_mut()) else { return };
        let (id, member) = (owner.id, owner.member);
        let Some(cut) = owner.work_mut().and_then(|work| work.cut(&self.broker, defect)) else { return };
        let Cut { turn: Turn { epoch, sequence, slot }, watermark, bytes } = cut;
        // What a group begins with fits into one record.
        let in_chunks = self.setting.in_chunks && epoch + sequence > 1;
        let key = Key { epoch, owner: id, slot, chunk: 0 };
        self.send(id, member, Content::Snapshot { key, sequence, watermark, bytes, in_chunks });
    }

    fn repeat(&mut self, slot: usize) {
        let Some(owner) = self.owner(slot) else { return };
        let (id, member) = (owner.id, owner.member);
        if let Some(commit) = owner.work().and_then(|work| work.turns.to_repeat()) {
            self.send(id, member, Content::Commit(commit));
        }
    }

    fn sweep(&mut self, slot: usize) {
        let keys = self.owner_mut(slot).and_then(Owner::work_mut).map(|work| work.tombstones());
        for key in keys.into_iter().flatten() {
            self.broker.write_state(key, Value::Tombstone);
        }
    }

    fn land(&mut self, place: usize, is_answered: bool) {
        if place >= self.network.len() {
            return;
        }
        let message = self.network.remove(place);
        let is_answered = is_answered && !message.is_late;
        match message.content {
            Content::Letter(offset) => self.land_letter(&message, offset, is_answered),
            Content::Commit(commit) => self.land_commit(message.owner, message.member, commit, is_answered),
            Content::Snapshot { key, sequence, watermark, bytes, in_chunks } => {
                let chunks = if in_chunks {
                    vec![self.broker.write_state(Key { chunk: 1, ..key }, Value::Chunk)]
                } else {
                    Vec::new()
                };
                if !self.setting.is_unordered {
                    self.forget_overtaken(message.owner, place);
                }
                let checksum = Snapshot::checksum(&bytes).expect("it was written whole");
                self.ledger.note_snapshot(&bytes);
                let offset = self.broker.write_state(key, Value::Head { sequence, bytes, chunks });
                let place = Place { partition: 0, offset };
                self.snapshot_answered(
                    message.owner,
                    is_answered.then_some((place, checksum, watermark)),
                    message.is_late,
                );
            }
        }
    }

    /// One producer writes in order: what it sent before `place` can land no more.
    fn forget_overtaken(&mut self, owner: u64, place: usize) {
        let mut at = 0;
        self.network.retain(|other| {
            at += 1;
            at > place || other.owner != owner || !matches!(other.content, Content::Snapshot { .. })
        });
    }

    fn snapshot_answered(&mut self, id: u64, written: Option<(Place, u64, i64)>, is_late: bool) {
        let Some(owner) = self.find(id).filter(|_| !is_late) else { return };
        let member = owner.member;
        let Some(work) = owner.work_mut() else { return };
        work.turn = None;
        match written {
            Some((place, checksum, watermark)) => {
                let commit = work.turns.written(place, checksum, watermark).expect("its turn was begun");
                self.send(id, member, Content::Commit(commit));
            }
            None => {
                work.turns.not_written();
                work.since_cut += 1;
            }
        }
    }

    fn land_letter(&mut self, message: &Message, offset: i64, is_answered: bool) {
        let id = message.owner;
        let at = self.broker.write_letter(offset);
        self.ledger.letters.push((offset, self.broker.assigned == Some(id)));
        let Some(work) = self.find(id).and_then(Owner::work_mut) else { return };
        if is_answered {
            work.acknowledged(offset, at);
        } else if !message.is_late {
            work.letters.insert(offset);
        }
    }

    fn land_commit(&mut self, id: u64, member: u64, commit: NamedCommit, is_answered: bool) {
        let is_taken = self.broker.take_commit(member, commit.offset, commit.pointer);
        if is_taken {
            self.check_commit(commit);
        }
        if !is_answered {
            return;
        }
        if is_taken {
            if let Some(work) = self.find(id).and_then(Owner::work_mut) {
                work.turns.committed(commit);
                work.litter.note_committed();
            }
            return;
        }
        let process = self.processes.iter_mut().flatten().find(|process| process.member == member);
        if let Some(process) = process {
            *process = Process::default();
        }
    }

    /// What a commit names is there when it is first taken, says the same offset, and is exact.
    fn check_commit(&mut self, commit: NamedCommit) {
        let CommitPointer::Snapshot { offset, .. } = commit.pointer else { return };
        if let Some((_, Value::Head { bytes, .. })) = self.broker.state.get(&offset) {
            let snapshot = Snapshot::decode(bytes).expect("it was written whole");
            let watermark = snapshot.watermark;
            self.ledger.beginning.get_or_insert(snapshot.last_reset);
            self.ledger.law(watermark == commit.offset, || format!("{commit:?} names {watermark:?}"));
        }
    }

    /// The first record of a snapshot in chunks is there, its head is not; its writer learns that.
    fn land_half(&mut self, place: usize) {
        if place >= self.network.len() {
            return;
        }
        let message = self.network.remove(place);
        if let Content::Snapshot { key, in_chunks: true, .. } = message.content {
            self.broker.write_state(Key { chunk: 1, ..key }, Value::Chunk);
            self.snapshot_answered(message.owner, None, message.is_late);
        }
    }

    fn delay(&mut self, place: usize) {
        let Some(message) = self.network.get_mut(place).filter(|message| !message.is_late) else { return };
        message.is_late = true;
        let (owner, content) = (message.owner, message.content.clone());
        self.gave_up(owner, &content);
    }

    fn drop(&mut self, place: usize) {
        if place < self.network.len() {
            let message = self.network.remove(place);
            if !message.is_late {
                self.gave_up(message.owner, &message.content);
            }
        }
    }

    fn gave_up(&mut self, id: u64, content: &Content) {
        match content {
            Content::Snapshot { .. } => self.snapshot_answered(id, None, false),
            Content::Letter(offset) => {
                if let Some(work) = self.find(id).and_then(Owner::work_mut) {
                    work.letters.insert(*offset);
                }
            }
            Content::Commit(_) => {}
        }
    }

    /// Everybody dies, and is away for so long that nothing is on its way any more and the commit expires.
    fn desert(&mut self) {
        for slot in 0..SLOTS {
            self.expire(slot);
            self.crash(slot);
        }
        self.bury_the_dead();
        self.network.clear();
        self.broker.commit = None;
    }

    /// Equal situations have equal numbers, whatever led to them.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.broker, &self.network, &self.ledger, self.last_assigned).hash(&mut hasher);
        for process in &self.processes {
            let Some(process) = process else {
                0.hash(&mut hasher);
                continue;
            };
            process.member.hash(&mut hasher);
            let Some(owner) = &process.owner else { continue };
            (owner.id, owner.is_leaving).hash(&mut hasher);
            if let Some(work) = owner.work() {
                (work.fingerprint(), work.partition.position(), work.since_cut, &work.letters).hash(&mut hasher);
                (&work.turns, &work.turn, &work.marks, &work.litter).hash(&mut hasher);
            } else {
                format!("{:?}", owner.phase).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
