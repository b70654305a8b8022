//! The result of a run on one page: for people as text, for the record as JSON.
//!
//! Deliberately the same figures in both.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{run::Told, verdict::Verdict};

/// How many problems are shown; the file has all of them.
const SHOWN: usize = 20;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Page {
    folder: PathBuf,
    figures: Value,
}

impl Page {
    /// Puts together what a run told and what the oracle says.
    pub(crate) fn new(
        folder: &Path,
        (seed, handling, took): (u64, &str, Duration),
        told: &Told,
        verdict: &Verdict,
    ) -> Page {
        let problems: Vec<&String> = told.problems.iter().chain(&verdict.problems).collect();
        let (stuck, after) = told.worst_stuck.clone().unwrap_or_default();
        let [producer, consumer, dead_letters] = verdict.most_memory.map(|bytes| bytes >> 20);
        let figures = json!({
            "seed": seed,
            "handling": handling,
            "seconds": took.as_secs(),
            "faults": told.faults,
            "records": verdict.ledger.records,
            "succeeded": verdict.ledger.succeeded,
            "deadLettered": verdict.ledger.dead.len(),
            "skipped": verdict.ledger.skipped,
            "deadLetterCopies": verdict.copies,
            "handledAgain": verdict.again,
            "worstStuckSeconds": stuck.as_secs_f64(),
            "worstStuckAfter": after,
            "drainSeconds": told.drain.map(|drain| drain.as_secs_f64()),
            "mostMemoryMebibytes": {"producer": producer, "consumer": consumer, "deadLetters": dead_letters},
            "problems": problems,
        });
        Page { folder: folder.to_owned(), figures }
    }

    /// Where its file is, and the logs where something is wrong.
    pub(crate) fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    /// How much is wrong.
    pub(crate) fn problems(&self) -> usize {
        self.figures["problems"].as_array().map_or(0, Vec::len)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let page = &self.figures;
        let faults = page["faults"].as_object().into_iter().flatten();
        let count: u64 = faults.clone().filter_map(|(_, count)| count.as_u64()).sum();
        let mut text = format!(
            "\ntorture, seed {}, {}, {} s\n",
            page["seed"],
            page["handling"].as_str().unwrap_or_default(),
            page["seconds"]
        );
        let mut line =
            |name: &str, value: String| writeln!(text, "  {name:<58} {value:>10}").expect("a string takes it");
        line("records in the source topic", page["records"].to_string());
        line("  succeeded", page["succeeded"].to_string());
        line("  dead letters", page["deadLettered"].to_string());
        line("  skipped", page["skipped"].to_string());
        line("handled again, at least", page["handledAgain"].to_string());
        line("copies of dead letters", page["deadLetterCopies"].to_string());
        line("faults", count.to_string());
        for (kind, count) in faults {
            line(&format!("  {kind}"), count.to_string());
        }
        line(
            "longest stuck after a fault, s",
            format!("{:.1}", page["worstStuckSeconds"].as_f64().unwrap_or_default()),
        );
        line("drained within, s", format!("{:.1}", page["drainSeconds"].as_f64().unwrap_or_default()));
        for role in ["producer", "consumer", "deadLetters"] {
            line(&format!("most memory, {role}, MiB"), page["mostMemoryMebibytes"][role].to_string());
        }
        line("problems", self.problems().to_string());
        for problem in page["problems"].as_array().into_iter().flatten().take(SHOWN) {
            writeln!(text, "    {}", problem.as_str().unwrap_or_default()).expect("a string takes it");
        }
        text
    }

    /// Writes it beside the logs, which are kept where something is wrong.
    pub(crate) fn keep(&self) {
        if self.problems() == 0 {
            for file in fs::read_dir(&self.folder).expect("the folder is there").filter_map(Result::ok) {
                fs::remove_file(file.path()).expect("its files are ours");
            }
        }
        let text = serde_json::to_string_pretty(&self.figures).expect("figures are JSON");
        fs::write(self.folder.join("result.json"), text + "\n").expect("the folder takes files");
    }
}
