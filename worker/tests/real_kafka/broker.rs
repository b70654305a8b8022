//! Brokers for the tests: one shared by all of them, and extra ones for tests that restart theirs.
//!
//! Started by `testbed/kafka/up.sh`, ended by `Drop` or by [`guard`]. Deliberately no client: see `topic.rs`.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::guard;

/// What `up.sh` exits with where a tool is missing.
pub(crate) const MISSING_TOOL: i32 = 3;

/// A running broker with a folder and a free port of its own.
pub(crate) struct Broker {
    folder: TempDir,
    address: String,
}

impl Broker {
    /// The broker that all tests share; `None` where it cannot be had, which was said on stderr then.
    pub(crate) fn shared() -> Option<&'static Broker> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        SHARED.get_or_init(|| Broker::start(&[])).as_ref()
    }

    /// An extra broker, with server properties such as `"auto.create.topics.enable=false"`; stopped on drop.
    pub(crate) fn start(properties: &[&str]) -> Option<Broker> {
        Broker::start_with(properties, &[])
    }

    /// The same with listeners for users and passwords and for TLS; see [`Broker::listener`].
    pub(crate) fn start_secure(properties: &[&str]) -> Option<Broker> {
        Broker::start_with(properties, &["--secure"])
    }

    fn start_with(properties: &[&str], flags: &[&str]) -> Option<Broker> {
        let folder = TempDir::with_prefix("real-kafka-").expect("the folder for temporary files is writable");
        guard::watch_broker(folder.path());
        let mut arguments = [&["--port", "auto", "--heap", "256m"], flags].concat();
        for property in properties {
            arguments.extend(["--set", property]);
        }
        let output = run("up.sh", &folder, &arguments);
        if output.status.code() == Some(MISSING_TOOL) {
            skip("kafka-test", String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        Some(Broker { folder, address: succeeded("up.sh", &output) })
    }

    /// `127.0.0.1:port`, the same over all restarts.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Of [`Broker::start_secure`]: the listener so many ports above the one that asks for nothing.
    pub(crate) fn listener(&self, above: u16) -> String {
        let (host, port) = self.address.rsplit_once(':').expect("host:port");
        format!("{host}:{}", port.parse::<u16>().expect("a port") + above)
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A clean stop; returns when the process is gone.
    pub(crate) fn stop(&self) {
        succeeded("down.sh", &run("down.sh", &self.folder, &[]));
    }

    /// kill -9; returns when the process is gone.
    pub(crate) fn crash(&self) {
        succeeded("down.sh", &run("down.sh", &self.folder, &["--kill"]));
    }

    /// After [`Broker::stop`] or [`Broker::crash`]: the same address and data; returns when it answers.
    pub(crate) fn start_again(&self) {
        succeeded("up.sh", &run("up.sh", &self.folder, &[]));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        succeeded("down.sh", &run("down.sh", &self.folder, &["--kill"]));
    }
}

fn run(script: &str, folder: &TempDir, arguments: &[&str]) -> Output {
    Command::new(guard::testbed().join(script))
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the scripts of testbed/kafka can be run")
}

pub(crate) fn succeeded(script: &str, output: &Output) -> String {
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Straight to stderr: what `eprintln!` writes is shown for failed tests alone.
#[expect(clippy::disallowed_methods, reason = "CI=true turns a skip into a failure")]
pub(crate) fn skip(step: &str, why: &str) {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "CI=true, and the tests against real servers cannot run: {why}");
    writeln!(io::stderr(), "SKIPPED {step}: {why}").expect("stderr is open");
}
