//! The command line: what the user typed (and set in the environment or a settings file) becomes checked configuration.
//!
//! Flags win over environment variables, these over the settings file, that over the defaults. Deliberately opens no
//! connection and reads no password; everything it refuses, it refuses before the role starts, with exit code 2.
#![expect(rustdoc::invalid_html_tags, reason = "comments on arguments are help texts, where <topic> stands for a name")]
mod check;
mod consume;
mod error;
mod flag_groups;
mod http;
mod produce;
mod registry;
mod settings_file;
mod small_roles;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use schemas::settings::ENVIRONMENT_PREFIX;

use crate::config;
pub use error::Error;

const AFTER_HELP: &str = "\
Examples:
  worker demo                                   the whole pipeline, no Kafka needed
  worker produce --bootstrap-servers localhost:9092 --count 100 --interval 500ms
  worker consume --bootstrap-servers localhost:9092 --failure-percent 15
  worker dead-letters --bootstrap-servers localhost:9092 --peek

Every flag has an environment variable and a setting: --max-retries is ORDERPIPELINE_MAX_RETRIES,
and maxRetries in the YAML file that --config names. Flags win over the environment, the
environment over the file.

Exit codes: 0 done; 1 ran and failed, or not every order is accounted for; 2 wrong usage or
settings.";

/// Orders through Kafka: produced, consumed with retries that hold nobody up, no dead letter lost.
#[derive(Debug, Parser)]
#[command(name = "worker", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(small_roles::DemoArguments),
    Produce(produce::ProduceArguments),
    Consume(consume::ConsumeArguments),
    DeadLetters(small_roles::DeadLettersArguments),
    Report(small_roles::ReportArguments),
    Prepare(small_roles::PrepareArguments),
    CheckSchemas(small_roles::CheckSchemasArguments),
}

/// Why no role is started: wrong usage, or a request for help or the version.
#[derive(Debug)]
pub enum Refusal {
    /// The command line is not well formed, or help was asked for.
    Usage(clap::Error),
    /// It is well formed and makes no sense, or the settings file does not.
    Settings(Error),
}

impl Refusal {
    /// Prints what there is to say: help on stdout, everything else on stderr.
    #[must_use]
    pub fn show(&self) -> ExitCode {
        match self {
            Refusal::Usage(error) => {
                // When not even this can be printed, the exit code is all that is left to say.
                error.print().ok();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Refusal::Settings(error) => {
                eprintln!("error: {}", crate::roles::chain(error));
                ExitCode::from(2)
            }
        }
    }
}

/// Reads arguments (the program's name first), environment and settings file.
///
/// # Errors
/// What was asked for cannot be done, or is help.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<config::Command, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let definition = definition();
    let typed = definition.clone().try_get_matches_from(&arguments).map_err(Refusal::Usage)?;
    let arguments = settings_file::join(&definition, &typed, arguments).map_err(Refusal::Settings)?;
    let matches = definition.try_get_matches_from(arguments).map_err(Refusal::Usage)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(Refusal::Usage)?;
    check(arguments.command, &matches).map_err(Refusal::Settings)
}

fn check(command: Command, matches: &clap::ArgMatches) -> Result<config::Command, Error> {
    Ok(match command {
        Command::Demo(arguments) => config::Command::Demo(arguments.check(given(matches, "admin_address"))?),
        Command::Produce(arguments) => config::Command::Produce(arguments.check()?),
        Command::Consume(arguments) => config::Command::Consume(arguments.check()?),
        Command::DeadLetters(arguments) => config::Command::DeadLetters(arguments.check()?),
        Command::Report(arguments) => config::Command::Report(arguments.check()?),
        Command::Prepare(arguments) => config::Command::Prepare(arguments.check()?),
        Command::CheckSchemas(arguments) => config::Command::CheckSchemas(arguments.check()),
    })
}

/// Whether an argument of the subcommand has another value than its default.
fn given(matches: &clap::ArgMatches, id: &str) -> bool {
    let source = matches.subcommand().and_then(|(_, matches)| matches.value_source(id));
    source.is_some_and(|source| source != clap::parser::ValueSource::DefaultValue)
}

/// The definition of the whole command line, every flag with its environment variable.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command().mut_subcommands(|command| {
        command.allow_negative_numbers(true).mut_args(|argument| match argument.get_long() {
            Some(flag) if !matches!(flag, "help" | "version") => with_environment(argument),
            Some(_) | None => argument,
        })
    })
}

fn with_environment(argument: clap::Arg) -> clap::Arg {
    let name = argument.get_long().unwrap_or_default().replace('-', "_").to_ascii_uppercase();
    let argument = argument.env(format!("{ENVIRONMENT_PREFIX}{name}")).hide_env(true);
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        argument.value_parser(BoolishValueParser::new())
    } else {
        argument
    }
}

#[cfg(test)]
mod tests;
