//! What comes in from the receivers of streams, over UDP and interleaved.
//!
//! RTCP goes to the stream that it is about. What comes from a client's receiver is returned, too,
//! packet by packet, for whoever has a use for it.

use super::{DATAGRAM_LEN, Streams, note_key_frame_request};
use crate::env::UsageEnvironment;
use crate::ids::{DestinationId, PacketOwner, StreamId};
use crate::net::Inbox;
use crate::stream::destination::destination_key;
use crate::stream::incoming::IncomingPacket;
use crate::stream::sockets::{SocketsId, SocketsOwner};
use crate::wire::rtp::PacketKind;
use std::io;
use std::net::SocketAddr;

impl Streams {
    /// Reads what has come to the RTP or the RTCP socket of a pair, as much as one call gives, and
    /// lends it out: each datagram goes to [`handle_datagram`](Self::handle_datagram), and the
    /// memory back to [`end_receive`](Self::end_receive).
    pub(crate) fn begin_receive(
        &mut self,
        env: &mut UsageEnvironment,
        id: SocketsId,
        rtcp: bool,
    ) -> Option<Inbox> {
        match self.sockets.get_mut(id)?.socket(rtcp).recv_batch(env, &mut self.inbox) {
            Ok(_) => Some(std::mem::take(&mut self.inbox)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            Err(e) => {
                // An ICMP error that a send brought back; there may be more behind it.
                log::trace!("receive: {e}");
                None
            }
        }
    }

    pub(crate) fn end_receive(&mut self, inbox: Inbox) {
        self.inbox = inbox;
    }

    /// Whether a datagram may have been cut off.
    pub(crate) const fn is_cut_off(data: &[u8]) -> bool {
        data.len() >= DATAGRAM_LEN
    }

    /// Returns the owner of a datagram that has come to the RTP or the RTCP socket of a pair. `None`
    /// if it is from no client; it may be from a member of a group, for
    /// [`handle_datagram_of_group`](Self::handle_datagram_of_group).
    pub(crate) fn owner_of_datagram(
        &self,
        (id, rtcp): (SocketsId, bool),
        from: SocketAddr,
    ) -> Option<PacketOwner> {
        self.sockets.get(id)?.route(from, rtcp)
    }

    /// Takes a datagram that has come to the sockets of a stream from no client.
    pub(crate) fn handle_datagram_of_group(
        &mut self,
        env: &mut UsageEnvironment,
        id: SocketsId,
        from: SocketAddr,
        packet: (PacketKind, &[u8]),
    ) {
        if let Some(SocketsOwner::Stream(stream)) = self.sockets.get(id).map(|s| s.owner) {
            self.handle_group_packet(env, (id, stream), from, packet);
        }
    }

    /// Takes a packet from the receiver at a destination; a receiver report keeps its session alive.
    /// `None` if it is not valid, or the destination is no client's.
    pub(crate) fn handle_packet<'a>(
        &'a mut self,
        env: &UsageEnvironment,
        (stream, destination): (StreamId, DestinationId),
        from: SocketAddr,
        (kind, packet): (PacketKind, &'a [u8]),
    ) -> Option<IncomingPacket<'a>> {
        let state = self.table.get_mut(stream)?;
        let session = state.destination(destination)?.session()?;
        let data = state.unprotect(Some(destination), kind, packet, &mut self.unprotected)?;
        let at = env.now();
        if kind == PacketKind::Rtcp {
            let outcome = state.handle_rtcp(env, data, destination_key(destination));
            if outcome.is_receiver_report {
                self.heard.push(session);
            }
            if let Some(reference) = outcome.reference_time {
                state.note_reference_time(destination, reference, at);
            }
            note_key_frame_request(&mut self.events, (stream, state), at);
            if !outcome.valid {
                return None;
            }
        }
        let (media_session, track) = state.origin()?;
        Some(IncomingPacket { session, media_session, track, stream, from, at, kind, data })
    }
}
