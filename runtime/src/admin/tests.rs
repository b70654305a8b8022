//! The admin server on a real socket; only the peer that is not this machine is made up.

use super::{AdminServer, AdminState, Error, router};
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::telemetry::{LogLevel, detached};
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::Request;
use prometheus::{IntCounter, Registry};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

struct Running {
    address: SocketAddr,
    readiness: Readiness,
    shutdown: Shutdown,
    log_level: LogLevel,
}

fn state(readiness: &Readiness, log_level: &LogLevel) -> AdminState {
    let registry = Registry::new();
    let counter = IntCounter::new("orders_total", "Orders.").expect("the name is valid");
    counter.inc_by(7);
    registry.register(Box::new(counter)).expect("the registry is empty");
    let status = || serde_json::json!({ "role": "consume", "parked": 3 });
    AdminState { readiness: readiness.clone(), registry, status: Arc::new(status), log_level: log_level.clone() }
}

fn start() -> Running {
    let server = AdminServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port exists");
    let (readiness, shutdown, log_level) = (Readiness::new(), Shutdown::new(), detached());
    let address = server.local_addr();
    let serving = server.serve(state(&readiness, &log_level), shutdown.clone());
    tokio::spawn(async move { serving.await.expect("the test server serves") });
    Running { address, readiness, shutdown, log_level }
}

/// Status code, headers and body of one request on its own connection.
async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("the server answers in UTF-8");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a reply has a head");
    let code = head.split(' ').nth(1).expect("a reply has a code").parse().expect("a code is a number");
    (code, head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn a_process_that_waits_is_alive() {
    let running = start();
    let _waiting = running.readiness.handle("consumer: waiting for an assignment");
    assert_eq!(ask(running.address, "GET", "/livez", "").await.0, 200);
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let running = start();
    let producer = running.readiness.handle("producer: waiting for topic orders");
    let consumer = running.readiness.handle("consumer: waiting for an assignment");
    let (code, _, body) = ask(running.address, "GET", "/readyz", "").await;
    let both = "producer: waiting for topic orders\nconsumer: waiting for an assignment\n";
    assert_eq!((code, body.as_str()), (503, both));
    producer.set_ready();
    consumer.set_ready();
    assert_eq!(ask(running.address, "GET", "/readyz", "").await.0, 200);
}

#[tokio::test]
async fn a_draining_process_is_not_ready_and_still_answers() {
    let running = start();
    running.shutdown.drain();
    let (code, _, body) = ask(running.address, "GET", "/readyz", "").await;
    assert_eq!((code, body.as_str()), (503, "draining\n"));
    assert_eq!(ask(running.address, "GET", "/livez", "").await.0, 200);
}

#[tokio::test]
async fn metrics_come_as_prometheus_text() {
    let running = start();
    let (code, head, body) = ask(running.address, "GET", "/metrics", "").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, "# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total 7\n");
}

#[tokio::test]
async fn status_is_json() {
    let running = start();
    let (code, head, body) = ask(running.address, "GET", "/status", "").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).expect("the body is JSON");
    assert_eq!(status, serde_json::json!({ "role": "consume", "parked": 3 }));
}

#[tokio::test]
async fn the_log_level_is_set_from_this_machine() {
    let running = start();
    assert_eq!(ask(running.address, "PUT", "/log-level", "debug\n").await.0, 204);
    assert_eq!(running.log_level.current(), "debug");
}

#[tokio::test]
async fn a_log_level_that_is_none_is_refused_and_changes_nothing() {
    let running = start();
    let before = running.log_level.current();
    let (code, _, body) = ask(running.address, "PUT", "/log-level", "worker=loud").await;
    assert_eq!(code, 400);
    assert!(body.contains("\"worker=loud\" is no log level"), "{body}");
    assert_eq!(ask(running.address, "PUT", "/log-level", &"x".repeat(5000)).await.0, 413);
    assert_eq!(running.log_level.current(), before);
}

#[tokio::test]
async fn the_log_level_is_not_set_from_elsewhere() {
    for (peer, allowed) in [("192.0.2.7:4000", false), ("[::ffff:127.0.0.1]:4000", true), ("[::1]:4000", true)] {
        let peer: SocketAddr = peer.parse().expect("the address is valid");
        let (readiness, log_level) = (Readiness::new(), detached());
        let before = log_level.current();
        let router = router(state(&readiness, &log_level), Shutdown::new()).layer(MockConnectInfo(peer));
        let request = Request::put("/log-level").body(Body::from("trace")).expect("the request is valid");
        let code = router.oneshot(request).await.expect("a router does not fail").status().as_u16();
        assert_eq!(code, if allowed { 204 } else { 403 }, "{peer}");
        assert_eq!(log_level.current() == before, !allowed, "{peer}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let running = start();
    assert_eq!(ask(running.address, "GET", "/", "").await.0, 404);
    assert_eq!(ask(running.address, "GET", "/log-level", "").await.0, 405);
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let first = AdminServer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port exists");
    let error = AdminServer::bind(first.local_addr()).expect_err("the port is taken");
    assert!(matches!(error, Error::Bind { .. }));
    let text = error.to_string();
    assert!(text.contains(&first.local_addr().to_string()) && text.contains("--admin-address"), "{text}");
}
