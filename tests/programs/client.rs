//! [`Client`]: a client that the programs serve over its connection.

use super::PATIENCE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// RTCP packet type of a BYE (RFC 3550 section 6.6).
const BYE: u8 = 203;

/// A client that streams over its connection.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
    url: String,
    cseq: u32,
}

impl Client {
    pub(crate) fn connect(url: &str) -> Self {
        let host = url.strip_prefix("rtsp://").and_then(|rest| rest.split('/').next());
        let address: SocketAddr = host.and_then(|host| host.parse().ok()).expect("an address");
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        Self { stream: BufReader::new(stream), url: url.to_owned(), cseq: 0 }
    }

    /// Sends a request and waits for its answer, which must be 200: head and body.
    pub(crate) fn request(
        &mut self,
        method: &str,
        control: &str,
        headers: &str,
    ) -> (String, String) {
        self.cseq += 1;
        let Self { url, cseq, .. } = self;
        let request = format!("{method} {url}{control} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("the server reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let n = self.stream.read_line(&mut head).expect("an answer");
            assert_ne!(n, 0, "closed after {head:?}");
        }
        assert!(head.starts_with("RTSP/1.0 200 "), "{request}{head}");
        let length = header(&head, "Content-Length").map_or(0, |n| n.parse().expect("a number"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a whole body");
        (head, String::from_utf8(body).expect("SDP is text"))
    }

    pub(crate) fn describe(&mut self) -> String {
        self.request("DESCRIBE", "", "Accept: application/sdp\r\n").1
    }

    /// Plays the first track.
    pub(crate) fn play(&mut self) {
        self.play_track(1);
    }

    /// Plays a track, counted from 1.
    pub(crate) fn play_track(&mut self, number: usize) {
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let (head, _) = self.request("SETUP", &format!("/track{number}"), transport);
        let session = header(&head, "Session").expect("a session");
        let session = session.split(';').next().unwrap_or_default();
        self.request("PLAY", "", &format!("Session: {session}\r\n"));
    }

    /// The next interleaved packet and its channel; `None` at the end.
    pub(crate) fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut prefix = [0; 4];
        match self.stream.read_exact(&mut prefix) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return None,
            Err(e) => panic!("{e}"),
        }
        assert_eq!(prefix[0], b'$');
        let mut packet = vec![0; usize::from(u16::from_be_bytes([prefix[2], prefix[3]]))];
        self.stream.read_exact(&mut packet).expect("a whole packet");
        Some((prefix[1], packet))
    }

    /// The first RTP packet.
    pub(crate) fn wait_for_rtp(&mut self) -> Vec<u8> {
        while let Some((channel, packet)) = self.packet() {
            if channel == 0 {
                return packet;
            }
        }
        panic!("closed before the first RTP packet");
    }
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|l| l.split_once(':')).find(|(n, _)| *n == name).map(|(_, v)| v.trim())
}

/// Whether a compound RTCP packet has a BYE.
pub(crate) fn has_bye(mut packet: &[u8]) -> bool {
    while let [_, kind, high, low, ..] = *packet {
        if kind == BYE {
            return true;
        }
        let words = usize::from(u16::from_be_bytes([high, low]));
        packet = packet.get((words + 1) * 4..).unwrap_or_default();
    }
    false
}
