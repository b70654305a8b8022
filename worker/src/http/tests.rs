//! The client against servers that answer, hang, break off and talk too much.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::{Answer, Error, HttpClient, Limits, Options};

const LIMITS: Limits = Limits { time: Duration::from_secs(30), bytes: 1000 };

fn client() -> HttpClient {
    let options = Options { ca_file: None, connect_timeout: Duration::from_secs(10), idle_connections: 2 };
    HttpClient::new(options).expect("nothing to set up")
}

/// Reads a request's head.
fn hear(stream: &TcpStream) -> bool {
    let mut lines = BufReader::new(stream).lines();
    let mut heard = false;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {
        heard = true;
    }
    heard
}

/// A server that answers every request of every connection with these bytes, then closes or keeps the connection.
fn server(bytes: &'static str, closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            while hear(&stream) {
                stream.write_all(bytes.as_bytes()).expect("the client reads");
                if closes || !bytes.ends_with("ok") {
                    break;
                }
            }
            if !closes {
                kept.push(stream);
            }
        }
    });
    address
}

fn send(address: &str, limits: Limits) -> Result<Answer, Error> {
    let request = Request::get(address).body(Full::<Bytes>::default()).expect("a good request");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(client().send(request, limits))
}

#[test]
fn an_answer_comes_whole_with_what_its_headers_say() {
    let address = server(
        "HTTP/1.1 503 Gone fishing\r\nContent-Type: Text/HTML; charset=utf-8\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nok",
        false,
    );
    let answer = send(&address, LIMITS).expect("a whole answer");
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::SERVICE_UNAVAILABLE, &b"ok"[..]));
    assert_eq!((answer.media_type().as_str(), answer.retry_after()), ("text/html", Some(Duration::from_secs(7))));
}

#[test]
fn a_redirect_is_an_answer_and_not_followed() {
    let address = server("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", true);
    let answer = send(&address, LIMITS).expect("a whole answer");
    assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, Some("http://127.0.0.1:1/")));
}

#[test]
fn neither_silence_nor_a_trickle_lasts_longer_than_the_limit() {
    let limits = Limits { time: Duration::from_millis(100), ..LIMITS };
    for bytes in ["", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no"] {
        let error = send(&server(bytes, false), limits).expect_err("it never ends");
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        assert_eq!(error.to_string(), "no answer within 100ms");
    }
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let error = send(&server(bytes, true), LIMITS).expect_err("it breaks off");
        assert!(matches!(error, Error::Broken { .. }), "{error}");
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let limits = Limits { bytes: 4, ..LIMITS };
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n";
    let surprising = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n";
    for bytes in [announced, surprising] {
        let error = send(&server(bytes, false), limits).expect_err("it is too large");
        assert!(matches!(error, Error::TooLarge { limit: 4 }), "{error}");
    }
}

#[test]
fn nobody_there_is_told_in_the_systems_words() {
    let error = send("http://127.0.0.1:1/", LIMITS).expect_err("nobody listens there");
    let words = crate::roles::chain(&error);
    assert!(words.starts_with("cannot connect: ") && words.contains("Connection refused"), "{words}");
}

#[test]
fn requests_one_after_the_other_share_a_connection() {
    let address = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = client();
    runtime.block_on(async {
        for _ in 0..3 {
            // The server serves one connection at a time: a second one would hang.
            let request = Request::get(&address).body(Full::default()).expect("a good request");
            let answer = client.send(request, LIMITS).await.expect("a whole answer");
            assert_eq!(&answer.body[..], b"ok");
        }
    });
}

#[cfg(feature = "tls")]
mod encrypted {
    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::ssl::{SslAcceptor, SslMethod};
    use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
    use openssl::x509::{X509, X509NameBuilder};

    use super::*;

    /// A server at localhost with a certificate of its own making; its address, and that certificate.
    fn tls_server() -> (String, Vec<u8>) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a known curve");
        let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "localhost").expect("a name");
        let name = name.build();
        let mut made = X509::builder().expect("a certificate");
        made.set_version(2).expect("version 3");
        made.set_subject_name(&name).expect("a name");
        made.set_issuer_name(&name).expect("a name");
        made.set_pubkey(&key).expect("a key");
        made.set_not_before(&Asn1Time::days_from_now(0).expect("now")).expect("a time");
        made.set_not_after(&Asn1Time::days_from_now(1).expect("tomorrow")).expect("a time");
        made.append_extension(BasicConstraints::new().ca().build().expect("an extension")).expect("an extension");
        let alternative = SubjectAlternativeName::new().dns("localhost").build(&made.x509v3_context(None, None));
        made.append_extension(alternative.expect("an extension")).expect("an extension");
        made.sign(&key, MessageDigest::sha256()).expect("a signature");
        let certificate = made.build();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("an acceptor");
        acceptor.set_private_key(&key).expect("a key");
        acceptor.set_certificate(&certificate).expect("a certificate");
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("https://localhost:{}/", listener.local_addr().expect("it is bound").port());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that does not trust us breaks off.
                let Ok(mut stream) = acceptor.accept(stream.expect("a client")) else { continue };
                let mut head = BufReader::new(&mut stream).lines();
                while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").expect("sent");
            }
        });
        (address, certificate.to_pem().expect("PEM"))
    }

    #[test]
    fn a_server_is_trusted_by_its_authority_alone() {
        let (address, authority) = tls_server();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ca_file = folder.path().join("ca.pem");
        let send = |ca_file: Option<&std::path::Path>| {
            let options = Options { ca_file, connect_timeout: Duration::from_secs(10), idle_connections: 2 };
            let client = HttpClient::new(options)?;
            let request = Request::get(&address).body(Full::<Bytes>::default()).expect("a good request");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(client.send(request, LIMITS))
        };
        let words = |answer: Result<Answer, Error>| crate::roles::chain(&answer.expect_err("it is not trusted"));
        let missing = words(send(Some(&ca_file)));
        assert!(missing.contains("cannot read the certificates of authorities in"), "{missing}");
        std::fs::write(&ca_file, "no certificate").expect("a file");
        let empty = words(send(Some(&ca_file)));
        assert!(empty.contains("holds no certificates that can be trusted"), "{empty}");
        let stranger = words(send(None));
        assert!(stranger.contains("certificate verify failed") && stranger.contains("self-signed"), "{stranger}");
        std::fs::write(&ca_file, authority).expect("a file");
        assert_eq!(&send(Some(&ca_file)).expect("trusted").body[..], b"ok");
    }
}
