//! [`Feed`]: the handler of the player that pulls a source. Packets go straight to the server; what
//! else is told goes to the session.

use crate::client::{MediaSession, PlayerEvent};
use crate::env::{MediumError, MediumId, UsageEnvironment};
use crate::relay::proxy::ProxyServerMediaSession;
use crate::server::{RelayedStreamId, RtspServer};

/// Passes on what a player tells.
#[derive(Debug)]
pub(super) struct Feed {
    session: MediumId<ProxyServerMediaSession>,
    server: MediumId<RtspServer>,
    stream: RelayedStreamId,
    /// The description of this attempt.
    media: Option<MediaSession>,
    /// The numbers of the tracks that the stream has, in its order; none before they are set up.
    tracks: Vec<usize>,
    /// A packet has come in this attempt.
    is_up: bool,
}

impl Feed {
    pub(super) const fn new(
        session: MediumId<ProxyServerMediaSession>,
        server: MediumId<RtspServer>,
        stream: RelayedStreamId,
    ) -> Self {
        Self { session, server, stream, media: None, tracks: Vec::new(), is_up: false }
    }

    pub(super) fn handle(&mut self, env: &mut UsageEnvironment, event: PlayerEvent<'_>) {
        let Self { session, server, stream, .. } = *self;
        match event {
            PlayerEvent::Packet { track, packet } => {
                let Some(index) = self.tracks.iter().position(|number| *number == track) else {
                    return;
                };
                if !self.is_up {
                    self.is_up = true;
                    let _ = env.with(session, ProxyServerMediaSession::note_first_packet);
                }
                let relayed = env.with(server, |server, env| {
                    server.relay_packet(env, stream, index, packet);
                });
                if matches!(relayed, Err(MediumError::Ended)) {
                    // The server is gone, and with it all that is for it.
                    env.close(session);
                }
            }
            PlayerEvent::PacketsEnd => {
                let _ = env.with(server, RtspServer::send_relayed_packets);
            }
            PlayerEvent::Described(media) => {
                self.forget();
                self.media = Some(media.clone());
                let _ = env.with(session, |session, env| session.note_description(env, media));
            }
            PlayerEvent::SetUp { transport, tracks } => {
                let Some(media) = self.media.take() else { return };
                let chosen: Vec<_> =
                    tracks.iter().filter_map(|number| media.subsession(*number)).collect();
                self.tracks = chosen.iter().map(|subsession| subsession.number).collect();
                let _ = env.with(session, |session, env| session.describe(env, transport, &chosen));
            }
            PlayerEvent::Lost(why) => {
                self.forget();
                let _ = env.with(session, |session, env| session.note_loss(env, &why));
            }
            PlayerEvent::Reconnecting { delay, failures } => {
                let _ = env.with(session, |session, env| {
                    session.note_delay(env, delay, failures);
                });
            }
            PlayerEvent::Ended(why) => {
                self.forget();
                let _ = env.with(session, |session, env| session.note_end(env, &why));
            }
            _ => {}
        }
    }

    /// What was set up is gone.
    fn forget(&mut self) {
        self.media = None;
        self.tracks.clear();
        self.is_up = false;
    }
}
