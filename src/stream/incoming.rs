//! [`IncomingPacket`]: a packet that a client has sent for a track that it is sent.

use crate::ids::{ClientSessionId, MediaSessionId, StreamId};
use crate::wire::rtp::PacketKind;
use std::net::SocketAddr;
use std::time::Instant;

/// An RTP or RTCP packet that a client has sent to the server, for a track that it has set up.
///
/// Over UDP the packet came from an address that the client named in SETUP, or from another port of
/// the client's host if no other client is there. Over TCP it came on a channel of the track.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IncomingPacket<'a> {
    /// The client session.
    pub session: ClientSessionId,
    /// The media session that contains the track.
    pub media_session: MediaSessionId,
    /// Number of the track in its media session, from 0.
    pub track: usize,
    /// The stream that the server sends to the client for that track.
    pub stream: StreamId,
    /// Source address of the datagram, or the client's end of the RTSP connection.
    pub from: SocketAddr,
    /// When the server received the packet.
    pub at: Instant,
    /// Whether the packet is RTP or RTCP.
    pub kind: PacketKind,
    /// The packet. [`RtpPacket::parse`](crate::wire::rtp::RtpPacket::parse) accepts it if it is RTP.
    /// If it is RTCP, [`Compound::parse`](crate::wire::rtcp::Compound::parse) accepts it, or
    /// `parse_reduced_size` where the stream allows that
    /// ([`RtcpConfig::reduced_size`](crate::rtp::RtcpConfig)).
    pub data: &'a [u8],
}
