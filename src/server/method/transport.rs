//! The transport of a track: selects an alternative of the client's `Transport` header that can be
//! served (RFC 2326 section 12.39), and writes the answer's.

use crate::net::{PortPair, UdpSocket, with_port};
use crate::server::method::refusal::Refusal;
use crate::session::subsession::{Distribution, MulticastGroup};
use crate::stream::sockets::UdpSockets;
use crate::wire::rtsp::transport::alternatives;
use crate::wire::rtsp::{Delivery, Protocol, StatusCode, TransportSpec};
use std::net::SocketAddr;

/// A transport that can be served, with the client's choices.
#[derive(Clone, Debug)]
pub(crate) enum ChosenTransport {
    Udp { rtp: SocketAddr, rtcp: SocketAddr },
    Tcp { channels: Option<(u8, u8)> },
    Multicast(MulticastGroup),
}

/// A complete transport, with the choices of client and server.
#[derive(Debug)]
pub(crate) enum AgreedTransport {
    /// RTP and RTCP ports at both ends.
    Udp {
        client: (u16, u16),
        server: (u16, u16),
    },
    Tcp {
        channels: (u8, u8),
    },
    Multicast(MulticastGroup),
}

impl AgreedTransport {
    pub(crate) fn over_udp(sockets: &UdpSockets, rtp: SocketAddr, rtcp: SocketAddr) -> Self {
        let port = |socket: &UdpSocket| socket.local_addr().map_or(0, |a| a.port());
        let PortPair { rtp: from, rtcp: from_rtcp } = &sockets.pair;
        let is_multiplexed = rtp == rtcp;
        Self::Udp {
            client: (rtp.port(), rtcp.port()),
            server: (port(from), port(if is_multiplexed { from } else { from_rtcp })),
        }
    }
}

/// The RTP profiles by which a client may have a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profiles {
    /// `RTP/AVP`.
    pub(crate) plain: bool,
    /// `RTP/AVP` over UDP, to a group too.
    pub(crate) plain_udp: bool,
    /// `RTP/SAVP` and `RTP/SAVPF`.
    pub(crate) secure: bool,
}

impl Profiles {
    const fn allow(self, protocol: &Protocol) -> bool {
        if protocol.is_secure() {
            self.secure
        } else {
            self.plain && (self.plain_udp || !protocol.is_udp())
        }
    }
}

/// Chooses the first alternative of a `Transport` header that can be served, as `servable` says.
pub(crate) fn choose(
    header: &str,
    profiles: Profiles,
    servable: impl Fn(&TransportSpec) -> Option<ChosenTransport>,
) -> Result<(TransportSpec, ChosenTransport), Refusal> {
    let mut refused = StatusCode::BAD_REQUEST;
    let mut chosen = None;
    // To the end even if one is found: what is malformed behind it makes the request malformed.
    for spec in alternatives(header) {
        let spec = spec.map_err(|_| StatusCode::BAD_REQUEST)?;
        refused = StatusCode::UNSUPPORTED_TRANSPORT;
        if chosen.is_none() && profiles.allow(&spec.protocol) {
            chosen = servable(&spec).map(|transport| (spec, transport));
        }
    }
    chosen.ok_or_else(|| refused.into())
}

/// The transport for one alternative, if it can be played over. `destination` is ignored: packets are
/// sent to the requesting client, never to a third party (RFC 2326 section 16), or to the existing
/// group, and the answer states the address.
pub(crate) fn playable(
    spec: &TransportSpec,
    distribution: &Distribution,
    peer: SocketAddr,
) -> Option<ChosenTransport> {
    if !spec.is_play() {
        return None;
    }
    match (spec.delivery(), distribution) {
        (Delivery::Multicast, Distribution::Multicast(group)) => {
            let fits = spec.protocol.is_udp() && spec.ttl != Some(0);
            fits.then(|| ChosenTransport::Multicast(group.clone()))
        }
        (Delivery::Unicast, Distribution::OnDemand { multiplex_rtcp, .. }) => {
            unicast(spec, *multiplex_rtcp, peer)
        }
        _ => None,
    }
}

/// The transport for one alternative, if a publisher can record over it. Some do not state the mode.
pub(crate) fn recordable(spec: &TransportSpec, peer: SocketAddr) -> Option<ChosenTransport> {
    let is_record = spec.mode.is_none() || spec.is_record();
    if is_record && spec.delivery() == Delivery::Unicast { unicast(spec, true, peer) } else { None }
}

/// The transport for one alternative, if a client can talk over it, whatever it says of the mode.
pub(crate) fn talkable(spec: &TransportSpec, peer: SocketAddr) -> Option<ChosenTransport> {
    if spec.delivery() == Delivery::Unicast { unicast(spec, true, peer) } else { None }
}

/// The transport for one unicast alternative.
fn unicast(
    spec: &TransportSpec,
    multiplex_rtcp: bool,
    peer: SocketAddr,
) -> Option<ChosenTransport> {
    if spec.protocol.is_tcp() {
        let channels = spec.interleaved.filter(|(rtp, rtcp)| rtp != rtcp);
        return Some(ChosenTransport::Tcp { channels });
    }
    if !spec.protocol.is_udp() {
        return None;
    }
    let (rtp, rtcp) = spec.client_port?;
    let multiplexed =
        rtp == rtcp || spec.other.iter().any(|(name, _)| name.eq_ignore_ascii_case("RTCP-mux"));
    if rtp == 0 || rtcp == 0 || (multiplexed && !multiplex_rtcp) {
        return None;
    }
    let at = |port| with_port(peer, port);
    let rtcp = if multiplexed { rtp } else { rtcp };
    Some(ChosenTransport::Udp { rtp: at(rtp), rtcp: at(rtcp) })
}

/// The `Transport` header of the answer to a client that requested `asked`.
pub(crate) fn answer_spec(
    asked: TransportSpec,
    (agreed, ssrc): (&AgreedTransport, Option<u32>),
    (peer, local): (SocketAddr, SocketAddr),
) -> TransportSpec {
    let mut spec = TransportSpec::new(asked.protocol, Delivery::Unicast);
    spec.ssrc = ssrc;
    match agreed {
        AgreedTransport::Udp { client, server } => {
            spec.destination = Some(peer.ip().to_canonical().to_string());
            spec.source = Some(local.ip().to_canonical().to_string());
            spec.client_port = Some(*client);
            spec.server_port = Some(*server);
        }
        AgreedTransport::Tcp { channels } => {
            spec.protocol = spec.protocol.over_tcp();
            spec.interleaved = Some(*channels);
        }
        AgreedTransport::Multicast(group) => {
            spec.explicit_delivery = Some(Delivery::Multicast);
            spec.destination = Some(group.rtp.ip().to_string());
            spec.port = Some((group.rtp.port(), group.rtcp_port));
            spec.ttl = Some(group.ttl);
        }
    }
    spec.mode = asked.mode.or_else(|| Some("PLAY".to_owned()));
    spec
}
