//! The counters of client sessions follow what streams send.

use crate::env::UsageEnvironment;
use crate::ids::StreamId;
use crate::server::rtsp_server::RtspServer;

impl RtspServer {
    /// Runs the control side of a stream, and adds what it sent to its sessions' counters.
    pub(crate) fn run_stream_rtcp(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        if self.streams.run_rtcp(env, &mut self.connections, id) {
            let pool = &mut self.pool;
            self.streams.take_totals(id, |session, sent| {
                if let Some(session) = pool.session_mut(session) {
                    session.count_sent(sent.packets, sent.octets);
                    session.count_dropped(sent.dropped_frames);
                }
            });
        }
    }
}
