//! Calls of a real service on this machine: what arrives there, and what comes of each thing it may do.

use std::path::Path;
use std::time::Duration;

use schemas::failure::FailureClass;
use schemas::order::{Currency, Money, Order, Text};
use test_service::{Call, Reply as Said, TestService};

use super::*;
use crate::config::{Http, HttpUrl};

/// No test waits for longer.
const HANG: Duration = Duration::from_secs(30);

fn setting(url: &str, timeout: Duration) -> Http {
    let url = HttpUrl::parse(url).expect("a good address");
    Http { url, auth_file: None, ca_file: None, timeout }
}

fn start(setting: &Http) -> Service<usize> {
    Service::start(setting, setting.timeout, std::thread::current(), Clock::start()).expect("it can be called")
}

fn request(number: usize) -> Request {
    let id = format!("o-{number}");
    let order = Order {
        order_id: Text::from(id.as_str()),
        product: Text::from("P1"),
        price: Money::from_minor(5_500),
        quantity: 1,
        currency: Currency::USD,
        created_at_milliseconds: 0,
    };
    let key = IdempotencyKeys::new("group", "orders").key(0, i64::try_from(number).expect("small"));
    Request::new(&order, key, [(&b"traceparent"[..], Some(&b"00-1-2-01"[..]))].into_iter())
}

/// Makes these calls at once and waits for all; what came of each, in their order.
fn call(service: &mut Service<usize>, numbers: std::ops::Range<usize>) -> Vec<Reply> {
    let count = numbers.len();
    numbers.for_each(|number| service.call(number, request(number)));
    service.flush();
    let mut said = Vec::new();
    while said.len() < count {
        let waited = Clock::start();
        said.extend(service.take());
        if said.len() < count {
            std::thread::park_timeout(HANG);
            assert!(waited.now().since(engine::time::Time::ZERO) < HANG, "{} of {count} calls are over", said.len());
        }
    }
    said.sort_by_key(|said| said.token);
    said.into_iter().map(|said| said.reply).collect()
}

/// What comes of one call of a service that does this.
fn one(script: impl Fn(&Call) -> Said + Send + Sync + 'static, timeout: Duration) -> Reply {
    let service = TestService::start(script);
    call(&mut start(&setting(&service.url("/orders"), timeout)), 0..1).remove(0)
}

fn fault(reply: &Reply) -> (FailureClass, &str, &'static str) {
    match &reply.answer {
        Answer::Done => panic!("it failed"),
        Answer::Failed(fault) => (fault.class, &fault.message, fault.exception),
    }
}

#[test]
fn an_order_arrives_as_json_with_its_headers() {
    let service = TestService::start(|_| Said::status(201));
    let mut setting = setting(&service.url("/orders?dry=1"), HANG);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("auth");
    std::fs::write(&path, "token-1").expect("a writable folder");
    setting.auth_file = Some(path);
    let replies = call(&mut start(&setting), 7..8);
    assert_eq!(replies, [Reply { answer: Answer::Done, wait: None }]);
    let calls = service.calls();
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str(), calls.len()), ("POST", "/orders?dry=1", 1));
    assert_eq!(call.json("price"), "55.00");
    assert_eq!(call.header("host"), Some(service.address().to_string().as_str()));
    assert_eq!(call.header("content-type"), Some("application/json"));
    assert_eq!(call.header("idempotency-key"), Some("group-orders-0-7"));
    assert_eq!(call.header("traceparent"), Some("00-1-2-01"));
    assert_eq!(call.header("authorization"), Some("Bearer token-1"));
    assert_eq!(call.header("content-length"), Some(call.body.len().to_string().as_str()));
}

#[test]
fn an_answer_that_is_no_success_says_what_and_for_how_long() {
    let reply = one(|_| Said::status(503).with_header("retry-after", "7").with_body("no stock"), HANG);
    let expected = (FailureClass::Transient, "the service answered 503 Service Unavailable: no stock", "HttpStatus");
    assert_eq!((fault(&reply), reply.wait), (expected, Some(Duration::from_secs(7))));
    let reply = one(|_| Said::status(422), HANG);
    assert_eq!(fault(&reply).0, FailureClass::Rejected);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TestService::start(|_| Said::status(200));
    let place = elsewhere.url("/moved");
    let reply = one(move |_| Said::status(307).with_header("location", place.clone()), HANG);
    assert_eq!(fault(&reply).0, FailureClass::Transient);
    assert!(fault(&reply).1.contains("/moved; redirects are not followed"), "{reply:?}");
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn every_way_to_break_off_is_a_transient_failure_with_its_words() {
    for (script, words) in [
        (Said::reset(), "closed the connection before it answered"),
        (Said::close(), "closed the connection before it answered"),
        (Said::cut_off(200), "broke off in the middle of its answer"),
    ] {
        let reply = one(move |_| script.clone(), HANG);
        let (class, message, exception) = fault(&reply);
        assert_eq!((class, exception), (FailureClass::Transient, "HttpConnection"));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_service_that_hangs_is_given_up_in_time() {
    let reply = one(|_| Said::hang(), Duration::from_millis(100));
    let (class, message, exception) = fault(&reply);
    assert_eq!((class, exception), (FailureClass::Transient, "HttpTimeout"));
    assert!(message.ends_with("within 100ms"), "{message}");
}

#[test]
fn a_service_that_is_not_there_is_named() {
    let mut service = TestService::start(|_| Said::status(200));
    service.stop();
    let replies = call(&mut start(&setting(&service.url("/orders?key=s3cret"), HANG)), 0..1);
    let (class, message, _) = fault(&replies[0]);
    assert_eq!(class, FailureClass::Transient);
    assert!(message.contains(&format!("cannot connect to the service at {}", service.url("/orders"))), "{message}");
    assert!(message.contains("refused") && !message.contains("s3cret"), "{message}");
    let replies = call(&mut start(&setting("http://nowhere.invalid/", HANG)), 0..1);
    assert!(fault(&replies[0]).1.contains("http://nowhere.invalid/"), "{replies:?}");
}

#[test]
fn connections_are_kept_and_none_is_made_beyond_what_is_needed_at_a_time() {
    let service = TestService::start(|_| Said::status(200).with_body("thanks").after(Duration::from_millis(5)));
    let mut client = start(&setting(&service.url("/"), HANG));
    for round in 0..5 {
        let replies = call(&mut client, round * 10..round * 10 + 10);
        assert!(replies.iter().all(|reply| reply.answer == Answer::Done), "{replies:?}");
    }
    assert_eq!((service.calls().len(), service.connections()), (50, 10));
    assert!(service.most_under_way() <= 10);
}

/// Services close connections that were idle for a while, or restart: that is no failure of an order.
#[test]
fn a_kept_connection_that_the_service_closed_costs_no_order_its_try() {
    let mut service = TestService::start(|_| Said::status(200));
    let mut client = start(&setting(&service.url("/"), HANG));
    assert_eq!(call(&mut client, 0..1)[0].answer, Answer::Done);
    service.start_again();
    assert_eq!(call(&mut client, 1..2)[0].answer, Answer::Done);
    // Closed at the very moment of the next call.
    service.behave(|call| if call.connection == 1 { Said::close() } else { Said::status(200) });
    assert_eq!(call(&mut client, 2..3)[0].answer, Answer::Done);
    let numbers: Vec<usize> = service.calls().iter().map(|call| call.number).collect();
    assert_eq!(numbers, [1, 1, 1, 2]);
}

#[test]
fn a_slow_answer_delays_no_other_one() {
    let service = TestService::start(|call| if call.order_id() == "o-0" { Said::hang() } else { Said::status(200) });
    let mut client = start(&setting(&service.url("/"), HANG));
    (0..20).for_each(|number| client.call(number, request(number)));
    client.flush();
    let mut over = Vec::new();
    while over.len() < 19 {
        over.extend(client.take().into_iter().map(|said| said.token));
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(!over.contains(&0), "{over:?}");
}

fn with_file(service: &TestService, folder: &Path, content: &str) -> Http {
    let path = folder.join("auth");
    std::fs::write(&path, content).expect("a writable folder");
    Http { auth_file: Some(path), ..setting(&service.url("/"), HANG) }
}

#[test]
fn credentials_that_changed_are_taken_up_without_a_refused_order() {
    let is_accepted = |call: &Call, token: &str| call.header("authorization") == Some(&format!("Bearer {token}"));
    let service = TestService::start(move |call| Said::status(if is_accepted(call, "old") { 200 } else { 401 }));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut client = start(&with_file(&service, folder.path(), "old"));
    assert_eq!(call(&mut client, 0..1)[0].answer, Answer::Done);
    with_file(&service, folder.path(), "new one");
    service.behave(move |call| Said::status(if is_accepted(call, "new one") { 200 } else { 401 }));
    assert_eq!(call(&mut client, 1..2)[0].answer, Answer::Done);
    service.behave(|_| Said::status(401).with_body("bad token: new one"));
    let replies = call(&mut client, 2..3);
    assert_eq!(fault(&replies[0]).0, FailureClass::Rejected);
    assert_eq!(fault(&replies[0]).1, "the service answered 401 Unauthorized: bad token: ***");
}

#[test]
fn credentials_that_cannot_be_read_are_named_before_the_first_call() {
    let mut setting = setting("http://127.0.0.1:9/", HANG);
    setting.auth_file = Some("/nowhere/auth".into());
    let error = Service::<usize>::start(&setting, HANG, std::thread::current(), Clock::start());
    let error = crate::roles::chain(&error.err().expect("there is no such file"));
    assert!(error.contains("/nowhere/auth that --http-auth-file names"), "{error}");
}

#[cfg(feature = "tls")]
#[test]
fn a_service_is_called_over_tls_only_if_its_certificate_is_trusted() {
    let identity = test_service::tls::Identity::of_address("127.0.0.1");
    let service = TestService::over_tls(&identity, |_| Said::status(200));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, identity.pem()).expect("a writable folder");
    let url = service.url("/orders").replace("http:", "https:");
    let trusting = Http { ca_file: Some(ca_file), ..setting(&url, HANG) };
    assert_eq!(call(&mut start(&trusting), 0..1)[0].answer, Answer::Done);
    let replies = call(&mut start(&setting(&url, HANG)), 0..1);
    let (class, message, _) = fault(&replies[0]);
    assert_eq!(class, FailureClass::Transient);
    assert!(message.contains("certificate verify failed"), "{message}");
    assert_eq!(service.calls().len(), 1);
}
