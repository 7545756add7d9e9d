//! What client sessions were sent: counters, and statistics for those who ask.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, MediaSessionId, StreamId};
use crate::server::rtsp_server::RtspServer;
use crate::stream::DeliveryStatistics;

/// What a client was sent of one track, and how it says that it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackStatistics {
    /// The media session that the track is of.
    pub media_session: MediaSessionId,
    /// Number of the track in its media session, from 0.
    pub track: usize,
    /// The stream that the client is sent.
    pub stream: StreamId,
    /// What it was sent, and its last report.
    pub delivery: DeliveryStatistics,
}

impl RtspServer {
    /// What a client session was sent of each of its tracks, and how its receiver reports that it
    /// arrives. It is collected when it is asked for. Tracks that are multicast are left out: their
    /// receivers are not known one by one. There is nothing where there is no such session.
    pub fn client_statistics(
        &self,
        session: ClientSessionId,
    ) -> impl Iterator<Item = TrackStatistics> {
        let media = self.pool.session(session).into_iter().flat_map(|session| session.media());
        media.flat_map(|(_, media)| {
            media.selected(None).filter_map(|(track, setup)| {
                let delivery = self.streams.statistics_of(setup.stream, setup.destination)?;
                let (media_session, stream) = (media.media_session(), setup.stream);
                Some(TrackStatistics { media_session, track, stream, delivery })
            })
        })
    }

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
