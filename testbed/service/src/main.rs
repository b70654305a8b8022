//! The service as a program, for benchmarks: answers after a while, a share of the calls with another status.
//!
//! It prints where it listens and, when its standard input closes, one line of JSON: `calls`, `mostUnderWay`, and
//! `callsPerSecond`, one number for each second. Deliberately decides by counting and not by chance: of a hundred calls
//! in a row exactly so many fail.
#![expect(clippy::print_stdout, reason = "stdout is the product: whoever measures reads it")]

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use clap::Parser;
use test_service::{Reply, TestService};

/// A service to measure against
#[derive(Debug, Parser)]
struct Arguments {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long each answer takes
    #[arg(long, default_value = "10ms", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Of a hundred calls so many fail
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    failure_percent: u64,
    /// How they fail
    #[arg(long, default_value_t = 503)]
    failure_status: u16,
}

fn main() {
    let Arguments { port, delay, failure_percent, failure_status } = Arguments::parse();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let service = TestService::forgetful(port, move |_| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        // 37 has no factor in common with 100: neighbours fare differently.
        let fails = number * 37 % 100 < failure_percent;
        Reply::status(if fails { failure_status } else { 200 }).after(delay)
    });
    println!("listening on {}", service.address());
    let per_second = watch(&calls);
    let told = serde_json::json!({
        "calls": calls.load(Ordering::Relaxed), "mostUnderWay": service.most_under_way(), "callsPerSecond": per_second,
    });
    println!("{told}");
}

/// Counts calls second by second until standard input closes.
fn watch(calls: &AtomicU64) -> Vec<u64> {
    let (closed, is_closed) = mpsc::channel();
    std::thread::spawn(move || {
        // Whatever ends it: nobody is interested any more.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        closed.send(()).ok();
    });
    let (mut per_second, mut before) = (Vec::new(), 0);
    while is_closed.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let now = calls.load(Ordering::Relaxed);
        per_second.push(now - before);
        before = now;
    }
    per_second
}
