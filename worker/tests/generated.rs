//! The references that are made from code: they are committed, and these tests compare them with what the code says.
//!
//! `make generate` (`UPDATE_GENERATED=1`) writes them anew. Deliberately no prose beyond a first paragraph: that belongs
//! into documents people write.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use schemas::metric_names::{self, Kind, Metric, Owner};
use schemas::settings::{SETTINGS, Setting};

/// Compares a file with what it should be, or writes it. `path` is from the root of the repository.
fn generated(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).position(|(found, wanted)| found != wanted);
    assert!(found == text, "{path} is out of date from line {}; run make generate", differs.map_or(0, |line| line + 1));
}

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::All => "Every role",
        Owner::Producer => "Producer",
        Owner::Consumer => "Consumer",
        Owner::DeadLetters => "Dead-letter consumer",
        Owner::Decoder => "Whoever decodes orders",
        Owner::Registry => "Whoever asks a schema registry",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    }
}

#[test]
fn generated_metrics_reference_is_current() {
    let mut text = "\
# Metrics

Generated from `schemas/src/metric_names.rs`. Served at `/metrics` of every role, beside the process metrics. The names
are an interface: base units, counters end in `_total` and count what this process did. The labels `namespace`, `pod`,
`pipeline` and `role` are set by whoever scrapes; `worker demo`, one process with all roles, sets `role` itself.
Order ids never become labels; of products at most 50 do, the rest is `other`.
"
    .to_owned();
    let mut last = None;
    for Metric { name, kind: what, help, labels, owner: whose } in metric_names::ALL {
        if last != Some(*whose) {
            write!(text, "\n## {}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", owner(*whose))
                .expect("a String takes all");
            last = Some(*whose);
        }
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{name}` | {} | {} | {help} |", kind(*what), labels.join(", ")).expect("a String takes all");
    }
    generated("docs/metrics.md", &text);
}

/// What the commands say of one flag: default and help, each with the commands that say so.
#[derive(Default)]
struct Said {
    defaults: Vec<(String, Vec<String>)>,
    helps: Vec<(String, Vec<String>)>,
}

fn note(said: &mut Vec<(String, Vec<String>)>, what: String, command: &str) {
    match said.iter_mut().find(|(known, _)| *known == what) {
        Some((_, commands)) => commands.push(command.to_owned()),
        None => said.push((what, vec![command.to_owned()])),
    }
}

/// One text, or several with their commands.
fn joined(said: &[(String, Vec<String>)]) -> String {
    match said {
        [(only, _)] => only.clone(),
        several => {
            let with_commands = |(what, commands): &(String, Vec<String>)| {
                let what = if what.is_empty() { "none" } else { what };
                format!("{what} ({})", commands.join(", "))
            };
            several.iter().map(with_commands).collect::<Vec<_>>().join("; ")
        }
    }
}

/// A default that depends on other flags stands in the help: `Name [default: the group]`.
fn default_and_help(argument: &clap::Arg) -> (String, String) {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.replace('|', "\\|").replace('<', "&lt;");
    if let Some((help, default)) = help.split_once(" [default: ") {
        return (default.trim_end_matches(']').to_owned(), help.to_owned());
    }
    if !argument.get_action().takes_values() {
        return (String::new(), help);
    }
    let values: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.display())).collect();
    (values.join(", "), help)
}

fn flags() -> BTreeMap<String, Said> {
    let mut flags: BTreeMap<String, Said> = BTreeMap::new();
    for command in worker::cli::definition().get_subcommands() {
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(flag) = argument.get_long() else { continue };
            let (default, help) = default_and_help(argument);
            let said = flags.entry(flag.to_owned()).or_default();
            note(&mut said.defaults, default, command.get_name());
            note(&mut said.helps, help, command.get_name());
        }
    }
    flags
}

#[test]
fn generated_settings_reference_is_current() {
    let mut text = "\
# Flags and settings

Generated from the command line. One name in four spellings: the flag, the environment variable, the key in the YAML file
that `--config` names and, where there is one, the field of the `OrderPipeline` resource. Flags win over the environment,
the environment over the file; a list or map given as a flag replaces the file's whole one. A file may hold settings of
several commands; an unknown one is refused. Durations are written `500ms`, `2s`, `5m`.

| flag | setting | environment variable | `OrderPipeline` | default | commands | meaning |
|---|---|---|---|---|---|---|
"
    .to_owned();
    let flags = flags();
    for setting in SETTINGS {
        if let Some(said) = flags.get(&setting.flag()) {
            text.push_str(&row(setting, said));
        }
    }
    generated("docs/reference/settings.md", &text);
}

fn row(setting: &Setting, said: &Said) -> String {
    let mut commands: Vec<&str> = said.helps.iter().flat_map(|(_, commands)| commands).map(String::as_str).collect();
    commands.sort_unstable();
    let (flag, key, variable) = (setting.flag(), setting.key(), setting.environment_variable());
    let fields: Vec<String> = setting.resource_fields.iter().map(|field| format!("`{field}`")).collect();
    let (fields, commands) = (fields.join(", "), commands.join(", "));
    let (defaults, helps) = (joined(&said.defaults), joined(&said.helps));
    format!("| `--{flag}` | `{key}` | `{variable}` | {fields} | {defaults} | {commands} | {helps} |\n")
}

#[test]
fn generated_commands_reference_is_current() {
    let mut text = "# Commands\n\nGenerated from the command line: what `worker <command> --help` says.\n".to_owned();
    let mut section = |name: &str, command: clap::Command| {
        let help = command.term_width(100).render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()).expect("a String takes all");
    };
    let mut definition = worker::cli::definition();
    definition.build();
    section("worker", definition.clone());
    for command in definition.get_subcommands() {
        section(&format!("worker {}", command.get_name()), command.clone());
    }
    generated("docs/reference/commands.md", &text);
}
