//! [`Client`]: a player in the simulated world, which takes nothing on trust: every answer must
//! come in order with the `CSeq` of its request, every byte of an interleaved stream must belong
//! to an answer or to a packet of a channel that was agreed on.

use super::media::frame_in;
use super::transform::{unprotect_rtcp, unprotect_rtp};
use crate::env::{Readiness, UsageEnvironment};
use crate::net::{ByteStream, TcpStream, UdpSocket};
use crate::rtp::transform::PacketTransform;
use crate::wire::interleaved;
use crate::wire::rtcp::{Compound, Dlrr, Packet, SenderInfo, XrBlock};
use crate::wire::rtp::{PacketKind, RtpPacket};
use crate::wire::rtsp::{
    Incoming, Limits, Request, Response, RtpInfo, Transport, TransportSpec, parse,
};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Instant;

/// An answer, for tests.
#[derive(Clone, Debug)]
pub(super) struct Answer(pub(super) Response<'static>);

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.0.status.code()
    }

    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{:?}", self.0);
        self
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.headers.value(name)
    }

    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        self.value(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.0))
    }

    #[track_caller]
    pub(super) fn transport(&self) -> TransportSpec {
        let transport: Transport = self.header("Transport").parse().unwrap();
        assert_eq!(transport.specs.len(), 1);
        transport.specs[0].clone()
    }

    #[track_caller]
    pub(super) fn rtp_info(&self) -> RtpInfo<'_> {
        RtpInfo::parse(self.header("RTP-Info"))
    }

    pub(super) fn body(&self) -> String {
        String::from_utf8(self.0.body.to_vec()).unwrap()
    }
}

/// An RTP packet that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rtp {
    pub(super) at: Instant,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    /// Number and tag of the frame that begins in it.
    pub(super) frame: Option<(u32, u8)>,
    /// Bytes of it on the way.
    pub(super) len: usize,
    /// Hash of its payload.
    pub(super) digest: u64,
}

/// A number by which payloads are compared.
pub(super) fn digest(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

/// An RTCP compound packet that was received.
#[derive(Clone, Debug)]
pub(super) struct Rtcp {
    pub(super) at: Instant,
    pub(super) ssrc: u32,
    pub(super) info: Option<SenderInfo>,
    pub(super) cname: Option<String>,
    pub(super) bye: bool,
    /// Packet type and format of the feedback in it.
    pub(super) feedback: Vec<(u8, u8)>,
    /// Answers to reference times.
    pub(super) delays: Vec<Dlrr>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a test has few of them")]
pub(super) enum Way {
    Udp { rtp: UdpSocket, rtcp: UdpSocket, server: Option<(SocketAddr, SocketAddr)> },
    Tcp { rtp: u8, rtcp: u8 },
}

/// A track that was set up, and what came of it.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) number: usize,
    pub(super) way: Way,
    pub(super) rtp: Vec<Rtp>,
    pub(super) rtcp: Vec<Rtcp>,
    pub(super) torn_down: bool,
    pub(super) security: Security,
}

/// SRTP of a track.
#[derive(Debug, Default)]
pub(super) struct Security {
    /// What undoes it, if the track has it.
    pub(super) transform: Option<Box<dyn PacketTransform>>,
    /// The RTP packets as they came.
    pub(super) raw: Vec<Vec<u8>>,
}

impl Security {
    /// What a client reads in a packet.
    fn open<'a>(&mut self, key: Option<u8>, kind: PacketKind, data: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(transform) = &mut self.transform else {
            return match kind {
                PacketKind::Rtp => unprotect_rtp(key, data),
                PacketKind::Rtcp => unprotect_rtcp(key, data),
            };
        };
        let mut memory = Vec::new();
        let plain = transform.unprotect(kind, data, &mut memory);
        let plain = plain.expect("it is authentic, and has not come before").to_vec();
        if kind == PacketKind::Rtp {
            self.raw.push(data.to_vec());
        }
        Cow::Owned(plain)
    }
}

impl Track {
    /// Numbers of the frames that began to arrive.
    pub(super) fn frames(&self) -> Vec<u32> {
        self.rtp.iter().filter_map(|p| p.frame).map(|(number, _)| number).collect()
    }

    pub(super) fn byes(&self) -> usize {
        self.rtcp.iter().filter(|r| r.bye).count()
    }

    pub(super) fn forget(&mut self) {
        self.rtp.clear();
        self.rtcp.clear();
    }
}

/// A player.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: Option<ByteStream>,
    pub(super) address: SocketAddr,
    /// What it has to send when the connection takes it.
    pub(super) out: Vec<u8>,
    input: Vec<u8>,
    pub(super) cseq: u32,
    /// CSeq of the requests that wait for an answer; `None`: an answer must have none.
    pub(super) asked: VecDeque<Option<u32>>,
    pub(super) answers: VecDeque<Answer>,
    /// What the server has asked it.
    pub(super) requested: Vec<Request<'static>>,
    pub(super) tracks: Vec<Track>,
    pub(super) session: Option<String>,
    /// Undoes what is done to packets on their way.
    pub(super) key: Option<u8>,
    /// It reads nothing.
    pub(super) stalled: bool,
    /// The server has ended the connection.
    pub(super) ended: bool,
    /// The connection was reset or refused.
    pub(super) failed: bool,
    /// Do not look at what is answered: garbage was sent.
    pub(super) lenient: bool,
    /// Packets that came interleaved on all channels.
    pub(super) packets: usize,
    /// The connection may be refused with an answer to nothing.
    pub(super) refusable: bool,
    /// SETUPs without anybody waiting for the answer.
    pub(super) setups: Vec<AskedSetup>,
}

/// A SETUP that was asked for.
#[derive(Debug)]
pub(super) struct AskedSetup {
    pub(super) cseq: u32,
    pub(super) track: usize,
    pub(super) sockets: Option<(UdpSocket, UdpSocket)>,
}

impl Client {
    pub(super) fn new(stream: impl Into<ByteStream>, address: SocketAddr) -> Self {
        Self {
            stream: Some(stream.into()),
            address,
            out: Vec::new(),
            input: Vec::new(),
            cseq: 0,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            requested: Vec::new(),
            tracks: Vec::new(),
            session: None,
            key: None,
            stalled: false,
            ended: false,
            failed: false,
            lenient: false,
            packets: 0,
            refusable: false,
            setups: Vec::new(),
        }
    }

    /// Goes on over a new connection. What was set up over UDP stays.
    pub(super) fn reconnect(&mut self, stream: TcpStream) {
        self.address = stream.local_addr().unwrap();
        self.stream = Some(stream.into());
        self.input.clear();
        self.answers.clear();
        self.setups.clear();
        self.tracks.retain(|t| matches!(t.way, Way::Udp { .. }));
        (self.stalled, self.ended, self.failed, self.lenient) = (false, false, false, false);
    }

    #[track_caller]
    pub(super) fn track(&self, number: usize) -> &Track {
        self.tracks.iter().rfind(|t| t.number == number).expect("the track is set up")
    }

    pub(super) fn forget_media(&mut self) {
        self.tracks.iter_mut().for_each(Track::forget);
    }

    /// Sends and receives what can be.
    pub(super) fn pump(&mut self, env: &mut UsageEnvironment) {
        if let Some(stream) =
            self.stream.as_mut().filter(|s| !s.is_established() || !s.is_flushed())
        {
            let mut ready = Readiness::NONE;
            (ready.readable, ready.writable) = (!self.stalled, true);
            self.failed |= stream.handle_readiness(env, ready).is_err();
        }
        if !self.out.is_empty() {
            if let Some(stream) = &mut self.stream {
                match stream.write(env, &self.out) {
                    Ok(n) => drop(self.out.drain(..n)),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => self.failed = true,
                }
            }
        }
        if self.stalled {
            return;
        }
        self.read_stream(env);
        self.read_datagrams(env);
    }

    fn read_stream(&mut self, env: &mut UsageEnvironment) {
        let mut buf = [0; 16 * 1024];
        while let Some(stream) = self.stream.as_mut().filter(|_| !self.ended && !self.failed) {
            match stream.read(env, &mut buf) {
                Ok(0) => self.ended = true,
                Ok(n) => self.input.extend_from_slice(&buf[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.failed = true,
            }
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(taken) = self.take_one(rest, env.now()) {
            rest = &rest[taken..];
        }
        self.input = rest.to_vec();
    }

    /// Takes one answer or packet from the front.
    fn take_one(&mut self, input: &[u8], now: Instant) -> Option<usize> {
        if input.first() == Some(&b'$') {
            let (frame, len) = interleaved::decode(input)?;
            self.packets += 1;
            self.take_interleaved(frame.channel, frame.data, now);
            return Some(len);
        }
        let limits = Limits { request_line: 300, ..Limits::default() };
        match parse(input, &limits) {
            Ok((Incoming::NeedMore, _)) => None,
            Ok((Incoming::Response(response), len)) => {
                assert!(input.starts_with(b"RTSP/1.0 "), "empty lines before an answer");
                let answer = Answer(response.into_owned());
                self.take_answer(answer);
                Some(len)
            }
            Ok((Incoming::Request(request), len)) => {
                self.requested.push(request.into_owned());
                Some(len)
            }
            other => panic!(
                "neither answer nor packet: {other:?} at {:?}",
                String::from_utf8_lossy(&input[..input.len().min(80)])
            ),
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        let refused = self.refusable && answer.status() == 503 && answer.value("CSeq").is_none();
        if refused {
            self.lenient = true;
        }
        self.refusable = false;
        if !self.lenient {
            let asked = self.asked.pop_front().expect("an answer to something");
            let cseq = answer.value("CSeq").map(|v| v.parse().expect("CSeq is a number"));
            assert_eq!(cseq, asked, "answers come in order: {answer:?}");
        }
        let dated = answer.value("Date").is_some_and(|d| d.ends_with(" GMT"));
        assert!(self.lenient || dated && answer.value("Server").is_some(), "{answer:?}");
        assert_eq!(answer.0.headers.values("CSeq").count(), answer.value("CSeq").iter().count());
        self.note_setup(&answer);
        self.answers.push_back(answer);
    }

    fn note_setup(&mut self, answer: &Answer) {
        let cseq = answer.value("CSeq").and_then(|v| v.parse::<u32>().ok());
        let Some(i) = self.setups.iter().position(|s| Some(s.cseq) == cseq) else { return };
        let AskedSetup { track: number, sockets, .. } = self.setups.swap_remove(i);
        // Behind half a request a SETUP is not what it seems to be.
        if answer.status() != 200 || self.lenient && answer.value("Transport").is_none() {
            return;
        }
        let spec = answer.transport();
        let way = match (sockets, spec.interleaved) {
            (_, Some((rtp, rtcp))) => Way::Tcp { rtp, rtcp },
            (Some((rtp, rtcp)), None) => {
                let host = super::world::server_for(self.address).ip();
                let at = |port| SocketAddr::new(host, port);
                let server = spec.server_port.map(|(rtp, rtcp)| (at(rtp), at(rtcp)));
                Way::Udp { rtp, rtcp, server }
            }
            (None, None) => return,
        };
        let (rtp, rtcp) = (Vec::new(), Vec::new());
        let security = Security::default();
        self.tracks.push(Track { number, way, rtp, rtcp, torn_down: false, security });
        self.session = answer.header("Session").split(';').next().map(str::to_owned);
    }

    fn take_interleaved(&mut self, channel: u8, data: &[u8], now: Instant) {
        let of = |t: &&mut Track| match t.way {
            Way::Tcp { rtp, rtcp } => rtp == channel || rtcp == channel,
            Way::Udp { .. } => false,
        };
        let Some(track) = self.tracks.iter_mut().rev().find(of) else {
            assert!(self.lenient, "a packet on channel {channel}, which was not agreed on");
            return;
        };
        assert!(!track.torn_down || self.lenient, "a packet after TEARDOWN was answered");
        let kind = match track.way {
            Way::Tcp { rtp, .. } if rtp == channel => PacketKind::Rtp,
            _ => PacketKind::Rtcp,
        };
        let plain = track.security.open(self.key, kind, data);
        match kind {
            PacketKind::Rtp => track.rtp.push(read_rtp(&plain, data.len(), now)),
            PacketKind::Rtcp => track.rtcp.push(read_rtcp(&plain, now)),
        }
    }

    fn read_datagrams(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        let mut buf = [0; 2048];
        for track in &mut self.tracks {
            let Way::Udp { rtp, rtcp, server } = &mut track.way else { continue };
            while let Ok((n, from)) = rtp.recv_from(env, &mut buf) {
                assert!(server.is_none_or(|s| s.0 == from), "RTP from {from}, not as announced");
                let kind = PacketKind::of(&buf[..n], None);
                let plain = track.security.open(self.key, kind, &buf[..n]);
                match kind {
                    PacketKind::Rtp => track.rtp.push(read_rtp(&plain, n, now)),
                    PacketKind::Rtcp => track.rtcp.push(read_rtcp(&plain, now)),
                }
            }
            while let Ok((n, from)) = rtcp.recv_from(env, &mut buf) {
                assert!(server.is_none_or(|s| s.1 == from), "RTCP from where it was announced");
                let plain = track.security.open(self.key, PacketKind::Rtcp, &buf[..n]);
                track.rtcp.push(read_rtcp(&plain, now));
            }
        }
    }

    /// Leaves without a word of RTSP.
    pub(super) fn leave(&mut self, env: &mut UsageEnvironment) {
        if let Some(stream) = self.stream.take() {
            stream.close(env);
        }
        self.asked.clear();
        self.out.clear();
    }

    /// Closes the media sockets too.
    pub(super) fn vanish(&mut self, env: &mut UsageEnvironment) {
        self.leave(env);
        for track in self.tracks.drain(..) {
            if let Way::Udp { rtp, rtcp, .. } = track.way {
                rtp.close(env);
                rtcp.close(env);
            }
        }
    }
}

fn read_rtp(data: &[u8], len: usize, at: Instant) -> Rtp {
    let packet = RtpPacket::parse(data).expect("a valid RTP packet");
    Rtp {
        at,
        sequence: packet.sequence_number,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
        marker: packet.marker,
        payload_type: packet.payload_type,
        frame: frame_in(packet.payload),
        len,
        digest: digest(packet.payload),
    }
}

fn read_rtcp(data: &[u8], at: Instant) -> Rtcp {
    let (feedback, delays) = (Vec::new(), Vec::new());
    let mut rtcp = Rtcp { at, ssrc: 0, info: None, cname: None, bye: false, feedback, delays };
    for packet in Compound::parse(data).expect("a valid compound packet").packets() {
        match packet.expect("each packet is valid") {
            Packet::SenderReport(report) => {
                (rtcp.ssrc, rtcp.info) = (report.ssrc, Some(report.info));
            }
            Packet::ReceiverReport(report) => rtcp.ssrc = report.ssrc,
            Packet::Bye(_) => rtcp.bye = true,
            Packet::Sdes(sdes) => {
                rtcp.cname = sdes.cname(rtcp.ssrc).map(|c| String::from_utf8_lossy(c).into_owned());
            }
            Packet::Feedback(feedback) => {
                rtcp.feedback.push((feedback.packet_type, feedback.format));
            }
            Packet::ExtendedReport(report) => {
                for block in report.blocks() {
                    let XrBlock::DelaysSinceLastRr(delays) = block else { continue };
                    rtcp.delays.extend(delays.iter());
                }
            }
            _ => {}
        }
    }
    rtcp
}
