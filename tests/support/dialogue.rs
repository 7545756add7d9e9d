//! Talking RTSP by hand: a blocking connection, requests as text, answers as far as tests look
//! at them. It shares no code with the crate.
#![allow(dead_code)] // not every test uses all of it

use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Connections from one source address: the ports of those that are closed stay taken for a
/// minute, so that one address does not have enough for all.
pub(crate) const CONNECTIONS_AN_ADDRESS: usize = 4000;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The session id.
    pub(crate) fn session(&self) -> &str {
        self.header("Session").and_then(|s| s.split(';').next()).expect("a session")
    }

    /// A parameter of the `Transport` header.
    pub(crate) fn transport(&self, parameter: &str) -> Option<&str> {
        self.header("Transport")?.split(';').find_map(|p| p.strip_prefix(parameter))
    }

    /// The server's RTP and RTCP ports.
    pub(crate) fn server_ports(&self) -> (u16, u16) {
        let ports = self.transport("server_port=").expect("server_port");
        let (rtp, rtcp) = ports.split_once('-').expect("two ports");
        (rtp.parse().expect("a port"), rtcp.parse().expect("a port"))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
    cseq: u32,
    /// Interleaved packets that came in the meantime.
    pub(crate) packets: usize,
}

impl Talk {
    /// Connects; connections of different `number` come from different addresses of this host.
    pub(crate) fn connect(server: SocketAddr, number: usize) -> io::Result<Self> {
        Self::connect_with(server, number, |_| Ok(()))
    }

    /// The same for a socket that is made ready first.
    pub(crate) fn connect_with(
        server: SocketAddr,
        number: usize,
        prepare: impl FnOnce(&Socket) -> io::Result<()>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        prepare(&socket)?;
        let block = number / CONNECTIONS_AN_ADDRESS;
        let host = Ipv4Addr::new(127, 0, (block >> 7 & 0x7f) as u8, (block & 0x7f) as u8 + 2);
        socket.bind(&SockAddr::from(SocketAddr::from((host, 0))))?;
        socket.connect_timeout(&server.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::new(), cseq: 0, packets: 0 })
    }

    /// The address of this end.
    pub(crate) fn host(&self) -> IpAddr {
        self.stream.local_addr().expect("it is connected").ip()
    }

    /// Sends bytes as they are. What the server closes meanwhile is no failure.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a request and returns its answer.
    pub(crate) fn ask(&mut self, method: &str, url: &str, headers: &str) -> Answer {
        self.cseq += 1;
        let request = format!("{method} {url} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.cseq);
        self.stream.write_all(request.as_bytes()).expect("send a request");
        self.answer().unwrap_or_else(|| panic!("{method} {url} is not answered"))
    }

    /// SETUP of a track, interleaved on this connection.
    pub(crate) fn set_up_tcp(&mut self, url: &str) -> Answer {
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        self.ask("SETUP", &format!("{url}/track1"), transport)
    }

    /// SETUP of a track for the ports `rtp` and the next.
    pub(crate) fn set_up_udp(&mut self, url: &str, rtp: u16) -> Answer {
        let transport = format!("Transport: RTP/AVP;unicast;client_port={rtp}-{}\r\n", rtp + 1);
        self.ask("SETUP", &format!("{url}/track1"), &transport)
    }

    /// PLAY of all.
    pub(crate) fn play(&mut self, url: &str, session: &str) -> Answer {
        self.ask("PLAY", url, &format!("Session: {session}\r\n"))
    }

    /// TEARDOWN of all.
    pub(crate) fn tear_down(&mut self, url: &str, session: &str) {
        let answer = self.ask("TEARDOWN", url, &format!("Session: {session}\r\n"));
        assert_eq!(answer.status, 200, "TEARDOWN");
    }

    /// The next answer; `None` when the server closes the connection or says nothing.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.take_answer() {
                return Some(answer);
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Waits for so many interleaved packets in all; whether they came in time.
    pub(crate) fn await_packets(&mut self, count: usize) -> bool {
        let until = Instant::now() + PATIENCE;
        while self.packets < count {
            if Instant::now() >= until || !self.read() {
                return false;
            }
            self.take_packets();
        }
        true
    }

    /// Reads what there is; false at the end, or after the time-out.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.input.extend_from_slice(&buffer[..n]);
                n > 0
            }
            Err(e) => e.kind() == ErrorKind::Interrupted,
        }
    }

    fn take_packets(&mut self) {
        while let [b'$', _, high, low, ..] = *self.input {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            if self.input.len() < end {
                break;
            }
            self.packets += 1;
            self.input.drain(..end);
        }
    }

    fn take_answer(&mut self) -> Option<Answer> {
        self.take_packets();
        if self.input.first() == Some(&b'$') {
            return None;
        }
        let end = self.input.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.input[..end].to_vec()).expect("a head is text");
        // A browser is answered in its own words.
        let is_answer = head.starts_with("RTSP/1.0 ") || head.starts_with("HTTP/1.0 404 ");
        assert!(is_answer, "not an answer: {head:?}");
        let status = head[9..].split(' ').next().and_then(|s| s.parse().ok()).expect("a status");
        let answer = Answer { status, head };
        let length = answer.header("Content-Length").map_or(0, |l| l.parse().expect("a length"));
        if self.input.len() < end + length {
            return None;
        }
        self.input.drain(..end + length);
        Some(answer)
    }

    /// What was read and not looked at.
    pub(crate) fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Puts that back.
    pub(crate) fn put_input(&mut self, input: Vec<u8>) {
        self.input = input;
    }

    /// Ends the connection without a farewell: the server sees a reset.
    pub(crate) fn reset(self) {
        let socket = Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("set SO_LINGER");
    }
}

/// An even port of `host` and the odd one after it.
pub(crate) fn port_pair(host: IpAddr) -> (UdpSocket, UdpSocket) {
    for _ in 0..1000 {
        let rtp = UdpSocket::bind((host, 0)).expect("bind a port");
        let port = rtp.local_addr().expect("it is bound").port();
        if port % 2 == 0 {
            if let Ok(rtcp) = UdpSocket::bind((host, port + 1)) {
                for socket in [&rtp, &rtcp] {
                    socket.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
                }
                return (rtp, rtcp);
            }
        }
    }
    panic!("no pair of ports is free");
}

/// The port that a socket is bound to.
pub(crate) fn port_of(socket: &UdpSocket) -> u16 {
    socket.local_addr().expect("it is bound").port()
}
