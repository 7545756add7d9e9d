//! Streams to multicast groups, which run whether anybody asked for them or not.

use super::outlets::DestinationTransport;
use super::rtsp_server::RtspServer;
use super::stream_state::StreamId;
use super::streams::{bandwidth_bps, new_stream};
use super::subsession::{
    MulticastGroup, PassiveServerMediaSubsession, StreamFactory, StreamRequest,
};
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::net::{Groupsock, PortPair};
use crate::rtp::rtcp::RtcpConfig;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A track that is to be streamed to a multicast group.
pub struct MulticastTrack {
    /// Makes the source and the sink, once.
    pub factory: Box<dyn StreamFactory>,
    /// Group and port of RTP.
    pub rtp: Groupsock,
    /// The same group, the port of RTCP; joined, if reports of the group are to be heard.
    pub rtcp: Groupsock,
}

impl fmt::Debug for MulticastTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MulticastTrack")
            .field("format", &self.factory.payload_format())
            .field("rtp", &self.rtp)
            .field("rtcp", &self.rtcp)
            .finish()
    }
}

impl RtspServer {
    /// Starts the tracks of one presentation, together, each to its group. They run until their
    /// sources end, [`delete_multicast_stream`](Self::delete_multicast_stream) is called or the
    /// server is closed. What is returned, track by track, is for a
    /// [`ServerMediaSession`](super::ServerMediaSession) that describes them.
    ///
    /// # Errors
    /// A source, a sink or a socket cannot be made, or a track does not know its format yet.
    /// Nothing is started then.
    pub fn add_multicast_streams(
        &mut self,
        env: &mut UsageEnvironment,
        tracks: Vec<MulticastTrack>,
    ) -> Result<Vec<PassiveServerMediaSubsession>, Error> {
        // One name for all, so that receivers know what belongs together (RFC 3550 section 6.5.1).
        let cname = format!("riverrun-{:08x}{:08x}", env.random_u32(), env.random_u32());
        self.presentations += 1;
        // Never a client's number.
        let presentation = u64::MAX - self.presentations;
        let mut started = Vec::with_capacity(tracks.len());
        let mut subsessions = Vec::with_capacity(tracks.len());
        for track in tracks {
            match self.add_multicast_stream(env, track, presentation, &cname) {
                Ok(subsession) => {
                    started.push(subsession.stream());
                    subsessions.push(subsession);
                }
                Err(e) => {
                    for stream in started {
                        self.delete_stream(env, stream);
                    }
                    return Err(e);
                }
            }
        }
        for stream in started {
            let only = self.streams.get(stream).and_then(|s| s.outlets.destinations.ids().next());
            if let Some(destination) = only {
                self.start_destination(env, stream, destination, Duration::ZERO);
            }
        }
        Ok(subsessions)
    }

    /// Ends a multicast stream, with a BYE to the group. Returns whether there was such a stream.
    pub fn delete_multicast_stream(&mut self, env: &mut UsageEnvironment, id: StreamId) -> bool {
        if self.streams.get(id).is_none_or(|s| s.origin.is_some()) {
            return false;
        }
        self.with_stream(env, id, |s, env, wiring| s.say_goodbye(env, wiring, None));
        self.delete_stream(env, id);
        true
    }

    fn add_multicast_stream(
        &mut self,
        env: &mut UsageEnvironment,
        mut track: MulticastTrack,
        presentation: u64,
        cname: &str,
    ) -> Result<PassiveServerMediaSubsession, Error> {
        let factory = &mut *track.factory;
        let format = factory.payload_format().ok_or(Error::Usage("the track has no format yet"))?;
        let kbps = factory.bandwidth_kbps();
        let (rtp, rtcp, ttl) = (track.rtp.destination(), track.rtcp.destination(), track.rtp.ttl());
        let config = RtcpConfig {
            cname: cname.to_owned(),
            session_bandwidth_bps: bandwidth_bps(kbps),
            ..RtcpConfig::default()
        };
        let request = StreamRequest {
            client_session: presentation,
            peer: rtp,
            local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        let max_packet = self.config.max_packet;
        let demuxers = &mut self.demuxers;
        let stream = new_stream(env, factory, &request, demuxers, (max_packet, config))?;
        let input = factory.live_input();
        let id: StreamId = self.streams.insert(stream);
        let pair = PortPair { rtp: track.rtp.into_socket(), rtcp: track.rtcp.into_socket() };
        let sockets = match self.add_sockets(env, rtp.ip(), pair, Some(id)) {
            Ok(sockets) => sockets,
            Err(e) => {
                self.delete_stream(env, id);
                return Err(e.into());
            }
        };
        if let Some(stream) = self.streams.get_mut(id) {
            stream.add_destination(None, DestinationTransport::Udp { sockets, rtp, rtcp });
        }
        if let Some(input) = input.and_then(|input| self.inputs.get_mut(input)) {
            input.streams.push(id);
        }
        log::debug!("stream {id} to {rtp}");
        let group = MulticastGroup { rtp, rtcp_port: rtcp.port(), ttl, stream: id };
        Ok(PassiveServerMediaSubsession::new(format, group, kbps))
    }
}
