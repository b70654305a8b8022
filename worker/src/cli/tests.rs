//! What the command line takes, and in which order of precedence.
//!
//! What it refuses is in `worker/tests/cli`; that its references are current, in `worker/tests/generated.rs`.
use std::path::Path;
use std::time::Duration;

use clap::ArgAction;
use schemas::settings::{Kind, SETTINGS, Setting};

use super::*;
use crate::config::{Handler, Input, InputFormat, OnBadLine, Orders, Pace, PrepareTask, Retry};

fn command(line: &str) -> config::Command {
    match read(line.split(' ').map(OsString::from)) {
        Ok(command) => command,
        Err(Refusal::Usage(error)) => panic!("{error}"),
        Err(Refusal::Settings(error)) => panic!("{}", crate::roles::chain(&error)),
    }
}

fn consume(flags: &str) -> config::Consume {
    match command(&format!("worker consume --bootstrap-servers a:1{flags}")) {
        config::Command::Consume(consume) => consume,
        other => panic!("{other:?}"),
    }
}

fn produce(flags: &str) -> config::Produce {
    match command(&format!("worker produce --bootstrap-servers a:1{flags}")) {
        config::Command::Produce(produce) => produce,
        other => panic!("{other:?}"),
    }
}

fn with_file(yaml: &str, run: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("settings.yaml");
    std::fs::write(&path, yaml).expect("a file can be written there");
    run(&path);
}

/// Every flag of every command that can be set by other means too.
fn flags() -> Vec<(String, clap::Arg)> {
    let definition = definition();
    let commands = definition.get_subcommands();
    let all =
        commands.flat_map(|command| command.get_arguments().map(|argument| (command.get_name(), argument.clone())));
    let settable =
        |argument: &clap::Arg| argument.get_long().is_some_and(|flag| !matches!(flag, "help" | "version" | "config"));
    all.filter(|(_, argument)| settable(argument)).map(|(command, argument)| (command.to_owned(), argument)).collect()
}

fn row(argument: &clap::Arg) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| Some(setting.flag().as_str()) == argument.get_long())
}

#[test]
fn the_definition_holds_together() {
    definition().debug_assert();
}

#[test]
fn every_flag_is_a_setting_and_an_environment_variable_and_the_other_way_round() {
    for (command, argument) in flags() {
        let setting = row(&argument).unwrap_or_else(|| panic!("{command} {argument} is not in the table of settings"));
        let variable = argument.get_env().and_then(|variable| variable.to_str());
        assert_eq!(variable, Some(setting.environment_variable().as_str()));
        let expected = match argument.get_action() {
            ArgAction::SetTrue => &[Kind::Switch][..],
            ArgAction::Append => &[Kind::List, Kind::Pairs],
            _ => &[Kind::Text, Kind::Number, Kind::Written],
        };
        assert!(expected.contains(&setting.kind), "{command} {argument} is {:?} in the table", setting.kind);
    }
    for setting in SETTINGS {
        assert!(flags().iter().any(|(_, argument)| row(argument) == Some(setting)), "no flag --{}", setting.flag());
    }
}

#[test]
fn a_flag_means_the_same_in_every_command() {
    for (command, argument) in flags() {
        for (other, twin) in flags().iter().filter(|(_, twin)| twin.get_long() == argument.get_long()) {
            assert_eq!(argument.get_value_names(), twin.get_value_names(), "{command}, {other}: {argument}");
        }
    }
}

#[test]
fn help_stays_short() {
    for (command, argument) in flags().iter().filter(|(_, argument)| !argument.is_hide_set()) {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        assert!((1..=120).contains(&help.len()), "{command} {argument}: {} characters", help.len());
        assert!(!help.ends_with('.'), "{command} {argument}");
        assert!(argument.get_help_heading().is_some(), "{command} {argument} has no heading");
    }
}

#[test]
fn the_least_that_can_be_said_brings_the_defaults() {
    let consume = consume("");
    let common = &consume.common;
    assert_eq!(common.kafka.bootstrap_servers, "a:1");
    assert_eq!(
        (common.topics.orders.as_str(), common.topics.dead_letter.as_str(), common.topics.state.as_str()),
        ("orders", "orders-dlq", "orders-state")
    );
    assert_eq!((common.group_id.as_str(), common.pipeline.as_str()), ("orders", "orders"));
    assert_eq!(common.dead_letter_group_id(), "orders-dead-letters");
    assert_eq!(common.admin_address.to_string(), "0.0.0.0:8080");
    let retry = Retry {
        max_retries: 3,
        initial_backoff: Duration::from_secs(1),
        backoff_multiplier: 2.0,
        max_backoff: Duration::from_secs(30),
        jitter_percent: 0,
    };
    assert_eq!(consume.retry, retry);
    assert_eq!(consume.handler, Handler::None);
    assert_eq!(consume.max_parked_bytes, 134_217_728);
}

#[test]
fn a_failure_flag_brings_the_handler_that_simulates() {
    for flag in ["failure-percent 15", "permanent-percent 1", "fail-above-price 950.00"] {
        assert!(matches!(consume(&format!(" --{flag}")).handler, Handler::Simulate(_)), "{flag}");
    }
    assert!(matches!(consume(" --handler simulate").handler, Handler::Simulate(_)));
}

#[test]
fn names_follow_from_topic_and_group() {
    let common = consume(" --topic shop --group-id till").common;
    assert_eq!(
        (common.topics.dead_letter.as_str(), common.topics.state.as_str(), common.pipeline.as_str()),
        ("shop-dlq", "till-state", "till")
    );
}

#[test]
fn the_pace_is_one_of_three() {
    assert_eq!(produce("").pace, Pace::PerSecond(1.0));
    assert_eq!(produce(" --rate 0").pace, Pace::Unlimited);
    assert_eq!(produce(" --interval 500ms").pace, Pace::Every(Duration::from_millis(500)));
}

#[test]
fn the_end_of_the_inputs_name_tells_its_notation() {
    let orders = |name: &str| produce(&format!(" --input {name} --on-bad-line skip")).orders;
    let file = |name: &str, format| Orders::Read {
        input: Input::File(name.into()),
        format: Some(format),
        on_bad_line: OnBadLine::Skip,
    };
    assert_eq!(orders("a.csv"), file("a.csv", InputFormat::Csv));
    assert_eq!(orders("a.NDJSON"), file("a.NDJSON", InputFormat::Ndjson));
    assert_eq!(orders("-"), Orders::Read { input: Input::Stdin, format: None, on_bad_line: OnBadLine::Skip });
}

#[test]
fn the_demo_needs_no_broker_and_knows_whether_its_port_was_asked_for() {
    let demo = |line| match command(line) {
        config::Command::Demo(demo) => demo,
        other => panic!("{other:?}"),
    };
    let plain = demo("worker demo");
    assert!(plain.is_embedded() && !plain.admin_address_given);
    assert_eq!((plain.orders.map(u64::from), plain.pace), (Some(200), Pace::PerSecond(50.0)));
    let asked = demo("worker demo --input a.csv --bootstrap-servers a:1 --admin-address 127.0.0.1:0");
    assert!(!asked.is_embedded() && asked.admin_address_given);
    assert_eq!(asked.orders, None);
}

#[test]
fn prepare_takes_several_topics_to_delete() {
    let config::Command::Prepare(prepare) = command("worker prepare --bootstrap-servers a:1 --delete one two") else {
        panic!("prepare was asked for");
    };
    assert_eq!(prepare.task, PrepareTask::Delete { topics: vec!["one".to_owned(), "two".to_owned()] });
}

#[test]
fn the_settings_file_speaks_where_nobody_else_does() {
    let yaml = "
bootstrapServers: b:2
groupId: shop          # a comment
maxRetries: 5
initialBackoff: 250ms
maxPrice: 950.50
verbose: 2
clientConfig: {client.id: till, socket.keepalive.enable: true}
rate: 7                # of another command
";
    with_file(yaml, |path| {
        let consume = consume(&format!(" --max-retries 1 --config {}", path.display()));
        assert_eq!(consume.common.kafka.bootstrap_servers, "a:1");
        assert_eq!(consume.common.group_id, "shop");
        assert_eq!((consume.retry.max_retries, consume.retry.initial_backoff), (1, Duration::from_millis(250)));
        assert_eq!(consume.max_price.map(|price| price.to_string()).as_deref(), Some("950.50"));
        assert_eq!(consume.common.verbosity, 2);
        let client: Vec<_> = consume.common.kafka.client_config.into_iter().collect();
        let expected = [("client.id", "till"), ("socket.keepalive.enable", "true")];
        assert_eq!(client, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    });
}

#[test]
fn a_typed_interval_wins_over_a_rate_in_the_file() {
    with_file("rate: 7", |path| {
        let produce = produce(&format!(" --interval 2s --config {}", path.display()));
        assert_eq!(produce.pace, Pace::Every(Duration::from_secs(2)));
    });
}

#[test]
fn switches_and_lists_come_from_the_file_too() {
    let yaml = "bootstrapServers: a:1\ncheckOnly: false\ncreatedTopic: [orders, orders-dlq]\ntopicConfig: {retention.ms: 1000}";
    with_file(yaml, |path| {
        let config::Command::Prepare(prepare) = command(&format!("worker prepare --config {}", path.display())) else {
            panic!("prepare was asked for");
        };
        let PrepareTask::Create { shape, created } = prepare.task else { panic!("nothing else was asked for") };
        assert_eq!(created, ["orders", "orders-dlq"]);
        assert_eq!(shape.config.get("retention.ms").map(String::as_str), Some("1000"));
    });
    with_file("bootstrapServers: a:1\npeek: true", |path| {
        let config::Command::DeadLetters(asked) = command(&format!("worker dead-letters --config {}", path.display()))
        else {
            panic!("dead-letters was asked for");
        };
        assert!(asked.peek);
    });
}
