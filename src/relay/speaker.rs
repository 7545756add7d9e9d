//! [`Speaker`]: the back channel of a pulled source. What a viewer says goes to the camera, over a
//! connection of its own that is made when somebody wants to talk.
//!
//! The connection that pulls the picture is left alone: a camera may answer `Require` with an error,
//! with silence or by hanging up, and viewers would see that.

use crate::arena::RawId;
use crate::client::{
    AttemptError, MediaSession, Player, PlayerConfig, PlayerEvent, TrackChoice, TransportPolicy,
};
use crate::env::{Event, EventKey, Medium, MediumError, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::ids::BackChannelId;
use crate::payload::PayloadFormat;
use crate::relay::config::ProxyBackChannel;
use crate::relay::event::ProxyEvent;
use crate::relay::said::{Ear, Said, Voice};
use crate::server::{BackChannelOptions, RtspServer};
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::StatusCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

/// There is something to do: a client wants to talk, talks, or has left.
const KEY_TALK: u32 = 1;
const KEY_TIMER: u32 = 2;

/// Packets that may wait to be sent; more are dropped.
const MAX_WAITING: usize = 256;

type Teller = Box<dyn FnMut(&mut UsageEnvironment, ProxyEvent<'_>)>;

/// The back channel of a pulled source.
pub(super) struct Speaker {
    config: ProxyBackChannel,
    url: String,
    player_config: PlayerConfig,
    server: MediumId<RtspServer>,
    /// Tells of the back channel's life.
    teller: Teller,
    me: Option<MediumId<Self>>,
    channel: Option<BackChannelId>,
    said: Option<Receiver<Said>>,
    camera: Option<Camera>,
    /// Until when the camera is left alone after it has failed.
    rests_until: Option<Instant>,
    voice: Option<Voice>,
    timer: Timer,
}

/// The connection to the camera.
#[derive(Debug)]
struct Camera {
    player: MediumId<Player>,
    /// The payload type that the camera has for the format, once that is described.
    payload_type: Option<u8>,
    /// Whether it takes what is said. Before it did for the first time, clients wait.
    is_up: bool,
    was_up: bool,
    /// Why it does not.
    failure: Option<StatusCode>,
    /// When it is closed, if nobody talks until then.
    close_at: Option<Instant>,
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speaker").field("camera", &self.camera).finish_non_exhaustive()
    }
}

impl Speaker {
    /// Adds the back channel to the server. Its id is [`channel`](Self::channel).
    pub(super) fn open(
        env: &mut UsageEnvironment,
        server: MediumId<RtspServer>,
        (url, player): (&str, &PlayerConfig),
        config: ProxyBackChannel,
        teller: impl FnMut(&mut UsageEnvironment, ProxyEvent<'_>) + 'static,
    ) -> Result<MediumId<Self>, Error> {
        let mut player_config = player.clone();
        player_config.tracks =
            TrackChoice::back_channel_alone().back_channel_codec(&*config.format.encoding_name);
        if player_config.transport == TransportPolicy::Auto {
            // Nothing comes back by which it could be seen that UDP does not get through.
            player_config.transport = TransportPolicy::Tcp;
        }
        let speaker = env.add(Self {
            config,
            url: url.to_owned(),
            player_config,
            server,
            teller: Box::new(teller),
            me: None,
            channel: None,
            said: None,
            camera: None,
            rests_until: None,
            voice: None,
            timer: Timer::new(),
        });
        let begun = env.with(speaker, |this, env| this.begin(env, speaker));
        match begun.map_err(Error::from).and_then(|begun| begun) {
            Ok(()) => Ok(speaker),
            Err(e) => {
                env.close(speaker);
                Err(e)
            }
        }
    }

    fn begin(&mut self, env: &mut UsageEnvironment, me: MediumId<Self>) -> Result<(), Error> {
        let key = EventKey { kind: KEY_TALK, id: RawId::default() };
        let trigger = env.create_medium_trigger(me.handle(), key);
        let (sender, said) = sync_channel(MAX_WAITING);
        let options = BackChannelOptions::new(vec![self.config.format.clone()])
            .with_packets()
            .opened_on_demand();
        let ear = Ear::new(sender, trigger);
        let added = env.with(self.server, |server, _| server.add_back_channel(options, ear))??;
        (self.me, self.channel, self.said) = (Some(me), Some(added), Some(said));
        Ok(())
    }

    /// The back channel in the server.
    pub(super) const fn channel(&self) -> Option<BackChannelId> {
        self.channel
    }

    fn tell(&mut self, env: &mut UsageEnvironment, event: ProxyEvent<'_>) {
        (self.teller)(env, event);
    }

    // Clients

    /// Does what follows from what clients have done.
    fn follow(&mut self, env: &mut UsageEnvironment) {
        let Some(channel) = self.channel else { return };
        let state = env.with(self.server, |server, _| {
            (server.is_back_channel_wanted(channel), server.talker_of(channel).is_some())
        });
        let (is_wanted, is_talked_to) = match state {
            Ok(state) => state,
            // The server has ended, and with it all that is for it.
            Err(MediumError::Ended) => return self.close(env),
            Err(_) => return,
        };
        // Who talks already, when the camera has failed for good, is not forgotten.
        let rests = self.rests_until.is_some_and(|until| env.now() < until);
        if self.camera.is_none() && (is_wanted || is_talked_to && !rests) {
            self.open_camera(env);
        }
        self.pass_on(env);
        let stay = self.config.close_after;
        if let Some(camera) = &mut self.camera {
            camera.close_at = if is_wanted || is_talked_to {
                None
            } else {
                camera.close_at.or_else(|| env.now().checked_add(stay))
            };
        }
        self.arm(env);
    }

    /// Sends what has been said since the last time.
    fn pass_on(&mut self, env: &mut UsageEnvironment) {
        let Some(said) = &self.said else { return };
        for said in said.try_iter().take(MAX_WAITING) {
            let Some(Camera { player, payload_type: Some(payload_type), is_up: true, .. }) =
                self.camera
            else {
                continue;
            };
            let random = || env.random_u32();
            let voice =
                self.voice.get_or_insert_with(|| Voice::new(self.config.format.clock_rate, random));
            let packet = voice.packet(payload_type, &said);
            let sent = env.with(player, |player, env| {
                player.send_to_back_channel(env, PacketKind::Rtp, packet)
            });
            if let Ok(Err(e)) = sent {
                log::debug!("what is said does not go to the camera: {e}");
            }
        }
    }

    fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = match &self.camera {
            Some(camera) => camera.close_at,
            None => self.rests_until,
        };
        let key = EventKey { kind: KEY_TIMER, id: RawId::default() };
        match (at, self.me) {
            (Some(at), Some(me)) => env.arm_timer(&mut self.timer, me.handle(), key, at),
            _ => env.disarm_timer(&mut self.timer),
        }
    }

    fn close(&self, env: &mut UsageEnvironment) {
        if let Some(me) = self.me {
            env.close(me);
        }
    }

    // The camera

    fn open_camera(&mut self, env: &mut UsageEnvironment) {
        let Some(me) = self.me else { return };
        let config = self.player_config.clone();
        let opened = Player::open(env, &self.url, config, move |env, event| {
            // When it is closed it needs no news.
            let _ = env.with(me, |speaker, env| speaker.handle(env, &event));
        });
        match opened {
            Ok(player) => {
                self.camera = Some(Camera {
                    player,
                    payload_type: None,
                    is_up: false,
                    was_up: false,
                    failure: None,
                    close_at: None,
                });
            }
            Err(e) => {
                log::warn!("the camera cannot be talked to: {e}");
                self.refuse(env, StatusCode::BAD_GATEWAY);
            }
        }
    }

    /// Takes what the player of the camera tells.
    fn handle(&mut self, env: &mut UsageEnvironment, event: &PlayerEvent<'_>) {
        match event {
            PlayerEvent::Described(media) => self.note_description(env, media),
            PlayerEvent::Playing { .. } => self.note_playing(env),
            PlayerEvent::TrackFailed { why, .. } => {
                log::debug!("the camera refuses its back channel: {why}");
                self.note_failure(StatusCode::BAD_GATEWAY);
            }
            PlayerEvent::Lost(why) => self.note_loss(why),
            // What is tried otherwise at once has not failed yet.
            PlayerEvent::Reconnecting { delay, .. } if !delay.is_zero() => self.give_up(env),
            PlayerEvent::Ended(why) => {
                log::debug!("the camera is not talked to any more: {why}");
                self.note_failure(StatusCode::BAD_GATEWAY);
                if let Some(camera) = &mut self.camera {
                    camera.is_up = false;
                }
                self.close_camera(env);
                self.refuse(env, StatusCode::BAD_GATEWAY);
            }
            _ => {}
        }
    }

    fn note_description(&mut self, env: &mut UsageEnvironment, media: &MediaSession) {
        let Some(camera) = &mut self.camera else { return };
        let chosen = self.player_config.tracks.chosen(media).next();
        let back = chosen.filter(|back| is_same(&back.format, &self.config.format));
        camera.payload_type = back.map(|back| back.format.payload_type);
        camera.failure = match media.subsessions.iter().find(|track| track.is_back_channel) {
            _ if back.is_some() => None,
            None => Some(StatusCode::OPTION_NOT_SUPPORTED),
            Some(other) => {
                let (own, other) = (&self.config.format.encoding_name, &other.format.encoding_name);
                log::warn!("the camera takes {other} on its back channel, and is to be sent {own}");
                Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
        };
        if camera.failure.is_some() {
            self.give_up(env);
        }
    }

    fn note_failure(&mut self, status: StatusCode) {
        if let Some(camera) = &mut self.camera {
            camera.failure.get_or_insert(status);
        }
    }

    fn note_playing(&mut self, env: &mut UsageEnvironment) {
        let Some(camera) = &mut self.camera else { return };
        if camera.payload_type.is_none() {
            return self.give_up(env);
        }
        (camera.is_up, camera.failure) = (true, None);
        if !std::mem::replace(&mut camera.was_up, true) {
            self.tell(env, ProxyEvent::TalkOpened);
        }
        if let Some(channel) = self.channel {
            let _ = env.with(self.server, |server, env| server.back_channel_opened(env, channel));
        }
        self.follow(env);
    }

    fn note_loss(&mut self, why: &AttemptError) {
        let Some(camera) = &mut self.camera else { return };
        camera.is_up = false;
        // What is said is lost until the player is back.
        if !camera.was_up {
            camera.failure.get_or_insert(match why {
                AttemptError::NoTracks => StatusCode::OPTION_NOT_SUPPORTED,
                _ => StatusCode::BAD_GATEWAY,
            });
        }
        log::debug!("the connection of the back channel: {why}");
    }

    /// The attempt to open the camera has failed: whoever waits is told. While somebody talks, the
    /// player tries again.
    fn give_up(&mut self, env: &mut UsageEnvironment) {
        let Some(camera) = self.camera.as_ref().filter(|camera| !camera.was_up) else { return };
        let status = camera.failure.unwrap_or(StatusCode::BAD_GATEWAY);
        self.close_camera(env);
        self.refuse(env, status);
    }

    fn refuse(&mut self, env: &mut UsageEnvironment, status: StatusCode) {
        let (channel, time) = (self.channel, self.config.retry_after);
        self.rests_until = env.now().checked_add(time);
        self.arm(env);
        if let Some(channel) = channel {
            let _ = env.with(self.server, |server, env| {
                server.back_channel_refused(env, channel, status, time)
            });
        }
        self.tell(env, ProxyEvent::TalkRefused(status));
    }

    fn close_camera(&mut self, env: &mut UsageEnvironment) {
        if let Some(camera) = self.camera.take() {
            env.close(camera.player);
        }
        self.arm(env);
    }

    fn handle_deadline(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        let close_at = self.camera.as_ref().and_then(|camera| camera.close_at);
        if close_at.is_some_and(|at| at <= now) {
            self.close_camera(env);
            if let Some(channel) = self.channel {
                let _ = env.with(self.server, |server, _| server.close_back_channel(channel));
            }
            self.tell(env, ProxyEvent::TalkClosed);
        }
        self.rests_until = self.rests_until.filter(|until| now < *until);
        self.follow(env);
    }
}

/// Whether two descriptions are of one format, whatever its payload type.
fn is_same(a: &PayloadFormat, b: &PayloadFormat) -> bool {
    a.encoding_name.eq_ignore_ascii_case(&b.encoding_name)
        && a.clock_rate == b.clock_rate
        && a.channels.unwrap_or(1) == b.channels.unwrap_or(1)
}

impl Medium for Speaker {
    fn kind(&self) -> &'static str {
        "Speaker"
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Trigger { key: EventKey { kind: KEY_TALK, .. }, .. } => self.follow(env),
            Event::Timer { key: EventKey { kind: KEY_TIMER, .. } } => self.handle_deadline(env),
            _ => {}
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.close_camera(env);
        if let Some(channel) = self.channel.take() {
            // It may have been closed before.
            let _ = env.with(self.server, |server, env| server.remove_back_channel(env, channel));
        }
    }
}
