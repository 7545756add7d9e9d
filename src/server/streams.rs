//! Statistics of the streams sent to client sessions.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, MediaSessionId, StreamId};
use crate::server::rtsp_server::RtspServer;
use crate::stream::DeliveryStatistics;

/// Statistics of one track that a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackStatistics {
    /// The media session of the track.
    pub media_session: MediaSessionId,
    /// Number of the track in its media session, from 0.
    pub track: usize,
    /// The stream that is sent to the client.
    pub stream: StreamId,
    /// Sent packets, and the client's last receiver report.
    pub delivery: DeliveryStatistics,
}

impl RtspServer {
    /// Returns statistics for each track of a client session: the packets sent, and the reception
    /// that the client reports. They are collected at the time of the call. Multicast tracks are
    /// left out, since their receivers are not known individually. Empty if there is no such
    /// session.
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

    /// Runs the RTCP side of a stream. The packets sent to the destinations that get a report are
    /// added to their sessions' counters.
    pub(crate) fn run_stream_rtcp(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let slots = self.streams.run_rtcp(env, &mut self.connections, id);
        let pool = &mut self.pool;
        self.streams.take_totals(id, slots, |session, sent| {
            if let Some(session) = pool.session_mut(session) {
                session.count_sent(sent.packets, sent.octets);
                session.count_dropped(sent.dropped_frames);
            }
        });
    }
}
