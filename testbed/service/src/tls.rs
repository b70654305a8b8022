//! Certificates made on the spot, and the service's side of TLS.
//!
//! Deliberately nothing one would use outside of tests: keys are small and live for a day.

use std::pin::Pin;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// A key and a certificate that it has signed itself: to be trusted, it has to be named as an authority.
pub struct Identity {
    key: PKey<Private>,
    certificate: X509,
}

impl Identity {
    /// An identity for this IP address.
    ///
    /// # Panics
    /// When OpenSSL has nothing to make it of.
    #[must_use]
    pub fn of_address(address: &str) -> Self {
        let made = Self::make(address);
        made.expect("OpenSSL can make keys and certificates")
    }

    fn make(address: &str) -> Result<Self, openssl::error::ErrorStack> {
        let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "test service")?;
        let name = name.build();
        let mut builder: X509Builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(1)?)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        let names = SubjectAlternativeName::new().ip(address).build(&builder.x509v3_context(None, None))?;
        builder.append_extension(names)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key, certificate: builder.build() })
    }

    /// The certificate, for a file of authorities.
    ///
    /// # Panics
    /// Never: a certificate can be written.
    #[must_use]
    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().expect("a certificate can be written")
    }

    pub(crate) fn acceptor(&self) -> SslAcceptor {
        let make = || {
            let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
            acceptor.set_private_key(&self.key)?;
            acceptor.set_certificate(&self.certificate)?;
            Ok::<_, openssl::error::ErrorStack>(acceptor.build())
        };
        make().expect("the key belongs to the certificate")
    }
}

/// A connection over TLS, unless the other side does not want it.
pub(crate) async fn accept(acceptor: &SslAcceptor, stream: TcpStream) -> Option<SslStream<TcpStream>> {
    let session = Ssl::new(acceptor.context()).ok()?;
    let mut stream = SslStream::new(session, stream).ok()?;
    Pin::new(&mut stream).accept().await.ok()?;
    Some(stream)
}
