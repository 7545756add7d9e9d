//! A small blocking RTSP client that shares no code with the crate: what it understands was
//! written from RFC 2326 and RFC 3550 by itself.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// How the media comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Udp,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The start of the `Range` in seconds.
    pub(crate) fn npt_start(&self) -> Option<f64> {
        self.header("Range")?.strip_prefix("npt=")?.split('-').next()?.parse().ok()
    }

    /// `RTP-Info`: control URL, first sequence number, RTP time.
    pub(crate) fn rtp_info(&self) -> Vec<(String, u16, u32)> {
        let value = |entry: &str, key: &str| {
            entry.split(';').find_map(|p| p.trim().strip_prefix(key)).map(str::to_owned)
        };
        self.header("RTP-Info")
            .unwrap_or_default()
            .split(',')
            .filter_map(|entry| {
                let seq = value(entry, "seq=")?.parse().ok()?;
                Some((value(entry, "url=")?, seq, value(entry, "rtptime=")?.parse().ok()?))
            })
            .collect()
    }
}

/// A packet that came for a track.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) track: usize,
    pub(crate) at: Instant,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Rtp {
        seq: u16,
        timestamp: u32,
        ssrc: u32,
        marker: bool,
    },
    /// A sender report: the moment in seconds and its RTP time.
    Report {
        ntp: f64,
        timestamp: u32,
    },
    Bye,
    OtherRtcp,
}

struct Track {
    control: String,
    clock_rate: f64,
    sockets: Option<(UdpSocket, UdpSocket)>,
}

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    over: Over,
    url: String,
    base: String,
    cseq: u32,
    pub(crate) session: Option<String>,
    tracks: Vec<Track>,
    arrived: VecDeque<Packet>,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    pub(crate) fn connect(url: &str, over: Over) -> Self {
        let address = url["rtsp://".len()..].split('/').next().expect("a host");
        let address: SocketAddr = address.parse().expect("an address and port");
        let stream = TcpStream::connect(address).expect("connect to the server");
        stream.set_read_timeout(Some(Duration::from_millis(5))).expect("set a time-out");
        Self {
            stream,
            input: Vec::new(),
            over,
            url: url.to_owned(),
            base: url.to_owned(),
            cseq: 0,
            session: None,
            tracks: Vec::new(),
            arrived: VecDeque::new(),
        }
    }

    /// Connects, describes and sets up all tracks.
    pub(crate) fn set_up(url: &str, over: Over) -> Self {
        let mut client = Self::connect(url, over);
        let response = client.describe();
        assert_eq!(response.status, 200, "DESCRIBE {url}");
        for track in 0..client.tracks.len() {
            let response = client.set_up_track(track);
            assert_eq!(response.status, 200, "SETUP of track {track} of {url}: {response:?}");
        }
        client
    }

    pub(crate) fn track_count(&self) -> usize {
        self.tracks.len()
    }

    /// A request for `url` that is answered.
    pub(crate) fn request(&mut self, method: &str, url: &str, headers: &str) -> Response {
        self.cseq += 1;
        let session = match &self.session {
            Some(id) => format!("Session: {id}\r\n"),
            None => String::new(),
        };
        let cseq = self.cseq;
        let request = format!("{method} {url} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}{headers}\r\n");
        self.stream.write_all(request.as_bytes()).expect("send a request");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(response) = self.take_response() {
                assert_eq!(response.header("CSeq"), Some(&*cseq.to_string()), "{response:?}");
                return response;
            }
            assert!(Instant::now() < until, "{method} {url} was not answered");
            assert!(self.read(), "the server closed the connection after {method} {url}");
        }
    }

    pub(crate) fn describe(&mut self) -> Response {
        let response = self.request("DESCRIBE", &self.url.clone(), "Accept: application/sdp\r\n");
        if let Some(base) = response.header("Content-Base") {
            base.clone_into(&mut self.base);
        }
        self.tracks.clear();
        for line in response.body.lines() {
            if line.starts_with("m=") {
                let payload_type = line.split(' ').nth(3).and_then(|p| p.parse().ok());
                let clock_rate = match payload_type {
                    Some(14 | 33) => 90_000.0,
                    _ => 8000.0,
                };
                self.tracks.push(Track { control: String::new(), clock_rate, sockets: None });
            }
            let Some(track) = self.tracks.last_mut() else { continue };
            if let Some(control) = line.strip_prefix("a=control:") {
                let absolute = control.starts_with("rtsp://");
                let slash = if self.base.ends_with('/') { "" } else { "/" };
                track.control = if absolute {
                    control.to_owned()
                } else {
                    format!("{}{slash}{control}", self.base)
                };
            }
            if let Some(rtpmap) = line.strip_prefix("a=rtpmap:") {
                let rate = rtpmap.split('/').nth(1).and_then(|rate| rate.parse().ok());
                track.clock_rate = rate.unwrap_or(track.clock_rate);
            }
        }
        response
    }

    /// SETUP of one track; the answer is not judged.
    pub(crate) fn set_up_track(&mut self, track: usize) -> Response {
        let transport = match self.over {
            Over::Tcp => {
                format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1)
            }
            Over::Udp => {
                let (rtp, rtcp) = port_pair();
                let port = rtp.local_addr().expect("it is bound").port();
                self.tracks[track].sockets = Some((rtp, rtcp));
                format!("RTP/AVP;unicast;client_port={port}-{}", port + 1)
            }
        };
        let url = self.tracks[track].control.clone();
        let response = self.request("SETUP", &url, &format!("Transport: {transport}\r\n"));
        if response.status == 200 {
            let session = response.header("Session").expect("a SETUP answer names the session");
            self.session = Some(session.split(';').next().unwrap_or_default().to_owned());
        }
        response
    }

    /// PLAY of the whole presentation; `range` is a value of the `Range` header or nothing.
    pub(crate) fn play(&mut self, range: &str) -> Response {
        let range = if range.is_empty() { String::new() } else { format!("Range: {range}\r\n") };
        // What comes before the answer belongs to what was played before, and so do the packets in
        // front of those that the answer names: over UDP they are read together with it.
        self.arrived.clear();
        let response = self.request("PLAY", &self.base.clone(), &range);
        assert_eq!(response.status, 200, "PLAY {}: {response:?}", self.url);
        for (url, first, _) in response.rtp_info() {
            let track = self.track_of(&url);
            let is_before = |seq: u16| (seq.wrapping_sub(first) as i16) < 0;
            self.arrived.retain(|packet| match packet.content {
                Content::Rtp { seq, .. } => track != Some(packet.track) || !is_before(seq),
                _ => true,
            });
        }
        response
    }

    pub(crate) fn pause(&mut self) -> Response {
        self.request("PAUSE", &self.base.clone(), "")
    }

    /// TEARDOWN of the presentation or of one track.
    pub(crate) fn tear_down(&mut self, track: Option<usize>) -> Response {
        let url = track.map_or_else(|| self.base.clone(), |t| self.tracks[t].control.clone());
        self.request("TEARDOWN", &url, "")
    }

    /// Seconds between two RTP times of a track.
    pub(crate) fn seconds(&self, track: usize, from: u32, to: u32) -> f64 {
        f64::from(to.wrapping_sub(from) as i32) / self.tracks[track].clock_rate
    }

    /// The track that a URL of `RTP-Info` names.
    pub(crate) fn track_of(&self, control: &str) -> Option<usize> {
        self.tracks.iter().position(|t| t.control == control)
    }

    /// How many packets wait to be taken that have come already.
    pub(crate) fn waiting(&self) -> usize {
        self.arrived.len()
    }

    /// The next packet, if one comes in time.
    pub(crate) fn next_packet(&mut self, patience: Duration) -> Option<Packet> {
        let until = Instant::now() + patience;
        loop {
            if let Some(packet) = self.arrived.pop_front() {
                return Some(packet);
            }
            if Instant::now() >= until || !self.read() {
                return self.arrived.pop_front();
            }
        }
    }

    /// All packets that come within `time`, or until each track that is set up said goodbye.
    pub(crate) fn packets_for(&mut self, time: Duration) -> Vec<Packet> {
        let until = Instant::now() + time;
        let mut packets = Vec::new();
        let mut byes = vec![false; self.tracks.len()];
        while let Some(packet) = self.next_packet(until.saturating_duration_since(Instant::now())) {
            if matches!(packet.content, Content::Bye) {
                byes[packet.track] = true;
            }
            packets.push(packet);
            if byes.iter().all(|b| *b) {
                break;
            }
        }
        packets
    }

    /// All packets that come until `is_enough` is true of them, or [`PATIENCE`] ends. It is asked
    /// before each packet.
    pub(crate) fn packets_until(
        &mut self,
        is_enough: impl Fn(&Self, &[Packet]) -> bool,
    ) -> Vec<Packet> {
        let until = Instant::now() + PATIENCE;
        let mut packets = Vec::new();
        while !is_enough(self, &packets) {
            let patience = until.saturating_duration_since(Instant::now());
            let Some(packet) = self.next_packet(patience) else { break };
            packets.push(packet);
        }
        packets
    }

    /// All packets that come until each track has played up to `npt` seconds, after the answer
    /// `play`.
    pub(crate) fn packets_up_to(&mut self, npt: f64, play: &Response) -> Vec<Packet> {
        self.packets_until(|client, packets| {
            let has_come = |track| client.reached(track, play, packets).is_some_and(|at| at >= npt);
            (0..client.track_count()).all(has_come)
        })
    }

    /// The latest normal play time in seconds among packets of a track that have come after the
    /// answer `play`.
    pub(crate) fn reached(&self, track: usize, play: &Response, packets: &[Packet]) -> Option<f64> {
        let start = play.npt_start()?;
        let mut info = play.rtp_info().into_iter();
        let (_, _, rtptime) = info.find(|(url, ..)| self.track_of(url) == Some(track))?;
        packets
            .iter()
            .filter(|p| p.track == track)
            .filter_map(|p| match p.content {
                Content::Rtp { timestamp, .. } => Some(timestamp),
                _ => None,
            })
            .map(|timestamp| start + self.seconds(track, rtptime, timestamp))
            .reduce(f64::max)
    }

    /// Reads what there is; false when the connection is closed.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let open = match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.input.extend_from_slice(&buffer[..n]);
                n > 0
            }
            Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        self.take_frames();
        for (index, track) in self.tracks.iter().enumerate() {
            let Some((rtp, rtcp)) = &track.sockets else { continue };
            for (socket, is_rtcp) in [(rtp, false), (rtcp, true)] {
                while let Ok(n) = socket.recv(&mut buffer) {
                    self.arrived.extend(packets(index, is_rtcp, &buffer[..n]));
                }
            }
        }
        open
    }

    /// Takes the interleaved packets at the front of the input.
    fn take_frames(&mut self) {
        while let [b'$', channel, high, low, ..] = *self.input {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            if self.input.len() < end {
                break;
            }
            let track = usize::from(channel / 2);
            assert!(track < self.tracks.len(), "nothing was set up on channel {channel}");
            self.arrived.extend(packets(track, channel % 2 == 1, &self.input[4..end]));
            self.input.drain(..end);
        }
    }

    fn take_response(&mut self) -> Option<Response> {
        self.take_frames();
        if self.input.first() == Some(&b'$') {
            return None;
        }
        let end = self.input.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.input[..end].to_vec()).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let start = lines.next().unwrap_or_default();
        assert!(start.starts_with("RTSP/1.0 "), "not an answer: {start:?}");
        let status = start.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status code");
        let headers: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a header has a colon");
                (name.to_owned(), value.trim().to_owned())
            })
            .collect();
        let mut response = Response { status, headers, body: String::new() };
        let length = response.header("Content-Length").map_or(0, |l| l.parse().expect("a length"));
        let body = self.input.get(end..end + length)?;
        response.body = String::from_utf8(body.to_vec()).expect("SDP is text");
        self.input.drain(..end + length);
        Some(response)
    }
}

/// An even port and the odd one after it.
fn port_pair() -> (UdpSocket, UdpSocket) {
    for _ in 0..200 {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("bind a port");
        let port = rtp.local_addr().expect("it is bound").port();
        if port % 2 == 0 {
            if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1)) {
                rtp.set_nonblocking(true).expect("make it non-blocking");
                rtcp.set_nonblocking(true).expect("make it non-blocking");
                return (rtp, rtcp);
            }
        }
    }
    panic!("no pair of ports is free");
}

/// Reads an RTP packet or a compound RTCP packet. What it cannot read is a failure of the server.
fn packets(track: usize, is_rtcp: bool, data: &[u8]) -> Vec<Packet> {
    let at = Instant::now();
    let packet = |content| Packet { track, at, content };
    let word = |i: usize| u32::from_be_bytes(data[i..i + 4].try_into().expect("four bytes"));
    if !is_rtcp {
        assert!(data.len() >= 12 && data[0] >> 6 == 2, "not RTP: {data:02x?}");
        let (seq, marker) = (u16::from_be_bytes([data[2], data[3]]), data[1] & 0x80 != 0);
        return vec![packet(Content::Rtp { seq, timestamp: word(4), ssrc: word(8), marker })];
    }
    let mut out = Vec::new();
    let mut i = 0;
    while i < data.len() {
        assert!(data.len() - i >= 4 && data[i] >> 6 == 2, "not RTCP: {data:02x?}");
        let length = 4 + 4 * usize::from(u16::from_be_bytes([data[i + 2], data[i + 3]]));
        assert!(i + length <= data.len(), "RTCP that is cut off: {data:02x?}");
        out.push(packet(match data[i + 1] {
            200 => {
                let ntp = f64::from(word(i + 8)) + f64::from(word(i + 12)) / 4_294_967_296.0;
                Content::Report { ntp, timestamp: word(i + 16) }
            }
            203 => Content::Bye,
            _ => Content::OtherRtcp,
        }));
        i += length;
    }
    out
}
