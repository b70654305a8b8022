//! The http handler in the consumer: order per key, retries, the breaker, the flood guard, a stop.
//!
//! Deliberately little of single answers: those are tested beside the handler.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};
use std::sync::{Arc, mpsc};

use engine::time::Time;
use test_service::{Call, Reply, TestService};

use super::*;
use crate::config::{Http, HttpUrl};

/// No test waits for longer.
const HANG: Duration = Duration::from_secs(60);

fn to(service: &TestService) -> Handler {
    let url = HttpUrl::parse(&service.url("/orders")).expect("a good address");
    Handler::Http(Http { url, auth_file: None, ca_file: None, timeout: Duration::from_secs(5) })
}

/// `each` orders of `keys` keys, in turns: `k3-0`, `k3-1`, …
fn send_keyed(broker: &EmbeddedBroker, keys: usize, each: usize) {
    let orders: Vec<Sent> = (0..keys * each)
        .map(|number| {
            let key = format!("k{}", number % keys);
            let id = format!("{key}-{}", number / keys);
            let headers = vec![("traceparent".to_owned(), Some(b"00-1-2-01".to_vec()))];
            Sent { key: Some(key.into_bytes()), value: Some(order(&id, 100)), headers }
        })
        .collect();
    send(&kafka(broker), ORDERS, &orders);
}

fn key_and_place(call: &Call) -> (String, usize) {
    let id = call.order_id();
    let (key, place) = id.split_once('-').expect("ids have a key and a place");
    (key.to_owned(), place.parse().expect("places are numbers"))
}

/// Of each key one call at a time, and no order before the one in front of it.
fn assert_order_of_keys(calls: &[Call]) {
    let mut last: BTreeMap<String, (usize, Option<u64>)> = BTreeMap::new();
    for call in calls {
        let (key, place) = key_and_place(call);
        let (before, ended) = last.insert(key.clone(), (place, call.ended)).unwrap_or((0, Some(0)));
        assert!(ended.is_some_and(|ended| ended <= call.began), "{key}-{place} began before {key}-{before} was over");
        assert!(place == before || place == before + 1, "{key}-{place} came after {key}-{before}");
    }
}

/// What runs beside the test until it ends by itself or is told to.
struct Running {
    context: RoleContext,
    ended: mpsc::Receiver<Ended>,
}

fn start(config: Consume) -> Running {
    let context = context();
    let (sender, ended) = mpsc::channel();
    let inside = context.clone();
    std::thread::spawn(move || {
        let ended = consume::run(&config, &inside, &Default::default()).expect("the consumer ends as it should");
        sender.send(ended).ok();
    });
    Running { context, ended }
}

impl Running {
    fn end(self) -> Ended {
        self.ended.recv_timeout(HANG).expect("the consumer ends in time")
    }

    fn stop(self) -> Ended {
        self.context.shutdown.drain();
        self.end()
    }

    fn metric(&self, series: &str) -> Option<f64> {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.context.metrics.registry().gather());
        let text = text.expect("metrics are text");
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until `probe` finds what it looks for.
    fn wait_until(&self, what: &str, probe: impl Fn(&Self) -> bool) {
        let started = Clock::start();
        while !probe(self) {
            assert!(started.now().since(Time::ZERO) < HANG, "waited for {what}: {}", self.context.status.document());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

#[test]
fn every_order_is_posted_once_in_the_order_of_its_key_and_never_more_than_allowed_at_a_time() {
    let broker = broker();
    send_keyed(&broker, 50, 10);
    let service = TestService::start(|_| Reply::status(200).after(Duration::from_millis(1)));
    let ended = run(&Consume { max_in_flight: 7, ..config(&broker, to(&service)) });
    assert_eq!((ended.counters.succeeded, ended.counters.records()), (500, 500));
    let (_, total) = ended.totals.overall().first().copied().expect("one currency");
    assert_eq!((total.count, total.sum), (500, 50_000));
    let calls = service.calls();
    assert_eq!((calls.len(), service.most_under_way()), (500, 7));
    assert_order_of_keys(&calls);
    let key = |call: &Call| call.header("idempotency-key").map(str::to_owned).expect("each call has one");
    let keys: std::collections::BTreeSet<String> = calls.iter().map(key).collect();
    assert_eq!(keys.len(), 500);
    assert!(keys.iter().all(|key| key.starts_with("orders-orders-")), "{keys:?}");
    assert!(calls.iter().all(|call| call.header("traceparent") == Some("00-1-2-01")));
}

#[test]
fn what_fails_is_tried_again_and_what_is_refused_is_dead_lettered_and_keys_keep_their_order() {
    let broker = broker();
    send_keyed(&broker, 40, 20);
    // Of each key three orders fail at their first try, one always, and one is refused.
    let service = TestService::start(|call| match (key_and_place(call).1, call.number) {
        (0 | 5 | 10, 1) => Reply::cut_off(200),
        (14, _) => Reply::status(500).with_body("never"),
        (17, _) => Reply::status(422).with_body("no such product"),
        _ => Reply::status(200),
    });
    let mut config = config(&broker, to(&service));
    config.retry.initial_backoff = Duration::from_millis(10);
    let ended = run(&config);
    assert_eq!((ended.counters.succeeded, ended.counters.dead_lettered), (720, 80));
    assert_eq!(ended.counters.retries[..3], [160, 40, 40]);
    assert_order_of_keys(&service.calls());
    let graves = read_all(&kafka(&broker), GRAVES);
    let header = |grave: &Sent, name: &str| {
        let found = grave.headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone());
        String::from_utf8(found.unwrap_or_default()).expect("our headers are text")
    };
    let mut classes: BTreeMap<(String, String), usize> = BTreeMap::new();
    for grave in &graves {
        let said = (header(grave, "__dlq.errors.class"), header(grave, "__dlq.errors.message"));
        *classes.entry(said).or_default() += 1;
    }
    let said = |class: &str, message: &str| (class.to_owned(), message.to_owned());
    let expected = [
        (said("rejected", "the service answered 422 Unprocessable Entity: no such product"), 40),
        (said("transient", "the service answered 500 Internal Server Error: never"), 40),
    ];
    assert_eq!(classes, BTreeMap::from(expected));
}

#[test]
fn the_service_may_ask_for_a_longer_wait_up_to_the_longest() {
    let broker = broker();
    send_keyed(&broker, 1, 2);
    let clock = Clock::start();
    let times: Arc<std::sync::Mutex<Vec<(String, Time)>>> = Arc::default();
    let noted = Arc::clone(&times);
    let service = TestService::start(move |call| {
        noted.lock().expect("nobody panics").push((call.order_id(), clock.now()));
        let wait = if call.order_id() == "k0-0" { "1" } else { "3600" };
        if call.number == 1 { Reply::status(429).with_header("retry-after", wait) } else { Reply::status(200) }
    });
    let mut config = config(&broker, to(&service));
    config.retry.max_backoff = Duration::from_millis(1_500);
    assert_eq!(run(&config).counters.succeeded, 2);
    let times = times.lock().expect("nobody panics").clone();
    let waited = |first: usize| times[first + 1].1.since(times[first].1);
    assert_eq!(times.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["k0-0", "k0-0", "k0-1", "k0-1"]);
    assert!(waited(0) >= Duration::from_secs(1), "{:?}", waited(0));
    assert!(waited(2) >= Duration::from_millis(1_500), "{:?}", waited(2));
}

#[test]
fn an_outage_costs_no_order_and_says_so_while_it_lasts() {
    let broker = broker();
    send_keyed(&broker, 300, 2);
    let service = TestService::start(|_| Reply::status(503).with_body("down"));
    let mut config = Consume { max_in_flight: 100, ..config(&broker, to(&service)) };
    // What is probed again would be given up, if the outage were held against it.
    config.retry = Retry { max_retries: 1, initial_backoff: Duration::from_millis(200), ..config.retry };
    let running = start(config);
    running.wait_until("the breaker to open", |running| {
        running.metric("orderpipeline_consumer_breaker_state").is_some_and(|state| state > 0.0)
    });
    running.wait_until("the reason", |running| {
        let waits = running.context.readiness.waiting_for().join(" ");
        waits.contains("http handler: intake stopped") && waits.contains("503 Service Unavailable: down")
    });
    let status = running.context.status.document();
    assert_eq!(status["processing"], "Stuck", "{status}");
    assert_ne!(status["breaker"], "Closed", "{status}");
    let until_now = service.calls().len();
    assert!(until_now < 600, "{until_now} calls while the breaker is to spare the service");
    // A second and a third round of probes find it still down.
    running.wait_until("two more rounds", |_| service.calls().len() >= until_now + 6);
    assert_eq!(running.metric("orderpipeline_consumer_dead_letters_total{class=\"transient\"}"), Some(0.0));
    service.behave(|_| Reply::status(200));
    let ended = running.end();
    assert_eq!((ended.counters.succeeded, ended.counters.dead_lettered), (600, 0));
    assert_order_of_keys(&service.calls());
}

#[test]
fn a_service_that_hangs_is_held_against_no_order() {
    let broker = broker();
    send_keyed(&broker, 200, 1);
    let hangs = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&hangs);
    let service =
        TestService::start(move |_| if still.load(Atomic::Relaxed) { Reply::hang() } else { Reply::status(200) });
    let mut config = config(&broker, to(&service));
    config.retry = Retry { max_retries: 1, initial_backoff: Duration::from_millis(50), ..config.retry };
    // The shorter of the two limits counts.
    config.handler_timeout = Duration::from_millis(300);
    let running = start(config);
    running.wait_until("the breaker to open", |running| {
        running.metric("orderpipeline_consumer_intake_stopped{reason=\"breaker\"}") == Some(1.0)
    });
    hangs.store(false, Atomic::Relaxed);
    let ended = running.end();
    assert_eq!((ended.counters.succeeded, ended.counters.dead_lettered), (200, 0));
}

#[test]
fn a_flood_of_refusals_stops_intake_and_the_next_start_goes_on_where_it_stopped() {
    let broker = broker();
    send_keyed(&broker, 3_000, 1);
    let service = TestService::start(|_| Reply::status(400).with_body("unknown field orderId"));
    let config = Consume { max_dead_letter_ratio_percent: 50, ..config(&broker, to(&service)) };
    let running = start(config.clone());
    running.wait_until("the flood guard", |running| {
        running.metric("orderpipeline_consumer_intake_stopped{reason=\"dead_letter_flood\"}") == Some(1.0)
            && running.context.readiness.waiting_for().join(" ").contains("too many orders were dead-lettered")
            && running.context.status.document()["processing"] == "DeadLetterFlood"
    });
    let flooded = running.stop();
    let dead = flooded.counters.dead_lettered;
    // A thousand records are looked at before anything is concluded; as many calls may be under way at that moment.
    assert!((1_000..=2_000).contains(&dead), "{dead}");
    service.behave(|_| Reply::status(200));
    let mended = run(&config);
    assert_eq!((mended.counters.succeeded, mended.counters.dead_lettered), (3_000 - dead, dead));
    assert_eq!(read_all(&kafka(&broker), GRAVES).len() as u64, dead);
}

#[test]
fn a_bad_deployment_stops_at_the_ratio_and_loses_nothing() {
    let broker = broker();
    send_orders(&broker, 20_000);
    // A price of `number` cents: all above 10.00 are invalid to this deployment.
    let bad = Consume {
        max_price: "10.00".parse().ok(),
        max_dead_letter_ratio_percent: 50,
        ..config(&broker, Handler::None)
    };
    let running = start(bad.clone());
    running
        .wait_until("the flood guard", |running| running.context.status.document()["processing"] == "DeadLetterFlood");
    let flooded = running.stop();
    let (dead, well) = (flooded.counters.dead_lettered, flooded.counters.succeeded);
    assert!((500..2_000).contains(&dead), "{dead} of {} were dead-lettered", dead + well);
    let mended = run(&Consume { max_price: None, ..bad });
    assert_eq!((mended.counters.succeeded, mended.counters.dead_lettered), (20_000 - dead, dead));
}

/// What waits for a retry when the guard trips would follow the rest into the dead-letter topic.
#[test]
fn what_waits_for_a_retry_is_not_given_up_in_a_flood() {
    let broker = broker();
    send_orders(&broker, 20_000);
    let simulate = Simulate { failure_percent: 100.0, permanent_percent: 10.0, fail_above_price: None, seed: 42 };
    let mut bad = config(&broker, Handler::Simulate(simulate));
    bad.max_dead_letter_ratio_percent = 50;
    bad.retry = Retry { max_retries: 1, initial_backoff: Duration::from_secs(1), ..bad.retry };
    let running = start(bad.clone());
    running
        .wait_until("the flood guard", |running| running.context.status.document()["processing"] == "DeadLetterFlood");
    let (clock, parked) = (Clock::start(), running.metric("orderpipeline_consumer_parked_orders"));
    assert!(parked.is_some_and(|parked| parked > 2_000.0), "{parked:?}");
    running.wait_until("the retries to be due", |_| clock.now() > Time::ZERO + Duration::from_millis(1_500));
    assert_eq!(running.metric("orderpipeline_consumer_parked_orders"), parked);
    let flooded = running.stop();
    assert!(flooded.counters.dead_lettered < 2_000, "{:?}", flooded.counters);
    let mended = run(&Consume { handler: Handler::None, ..bad });
    let dead = flooded.counters.dead_lettered;
    assert_eq!((mended.counters.succeeded, mended.counters.dead_lettered), (20_000 - dead, dead));
}

#[test]
fn a_stop_waits_for_calls_under_way_and_begins_no_others() {
    let broker = broker();
    send_keyed(&broker, 100, 1);
    let service = TestService::start(|_| Reply::status(200).after(Duration::from_millis(500)));
    let running = start(Consume { max_in_flight: 10, until_idle: None, ..config(&broker, to(&service)) });
    running.wait_until("ten calls", |_| service.calls().len() == 10);
    let ended = running.stop();
    assert_eq!((ended.counters.succeeded, service.calls().len()), (10, 10));
    let ended = run(&Consume { max_in_flight: 100, ..config(&broker, to(&service)) });
    assert_eq!((ended.counters.succeeded, service.calls().len()), (100, 100), "none is lost, none handled twice");
}
