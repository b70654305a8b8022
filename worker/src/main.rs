//! The `worker` binary: one subcommand per role of the pipeline.
//!
//! Deliberately short: parse, run the role, turn its outcome into an exit code.
use std::process::ExitCode;

fn main() -> ExitCode {
    // The command line is not read yet: see `roles` for what each command will run.
    ExitCode::from(2)
}
