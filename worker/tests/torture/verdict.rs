//! Compares what came of a run with what must have come of it.
//!
//! Deliberately no knowledge of which faults there were.

use serde_json::Value;

use crate::{
    Handling,
    fleet::{Past, Place, Role},
    ledger::Ledger,
    process::{self, Process},
    topic,
};

/// Most memory a consumer may take: what parked orders may take by default, and 64 MiB.
const CONSUMER_MEMORY: u64 = 192 << 20;
/// Most memory of the others.
const OTHER_MEMORY: u64 = 64 << 20;

/// What the oracle says of a run.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ledger: Ledger,
    /// Copies of dead letters.
    pub(crate) copies: u64,
    /// Records handled more than once, as far as processes that were killed could tell.
    pub(crate) again: u64,
    /// Most memory of a producer, a consumer, a dead-letter consumer, in bytes.
    pub(crate) most_memory: [u64; 3],
    /// Empty where everything is right.
    pub(crate) problems: Vec<String>,
}

/// Reads both topics and the totals, and compares.
pub(crate) fn of(place: &Place, past: &[Past], handling: &Handling) -> Verdict {
    let mut ledger = Ledger::default();
    topic::scan(&place.broker, &place.orders, |record| ledger.add(record, handling.fate));
    let letters = topic::read_all(&place.broker, &place.dead_letters);
    let (mut problems, copies) = ledger.check_dead(&place.group, &letters);
    problems.extend(ledger.check_totals(&totals(place)));
    problems.extend(check_producers(&ledger, past));
    problems.extend(handling.service.iter().flat_map(|service| service.check_order(&ledger)));
    problems.extend(check_dead_letter_consumer(&ledger, copies, past));
    problems.extend(past.iter().filter(|past| past.code.is_some_and(|code| code != 0)).map(ended_badly));
    let most = |is: fn(Role) -> bool| past.iter().filter(|past| is(past.role)).map(|past| past.most_memory).max();
    let most_memory = [
        most(|role| matches!(role, Role::Producer(_))),
        most(|role| matches!(role, Role::Consumer(_))),
        most(|role| role == Role::DeadLetters),
    ]
    .map(Option::unwrap_or_default);
    let limits = [("producer", OTHER_MEMORY), ("consumer", CONSUMER_MEMORY), ("dead-letter consumer", OTHER_MEMORY)];
    for ((role, limit), most) in limits.into_iter().zip(most_memory) {
        if most > limit || most == 0 {
            problems.push(format!("a {role} took {} MiB; the limit is {} MiB", most >> 20, limit >> 20));
        }
    }
    let handled: u64 = past.iter().filter(|past| matches!(past.role, Role::Consumer(_))).map(|past| past.counted).sum();
    let again = match &handling.service {
        Some(service) => service.again(),
        None => handled.saturating_sub(ledger.records),
    };
    Verdict { ledger, copies, again, most_memory, problems }
}

/// What `worker report` says when nobody runs any more.
fn totals(place: &Place) -> Value {
    let file = place.folder.join("totals.json");
    let path = file.to_str().expect("the folder's name is UTF-8");
    let names = ["--bootstrap-servers", &place.broker, "--topic", &place.orders, "--group-id", &place.group];
    let ended = Process::worker(&[&["report", "--report", path], &names[..]].concat()).wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    process::report(&file)
}

/// What producers said was acknowledged is in the topic, once.
fn check_producers(ledger: &Ledger, past: &[Past]) -> Vec<String> {
    let mut problems = Vec::new();
    for past in past.iter().filter(|past| matches!(past.role, Role::Producer(_))) {
        let name = &past.name;
        let found = ledger.streams.get(name).cloned().unwrap_or_default();
        if found.copies > 0 {
            problems.push(format!("{} orders of {name} are in the topic more than once", found.copies));
        }
        if found.count < past.counted {
            problems.push(format!("{name} had {} acknowledged, {} are in the topic", past.counted, found.count));
        }
        let Some(report) = &past.report else { continue };
        let said = &report["produced"]["acknowledged"];
        if *said != found.count || report["produced"]["failed"] != 0 {
            problems.push(format!("{name} says {}, {} are in the topic", report["produced"], found.count));
        }
    }
    problems
}

/// The last dead-letter consumer counted every dead letter once.
fn check_dead_letter_consumer(ledger: &Ledger, copies: u64, past: &[Past]) -> Option<String> {
    let last = past.iter().rfind(|past| past.role == Role::DeadLetters)?;
    let said = &last.report.as_ref()?["deadLetters"]["count"];
    let right = ledger.dead.len() as u64;
    (*said != right).then(|| format!("{} says {said} dead letters; there are {right} and {copies} copies", last.name))
}

fn ended_badly(past: &Past) -> String {
    format!("{} ended with code {:?}", past.name, past.code)
}
