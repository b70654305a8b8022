//! Real signals to a real process: this one. Alone in its file, because a process has one set of signal handlers.

use std::process::Command;
use std::time::Duration;

use runtime::shutdown::{Shutdown, Signal, drain_on_signals};

const HANG: Duration = Duration::from_secs(30);

fn send(signal: &str) {
    let status = Command::new("kill").args([signal, &std::process::id().to_string()]).status();
    assert!(status.expect("kill is on every Unix").success());
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_aborts() {
    let shutdown = Shutdown::new();
    let (aborted, abort) = tokio::sync::oneshot::channel();
    let listening = drain_on_signals(shutdown.clone(), move |signal| {
        aborted.send(signal).expect("the test waits for the abort");
    })
    .expect("the process may listen for signals");

    send("-TERM");
    tokio::time::timeout(HANG, shutdown.drained()).await.expect("the first signal drains");
    assert!(!listening.is_finished(), "one signal does not abort");

    send("-INT");
    let second = tokio::time::timeout(HANG, abort).await.expect("the second signal aborts");
    assert_eq!(second, Ok(Signal::Interrupt));
    listening.await.expect("the listener ends after the abort");
}
