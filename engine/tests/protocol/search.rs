//! What happens when nothing goes wrong, what can go wrong, and every history with few of the latter.
//!
//! Deliberately stops at the first history that is not exact: it is told step by step.

use std::collections::HashMap;

use super::{
    broker::Value,
    happening::{Action, Answer, Setting},
    world::{Content, SLOTS, World},
};

/// The most steps in a row in which nothing goes wrong.
const LONGEST_WAY: usize = 400;

impl World {
    /// Two processes are in the group.
    pub(crate) fn begun(setting: Setting) -> Self {
        let mut world = Self::new(setting);
        (0..SLOTS).for_each(|slot| world.apply(Action::Join(slot)));
        world
    }

    /// What happens when nothing goes wrong; `None` when everything is done.
    pub(crate) fn usual(&self) -> Option<Action> {
        if let Some(place) = self.network.iter().position(|message| !message.is_late) {
            return Some(Action::Land(place));
        }
        if let Some(assigned) = self.broker.assigned {
            let slot = (0..SLOTS).find(|slot| self.owner(*slot).is_some_and(|owner| owner.id == assigned));
            return match slot {
                Some(slot) if self.can_step(slot) => Some(Action::Step(slot)),
                Some(_) => (self.broker.orders < self.setting.orders).then_some(Action::Produce),
                None => Some(Action::Notice),
            };
        }
        let turns = (1..=SLOTS).map(|distance| (self.last_assigned + distance) % SLOTS);
        let is_free = |slot: &usize| {
            let process = self.processes[*slot].as_ref();
            process.is_some_and(|process| process.owner.is_none() && self.broker.members.contains(&process.member))
        };
        let can_join = |slot: &usize| self.processes[*slot].as_ref().is_none_or(|process| process.member == 0);
        let join = turns.clone().find(can_join).map(Action::Join);
        let last_resort = Action::Crash(self.last_assigned);
        Some(turns.clone().find(is_free).map(Action::Assign).or(join).unwrap_or(last_resort))
    }

    /// What may happen at any time as a consequence of what went wrong: late messages arrive, zombies go on; and new
    /// orders come.
    pub(crate) fn lagging(&self) -> Vec<Action> {
        let late = (0..self.network.len()).filter(|place| self.network[*place].is_late).map(Action::Land);
        let is_zombie = |slot: &usize| {
            self.owner(*slot).is_some_and(|owner| self.broker.assigned != Some(owner.id)) && self.can_step(*slot)
        };
        let produce = (self.broker.orders < self.setting.orders).then_some(Action::Produce);
        late.chain((0..SLOTS).filter(is_zombie).map(Action::Step)).chain(produce).collect()
    }

    /// What can go wrong, or otherwise, now.
    pub(crate) fn unusual(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (place, message) in self.network.iter().enumerate().filter(|(_, message)| !message.is_late) {
            actions.extend([Action::LandUnanswered(place), Action::Delay(place), Action::Drop(place)]);
            if matches!(message.content, Content::Snapshot { in_chunks: true, .. }) {
                actions.push(Action::LandHalf(place));
            }
        }
        (0..SLOTS).for_each(|slot| self.unusual_of(slot, &mut actions));
        if !self.broker.state.is_empty() {
            actions.push(Action::Compact);
            actions.push(Action::Desert);
        }
        if self.broker.letters.iter().any(|log| !log.is_empty()) && !self.setting.is_fickle {
            actions.push(Action::ExpireLetters);
        }
        actions
    }

    fn unusual_of(&self, slot: usize, actions: &mut Vec<Action>) {
        let Some(process) = &self.processes[slot] else {
            actions.push(Action::Join(slot));
            return;
        };
        actions.push(Action::Crash(slot));
        if self.broker.members.contains(&process.member) {
            actions.push(Action::Expire(slot));
        }
        let Some(owner) = &process.owner else { return };
        if self.broker.assigned == Some(owner.id) {
            actions.push(Action::GiveBack(slot));
        }
        let Some(work) = owner.work() else { return };
        if self.broker.assigned == Some(owner.id) && !owner.is_leaving {
            actions.push(Action::Leave(slot));
        }
        if work.turn.is_none() && !work.turns.is_uncertain() {
            actions.push(Action::Checkpoint(slot));
        }
        if work.turns.to_repeat().is_some() {
            actions.extend([Action::Repeat(slot), Action::Sweep(slot)]);
        }
        if work.may_admit() && work.has_order(&self.broker) && self.setting.is_fickle {
            actions.extend([Answer::Done, Answer::Later, Answer::Never].map(|answer| Action::Take(slot, answer)));
        }
    }

    /// All processes die, new ones do what is left, and it is judged.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.network.clear();
        for slot in 0..SLOTS {
            self.apply(Action::Expire(slot));
            self.apply(Action::Crash(slot));
        }
        self.apply(Action::Notice);
        self.go_on();
        self.judge();
        self
    }

    /// Goes on until everything is done.
    pub(crate) fn go_on(&mut self) {
        for _ in 0..LONGEST_WAY {
            match self.usual() {
                Some(action) if self.ledger.violation.is_none() => self.apply(action),
                _ => return,
            }
        }
        self.ledger.violation(|| "it never ends".to_owned());
    }

    /// What the group's commit names.
    fn judge(&mut self) {
        let commit = self.broker.commit.as_ref().map(|commit| commit.metadata.as_str());
        let offset = commit.and_then(|metadata| metadata.split(':').nth(3)).and_then(|offset| offset.parse().ok());
        let record = offset.and_then(|offset: i64| self.broker.state.get(&offset));
        if let Some((_, Value::Head { bytes, .. })) = record {
            let bytes = bytes.clone();
            self.ledger.judge(&bytes, self.setting);
        } else {
            let commit = self.broker.commit.clone();
            self.ledger.violation(|| format!("the last commit names nothing: {commit:?}"));
        }
    }
}

/// What came of a search.
#[derive(Debug)]
pub(crate) struct Searched {
    /// Situations that differ.
    pub(crate) situations: usize,
    /// A history that is not exact, and what is wrong with it.
    pub(crate) hole: Option<(Vec<Action>, String)>,
}

struct Node {
    world: World,
    /// How many things may still go wrong.
    left: u8,
    way: usize,
}

/// Every history in which at most `unusual` things of these kinds go wrong, each in every place; at most so many
/// situations.
pub(crate) fn search(setting: Setting, kinds: u32, unusual: u8, most: usize) -> Searched {
    // For each step: the one before it, and what happened.
    let mut ways: Vec<(usize, Action)> = vec![(0, Action::Notice)];
    let mut seen: HashMap<u64, u8> = HashMap::new();
    let mut stack = vec![Node { world: World::begun(setting), left: unusual, way: 0 }];
    while let Some(Node { world, left, way }) = stack.pop() {
        if seen.len() >= most {
            break;
        }
        let known = seen.entry(world.fingerprint()).or_insert(0);
        if *known > left {
            continue;
        }
        *known = left + 1;
        let hole = match world.usual() {
            _ if world.ledger.violation.is_some() => world.ledger.violation.clone(),
            Some(action) => {
                stack.push(after(&world, action, left, way, &mut ways));
                None
            }
            None => world.clone().finish().ledger.violation.clone(),
        };
        if let Some(what) = hole {
            return Searched { situations: seen.len(), hole: Some((history(&ways, way), what)) };
        }
        for action in world.lagging() {
            stack.push(after(&world, action, left, way, &mut ways));
        }
        if left > 0 {
            for action in world.unusual().into_iter().filter(|action| kinds >> action.kind() & 1 == 1) {
                stack.push(after(&world, action, left - 1, way, &mut ways));
            }
        }
    }
    Searched { situations: seen.len(), hole: None }
}

fn after(world: &World, action: Action, left: u8, way: usize, ways: &mut Vec<(usize, Action)>) -> Node {
    let mut world = world.clone();
    world.apply(action);
    ways.push((way, action));
    Node { world, left, way: ways.len() - 1 }
}

fn history(ways: &[(usize, Action)], mut way: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    while way != 0 {
        actions.push(ways[way].1);
        way = ways[way].0;
    }
    actions.reverse();
    actions
}
