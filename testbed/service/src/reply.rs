//! What the service does with a call.
//!
//! Deliberately a value: a script makes one, the connection carries it out.

use std::time::Duration;

/// What the service does with a call.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) delay: Duration,
    pub(crate) action: Action,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
    CutOff { status: u16 },
    Hang,
    Close,
    Reset,
}

impl Reply {
    fn doing(action: Action) -> Reply {
        Reply { delay: Duration::ZERO, action }
    }

    /// Answers with this status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Reply {
        Reply::doing(Action::Answer { status, headers: Vec::new(), body: String::new() })
    }

    /// Adds a header to an answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        if let Action::Answer { headers, .. } = &mut self.action {
            headers.push((name, value.into()));
        }
        self
    }

    /// Adds a body to an answer.
    #[must_use]
    pub fn with_body(mut self, text: impl Into<String>) -> Reply {
        if let Action::Answer { body, .. } = &mut self.action {
            *body = text.into();
        }
        self
    }

    /// Does it so much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// Answers with this status, announces a body, and closes the connection in the middle of it.
    #[must_use]
    pub fn cut_off(status: u16) -> Reply {
        Reply::doing(Action::CutOff { status })
    }

    /// Never answers, and keeps the connection open.
    #[must_use]
    pub fn hang() -> Reply {
        Reply::doing(Action::Hang)
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn close() -> Reply {
        Reply::doing(Action::Close)
    }

    /// Resets the connection (RST) without an answer.
    #[must_use]
    pub fn reset() -> Reply {
        Reply::doing(Action::Reset)
    }
}
