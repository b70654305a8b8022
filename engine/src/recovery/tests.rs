//! One case of docs/guarantees.md a test; whether the whole protocol is exact is searched in `tests/protocol`.

use super::*;
use crate::{commit_pointer::CommitPointer, partition::Limits, snapshot, time::Time};
use proptest::prelude::*;
use std::time::Duration;

fn state(watermark: i64, marks: &[(i32, i64)], last_reset: &str) -> Snapshot {
    let scan_marks = marks.iter().map(|&(partition, offset)| snapshot::ScanMark { partition, offset }).collect();
    let (end, last_reset) = (watermark, last_reset.to_owned());
    let succeeded = u64::try_from(watermark).expect("offsets are not negative");
    let counters = snapshot::Counters { succeeded, ..snapshot::Counters::default() };
    Snapshot { watermark, end, counters, scan_marks, last_reset, ..Snapshot::default() }
}

fn found(epoch: u64, sequence: u64, offset: i64, snapshot: Snapshot) -> Found {
    let checksum = Snapshot::checksum(&snapshot.encode()).expect("it has one");
    Found { epoch, sequence, place: Place { partition: 1, offset }, checksum, content: Ok(snapshot) }
}

fn spoilt(epoch: u64, offset: i64, why: Unusable) -> Found {
    Found { content: Err(why), ..found(epoch, 0, offset, Snapshot::default()) }
}

fn naming(found: &Found) -> Commit {
    let Place { partition, offset } = found.place;
    let pointer = CommitPointer::Snapshot { epoch: found.epoch, partition, offset, checksum: found.checksum };
    Commit { offset: found.snapshot().map_or(0, |snapshot| snapshot.watermark), metadata: pointer.to_string() }
}

fn commit(offset: i64, metadata: &str) -> Commit {
    Commit { offset, metadata: metadata.to_owned() }
}

const LOGS: [DeadLetterLog; 2] = [
    DeadLetterLog { partition: 0, bounds: Bounds { low: 5, high: 50 } },
    DeadLetterLog { partition: 1, bounds: Bounds { low: 0, high: 7 } },
];

/// A log of offsets 10 to 1000, all there.
fn question<'a>(commit: Option<&'a Commit>, found: &'a [Found]) -> Question<'a> {
    Question {
        commit,
        group_has_commits: commit.is_some(),
        found,
        highest_epoch: None,
        log: Bounds { low: 10, high: 1000 },
        dead_letters: &LOGS,
        start_from: StartFrom::Earliest,
        reset: None,
    }
}

fn decided(question: &Question<'_>) -> Decision {
    decide(question).expect("it goes on")
}

fn reset(to: ResetTo, id: &str) -> Reset {
    Reset { to, id: id.to_owned() }
}

#[test]
fn a_group_without_a_past_starts_where_it_is_told() {
    let asked = question(None, &[]);
    let decision = decided(&asked);
    assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::Fresh, 10, 1));
    assert!(decision.scan.is_empty() && decision.snapshot.totals.is_empty());
    assert_eq!(decision.scan.ranges()[0], ScanRange { partition: 0, from: 50, to: 50 });
    assert_eq!(decided(&Question { start_from: StartFrom::Latest, ..asked }).start, 1000);
}

#[test]
fn a_partition_that_was_added_later_starts_at_its_beginning() {
    let asked = Question { start_from: StartFrom::Latest, group_has_commits: true, ..question(None, &[]) };
    assert_eq!(decided(&asked).start, 10);
}

#[test]
fn the_named_snapshot_counts_and_dead_letters_are_looked_for_from_its_marks_on() {
    let all = [found(3, 7, 90, state(200, &[(0, 20)], "")), found(3, 8, 95, state(300, &[], ""))];
    let named = naming(&all[0]);
    let decision = decided(&Question { highest_epoch: Some(4), ..question(Some(&named), &all) });
    assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::Named, 200, 5));
    assert_eq!(decision.snapshot.counters.succeeded, 200);
    let from = |range: &ScanRange| (range.partition, range.from, range.to);
    assert_eq!(decision.scan.ranges().iter().map(from).collect::<Vec<_>>(), [(0, 20, 50), (1, 0, 7)]);
}

#[test]
fn a_mark_below_the_log_or_beyond_it_leads_to_its_beginning() {
    let mark = |partition, offset| snapshot::ScanMark { partition, offset };
    let scan = Scan::after(&[mark(0, 2), mark(1, 8)], &LOGS);
    assert_eq!(scan.ranges()[0], ScanRange { partition: 0, from: 5, to: 50 });
    assert_eq!(scan.ranges()[1], ScanRange { partition: 1, from: 0, to: 7 });
    assert!(Scan::after(&[mark(0, 50), mark(1, 7)], &LOGS).is_empty());
}

#[test]
fn a_higher_epoch_behind_the_named_snapshot_counts_instead() {
    let all = [
        found(3, 7, 90, state(200, &[], "")),
        found(5, 0, 91, state(150, &[], "")),
        found(5, 1, 92, state(160, &[], "")),
        spoilt(6, 93, Unusable::Incomplete),
    ];
    let named = naming(&all[0]);
    let decision = decided(&question(Some(&named), &all));
    assert_eq!(decision.origin, Origin::Superseded { committed_epoch: 3, epoch: 5 });
    assert_eq!((decision.start, decision.epoch), (160, 7));
    let before = [found(3, 7, 90, state(200, &[], "")), found(5, 0, 80, state(150, &[], ""))];
    assert_eq!(decided(&question(Some(&named), &before)).origin, Origin::Named);
}

#[test]
fn what_compaction_put_in_the_place_of_the_named_snapshot_counts() {
    let gone = naming(&found(3, 7, 90, state(200, &[], "")));
    let all = [found(3, 8, 95, state(210, &[], "")), found(3, 9, 97, state(220, &[], ""))];
    let decision = decided(&question(Some(&gone), &all));
    let places = [90, 97].map(|offset| Place { partition: 1, offset });
    assert_eq!(decision.origin, Origin::FellBack { named: places[0], used: places[1] });
    assert_eq!(decision.start, 220);
}

#[test]
fn a_named_snapshot_that_is_missing_without_a_later_one_is_refused() {
    let gone = naming(&found(3, 7, 90, state(200, &[], "")));
    let place = Place { partition: 1, offset: 90 };
    let older = [found(2, 9, 95, state(100, &[], "")), found(3, 6, 80, state(190, &[], ""))];
    for all in [&older[..], &[]] {
        assert_eq!(decide(&question(Some(&gone), all)), Err(Refusal::NamedMissing { place }));
    }
    let other = [found(3, 7, 90, state(201, &[], ""))];
    assert_eq!(decide(&question(Some(&gone), &other)), Err(Refusal::NamedMissing { place }), "another checksum");
    let damaged = [Found { epoch: 3, ..spoilt(3, 90, Unusable::Unreadable(snapshot::Error::Checksum)) }];
    assert!(matches!(decide(&question(Some(&gone), &damaged)), Err(Refusal::Damaged { .. })));
}

#[test]
fn without_a_commit_the_newest_complete_snapshot_counts() {
    let all = [
        found(2, 9, 95, state(100, &[], "")),
        found(3, 6, 80, state(190, &[], "")),
        found(3, 0, 90, state(120, &[], "")),
        spoilt(3, 99, Unusable::Incomplete),
    ];
    let decision = decided(&question(None, &all));
    assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::Newest, 190, 4));
    let claims = [90, 80, 85].map(|offset| found(3, 0, offset, state(offset, &[], "")));
    assert_eq!(decided(&question(None, &claims)).start, 80, "of claims the first");
    let pieces = [spoilt(3, 99, Unusable::Incomplete)];
    assert_eq!(decide(&question(None, &pieces)), Err(Refusal::NothingComplete));
    let damaged = [spoilt(3, 99, Unusable::Unreadable(snapshot::Error::Checksum))];
    assert!(matches!(decide(&question(None, &damaged)), Err(Refusal::Damaged { .. })));
}

#[test]
fn where_a_group_was_pinned_it_starts_unless_something_was_done_since() {
    let pin = commit(700, "op1:start");
    let decision = decided(&question(Some(&pin), &[]));
    assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::Pinned, 700, 1));
    let all = [found(1, 0, 3, state(650, &[], ""))];
    assert_eq!(decided(&question(Some(&pin), &all)).start, 650, "another member pinned first, and is at work");
}

#[test]
fn after_a_run_without_state_the_offset_goes_on_and_totals_are_empty() {
    let none = commit(700, "op1:none");
    let all = [found(4, 2, 30, state(650, &[(0, 7)], "r1"))];
    let decision = decided(&question(Some(&none), &all));
    assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::WithoutTotals, 700, 5));
    assert_eq!((decision.snapshot.counters.records(), decision.snapshot.last_reset.as_str()), (0, "r1"));
    assert!(decision.scan.is_empty());
}

#[test]
fn a_foreign_commit_is_refused() {
    for metadata in ["", "op1:", "om1:AAAA"] {
        let foreign = commit(700, metadata);
        assert!(matches!(decide(&question(Some(&foreign), &[])), Err(Refusal::ForeignCommit { .. })), "{metadata}");
    }
    let all = [found(3, 7, 90, state(200, &[], ""))];
    let moved = Commit { offset: 300, ..naming(&all[0]) };
    let refusal = Refusal::CommitMoved { committed: 300, watermark: 200 };
    assert_eq!(decide(&question(Some(&moved), &all)), Err(refusal));
}

#[test]
fn a_newer_format_is_refused_where_it_counts() {
    let newer = Unusable::Unreadable(snapshot::Error::Newer { version: 2, kind: 0 });
    let all = [found(3, 7, 90, state(200, &[], "")), spoilt(4, 91, newer.clone()), spoilt(2, 92, newer)];
    let named = naming(&all[0]);
    assert!(matches!(decide(&question(Some(&named), &all)), Err(Refusal::Newer { place, .. }) if place.offset == 91));
    assert!(matches!(decide(&question(None, &all)), Err(Refusal::Newer { .. })));
    let older = [all[0].clone(), all[2].clone()];
    assert_eq!(decided(&question(Some(&named), &older)).origin, Origin::Named);
}

#[test]
fn a_log_that_lost_its_beginning_or_its_end_is_refused() {
    for (watermark, refusal) in
        [(9, Refusal::BeforeStart { watermark: 9, low: 10 }), (1001, Refusal::AfterEnd { known_end: 1001, high: 1000 })]
    {
        let all = [found(3, 7, 90, state(watermark, &[], ""))];
        let named = naming(&all[0]);
        assert_eq!(decide(&question(Some(&named), &all)), Err(refusal));
    }
    let known = |end, resolved_ahead| Snapshot { end, resolved_ahead, ..state(200, &[], "") };
    let unresolved = vec![snapshot::Unresolved { offset: 200, tries: None }];
    for (snapshot, known_end) in [
        (Snapshot { unresolved: unresolved.clone(), ..known(1200, vec![]) }, 1200),
        (Snapshot { unresolved, ..known(300, vec![1000]) }, 1001),
    ] {
        let all = [found(3, 7, 90, snapshot)];
        let named = naming(&all[0]);
        let refusal = Refusal::AfterEnd { known_end, high: 1000 };
        assert_eq!(decide(&question(Some(&named), &all)), Err(refusal), "records were done that the log lost");
    }
}

#[test]
fn each_reset_decides_once_for_each_id() {
    let foreign = commit(700, "");
    let all = [found(3, 7, 90, state(200, &[(0, 20)], "old"))];
    for (to, start, succeeded, scans) in
        [(ResetTo::Snapshot, 200, 200, true), (ResetTo::Committed, 700, 0, false), (ResetTo::Empty, 10, 0, false)]
    {
        let reset = reset(to, "new");
        let asked = Question { reset: Some(&reset), ..question(Some(&foreign), &all) };
        let decision = decided(&asked);
        assert_eq!((decision.origin, decision.start, decision.epoch), (Origin::Reset(to), start, 4));
        assert_eq!((decision.snapshot.counters.succeeded, !decision.scan.is_empty()), (succeeded, scans));
        assert_eq!(decision.snapshot.last_reset, "new");
        let claim = found(4, 0, 95, decision.snapshot.clone());
        let checkpoint = found(4, 1, 96, decision.snapshot);
        let named = naming(&checkpoint);
        let after = [all[0].clone(), claim.clone(), checkpoint];
        assert_eq!(decided(&Question { reset: Some(&reset), ..question(Some(&named), &after) }).origin, Origin::Named);
        let refused = decide(&Question { reset: Some(&reset), ..question(Some(&foreign), &after) });
        assert!(matches!(refused, Err(Refusal::ForeignCommit { .. })), "moved again: {refused:?}");
        let crashed = [all[0].clone(), claim];
        let again = decided(&Question { reset: Some(&reset), ..question(Some(&foreign), &crashed) });
        assert_eq!(again.origin, Origin::Reset(to), "the claim was written, and its commit was not");
    }
}

#[test]
fn a_reset_to_a_snapshot_goes_on_behind_records_that_are_gone() {
    let all = [found(3, 7, 90, state(4, &[], ""))];
    let (named, reset) = (naming(&all[0]), reset(ResetTo::Snapshot, "r"));
    let decision = decided(&Question { reset: Some(&reset), ..question(Some(&named), &all) });
    assert_eq!((decision.start, decision.snapshot.watermark, decision.snapshot.counters.succeeded), (10, 4, 4));
}

#[test]
fn a_reset_that_cannot_be_obeyed_is_refused() {
    let (to_snapshot, to_committed) = (reset(ResetTo::Snapshot, "r"), reset(ResetTo::Committed, "r"));
    let foreign = commit(1001, "");
    let asked = question(Some(&foreign), &[]);
    assert_eq!(decide(&Question { reset: Some(&to_snapshot), ..asked }), Err(Refusal::NoSnapshot));
    let refusal = Refusal::CommitOutsideLog { committed: 1001, low: 10, high: 1000 };
    assert_eq!(decide(&Question { reset: Some(&to_committed), ..asked }), Err(refusal));
    let all = [found(3, 7, 90, state(1001, &[], ""))];
    let asked = Question { reset: Some(&to_snapshot), ..question(None, &all) };
    assert_eq!(decide(&asked), Err(Refusal::AfterEnd { known_end: 1001, high: 1000 }));
}

#[test]
fn a_partition_without_a_past_has_nothing_to_reset() {
    for to in [ResetTo::Snapshot, ResetTo::Committed, ResetTo::Empty] {
        let reset = reset(to, "r");
        let asked = Question { group_has_commits: true, start_from: StartFrom::Latest, ..question(None, &[]) };
        let decision = decided(&Question { reset: Some(&reset), ..asked });
        assert_eq!((decision.origin, decision.start), (Origin::Fresh, 10));
        assert_eq!(decision.snapshot.last_reset, "r");
        let pin = commit(700, "op1:start");
        let asked = Question { reset: Some(&reset), start_from: StartFrom::Latest, ..question(Some(&pin), &[]) };
        let decision = decided(&asked);
        assert_eq!((decision.origin, decision.start), (Origin::Pinned, 700));
        let moved = decided(&Question { start_from: StartFrom::Earliest, ..asked });
        assert_eq!(moved.start, if to == ResetTo::Empty { 10 } else { 700 });
        assert_eq!((decision.snapshot.last_reset.as_str(), moved.snapshot.last_reset.as_str()), ("r", "r"));
    }
}

#[test]
fn only_what_a_decision_needs_is_read() {
    let all = [found(3, 7, 90, state(200, &[], ""))];
    let (named, pin, reset) = (naming(&all[0]), commit(5, "op1:start"), reset(ResetTo::Empty, "r"));
    assert_eq!(Reading::of(Some(&named), None), Reading::From(all[0].place));
    for (commit, reset) in [(None, None), (Some(&pin), None), (Some(&named), Some(&reset))] {
        assert_eq!(Reading::of(commit, reset), Reading::Everything);
    }
}

#[test]
fn one_reading_serves_all_that_are_assigned_together() {
    let scan = |from, to| {
        Scan::after(
            &[snapshot::ScanMark { partition: 0, offset: from }],
            &[DeadLetterLog { partition: 0, bounds: Bounds { low: 0, high: to } }],
        )
    };
    let (first, second, nothing) = (scan(7, 20), scan(12, 22), scan(3, 3));
    let all = Scan::union([&nothing, &first, &second]);
    assert_eq!(all.ranges(), [ScanRange { partition: 0, from: 7, to: 22 }]);
    assert!(first.covers(0, 7) && !first.covers(0, 20) && !second.covers(0, 11) && !first.covers(1, 8));
}

#[test]
fn marks_follow_our_own_acknowledgements_and_never_the_end() {
    let mut marks = Marks::claimed(&Scan::from_now_on(&LOGS));
    marks.note_acknowledged(0, 61);
    marks.note_acknowledged(0, 55);
    marks.note_acknowledged(4, 0);
    let told: Vec<_> = marks.in_snapshot().iter().map(|mark| (mark.partition, mark.offset)).collect();
    assert_eq!(told, [(0, 62), (1, 7), (4, 1)]);
}

#[test]
fn a_slot_is_free_only_when_the_commit_of_the_other_is_certain() {
    let mut turns = Turns::new(5);
    let claim = turns.begin().expect("nothing is under way");
    assert_eq!((claim, turns.begin()), (Turn { epoch: 5, sequence: 0, slot: Slot::A }, None));
    turns.not_written();
    let again = turns.begin().expect("it was not written");
    assert_eq!(again, claim, "it never happened");
    let named = turns.written(Place { partition: 2, offset: 9 }, 77, 100).expect("it was begun");
    assert_eq!(named.pointer.to_string(), "op1:5:2:9:000000000000004d");
    assert!(!turns.is_claimed() && turns.is_uncertain());
    assert_eq!((turns.begin(), turns.to_repeat()), (None, Some(named)));
    turns.committed(NamedCommit { offset: 99, ..named });
    assert!(!turns.is_claimed(), "an answer to another commit");
    turns.committed(named);
    assert!(turns.is_claimed());
    let next = turns.begin().expect("the claim is certain");
    assert_eq!(next, Turn { epoch: 5, sequence: 1, slot: Slot::B });
    assert_eq!(turns.to_repeat(), Some(named), "while the next one is written");
    turns.written(Place { partition: 2, offset: 10 }, 78, 100).expect("it was begun");
    turns.refused();
    assert_eq!(turns.begin().map(|turn| turn.slot), Some(Slot::B), "A is still the named one");
    assert_eq!(turns.named(), Some(named));
}

#[test]
fn older_keys_go_after_a_later_commit_and_a_session() {
    let session = Duration::from_secs(10);
    let mut litter = Litter::new([(1, "a"), (2, "b"), (3, "own"), (4, "c")], 3, Time(1), session);
    litter.note_committed();
    assert!(litter.take_due(Time(20_000_000)).is_empty(), "only the claim is committed");
    litter.note_committed();
    assert!(litter.take_due(Time(10_000_001)).is_empty());
    assert_eq!(litter.take_due(Time(10_000_002)), ["a", "b"]);
    assert!(litter.take_due(Time(30_000_000)).is_empty());
}

fn any_found() -> impl Strategy<Value = Found> {
    let content = prop_oneof![
        6 => (8..1010i64, "[ab]?").prop_map(|(watermark, reset)| Ok(state(watermark, &[(0, 20)], &reset))),
        1 => Just(Err(Unusable::Incomplete)),
        1 => Just(Err(Unusable::Unreadable(snapshot::Error::Checksum))),
        1 => Just(Err(Unusable::Unreadable(snapshot::Error::Newer { version: 2, kind: 0 }))),
    ];
    (1..5u64, 0..4u64, 0..2i32, 0..20i64, content).prop_map(|(epoch, sequence, partition, offset, content)| {
        let whole = content.as_ref().map_or(Some(1), |snapshot: &Snapshot| Snapshot::checksum(&snapshot.encode()));
        Found { epoch, sequence, place: Place { partition, offset }, checksum: whole.expect("it has one"), content }
    })
}

fn any_reset() -> impl Strategy<Value = Option<Reset>> {
    let to = prop::sample::select(vec![ResetTo::Snapshot, ResetTo::Committed, ResetTo::Empty]);
    prop::option::of((to, "[ab]").prop_map(|(to, id)| Reset { to, id }))
}

proptest! {
    /// Whatever is found: no start outside the log, no epoch twice, nothing that is known lies behind the log's end.
    #[test]
    fn a_decision_fits_the_log_and_claims_a_new_epoch(
        all in prop::collection::vec(any_found(), 0..6),
        pick in prop::option::of((any::<prop::sample::Index>(), 0..3)),
        reset in any_reset(),
        latest: bool,
    ) {
        let named = pick.and_then(|(index, kind)| match kind {
            0 => Some(commit(500, "op1:start")),
            1 => Some(commit(500, "op1:none")),
            _ => (!all.is_empty()).then(|| naming(&all[index.index(all.len())])),
        });
        let start_from = if latest { StartFrom::Latest } else { StartFrom::Earliest };
        let asked = Question { reset: reset.as_ref(), start_from, ..question(named.as_ref(), &all) };
        if let Ok(decision) = decide(&asked) {
            prop_assert!((10..=1000).contains(&decision.start));
            prop_assert!(decision.start >= decision.snapshot.watermark && decision.snapshot.end <= 1000);
            prop_assert!(all.iter().all(|found| found.epoch < decision.epoch));
            let obeyed = reset.is_none_or(|reset| decision.snapshot.last_reset == reset.id);
            prop_assert!(obeyed, "the next decision would obey it again");
            let limits = Limits { parked_bytes: 1 << 20, window: Limits::WINDOW };
            let start = decision.start;
            let mut partition = crate::partition::Partition::<Nothing>::restore(
                decision.snapshot, crate::retry::RetryPolicy::default(), limits, 1, (Time::ZERO, 0),
            );
            partition.note_end(start);
            prop_assert_eq!(partition.position(), start);
        }
    }
}

struct Nothing;

impl crate::outcome::Stored for Nothing {
    fn bytes(&self) -> usize {
        0
    }
}
