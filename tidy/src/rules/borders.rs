//! Who may know whom: docs/architecture.md as a table.
//!
//! Deliberately a table of what is forbidden for names of others, and of what is allowed among our own crates: a new
//! crate of ours has to be written down here before it may depend on another.

use crate::tokens::{Kind, lines_of_path};
use crate::{File, Tree, Violation};

/// Our crates, and which of ours each may depend on.
const OURS: [(&str, &[&str]); 7] = [
    ("schemas", &[]),
    ("engine", &["schemas"]),
    ("runtime", &[]),
    ("worker", &["schemas", "engine", "runtime"]),
    ("operator", &["schemas", "runtime"]),
    ("bench", &["schemas", "engine", "runtime"]),
    ("tidy", &[]),
];

/// Crates of others that only some of our folders may depend on. Not shipped: `bench` measures the bare client too.
const OTHERS: [(&str, &[&str]); 3] =
    [("rdkafka", &["worker", "bench"]), ("rdkafka-sys", &["worker", "bench"]), ("kube", &["operator"])];

/// What a crate must not depend on, tests aside.
const PURE: [(&str, &[&str]); 2] = [
    ("schemas", &["tokio", "kube", "rdkafka", "prometheus", "axum", "reqwest"]),
    ("engine", &["tokio", "tracing", "prometheus", "rand", "fastrand", "rdkafka", "kube", "axum", "reqwest", "log"]),
];

/// Names that must not stand in a folder's sources, and what to do instead.
const FOREIGN_TO_THE_ENGINE: [(&str, &str); 10] = [
    ("tokio", "the engine knows no runtime"),
    ("tracing", "the engine reports to its caller"),
    ("prometheus", "the engine reports to its caller"),
    ("rdkafka", "the engine knows no Kafka"),
    ("rand", "chance comes in as an argument"),
    ("Instant::now", "time comes in as an argument"),
    ("SystemTime", "time comes in as an argument"),
    ("std::thread", "the engine runs on its caller's thread"),
    ("std::fs", "the engine does no I/O"),
    ("std::net", "the engine does no I/O"),
];

/// Where rdkafka may be named: one folder of the worker, and what is not shipped.
const RDKAFKA: [&str; 3] = ["worker/src/kafka", "worker/tests", "bench"];

/// The one file with `unsafe` in it, and the bare loop it is measured against, which is not shipped.
const UNSAFE: [&str; 2] = ["worker/src/kafka/ffi.rs", "bench/peers/floor/src/main.rs"];

/// Dependencies that the table does not allow.
pub fn forbidden_dependencies(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.files() {
        if let Some(name) = file.path.strip_suffix("/Cargo.toml").filter(|folder| !folder.contains('/')) {
            check_manifest(name, file, &mut found);
        }
    }
    found
}

fn check_manifest(name: &str, file: &File, found: &mut Vec<Violation>) {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return found.push(file.violation(format!("is no TOML: {error}"))),
    };
    let Some((_, ours)) = OURS.iter().find(|(ours, _)| *ours == name) else {
        return found.push(file.violation("write down in tidy/src/rules/borders.rs whom this crate may know"));
    };
    let pure = PURE.iter().find(|(pure, _)| *pure == name).map_or(&[][..], |(_, forbidden)| *forbidden);
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten();
    for (dependency, _) in dependencies {
        let is_ours = OURS.iter().any(|(ours, _)| ours == dependency);
        let elsewhere = OTHERS.iter().any(|(other, folders)| other == dependency && !folders.contains(&name));
        if is_ours && !ours.contains(&dependency.as_str()) || elsewhere || pure.contains(&dependency.as_str()) {
            found.push(file.violation(format!("{name} must not depend on {dependency} (docs/architecture.md)")));
        }
    }
}

/// Names in the engine's sources that make it impure.
pub fn impure_engine(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| file.is_in("engine")) {
        for (path, instead) in FOREIGN_TO_THE_ENGINE {
            let lines = lines_of_path(file.tokens(), path);
            found.extend(lines.into_iter().map(|line| file.violation_at(line, format!("{path}: {instead}"))));
        }
    }
    found
}

/// rdkafka named outside the worker's kafka folder.
pub fn stray_rdkafka(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !RDKAFKA.iter().any(|place| file.is_in(place))) {
        for token in file.tokens().iter().filter(|token| token.kind == Kind::Word) {
            if token.text == "rdkafka" || token.text == "rdkafka_sys" {
                found.push(
                    file.violation_at(token.line, "only worker/src/kafka names rdkafka; put a type of ours between"),
                );
            }
        }
    }
    found
}

/// `unsafe` outside the files that may have it.
pub fn stray_unsafe(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !UNSAFE.contains(&&*file.path)) {
        for token in file.tokens().iter().filter(|token| token.text == "unsafe") {
            found.push(file.violation_at(token.line, format!("only {} has unsafe code", UNSAFE[0])));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{forbidden_dependencies, impure_engine, stray_rdkafka, stray_unsafe};
    use crate::Tree;

    #[test]
    fn finds_a_dependency_across_a_border() {
        let tree = Tree::of(&[
            (
                "engine/Cargo.toml",
                "[dependencies]\nschemas.workspace = true\nruntime.workspace = true\ntokio = \"1\"\n",
            ),
            ("schemas/Cargo.toml", "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ntokio = \"1\"\n"),
            ("runtime/Cargo.toml", "[dependencies]\nrdkafka = \"0.39\"\n"),
        ]);
        let found: Vec<String> = forbidden_dependencies(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("engine must not depend on runtime"), "{found:?}");
        assert!(found[1].contains("engine must not depend on tokio"), "{found:?}");
        assert!(found[2].contains("runtime must not depend on rdkafka"), "{found:?}");
    }

    #[test]
    fn finds_a_crate_nobody_wrote_down() {
        let tree = Tree::of(&[("web/Cargo.toml", "[dependencies]\n"), ("Cargo.toml", "[workspace]\n")]);
        assert_eq!(forbidden_dependencies(&tree).len(), 1);
    }

    #[test]
    fn finds_a_clock_in_the_engine() {
        let clock = "//! x\nfn f() {\n    let now = Instant::now();\n}\n";
        let tree = Tree::of(&[("engine/src/timer.rs", clock), ("worker/src/clock.rs", clock)]);
        let found = impure_engine(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 3);
    }

    #[test]
    fn finds_rdkafka_outside_its_folder() {
        let import = "use rdkafka::Message;\n";
        let tree = Tree::of(&[("worker/src/kafka/sink.rs", import), ("worker/src/roles/consume.rs", import)]);
        assert_eq!(stray_rdkafka(&tree).len(), 1);
    }

    #[test]
    fn finds_unsafe_outside_its_file() {
        let block = "fn f() { unsafe { g() } }\n";
        let tree =
            Tree::of(&[(super::UNSAFE[0], block), ("worker/src/kafka/source.rs", block), ("a.rs", "// unsafe\n")]);
        let found = stray_unsafe(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "worker/src/kafka/source.rs");
    }
}
