//! [`Pushed`]: a stream that is pushed to another server.

use crate::config::Push;
use riverrun::Error;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::relay::{PushConfig, PushEvent, Pusher};
use riverrun::server::RtspServer;
use std::time::Duration;

/// Longest delay between two attempts: a server that is back is to have the stream soon.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A stream of the server that goes to one other server.
pub(crate) struct Pushed {
    url: String,
    /// As the configuration said when it was begun.
    push: Push,
    pusher: MediumId<Pusher>,
}

impl Pushed {
    /// Begins to push a stream, which need not be there.
    pub(crate) fn open(
        env: &mut UsageEnvironment,
        server: MediumId<RtspServer>,
        name: &str,
        url: &str,
        push: &Push,
    ) -> Result<Self, Error> {
        let label = label(name, url);
        let tell = move |_: &mut UsageEnvironment, event: PushEvent<'_>| tell(&label, &event);
        let pusher = Pusher::open(env, server, name, url, push_config(push)?, tell)?;
        Ok(Self { url: url.to_owned(), push: push.clone(), pusher })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether it goes on as it is by this configuration.
    pub(crate) fn is_of(&self, push: &Push) -> bool {
        let before = Push { to: push.to.clone(), ..self.push.clone() };
        before == *push && push.to.contains(&self.url)
    }

    /// The stream has become available.
    pub(crate) fn hurry(&self, env: &mut UsageEnvironment) {
        // Whoever has closed it wants no more of it.
        let _ = env.with(self.pusher, Pusher::hurry);
    }

    /// Ends the session at the other server.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        env.close(self.pusher);
    }
}

/// How it is called in the log: the stream and the server, without credentials.
fn label(name: &str, url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{name}: to {host}")
}

fn push_config(push: &Push) -> Result<PushConfig, Error> {
    let mut config = PushConfig::default();
    config.transport = push.transport;
    config.client.http_tunnel_port = push.http_tunnel_port;
    config.reconnect.longest_delay = LONGEST_DELAY;
    push.trust.configure(&mut config.client)?;
    Ok(config)
}

/// A line of the log for what happens to it.
fn tell(label: &str, event: &PushEvent<'_>) {
    match event {
        PushEvent::Lost(_) | PushEvent::Failed(_) | PushEvent::GaveUp => {
            log::warn!("{label}: {event}");
        }
        PushEvent::Connecting | PushEvent::Connected { .. } => log::debug!("{label}: {event}"),
        _ => log::info!("{label}: {event}"),
    }
}
