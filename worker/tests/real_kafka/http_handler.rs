//! `worker consume --http-url` on a real broker, with a service that goes away, hangs, and is called by members that come
//! and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use test_service::{Call, Reply, TestService};

use crate::{
    broker::Broker,
    orders::{self, Made},
    pipeline::{Pipeline, Role},
    process, wait,
};

/// From the moment a service is back, orders are handled again within this.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);

fn metric(role: &Role, series: &str) -> f64 {
    process::metric(&role.process.admin_address(), &format!("orderpipeline_consumer_{series}")).unwrap_or(0.0)
}

fn wait_for_metric(role: &Role, series: &str, at_least: f64) {
    let seen = || format!("{series} {}: {}", metric(role, series), role.process.status());
    wait::until(&format!("{series} to reach {at_least}"), seen, || (metric(role, series) >= at_least).then_some(()));
}

/// 20 keys of many orders each, in their order.
fn of_few_keys(name: &str, count: usize) -> Vec<Made> {
    let made = orders::made(name, count).into_iter().enumerate();
    made.map(|(number, order)| Made { key: format!("key-{}", number % 20), ..order }).collect()
}

fn ids(calls: &[Call]) -> BTreeSet<String> {
    calls.iter().map(Call::order_id).collect()
}

/// Of each key the orders were first posted in their order.
fn assert_order_of_keys(made: &[Made], calls: &[Call]) {
    let places: BTreeMap<&str, (usize, &str)> =
        made.iter().enumerate().map(|(place, order)| (order.id.as_str(), (place, order.key.as_str()))).collect();
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    for call in calls {
        let id = call.order_id();
        let (place, key) = places[id.as_str()];
        if seen.insert(place) {
            let before = last.insert(key, place).unwrap_or(0);
            assert!(before <= place, "{id} of {key} came after the order in place {before}");
        }
    }
}

#[test]
fn an_outage_of_the_service_makes_no_dead_letters_and_ends_by_itself() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "http-outage", 3);
    let made = of_few_keys("http-outage", 3_000);
    let mut service = TestService::start(|_| Reply::status(200));
    let consumer = pipeline.consumer(&["--http-url", &service.url("/orders"), "--until-idle", "3s"]);
    let producer = pipeline.producer(&made, 200);
    consumer.wait_for_records(200);

    service.stop();
    consumer.process.wait_for_line("intake stopped: at least half of the calls");
    let readiness = || process::get(&consumer.process.admin_address(), "/readyz");
    wait::until(
        "/readyz to say so",
        || readiness().1,
        || {
            let (code, waits_for) = readiness();
            (code == 503 && waits_for.contains("http handler: intake stopped")).then_some(())
        },
    );
    // Five rounds of probes: longer than all retries of an order together.
    wait_for_metric(&consumer, "handler_calls_total{result=\"transient\"}", 50.0 + 15.0);
    let before = service.calls().len();
    service.start_again();
    wait::until_within(RESUMES_WITHIN, "the first order after the outage", String::new, || {
        (service.calls().len() > before + 100).then_some(())
    });

    producer.done();
    let (_, report) = consumer.done();
    assert_eq!(report["consumed"]["succeeded"], 3_000);
    assert_eq!(report["overall"], orders::overall(made.iter()));
    assert!(pipeline.dead().is_empty());
    assert_order_of_keys(&made, &service.calls());
}

#[test]
fn members_that_come_and_go_while_a_service_is_called_lose_no_order() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "http-members", 6);
    let made = of_few_keys("http-members", 2_000);
    let service = TestService::start(|_| Reply::status(200).after(Duration::from_millis(20)));
    let url = service.url("/orders");
    let flags = ["--http-url", url.as_str()];
    let first = pipeline.consumer(&flags);
    let producer = pipeline.producer(&made, 200);
    first.wait_for_records(100);
    let second = pipeline.consumer(&flags);
    second.wait_for_records(100);
    first.stop();
    second.wait_for_records(500);
    let third = pipeline.consumer(&[&flags[..], &["--until-idle", "3s"]].concat());
    third.wait_for_records(50);
    second.stop();
    producer.done();
    third.done();

    let calls = service.calls();
    assert_eq!(ids(&calls), orders::ids(&made, |_| true));
    assert_order_of_keys(&made, &calls);
    assert!(pipeline.dead().is_empty());
    let repeated = calls.iter().filter(|call| call.number > 1).count();
    assert_eq!(repeated, 0, "each member waits for its calls before it lets a partition go");
}

#[test]
fn a_service_that_hangs_does_not_cost_the_group_its_member() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "http-hangs", 1);
    let made = of_few_keys("http-hangs", 20);
    pipeline.fill(&made);
    let service = TestService::start(|call| if call.number == 1 { Reply::hang() } else { Reply::status(200) });
    // Each first try hangs for longer than a member may stay away from its broker.
    let consumer = pipeline.consumer(&[
        "--http-url",
        &service.url("/orders"),
        "--http-timeout",
        "12s",
        "--client-config",
        "max.poll.interval.ms=10000",
        "--client-config",
        "session.timeout.ms=6000",
    ]);
    wait_for_metric(&consumer, "handler_calls_total{result=\"transient\"}", 20.0);
    assert_eq!(metric(&consumer, "rebalances_total{kind=\"lost\"}"), 0.0);
    assert_eq!(metric(&consumer, "rebalances_total{kind=\"assign\"}"), 1.0);
    consumer.wait_for_records(19);
    let (_, report) = consumer.stop();
    assert_eq!(report["consumed"]["succeeded"], 20);
    assert_eq!(service.calls().len(), 40);
}
