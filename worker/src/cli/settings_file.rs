//! The settings file (`--config`): YAML, read once, turned into the flags of the same names.
//!
//! Every value goes through the parser of its flag, so a file can say nothing that the command line cannot. Settings of
//! other commands are passed over. Deliberately no include, no variables, no defaults of its own.
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use schemas::settings::{Kind, Setting, Settings};
use serde_json::{Map, Value};
use snafu::ResultExt;

use super::error::{Error, ParseSettingsSnafu, ReadFileSnafu, SettingValueSnafu, SettingsSnafu};

/// Flags that say one thing in two ways: when one is typed, the file's other one is dropped.
const ALTERNATIVES: &[[&str; 2]] = &[["rate", "interval"]];

/// The arguments with those of the settings file put before them, where neither flag nor environment says otherwise.
pub(super) fn join(
    definition: &clap::Command,
    typed: &ArgMatches,
    arguments: Vec<OsString>,
) -> Result<Vec<OsString>, Error> {
    let Some((name, matches)) = typed.subcommand() else { return Ok(arguments) };
    let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") else { return Ok(arguments) };
    let command = definition.find_subcommand(name).expect("a parsed subcommand is defined");
    let settings = read(path)?;
    let known: Vec<_> = settings.as_flags().into_iter().filter(|(setting, _)| takes(command, setting)).collect();
    let (program, rest) = arguments.split_at(1.min(arguments.len()));
    let start = |flags: Vec<OsString>| program.iter().cloned().chain([OsString::from(name)]).chain(flags);
    let all = known.iter().flat_map(|(setting, texts)| flags(setting, texts)).collect();
    if let Err(error) = definition.clone().try_get_matches_from(start(all)) {
        let problem = error.to_string();
        let first = problem.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return SettingValueSnafu { path, problem: first }.fail();
    }
    let unsaid = known.iter().filter(|(setting, _)| !is_said(matches, setting));
    let unsaid = unsaid.flat_map(|(setting, texts)| flags(setting, texts)).collect();
    Ok(start(unsaid).chain(rest.iter().skip(1).cloned()).collect())
}

fn read(path: &Path) -> Result<Settings, Error> {
    let text = std::fs::read_to_string(path).context(ReadFileSnafu { flag: "--config", path })?;
    let options = serde_saphyr::options! { with_snippet: false };
    let map = serde_saphyr::from_str_with_options::<Option<Map<String, Value>>>(&text, options)
        .map_err(|error| error.render_with_formatter(&serde_saphyr::UserMessageFormatter))
        .or_else(|problem| ParseSettingsSnafu { path, problem }.fail())?;
    Settings::from_map(map.unwrap_or_default()).context(SettingsSnafu { path })
}

fn takes(command: &clap::Command, setting: &Setting) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(setting.flag().as_str()))
}

fn is_said(matches: &ArgMatches, setting: &Setting) -> bool {
    let flag = setting.flag();
    let pair = ALTERNATIVES.iter().find(|pair| pair.contains(&flag.as_str()));
    let names = pair.map_or_else(|| vec![flag.as_str()], |pair| pair.to_vec());
    names.iter().any(|name| {
        let source = matches.value_source(&name.replace('-', "_"));
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    })
}

fn flags(setting: &Setting, texts: &[String]) -> Vec<OsString> {
    let flag = setting.flag();
    let counted = flag == "verbose";
    texts
        .iter()
        .flat_map(|text| match setting.kind {
            Kind::Switch => vec![format!("--{flag}")],
            Kind::Number if counted => vec![format!("--{flag}"); text.parse().unwrap_or(0)],
            Kind::Number | Kind::Text | Kind::Written | Kind::List | Kind::Pairs => vec![format!("--{flag}={text}")],
        })
        .map(OsString::from)
        .collect()
}
