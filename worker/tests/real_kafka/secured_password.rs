//! Passwords that are wrong, that are mended, and that change while the worker runs; by PLAIN, which needs no TLS build.

use std::fs;

use serde_json::Value;

use crate::{
    process,
    secured::{self, Listener, Login, assert_no_secret, assert_told},
    secured_proxy::Proxy,
    topic, wait,
};

/// What `worker prepare` printed.
fn outcome(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error} in {stdout}"))
}

#[test]
fn a_wrong_password_ends_a_one_shot_run_at_once_with_the_remedy() {
    let Some(broker) = secured::shared() else { return };
    let alice = Login::password(broker, Listener::Sasl, "plain", "alice");
    alice.write_password("carol-secret");
    let commands: [&[&str]; 4] = [
        &["prepare", "-v", "-v", "--client-config", "debug=all"],
        &["consume", "-v", "-v", "--until-idle", "1s", "--client-config", "debug=all"],
        &["dead-letters", "--peek"],
        &["produce", "--count", "1"],
    ];
    for (command, process) in commands.map(|command| (command[0], alice.worker(command))) {
        let ended = process.wait();
        assert_eq!(ended.code, Some(1), "{command}: {ended:?}");
        let address = broker.listener(Listener::Sasl as u16);
        let told = format!("Kafka at {address} refuses user alice with the password in {}", alice.password_file());
        assert_told(&ended, &[&told, "--sasl-username"]);
        if command == "prepare" {
            assert_eq!(outcome(&ended.stdout)["kafkaReachable"]["reason"], "AuthenticationFailed");
        }
    }
}

#[test]
fn a_file_that_holds_no_password_is_named() {
    let Some(broker) = secured::shared() else { return };
    let alice = Login::password(broker, Listener::Sasl, "plain", "alice");
    alice.write_password("");
    let ended = alice.worker(&["consume"]).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_told(&ended, &[&format!("the password file {} of user alice is empty", alice.password_file())]);
    fs::remove_file(alice.password_file()).expect("it was there");
    let ended = alice.worker(&["consume"]).wait();
    assert_told(&ended, &["cannot read the password of user alice from", "No such file"]);
}

#[test]
fn a_wrong_password_is_told_once_without_a_storm_and_mended_without_a_restart() {
    let Some(broker) = secured::shared() else { return };
    let (orders, group) = (topic::unique("mended"), topic::unique("mended"));
    let dead_letters = format!("{orders}-dlq");
    topic::create(broker.address(), &orders, 2);
    topic::create(broker.address(), &dead_letters, 1);
    let door = Proxy::to(&broker.listener(Listener::Sasl as u16));
    let alice = Login::password_at(door.address(), Listener::Sasl, "plain", "alice");
    alice.write_password("carol-secret");
    let names = ["--topic", &orders, "--group-id", &group, "-v", "-v", "--client-config", "debug=all"];
    let consumer = alice.worker(&[&["consume", "--state", "none"], &names[..]].concat());
    let reader = alice.worker(&[&["dead-letters"], &names[..]].concat());
    let producer = alice.worker(&["produce", "--topic", &orders, "--rate", "200"]);
    let waiting = [&consumer, &reader, &producer];
    for process in waiting {
        process.wait_for_line("refuses user alice with the password in");
    }
    // From 0.1 s on each wait is twice as long as the one before: by the fifth try of each three seconds are over.
    wait::until(
        "each to have tried for a while",
        || door.connections().to_string(),
        || (door.connections() >= 15).then_some(()),
    );
    alice.write_password("alice-secret");
    for process in waiting {
        let admin = process.admin_address();
        wait::until(
            "it to be ready",
            || process::get(&admin, "/readyz").1,
            || (process::get(&admin, "/readyz").0 == 200).then_some(()),
        );
    }
    assert!(door.connections() <= 40, "{} connections", door.connections());
    let admin = consumer.admin_address();
    wait::until(
        "orders to come",
        || process::status(&admin).to_string(),
        || process::status(&admin)["totals"]["records"].as_u64().filter(|records| *records > 0),
    );
    for process in [producer, consumer, reader] {
        process.terminate();
        let ended = process.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let warned =
            ended.stderr.lines().filter(|line| line.starts_with("warning") && line.contains("refuses user alice"));
        assert_eq!(warned.count(), 1, "{}", ended.stderr);
        assert_no_secret(&ended);
    }
}
