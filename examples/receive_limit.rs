//! What the kernel alone charges for receiving: plays an RTSP URL with bare sockets, which take what
//! comes and look at nothing. The limit for a program that receives.

mod support;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt};
use riverrun::client::{ContentFacts, MediaSession};
use riverrun::net::raise_descriptor_limit;
use riverrun::payload::FormatRegistry;
use riverrun::wire::rtsp::{Incoming, Limits, Method, Request, Response, parse};
use riverrun::wire::url::RtspUrl;
use socket2::SockRef;
use std::io::{self, IoSliceMut, Read, Write, stdout};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};
use support::figures::Figures;
use support::process::own_time;
use support::{Arguments, Failure, Stop};

const HELP: &str = "\
Plays the first track of an RTSP URL many times with bare sockets, and prints the processor time that
a packet takes: over UDP in epoll_wait and recvmmsg with receive offload, over TCP in epoll_wait and
read. It is the limit for what rtsp_load prints as load_ns_per_packet.

Usage: receive_limit [OPTIONS] URL

  --clients N            clients (default: 1)
  --tcp                  receive over the RTSP connections (default: over UDP)
  --seconds S            time that is measured (default: 10)
  --warm-up S            time before that (default: 2)
  --json                 the figures as one JSON object
  --help                 this text
";

/// Messages that one call takes, and their longest.
const SLOTS: usize = 4;
const SLOT: usize = 1 << 16;
const RECEIVE_BUFFER: usize = 1 << 20;

struct Options {
    url: String,
    clients: usize,
    tcp: bool,
    measured: Duration,
    warm_up: Duration,
    json: bool,
}

fn main() -> std::process::ExitCode {
    support::run("receive_limit", HELP, options, measure)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let (measured, warm_up) = (Duration::from_secs(10), Duration::from_secs(2));
    let (url, clients) = (String::new(), 1);
    let mut options = Options { url, clients, tcp: false, measured, warm_up, json: false };
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("--clients") => options.clients = arguments.number("--clients")?,
            Some("--tcp") => options.tcp = true,
            Some("--seconds") => options.measured = arguments.seconds("--seconds")?,
            Some("--warm-up") => options.warm_up = arguments.seconds("--warm-up")?,
            Some("--json") => options.json = true,
            None if options.url.is_empty() => {
                options.url = argument.into_value().to_string_lossy().into_owned();
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if options.url.is_empty() { Err(support::wrong("URL is missing")) } else { Ok(options) }
}

fn measure(options: Options) -> Result<(), Failure> {
    raise_descriptor_limit()?;
    let mut clients = Vec::new();
    for _ in 0..options.clients {
        clients.push(Client::open(&options.url, options.tcp)?);
    }
    for client in &mut clients {
        client.ask(Method::Play, None)?;
    }
    let mut poll = Poll::new()?;
    for (number, client) in clients.iter().enumerate() {
        let fd = if options.tcp { client.rtsp.as_raw_fd() } else { client.rtp.as_raw_fd() };
        let interest = Interest::READABLE;
        poll.registry().register(&mut SourceFd(&fd), Token(number), interest)?;
        client.rtsp.set_nonblocking(true)?;
    }
    for client in clients.iter_mut().filter(|_| options.tcp) {
        let input = std::mem::take(&mut client.input);
        client.count(&input);
    }
    let mut events = Events::with_capacity(1024);
    let mut memory = vec![0; SLOTS * SLOT];
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(SLOTS, None);
    let began = Instant::now();
    let mut window = None;
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(20)))?;
        for event in &events {
            let client = &mut clients[event.token().0];
            if options.tcp {
                client.read(&mut memory)?;
            } else {
                client.receive(&mut memory, &mut headers)?;
            }
        }
        match window {
            None if began.elapsed() >= options.warm_up => {
                clients.iter_mut().for_each(|client| client.packets = 0);
                window = Some((Instant::now(), own_time()));
            }
            Some((since, before)) if since.elapsed() >= options.measured => {
                let used = own_time().saturating_sub(before);
                return print(&options, &clients, since.elapsed(), used);
            }
            _ => {}
        }
    }
}

fn print(
    options: &Options,
    clients: &[Client],
    passed: Duration,
    used: Duration,
) -> Result<(), Failure> {
    let packets: u64 = clients.iter().map(|client| client.packets).sum();
    let mut figures = Figures::default();
    figures.add("clients", clients.len());
    figures.add("silent", clients.iter().filter(|client| client.packets == 0).count());
    figures.add_rounded("seconds", passed.as_secs_f64(), 2);
    figures.add("packets", packets);
    figures.add_rounded("load_ns_per_packet", used.as_nanos() as f64 / packets as f64, 0);
    writeln!(stdout(), "{}", if options.json { figures.json() } else { figures.text() })?;
    if packets == 0 { Err("nothing has come".into()) } else { Ok(()) }
}

struct Client {
    rtsp: TcpStream,
    input: Vec<u8>,
    cseq: u32,
    url: String,
    session: Option<String>,
    rtp: UdpSocket,
    _rtcp: UdpSocket,
    packets: u64,
    last: Option<u16>,
    /// Over TCP: bytes of the present packet that have not come yet, or the beginning of its prefix.
    missing: usize,
    prefix: Vec<u8>,
}

impl Client {
    /// A client for which the first track is set up.
    fn open(url: &str, tcp: bool) -> Result<Self, Failure> {
        let parsed = RtspUrl::parse(url).map_err(|e| format!("{url}: {e}"))?;
        let address = (parsed.host, parsed.port()).to_socket_addrs()?.next();
        let rtsp = TcpStream::connect(address.ok_or("the host has no address")?)?;
        let (rtp, _rtcp) = port_pair(rtsp.local_addr()?)?;
        let port = rtp.local_addr()?.port();
        let (url, input, prefix) = (url.to_owned(), Vec::new(), Vec::new());
        let (session, last) = (None, None);
        let mut client = Self {
            rtsp,
            input,
            cseq: 0,
            url,
            session,
            rtp,
            _rtcp,
            packets: 0,
            last,
            missing: 0,
            prefix,
        };
        let described = client.ask(Method::Describe, None)?;
        let facts = ContentFacts::of_response(&client.url, &described);
        let media = MediaSession::new(&described.body, &facts, FormatRegistry::standard())?;
        let track = media.subsessions.first().ok_or("there is no track")?;
        let transport = match tcp {
            true => "RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
            false => format!("RTP/AVP;unicast;client_port={port}-{}", port + 1),
        };
        let whole = std::mem::replace(&mut client.url, track.control_url.clone());
        let answer = client.ask(Method::Setup, Some(transport))?;
        let session = answer.headers.value("Session").unwrap_or_default();
        client.session = Some(session.split(';').next().unwrap_or_default().to_owned());
        client.url = whole;
        Ok(client)
    }

    fn ask(
        &mut self,
        method: Method,
        transport: Option<String>,
    ) -> Result<Response<'static>, Failure> {
        self.cseq += 1;
        let mut request = Request::new(method.clone(), self.url.clone());
        request.headers.push("CSeq", self.cseq);
        for (name, value) in [("Session", &self.session), ("Transport", &transport)] {
            if let Some(value) = value {
                request.headers.push(name, value);
            }
        }
        self.rtsp.write_all(&request.to_bytes())?;
        let mut piece = [0; 4096];
        loop {
            let (incoming, n) = parse(&self.input, &Limits::default())?;
            let response = match incoming {
                Incoming::Response(response) => Some(response.into_owned()),
                Incoming::NeedMore => {
                    let n = self.rtsp.read(&mut piece)?;
                    self.input.extend_from_slice(&piece[..n]);
                    match n {
                        0 => return Err("the server has ended the connection".into()),
                        _ => continue,
                    }
                }
                _ => None,
            };
            self.input.drain(..n);
            match response {
                Some(response) if response.status.is_success() => return Ok(response),
                Some(response) => return Err(format!("{method}: {}", response.status).into()),
                None => {}
            }
        }
    }

    /// Takes what has come. The first sequence number of each message tells how many packets were
    /// in the one before.
    fn receive(
        &mut self,
        memory: &mut [u8],
        headers: &mut MultiHeaders<SockaddrStorage>,
    ) -> io::Result<()> {
        loop {
            let mut slots: Vec<_> =
                memory.chunks_exact_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let taken = match recvmmsg(self.rtp.as_raw_fd(), headers, &mut slots, flags, None) {
                Ok(messages) => messages.count(),
                Err(nix::errno::Errno::EAGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            for slot in memory.chunks_exact(SLOT).take(taken) {
                let sequence = u16::from_be_bytes([slot[2], slot[3]]);
                let last = self.last.replace(sequence).unwrap_or(sequence);
                self.packets += u64::from(sequence.wrapping_sub(last));
            }
            if taken < SLOTS {
                return Ok(());
            }
        }
    }

    fn read(&mut self, memory: &mut [u8]) -> io::Result<()> {
        loop {
            match self.rtsp.read(memory) {
                Ok(n) => {
                    self.count(&memory[..n]);
                    if n < memory.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Counts interleaved packets by their lengths.
    fn count(&mut self, mut bytes: &[u8]) {
        loop {
            let passed = self.missing.min(bytes.len());
            bytes = &bytes[passed..];
            self.missing -= passed;
            while self.missing == 0 && self.prefix.len() < 4 && !bytes.is_empty() {
                self.prefix.push(bytes[0]);
                bytes = &bytes[1..];
            }
            if self.missing > 0 || self.prefix.len() < 4 {
                return;
            }
            self.missing = usize::from(u16::from_be_bytes([self.prefix[2], self.prefix[3]]));
            self.packets += u64::from(self.prefix[1] == 0);
            self.prefix.clear();
        }
    }
}

/// An even port and the odd one after it; the first receives with offload.
fn port_pair(local: SocketAddr) -> Result<(UdpSocket, UdpSocket), Failure> {
    for _ in 0..1000 {
        let rtp = UdpSocket::bind((local.ip(), 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 != 0 {
            continue;
        }
        if let Ok(rtcp) = UdpSocket::bind((local.ip(), port + 1)) {
            setsockopt(&rtp, sockopt::UdpGroSegment, &true)?;
            SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER)?;
            return Ok((rtp, rtcp));
        }
    }
    Err("no pair of ports is free".into())
}
