//! From the server in this process to the other one, packet by packet, and reports back.

use super::Pusher;
use crate::client::RtspClient;
use crate::env::{MediumError, UsageEnvironment};
use crate::net::Datagrams;
use crate::receive::Sockets;
use crate::relay::pusher::phase::{Phase, Step, Way};
use crate::server::OutletState;
use crate::wire::interleaved::PREFIX_LEN;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::{Incoming, Limits, parse};
use std::io;
use std::ops::Range;

/// Longest datagram that is taken from the other server.
const MAX_DATAGRAM: usize = 2048;
/// Packet type of a goodbye (RFC 3550 section 6.6).
const BYE: u8 = 203;

impl Pusher {
    /// Takes what the server in this process has sent, unless the connection to the other one has
    /// not taken all of what was sent before. It then stays where it is, and the server drops whole
    /// frames when too many wait.
    pub(super) fn read_stream(&mut self, env: &mut UsageEnvironment) {
        if !self.viewer.is_open() || self.client.as_ref().is_some_and(RtspClient::has_output) {
            return;
        }
        let mut read = std::mem::take(&mut self.read);
        let state = self.viewer.read(env, &mut read);
        self.pass_on(env, &mut read);
        self.read = read;
        match state {
            Err(MediumError::Ended) => self.close_with_server(env),
            Ok(Some(OutletState::Closed)) if self.viewer.is_open() => self.end_stream(env),
            Ok(Some(OutletState::Idle)) if self.is_in_session() => self.end_stream(env),
            _ if self.has_ended() => self.end_stream(env),
            _ => {}
        }
    }

    /// Whether there is to be a session at the server in this process.
    fn is_in_session(&self) -> bool {
        let prepares = |step| matches!(step, Step::Describing | Step::SettingUp(0));
        match self.phase {
            Phase::Waiting { .. } | Phase::Over => false,
            Phase::Preparing(step) => !prepares(step),
            // The stream comes after OPTIONS, unless it had to be waited for.
            Phase::Asking(_) => !self.announced.is_empty(),
            _ => true,
        }
    }

    fn has_ended(&self) -> bool {
        self.is_recording() && self.tracks.iter().all(|track| track.has_ended)
    }

    fn pass_on(&mut self, env: &mut UsageEnvironment, bytes: &mut [u8]) {
        let mut at = 0;
        // Packets that go out together: a stretch over TCP, the datagrams of one track over UDP.
        let mut stretch = 0..0;
        let mut datagrams = None;
        while let Some(first) = bytes.get(at) {
            if *first == b'$' {
                let Some(packet) = packet_at(bytes, at) else { break };
                let channel = bytes.get(at + 1).copied().unwrap_or_default();
                at = packet.end;
                let (track, is_rtcp) = (usize::from(channel / 2), channel % 2 == 1);
                self.note_packet(track, is_rtcp, bytes.get(packet.clone()).unwrap_or_default());
                if !self.is_recording() {
                    continue;
                }
                let Some(way) = self.tracks.get_mut(track).and_then(|t| t.way.as_mut()) else {
                    continue;
                };
                self.packets += 1;
                match way {
                    Way::Tcp { channels: (rtp, rtcp) } => {
                        let to = if is_rtcp { *rtcp } else { *rtp };
                        let start = packet.start - PREFIX_LEN;
                        if let Some(channel) = bytes.get_mut(start + 1) {
                            *channel = to;
                        }
                        if stretch.end != start {
                            self.send_stretch(env, bytes, stretch);
                            stretch = start..start;
                        }
                        stretch.end = packet.end;
                    }
                    Way::Udp { sockets, rtcp, .. } if is_rtcp => {
                        let report = bytes.get(packet).unwrap_or_default();
                        if let Err(e) = sockets.of(PacketKind::Rtcp).send_to(env, report, *rtcp) {
                            log::debug!("RTCP to {rtcp}: {e}");
                        }
                    }
                    Way::Udp { .. } => {
                        if datagrams != Some(track) {
                            self.send_datagrams(env, bytes, datagrams);
                            datagrams = Some(track);
                        }
                        self.spans.push(packet);
                    }
                }
                continue;
            }
            match parse(bytes.get(at..).unwrap_or_default(), &Limits::default()) {
                Ok((Incoming::Response(response), n)) => {
                    let response = response.into_owned();
                    at += n;
                    self.handle_stream_response(env, &response);
                    if !self.viewer.is_open() {
                        // What follows is of an attempt that is over.
                        break;
                    }
                }
                // Requests of the server go unanswered: there is nothing to ask a pusher for.
                Ok((_, n)) if n > 0 => at += n,
                _ => break,
            }
        }
        self.send_stretch(env, bytes, stretch);
        self.send_datagrams(env, bytes, datagrams);
    }

    /// Notes whether the track has said goodbye, or goes on.
    fn note_packet(&mut self, track: usize, is_rtcp: bool, packet: &[u8]) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.has_ended = is_rtcp && (track.has_ended || says_goodbye(packet));
        }
    }

    fn send_stretch(&mut self, env: &mut UsageEnvironment, bytes: &[u8], stretch: Range<usize>) {
        if let (Some(packets @ [_, ..]), Some(client)) = (bytes.get(stretch), &mut self.client) {
            client.send_interleaved(env, packets);
        }
    }

    /// Sends the datagrams that have been put together for a track.
    fn send_datagrams(&mut self, env: &mut UsageEnvironment, bytes: &[u8], track: Option<usize>) {
        let Self { tracks, spans, .. } = self;
        let way = track.and_then(|track| tracks.get_mut(track)?.way.as_mut());
        if let (Some(Way::Udp { sockets, rtp, .. }), false) = (way, spans.is_empty()) {
            let (datagrams, mut failed) = (Datagrams { buffer: bytes, spans }, Vec::new());
            sockets.of(PacketKind::Rtp).send_batch(env, &datagrams, &[*rtp], &mut failed);
            for (_, e) in failed {
                log::debug!("RTP to {rtp}: {e}");
            }
        }
        spans.clear();
    }

    /// Takes what the other server has sent to a socket of a track: reports, and requests for key
    /// frames.
    pub(super) fn receive(&mut self, env: &mut UsageEnvironment, track: usize, kind: PacketKind) {
        let Self { tracks, viewer, heard_at, .. } = self;
        let way = tracks.get_mut(track).and_then(|t| t.way.as_mut());
        let Some(Way::Udp { sockets, rtcp, .. }) = way else { return };
        let inbox = match sockets.receive(env, kind, MAX_DATAGRAM) {
            Ok(inbox) => inbox,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP message that a packet has led to.
            Err(e) => return log::debug!("from {rtcp}: {e}"),
        };
        for (packet, from) in inbox.iter() {
            let is_report = PacketKind::of(packet, Some(kind)) == PacketKind::Rtcp;
            if is_report && from.ip() == rtcp.ip() && packet.len() <= MAX_DATAGRAM {
                *heard_at = Some(env.now());
                viewer.report(env, track, packet);
            }
        }
        Sockets::give_back(env, inbox);
    }
}

/// Where the interleaved packet lies whose prefix is at `at` (RFC 2326 section 10.12).
fn packet_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let prefix: &[u8; PREFIX_LEN] = bytes.get(at..at + PREFIX_LEN)?.try_into().ok()?;
    let start = at + PREFIX_LEN;
    let end = start + usize::from(u16::from_be_bytes([prefix[2], prefix[3]]));
    (end <= bytes.len()).then_some(start..end)
}

/// Whether there is a goodbye in a compound RTCP packet.
fn says_goodbye(packet: &[u8]) -> bool {
    let mut rest = packet;
    while let [_, kind, high, low, ..] = *rest {
        if kind == BYE {
            return true;
        }
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_goodbyes_are_found_whatever_the_bytes_say() {
        let bytes = [b'$', 0, 0, 2, 7, 8, b'$', 1, 0, 9, 1];
        assert_eq!(packet_at(&bytes, 0), Some(4..6));
        assert_eq!(packet_at(&bytes, 6), None, "it is longer than what is there");
        assert_eq!(packet_at(&bytes, 9), None);
        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let goodbye = [&report[..], &[0x81, 203, 0, 1, 0, 0, 0, 9]].concat();
        assert!(says_goodbye(&goodbye) && !says_goodbye(&report));
        assert!(!says_goodbye(&[]) && !says_goodbye(&[0x80, 201, 0xff, 0xff]));
    }
}
