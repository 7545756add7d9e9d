//! Completes the transport that a client has chosen with the server's part: its ports, or free channels
//! of the connection.

use crate::ids::ConnectionId;
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::transport::{AgreedTransport, ChosenTransport};
use crate::stream::destination::DestinationTransport;
use crate::stream::sockets::SocketsId;
use crate::warned::Breach;
use crate::wire::rtsp::StatusCode;
use std::io;

/// Completes a unicast transport. `present` is that of the track before, whose channels it may keep;
/// `sockets` finds or opens the ports.
///
/// # Errors
/// 503: there are no ports. 453: there are no channels. 461: it is none for a single client.
pub(crate) fn complete_transport(
    cx: &mut Context<'_>,
    request: &AdmittedRequest<'_>,
    present: Option<DestinationTransport>,
    chosen: &ChosenTransport,
    sockets: impl FnOnce(&mut Context<'_>) -> io::Result<SocketsId>,
) -> Result<(DestinationTransport, AgreedTransport), Refusal> {
    match *chosen {
        ChosenTransport::Udp { rtp, rtcp } => {
            let sockets = sockets(cx).map_err(|e| {
                let level = cx.warned.level_for(rtp.ip(), Breach::NoPorts);
                log::log!(level, "no UDP ports for {rtp}: {e}");
                let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE);
                Refusal::from(refused.field("Retry-After", 1))
            })?;
            let pair = cx.streams.sockets(sockets).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
            let agreed = AgreedTransport::over_udp(pair, rtp, rtcp);
            Ok((DestinationTransport::Udp { sockets, rtp, rtcp }, agreed))
        }
        ChosenTransport::Tcp { channels } => {
            let id = request.connection;
            let connection = cx.connections.get(id).ok_or(StatusCode::BAD_REQUEST)?;
            let own = present.and_then(|present| channels_over(id, &present));
            let channels = connection.channels.allot(channels, own);
            let channels = channels.ok_or(StatusCode::NOT_ENOUGH_BANDWIDTH)?;
            let (rtp_channel, rtcp_channel) = channels;
            let transport = DestinationTransport::Tcp { connection: id, rtp_channel, rtcp_channel };
            Ok((transport, AgreedTransport::Tcp { channels }))
        }
        ChosenTransport::Multicast(_) => Err(StatusCode::UNSUPPORTED_TRANSPORT.into()),
    }
}

/// The channels of a transport, if it is one over `connection`.
pub(crate) fn channels_over(
    connection: ConnectionId,
    transport: &DestinationTransport,
) -> Option<(u8, u8)> {
    match *transport {
        DestinationTransport::Tcp { connection: over, rtp_channel, rtcp_channel } => {
            (over == connection).then_some((rtp_channel, rtcp_channel))
        }
        DestinationTransport::Udp { .. } => None,
    }
}
