//! What the server in this process is asked for, and what it answers.

use super::Pusher;
use super::announced::announced;
use crate::client::AttemptError;
use crate::client::{ContentFacts, MediaSession, MediaTransport, RtspClient};
use crate::env::UsageEnvironment;
use crate::payload::FormatRegistry;
use crate::relay::pusher::event::PushEvent;
use crate::relay::pusher::phase::{Phase, PushedTrack, Step, Way};
use crate::wire::rtsp::Response;

/// Tracks for which a connection has channels.
const MAX_TRACKS: usize = 128;

impl Pusher {
    /// Asks for the description of the stream.
    pub(super) fn describe(&mut self, env: &mut UsageEnvironment) {
        let ends = self.client.as_ref().and_then(RtspClient::ends);
        if self.viewer.open(env, self.me, ends).is_err() {
            return self.close_with_server(env);
        }
        self.ask_stream(env, Step::Describing);
    }

    pub(super) fn ask_stream(&mut self, env: &mut UsageEnvironment, step: Step) {
        self.phase = Phase::Preparing(step);
        let asked = match step {
            Step::Describing | Step::Comparing => self.viewer.describe(env),
            Step::SettingUp(track) => self.viewer.set_up(env, track),
            Step::Playing => self.viewer.play(env),
        };
        if asked.is_err() {
            self.close_with_server(env);
        }
    }

    /// The server in this process has ended, and with it all that is for it.
    pub(super) fn close_with_server(&self, env: &mut UsageEnvironment) {
        env.close(self.me);
    }

    pub(super) fn handle_stream_response(
        &mut self,
        env: &mut UsageEnvironment,
        response: &Response<'_>,
    ) {
        let is_awaited = self.viewer.note_response(response);
        let Phase::Preparing(step) = self.phase else { return };
        if !is_awaited {
            return;
        }
        if !response.status.is_success() {
            return self.await_stream(env, response.status);
        }
        match step {
            Step::Describing => self.note_description(env, &response.body),
            Step::SettingUp(track) if track + 1 < self.tracks.len() => {
                self.ask_stream(env, Step::SettingUp(track + 1));
            }
            // The stream may have become another one between the two.
            Step::SettingUp(_) => self.ask_stream(env, Step::Comparing),
            Step::Comparing if *response.body != *self.described => self.end_stream(env),
            Step::Comparing => {
                self.announced = announced(&String::from_utf8_lossy(&self.described));
                self.go_on(env);
            }
            Step::Playing => self.note_recording(env),
        }
    }

    fn note_description(&mut self, env: &mut UsageEnvironment, sdp: &[u8]) {
        self.described = sdp.to_vec();
        match self.read_tracks() {
            Ok(()) => self.ask_stream(env, Step::SettingUp(0)),
            Err(why) => self.lose(env, AttemptError::Description(why)),
        }
    }

    /// Finds the tracks of a description, and the URLs that they have at the other server.
    pub(super) fn read_tracks(&mut self) -> Result<(), String> {
        let text = announced(&String::from_utf8_lossy(&self.described));
        let url = if self.announced_url.is_empty() { &self.url } else { &self.announced_url };
        let facts = ContentFacts::new(url);
        let session = MediaSession::new(text.as_bytes(), &facts, FormatRegistry::standard());
        let session = session.map_err(|e| e.to_string())?;
        if session.subsessions.len() > MAX_TRACKS {
            return Err("there are too many tracks".to_owned());
        }
        let track = |control_url| PushedTrack { control_url, way: None, has_ended: false };
        self.tracks = session.subsessions.into_iter().map(|s| track(s.control_url)).collect();
        Ok(())
    }

    /// Both servers are ready: what the one sends the other takes.
    fn note_recording(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        self.phase = Phase::Recording { since: now };
        (self.stream_first, self.absences) = (false, 0);
        self.begin_keep_alive(now);
        let is_tcp = |way: &Option<Way>| matches!(way, Some(Way::Tcp { .. }));
        let transport = match self.tracks.iter().any(|track| is_tcp(&track.way)) {
            true => MediaTransport::Tcp,
            false => MediaTransport::Udp,
        };
        let after = self.lost_at.take().map(|at| now.saturating_duration_since(at));
        let tracks = self.tracks.len();
        self.tell(env, PushEvent::Recording { tracks, transport, after });
    }
}
