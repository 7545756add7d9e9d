//! The server's streams: made on demand, shared, run, reclaimed with their last user.

use crate::env::UsageEnvironment;
use crate::ids::{DestinationId, StreamId};
use crate::server::rtsp_server::RtspServer;
use crate::stream::sockets::SocketsId;
use crate::stream::state::{RunOutcome, destination_key};
use std::io;

impl RtspServer {
    /// Runs a stream; at its end, its clients' sessions are ready to play again.
    pub(crate) fn run_stream(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        let budget = self.config.frames_per_turn;
        let outcome =
            self.with_stream(env, id, |stream, env, w| stream.run(env, w, me, id, budget));
        if outcome == Some(RunOutcome::Ended) {
            log::debug!("stream {id} has ended");
        }
    }

    pub(crate) fn run_stream_rtcp(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        let is_under_way = self.with_stream(env, id, |stream, env, w| {
            stream.run_rtcp(env, w, me, id);
            stream.report_run.is_under_way()
        });
        if is_under_way == Some(false) {
            self.collect_counters(id);
        }
    }

    pub(crate) fn run_stream_catch_up(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        self.with_stream(env, id, |stream, env, w| stream.run_catch_up(env, w, me, id));
    }

    /// Adds what a stream sent to its sessions' counters.
    fn collect_counters(&mut self, id: StreamId) {
        let Some(stream) = self.streams.table.get_mut(id) else { return };
        let pool = &mut self.pool;
        stream.destinations.take_all_totals(|session, sent| {
            if let Some(session) = pool.session_mut(session) {
                session.count_sent(sent.packets, sent.octets);
                session.count_dropped(sent.dropped_frames);
            }
        });
    }

    /// Starts sending to a destination.
    pub(crate) fn start_destination(
        &mut self,
        env: &mut UsageEnvironment,
        stream: StreamId,
        destination: DestinationId,
        npt: std::time::Duration,
    ) {
        let Some(me) = self.me else { return };
        self.with_stream(env, stream, |state, env, w| {
            state.start(env, w, destination, npt);
            let now = env.now();
            state.wake(env, me, stream, now);
        });
    }

    // RTCP

    /// Reads what receivers send. RTP that comes in is not for us.
    pub(crate) fn receive(&mut self, env: &mut UsageEnvironment, id: SocketsId, rtcp: bool) {
        let Some(sockets) = self.streams.sockets.get_mut(id) else { return };
        match sockets.socket(rtcp).recv_batch(env, &mut self.streams.inbox) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error that a send brought back; there may be more behind it.
            Err(e) => return log::trace!("receive: {e}"),
        }
        // Lent out, so that the server can be asked about each.
        let inbox = std::mem::take(&mut self.streams.inbox);
        for (data, from) in inbox.iter() {
            let Some(sockets) = self.streams.sockets.get(id) else { break };
            // On a shared port RTP and RTCP are told apart by the type (RFC 5761 section 4).
            let is_rtcp = rtcp || data.get(1).is_some_and(|t| (192..=223).contains(t));
            if !is_rtcp {
                continue;
            }
            match (sockets.route(from), sockets.owner) {
                (Some((stream, destination)), _) => {
                    self.handle_rtcp(env, stream, destination, data);
                }
                (None, Some(stream)) => self.handle_group_rtcp(env, (id, stream), from, data),
                (None, None) => {}
            }
        }
        self.streams.inbox = inbox;
    }

    /// RTCP from the receiver at a destination: a report keeps its session alive.
    pub(crate) fn handle_rtcp(
        &mut self,
        env: &UsageEnvironment,
        stream: StreamId,
        destination: DestinationId,
        data: &[u8],
    ) {
        let Some(state) = self.streams.table.get_mut(stream) else { return };
        let Some(session) = state.destinations.table.get(destination).map(|d| d.session) else {
            return;
        };
        let (now, ntp) = (env.now(), state.ntp_now(env));
        let outcome = state.rtcp.handle_packet(data, destination_key(destination), now, ntp);
        if let (true, Some(session)) = (outcome.is_receiver_report, session) {
            self.pool.touch(session, now);
        }
    }
}
