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
mod service;
mod settings;
mod verdict;

// Shared with the tests of single behaviours, which need other parts of it.
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
#[path = "../real_kafka/broker.rs"]
mod broker;
#[expect(dead_code, reason = "the tests in real_kafka/ use the rest")]
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
use service::Service;
use settings::Settings;

/// What consumers do with orders during a run.
struct Handling {
    name: &'static str,
    /// Orders a second of each producer.
    rate: u32,
    arguments: Vec<String>,
    fate: Fate,
    service: Option<Service>,
}

impl Handling {
    /// Tries fail as a hash of the order says; one in three hundred orders dies.
    fn simulated() -> Handling {
        let arguments = ["--failure-percent", "15", "--max-retries", "2", "--initial-backoff", "500ms"];
        Handling {
            name: "simulated failures",
            rate: 1_800,
            arguments: arguments.map(str::to_owned).to_vec(),
            fate: |order| order.fate(15.0, 2).is_dead.then_some("transient"),
            service: None,
        }
    }

    /// Orders are posted to a service. Retries outlast its outages, so that what dies is still a function of the order: a
    /// process that is started during an outage needs a while to notice. They are close together, because everybody has
    /// to get on soon after an outage, and a commit waits for the last order that is to be tried again.
    fn posted() -> Handling {
        let service = Service::start();
        let url = service.url();
        // Few calls at a time: on a busy machine thousands would wait for the service longer than their time-out.
        let arguments = ["--http-url", &url, "--max-in-flight", "64", "--max-retries", "10", "--max-backoff", "2s"];
        Handling {
            name: "http handler",
            rate: 350,
            arguments: arguments.map(str::to_owned).to_vec(),
            fate: service::fate,
            service: Some(service),
        }
    }
}

#[test]
fn no_order_is_lost_or_counted_twice_whatever_fails() {
    let settings = Settings::read();
    let proxy = Proxy::start();
    let Some(broker) = Broker::start(&[&format!("advertised.listeners=PLAINTEXT://{}", proxy.address())]) else {
        return;
    };
    proxy.lead_to(broker.address());
    run::tell(&format!("TORTURE_SECONDS={} TORTURE_SEED={}", settings.length.as_secs(), settings.seed));
    let handlings = [Handling::simulated(), Handling::posted()];
    let pages = handlings.map(|handling| {
        let page = torture(&broker, &proxy, settings.seed, settings.length / 2, &handling);
        run::tell(&page.text());
        page
    });
    let problems: usize = pages.iter().map(Page::problems).sum();
    assert_eq!(problems, 0, "see above, and {}", pages.map(|page| page.folder()).join(", "));
}

/// One run from its first order to the verdict.
fn torture(broker: &Broker, proxy: &Proxy, seed: u64, length: Duration, handling: &Handling) -> Page {
    let name = topic::unique("torture");
    let folder = format!("torture-{seed}-{}", handling.name.replace(' ', "-"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
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
    let watch = clock::Stopwatch::start();
    let (fleet, told) = Run::start(broker, proxy, &place, seed, handling)
        .torture(length, Programme::new(seed, handling.service.is_some()));
    let verdict = verdict::of(&place, &fleet.past, handling);
    let page = Page::new(&place.folder, (seed, handling.name, watch.elapsed()), &told, &verdict);
    page.keep();
    page
}
