//! Flags of a later release: known, hidden from the help, and refused with what to do instead.
//!
//! Deliberately nothing half-working: as soon as one of them works, it moves to where its command is.
use std::path::PathBuf;

use clap::Args;

use super::error::{Error, NotInThisReleaseSnafu};

#[derive(Debug, Args)]
pub(super) struct RegistryArguments {
    #[arg(long, hide = true, value_name = "URL")]
    schema_registry_url: Option<String>,
    #[arg(long, hide = true, value_name = "HOW")]
    registration: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    registry_username: Option<String>,
    #[arg(long, hide = true, value_name = "FILE")]
    registry_password_file: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "FILE")]
    registry_ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct HandlerArguments {}

/// What to do instead of naming a registry.
pub(super) const WITHOUT_REGISTRY: &str = "asks no schema registry: name the schema of the records with --writer-schema FILE; frames are taken off by themselves";

impl RegistryArguments {
    pub(super) fn refuse(&self) -> Result<(), Error> {
        let given = [
            ("--schema-registry-url", self.schema_registry_url.is_some()),
            ("--registration", self.registration.is_some()),
            ("--registry-username", self.registry_username.is_some()),
            ("--registry-password-file", self.registry_password_file.is_some()),
            ("--registry-ca-file", self.registry_ca_file.is_some()),
        ];
        refuse(&given, WITHOUT_REGISTRY)
    }
}

fn refuse(flags: &[(&'static str, bool)], instead: &'static str) -> Result<(), Error> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => NotInThisReleaseSnafu { flag: *flag, instead }.fail(),
        None => Ok(()),
    }
}
