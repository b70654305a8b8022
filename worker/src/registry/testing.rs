//! A registry in this process for tests: Confluent's API and error codes on a real socket, and faults on demand.
//!
//! Deliberately on plain sockets and threads: what a broken registry or proxy sends is bytes, not a framework's answers.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::config::{HttpUrl, Registration, Registry};

/// The path in front of the API, as Apicurio has one.
const BASE: &str = "/apis/ccompat/v7";

/// What happens to a request instead of its answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection is closed without a word.
    Reset,
    /// The answer ends in the middle.
    Torn,
    /// A status with Confluent's error code, and when to come back.
    Status(u16, u32, Option<u32>),
    /// 200 with a page for people.
    Page,
    /// 302 to an address with a password in it.
    Redirect,
    /// The answer to another question: this id.
    WrongId(u32),
    /// 200 with so many bytes, announced or not.
    Huge { bytes: usize, is_announced: bool },
}

/// The registry; ends with the test's process.
#[derive(Clone)]
pub(crate) struct FakeRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    schemas: BTreeMap<u32, Value>,
    subjects: BTreeMap<String, Vec<u32>>,
    /// For the next requests, one each.
    faults: VecDeque<Fault>,
    /// For every request.
    standing: Option<Fault>,
    /// What the registry says against new schemas.
    incompatible: Option<String>,
    authorization: Option<String>,
    requests: Vec<String>,
}

impl FakeRegistry {
    /// An empty registry at a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.expect("a client"), Arc::clone(&shared));
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// How to reach it.
    pub(crate) fn config(&self, registration: Registration) -> Registry {
        let url = HttpUrl::parse(&format!("http://{}{BASE}/", self.address)).expect("a good address");
        Registry { url, registration, credentials: None, ca_file: None }
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a schema in, with the subjects and versions it refers to.
    pub(crate) fn add(&self, id: u32, subject: &str, schema: &str, references: &[(&str, u32)]) {
        self.state(|state| state.add(id, subject, schema, references));
    }

    /// The next request meets this.
    pub(crate) fn fail_once(&self, fault: Fault) {
        self.state(|state| state.faults.push_back(fault));
    }

    /// Every request meets this from now on, or none.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        self.state(|state| state.standing = fault);
    }

    /// No further schema goes with those that are there.
    pub(crate) fn refuse_schemas(&self, words: &str) {
        self.state(|state| state.incompatible = Some(words.to_owned()));
    }

    /// Answers only requests with this `Authorization`.
    pub(crate) fn require(&self, authorization: &str) {
        self.state(|state| state.authorization = Some(authorization.to_owned()));
    }

    /// Every request so far, as `GET /path`, without the path in front of the API.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state(|state| state.requests.clone())
    }
}

impl State {
    fn add(&mut self, id: u32, subject: &str, schema: &str, references: &[(&str, u32)]) {
        let reference =
            |(subject, version): &(&str, u32)| json!({ "name": subject, "subject": subject, "version": version });
        let references: Vec<Value> = references.iter().map(reference).collect();
        self.schemas.insert(id, json!({ "schema": schema, "references": references }));
        self.subjects.entry(subject.to_owned()).or_default().push(id);
    }

    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (method, &parts[..]) {
            ("GET", ["schemas", "ids", id]) => {
                let found = id.parse().ok().and_then(|id: u32| self.schemas.get(&id));
                found.map_or_else(|| error(40_403, "Schema not found"), |schema| (200, schema.clone()))
            }
            ("GET", ["subjects", subject, "versions", version]) => self.version(subject, version),
            ("POST", ["subjects", subject]) => self.lookup(subject, body),
            ("POST", ["subjects", subject, "versions"]) => self.register(subject, body),
            ("POST", ["compatibility", "subjects", subject, "versions", "latest"]) => {
                match (self.subjects.contains_key(*subject), &self.incompatible) {
                    (false, _) => error(40_401, "Subject not found"),
                    (true, None) => (200, json!({ "is_compatible": true })),
                    (true, Some(words)) => (200, json!({ "is_compatible": false, "messages": [words] })),
                }
            }
            _ => (404, json!({ "error_code": 404, "message": "HTTP 404 Not Found" })),
        }
    }

    fn version(&self, subject: &str, version: &str) -> (u16, Value) {
        let Some(ids) = self.subjects.get(subject) else { return error(40_401, "Subject not found") };
        let number = if version == "latest" { ids.len() } else { version.parse().unwrap_or(0) };
        let Some(id) = number.checked_sub(1).and_then(|index| ids.get(index)) else {
            return error(40_402, "Version not found");
        };
        let mut answer = self.schemas[id].clone();
        answer["id"] = json!(id);
        answer["version"] = json!(number);
        (200, answer)
    }

    fn lookup(&self, subject: &str, body: &Value) -> (u16, Value) {
        let Some(ids) = self.subjects.get(subject) else { return error(40_401, "Subject not found") };
        let same = |id: &&u32| self.schemas[*id]["schema"] == body["schema"];
        match ids.iter().find(same) {
            Some(id) => (200, json!({ "subject": subject, "id": id, "version": 1, "schema": body["schema"] })),
            None => error(40_403, "Schema not found"),
        }
    }

    fn register(&mut self, subject: &str, body: &Value) -> (u16, Value) {
        if let (200, known) = self.lookup(subject, body) {
            return (200, json!({ "id": known["id"] }));
        }
        if let Some(words) = self.incompatible.clone().filter(|_| self.subjects.contains_key(subject)) {
            return (409, json!({ "error_code": 409, "message": words }));
        }
        let schema = body["schema"].as_str().unwrap_or_default();
        if serde_json::from_str::<Value>(schema).is_err() {
            return error(42_201, "Input schema is an invalid Avro schema");
        }
        let id = self.schemas.keys().last().map_or(1, |last| last + 1);
        self.add(id, subject, schema, &[]);
        (200, json!({ "id": id }))
    }
}

fn error(code: u32, message: &str) -> (u16, Value) {
    let status = u16::try_from(code / 100).expect("codes begin with the status");
    (status, json!({ "error_code": code, "message": message }))
}

/// `%2D` and the like taken back.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let (mut length, mut authorization) = (0, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "authorization" => authorization = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (answer, is_torn) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let path = path.strip_prefix(BASE).unwrap_or(&path).to_owned();
            state.requests.push(format!("{method} {path}"));
            let is_known = state.authorization.is_none() || state.authorization == authorization;
            let fault = state.faults.pop_front().or_else(|| state.standing.clone());
            let answer = match &fault {
                Some(fault) => faulty(fault, || state.answer(&method, &path, &body)),
                None if !is_known => Some(whole(401, &json!({ "error_code": 401, "message": "Unauthorized" }))),
                None => {
                    let (status, answer) = state.answer(&method, &path, &body);
                    Some(whole(status, &answer))
                }
            };
            (answer, matches!(fault, Some(Fault::Torn)))
        };
        let mut stream = stream;
        stream.write_all(&answer?).ok()?;
        if is_torn {
            return None;
        }
    }
}

/// The bytes of an answer that keeps the connection.
fn whole(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let media_type = "application/vnd.schemaregistry.v1+json";
    format!("HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

/// The bytes of a fault; `None` closes the connection.
fn faulty(fault: &Fault, answer: impl FnOnce() -> (u16, Value)) -> Option<Vec<u8>> {
    Some(match fault {
        Fault::Reset => return None,
        Fault::Torn => {
            let (status, body) = answer();
            let mut bytes = whole(status, &body);
            bytes.truncate(bytes.len() - 3);
            bytes
        }
        Fault::Status(status, code, retry_after) => {
            let body = json!({ "error_code": code, "message": "made to fail" }).to_string();
            let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
            let length = body.len();
            format!("HTTP/1.1 {status} X\r\n{retry_after}content-length: {length}\r\n\r\n{body}").into()
        }
        Fault::Page => {
            let page = "<html><form action=/login>Who are you?</form></html>";
            let length = page.len();
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}").into()
        }
        Fault::Redirect => {
            let location = "https://me:secret@login.example/?back=secret";
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into()
        }
        Fault::WrongId(id) => {
            let (status, mut body) = answer();
            body["id"] = json!(id);
            whole(status, &body)
        }
        Fault::Huge { bytes, is_announced } => {
            // By hand: a debug build takes seconds to write so much JSON.
            let schema = format!(r#"{{"schema": "{}"}}"#, " ".repeat(*bytes));
            let length = schema.len();
            if *is_announced {
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{schema}").into()
            } else {
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{schema}\r\n0\r\n\r\n")
                    .into()
            }
        }
    })
}
