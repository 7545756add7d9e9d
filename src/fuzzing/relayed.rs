//! Bodies for relayed streams: a source that sends and does what the input tells, and viewers.

use crate::env::{MediumId, UsageEnvironment};
use crate::net::TcpStream;
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::rtp::rtcp::NtpTime;
use crate::server::{
    FastStart, RelayedStreamId, RelayedStreamOptions, RelayedTrack, RtspServer, ServerConfig,
};
use crate::wire::Reader;
use crate::wire::rtp::{PacketKind, RtpPacket};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 554);
const MAX_VIEWERS: usize = 4;
/// As large as packets of the server's sinks and those that are passed on.
const MAX_PACKET: usize = 1472;

/// A client that takes nothing on trust.
struct Viewer {
    stream: TcpStream,
    input: Vec<u8>,
    stalled: bool,
    /// SSRC and number of the last packet of each track.
    last: [Option<(u32, u16)>; 2],
}

impl Viewer {
    fn new(env: &mut UsageEnvironment, number: u8, session: &str) -> Option<Self> {
        let from = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 100 + number).into(), 0);
        let mut stream = TcpStream::connect_from(env, Some(from), SERVER).ok()?;
        let requests = format!(
            "SETUP rtsp://h/s/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\
             \r\nSETUP rtsp://h/s/track2 RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\
             Transport: RTP/AVP/TCP;interleaved=2-3\r\n\r\n\
             PLAY rtsp://h/s RTSP/1.0\r\nCSeq: 3\r\nSession: {session}\r\n\r\n"
        );
        turn(env, Duration::from_millis(20));
        let _ = stream.write(env, requests.as_bytes());
        Some(Self { stream, input: Vec::new(), stalled: false, last: [None; 2] })
    }

    fn pump(&mut self, env: &mut UsageEnvironment) {
        let mut buffer = [0; 4096];
        while !self.stalled {
            match self.stream.read(env, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => self.input.extend(buffer.iter().take(n)),
            }
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        loop {
            match *rest {
                [b'$', channel, high, low, ref behind @ ..] => {
                    let len = usize::from(u16::from_be_bytes([high, low]));
                    let Some((packet, behind)) = behind.split_at_checked(len) else { break };
                    self.check(channel, packet);
                    rest = behind;
                }
                [b'$', ..] | [] => break,
                // An answer, which has no body.
                _ => match rest.windows(4).position(|four| four == b"\r\n\r\n") {
                    Some(end) => rest = rest.get(end + 4..).unwrap_or_default(),
                    None => break,
                },
            }
        }
        self.input = rest.to_vec();
    }

    fn check(&mut self, channel: u8, packet: &[u8]) {
        if PacketKind::of(packet, None) == PacketKind::Rtcp {
            return;
        }
        assert!(packet.len() <= MAX_PACKET, "larger than viewers take");
        let packet = RtpPacket::parse(packet).expect("a valid packet");
        let Some(last) = self.last.get_mut(usize::from(channel / 2)) else { return };
        if let Some((ssrc, number)) = last.filter(|(ssrc, _)| *ssrc == packet.ssrc) {
            let step = packet.sequence_number.wrapping_sub(number);
            assert!(step > 0 && step < 0x8000, "{ssrc:08x}: {step} after {number}");
        }
        *last = Some((packet.ssrc, packet.sequence_number));
    }
}

fn turn(env: &mut UsageEnvironment, time: Duration) {
    let end = env.now() + time;
    while env.now() < end {
        env.turn(Some(end - env.now())).expect("a turn");
    }
}

fn tracks(kinds: u8) -> Vec<RelayedTrack> {
    let names = [("video", "H264"), ("video", "H265"), ("video", "X-NEW"), ("application", "X")];
    let (media, name) = names.get(usize::from(kinds % 4)).copied().unwrap_or(("video", "H264"));
    let mut tracks = vec![RelayedTrack::new(PayloadFormat::new(media, name, 90_000, 96))];
    if kinds & 4 != 0 {
        tracks.push(RelayedTrack::new(PayloadFormat::new("audio", "PCMU", 8_000, 0)));
    }
    tracks
}

/// A packet as the next bytes say.
fn relay(
    env: &mut UsageEnvironment,
    server: MediumId<RtspServer>,
    id: RelayedStreamId,
    (timestamp, fields): (u32, u8),
    payload: &[u8],
    begin: Instant,
) {
    let large = payload.repeat(if fields & 0x70 == 0x70 { 100 } else { 1 });
    let mut packet = ReceivedPacket::new(&large, timestamp, env.now());
    packet.marker = fields & 1 != 0;
    packet.restarted = fields & 0x1e == 0x1e;
    packet.lost_before = if fields & 0x0e == 0x0e { u64::from(fields) << 9 } else { 0 };
    if fields & 0x20 != 0 {
        packet.capture_time = Some(NtpTime(u64::from(timestamp) << 20 ^ u64::from(fields) << 40));
    }
    if fields & 0x60 == 0x60 {
        packet.arrived_at = begin;
    }
    let _ = env.with(server, |server, env| {
        server.relay_packet(env, id, usize::from(fields >> 7), &packet);
        if fields & 2 != 0 {
            server.send_relayed_packets(env);
        }
    });
}

/// A source that is described, sends, goes away and comes back, and viewers who come, stall and
/// leave.
pub fn stream(data: &[u8]) {
    let mut env = UsageEnvironment::simulated(1);
    let begin = env.now();
    let server = RtspServer::new(&mut env, ServerConfig::default(), &[SERVER]).expect("a server");
    let mut r = Reader::new(data);
    let how = r.u8("options").unwrap_or_default();
    let fast_starts = [FastStart::Off, FastStart::KeyFrameCache, FastStart::WaitForKeyFrame];
    let fast_start = fast_starts.get(usize::from(how % 4)).copied().unwrap_or_default();
    let options = RelayedStreamOptions::new("s")
        .with_kept_for(Duration::from_secs(u64::from(how >> 4)))
        .with_fast_start(fast_start);
    let added = env.with(server, |server, env| {
        let mut ids = 0;
        server.set_create_session_id(Some(Box::new(move |_| {
            ids += 1;
            Some(format!("session{ids}"))
        })));
        server.add_relayed_stream(env, options)
    });
    let id = added.expect("it is there").expect("a good name");
    let mut viewers: Vec<Viewer> = Vec::new();
    let (mut timestamp, mut came) = (0u32, 0u8);
    while let (Ok(what), Ok(how)) = (r.u8("step"), r.u8("argument")) {
        match what % 16 {
            0 => turn(&mut env, Duration::from_millis(u64::from(how) * 16)),
            1 => {
                let _ = env.with(server, |server, env| {
                    server.relayed_source_described(env, id, tracks(how))
                });
            }
            2 => {
                let _ = env.with(server, |server, env| server.relayed_source_lost(env, id));
            }
            3 if viewers.len() < MAX_VIEWERS && came < 100 => {
                came += 1;
                viewers.extend(Viewer::new(&mut env, came, &format!("session{came}")));
            }
            4 => {
                if let Some(viewer) = viewers.get_mut(usize::from(how % 4)) {
                    viewer.stalled = how & 0x80 != 0;
                }
            }
            5 if !viewers.is_empty() => {
                viewers.remove(usize::from(how) % viewers.len()).stream.close(&mut env);
            }
            _ => {
                timestamp = match what >> 4 {
                    0..=7 => timestamp,
                    15 => r.u32("timestamp").unwrap_or_default(),
                    step => timestamp.wrapping_add(3600 * u32::from(step - 7)),
                };
                let len = usize::from(r.u8("length").unwrap_or_default()).min(r.remaining().len());
                let payload = r.take(len, "payload").unwrap_or_default();
                relay(&mut env, server, id, (timestamp, how), payload, begin);
            }
        }
        turn(&mut env, Duration::from_millis(1));
        viewers.iter_mut().for_each(|viewer| viewer.pump(&mut env));
    }
    let _ = env.with(server, |server, env| server.remove_relayed_stream(env, id));
    for viewer in viewers {
        viewer.stream.close(&mut env);
    }
    turn(&mut env, Duration::from_secs(100));
    let server = env.medium(server).expect("it is there");
    assert_eq!((server.stream_count(), server.connection_count()), (0, 0));
    assert_eq!(env.delayed_tasks(), 0, "no timer is left");
}
