//! RTP and RTCP that clients send: to the streams that they are sent and to the application, or to
//! what they publish.

use crate::env::UsageEnvironment;
use crate::ids::PacketOwner;
use crate::rtsp::channels::Route;
use crate::server::rtsp_server::RtspServer;
use crate::stream::sockets::SocketsId;
use crate::stream::streams::Streams;
use crate::warned::Breach;
use crate::wire::rtp::PacketKind;
use std::net::SocketAddr;

impl RtspServer {
    /// The RTP or the RTCP socket of a pair can be read from: takes what has come, as much as one
    /// call gives. The rest comes in the next turn.
    pub(crate) fn receive_datagrams(
        &mut self,
        env: &mut UsageEnvironment,
        sockets: SocketsId,
        rtcp: bool,
    ) {
        let Some(inbox) = self.streams.begin_receive(env, sockets, rtcp) else { return };
        for (data, from) in inbox.iter() {
            // A client that was not asked to multiplex may do it all the same.
            let kind = PacketKind::of(data, rtcp.then_some(PacketKind::Rtcp));
            match self.streams.owner_of_datagram((sockets, rtcp), from) {
                Some(PacketOwner::Published(..) | PacketOwner::Spoken(_))
                    if Streams::is_cut_off(data) =>
                {
                    let level = self.warned.level_for(from.ip(), Breach::LongPackets);
                    log::log!(level, "{from}: sends packets of {} bytes or more", data.len());
                }
                Some(owner) => self.receive_packet(env, owner, from, (kind, data)),
                None => self.streams.handle_datagram_of_group(env, sockets, from, (kind, data)),
            }
        }
        self.streams.end_receive(inbox);
    }

    /// Takes a packet that came in a connection, on a channel that leads to `route`.
    pub(crate) fn receive_interleaved(
        &mut self,
        env: &mut UsageEnvironment,
        route: Route<PacketOwner>,
        peer: SocketAddr,
        data: &[u8],
    ) {
        // A client that multiplexes on the channel for RTP was not asked, and does it all the same.
        let agreed = Some(route.kind).filter(|kind| *kind == PacketKind::Rtcp);
        let kind = PacketKind::of(data, agreed);
        self.receive_packet(env, route.owner, peer, (kind, data));
        self.follow_up(env);
    }

    fn receive_packet(
        &mut self,
        env: &mut UsageEnvironment,
        owner: PacketOwner,
        from: SocketAddr,
        (kind, data): (PacketKind, &[u8]),
    ) {
        match owner {
            PacketOwner::Destination(stream, destination) => {
                let to = (stream, destination);
                if let Some(packet) = self.streams.handle_packet(env, to, from, (kind, data)) {
                    self.hooks.packet_received(&packet);
                }
            }
            PacketOwner::Published(publication, track) => {
                self.receive_published(env, (publication, track), (kind, data));
            }
            PacketOwner::Spoken(channel) => self.receive_talk(env, channel, (kind, data)),
        }
    }
}
