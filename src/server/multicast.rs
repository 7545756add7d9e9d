//! Streams to multicast groups, which run whether or not a client has asked for them.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{DestinationId, StreamId};
use crate::net::{Groupsock, PortPair};
use crate::rtp::rtcp::RtcpConfig;
#[cfg(feature = "srtp")]
use crate::rtp::srtp::{SrtpTransform, transform::DerivedKeys};
use crate::server::rtsp_server::RtspServer;
use crate::session::new_stream::{StreamConfig, bandwidth_bps, new_stream};
use crate::session::payload_types::{self, Declared};
#[cfg(feature = "srtp")]
use crate::session::srtp::KeyOf;
use crate::session::subsession::{
    MulticastGroup, PassiveServerMediaSubsession, StreamFactory, StreamRequest,
};
use crate::stream::live_clocks::LiveClockId;
#[cfg(feature = "srtp")]
use crate::stream::parts::StreamParts;
use crate::stream::sockets::Reflect;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A track that the server streams to a multicast group.
#[non_exhaustive]
pub struct MulticastTrack {
    /// Factory of the source and the sink; each is made once.
    pub factory: Box<dyn StreamFactory>,
    /// The socket for RTP, bound to the group and the RTP port.
    pub rtp: Groupsock,
    /// The socket for RTCP, with the same group and the RTCP port. It must have joined the group to
    /// receive reports from it. Receivers of a source-specific group send their reports to this
    /// socket directly, and the server forwards them to the group.
    pub rtcp: Groupsock,
}

impl MulticastTrack {
    /// Creates a track from its factory and its sockets for RTP and RTCP.
    pub fn new(factory: impl StreamFactory + 'static, rtp: Groupsock, rtcp: Groupsock) -> Self {
        Self { factory: Box::new(factory), rtp, rtcp }
    }
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
    /// Starts the tracks of one presentation together, each to its group. They run until their
    /// sources end, [`delete_multicast_stream`](Self::delete_multicast_stream) is called, or the
    /// server is closed. The returned subsessions, one for each track, are to be added to a
    /// [`ServerMediaSession`](super::ServerMediaSession) that describes the presentation.
    ///
    /// # Errors
    /// A source, a sink or a socket cannot be made, or the format of a track is unknown or invalid.
    /// Nothing is started in this case.
    pub fn add_multicast_streams(
        &mut self,
        env: &mut UsageEnvironment,
        tracks: Vec<MulticastTrack>,
    ) -> Result<Vec<PassiveServerMediaSubsession>, Error> {
        // One name for all, so that receivers know what belongs together (RFC 3550 section 6.5.1).
        let cname = format!("riverrun-{:08x}{:08x}", env.random_u32(), env.random_u32());
        let presentation = self.streams.number_presentation();
        let mut clock = None;
        let mut started = Vec::with_capacity(tracks.len());
        let mut subsessions = Vec::with_capacity(tracks.len());
        let declared: Vec<_> = tracks
            .iter()
            .map(|track| Declared {
                payload_type: track.factory.payload_format().map(|format| format.payload_type),
                is_fixed: false,
            })
            .collect();
        for (track, payload_type) in tracks.into_iter().zip(payload_types::number(&declared)) {
            let presentation = (presentation, &*cname, &mut clock);
            match self.add_multicast_stream(env, track, payload_type, presentation) {
                Ok((subsession, destination)) => {
                    started.push((subsession.stream(), destination));
                    subsessions.push(subsession);
                }
                Err(e) => {
                    for (stream, _) in started {
                        self.streams.remove(env, stream);
                    }
                    return Err(e);
                }
            }
        }
        for to in started {
            self.streams.start(env, &mut self.connections, to, Duration::ZERO);
        }
        Ok(subsessions)
    }

    /// Ends a multicast stream with a BYE to the group. Returns false if there was no such stream.
    pub fn delete_multicast_stream(&mut self, env: &mut UsageEnvironment, id: StreamId) -> bool {
        if self.streams.get(id).is_none_or(|s| !s.is_multicast()) {
            return false;
        }
        let connections = &mut self.connections;
        self.streams.with_stream(env, connections, id, |s, env, cx| s.end_at_once(env, cx));
        self.streams.remove(env, id);
        true
    }

    #[cfg(feature = "srtp")]
    fn encrypts_groups(&self) -> bool {
        self.config.srtp.as_ref().is_some_and(|srtp| srtp.required)
    }

    /// Lets a stream to a group be protected, if streams to groups are.
    #[cfg(feature = "srtp")]
    fn protect_group(&mut self, id: StreamId) -> Result<(), Error> {
        let Some(config) = self.config.srtp.as_ref().filter(|srtp| srtp.required) else {
            return Ok(());
        };
        let keys = DerivedKeys::new(self.stream_keys.of(config, KeyOf::Multicast(id)));
        self.streams.set_transform(id, Box::new(SrtpTransform::for_group(&keys)))
    }

    fn add_multicast_stream(
        &mut self,
        env: &mut UsageEnvironment,
        mut track: MulticastTrack,
        payload_type: Option<u8>,
        (presentation, cname, clock): (u64, &str, &mut Option<LiveClockId>),
    ) -> Result<(PassiveServerMediaSubsession, DestinationId), Error> {
        let factory = &mut *track.factory;
        let mut format =
            factory.payload_format().ok_or(Error::Usage("the track has no format yet"))?;
        format.payload_type = payload_type.unwrap_or(format.payload_type);
        let kbps = factory.bandwidth_kbps();
        let (rtp, rtcp, ttl) = (track.rtp.destination(), track.rtcp.destination(), track.rtp.ttl());
        let rtcp_config = RtcpConfig {
            cname: cname.to_owned(),
            session_bandwidth_bps: bandwidth_bps(kbps),
            ..RtcpConfig::default()
        };
        let request = StreamRequest {
            client_session: presentation,
            peer: rtp,
            local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        let reflect = track
            .rtcp
            .source()
            .map(|source| Reflect { to: rtcp, source: SocketAddr::new(source, rtcp.port()) });
        let config = StreamConfig {
            payload_type: Some(format.payload_type),
            max_packet: self.config.max_packet,
            rtcp: rtcp_config,
        };
        let parts = new_stream(env, factory, &request, self.streams.demuxers(), config)?;
        #[cfg(feature = "srtp")]
        let parts = StreamParts { is_secure: self.encrypts_groups(), ..parts };
        let id = self.streams.add(env, parts, clock)?;
        #[cfg(feature = "srtp")]
        if let Err(e) = self.protect_group(id) {
            self.streams.remove(env, id);
            return Err(e);
        }
        let pair = PortPair { rtp: track.rtp.into_socket(), rtcp: track.rtcp.into_socket() };
        let destination = match self.streams.add_group(env, id, (rtp, rtcp), pair, reflect) {
            Ok(destination) => destination,
            Err(e) => {
                self.streams.remove(env, id);
                return Err(e.into());
            }
        };
        log::debug!("stream {id} to {rtp}");
        let group = MulticastGroup { rtp, rtcp_port: rtcp.port(), ttl, stream: id };
        Ok((PassiveServerMediaSubsession::new(format, group, kbps), destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecParameters, PcmEncoding};
    use crate::env::MediumId;
    use crate::media::{FramePoll, FramedSource, SourceContext, Wait};
    use crate::net::{MulticastInterface, UdpSocket};
    use crate::rtp::rtcp::ReportBlock;
    use crate::server::ServerConfig;
    use std::net::IpAddr;

    const GROUP: &str = "232.1.1.1";
    const SERVER: &str = "10.0.0.1";

    #[derive(Debug)]
    struct Silence;

    impl FramedSource for Silence {
        fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
            FramePoll::Pending(Wait::Input)
        }
    }

    /// A track with a source or without one.
    struct Track(bool);

    impl StreamFactory for Track {
        fn parameters(&self) -> Option<CodecParameters> {
            let encoding = PcmEncoding::Pcmu;
            Some(CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 })
        }

        fn create_new_stream_source(
            &mut self,
            _: &StreamRequest,
            _: &mut SourceContext<'_>,
        ) -> Result<Box<dyn FramedSource>, Error> {
            if self.0 { Ok(Box::new(Silence)) } else { Err(Error::Usage("no source")) }
        }
    }

    fn track(env: &mut UsageEnvironment, port: u16, has_source: bool) -> MulticastTrack {
        let (group, source): (IpAddr, IpAddr) = (GROUP.parse().unwrap(), SERVER.parse().unwrap());
        let mut open = |port| {
            let to = SocketAddr::new(group, port);
            Groupsock::open(env, to, 1, MulticastInterface::Any, Some(source)).unwrap()
        };
        let (rtp, rtcp) = (open(port), open(port + 1));
        MulticastTrack { factory: Box::new(Track(has_source)), rtp, rtcp }
    }

    fn server(env: &mut UsageEnvironment) -> MediumId<RtspServer> {
        RtspServer::new(env, ServerConfig::default(), &[]).unwrap()
    }

    fn member(env: &mut UsageEnvironment, host: &str, port: u16) -> UdpSocket {
        let at = SocketAddr::new(host.parse().unwrap(), port);
        let mut socket = UdpSocket::bind_shared(env, at).unwrap();
        let (group, source) = (GROUP.parse().unwrap(), SERVER.parse().unwrap());
        socket.join_multicast(env, group, MulticastInterface::Any, Some(source)).unwrap();
        socket
    }

    fn run(env: &mut UsageEnvironment, time: Duration) {
        let end = env.now() + time;
        while env.now() < end {
            env.turn(Some(end - env.now())).unwrap();
        }
    }

    fn received(env: &mut UsageEnvironment, socket: &mut UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| {
            let (n, from) = socket.recv_from(env, &mut buffer).ok()?;
            Some((from, buffer[..n].to_vec()))
        })
        .collect()
    }

    #[test]
    fn reports_to_the_source_are_counted_and_passed_on_to_the_group() {
        let mut env = UsageEnvironment::simulated(1);
        let id = server(&mut env);
        let tracks = vec![track(&mut env, 5004, true)];
        let started = env.with(id, |server, env| server.add_multicast_streams(env, tracks));
        let stream = started.unwrap().unwrap()[0].stream();
        let mut reporter = member(&mut env, "10.0.0.7", 5005);
        let mut other = member(&mut env, "10.0.0.8", 5005);
        let ssrc = env.medium(id).unwrap().stream(stream).unwrap().ssrc();
        let block = ReportBlock {
            ssrc,
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sr: 0,
            delay_since_last_sr: 0,
        };
        let mut report = Vec::new();
        crate::wire::rtcp::write_rr(&mut report, 77, &[block]);
        let to = SocketAddr::new(SERVER.parse().unwrap(), 5005);
        reporter.send_to(&mut env, &report, to).unwrap();
        reporter.send_to(&mut env, b"garbage", to).unwrap();
        run(&mut env, Duration::from_millis(200));
        let heard = received(&mut env, &mut other);
        let from: Vec<_> = heard.iter().filter(|(_, d)| *d == report).map(|(a, _)| *a).collect();
        assert_eq!(from, [to], "from the source, or no member would get it");
        assert!(!heard.iter().any(|(_, d)| d == b"garbage"));
        let server = env.medium(id).unwrap();
        let stream = server.streams.get(stream).unwrap();
        assert_eq!(stream.reporting_receivers(), 1);
    }

    #[test]
    fn a_stream_that_is_deleted_says_goodbye() {
        let mut env = UsageEnvironment::simulated(2);
        let id = server(&mut env);
        let tracks = vec![track(&mut env, 5004, true)];
        let mut listener = member(&mut env, "10.0.0.7", 5005);
        let deleted = env.with(id, |server, env| {
            let stream = server.add_multicast_streams(env, tracks).unwrap()[0].stream();
            [(); 2].map(|()| server.delete_multicast_stream(env, stream))
        });
        assert_eq!(deleted, Ok([true, false]));
        run(&mut env, Duration::from_millis(200));
        let heard = received(&mut env, &mut listener);
        assert!(heard.iter().any(|(_, d)| d.windows(2).any(|w| w == [0x81, 203])), "{heard:?}");
        assert_eq!(env.delayed_tasks(), 0);
    }

    #[test]
    fn where_one_track_cannot_start_none_does() {
        let mut env = UsageEnvironment::simulated(3);
        let id = server(&mut env);
        let tracks = vec![track(&mut env, 5004, true), track(&mut env, 5006, false)];
        let counts = env.with(id, |server, env| {
            assert!(server.add_multicast_streams(env, tracks).is_err());
            (server.stream_count(), server.streams.all_sockets().len())
        });
        assert_eq!(counts, Ok((0, 0)));
        assert_eq!(env.delayed_tasks(), 0);
    }
}
