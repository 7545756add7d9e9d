//! [`ServerConfig`]: the limits, time-outs and policies of a server, with their defaults.

mod publish;

use crate::error::Error;
use crate::rtp::sink::check_max_packet;
use crate::rtsp::config::{ConnectionConfig, MAX_UNANSWERED};
use crate::wire::rtsp::Limits;
use std::time::Duration;

use crate::session::pool::PoolConfig;
pub use crate::stream::UdpPorts;
use crate::stream::streams::StreamsConfig;
pub use publish::{PublishConfig, PublishPolicy, SecondPublisher};

/// Configuration of an [`RtspServer`](super::RtspServer).
///
/// Every limit has a finite default that suits a device with 64 MB of memory. Where a field says so,
/// 0 means "no limit". In any other field, [`RtspServer::new`](super::RtspServer::new) refuses 0 if
/// the server could not work with it, and its error names the field.
///
/// ```
/// use riverrun::server::{ServerConfig, UdpPorts};
///
/// let mut config = ServerConfig::default();
/// config.max_connections = 16;
/// config.pool.max_sessions = 16;
/// config.udp_ports = UdpPorts::Shared { port: 6970 };
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Limits on the parts of one request. Default: see [`Limits`].
    pub request_limits: Limits,
    /// Client sessions: their number, time-out and grace period. Default: see [`PoolConfig`].
    pub pool: PoolConfig,
    /// RTSP connections open at once; further ones are answered 503 and closed. 0: no limit.
    /// Default: 1024.
    pub max_connections: usize,
    /// RTSP connections open at once from one address, or from one IPv6 network of 64 bits, which a
    /// host may have to itself. 0: no limit. Default: 256.
    ///
    /// Whatever the limits, the last eighth of the process's descriptors is kept for addresses that
    /// have no connection yet, and what they then set up: a SETUP or DESCRIBE that opens UDP ports
    /// or a file is answered 503 there if its address has 6 descriptors already.
    pub max_connections_per_peer: usize,
    /// Streams at once: each track that is sent to a client of its own is one, and each that several
    /// clients share. A SETUP that needs a further one is answered 503. 0: no limit. Default: 2048.
    pub max_streams: usize,
    /// Bytes that all connections together may hold: input that is no whole request yet, and answers
    /// and media that clients have not read. A connection may queue media up to what remains free,
    /// so that a few clients that read nothing leave room for the others. If answers and input exceed
    /// the limit, connections that hold more than 4 KiB of them are closed. 0: no limit. Default:
    /// 16 MiB.
    pub max_buffered: usize,
    /// Requests of one connection that are served in one turn of the loop. Default: 16.
    pub requests_per_turn: usize,
    /// Time within which the TLS handshake of a connection must be over, and within which both
    /// connections of an HTTP tunnel must be there. No client can extend it. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Whether RTSP is spoken in HTTP too, on the same addresses, with clients that come through a
    /// proxy: in a tunnel made of a GET and a POST. Default: `true`.
    pub http_tunnels: bool,
    /// Whether media may be sent in plain UDP to clients whose RTSP connection is TLS. If not, such
    /// a transport is answered 461, and clients ask for the connection itself or for SRTP. Default:
    /// `false`.
    pub allow_plain_udp_over_tls: bool,
    /// Time within which a request must arrive completely, from its first byte. Default: 10 s.
    pub request_timeout: Duration,
    /// Time without input after which a connection without a client session is closed. Default: 65
    /// s.
    pub idle_timeout: Duration,
    /// Time after which a connection is closed whose client accepts none of the queued data.
    /// Default: 10 s.
    pub write_timeout: Duration,
    /// Bytes of media queued for one connection before frames are dropped; at least `max_packet`.
    /// RTCP counts too, and may use 16 KiB more. Default: 1 MiB.
    pub max_queued_media: usize,
    /// Bytes of answers queued for one connection before it is closed. Default: 256 KiB.
    pub max_queued_answers: usize,
    /// Size of the largest RTP packet in bytes, header included. Default: 1448.
    pub max_packet: usize,
    /// UDP packets that are sent in one burst. The rest of a larger frame follows within a few
    /// milliseconds, so that a large key frame does not overrun the buffer of a receiver or switch.
    /// 0: no limit. Default: 64.
    pub max_burst: usize,
    /// Destinations to which a frame of a stream is sent in one turn of the loop. If a stream has
    /// more, the others follow in the next turns, so that requests and other streams need not wait
    /// for all of them. 0: no limit. Default: 512.
    pub destinations_per_turn: usize,
    /// Bytes of a shared stream that are cached since its last key frame
    /// ([`FastStart::KeyFrameCache`](super::FastStart)), up to twice as many while newcomers are
    /// being sent the cache. A longer group of pictures is not cached. Relayed streams whose source is
    /// there are cached without viewers, too. Default: 4 MiB.
    pub max_cached: usize,
    /// Unsent bytes that the operating system may buffer for a connection (`TCP_NOTSENT_LOWAT`).
    /// The lower the value, the fresher are the frames that a slow client receives. `None`: the
    /// size of the socket buffer. Default: `None`.
    pub tcp_notsent_lowat: Option<u32>,
    /// Whether UDP is sent with the kernel's segmentation offload where available. A socket on
    /// which the kernel refuses it falls back by itself. Default: `true`.
    pub udp_segmentation: bool,
    /// UDP ports for RTP and RTCP. Default: pairs from port 6970 on, with 2048 attempts.
    pub udp_ports: UdpPorts,
    /// Whether the end of a connection also ends the UDP sessions that were set up over it.
    /// Sessions whose media are sent over the connection itself always end with it. Default:
    /// `false`.
    pub end_udp_sessions_on_disconnect: bool,
    /// Bytes of files that probes may read in one turn of the loop. Default: 1 MiB.
    pub probe_budget: usize,
    /// Time that a request may wait for a session provider or for a deferred decision of the
    /// application before it is answered 503. Default: 60 s.
    pub lookup_timeout: Duration,
    /// Time that a DESCRIBE waits for a track whose format is unknown (live video before its first
    /// parameter sets) before it is answered 503. Default: 4 s.
    pub describe_timeout: Duration,
    /// Frames that one stream may send in one turn of the loop. Default: 32.
    pub frames_per_turn: usize,
    /// Streams that clients publish. Default: they may not; see [`PublishConfig`].
    pub publish: PublishConfig,
    /// SRTP for streams. `None`: they are not encrypted. Default: `None`.
    #[cfg(feature = "srtp")]
    pub srtp: Option<crate::session::srtp::SrtpConfig>,
    /// Value of the `Server` header. Default: the crate's name and version.
    pub server_name: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            request_limits: Limits::default(),
            pool: PoolConfig::default(),
            max_connections: 1024,
            max_connections_per_peer: 256,
            max_streams: 2048,
            max_buffered: 16 << 20,
            requests_per_turn: 16,
            handshake_timeout: Duration::from_secs(10),
            http_tunnels: true,
            allow_plain_udp_over_tls: false,
            request_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(65),
            write_timeout: Duration::from_secs(10),
            max_queued_media: 1 << 20,
            max_queued_answers: 256 << 10,
            max_packet: crate::rtp::sink::DEFAULT_MAX_PACKET,
            max_burst: 64,
            destinations_per_turn: 512,
            max_cached: 4 << 20,
            tcp_notsent_lowat: None,
            udp_segmentation: true,
            udp_ports: UdpPorts::Pairs { base: 6970, tries: 2048 },
            end_udp_sessions_on_disconnect: false,
            probe_budget: 1 << 20,
            lookup_timeout: Duration::from_secs(60),
            describe_timeout: Duration::from_secs(4),
            frames_per_turn: 32,
            publish: PublishConfig::default(),
            #[cfg(feature = "srtp")]
            srtp: None,
            server_name: concat!("riverrun/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl ServerConfig {
    /// The default configuration without limits on the number of connections, client sessions and
    /// streams, and on what connections hold together; descriptors and memory remain a limit.
    pub fn unlimited() -> Self {
        Self {
            pool: PoolConfig::unlimited(),
            max_connections: 0,
            max_connections_per_peer: 0,
            max_streams: 0,
            max_buffered: 0,
            publish: PublishConfig { max_publishers: 0, ..PublishConfig::default() },
            ..Self::default()
        }
    }

    /// The part of the configuration that concerns streams.
    pub(crate) const fn streams(&self) -> StreamsConfig {
        StreamsConfig {
            frames_per_turn: self.frames_per_turn,
            max_streams: self.max_streams,
            max_burst: self.max_burst,
            destinations_per_turn: self.destinations_per_turn,
            max_cached: self.max_cached,
            udp_segmentation: self.udp_segmentation,
            udp_ports: self.udp_ports,
        }
    }

    /// The part of the configuration that concerns connections.
    pub(crate) fn of_connections(&self) -> ConnectionConfig {
        ConnectionConfig {
            limits: self.request_limits.clone(),
            messages_per_turn: self.requests_per_turn,
            handshake_timeout: self.handshake_timeout,
            message_timeout: self.request_timeout,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            max_queued_media: self.max_queued_media,
            max_queued_messages: self.max_queued_answers,
            max_unanswered: MAX_UNANSWERED,
            resynchronizes: false,
        }
    }

    /// Checks that a server could work with the configuration.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { request_limits, pool, .. } = self;
        let limits = [request_limits.request_line, request_limits.header_bytes];
        let timeouts =
            [self.handshake_timeout, self.request_timeout, self.idle_timeout, self.write_timeout];
        let ports_fit = match self.udp_ports {
            UdpPorts::Pairs { tries, .. } => tries > 0,
            UdpPorts::Shared { port } => port % 2 == 0,
        };
        let is_text = |c: char| !c.is_control();
        let rules = [
            (self.requests_per_turn > 0, "requests_per_turn is 0: no request would be answered"),
            (self.frames_per_turn > 0, "frames_per_turn is 0: no frame would be sent"),
            (self.probe_budget > 0, "probe_budget is 0: no file would be described"),
            (self.max_queued_answers > 0, "max_queued_answers is 0: no answer could wait"),
            (
                self.max_buffered == 0 || self.max_buffered / 2 >= self.max_packet,
                "max_buffered is less than two packets of max_packet bytes",
            ),
            (
                self.max_queued_media >= self.max_packet,
                "max_queued_media is less than one packet of max_packet bytes",
            ),
            (
                !limits.contains(&0) && request_limits.header_count > 0,
                "request_limits has a 0: every request would be refused",
            ),
            (
                !timeouts.iter().any(Duration::is_zero),
                "a time-out of 0 would end every connection at once",
            ),
            (pool.max_media_per_session > 0, "max_media_per_session is 0: no SETUP would succeed"),
            (ports_fit, "udp_ports needs at least one try, and an even port where it is shared"),
            (self.server_name.chars().all(is_text), "server_name has a control character"),
        ];
        check_max_packet(self.max_packet)?;
        #[cfg(feature = "srtp")]
        if self.srtp.as_ref().is_some_and(|srtp| srtp.mki_len > crate::session::srtp::MAX_MKI) {
            return Err(Error::Usage("srtp.mki_len is more than 16 octets"));
        }
        let broken = rules.iter().find(|(kept, _)| !kept).map(|(_, broken)| *broken);
        match broken.or_else(|| self.publish.fault()) {
            Some(broken) => Err(Error::Usage(broken)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::UsageEnvironment;
    use crate::server::RtspServer;

    #[test]
    fn what_could_not_serve_is_refused_and_named() {
        type Change = fn(&mut ServerConfig);
        let changes: [(&str, Change); 20] = [
            ("max_buffered", |c| c.max_buffered = 100),
            ("requests_per_turn", |c| c.requests_per_turn = 0),
            ("frames_per_turn", |c| c.frames_per_turn = 0),
            ("probe_budget", |c| c.probe_budget = 0),
            ("max_queued_answers", |c| c.max_queued_answers = 0),
            ("max_queued_media", |c| c.max_queued_media = c.max_packet - 1),
            ("max_packet", |c| c.max_packet = 5),
            ("max_packet", |c| (c.max_packet, c.max_queued_media) = (70_000, 1 << 20)),
            ("request_limits", |c| c.request_limits.request_line = 0),
            ("request_limits", |c| c.request_limits.header_count = 0),
            ("time-out", |c| c.idle_timeout = Duration::ZERO),
            ("time-out", |c| c.write_timeout = Duration::ZERO),
            ("max_media_per_session", |c| c.pool.max_media_per_session = 0),
            ("udp_ports", |c| c.udp_ports = UdpPorts::Pairs { base: 6970, tries: 0 }),
            ("udp_ports", |c| c.udp_ports = UdpPorts::Shared { port: 6971 }),
            ("max_tracks", |c| c.publish.max_tracks = 0),
            ("max_description", |c| c.publish.max_description = 0),
            ("time-out", |c| c.publish.timeout = Duration::ZERO),
            ("max_delay", |c| c.publish.max_delay = Duration::from_secs(61)),
            ("server_name", |c| c.server_name = "a\r\nX-Other: b".to_owned()),
        ];
        for (name, change) in changes {
            let mut env = UsageEnvironment::simulated(1);
            let mut config = ServerConfig::default();
            change(&mut config);
            let refused = RtspServer::new(&mut env, config, &[]);
            let Err(Error::Usage(why)) = refused else { panic!("{name}: {refused:?}") };
            assert!(why.contains(name), "{name}: {why}");
        }
        let mut env = UsageEnvironment::simulated(1);
        assert!(RtspServer::new(&mut env, ServerConfig::default(), &[]).is_ok());
    }
}
