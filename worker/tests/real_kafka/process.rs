//! The worker as a process: start it, read what it prints, signal it, see how it ends.
//!
//! Deliberately no claim about what the worker should print: tests say what they wait for.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{guard, wait};

/// A child process whose output is kept; killed on drop.
pub(crate) struct Process {
    pub(crate) child: Child,
    output: Output,
}

/// Lines so far, stdout and stderr apart.
#[derive(Clone, Default)]
struct Output {
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
}

/// How a process ended and all it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    /// `worker` with these arguments.
    pub(crate) fn worker(arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args(arguments);
        Process::start(&mut command)
    }

    /// Any command, stdin empty.
    pub(crate) fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        guard::watch_process(child.id());
        let output = Output::default();
        keep_lines(child.stdout.take().expect("stdout is piped"), Arc::clone(&output.stdout));
        keep_lines(child.stderr.take().expect("stderr is piped"), Arc::clone(&output.stderr));
        Process { child, output }
    }

    /// Waits until a line of stdout or stderr contains `text` and returns the first such line.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&format!("a line with '{text}'"), |lines| lines.iter().find(|line| line.contains(text)).cloned())
    }

    /// Waits until `probe` finds what it looks for in the lines so far (stdout, then stderr).
    pub(crate) fn wait_for<T>(&self, what: &str, mut probe: impl FnMut(&[String]) -> Option<T>) -> T {
        wait::until(what, || self.output.all().join("\n"), || probe(&self.output.all()))
    }

    /// `/status` of its admin server.
    pub(crate) fn status(&self) -> Value {
        let address = self.admin_address();
        assert!(TcpStream::connect(&address).is_ok(), "it has ended:\n{}", self.output.all().join("\n"));
        status(&address)
    }

    /// SIGTERM: drain.
    pub(crate) fn terminate(&self) {
        signal("-TERM", self.child.id());
    }

    /// kill -9.
    pub(crate) fn crash(&self) {
        signal("-KILL", self.child.id());
    }

    /// SIGSTOP: a process that hangs; [`Process::resume`] ends that.
    pub(crate) fn suspend(&self) {
        signal("-STOP", self.child.id());
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        signal("-CONT", self.child.id());
    }

    /// Waits until it has ended by itself or by a signal.
    pub(crate) fn wait(self) -> Ended {
        self.wait_within(wait::DEADLINE)
    }

    /// [`Process::wait`] with a deadline of its own.
    pub(crate) fn wait_within(mut self, deadline: Duration) -> Ended {
        let output = self.output.clone();
        let status = wait::until_within(deadline, "the process to end", || output.all().join("\n"), || self.poll());
        // A reader holds its lines until the pipe closes; a grandchild would keep it open, so this is waited for too.
        wait::until("its output to be read", String::new, || output.is_complete().then_some(()));
        Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: text(&output.stdout).join("\n"),
            stderr: text(&output.stderr).join("\n"),
        }
    }

    /// How it ended, where it has.
    pub(crate) fn poll(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// The address of the admin server, from the line that names it (`--admin-address 127.0.0.1:0` takes a free port).
    pub(crate) fn admin_address(&self) -> String {
        self.wait_for("the address of the admin server", |lines| {
            lines.iter().filter(|line| line.contains("admin")).find_map(|line| local_address(line))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.poll().is_none() {
            self.crash();
            self.child.wait().expect("a child of this process");
        }
        guard::forget_process(self.child.id());
    }
}

impl Output {
    fn all(&self) -> Vec<String> {
        [text(&self.stdout), text(&self.stderr)].concat()
    }

    /// The readers have let go of their copies.
    fn is_complete(&self) -> bool {
        // One copy here and one in the `Process`.
        Arc::strong_count(&self.stdout) == 2 && Arc::strong_count(&self.stderr) == 2
    }
}

/// The report that `--report FILE` wrote.
pub(crate) fn report(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("the worker wrote its report");
    serde_json::from_str(&text).expect("the report is JSON")
}

/// GET from an admin server: status code and body.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the admin server listens");
    stream.set_read_timeout(Some(wait::DEADLINE)).expect("a positive time");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    (code, body.to_owned())
}

/// `/status` of an admin server.
pub(crate) fn status(address: &str) -> Value {
    serde_json::from_str(&get(address, "/status").1).expect("/status is JSON")
}

/// The value of one series of `/metrics`, written as there: `name` or `name{label="value"}`.
pub(crate) fn metric(address: &str, series: &str) -> Option<f64> {
    let (_, metrics) = get(address, "/metrics");
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok())
}

fn keep_lines(from: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().expect("no holder panics").push(line);
        }
    });
}

fn text(lines: &Mutex<Vec<String>>) -> Vec<String> {
    lines.lock().expect("no holder panics").clone()
}

fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([name, &id.to_string()]).status().expect("kill is there");
    assert!(sent.success(), "process {id} has ended already");
}

/// The first `host:port` of a line, whatever stands around it.
fn local_address(line: &str) -> Option<String> {
    let start = line.find("127.0.0.1:")?;
    let address: String =
        line[start..].chars().take_while(|char| char.is_ascii_digit() || matches!(char, '.' | ':')).collect();
    (!address.ends_with(":0")).then_some(address)
}
