//! RTCP that comes in from the receivers of streams: over UDP, from multicast groups, interleaved.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, DestinationId, StreamId};
use crate::stream::destination::destination_key;
use crate::stream::sockets::{Reflect, SocketsId};
use crate::stream::statistics::StreamEvent;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

impl Streams {
    /// Adds a client session that watches a multicast stream: reports of its host keep it alive.
    pub(crate) fn add_member(&mut self, id: StreamId, host: IpAddr, session: ClientSessionId) {
        self.members.add(id, host, session);
    }

    pub(crate) fn remove_member(&mut self, id: StreamId, host: IpAddr, session: ClientSessionId) {
        self.members.remove(id, host, session);
    }

    /// Reads what receivers send to a pair of sockets. RTP that comes in is not for us.
    pub(crate) fn receive(&mut self, env: &mut UsageEnvironment, id: SocketsId, rtcp: bool) {
        let Some(sockets) = self.sockets.get_mut(id) else { return };
        match sockets.socket(rtcp).recv_batch(env, &mut self.inbox) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error that a send brought back; there may be more behind it.
            Err(e) => return log::trace!("receive: {e}"),
        }
        // Lent out, so that the streams can be asked about each.
        let inbox = std::mem::take(&mut self.inbox);
        for (data, from) in inbox.iter() {
            let Some(sockets) = self.sockets.get(id) else { break };
            // On a shared port RTP and RTCP are told apart by the type (RFC 5761 section 4).
            let is_rtcp = rtcp || data.get(1).is_some_and(|t| (192..=223).contains(t));
            if !is_rtcp {
                continue;
            }
            match (sockets.route(from), sockets.owner) {
                (Some((stream, destination)), _) => {
                    self.handle_rtcp(env, stream, destination, data);
                }
                (None, Some(stream)) => self.handle_group_rtcp(env, (id, stream), from, data),
                (None, None) => {}
            }
        }
        self.inbox = inbox;
    }

    /// RTCP from the receiver at a destination: a report keeps its session alive.
    pub(crate) fn handle_rtcp(
        &mut self,
        env: &UsageEnvironment,
        stream: StreamId,
        destination: DestinationId,
        data: &[u8],
    ) {
        let Some(state) = self.table.get_mut(stream) else { return };
        let Some(session) = state.destination(destination).map(|d| d.session()) else {
            return;
        };
        let outcome = state.handle_rtcp(env, data, destination_key(destination));
        if outcome.is_receiver_report {
            self.heard.extend(session);
        }
        self.note_key_frame_requests(stream, env.now());
    }

    /// Passes on to the source that receivers have asked for a key frame (RFC 4585 section 6.3.1,
    /// RFC 5104 section 4.3.1).
    fn note_key_frame_requests(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.table.get_mut(id) else { return };
        if stream.poll_key_frame_request(now) {
            self.events.push_back(StreamEvent::KeyFrameWanted { stream: id });
        }
    }

    /// RTCP of a group's member, to the group or, where the group is source-specific, to us alone.
    fn handle_group_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        (sockets, stream): (SocketsId, StreamId),
        from: SocketAddr,
        data: &[u8],
    ) {
        let Some(state) = self.table.get_mut(stream).filter(|s| s.is_multicast()) else {
            return;
        };
        if data.get(4..8) == Some(&state.ssrc().to_be_bytes()[..]) {
            return; // our own, come back
        }
        let now = env.now();
        let is_report = state.handle_rtcp(env, data, member_key(from)).is_receiver_report;
        self.note_key_frame_requests(stream, now);
        if !is_report {
            return;
        }
        self.heard.extend(self.members.reporting(stream, from.ip(), now));
        let Some(sockets) = self.sockets.get_mut(sockets) else { return };
        if let Some(Reflect { to, .. }) = sockets.reflect.filter(|r| r.source != from) {
            if let Err(e) = sockets.socket(true).send_to(env, data, to) {
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
