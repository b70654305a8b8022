//! How connections are made: plain, or with TLS where this build has it.
//!
//! TLS is OpenSSL's, which librdkafka links anyway: a second implementation would cost two megabytes. Deliberately no
//! way to switch the check of certificates off.

use std::path::Path;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

use super::Error;

/// Makes connections.
#[cfg(feature = "tls")]
pub(crate) type Connector = hyper_openssl::client::legacy::HttpsConnector<HttpConnector>;
/// Makes connections.
#[cfg(not(feature = "tls"))]
pub(crate) type Connector = HttpConnector;

/// A connection, plain or with TLS, as hyper reads and writes it.
pub(crate) type Stream = <Connector as tower_service::Service<http::Uri>>::Response;

/// Plain connections that give up after a time; `nodelay`, because requests are small.
fn tcp(connect_timeout: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    tcp
}

/// A connector that trusts the authorities in `ca_file`, or the system's.
#[cfg(feature = "tls")]
pub(crate) fn connector(ca_file: Option<&Path>, connect_timeout: Duration) -> Result<Connector, Error> {
    use openssl::ssl::{SslConnector, SslMethod};
    use snafu::{ResultExt, ensure};

    use super::client::{EmptySnafu, ReadAuthoritiesSnafu, SetUpTlsSnafu, TrustSnafu};

    let mut tls = SslConnector::builder(SslMethod::tls_client()).context(SetUpTlsSnafu)?;
    match ca_file {
        Some(path) => {
            // Read first: OpenSSL does not say that a file is missing.
            let text = std::fs::read(path).context(ReadAuthoritiesSnafu { path })?;
            let authorities = openssl::x509::X509::stack_from_pem(&text).context(TrustSnafu { path })?;
            ensure!(!authorities.is_empty(), EmptySnafu { path });
            let mut store = openssl::x509::store::X509StoreBuilder::new().context(SetUpTlsSnafu)?;
            for authority in authorities {
                store.add_cert(authority).context(TrustSnafu { path })?;
            }
            tls.set_cert_store(store.build());
        }
        None => {
            // This OpenSSL was built from source and does not know where the system keeps its authorities.
            let found = openssl_probe::probe();
            for folder in &found.cert_dir {
                tls.load_verify_locations(None, Some(folder)).context(SetUpTlsSnafu)?;
            }
            if let Some(file) = &found.cert_file {
                tls.load_verify_locations(Some(file), None).context(SetUpTlsSnafu)?;
            }
        }
    }
    Connector::with_connector(tcp(connect_timeout), tls).context(SetUpTlsSnafu)
}

/// A connector for plain connections alone: [`crate::config::HttpUrl`] refuses other addresses in such a build.
#[cfg(not(feature = "tls"))]
pub(crate) fn connector(_ca_file: Option<&Path>, connect_timeout: Duration) -> Result<Connector, Error> {
    Ok(tcp(connect_timeout))
}
