//! Simulated failures: a pure function of (seed, order id, attempt), the same in every process and replay.
//!
//! Deliberately without a random generator, so that tests can compute the exact outcome of every order.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Whether try number `attempt` (0 = the first) of an order fails, with `percent` (0 to 100) of all tries failing.
#[must_use]
pub fn fails(seed: u64, order_id: &[u8], attempt: u32, percent: f64) -> bool {
    happens(mix(seed, 1 + u64::from(attempt)), order_id, percent)
}

/// Whether an order is one of the `percent` (0 to 100) that never succeed.
#[must_use]
pub fn permanent(seed: u64, order_id: &[u8], percent: f64) -> bool {
    happens(mix(seed, 0), order_id, percent)
}

fn happens(seed: u64, order_id: &[u8], percent: f64) -> bool {
    if percent <= 0.0 {
        return false;
    }
    let share = (xxh3_64_with_seed(order_id, seed) >> 11) as f64 / (1u64 << 53) as f64;
    share * 100.0 < percent
}

/// One seed for each (seed, purpose).
fn mix(seed: u64, purpose: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&purpose.to_le_bytes());
    xxh3_64(&bytes)
}
