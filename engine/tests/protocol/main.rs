//! The protocol of durable totals, searched by machine: two processes that run the engine's own code, a broker, and a
//! network between them; every history with few disturbances, and random ones with many.
//!
//! A history is exact when every snapshot adds up and in the end each order has counted once: in the totals, or in the
//! dead-letter topic. Each part of the protocol is left out once, and the search has to notice. Deliberately no clock
//! and no Kafka: what the model takes for granted of those is in `broker.rs`.

mod broker;
mod happening;
mod ledger;
mod owner;
mod search;
mod world;

use proptest::prelude::*;

use happening::{Action, Answer, Defect, Setting};
use search::search;
use world::World;

/// What happens, from which everything else follows.
#[derive(Clone, Debug)]
struct History {
    /// Which kinds of disturbances there are, one bit each: with few kinds they meet more often.
    kinds: u32,
    /// Of 256 steps so many are unusual.
    share: u8,
    /// Of 256 steps so many are of a zombie, or a late message, if there is one.
    lag: u8,
    /// For each step: whether it is unusual, and which one of what is possible.
    steps: Vec<(u8, u16)>,
    /// Everything is done before it is judged; else all processes die first.
    goes_on: bool,
    /// Records of the topic.
    orders: i64,
    /// What a fickle handler answers.
    seed: u64,
}

/// Disturbances that belong together: each part of the protocol is there for one of these.
#[derive(Clone, Copy, Debug)]
enum Theme {
    LateCommits,
    Zombies,
    Slots,
    EmptyGroups,
}

impl Theme {
    const ALL: [Self; 4] = [Self::LateCommits, Self::Zombies, Self::Slots, Self::EmptyGroups];

    /// One bit for each kind of action.
    fn kinds(self) -> u32 {
        let (crash, delay, compact) = (Action::Crash(0), Action::Delay(0), Action::Compact);
        let (done, never) = (Action::Take(0, Answer::Done), Action::Take(0, Answer::Never));
        let actions = match self {
            Self::LateCommits => vec![crash, delay, never, Action::GiveBack(0)],
            Self::Zombies => vec![crash, done, never, Action::Expire(0)],
            Self::Slots => vec![crash, delay, compact, Action::LandUnanswered(0), Action::Checkpoint(0)],
            Self::EmptyGroups => vec![delay, compact, Action::Leave(0), Action::Sweep(0), Action::Desert],
        };
        actions.into_iter().fold(0, |kinds, action| kinds | 1 << action.kind())
    }
}

fn histories() -> impl Strategy<Value = History> {
    let steps = prop::collection::vec((any::<u8>(), any::<u16>()), 20..120);
    let kinds = prop_oneof![
        prop::sample::select(Theme::ALL.map(Theme::kinds).to_vec()),
        any::<u32>(),
        any::<[u32; 2]>().prop_map(|[a, b]| a & b)
    ];
    (kinds, 10..110u8, 0..128u8, steps, (any::<bool>(), 2..5i64, any::<u64>())).prop_map(
        |(kinds, share, lag, steps, (goes_on, orders, seed))| History {
            kinds,
            share,
            lag,
            steps,
            goes_on,
            orders,
            seed,
        },
    )
}

/// Runs a history; what happened, and the first thing that was wrong.
fn run(setting: Setting, history: &History) -> (Vec<Action>, Option<String>) {
    let mut world = World::begun(Setting { seed: history.seed, orders: history.orders, ..setting });
    let mut happened = Vec::new();
    for (is_unusual, which) in &history.steps {
        let mut action = world.usual();
        let pick = |actions: &[Action]| actions.get(usize::from(*which) % actions.len().max(1)).copied();
        if *is_unusual < history.share || action.is_none() {
            let mut unusual = world.unusual();
            unusual.retain(|action| history.kinds >> action.kind() & 1 == 1);
            action = pick(&unusual).or(action);
        } else if *is_unusual > 255 - history.lag {
            action = pick(&world.lagging()).or(action);
        }
        happened.extend(action);
        action.into_iter().for_each(|action| world.apply(action));
    }
    if history.goes_on {
        world.go_on();
    }
    let violation = world.finish().ledger.violation.clone();
    (happened, violation)
}

/// The protocol as it is, with a topic so short that everything can be tried.
fn setting(is_fickle: bool) -> Setting {
    Setting {
        defect: Defect::None,
        orders: 2,
        is_latest: false,
        is_unordered: false,
        in_chunks: false,
        is_fickle,
        seed: 0,
    }
}

/// `PROPTEST_CASES` says how thorough all of this is; 1 at its default of 256.
fn thoroughness() -> u32 {
    ProptestConfig::default().cases.div_ceil(256)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: thoroughness() * 2_000, max_shrink_iters: 20_000, ..ProptestConfig::default()
    })]

    #[test]
    fn every_order_counts_once_in_random_histories(history in histories(), is_fickle: bool, in_chunks: bool, is_latest: bool, is_unordered: bool) {
        let (happened, violation) = run(Setting { in_chunks, is_latest, is_unordered, ..setting(is_fickle) }, &history);
        prop_assert!(violation.is_none(), "{}\n{:#?}", violation.expect("there is one"), happened);
    }
}

/// Two of a theme, or any single one; with more patience one more of each.
#[test]
fn every_order_counts_once_in_all_histories_with_few_disturbances() {
    let more = u8::from(thoroughness() > 10);
    let themes = Theme::ALL.map(|theme| (theme.kinds(), 2 + more));
    for (kinds, disturbances) in themes.into_iter().chain([(u32::MAX, 1 + more)]) {
        for (is_fickle, is_latest) in [(false, true), (true, false)] {
            let setting = Setting { is_latest, is_unordered: true, ..setting(is_fickle) };
            let searched = search(setting, kinds, disturbances, usize::MAX);
            println!("{disturbances} of {kinds:b}: {} situations", searched.situations);
            assert!(searched.hole.is_none(), "{:#?}", searched.hole);
        }
    }
}

/// What the search says of a protocol that lacks something.
fn hole(defect: Defect, theme: Theme, disturbances: u8) -> String {
    let is_latest = defect == Defect::TrustedPin;
    let searched = search(Setting { defect, is_latest, ..setting(true) }, theme.kinds(), disturbances, 1_000_000);
    searched.hole.expect("it is found out").1
}

#[test]
fn a_protocol_without_the_claim_is_found_out() {
    assert!(hole(Defect::NoClaim, Theme::Zombies, 2).starts_with("succeeded and dead-lettered"));
}

#[test]
fn a_protocol_without_the_scan_of_the_dead_letter_topic_is_found_out() {
    assert!(hole(Defect::NoScan, Theme::Zombies, 2).starts_with("succeeded and dead-lettered"));
}

#[test]
fn a_scan_mark_taken_from_the_end_of_the_topic_is_found_out() {
    assert!(hole(Defect::MarkFromEnd, Theme::Zombies, 2).starts_with("succeeded and dead-lettered"));
}

#[test]
fn a_protocol_that_does_not_read_on_past_the_named_snapshot_is_found_out() {
    assert!(hole(Defect::NoReadingOn, Theme::LateCommits, 4).starts_with("succeeded and dead-lettered"));
}

#[test]
fn a_protocol_without_the_way_back_from_what_compaction_ate_is_found_out() {
    assert!(
        hole(Defect::NoFallBack, Theme::Slots, 3).starts_with("refused: the snapshot that the group's commit names")
    );
}

#[test]
fn a_group_that_forgets_its_totals_for_a_late_word_on_its_beginning_is_found_out() {
    assert!(hole(Defect::TrustedPin, Theme::LateCommits, 3).starts_with("not all from"));
}
