//! `make torture`: producers, consumers and a dead-letter consumer on a real Kafka broker, faults at random times, and an
//! oracle that compares at the end.
//!
//! Read `programme.rs` for what goes wrong, `ledger.rs` for what must come out. Deliberately one test: a run is its seed.

mod bare;
mod chance;
mod clock;
mod fleet;
mod ledger;
mod material;
mod page;
mod programme;
mod progress;
mod proxy;
mod run;
mod settings;
mod verdict;

// Shared with the tests of single behaviours, which need other parts of it.
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
#[path = "../real_kafka/broker.rs"]
mod broker;
#[path = "../real_kafka/guard.rs"]
mod guard;
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
#[path = "../real_kafka/orders.rs"]
mod orders;
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
#[path = "../real_kafka/process.rs"]
mod process;
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
#[path = "../real_kafka/topic.rs"]
mod topic;
#[path = "../real_kafka/wait.rs"]
mod wait;

use std::{fs, path::Path, time::Duration};

use broker::Broker;
use fleet::Place;
use ledger::Fate;
use page::Page;
use programme::Programme;
use proxy::Proxy;
use run::Run;
use settings::Settings;

/// What consumers do with orders during one run.
struct Handling {
    name: &'static str,
    /// Orders a second of each producer.
    rate: u32,
    arguments: &'static [&'static str],
    fate: Fate,
    has_service: bool,
}

/// One in three hundred orders dies.
const SIMULATED: Handling = Handling {
    name: "simulated failures",
    rate: 1_300,
    arguments: &["--failure-percent", "15", "--max-retries", "2", "--initial-backoff", "500ms"],
    fate: |order| order.fate(15.0, 2).is_dead.then_some("transient"),
    has_service: false,
};

#[test]
fn no_order_is_lost_or_counted_twice_whatever_fails() {
    let settings = Settings::read();
    let proxy = Proxy::start();
    let Some(broker) = Broker::start(&[&format!("advertised.listeners=PLAINTEXT://{}", proxy.address())]) else {
        return;
    };
    proxy.lead_to(broker.address());
    run::tell(&format!("TORTURE_SECONDS={} TORTURE_SEED={}", settings.length.as_secs(), settings.seed));
    let page = torture(&broker, &proxy, settings.seed, settings.length, &SIMULATED);
    run::tell(&page.text());
    assert!(page.is_right(), "{} problems, see above", page.problems());
}

/// One run from its first order to the verdict.
fn torture(broker: &Broker, proxy: &Proxy, seed: u64, length: Duration, handling: &Handling) -> Page {
    let name = topic::unique("torture");
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("torture-{seed}-{}", handling.name.replace(' ', "-")));
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of an earlier run can be removed");
    }
    fs::create_dir_all(&folder).expect("the folder for temporary files is writable");
    let place = Place {
        broker: broker.address().to_owned(),
        orders: name.clone(),
        dead_letters: format!("{name}-dlq"),
        group: format!("{name}-group"),
        folder,
    };
    let started = clock::now();
    let run = Run::start(broker, proxy, &place, seed, (handling.rate, handling.arguments));
    let (fleet, told) = run.torture(length, Programme::new(seed, handling.has_service));
    let verdict = verdict::of(&place, &fleet.past, handling.fate);
    let page = Page::new(seed, handling.name, clock::now() - started, &told, &verdict);
    page.keep(&place.folder);
    page
}
