//! One file a role: receive, decide (engine), act (kafka, handler).
//!
//! Deliberately nothing shared here but how a role ends.
use std::error::Error;

use snafu::Snafu;

use crate::config::Command;

pub mod check_schemas;
pub mod consume;
pub mod dead_letters;
pub mod demo;
pub mod prepare;
pub mod produce;
pub mod report;

mod context;
mod standalone;

pub use context::{RoleContext, StatusBoard};
pub use standalone::{Outcome, standalone};

/// How a role that ran to its end ended; the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It did what it was asked: 0.
    Done,
    /// It ran, and what it saw is not good (not every order accounted for, schemas incompatible, drift refused): 1.
    /// The role has said why.
    Incomplete,
}

/// Why a role could not do what it was asked. The chain of sources is printed once, by `main`.
#[derive(Debug, Snafu)]
pub enum RoleError {
    /// It started and could not go on: exit code 1.
    #[snafu(display("worker {role} gave up"))]
    Ran {
        /// The command's name.
        role: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A setting turned out unusable when it was first used (a schema that does not parse): exit code 2.
    #[snafu(display("worker {role} cannot start with these settings"))]
    Unusable {
        /// The command's name.
        role: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Ending {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Ending::Done => 0,
            Ending::Incomplete => 1,
        }
    }
}

impl RoleError {
    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            RoleError::Ran { .. } => 1,
            RoleError::Unusable { .. } => 2,
        }
    }

    /// Wraps the error of a role that had started.
    pub fn ran(role: &'static str, source: impl Error + Send + Sync + 'static) -> RoleError {
        RoleError::Ran { role, source: Box::new(source) }
    }

    /// Wraps the error of a role that could not start for its settings.
    pub fn unusable(role: &'static str, source: impl Error + Send + Sync + 'static) -> RoleError {
        RoleError::Unusable { role, source: Box::new(source) }
    }
}

/// Runs the command to its end.
///
/// # Errors
/// Whatever kept the role from doing what it was asked; see [`RoleError::exit_code`].
pub fn run(command: &Command) -> Result<Ending, RoleError> {
    match command {
        Command::Demo(config) => demo::run(config),
        Command::Produce(config) => produce::command(config),
        Command::Consume(config) => consume::command(config),
        Command::DeadLetters(config) => dead_letters::run(config),
        Command::Prepare(config) => prepare::run(config),
        Command::Report(config) => report::run(config),
        Command::CheckSchemas(config) => check_schemas::run(config),
    }
}

/// An error with all its sources on one line, the outermost first.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Prints why a command did not do what it was asked: once, here at the border.
pub fn show(error: &RoleError) {
    eprintln!("error: {}", chain(error));
}
