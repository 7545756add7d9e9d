//! What a server may be told at its start: limits, time-outs and policies, each with a default.

use crate::wire::rtsp::Limits;
use std::time::Duration;

use super::pool::PoolConfig;

/// Settings of an [`RtspServer`](super::RtspServer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Limits on what a client sends in one request.
    pub request_limits: Limits,
    /// Client sessions: number, time-out, grace.
    pub pool: PoolConfig,
    /// RTSP connections open at once; 0: as many as there are descriptors.
    pub max_connections: usize,
    /// RTSP connections open at once from one address; 0: no limit.
    pub max_connections_per_peer: usize,
    /// Requests of one connection that are answered in one turn of the loop.
    pub requests_per_turn: usize,
    /// How long a request may take to arrive, from its first byte.
    pub request_timeout: Duration,
    /// How long a connection without a session may be silent.
    pub idle_timeout: Duration,
    /// How long a connection may take nothing of what waits for it before it is closed.
    pub write_timeout: Duration,
    /// Bytes of media that wait for one connection before frames are dropped.
    pub max_queued_media: usize,
    /// Bytes of answers that wait for one connection before it is closed.
    pub max_queued_answers: usize,
    /// Largest RTP packet, header included, in bytes.
    pub max_packet: usize,
    /// Packets that are sent over UDP at once. The rest of a larger frame follows in a few
    /// milliseconds, so that a large key frame does not overrun a receiver's or a switch's
    /// buffer. 0: no limit.
    pub max_burst: usize,
    /// Destinations that a frame of a stream goes to in one turn of the loop. Those of a larger
    /// crowd get it in the turns that follow, so that requests and other streams need not wait
    /// for all of them. 0: no limit.
    pub destinations_per_turn: usize,
    /// Bytes that are kept of a shared stream since its last key frame
    /// ([`FastStart::KeyFrameCache`](super::FastStart)).
    pub max_cached: usize,
    /// Bytes that the system may hold of a connection without having sent them
    /// (`TCP_NOTSENT_LOWAT`): less is dropped late when a client falls behind. `None`: as much as
    /// the socket's buffer takes.
    pub tcp_notsent_lowat: Option<u32>,
    /// Whether UDP is sent with the system's segmentation offload where it has one. A socket that
    /// meets a refusal does without by itself.
    pub udp_segmentation: bool,
    /// UDP ports for RTP and RTCP.
    pub udp_ports: UdpPorts,
    /// Whether the end of a connection ends the UDP sessions that were set up over it. What is
    /// streamed over the connection itself always ends with it.
    pub end_udp_sessions_on_disconnect: bool,
    /// Bytes of files that probes may read in one turn of the loop.
    pub probe_budget: usize,
    /// Frames that one stream may send in one turn of the loop.
    pub frames_per_turn: usize,
    /// Value of the `Server` header.
    pub server_name: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            request_limits: Limits::default(),
            pool: PoolConfig::default(),
            max_connections: 0,
            max_connections_per_peer: 0,
            requests_per_turn: 16,
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
            frames_per_turn: 32,
            server_name: concat!("riverrun/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Where RTP and RTCP over UDP leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdpPorts {
    /// An even/odd pair a stream.
    Pairs {
        /// First port to try; made even.
        base: u16,
        /// Pairs to try before SETUP fails.
        tries: u16,
    },
    /// One pair for all streams of a local address; receivers are told apart by their address.
    Shared {
        /// RTP port, even; RTCP is the next. 0: any.
        port: u16,
    },
}
