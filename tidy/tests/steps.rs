//! The runner of `make test` tells the truth: it adds up, it fails when a step fails, and it hides no skip.
//!
//! Each test puts a `make` of its own first on PATH, whose targets say what real steps say.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const MAKE: &str = "\
#!/bin/sh
case $1 in
  two) echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured'; echo 'test result: ok. 1 passed; 0 failed' ;;
  red) echo 'test result: FAILED. 5 passed; 3 failed; 0 ignored; 0 measured'; exit 1 ;;
  broken) echo 'error: could not compile' >&2; exit 2 ;;
  ignored) echo 'test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured' ;;
  skipped) echo 'SKIPPED skipped: needs java 17 and mvn' ;;
esac
";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed").join(name)
}

/// Exit code and lines of `run-steps` over the targets of [`MAKE`].
fn run(steps: &[&str]) -> (Option<i32>, Vec<String>) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let make = folder.path().join("make");
    std::fs::write(&make, MAKE).expect("the folder can be written to");
    std::fs::set_permissions(&make, PermissionsExt::from_mode(0o755)).expect("the file is ours");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let output = Command::new(script("run-steps")).args(steps).env("PATH", path).output().expect("bash is here");
    (output.status.code(), lines(&output))
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect()
}

#[test]
fn tests_of_all_steps_are_added_up_in_the_last_line() {
    let (code, lines) = run(&["two=5", "two=5"]);
    assert_eq!((code, lines.last().map(String::as_str)), (Some(0), Some("6 passed, 0 failed")), "{lines:#?}");
}

#[test]
fn failed_tests_fail_the_run_and_later_steps_run_all_the_same() {
    let (code, lines) = run(&["red=5", "two=5"]);
    assert_eq!((code, lines.last().map(String::as_str)), (Some(1), Some("8 passed, 3 failed")), "{lines:#?}");
}

#[test]
fn a_step_that_does_not_get_to_its_tests_counts_as_one_failed() {
    let (code, lines) = run(&["broken=5", "two=5"]);
    assert_eq!((code, lines.last().map(String::as_str)), (Some(1), Some("3 passed, 1 failed")), "{lines:#?}");
}

#[test]
fn a_skip_is_repeated_in_the_summary_and_counted() {
    let (code, lines) = run(&["two=5", "skipped=5", "ignored=5"]);
    assert_eq!(
        (code, lines.last().map(String::as_str)),
        (Some(0), Some("4 passed, 0 failed, 2 skipped")),
        "{lines:#?}"
    );
    let said = lines.iter().filter(|line| *line == "SKIPPED skipped: needs java 17 and mvn").count();
    assert_eq!(said, 2, "{lines:#?}");
}

#[test]
fn each_step_shows_its_time_against_its_budget() {
    let (_, lines) = run(&["two=5"]);
    assert!(lines.iter().any(|line| line.starts_with("two") && line.ends_with("s of     5 s")), "{lines:#?}");
}

#[test]
fn a_missing_tool_skips_and_with_ci_fails() {
    for (ci, expected) in [("false", 0), ("true", 1)] {
        let mut command = Command::new(script("or-skip"));
        command.arg("kafka-test").arg(script("needs")).args(["no-such-tool", "--", "echo", "ran"]).env("CI", ci);
        let output = command.output().expect("bash is here");
        assert_eq!(output.status.code(), Some(expected));
        let line = "SKIPPED kafka-test: needs no-such-tool from no-such-tool (Debian: apt install no-such-tool)";
        assert_eq!(lines(&output), [line]);
    }
}

#[test]
fn where_nothing_is_missing_the_step_runs_and_its_code_counts() {
    let code = |command: &str| {
        let arguments = ["kafka-test", "true", "--", "sh", "-c", command];
        Command::new(script("or-skip")).args(arguments).output().expect("bash is here").status.code()
    };
    assert_eq!((code("exit 0"), code("exit 7")), (Some(0), Some(7)));
}
