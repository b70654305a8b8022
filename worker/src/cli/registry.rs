//! The flags of the schema registry, and what they make together.
//!
//! Deliberately never repeats an address that is refused: it may hold a password.
use std::path::PathBuf;

use clap::Args;
use snafu::{OptionExt, ensure};

use super::error::{AddressSnafu, Error, NeedsSnafu};
use super::values;
use crate::config::{HttpUrl, HttpUrlError, Registration, Registry};

/// The flag that makes all others meaningful.
const URL: &str = "--schema-registry-url";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema registry")]
pub(super) struct RegistryArguments {
    /// Base address of a registry with Confluent's API: framed records are read with its schemas, and written
    #[arg(long, value_name = "URL")]
    pub(super) schema_registry_url: Option<String>,
    /// Where the schema id of written records comes from: lookup, register, latest or id:N [default: lookup]
    #[arg(long, value_name = "HOW", value_parser = values::registration)]
    registration: Option<Registration>,
    /// User name for the registry
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    registry_username: Option<String>,
    /// File that holds the password; read anew at every request
    #[arg(long, value_name = "FILE")]
    registry_password_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that the registry's is signed by [default: the system's]
    #[arg(long, value_name = "FILE")]
    registry_ca_file: Option<PathBuf>,
}

impl RegistryArguments {
    /// The registry, if one is named.
    pub(super) fn check(self) -> Result<Option<Registry>, Error> {
        let given = [
            ("--registration", self.registration.is_some()),
            ("--registry-username", self.registry_username.is_some()),
            ("--registry-password-file", self.registry_password_file.is_some()),
            ("--registry-ca-file", self.registry_ca_file.is_some()),
        ];
        let Some(text) = self.schema_registry_url else {
            return match given.iter().find(|(_, given)| *given) {
                Some((flag, _)) => NeedsSnafu { flag: *flag, needs: URL }.fail(),
                None => Ok(None),
            };
        };
        let url = address(&text)?;
        let needs = |flag, needs| NeedsSnafu { flag, needs };
        let encrypted = needs("--registry-ca-file", "an https:// address in --schema-registry-url");
        ensure!(self.registry_ca_file.is_none() || url.is_encrypted(), encrypted);
        let credentials = match (self.registry_username, self.registry_password_file) {
            (None, None) => None,
            (username, file) => {
                let username = username.context(needs("--registry-password-file", "--registry-username"))?;
                ensure!(!username.contains(':'), needs("--registry-username", "a name without a colon (RFC 7617)"));
                Some((username, file.context(needs("--registry-username", "--registry-password-file"))?))
            }
        };
        let registration = self.registration.unwrap_or_default();
        Ok(Some(Registry { url, registration, credentials, ca_file: self.registry_ca_file }))
    }
}

fn address(text: &str) -> Result<HttpUrl, Error> {
    let checked = HttpUrl::parse(text).and_then(|url| match url.uri().query() {
        Some(_) => Err(HttpUrlError::NotAnAddress),
        None => Ok(url),
    });
    checked.or_else(|problem| {
        let remedy = match problem {
            HttpUrlError::Credentials => ", and use --registry-username and --registry-password-file",
            HttpUrlError::NotAnAddress | HttpUrlError::OtherScheme | HttpUrlError::NoTls => "",
        };
        AddressSnafu { flag: URL, problem, remedy }.fail()
    })
}
