//! The service that the http handler calls, and how.
//!
//! Deliberately holds no secret (only the file it is in, which may change while we run) and opens no connection.
use std::path::PathBuf;
use std::time::Duration;

use super::HttpUrl;

/// How to call the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where each order is posted to.
    pub url: HttpUrl,
    /// Holds `user:password` or a bearer token.
    pub auth_file: Option<PathBuf>,
    /// PEM certificates of the authorities that sign the service's certificate; absent = the system's.
    pub ca_file: Option<PathBuf>,
    /// From the beginning of a call to the end of its answer, connecting included.
    pub timeout: Duration,
}

impl Http {
    /// The address as it is shown to people: without its query, which may hold a key.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let text = self.url.to_string();
        text.split('?').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Http, HttpUrl};

    #[test]
    fn a_key_in_the_query_is_not_shown() {
        let url = HttpUrl::parse("http://fulfilment:8080/orders?key=s3cret").expect("a good address");
        let http = Http { url, auth_file: None, ca_file: None, timeout: std::time::Duration::from_secs(5) };
        assert_eq!(http.shown_url(), "http://fulfilment:8080/orders");
    }
}
