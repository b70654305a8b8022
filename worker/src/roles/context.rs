//! What every role is given to work with, alone in its process or among others in the demo.
//!
//! Deliberately plain: a role that needs more than this takes it as an argument of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use runtime::{Readiness, Shutdown};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::metrics::Scope;
use crate::screen::Screen;

/// What a role is given. Clones share everything.
#[derive(Clone, Debug)]
pub struct RoleContext {
    /// The one clock of the process.
    pub clock: Clock,
    /// Drains the role.
    pub shutdown: Shutdown,
    /// What a person sees.
    pub screen: Screen,
    /// Where the role registers its metrics.
    pub metrics: Scope,
    /// Where the role says what it waits for.
    pub readiness: Readiness,
    /// What `/status` shows.
    pub status: StatusBoard,
    /// Where the admin server listens.
    pub admin_port: u16,
}

impl RoleContext {
    /// The same context for one role among several: its metrics carry a `role` label.
    pub fn of_role(&self, role: &'static str) -> Self {
        Self { metrics: self.metrics.of_role(role), ..self.clone() }
    }
}

type Source = Arc<dyn Fn() -> Value + Send + Sync>;

/// What `/status` answers: each role puts a function here that says how it is doing. Clones share the board.
#[derive(Clone, Default)]
pub struct StatusBoard {
    roles: Arc<Mutex<Vec<(&'static str, Source)>>>,
}

impl StatusBoard {
    /// Shows `source` as the status of `role`, in place of an earlier one. It gives a JSON object, is called at each
    /// request and must not block.
    pub fn publish(&self, role: &'static str, source: impl Fn() -> Value + Send + Sync + 'static) {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles.retain(|(known, _)| *known != role);
        roles.push((role, Arc::new(source)));
    }

    /// The status of the process: its only role's object with `role` added, or `{"roles": [...]}` with one object each.
    pub fn document(&self) -> Value {
        // Called without the lock: a source may take its time, and may even publish.
        let roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut shown: Vec<Value> = roles.iter().map(|(role, source)| with_role(role, source())).collect();
        if shown.len() == 1 { shown.remove(0) } else { json!({ "roles": shown }) }
    }
}

fn with_role(role: &str, status: Value) -> Value {
    let mut shown = json!({ "role": role });
    if let (Value::Object(shown), Value::Object(status)) = (&mut shown, status) {
        shown.extend(status);
    }
    shown
}

impl fmt::Debug for StatusBoard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StatusBoard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::StatusBoard;
    use serde_json::json;

    #[test]
    fn a_role_alone_is_the_whole_status() {
        let board = StatusBoard::default();
        board.publish("produce", || json!({ "acknowledged": 3 }));
        assert_eq!(board.document(), json!({ "role": "produce", "acknowledged": 3 }));
    }

    #[test]
    fn several_roles_are_listed_and_the_last_word_of_each_counts() {
        let board = StatusBoard::default();
        assert_eq!(board.document(), json!({ "roles": [] }));
        board.publish("produce", || json!({ "acknowledged": 3 }));
        board.publish("consume", || json!({}));
        board.publish("produce", || json!({ "acknowledged": 4 }));
        let expected = json!({ "roles": [{ "role": "consume" }, { "role": "produce", "acknowledged": 4 }] });
        assert_eq!(board.document(), expected);
    }
}
