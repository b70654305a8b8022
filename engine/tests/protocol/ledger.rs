//! What is judged: every snapshot adds up, and in the end every order has counted once.
//!
//! Deliberately knows nothing of owners and epochs.

use std::collections::BTreeSet;

use engine::snapshot::Snapshot;

use super::{
    happening::{Answer, Setting},
    world::World,
};

/// More orders than any topic has.
const MOST: i64 = 60;

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Ledger {
    /// All dead letters that were ever written: the order, and whether its writer had the partition then.
    pub(crate) letters: Vec<(i64, bool)>,
    /// Where the totals of the first owner begin.
    pub(crate) beginning: Option<String>,
    /// The first thing that went wrong.
    pub(crate) violation: Option<String>,
}

impl Ledger {
    pub(crate) fn violation(&mut self, what: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(what);
    }

    pub(crate) fn law(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violation(what);
        }
    }

    fn written(&self) -> BTreeSet<i64> {
        self.letters.iter().map(|(offset, _)| *offset).collect()
    }

    /// I2 and I4 of a snapshot that reached the state topic.
    pub(crate) fn note_snapshot(&mut self, bytes: &[u8]) {
        let written = self.written();
        match Outcome::of(bytes) {
            Ok(outcome) => {
                let unwritten: Vec<_> = outcome.dead.difference(&written).collect();
                self.law(unwritten.is_empty(), || format!("given up without a dead letter: {unwritten:?}"));
            }
            Err(what) => self.violation(|| what),
        }
    }

    /// Everything is done: each order once, and the dead-letter topic says the same as the totals. Of a handler that
    /// changes its mind, one that had lost the partition may have left dead letters of orders that went well later.
    pub(crate) fn judge(&mut self, bytes: &[u8], setting: Setting) {
        let outcome = match Outcome::of(bytes) {
            Ok(outcome) => outcome,
            Err(what) => return self.violation(|| what),
        };
        let first: i64 = self.beginning.as_ref().and_then(|text| text.parse().ok()).expect("a claim was committed");
        let all = (first..setting.orders).all(|offset| outcome.resolved.contains(&offset));
        self.law(all, || format!("not all from {first} on are resolved: {outcome:?}"));
        let (written, dead) = (self.written(), &outcome.dead);
        self.law(dead.is_subset(&written), || format!("lost dead letters: {dead:?} but {written:?}"));
        let owners: BTreeSet<i64> =
            self.letters.iter().filter(|letter| letter.1 || !setting.is_fickle).map(|letter| letter.0).collect();
        self.law(owners.is_subset(dead), || format!("succeeded and dead-lettered: {dead:?} but {owners:?}"));
    }
}

/// Which orders a snapshot says ended how.
#[derive(Debug)]
struct Outcome {
    resolved: BTreeSet<i64>,
    dead: BTreeSet<i64>,
}

impl Outcome {
    /// The prices are powers of two, so the sum says which orders are in it.
    fn of(bytes: &[u8]) -> Result<Self, String> {
        let snapshot = Snapshot::decode(bytes).map_err(|error| error.to_string())?;
        let beginning: i64 = snapshot.last_reset.parse().map_err(|_| "it begins nowhere".to_owned())?;
        let open: BTreeSet<i64> = snapshot.unresolved.iter().map(|unresolved| unresolved.offset).collect();
        let mut resolved: BTreeSet<i64> = (beginning..snapshot.end).filter(|offset| !open.contains(offset)).collect();
        resolved.extend(&snapshot.resolved_ahead);
        let total = snapshot.totals.get(b"P", *b"USD").map_or((0, 0), |total| (total.sum, total.count));
        let sold: BTreeSet<i64> = (0..MOST).filter(|offset| total.0 >> offset & 1 == 1).collect();
        let skipped: BTreeSet<i64> =
            resolved.iter().copied().filter(|offset| World::usual_answer(*offset) == Answer::Nothing).collect();
        let dead: BTreeSet<i64> =
            resolved.iter().copied().filter(|offset| !sold.contains(offset) && !skipped.contains(offset)).collect();
        let counted = [snapshot.counters.succeeded, snapshot.counters.dead_lettered, snapshot.counters.skipped];
        let expected = [&sold, &dead, &skipped].map(|set| set.len() as u64);
        let is_exact =
            counted == expected && total.1 == expected[0] && sold.is_subset(&resolved) && total.0 >> MOST == 0;
        if is_exact { Ok(Self { resolved, dead }) } else { Err(format!("counted wrongly: {snapshot:?}")) }
    }
}
