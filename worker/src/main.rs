//! The `worker` binary: one subcommand per role of the pipeline.
//!
//! Deliberately short: parse, run the role, turn its outcome into an exit code.
use std::process::ExitCode;

use worker::{cli, roles};

fn main() -> ExitCode {
    let command = match cli::read(std::env::args_os()) {
        Ok(command) => command,
        Err(refusal) => return refusal.show(),
    };
    match roles::run(&command) {
        Ok(ending) => ExitCode::from(ending.exit_code()),
        Err(error) => {
            roles::show(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
