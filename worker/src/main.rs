//! The `worker` binary: one subcommand per role of the pipeline.
//!
//! Deliberately short: parse, run the role, turn its outcome into an exit code.
fn main() {}
