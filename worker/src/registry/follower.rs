//! The id that a running producer writes: fixed, or the latest of its subject, looked up anew every minute.
//!
//! Deliberately keeps the id it has when the registry does not answer, or when the newest schema is not what is written:
//! records that are readable now stay readable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::client::Client;
use super::identity::Subject;
use super::patience::block_on;
use crate::config::Registration;
use crate::roles::chain;

/// How long the latest version is believed.
const LATEST_IS_BELIEVED_FOR: Duration = Duration::from_secs(60);

/// The id to write now.
pub(crate) struct Follower {
    id: Arc<AtomicU32>,
    /// Dropped to end the thread, if there is one.
    _end: Option<oneshot::Sender<()>>,
}

impl Follower {
    /// Begins with `id`; follows the subject where the way is [`Registration::Latest`].
    pub(crate) fn new(id: u32, registration: Registration, subject: Subject, client: Client) -> Self {
        match registration {
            Registration::Latest => Self::following(id, subject, client, LATEST_IS_BELIEVED_FOR),
            Registration::Lookup | Registration::Register | Registration::Id(_) => {
                Self { id: Arc::new(AtomicU32::new(id)), _end: None }
            }
        }
    }

    pub(super) fn following(id: u32, subject: Subject, client: Client, every: Duration) -> Self {
        let id = Arc::new(AtomicU32::new(id));
        let (end, mut ended) = oneshot::channel::<()>();
        let shared = Arc::clone(&id);
        let body = move || {
            block_on(async {
                while tokio::time::timeout(every, &mut ended).await.is_err() {
                    follow(&shared, &subject, &client).await;
                }
            });
        };
        std::thread::Builder::new().name("registry".to_owned()).spawn(body).expect("the system has threads left");
        Self { id, _end: Some(end) }
    }

    /// The id to write now.
    pub(crate) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }
}

async fn follow(shared: &AtomicU32, subject: &Subject, client: &Client) {
    let before = shared.load(Ordering::Relaxed);
    match subject.identify(client, Registration::Latest).await {
        Ok(id) if id == before => {}
        Ok(id) => {
            tracing::info!(target: "registry", subject = subject.name, id, before, "the subject has a new latest schema");
            shared.store(id, Ordering::Relaxed);
        }
        Err(refusal) => tracing::warn!(target: "registry", id = before, "{}; the id stays as it is", chain(&refusal)),
    }
}
