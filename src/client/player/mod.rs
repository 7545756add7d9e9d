//! [`Player`]: from a URL to frames, and back again after every failure.
//!
//! One attempt goes through OPTIONS, DESCRIBE, a SETUP for each track and PLAY (RFC 2326 appendix
//! A.1). Whatever fails on the way ends the attempt, with its reason as an event, and the next
//! begins after a delay. There is no state but that of the attempt, so there is none that only a
//! restart could mend.

mod attempt;
mod config;
mod event;
mod phase;
mod play;
mod server_facts;
mod session;
mod setup;
mod time_line;
mod watch;

pub use config::{PlayerConfig, PlayerOutput, ReconnectPolicy};
pub use event::{PlayerEnd, PlayerEvent};
pub use server_facts::ServerFacts;

use crate::client::back_channel::BackChannel;
use crate::client::event::RequestId;
use crate::client::keep_alive::KeepAlive;
use crate::client::keys::{KEY_PLAYER, KEY_RTCP, KEY_RTP, KEY_TRACK};
use crate::client::rtsp_client::RtspClient;
use crate::client::server_address::ServerAddress;
use crate::client::track::{PlayedTrack, Track};
use crate::client::transport::MediaTransport;
use crate::description::MediaSession;
use crate::env::{Event, EventKey, Medium, MediumHandle, MediumId, Timer, UsageEnvironment};
use crate::error::Error;
use crate::rtp::{ReceivedPacket, SessionClock};
use crate::wire::Oddities;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::{Method, Request, Skipped};
use crate::wire::text::to_hex;
use crate::wire::url::RtspUrl;
use phase::{Phase, Watch};
use play::PausedAt;
use session::ServerSessions;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};
use time_line::TimeLine;

const NO_URL: &str = "the URL is no RTSP URL";
/// Longest wait for the response to TEARDOWN when the player is stopped.
const FAREWELL: Duration = Duration::from_secs(2);

type Handler = Box<dyn FnMut(&mut UsageEnvironment, PlayerEvent<'_>)>;

/// Plays an RTSP presentation, and calls its handler with each frame and each event; or with each
/// packet, for a relay: see [`PlayerOutput`].
///
/// It is a medium of its environment, and ends when it is closed there. The handler is called with
/// each [`PlayerEvent`]. It has the environment, in which it may close the player; the player
/// itself is reached from elsewhere, with [`UsageEnvironment::with`].
///
/// ```no_run
/// use riverrun::client::{Player, PlayerConfig, PlayerEvent};
/// use riverrun::env::UsageEnvironment;
/// use std::sync::atomic::AtomicBool;
///
/// let mut env = UsageEnvironment::new()?;
/// Player::open(&mut env, "rtsp://192.0.2.9/live", PlayerConfig::default(), |_, event| match event {
///     PlayerEvent::Frame { track, frame } => {
///         println!("track {track}: {:?}, {} bytes", frame.pts, frame.data.len());
///     }
///     PlayerEvent::Lost(why) => println!("lost: {why}"),
///     _ => {}
/// })?;
/// env.do_event_loop(&AtomicBool::new(false))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Player {
    /// As the caller gave it, with credentials if there were any.
    url: String,
    config: PlayerConfig,
    handler: Handler,
    me: MediumHandle,
    client: Option<RtspClient>,
    cname: String,
    timer: Timer,
    phase: Phase,
    /// The URL that the description comes from, after redirections.
    described_url: String,
    media: Option<MediaSession>,
    /// What was odd in the answers of this attempt.
    odd: Oddities,
    tracks: Vec<Track>,
    back_channel: Option<BackChannel>,
    /// The server does not even answer when the back channel is asked for.
    without_back_channel: bool,
    sessions: ServerSessions,
    play_sent_at: Option<Instant>,
    /// What the server has told of itself in this attempt.
    server: ServerFacts,
    /// The server does not know GET_PARAMETER.
    refuses_get_parameter: bool,
    keep_alive: KeepAlive,
    /// Whether media are to come over TCP, once that is known.
    over_tcp: Option<bool>,
    /// The way of the media was changed in this attempt.
    has_changed_transport: bool,
    /// It is to play nothing for the time being.
    is_paused: bool,
    paused_at: Option<PausedAt>,
    /// Attempts in succession that brought no frame.
    failures: u32,
    /// The time line of the tracks of this attempt.
    session_clock: SessionClock,
    /// That of all attempts.
    time_line: TimeLine,
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("url", &self.described_url)
            .field("phase", &self.phase)
            .field("tracks", &self.tracks)
            .finish_non_exhaustive()
    }
}

impl Player {
    /// Begins to play `url`, with a user name and a password in it if they are needed
    /// (`rtsp://user:password@host/path`, percent-encoded).
    ///
    /// # Errors
    /// [`Error::Usage`]: the URL is none, or its scheme is not supported, or as
    /// [`PlayerConfig::check`]. Whatever happens later is an event.
    pub fn open(
        env: &mut UsageEnvironment,
        url: &str,
        config: PlayerConfig,
        handler: impl FnMut(&mut UsageEnvironment, PlayerEvent<'_>) + 'static,
    ) -> Result<MediumId<Self>, Error> {
        Self::check(url, &config)?;
        let parsed = RtspUrl::parse(url).map_err(|_| Error::Usage(NO_URL))?;
        let mut cname = [0; 12];
        env.fill_random(&mut cname);
        let now = env.now();
        let player = Self {
            described_url: parsed.to_string(),
            url: url.to_owned(),
            config,
            handler: Box::new(handler),
            me: MediumHandle::default(),
            client: None,
            cname: to_hex(&cname),
            timer: Timer::new(),
            phase: Phase::Waiting { until: Some(now) },
            media: None,
            odd: Oddities::new(),
            tracks: Vec::new(),
            back_channel: None,
            without_back_channel: false,
            sessions: ServerSessions::default(),
            play_sent_at: None,
            server: ServerFacts::default(),
            refuses_get_parameter: false,
            keep_alive: KeepAlive::default(),
            over_tcp: None,
            has_changed_transport: false,
            is_paused: false,
            paused_at: None,
            failures: 0,
            session_clock: SessionClock::new(0),
            time_line: TimeLine::default(),
        };
        let id = env.add(player);
        let begun = env.with(id, |player, env| {
            let client = RtspClient::new(player.config.client.clone(), player.me)?;
            player.client = Some(client);
            // In a turn of its own, so that the caller has the id before the first event.
            player.arm(env);
            Ok(())
        })?;
        match begun {
            Ok(()) => Ok(id),
            Err(e) => {
                env.close(id);
                Err(e)
            }
        }
    }

    /// Checks that [`open`](Self::open) takes this URL and this configuration.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn check(url: &str, config: &PlayerConfig) -> Result<(), Error> {
        config.check()?;
        let url = RtspUrl::parse(url).map_err(|_| Error::Usage(NO_URL))?;
        ServerAddress::of(&url)
            .check_scheme()
            .map_err(|_| Error::Usage("rtsps is supported with the feature tls of this crate"))
    }

    /// The presentation, as the server has described it; `None` before.
    pub const fn media(&self) -> Option<&MediaSession> {
        self.media.as_ref()
    }

    /// What the server has told of itself: at the last attempt, until the next begins.
    pub const fn server(&self) -> &ServerFacts {
        &self.server
    }

    /// What was odd in the server's answers and was accepted nevertheless: in the description, and
    /// in header fields since.
    pub const fn odd(&self) -> &Oddities {
        &self.odd
    }

    /// Returns what was skipped in the present connection because it was neither a message nor a
    /// packet.
    pub fn skipped(&self) -> Skipped {
        self.client.as_ref().map(RtspClient::skipped).unwrap_or_default()
    }

    /// Returns the time from the last request that was answered to its response: keep-alive requests
    /// renew it. The round-trip time of a track without what the server needs is among its
    /// [reception statistics](crate::rtp::source::Reception::round_trip), if the server measures along.
    pub fn round_trip(&self) -> Option<Duration> {
        self.client.as_ref().and_then(RtspClient::round_trip)
    }

    /// Iterates over the tracks that are received.
    pub fn tracks(&self) -> impl Iterator<Item = PlayedTrack<'_>> {
        self.tracks.iter().map(Track::played)
    }

    /// Returns when PLAY was sent; `None` before, and after a failure.
    pub const fn play_sent_at(&self) -> Option<Instant> {
        self.play_sent_at
    }

    /// Whether the server has begun to play, and nothing has failed since.
    pub const fn is_playing(&self) -> bool {
        matches!(self.phase, Phase::Playing(_))
    }

    /// Asks the sender of a track for a key frame, if its description allows that. A player that
    /// passes [packets](PlayerOutput::Packets) on asks once for each call, but not more often than
    /// once a second; another one asks until a key frame has come.
    pub fn request_key_frame(&mut self, env: &mut UsageEnvironment, track: usize) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.number() == track) {
            track.receiver_mut().want_key_frame();
        }
        self.update_tracks(env);
        self.arm(env);
    }

    /// Stops in order: with a BYE for each track and TEARDOWN. The player has ended when its
    /// handler gets [`PlayerEvent::Ended`], two seconds later at most; the caller then closes it.
    pub fn stop(&mut self, env: &mut UsageEnvironment) {
        if matches!(self.phase, Phase::Over | Phase::Stopping { .. }) {
            return;
        }
        self.close_tracks(env);
        self.send_farewell(env);
        self.arm(env);
    }

    /// Sends TEARDOWN, and waits for the response if there is somebody to give it.
    fn send_farewell(&mut self, env: &mut UsageEnvironment) {
        let pending = self.send_teardown(env);
        if pending.is_empty() {
            return self.end(env, PlayerEnd::Stopped);
        }
        let until = match &self.phase {
            Phase::Stopping { until, .. } => *until,
            _ => env.now() + FAREWELL,
        };
        self.phase = Phase::Stopping { pending, until };
    }

    /// The number of the back channel, if one was asked for, offered and set up.
    pub fn back_channel(&self) -> Option<usize> {
        self.back_channel.as_ref().map(|back_channel| back_channel.number)
    }

    /// Sends a packet over the [back channel](Self::back_channel): RTP with the payload type of its
    /// description, or RTCP. Over TCP it is dropped where too many wait.
    ///
    /// # Errors
    /// There is no back channel ([`NotConnected`](io::ErrorKind::NotConnected)), or the system
    /// does not take the packet.
    pub fn send_to_back_channel(
        &mut self,
        env: &mut UsageEnvironment,
        kind: PacketKind,
        packet: &[u8],
    ) -> io::Result<()> {
        let result = match (&mut self.back_channel, &mut self.client) {
            (Some(back_channel), Some(client)) => back_channel.send(env, client, kind, packet),
            _ => return Err(io::ErrorKind::NotConnected.into()),
        };
        self.arm(env);
        result
    }

    fn tell(&mut self, env: &mut UsageEnvironment, event: PlayerEvent<'_>) {
        (self.handler)(env, event);
    }

    fn send(&mut self, env: &mut UsageEnvironment, request: Request<'static>) -> Option<RequestId> {
        self.send_within(env, request, self.config.client.answer_timeout)
    }

    fn send_within(
        &mut self,
        env: &mut UsageEnvironment,
        mut request: Request<'static>,
        timeout: Duration,
    ) -> Option<RequestId> {
        let of_method = |(method, _): &&(Method, _)| *method == request.method;
        for (_, headers) in self.config.headers.iter().filter(of_method) {
            headers.iter().for_each(|(name, value)| request.headers.push(name, value));
        }
        Some(self.client.as_mut()?.send_within(env, request, timeout))
    }

    /// Whether the session is under way, and has been since PLAY.
    const fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Playing(_) | Phase::Pausing { .. } | Phase::Paused { .. })
    }

    // While it plays

    /// Takes what the client and the tracks have, and does what is due.
    fn follow_up(&mut self, env: &mut UsageEnvironment) {
        self.deliver_frames(env, None);
        self.handle_news(env);
        self.handle_deadlines(env);
        self.update_tracks(env);
        // What was begun may have failed at once: of that no further event comes.
        self.handle_news(env);
        self.arm(env);
    }

    /// Does the same where packets of one track have come and nothing else has happened, and returns
    /// whether that was so. They put deadlines off: the timer, which stays as it is, finds out when it
    /// expires. Only the end of a presentation comes nearer with them.
    fn follow_up_packets(&mut self, env: &mut UsageEnvironment, track: u32) -> bool {
        let is_early = |at: Instant| at > env.now();
        let goes_on = matches!(self.phase, Phase::Playing(Watch { end: None, .. }))
            && self.timer.armed_at().is_some_and(is_early);
        if !goes_on || self.client.as_ref().is_none_or(RtspClient::has_events) {
            return false;
        }
        self.deliver_frames(env, Some(track));
        let Self { tracks, client: Some(client), .. } = self else { return false };
        if let Some(track) = find(tracks, track) {
            track.update(env, client);
        }
        // A report over a connection that has failed.
        !client.has_events()
    }

    fn handle_news(&mut self, env: &mut UsageEnvironment) {
        while let Some(event) = self.client.as_mut().and_then(RtspClient::poll_event) {
            self.handle_client_event(env, event);
        }
    }

    /// Delivers what the tracks have, or one of them.
    fn deliver_frames(&mut self, env: &mut UsageEnvironment, only: Option<u32>) {
        let (now, mut has_passed) = (env.now(), false);
        let Self { tracks, session_clock, time_line, handler, failures, over_tcp, .. } = self;
        for (index, track) in tracks.iter_mut().enumerate() {
            if only.is_some_and(|only| !track.is_numbered(only)) {
                continue;
            }
            while let Some(mut frame) = track.poll_frame() {
                *failures = 0;
                *over_tcp = Some(track.transport() == MediaTransport::Tcp);
                let number = track.number();
                if track.frames() == 1 {
                    handler(env, PlayerEvent::FirstFrame { track: number });
                }
                session_clock.place(index, &mut frame);
                time_line.place(&mut frame, number, now);
                handler(env, PlayerEvent::Frame { track: number, frame });
            }
            if let Some(pts) = track.take_passed() {
                *failures = 0;
                *over_tcp = Some(track.transport() == MediaTransport::Tcp);
                time_line.note_position(pts);
                has_passed = true;
            }
            while let Some(event) = track.poll_event() {
                handler(env, PlayerEvent::Source { track: track.number(), event });
            }
        }
        if has_passed {
            handler(env, PlayerEvent::PacketsEnd);
        }
    }

    fn update_tracks(&mut self, env: &mut UsageEnvironment) {
        let Some(client) = &mut self.client else { return };
        for track in &mut self.tracks {
            track.update(env, client);
        }
    }
}

impl Medium for Player {
    fn kind(&self) -> &'static str {
        "Player"
    }

    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Self { client: Some(client), tracks, handler, .. } = self else { return };
        let mut pass_on =
            |env: &mut UsageEnvironment, track: usize, packet: &ReceivedPacket<'_>| {
                handler(env, PlayerEvent::Packet { track, packet });
            };
        match event {
            Event::Readiness { key: EventKey { kind: KEY_RTP, id }, .. } => {
                if let Some(track) = find(tracks, id.index) {
                    track.receive(env, PacketKind::Rtp, &mut pass_on);
                }
                if self.follow_up_packets(env, id.index) {
                    return;
                }
            }
            Event::Readiness { key: EventKey { kind: KEY_RTCP, id }, .. } => {
                if let Some(track) = find(tracks, id.index) {
                    track.receive(env, PacketKind::Rtcp, &mut pass_on);
                }
            }
            Event::Timer { key: EventKey { kind: KEY_TRACK, id } } => {
                if let Some(track) = find(tracks, id.index) {
                    track.handle_timeout(env, &mut pass_on);
                }
            }
            Event::Timer { key: EventKey { kind: KEY_PLAYER, .. } } => {}
            _ => {
                client.handle_event(env, event, &mut |env, packet| {
                    if let Some(track) = find(tracks, packet.track) {
                        track.take_interleaved(env, &packet, &mut pass_on);
                    }
                });
            }
        }
        self.follow_up(env);
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        // Who closes it knows, and is not called in the middle of that.
        self.handler = Box::new(|_, _| {});
        self.hang_up(env);
    }
}

fn find(tracks: &mut [Track], number: u32) -> Option<&mut Track> {
    tracks.iter_mut().find(|track| track.is_numbered(number))
}
