//! The client against a registry in this process: every bad answer, and what each way to an id refuses.

use std::cell::RefCell;
use std::time::Duration;

use schemas::codec::{ORDER_V1, ORDER_V2, SchemaVersion};

use super::client::{Found, Version};
use super::testing::{FakeRegistry, Fault};
use super::*;
use crate::clock::Clock;
use crate::config::{HttpUrl, Registration, Registry};
use crate::roles::chain;

/// A bound on hangs, never on speed.
const HANG: Duration = Duration::from_secs(30);

const FOREIGN: &str = r#"{"type": "record", "name": "Order", "fields": [{"name": "orderId", "type": "string"},
    {"name": "product", "type": "string"}, {"name": "price", "type": "float"}]}"#;

fn client(registry: &FakeRegistry) -> Client {
    Client::new(&registry.config(Registration::Lookup), None).expect("nothing to set up")
}

fn schema(registry: &FakeRegistry, id: u32) -> Result<Option<Found>, Error> {
    block_on(client(registry).schema(id))
}

fn avro(text: &str) -> Found {
    Found::Avro { text: text.to_owned(), references: Vec::new() }
}

fn subject() -> Subject {
    Subject::of_topic("orders", SchemaVersion::V2)
}

fn identify(registry: &FakeRegistry, registration: Registration) -> Result<u32, Refusal> {
    block_on(subject().identify(&client(registry), registration))
}

fn refused(registry: &FakeRegistry, registration: Registration) -> String {
    chain(&identify(registry, registration).expect_err("there is no id to be had"))
}

/// What waits for a condition, and how long.
fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::start();
    loop {
        if let Some(seen) = probe() {
            return seen;
        }
        assert!(clock.now().since(engine::time::Time::ZERO) < HANG, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_schema_is_asked_for_by_its_id_behind_the_path_of_the_address() {
    let registry = FakeRegistry::start();
    registry.add(7, "orders-value", ORDER_V1, &[]);
    assert_eq!(schema(&registry, 7).expect("an answer"), Some(avro(ORDER_V1)));
    assert_eq!(schema(&registry, 8).expect("an answer"), None);
    assert_eq!(registry.requests(), ["GET /schemas/ids/7?deleted=true", "GET /schemas/ids/8?deleted=true"]);
}

#[test]
fn references_are_gathered_once_each_however_often_they_are_named() {
    let registry = FakeRegistry::start();
    registry.add(1, "places/address", "address", &[]);
    registry.add(2, "people", "person", &[("places/address", 1)]);
    registry.add(3, "orders-value", "order", &[("people", 1), ("places/address", 1)]);
    let found = schema(&registry, 3).expect("an answer").expect("it is there");
    let references = ["address", "person"].map(str::to_owned).to_vec();
    assert_eq!(found, Found::Avro { text: "order".to_owned(), references });
    let asked = registry.requests();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.contains(&"GET /subjects/places%2Faddress/versions/1?deleted=true".to_owned()), "{asked:?}");
}

#[test]
fn a_circle_of_references_ends_and_too_many_or_missing_ones_make_a_schema_unusable() {
    let registry = FakeRegistry::start();
    registry.add(1, "a", "first", &[("b", 1)]);
    registry.add(2, "b", "second", &[("a", 1)]);
    let found = schema(&registry, 1).expect("an answer");
    let references = ["first", "second"].map(str::to_owned).to_vec();
    assert_eq!(
        found,
        Some(Found::Avro { text: "first".to_owned(), references: references.into_iter().rev().collect() })
    );
    registry.add(3, "c", "lost", &[("nowhere", 1)]);
    let Ok(Some(Found::Unusable(why))) = schema(&registry, 3) else { panic!("a reference is missing") };
    assert!(why.contains("refers to subject nowhere version 1, which is not there"), "{why}");
    let many: Vec<String> = (0..65).map(|number| format!("part-{number}")).collect();
    many.iter().zip(10..).for_each(|(part, id)| registry.add(id, part, "part", &[]));
    let references: Vec<(&str, u32)> = many.iter().map(|part| (part.as_str(), 1)).collect();
    registry.add(4, "d", "whole", &references);
    assert!(matches!(schema(&registry, 4), Ok(Some(Found::Unusable(why))) if why.contains("more than 64 schemas")));
}

#[test]
fn a_page_a_redirect_and_an_answer_to_another_question_are_no_schemas() {
    let registry = FakeRegistry::start();
    registry.add(7, "orders-value", ORDER_V2, &[]);
    let faults = [
        (Fault::Page, "does not answer like a schema registry: 200 OK with 52 bytes of text/html"),
        (Fault::Redirect, "redirect to https://login.example/, which is not followed"),
        (Fault::WrongId(8), "answered with schema id 8 when asked for 7"),
        (Fault::Status(401, 40_101, None), "check --registry-username"),
        (Fault::Status(404, 404, None), "--schema-registry-url is the base of Confluent's API"),
    ];
    for (fault, words) in faults {
        registry.fail_once(fault);
        let error = schema(&registry, 7).expect_err("no answer");
        assert!(error.to_string().contains(words) && !error.is_passing(), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert_eq!(registry.requests().len(), 5, "none is followed or repeated");
}

#[test]
fn a_broken_connection_and_a_busy_registry_pass() {
    let registry = FakeRegistry::start();
    registry.add(7, "orders-value", ORDER_V2, &[]);
    for fault in [Fault::Reset, Fault::Torn, Fault::Status(500, 50_001, None), Fault::Status(429, 42_901, Some(3))] {
        registry.fail_once(fault);
        let error = schema(&registry, 7).expect_err("no answer");
        assert!(error.is_passing(), "{}", chain(&error));
    }
    let nobody = HttpUrl::parse("http://127.0.0.1:1").expect("a good address");
    let nobody = Registry { url: nobody, registration: Registration::Lookup, credentials: None, ca_file: None };
    let client = Client::new(&nobody, None).expect("nothing to set up");
    let error = block_on(client.schema(7)).expect_err("nobody listens there");
    let words = chain(&error);
    assert!(error.is_passing() && words.contains("127.0.0.1:1 does not answer: cannot connect"), "{words}");
    assert!(words.contains("Connection refused"), "{words}");
}

#[test]
fn a_schema_of_40_megabytes_is_not_read_and_cannot_be_used() {
    let registry = FakeRegistry::start();
    for is_announced in [true, false] {
        registry.fail_once(Fault::Huge { bytes: 40 << 20, is_announced });
        let Ok(Some(Found::Unusable(why))) = schema(&registry, 7) else { panic!("nobody reads that") };
        assert_eq!(why, "the registry's answer is larger than 4194304 bytes");
    }
}

#[test]
fn name_and_password_are_sent_and_a_changed_password_is_taken_up() {
    let registry = FakeRegistry::start();
    registry.add(7, "orders-value", ORDER_V2, &[]);
    registry.require("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("password");
    let credentials = Some(("Aladdin".to_owned(), file.clone()));
    let config = Registry { credentials, ..registry.config(Registration::Lookup) };
    let client = Client::new(&config, None).expect("nothing to set up");
    let error = chain(&block_on(client.schema(7)).expect_err("there is no file"));
    assert!(error.contains("password that --registry-password-file names; check the path"), "{error}");
    std::fs::write(&file, "close sesame").expect("a file");
    assert!(matches!(block_on(client.schema(7)), Err(Error::Forbidden { .. })));
    std::fs::write(&file, "open sesame\n").expect("a file");
    assert_eq!(block_on(client.schema(7)).expect("an answer"), Some(avro(ORDER_V2)));
}

#[test]
fn looking_up_finds_the_schema_or_says_how_to_register_it() {
    let registry = FakeRegistry::start();
    for known in [None, Some(3)] {
        known.into_iter().for_each(|id| registry.add(id, "orders-value", FOREIGN, &[]));
        let error = refused(&registry, Registration::Lookup);
        assert!(error.contains("order.v2.avsc is not registered under subject orders-value"), "{error}");
        assert!(error.contains("`worker prepare --registration register`"), "{error}");
    }
    registry.add(5, "orders-value", ORDER_V2, &[]);
    assert_eq!(identify(&registry, Registration::Lookup).expect("it is there"), 5);
}

#[test]
fn registering_makes_a_version_once_or_says_what_it_does_not_go_with() {
    let registry = FakeRegistry::start();
    assert_eq!(identify(&registry, Registration::Register).expect("a new subject"), 1);
    assert_eq!(identify(&registry, Registration::Register).expect("the same again"), 1);
    registry.refuse_schemas("field price was retyped");
    assert_eq!(identify(&registry, Registration::Register).expect("it is there already"), 1);
    let other = Subject::of_topic("orders", SchemaVersion::V1);
    let error = block_on(other.identify(&client(&registry), Registration::Register)).expect_err("incompatible");
    let words = chain(&error);
    assert!(matches!(error, Refusal::Incompatible { .. }) && words.contains("field price was retyped"), "{words}");
    let error = block_on(other.compare(&client(&registry))).expect_err("incompatible");
    assert!(chain(&error).contains("order.v1.avsc does not go with the schemas of subject orders-value"), "{error}");
}

#[test]
fn the_latest_and_a_pinned_schema_must_have_the_layout_that_is_written() {
    let registry = FakeRegistry::start();
    let error = refused(&registry, Registration::Latest);
    assert!(error.contains("subject orders-value of schema registry") && error.contains("no schema yet"), "{error}");
    assert!(refused(&registry, Registration::Id(4)).contains("correct --registration id:4"));
    registry.add(4, "orders-value", ORDER_V1, &[]);
    for registration in [Registration::Latest, Registration::Id(4)] {
        let error = refused(&registry, registration);
        assert!(error.contains("id 4") && error.contains("write with --schema-version 1"), "{error}");
    }
    registry.add(6, "orders-value", FOREIGN, &[]);
    let error = refused(&registry, Registration::Latest);
    assert!(error.contains("is not what --schema-version 2 writes: its fields are others"), "{error}");
    registry.add(9, "orders-value", &ORDER_V2.replace("orderpipeline", "com.example"), &[]);
    for registration in [Registration::Latest, Registration::Id(9)] {
        assert_eq!(identify(&registry, registration).expect("the same bytes"), 9);
    }
    let latest = block_on(client(&registry).latest("orders-value")).expect("an answer").expect("it is there");
    assert!(matches!(latest, Version { id: 9, version: 3, .. }));
}

#[test]
fn an_id_whose_schema_is_another_is_not_written() {
    let registry = FakeRegistry::start();
    registry.add(3, "orders-value", ORDER_V2, &[]);
    registry.add(4, "payments-value", FOREIGN, &[]);
    for (id, words) in [(4, "its fields are others"), (12, "there is no schema with this id"), (0, "schema id 0")] {
        registry.fail_once(Fault::WrongId(id));
        let error = refused(&registry, Registration::Lookup);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn trouble_that_passes_is_waited_for_and_told_and_other_trouble_is_not() {
    let registry = FakeRegistry::start();
    registry.add(3, "orders-value", ORDER_V2, &[]);
    let client = client(&registry);
    let told = RefCell::new(Vec::new());
    let ask = |limit: Option<Duration>, is_over: bool| {
        let clock = Clock::start();
        let patience = Patience {
            clock,
            chance: Chance::new(1),
            until: limit.map(|limit| clock.now() + limit),
            is_over: &|| is_over,
            tell: &|words| told.borrow_mut().push(words),
        };
        block_on(patience.ask(async || subject().identify(&client, Registration::Lookup).await))
    };
    registry.fail_once(Fault::Status(503, 50_003, None));
    registry.fail_once(Fault::Reset);
    assert_eq!(ask(Some(HANG), false).expect("nobody stops").expect("it is there"), 3);
    assert_eq!(told.borrow().len(), 2, "{told:?}");
    assert!(told.borrow()[0].contains("503 Service Unavailable (50003: made to fail)"), "{told:?}");

    registry.fail(Some(Fault::Status(503, 50_003, None)));
    assert!(ask(Some(Duration::ZERO), false).expect("nobody stops").is_err(), "the time is up");
    assert!(ask(None, true).is_none(), "nobody wants to know any more");
    registry.fail(Some(Fault::Page));
    let before = registry.requests().len();
    assert!(ask(None, false).expect("nobody stops").is_err(), "somebody has to mend that");
    assert_eq!(registry.requests().len(), before + 1);
}

#[test]
fn a_question_is_asked_once_for_all_and_repeated_until_it_is_answered() {
    let registry = FakeRegistry::start();
    registry.add(7, "orders-value", ORDER_V2, &[]);
    registry.fail(Some(Fault::Status(500, 50_001, None)));
    let schemas = Schemas::start(client(&registry), Clock::start(), Chance::new(1));
    let others = schemas.clone();
    assert_eq!(schemas.look_up(7, Asker::FirstTry), Known::Coming { trouble: None });
    let trouble = until("the trouble to be told", || others.trouble());
    assert!(trouble.contains("500 Internal Server Error (50001: made to fail)"), "{trouble}");
    assert!(matches!(others.look_up(7, Asker::Retry), Known::Coming { trouble: Some(_) }));
    assert_eq!(others.answers(), 0);

    registry.fail(None);
    until("the answer", || (schemas.answers() == 1).then_some(()));
    assert!(matches!(schemas.look_up(7, Asker::FirstTry), Known::Schema(found) if *found == avro(ORDER_V2)));
    assert_eq!(schemas.trouble(), None);
    let asked = registry.requests().len();
    (0..100).for_each(|_| assert!(matches!(others.look_up(7, Asker::FirstTry), Known::Schema(_))));
    assert_eq!(registry.requests().len(), asked, "what is known is not asked again");
}

#[test]
fn a_flood_of_one_unknown_id_is_one_request() {
    let registry = FakeRegistry::start();
    let schemas = Schemas::start(client(&registry), Clock::start(), Chance::new(1));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let schemas = schemas.clone();
            std::thread::spawn(move || (0..1000).for_each(|_| drop(schemas.look_up(404, Asker::FirstTry))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it only looks"));
    until("the miss", || (schemas.look_up(404, Asker::FirstTry) == Known::Missing).then_some(()));
    assert_eq!(registry.requests(), ["GET /schemas/ids/404?deleted=true"]);
}

#[test]
fn the_latest_id_is_followed_while_the_layout_stays() {
    let registry = FakeRegistry::start();
    registry.add(3, "orders-value", ORDER_V2, &[]);
    let follower = Follower::following(3, subject(), client(&registry), Duration::from_millis(5));
    let asked = |count: usize| until("more questions", || (registry.requests().len() > count).then_some(()));
    registry.fail(Some(Fault::Reset));
    asked(3);
    assert_eq!(follower.id(), 3, "trouble changes nothing");
    registry.fail(None);
    registry.add(5, "orders-value", &ORDER_V2.replace("One order", "An order"), &[]);
    until("the new id", || (follower.id() == 5).then_some(()));
    registry.add(6, "orders-value", FOREIGN, &[]);
    asked(registry.requests().len() + 3);
    assert_eq!(follower.id(), 5, "another layout is not written");
}
