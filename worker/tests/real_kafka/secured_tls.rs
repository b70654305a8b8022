//! TLS and SCRAM: every listener, every certificate that is refused, and certificates that change while the worker runs.

use std::path::Path;

use crate::{
    broker::Broker,
    orders::{self, Made},
    process,
    process::Process,
    secured::{self, Listener, Login, assert_no_secret, assert_told, tls},
    topic, wait,
};

#[test]
fn every_way_in_carries_a_whole_pipeline() {
    let Some(broker) = secured::shared() else { return };
    let ways = [
        Login::password(broker, Listener::Sasl, "plain", "alice"),
        Login::password(broker, Listener::Sasl, "scram-sha-256", "bob"),
        Login::password(broker, Listener::Sasl, "scram-sha-512", "bob"),
        Login::password(broker, Listener::SaslTls, "scram-sha-512", "bob"),
        Login::tls(broker, Listener::Tls, None),
        Login::tls(broker, Listener::Mutual, Some("worker")),
    ];
    let brief = ["--orders", "40", "--rate", "0", "--initial-backoff", "20ms", "--permanent-percent", "20"];
    let demos = ways.each_ref().map(|way| way.worker(&[&["demo"], &brief[..]].concat()));
    for demo in demos {
        let ended = demo.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_no_secret(&ended);
    }
}

#[test]
fn whoever_is_not_let_in_is_told_why_and_what_to_mend() {
    let Some(broker) = secured::shared() else { return };
    let mutual = |name| Login::tls(broker, Listener::Mutual, name);
    let other_authority = tls(broker, "stranger-ca.pem");
    let other_authority = other_authority.to_str().expect("a plain path");
    let mixed = mutual(Some("worker"));
    std::fs::copy(tls(broker, "renewed.key"), key_of(&mixed)).expect("a writable folder");
    let tls_port = broker.listener(Listener::Tls as u16);
    let named = tls_port.replace("127.0.0.1", "localhost");
    let wrong_mechanism = Login::password(broker, Listener::Sasl, "scram-sha-512", "alice");
    let cases = [
        (Login::tls(broker, Listener::Expired, None), "has expired: renew it at the broker", "TlsFailed"),
        (
            Login::tls(broker, Listener::Tls, None).but("--ca-file", other_authority),
            "is signed by no authority in",
            "TlsFailed",
        ),
        (
            Login::tls(broker, Listener::Tls, None).but("--bootstrap-servers", &named),
            "is for another name",
            "TlsFailed",
        ),
        (mutual(None), "asks for a certificate: give --certificate-file and --key-file", "TlsFailed"),
        (mutual(Some("expired")), "it has expired; put a new one there", "TlsFailed"),
        (mutual(Some("stranger")), "it trusts no authority that signed it", "TlsFailed"),
        (
            Login::tls(broker, Listener::Tls, None).but("--bootstrap-servers", broker.address()),
            "does not speak TLS: check the port, and --security-protocol",
            "TlsFailed",
        ),
        (wrong_mechanism, "refuses user alice with the password in", "AuthenticationFailed"),
    ];
    let started =
        cases.map(|(login, words, reason)| (login.worker(&["prepare", "--check-only"]), login, words, reason));
    for (process, _login, words, reason) in started {
        let ended = process.wait();
        assert_eq!(ended.code, Some(1), "{words}: {ended:?}");
        assert_told(&ended, &[words]);
        assert!(ended.stdout.contains(&format!("\"reason\":\"{reason}\"")), "{words}: {}", ended.stdout);
    }
    let ended = mixed.worker(&["prepare", "--check-only"]).wait();
    assert_told(&ended, &["do not belong together"]);
}

fn key_of(login: &Login) -> std::path::PathBuf {
    Path::new(&login.password_file()).with_file_name("user.key")
}

/// A pipeline whose three roles come in by one login.
struct Running<'b> {
    broker: &'b Broker,
    orders: String,
    consumer: Process,
    reader: Process,
}

impl<'b> Running<'b> {
    fn start(broker: &'b Broker, login: &Login, name: &str) -> Running<'b> {
        let orders = topic::unique(name);
        topic::create(broker.address(), &orders, 2);
        topic::create(broker.address(), &format!("{orders}-dlq"), 1);
        topic::create_with(broker.address(), &format!("{orders}-state"), 1, &[("cleanup.policy", "compact")]);
        let names = ["--topic", &orders, "--group-id", &orders];
        let consumer = login.worker(&[&["consume", "--max-price", "500.00"], &names[..]].concat());
        let reader = login.worker(&[&["dead-letters"], &names[..]].concat());
        Running { broker, consumer, reader, orders }
    }

    fn send(&self, made: &[Made]) {
        topic::produce(self.broker.address(), &self.orders, &orders::records(made));
    }

    /// Waits until the consumer has resolved, and the reader seen, all of these orders and no others.
    fn wait_for(&self, made: &[Made]) {
        let dead = made.iter().filter(|order| order.price > 50_000).count();
        let [consumer, reader] = [&self.consumer, &self.reader].map(Process::admin_address);
        let seen = || (process::status(&consumer), process::status(&reader));
        wait::until(
            "all orders to be resolved",
            || format!("{:?}", seen()),
            || {
                let (consumed, read) = seen();
                let all = consumed["totals"]["records"] == made.len() && consumed["totals"]["deadLettered"] == dead;
                (all && read["deadLetters"]["count"] == dead).then_some(())
            },
        );
    }

    fn stop(self) {
        for process in [self.consumer, self.reader] {
            process.terminate();
            let ended = process.wait();
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_no_secret(&ended);
        }
    }
}

#[test]
fn a_changed_certificate_is_taken_up_without_losing_an_order_or_counting_one_twice() {
    let Some(broker) = secured::shared() else { return };
    let login = Login::tls(broker, Listener::Mutual, Some("worker"));
    let running = Running::start(broker, &login, "renewed");
    let sent = topic::unique("sent");
    topic::create(broker.address(), &sent, 1);
    let producer = login.worker(&["produce", "--topic", &sent, "--rate", "300"]);
    let made = orders::made("renewed", 300);
    running.send(&made[..200]);
    running.wait_for(&made[..200]);

    login.take_certificate(broker, "renewed");
    for process in [&running.consumer, &running.reader, &producer] {
        process.wait_for_line("certificate files have changed: connecting anew");
    }
    running.send(&made[200..]);
    running.wait_for(&made);
    running.stop();
    producer.terminate();
    let ended = producer.wait();
    assert_eq!(ended.code, Some(0), "an order that was not acknowledged would be told: {ended:?}");
}

#[test]
fn a_certificate_that_does_not_work_is_told_and_the_connection_kept() {
    let Some(broker) = secured::shared() else { return };
    let login = Login::tls(broker, Listener::Mutual, Some("worker"));
    let running = Running::start(broker, &login, "kept");
    let made = orders::made("kept", 100);
    running.send(&made[..50]);
    running.wait_for(&made[..50]);
    login.take_certificate(broker, "expired");
    for process in [&running.consumer, &running.reader] {
        let told = process.wait_for_line("certificate files have changed, and do not work");
        assert!(told.contains("it has expired; put a new one there"), "{told}");
    }
    running.send(&made[50..]);
    running.wait_for(&made);
    running.stop();
}

#[test]
fn a_worker_that_waits_with_an_expired_certificate_begins_when_it_is_renewed() {
    let Some(broker) = secured::shared() else { return };
    let login = Login::tls(broker, Listener::Mutual, Some("expired"));
    let running = Running::start(broker, &login, "late");
    for process in [&running.consumer, &running.reader] {
        process.wait_for_line("it has expired; put a new one there");
    }
    login.take_certificate(broker, "worker");
    let made = orders::made("late", 20);
    running.send(&made);
    running.wait_for(&made);
    running.stop();
}

#[test]
fn a_changed_password_is_taken_up_by_running_clients() {
    let Some(broker) = secured::start() else { return };
    let dave = Login::password(&broker, Listener::Sasl, "scram-sha-512", "dave");
    let running = Running::start(&broker, &dave, "rotated");
    let made = orders::made("rotated", 200);
    running.send(&made[..100]);
    running.wait_for(&made[..100]);

    secured::change_password(&broker, "dave", "dave-new");
    dave.write_password("dave-new");
    for process in [&running.consumer, &running.reader] {
        process.wait_for_line("has changed and is used from the next connection on");
    }
    // Now every connection has to prove it again.
    broker.stop();
    broker.start_again();
    running.send(&made[100..]);
    running.wait_for(&made);
    running.stop();
}
