//! Which part of the server handles which event, and what follows from each.

use crate::arena::Id;
use crate::env::{Event, Interest, Medium, MediumHandle, UsageEnvironment};
use crate::ids::{
    KEY_ACCEPT, KEY_CATCH_UP, KEY_CONNECTION, KEY_ENDINGS, KEY_INPUT, KEY_LISTENER, KEY_POOL,
    KEY_PUBLICATION, KEY_PUBLISHED_STREAMS, KEY_RELAYED, KEY_RELAYED_PACKETS, KEY_RTCP_SOCKET,
    KEY_RTP_SOCKET, KEY_STREAM, KEY_STREAM_RTCP, KEY_TALKER, KEY_WORK,
};
use crate::server::method::outcome::Until;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::stream::statistics::StreamEvent;

impl Medium for RtspServer {
    fn kind(&self) -> &'static str {
        "RtspServer"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = Some(me);
        self.streams.set_owner(me);
        self.publications.set_owner(me);
        self.back_channels.set_owner(me);
        self.waiting.trigger = Some(env.create_medium_trigger(me, plain_key(KEY_WORK)));
        self.pool_watch = Some(self.pool.create_watch(env, me, plain_key(KEY_POOL)));
        self.watch_listeners(env, Interest::READABLE);
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let connections = &mut self.connections;
        match event {
            Event::Readiness { key, readiness } => match key.kind {
                KEY_CONNECTION => self.handle_connection(env, Id::from_raw(key.id), readiness),
                KEY_LISTENER => self.accept(env, key.id.index as usize),
                KEY_RTP_SOCKET => self.receive_datagrams(env, Id::from_raw(key.id), false),
                KEY_RTCP_SOCKET => self.receive_datagrams(env, Id::from_raw(key.id), true),
                _ => {}
            },
            Event::Timer { key } => match key.kind {
                KEY_STREAM => self.streams.run(env, connections, Id::from_raw(key.id)),
                KEY_STREAM_RTCP => self.run_stream_rtcp(env, Id::from_raw(key.id)),
                KEY_CATCH_UP => self.streams.run_catch_up(env, connections, Id::from_raw(key.id)),
                KEY_CONNECTION => self.handle_connection_timer(env, Id::from_raw(key.id)),
                KEY_POOL => self.expire_sessions(env),
                KEY_WORK => self.resume_requests(env),
                KEY_INPUT => self.streams.run_input(env, connections, Id::from_raw(key.id)),
                KEY_ACCEPT => self.resume_accepting(env),
                KEY_RELAYED => self.expire_relayed(env, Id::from_raw(key.id)),
                // What was passed on is sent at the end of every event.
                KEY_RELAYED_PACKETS => env.disarm_timer(&mut self.relayed.timer),
                KEY_PUBLICATION => self.run_publication(env, Id::from_raw(key.id)),
                KEY_TALKER => self.run_talker(env, Id::from_raw(key.id)),
                KEY_PUBLISHED_STREAMS => self.end_published_streams(env),
                // What is over is worked off at the end of every event.
                KEY_ENDINGS => {}
                _ => {}
            },
            Event::Trigger { key, .. } if key.kind == KEY_INPUT => {
                self.handle_input(env, Id::from_raw(key.id));
            }
            Event::Trigger { key, .. } if key.kind == KEY_WORK => {
                self.wake_requests(env, Until::ProviderWakes);
            }
            Event::Trigger { .. } => {}
        }
        self.send_relayed_packets(env);
        self.follow_up(env);
        self.work_off_endings(env);
        self.update_pool_watch(env);
        // Streams and their timers refer to nothing that is counted.
        #[cfg(debug_assertions)]
        if matches!(event, Event::Readiness { key, .. } | Event::Timer { key }
            if matches!(key.kind, KEY_CONNECTION | KEY_POOL | KEY_WORK | KEY_ENDINGS))
        {
            self.media_sessions.check_references(&self.pool);
        }
    }

    /// Sends a BYE to all clients and closes everything.
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        self.end_all(env);
        for listener in self.listeners.drain(..) {
            listener.socket.close(env);
        }
        let work_timer = &mut self.waiting.timer;
        let streams_timer = &mut self.publications.streams_timer;
        for timer in [work_timer, &mut self.accept_timer, streams_timer] {
            env.disarm_timer(timer);
        }
        self.relayed.close(env);
        if let Some(watch) = self.pool_watch.take() {
            watch.close(env);
        }
    }
}

impl RtspServer {
    /// Carries out what streams have reported: extends sessions whose clients have been heard, ends
    /// connections that cannot be written to, and notifies the application of wanted key frames.
    pub(crate) fn follow_up(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        while let Some(session) = self.streams.poll_heard() {
            self.pool.touch(session, now);
        }
        while let Some(connection) = self.connections.poll_broken() {
            self.end_connection(env, connection, "cannot be written to");
        }
        while let Some(stream) = self.publications.poll_lost() {
            self.note_publisher_lost(env, stream);
        }
        while let Some(event) = self.streams.poll_event() {
            match event {
                StreamEvent::KeyFrameWanted { stream } => {
                    self.hooks.key_frame_wanted(stream);
                    if let Some(origin) = self.streams.get(stream).and_then(|s| s.origin()) {
                        self.ask_relayed_source(origin);
                    }
                }
                #[cfg(feature = "srtp")]
                StreamEvent::KeyUsedUp { track: (session, track) } => {
                    if let Some(session) = self.media_sessions.get_mut(session) {
                        session.retire_key(track);
                    }
                }
            }
        }
        while let Some((stream, track)) = self.publications.poll_key_frame_wanted() {
            self.ask_publisher_for_key_frame(env, stream, track);
        }
        while let Some((relayed, demand)) = self.media_sessions.poll_demand() {
            self.handle_demand(env, relayed, demand);
        }
    }

    /// Ends expired sessions, a bounded number in a turn.
    fn expire_sessions(&mut self, env: &mut UsageEnvironment) {
        let Some(watch) = &mut self.pool_watch else { return };
        if watch.handle_timer(env, &mut self.pool) > 0 {
            self.release_removed_sessions(env);
        }
    }
}
