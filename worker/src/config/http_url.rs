//! The address of a service, checked: `http://` or `https://`, a host, and no password in it.
//!
//! Deliberately not echoed when it is refused: it may hold what nobody should read in a log.

use std::fmt;

use http::Uri;
use snafu::{OptionExt, Snafu, ensure};

/// What is wrong with an address. The flag stands before it, the address nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Snafu)]
pub enum HttpUrlError {
    /// It does not read as an address.
    #[snafu(display("is not an address such as https://host:8081/path; write one"))]
    NotAnAddress,
    /// It has another scheme.
    #[snafu(display("begins with neither http:// nor https://; write one of them"))]
    OtherScheme,
    /// It has a name or a password in it.
    #[snafu(display("has a name or a password in it, which would show in logs; take them out"))]
    Credentials,
    /// This build has no TLS.
    #[snafu(display("begins with https://, and this build has no TLS; use a worker built with the feature `tls`"))]
    NoTls,
}

/// An `http://` or `https://` address without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// See [`HttpUrlError`].
    pub fn parse(text: &str) -> Result<HttpUrl, HttpUrlError> {
        // Before anything else: what is refused for another reason must not look like a password either.
        let (scheme, rest) = text.split_once("://").context(NotAnAddressSnafu)?;
        ensure!(matches!(scheme, "http" | "https"), OtherSchemeSnafu);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        ensure!(!authority.contains('@'), CredentialsSnafu);
        let uri: Uri = text.parse().ok().context(NotAnAddressSnafu)?;
        ensure!(uri.host().is_some_and(|host| !host.is_empty()) && !text.contains('#'), NotAnAddressSnafu);
        ensure!(scheme == "http" || cfg!(feature = "tls"), NoTlsSnafu);
        Ok(HttpUrl(uri))
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The address as hyper takes it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpUrl, HttpUrlError};

    #[test]
    fn an_address_is_kept_as_it_was_written() {
        for text in ["http://registry:8081", "http://[::1]:8081/apis/ccompat/v7", "http://shop/orders?dry=1"] {
            let url = HttpUrl::parse(text).expect("a good address");
            assert_eq!(url.to_string().trim_end_matches('/'), text);
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        for text in ["http://me:secret@shop/", "http://me@shop", "http://me:sec ret@shop", "https://a:b@c:1/d?e"] {
            let error = HttpUrl::parse(text).expect_err("it has credentials");
            assert_eq!(error, HttpUrlError::Credentials, "{text}");
            assert!(!error.to_string().contains("sec"), "{error}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in ["", "registry:8081", "http://", "http:///path", "http://shop/#top", "http://sh op/"] {
            assert_eq!(HttpUrl::parse(text), Err(HttpUrlError::NotAnAddress), "{text}");
        }
        assert_eq!(HttpUrl::parse("ftp://shop"), Err(HttpUrlError::OtherScheme));
    }

    #[test]
    fn encrypted_addresses_need_a_build_that_can_encrypt() {
        let url = HttpUrl::parse("https://registry");
        if cfg!(feature = "tls") {
            assert!(url.is_ok_and(|url| url.is_encrypted()));
        } else {
            assert_eq!(url, Err(HttpUrlError::NoTls));
        }
    }
}
