//! Does the support itself work? Brokers, topics and processes, without any role of the worker.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use crate::{
    broker::Broker,
    process::{self, Process},
    topic::{self, Record},
};

#[test]
fn a_record_comes_back_as_it_was_written() {
    let Some(broker) = Broker::shared() else { return };
    let orders = topic::unique("round-trip");
    topic::create(broker.address(), &orders, 3);
    let written = Record {
        partition: Some(2),
        timestamp: Some(1_700_000_000_123),
        headers: vec![("trace".to_owned(), Some(b"abc".to_vec())), ("empty".to_owned(), None)],
        ..Record::new("key", [0, 159, 146, 150])
    };
    let tombstone = Record { value: None, partition: Some(2), ..Record::new("key", "") };
    topic::produce(broker.address(), &orders, &[written.clone(), tombstone]);

    let read = topic::read_all(broker.address(), &orders);

    assert_eq!(read.len(), 2);
    assert_eq!(read[0], Record { offset: Some(0), ..written });
    assert_eq!(read[0].header("trace"), Some("abc"));
    assert_eq!((read[1].offset, read[1].value.as_ref()), (Some(1), None));
    assert_eq!(topic::end_offsets(broker.address(), &orders).into_values().collect::<Vec<_>>(), [0, 0, 2]);
    assert!(topic::committed(broker.address(), &topic::unique("group"), &orders).is_empty());
    assert_eq!(topic::setting(broker.address(), &orders, "cleanup.policy").as_deref(), Some("delete"));
    topic::delete(broker.address(), &orders);
}

/// The tests that show that the worker never creates a topic by accident mean nothing without this.
#[test]
fn the_broker_creates_a_missing_topic_for_a_producer() {
    let Some(broker) = Broker::shared() else { return };
    let missing = topic::unique("missing");
    assert_eq!(topic::partition_count(broker.address(), &missing), None);

    topic::produce(broker.address(), &missing, &[Record::new("key", "value")]);

    assert_eq!(topic::partition_count(broker.address(), &missing), Some(1));
}

#[test]
fn a_crashed_broker_comes_back_with_its_records() {
    let Some(broker) = Broker::start(&["log.flush.interval.messages=1"]) else { return };
    let orders = topic::unique("crash");
    topic::create(broker.address(), &orders, 1);
    topic::produce(broker.address(), &orders, &[Record::new("key", "value")]);

    broker.crash();
    broker.start_again();
    assert_eq!(topic::read_all(broker.address(), &orders).len(), 1);

    broker.stop();
    broker.start_again();
    assert_eq!(topic::read_all(broker.address(), &orders).len(), 1);
}

#[test]
fn a_process_is_seen_from_its_edges() {
    let script = "echo ready; echo admin at 127.0.0.1:0; echo admin at http://127.0.0.1:4242/ >&2;
        trap 'echo drained; exit 7' TERM; while :; do sleep 0.01; done";
    let process = Process::start(Command::new("bash").args(["-c", script]));
    assert_eq!(process.wait_for_line("read"), "ready");
    assert_eq!(process.admin_address(), "127.0.0.1:4242");
    process.suspend();
    process.resume();
    process.terminate();
    let ended = process.wait();
    assert_eq!((ended.code, ended.signal), (Some(7), None));
    assert_eq!(ended.stdout.lines().last(), Some("drained"));
    assert!(ended.stderr.contains("4242"));

    let process = Process::start(Command::new("sleep").arg("60"));
    process.crash();
    assert_eq!(process.wait().signal, Some(9));
}

#[test]
fn the_worker_can_be_started() {
    let ended = Process::worker(&["--version"]).wait();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:?}");
    assert_eq!((ended.stdout, ended.stderr), (format!("worker {}", env!("CARGO_PKG_VERSION")), String::new()));
    let ended = Process::worker(&["consume", "--max-retries", "many"]).wait();
    assert_eq!((ended.code, ended.signal), (Some(2), None), "{ended:?}");
    assert!(ended.stdout.is_empty() && ended.stderr.contains("'many' for '--max-retries <N>'"), "{ended:?}");
}

#[test]
fn an_admin_server_can_be_asked() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("bound").to_string();
    let answers = ["orders_total{role=\"a\"} 3\norders_total 12\n", "{\"role\":\"consume\"}"];
    let serving = thread::spawn(move || {
        for answer in answers {
            let (stream, _) = server.accept().expect("a client comes");
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            write!(&stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{answer}").expect("the client reads");
        }
    });
    assert_eq!(process::metric(&address, "orders_total"), Some(12.0));
    assert_eq!(process::status(&address)["role"], "consume");
    serving.join().expect("both requests came");
}

#[test]
fn a_report_is_read_as_json() {
    let file = tempfile::NamedTempFile::new().expect("a writable folder");
    std::fs::write(file.path(), r#"{"seconds": 1.5}"#).expect("a writable file");
    assert_eq!(process::report(file.path())["seconds"], 1.5);
}
