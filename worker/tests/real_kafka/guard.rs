//! Ends what the tests started, in every exit path, kill -9 of the test process included.
//!
//! A shell process reads names of processes and broker folders from a pipe. However the test process ends, the pipe
//! closes, and the shell kills what is still on its list. Deliberately no part of an orderly end: that is `Drop`.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock},
};

const SCRIPT: &str = r#"
    declare -A processes folders registries
    while read -r verb name; do
        case $verb in
            process) processes[$name]=1 ;;
            ended) unset "processes[$name]" ;;
            folder) folders[$name]=1 ;;
            registry) registries[$name]=1 ;;
        esac
    done
    for process in "${!processes[@]}"; do kill -KILL "$process" 2>/dev/null; done
    for folder in "${!folders[@]}"; do "$0/kafka/down.sh" --dir "$folder" --kill --purge; done
    for folder in "${!registries[@]}"; do "$0/registry/down.sh" --dir "$folder" --kill --purge; done
"#;

/// A child process of the tests: killed when they end, unless [`forget_process`] came first.
pub(crate) fn watch_process(id: u32) {
    tell(&format!("process {id}"));
}

/// The process has ended and was waited for: its number may belong to another now.
pub(crate) fn forget_process(id: u32) {
    tell(&format!("ended {id}"));
}

/// A folder in which `up.sh` starts a broker: the broker is killed and the folder removed when the tests end.
pub(crate) fn watch_broker(folder: &Path) {
    tell(&format!("folder {}", folder.display()));
}

/// The same for a registry.
pub(crate) fn watch_registry(folder: &Path) {
    tell(&format!("registry {}", folder.display()));
}

/// Where the broker's scripts are.
pub(crate) fn testbed() -> PathBuf {
    testbeds().join("kafka")
}

/// Where the scripts of all servers are.
pub(crate) fn testbeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed")
}

fn tell(line: &str) {
    static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let mut pipe = PIPE.get_or_init(|| Mutex::new(start())).lock().expect("no holder of the pipe panics");
    writeln!(pipe, "{line}").expect("the guard reads until this process ends");
}

/// In a process group of its own, so that Ctrl+C reaches the tests and not the guard.
#[expect(clippy::zombie_processes, reason = "the guard outlives this process")]
fn start() -> ChildStdin {
    let mut guard = Command::new("bash")
        .args(["-c", SCRIPT])
        .arg(testbeds())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash is there: the broker's scripts need it too");
    guard.stdin.take().expect("stdin is piped")
}
