//! RTCP that comes from the members of multicast groups.

use super::{Streams, note_key_frame_request};
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, StreamId};
use crate::stream::sockets::{Reflect, SocketsId};
use crate::wire::rtp::PacketKind;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

impl Streams {
    /// Adds a client session that watches a multicast stream: reports of its host keep it alive.
    pub(crate) fn add_member(&mut self, id: StreamId, host: IpAddr, session: ClientSessionId) {
        self.members.add(id, host, session);
    }

    pub(crate) fn remove_member(&mut self, id: StreamId, host: IpAddr, session: ClientSessionId) {
        self.members.remove(id, host, session);
    }

    /// Takes a packet of a group's member, to the group or, where the group is source-specific, to
    /// us alone. There is no use for RTP from there.
    pub(super) fn handle_group_packet(
        &mut self,
        env: &mut UsageEnvironment,
        (sockets, stream): (SocketsId, StreamId),
        from: SocketAddr,
        (kind, packet): (PacketKind, &[u8]),
    ) {
        if kind == PacketKind::Rtp {
            return;
        }
        let Some(state) = self.table.get_mut(stream).filter(|s| s.is_multicast()) else {
            return;
        };
        if packet.get(4..8) == Some(&state.ssrc().to_be_bytes()[..]) {
            return; // our own, come back
        }
        let Some(data) = state.unprotect(None, kind, packet, &mut self.unprotected) else { return };
        let is_report = state.handle_rtcp(env, data, member_key(from)).is_receiver_report;
        let now = env.now();
        note_key_frame_request(&mut self.events, (stream, state), now);
        if !is_report {
            return;
        }
        self.heard.extend(self.members.reporting(stream, from.ip(), now));
        let Some(sockets) = self.sockets.get_mut(sockets) else { return };
        if let Some(Reflect { to, .. }) = sockets.reflect.filter(|r| r.source != from) {
            if let Err(e) = sockets.socket(true).send_to(env, packet, to) {
                log::debug!("reflect to {to}: {e}");
            }
        }
    }
}

/// Under which a member's reception statistics are kept; how many, the instance limits.
fn member_key(from: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    from.hash(&mut hasher);
    hasher.finish()
}
