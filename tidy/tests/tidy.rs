//! This repository keeps its own rules: one test for each, so that a failure names the rule that was broken.

use std::path::Path;
use std::sync::LazyLock;

use tidy::rules::{borders, clock, decisions, documents, lints, metrics, names, opening, places, size, waiting};
use tidy::{Tree, Violation};

static REPOSITORY: LazyLock<Tree> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
    Tree::read(root)
});

fn repository_keeps(rule: fn(&Tree) -> Vec<Violation>) {
    let violations: Vec<String> = rule(&REPOSITORY).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// `behaviour: rule;` becomes a test of that name.
macro_rules! rules {
    ($($behaviour:ident: $rule:path;)*) => {
        $(
            #[test]
            fn $behaviour() {
                repository_keeps($rule);
            }
        )*

        #[test]
        fn every_rule_is_held_against_the_repository() {
            let held = [$(stringify!($rule)),*];
            for file in REPOSITORY.rust().filter(|file| file.is_in("tidy/src/rules")) {
                let module = file.path.trim_start_matches("tidy/src/rules/").trim_end_matches(".rs");
                for name in file.text.lines().filter_map(|line| line.strip_prefix("pub fn ")) {
                    let name = name.split('(').next().unwrap_or_default();
                    assert!(held.contains(&format!("{module}::{name}").as_str()), "{module}::{name} is in no test");
                }
            }
        }
    };
}

rules! {
    files_are_short: size::long_files;
    tests_beside_the_code_are_short: size::long_inline_tests;
    every_source_says_what_it_is: opening::silent_files;
    crates_know_only_whom_they_may: borders::forbidden_dependencies;
    the_engine_is_pure: borders::impure_engine;
    rdkafka_stays_in_its_folder: borders::stray_rdkafka;
    unsafe_code_stays_in_its_file: borders::stray_unsafe;
    exceptions_from_lints_are_explained: lints::unexplained_exceptions;
    every_crate_takes_the_lints: lints::crates_without_lints;
    clock_chance_and_environment_are_read_in_named_files: clock::stray_reads;
    modules_have_names_that_say_something: names::empty_names;
    tests_are_named_by_behaviour: names::test_prefixes;
    tests_do_not_sleep: waiting::sleeping_tests;
    metric_names_stand_in_one_file: metrics::stray_names;
    documented_metrics_exist: metrics::unknown_in_documents;
    listed_metrics_are_counted: metrics::uncounted_names;
    links_lead_somewhere: documents::broken_links;
    the_readme_is_short: documents::long_readme;
    documented_flags_exist: documents::unknown_flags;
    guarantees_name_tests_that_exist: documents::unknown_tests;
    nothing_is_left_to_do: documents::promises;
    decision_records_have_their_form: decisions::malformed_records;
    nothing_is_tied_to_one_machine: places::tied_lines;
}
