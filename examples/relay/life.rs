//! [`Life`]: the lines of the log that tell the life of each stream: publishers and viewers.

use riverrun::env::EventTrigger;
use riverrun::server::ServerHooks;
use riverrun::server::pool::{RemovalReason, SessionId, SessionInfo};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How long it is remembered when a publisher was lost.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The hooks that write a line of the log when publishers and viewers come and go.
pub(crate) struct Life {
    /// The names of streams that somebody has begun to publish go here.
    published: Sender<Arc<str>>,
    wake: EventTrigger,
    publishers: HashSet<SessionId>,
    lost: HashMap<Arc<str>, Instant>,
    viewers: HashMap<Arc<str>, HashSet<SessionId>>,
}

impl Life {
    pub(crate) fn new(published: Sender<Arc<str>>, wake: EventTrigger) -> Self {
        Self {
            published,
            wake,
            publishers: HashSet::new(),
            lost: HashMap::new(),
            viewers: HashMap::new(),
        }
    }
}

impl ServerHooks for Life {
    fn played(&mut self, session: &SessionInfo) {
        let viewers = self.viewers.entry(Arc::clone(&session.stream)).or_default();
        // One that goes on after a pause is known.
        if viewers.insert(session.session) {
            log::info!(
                "{}: {}, one more at {}",
                session.stream,
                count(viewers.len()),
                session.peer
            );
        }
    }

    fn recorded(&mut self, session: &SessionInfo) {
        let (stream, peer) = (&session.stream, session.peer);
        if !self.publishers.insert(session.session) {
            return;
        }
        match self.lost.remove(stream) {
            None => log::info!("{stream}: source up, published from {peer}"),
            Some(at) => {
                let seconds = at.elapsed().as_secs_f64();
                log::info!("{stream}: source back after {seconds:.1} s, published from {peer}");
            }
        }
        // Where nobody listens the program has ended.
        if self.published.send(Arc::clone(stream)).is_ok() {
            self.wake.trigger();
        }
    }

    fn publisher_lost(&mut self, session: &SessionInfo, reason: RemovalReason) {
        if self.publishers.remove(&session.session) {
            log::info!("{}: source lost: {reason}", session.stream);
            self.lost.retain(|_, at| at.elapsed() < REMEMBERED);
            self.lost.insert(Arc::clone(&session.stream), Instant::now());
        }
    }

    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        let Some(viewers) = self.viewers.get_mut(&session.stream) else { return };
        if viewers.remove(&session.session) {
            let (stream, peer) = (&session.stream, session.peer);
            log::info!("{stream}: {}, one less at {peer}: {reason}", count(viewers.len()));
        }
        if viewers.is_empty() {
            self.viewers.remove(&session.stream);
        }
    }
}

fn count(viewers: usize) -> String {
    if viewers == 1 { "1 viewer".to_owned() } else { format!("{viewers} viewers") }
}
