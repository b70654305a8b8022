//! What the binary answers to bad input: one clear message that names the thing and the remedy, and exit code 2.
//!
//! The conversations are in `cli/*.trycmd`; `TRYCMD=overwrite` writes what the binary says now. Deliberately none that
//! needs a broker.

use std::process::Command;
use std::time::Duration;

/// A check that is gone must not leave a consumer behind that waits for its broker for ever.
const HANGS_AFTER: Duration = Duration::from_secs(30);

#[test]
fn bad_input_is_refused_with_what_to_do() {
    trycmd::TestCases::new().default_bin_name("worker").timeout(HANGS_AFTER).case("tests/cli/*.trycmd");
}

/// What the worker says, with exit code 2, to a command line with environment variables of its own.
fn refusal(environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.arg(HANGS_AFTER.as_secs().to_string()).arg(env!("CARGO_BIN_EXE_worker"));
    command.args(arguments).envs(environment.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("the worker starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "talk goes to stderr: {output:?}");
    String::from_utf8(output.stderr).expect("messages are UTF-8")
}

const FILE: [&str; 3] = ["consume", "--config", "tests/cli/settings_file.in/same_topic.yaml"];

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let both = |topic: &str| {
        format!("error: --topic and --dead-letter-topic are both {topic:?}; give them different topics\n")
    };
    assert_eq!(refusal(&[], &FILE), both("shop"));
    let environment = [("ORDERPIPELINE_TOPIC", "till"), ("ORDERPIPELINE_DEAD_LETTER_TOPIC", "till")];
    assert_eq!(refusal(&environment, &FILE), both("till"));
    let flags = ["--topic", "counter", "--dead-letter-topic", "counter"];
    assert_eq!(refusal(&environment, &[FILE.as_slice(), &flags].concat()), both("counter"));
    let mixed = [("ORDERPIPELINE_TOPIC", "till")];
    assert_eq!(refusal(&mixed, &[FILE.as_slice(), &["--dead-letter-topic", "till"]].concat()), both("till"));
}

#[test]
fn the_settings_file_can_be_named_by_the_environment() {
    let named = [("ORDERPIPELINE_CONFIG", "tests/cli/settings_file.in/same_topic.yaml")];
    assert!(refusal(&named, &["consume"]).contains("are both \"shop\""));
}

#[test]
fn switches_and_counts_have_environment_variables_too() {
    let delete = ["prepare", "--bootstrap-servers", "localhost:9092", "--delete", "orders"];
    let on = refusal(&[("ORDERPIPELINE_CHECK_ONLY", "yes")], &delete);
    assert!(on.contains("cannot be used with '--check-only'"), "{on}");
    let unclear = refusal(&[("ORDERPIPELINE_CHECK_ONLY", "maybe")], &delete);
    assert!(unclear.starts_with("error: invalid value 'maybe' for '--check-only'"), "{unclear}");
    let many = refusal(&[("ORDERPIPELINE_VERBOSE", "many")], &["consume"]);
    assert!(many.starts_with("error: invalid value 'many' for '--verbose...'"), "{many}");
    assert!(refusal(&[("ORDERPIPELINE_VERBOSE", "2")], &["consume"]).starts_with("error: no broker to connect to"));
}
