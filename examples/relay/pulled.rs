//! [`Pulled`]: a stream that is pulled from a camera or another server.

use crate::config::{Pull, PullWhen};
use crate::support::talk;
use riverrun::Error;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::relay::{self, ProxyConfig, ProxyEvent, ProxyServerMediaSession};
use riverrun::server::{RelayedStreamOptions, RtspServer};
use std::time::Duration;

/// Longest delay between two attempts: a camera that is back is to be seen soon.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A stream of the server whose source is elsewhere.
pub(crate) struct Pulled(MediumId<ProxyServerMediaSession>);

impl Pulled {
    /// Adds the stream. One that is recorded is always pulled.
    pub(crate) fn open(
        env: &mut UsageEnvironment,
        server: MediumId<RtspServer>,
        name: &str,
        pull: &Pull,
        is_recorded: bool,
    ) -> Result<Self, Error> {
        let mut options = RelayedStreamOptions::new(name).with_kept_for(pull.kept_for);
        if let Some(fast_start) = pull.fast_start {
            options = options.with_fast_start(fast_start);
        }
        let (config, label) = (proxy_config(pull, is_recorded)?, name.to_owned());
        let tell = move |_: &mut UsageEnvironment, event: ProxyEvent<'_>| tell(&label, &event);
        ProxyServerMediaSession::open(env, server, options, &pull.url, config, tell).map(Self)
    }

    /// Closes the source, and removes the stream.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        env.close(self.0);
    }
}

fn proxy_config(pull: &Pull, is_recorded: bool) -> Result<ProxyConfig, Error> {
    let mut config = ProxyConfig::default();
    config.player.transport = pull.transport;
    config.player.client.http_tunnel_port = pull.http_tunnel_port;
    pull.trust.configure(&mut config.player.client)?;
    config.player.reconnect.longest_delay = LONGEST_DELAY;
    config.pull = match pull.when {
        PullWhen::Demand if !is_recorded => {
            relay::Pull::OnDemand { close_after: Some(pull.close_after) }
        }
        PullWhen::Demand | PullWhen::Always => relay::Pull::Always,
    };
    if let Some(codec) = pull.back_channel.and_then(talk::codec_of) {
        config.back_channel = Some(talk::back_channel(&codec)?);
    }
    Ok(config)
}

/// A line of the log for what a source does. Viewers are told of by the server.
fn tell(name: &str, event: &ProxyEvent<'_>) {
    match event {
        ProxyEvent::Watched | ProxyEvent::Unwatched => {}
        ProxyEvent::Lost(_) | ProxyEvent::Failed(_) | ProxyEvent::Unusable(_) => {
            log::warn!("{name}: {event}");
        }
        ProxyEvent::Opening | ProxyEvent::Described(_) | ProxyEvent::Ready { .. } => {
            log::debug!("{name}: {event}");
        }
        _ => log::info!("{name}: {event}"),
    }
}
