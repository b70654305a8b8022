//! Records that wait for the schema they were written with, and what is said of them meanwhile.
//!
//! A record that was read before its schema is known holds its partition where it is: nothing is copied, nothing is
//! committed past it, and the other partitions go on. One that was kept already (a retry, or behind another of its key)
//! is held by the engine like any that waits for what it needs. Deliberately no limit of time: a registry that is down
//! costs time and no order.

use engine::time::Time;

use super::consumer_loop::ConsumerLoop;

impl ConsumerLoop<'_> {
    /// Lets kept records look again when the registry has answered; partitions look by themselves.
    pub(super) fn hear_registry(&mut self, now: Time) {
        let answers = self.desk.judge.answers();
        if std::mem::replace(&mut self.desk.heard_answers, answers) != answers {
            for partition in &mut self.partitions {
                partition.engine.release_held(now);
            }
        }
    }

    /// What keeps orders of this thread waiting for their schema, other than that the answer is on its way.
    pub(super) fn schema_trouble(&self) -> Option<String> {
        let held = self.partitions.iter().filter(|partition| partition.held_since_answer.is_some()).count();
        let kept: usize = self.partitions.iter().map(|partition| partition.engine.stored()).sum();
        let trouble = self.desk.judge.registry_trouble().filter(|_| held + kept > 0)?;
        let of = self.partitions.len();
        Some(format!("{trouble}; {held} of {of} partitions wait for the schema of their next order"))
    }
}
