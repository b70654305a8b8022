//! The flags of the http handler, and what they make together.
//!
//! Deliberately never repeats an address that is refused: it may hold a password.
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use snafu::OptionExt;

use super::error::{AddressSnafu, Error, NeedsSnafu};
use super::values;
use crate::config::{Http, HttpUrl, HttpUrlError};

/// What the flags need beside them.
const NEEDS: &str = "--handler http";

#[derive(Debug, Args)]
#[command(next_help_heading = "Handling")]
pub(super) struct HttpArguments {
    /// Service that each order is posted to, as JSON; implies --handler http
    #[arg(long, value_name = "URL")]
    pub(super) http_url: Option<String>,
    /// Holds user:password or a bearer token for the service; read again when it changes
    #[arg(long, value_name = "FILE")]
    http_auth_file: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that the service's is signed by [default: the system's]
    #[arg(long, value_name = "FILE")]
    http_ca_file: Option<PathBuf>,
    /// Longest time for one call of the service
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::positive_duration)]
    http_timeout: Duration,
}

impl HttpArguments {
    /// What the http handler needs; it was asked for.
    pub(super) fn check(self) -> Result<Http, Error> {
        let flag = "--http-url";
        let text = self.http_url.context(NeedsSnafu { flag: NEEDS, needs: flag })?;
        let url = HttpUrl::parse(&text).or_else(|problem| {
            let remedy = match problem {
                HttpUrlError::Credentials => " and put them into a file that --http-auth-file names",
                HttpUrlError::NotAnAddress | HttpUrlError::OtherScheme | HttpUrlError::NoTls => "",
            };
            AddressSnafu { flag, problem, remedy }.fail()
        })?;
        if self.http_ca_file.is_some() && !url.is_encrypted() {
            return NeedsSnafu { flag: "--http-ca-file", needs: "an https:// address in --http-url" }.fail();
        }
        Ok(Http { url, auth_file: self.http_auth_file, ca_file: self.http_ca_file, timeout: self.http_timeout })
    }

    /// Refuses flags that mean nothing to another handler.
    pub(super) fn refuse(&self) -> Result<(), Error> {
        let given = [
            ("--http-url", self.http_url.is_some()),
            ("--http-auth-file", self.http_auth_file.is_some()),
            ("--http-ca-file", self.http_ca_file.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((flag, _)) => NeedsSnafu { flag: *flag, needs: NEEDS }.fail(),
            None => Ok(()),
        }
    }
}
