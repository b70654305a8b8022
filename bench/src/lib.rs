//! Measuring side by side: every contestant runs in every round, so that a busy machine slows all of them alike.
//!
//! Times are CPU seconds of the thread, not of the wall. Deliberately no statistics beyond median and spread: what is
//! looked at is the ratio of two medians of one run.

use rustix::time::{ClockId, clock_gettime};

/// One way of doing the work: a name and a pass over all of it.
pub struct Contestant<'a> {
    /// Name in the table.
    pub name: &'static str,
    /// Does the work once and returns something that depends on all of it.
    pub pass: Box<dyn FnMut() -> u64 + 'a>,
}

/// What the rounds of one contestant took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Median, nanoseconds of CPU for one item.
    pub median: f64,
    /// Quickest round.
    pub least: f64,
    /// Slowest round.
    pub most: f64,
}

/// Runs `rounds` rounds of all contestants, each for `passes` passes over `items` items.
pub fn contest(contestants: &mut [Contestant<'_>], rounds: usize, passes: usize, items: usize) -> Vec<Timing> {
    let mut times = vec![Vec::with_capacity(rounds); contestants.len()];
    for _round in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let before = thread_nanoseconds();
            for _pass in 0..passes {
                std::hint::black_box((contestant.pass)());
            }
            times.push((thread_nanoseconds() - before) as f64 / (passes * items) as f64);
        }
    }
    times.into_iter().map(timing).collect()
}

fn timing(mut times: Vec<f64>) -> Timing {
    times.sort_by(f64::total_cmp);
    Timing { median: times[times.len() / 2], least: times[0], most: times[times.len() - 1] }
}

/// CPU time of this thread.
fn thread_nanoseconds() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
