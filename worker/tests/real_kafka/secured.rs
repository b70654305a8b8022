//! A broker with a listener for each way to prove who one is, and access rules: what tests of secured connections share.
//!
//! Users, ports and certificates are those of `testbed/kafka/secure.sh`. Everybody may do all but carol and erin, who
//! have the rights that a test gives them. Deliberately no test here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    broker::Broker,
    guard,
    process::{Ended, Process},
};

/// Server properties: rules hold, and a proof of who one is lasts three seconds, so that connections prove it again.
const PROPERTIES: [&str; 3] = [
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users=User:ANONYMOUS;User:alice;User:bob;User:dave;User:CN=worker",
    "listener.name.sasl.scram-sha-512.connections.max.reauth.ms=3000",
];

/// A broker's listeners, as ports above the one that asks for nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    Sasl = 2,
    Tls = 3,
    SaslTls = 4,
    Mutual = 5,
    Expired = 6,
}

/// The broker that these tests share; `None` where it cannot be had, which was said on stderr then.
pub(crate) fn shared() -> Option<&'static Broker> {
    static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref()
}

/// A broker of one's own.
pub(crate) fn start() -> Option<Broker> {
    Broker::start_secure(&PROPERTIES)
}

/// How a client comes in: the flags of the worker, and a folder for its secrets.
pub(crate) struct Login {
    flags: Vec<String>,
    folder: TempDir,
}

impl Login {
    fn new(address: &str, protocol: &str) -> Login {
        let flags = ["--bootstrap-servers", address, "--security-protocol", protocol, "--admin-address", "127.0.0.1:0"];
        let folder = TempDir::with_prefix("real-kafka-").expect("the folder for temporary files is writable");
        Login { flags: flags.map(str::to_owned).to_vec(), folder }
    }

    /// By name and password; the password is in the file [`Login::password`].
    pub(crate) fn password(broker: &Broker, listener: Listener, mechanism: &str, user: &str) -> Login {
        Login::password_at(&broker.listener(listener as u16), listener, mechanism, user).trusting(broker)
    }

    /// The same at another address.
    pub(crate) fn password_at(address: &str, listener: Listener, mechanism: &str, user: &str) -> Login {
        let protocol = if matches!(listener, Listener::Sasl) { "sasl-plaintext" } else { "sasl-tls" };
        let mut login = Login::new(address, protocol);
        login.write_password(&format!("{user}-secret"));
        let file = login.password_file();
        login.add(["--sasl-mechanism", mechanism, "--sasl-username", user, "--sasl-password-file", &file]);
        login
    }

    /// Over TLS; with a certificate of `tls/` where one is named.
    pub(crate) fn tls(broker: &Broker, listener: Listener, certificate: Option<&str>) -> Login {
        let mut login = Login::new(&broker.listener(listener as u16), "tls").trusting(broker);
        if let Some(name) = certificate {
            login.take_certificate(broker, name);
            let [certificate, key] = ["user.crt", "user.key"].map(|name| login.file(name));
            login.add(["--certificate-file", &certificate, "--key-file", &key]);
        }
        login
    }

    /// Trusts the broker's authority, where the connection is encrypted.
    fn trusting(mut self, broker: &Broker) -> Login {
        if self.flags.iter().any(|flag| flag == "tls" || flag == "sasl-tls") {
            let authority = tls(broker, "ca.pem");
            self.add(["--ca-file", authority.to_str().expect("a plain path")]);
        }
        self
    }

    /// Trusts another file instead, or comes by another address, and so on.
    pub(crate) fn but(mut self, flag: &str, value: &str) -> Login {
        let place = self.flags.iter().position(|known| known == flag).expect("a flag that is given");
        value.clone_into(&mut self.flags[place + 1]);
        self
    }

    fn add<const N: usize>(&mut self, flags: [&str; N]) {
        self.flags.extend(flags.map(str::to_owned));
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a plain path").to_owned()
    }

    /// The file that the password is in.
    pub(crate) fn password_file(&self) -> String {
        self.file("password")
    }

    /// As a secret is replaced: at once.
    pub(crate) fn write_password(&self, password: &str) {
        replace(Path::new(&self.password_file()), format!("{password}\n").as_bytes());
    }

    /// Puts certificate and key of that name of `tls/` where the flags look for them, first the one, then the other.
    pub(crate) fn take_certificate(&self, broker: &Broker, name: &str) {
        for (from, to) in [("pem", "user.crt"), ("key", "user.key")] {
            let bytes = fs::read(tls(broker, &format!("{name}.{from}"))).expect("secure.sh made it");
            replace(Path::new(&self.file(to)), &bytes);
        }
    }

    /// `worker` with these arguments, coming in like this.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Process {
        let common = self.flags.iter().map(String::as_str);
        let is_served = !["prepare", "report"].contains(&arguments[0]);
        let takes = |flag: &&str| is_served || !flag.starts_with("--admin") && *flag != "127.0.0.1:0";
        Process::worker(&arguments.iter().copied().chain(common.filter(takes)).collect::<Vec<_>>())
    }
}

/// A file of the broker's `tls/`.
pub(crate) fn tls(broker: &Broker, name: &str) -> PathBuf {
    broker.folder().join("tls").join(name)
}

fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("a writable folder");
    fs::rename(new, path).expect("a writable folder");
}

/// Gives a user these operations on these resources: `--topic`, a name, `--group`, a name, …
pub(crate) fn allow(broker: &Broker, user: &str, operations: &[&str], resources: &[&str]) {
    let principal = format!("User:{user}");
    tool(
        "acls",
        &[&["--bootstrap-server", broker.address(), "--add", "--allow-principal", &principal], resources].concat(),
        operations,
    );
}

fn tool(name: &str, arguments: &[&str], operations: &[&str]) {
    let output = Command::new(guard::testbed().join("tool"))
        .arg(name)
        .args(arguments)
        .args(operations.iter().flat_map(|operation| ["--operation", *operation]))
        .output()
        .expect("Kafka's tools can be run");
    assert!(output.status.success(), "tool {name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Gives a user of SCRAM-SHA-512 another password.
pub(crate) fn change_password(broker: &Broker, user: &str, password: &str) {
    let credential = format!("SCRAM-SHA-512=[password={password}]");
    let user = ["--alter", "--entity-type", "users", "--entity-name", user, "--add-config", &credential];
    tool("configs", &[&["--bootstrap-server", broker.address()], &user[..]].concat(), &[]);
}

/// It ended as it should not, said why once, and none of the secrets.
pub(crate) fn assert_told(ended: &Ended, words: &[&str]) {
    for part in words {
        assert!(ended.stderr.contains(part), "'{part}' is not in\n{}", ended.stderr);
    }
    assert_no_secret(ended);
}

/// Nothing that was printed holds a password.
pub(crate) fn assert_no_secret(ended: &Ended) {
    for secret in
        ["alice-secret", "carol-secret", "erin-secret", "bob-secret", "dave-secret", "dave-new", "PRIVATE KEY"]
    {
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "{secret} is in {ended:?}");
    }
}
