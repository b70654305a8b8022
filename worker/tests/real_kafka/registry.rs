//! A schema registry (Apicurio) for the tests, and Confluent's own Python serializers as the other side.
//!
//! Started by `testbed/registry/up.sh`, ended by `Drop` or by [`guard`]. Deliberately no client of ours: what the tests
//! know of the registry they learn from Confluent's.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    broker::{MISSING_TOOL, skip, succeeded},
    guard,
};

/// A running registry with a folder and a free port of its own.
pub(crate) struct Registry {
    folder: TempDir,
    address: String,
}

impl Registry {
    /// The registry that all tests share whose own does not go down; `None` where it cannot be had, which was said on
    /// stderr then.
    pub(crate) fn shared() -> Option<&'static Registry> {
        static SHARED: OnceLock<Option<Registry>> = OnceLock::new();
        SHARED.get_or_init(Registry::start).as_ref()
    }

    /// An extra one; stopped on drop.
    pub(crate) fn start() -> Option<Registry> {
        for check in ["up.sh", "confluent.sh"] {
            let output = script(check).arg("--check").output().expect("the scripts of testbed/registry can be run");
            if output.status.code() == Some(MISSING_TOOL) {
                skip("registry-test", String::from_utf8_lossy(&output.stderr).trim());
                return None;
            }
        }
        let folder = TempDir::with_prefix("real-registry-").expect("the folder for temporary files is writable");
        guard::watch_registry(folder.path());
        let output = in_folder("up.sh", &folder, &["--port", "auto"]);
        let address = succeeded("up.sh", &output);
        Some(Registry { folder, address })
    }

    /// For `--schema-registry-url`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// kill -9; it forgets all schemas.
    pub(crate) fn crash(&self) {
        succeeded("down.sh", &in_folder("down.sh", &self.folder, &["--kill"]));
    }

    /// After [`Registry::crash`]: the same address, empty, ids from 1.
    pub(crate) fn start_again(&self) {
        assert_eq!(succeeded("up.sh", &in_folder("up.sh", &self.folder, &[])), self.address);
    }

    /// Registers a schema by Confluent's client; its id. References are `name=subject:version`.
    pub(crate) fn register(&self, subject: &str, schema: &str, references: &[&str]) -> u32 {
        let file = self.file(schema);
        let file = file.to_str().expect("temporary paths are UTF-8");
        let output = confluent(&[&["register", &self.address, subject, file], references].concat(), "");
        output.trim().parse().expect("an id")
    }

    /// Writes orders by Confluent's serializer, which registers the schema.
    pub(crate) fn write(&self, broker: &str, topic: &str, schema: &str, references: &[&str], orders: &[Value]) {
        let file = self.file(schema);
        let file = file.to_str().expect("temporary paths are UTF-8");
        let lines: String = orders.iter().map(|order| format!("{order}\n")).collect();
        confluent(&[&["write", broker, &self.address, topic, file], references].concat(), &lines);
    }

    /// Reads so many records from the beginning by Confluent's deserializer; `_key` and `_id` are key and schema id.
    pub(crate) fn read(&self, broker: &str, topic: &str, count: usize) -> Vec<Value> {
        let output = confluent(&["read", broker, &self.address, topic, &count.to_string()], "");
        output.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
    }

    /// Sets what new versions of a subject must be compatible with.
    pub(crate) fn set_compatibility(&self, subject: &str, level: &str) {
        let body = format!(r#"{{"compatibility": "{level}"}}"#);
        let address = format!("{}/config/{subject}", self.address);
        let json = "content-type: application/json";
        let output = Command::new("curl")
            .args(["-fsS", "-X", "PUT", "-H", json, "-d", &body, &address])
            .output()
            .expect("curl is there: up.sh needs it too");
        succeeded("curl", &output);
    }

    fn file(&self, schema: &str) -> PathBuf {
        let mut file = tempfile::Builder::new().suffix(".avsc").tempfile_in(self.folder.path()).expect("a folder");
        file.write_all(schema.as_bytes()).expect("a writable folder");
        file.into_temp_path().keep().expect("it is removed with the folder")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        succeeded("down.sh", &in_folder("down.sh", &self.folder, &["--kill"]));
    }
}

fn script(name: &str) -> Command {
    Command::new(guard::testbeds().join("registry").join(name))
}

fn in_folder(name: &str, folder: &TempDir, arguments: &[&str]) -> Output {
    script(name)
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the scripts of testbed/registry can be run")
}

/// Confluent's client with this input; what it prints.
fn confluent(arguments: &[&str], input: &str) -> String {
    let folder = TempDir::with_prefix("real-registry-").expect("the folder for temporary files is writable");
    let path = folder.path().join("input");
    fs::write(&path, input).expect("a writable folder");
    let input = fs::File::open(&path).expect("it was just written");
    let output = script("confluent.sh").args(arguments).stdin(input).output().expect("the script can be run");
    succeeded("confluent.sh", &output)
}
