//! What a process still waits for before it can do its work; `/readyz` reads it.
//!
//! Every part that can be unready holds a handle, and a handle starts unready: a part that was forgotten shows.
//! Deliberately says nothing about being alive: a process that waits is not ill.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state of all handles of one process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// One entry a handle: what it waits for, `None` when ready.
    entries: Arc<Mutex<Vec<Option<String>>>>,
}

/// One part's say in the readiness of the process. When it is dropped, its last word stands.
#[derive(Debug)]
pub struct ReadyHandle {
    readiness: Readiness,
    index: usize,
}

impl Readiness {
    /// No handles yet, so ready: take the handles before the admin server starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new handle, unready, that waits for `reason`: `consumer: waiting for an assignment`.
    pub fn handle(&self, reason: impl Into<String>) -> ReadyHandle {
        let mut entries = self.lock();
        entries.push(Some(reason.into()));
        ReadyHandle { readiness: self.clone(), index: entries.len() - 1 }
    }

    /// True when no handle waits for anything.
    pub fn is_ready(&self) -> bool {
        self.lock().iter().all(Option::is_none)
    }

    /// What is waited for, in the order in which the handles were made; empty when ready.
    pub fn waiting_for(&self) -> Vec<String> {
        self.lock().iter().flatten().cloned().collect()
    }

    /// A panic elsewhere must not make the probes panic too: each entry is a whole value at any time.
    fn lock(&self) -> MutexGuard<'_, Vec<Option<String>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadyHandle {
    /// This part waits for nothing any more.
    pub fn set_ready(&self) {
        self.readiness.lock()[self.index] = None;
    }

    /// This part waits (again) for `reason`.
    pub fn wait_for(&self, reason: impl Into<String>) {
        self.readiness.lock()[self.index] = Some(reason.into());
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn a_handle_starts_unready_and_says_what_it_waits_for() {
        let readiness = Readiness::new();
        let _handle = readiness.handle("consumer: waiting for an assignment");
        assert!(!readiness.is_ready());
        assert_eq!(readiness.waiting_for(), ["consumer: waiting for an assignment"]);
    }

    #[test]
    fn all_handles_must_be_ready() {
        let readiness = Readiness::new();
        let producer = readiness.handle("producer");
        let consumer = readiness.handle("consumer");
        producer.set_ready();
        assert_eq!(readiness.waiting_for(), ["consumer"]);
        consumer.set_ready();
        assert!(readiness.is_ready());
    }

    #[test]
    fn a_ready_part_may_have_to_wait_again() {
        let readiness = Readiness::new();
        let handle = readiness.handle("first");
        handle.set_ready();
        handle.wait_for("second");
        assert_eq!(readiness.waiting_for(), ["second"]);
    }

    #[test]
    fn the_last_word_of_a_dropped_handle_stands() {
        let readiness = Readiness::new();
        drop(readiness.handle("never came up"));
        assert!(!readiness.is_ready());
    }
}
