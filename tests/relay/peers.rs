//! The program that is tested, and a publisher and a viewer that share no code with the crate.

use crate::process::example;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What takes longer is taken to hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Samples, and octets, of PCMU in a packet.
const SAMPLES: u32 = 160;

/// A relay that runs; killed with the test.
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Starts the program, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).spawn().expect("start relay");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, errors) = (Arc::clone(&log), child.stderr.take().expect("piped"));
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("standard output is text");
        // What more it says fits into the pipe.
        thread::spawn(move || out.read_to_end(&mut Vec::new()));
        let address = line.split('/').nth(2).and_then(|host| host.parse().ok());
        let mut relay = Self { child, address: ([127, 0, 0, 1], 0).into(), log };
        relay.address = address.unwrap_or_else(|| panic!("{line:?}: no URL\n{}", relay.log()));
        relay
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("rtsp://{}/{name}", self.address)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for a line of the log with this in it, so many times.
    pub(crate) fn await_log(&self, text: &str, times: usize) {
        let begin = Instant::now();
        while self.log().lines().filter(|line| line.contains(text)).count() < times {
            assert!(begin.elapsed() < PATIENCE, "{text:?} is not logged:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        kill(Pid::from_raw(id), signal).expect("it runs");
    }

    /// Interrupts it; how it ends.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGINT);
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return (status, self.log());
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(example("relay"));
    command.args(arguments).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An RTSP connection.
struct Connection {
    stream: BufReader<TcpStream>,
    url: String,
    cseq: u32,
    session: String,
}

impl Connection {
    fn new(relay: &Relay, name: &str) -> Self {
        let stream = TcpStream::connect(relay.address).expect("relay listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let (url, session) = (relay.url(name), String::new());
        Self { stream: BufReader::new(stream), url, cseq: 0, session }
    }

    /// Sends a request and returns the status of the response, and its body.
    fn ask(&mut self, method: &str, control: &str, headers: &str, body: &str) -> (u16, String) {
        self.cseq += 1;
        let Self { url, cseq, session, .. } = self;
        let mut request = format!("{method} {url}{control} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}");
        if !session.is_empty() {
            request += &format!("Session: {session}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += &format!("\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes()).expect("relay reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let n = self.stream.read_line(&mut head).expect("a response");
            assert_ne!(n, 0, "closed after {head:?}");
        }
        let header = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(known, _)| *known == name).map(|(_, value)| value.trim().to_owned())
        };
        if let Some(session) = header("Session") {
            self.session = session.split(';').next().unwrap_or_default().to_owned();
        }
        let length = header("Content-Length").map_or(0, |n| n.parse().expect("a number"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a whole body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), String::from_utf8(body).expect("SDP is text"))
    }

    /// The next interleaved packet, and its channel; `None` when the connection has ended.
    fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).ok()?;
        assert_eq!(prefix[0], b'$');
        let mut packet = vec![0; usize::from(u16::from_be_bytes([prefix[2], prefix[3]]))];
        self.stream.read_exact(&mut packet).ok()?;
        Some((prefix[1], packet))
    }
}

/// Publishes PCMU until it is dropped.
pub(crate) struct Publisher {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// The status with which ANNOUNCE is refused, if it is.
    pub(crate) fn refused(relay: &Relay, name: &str) -> Option<u16> {
        let status = announce(&mut Connection::new(relay, name));
        Some(status).filter(|status| *status != 200)
    }

    /// Publishes from a timestamp on.
    pub(crate) fn start(relay: &Relay, name: &str, timestamp: u32) -> Self {
        let mut connection = Connection::new(relay, name);
        assert_eq!(announce(&mut connection), 200, "ANNOUNCE\n{}", relay.log());
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n";
        assert_eq!(connection.ask("SETUP", "/streamid=0", transport, "").0, 200, "SETUP");
        assert_eq!(connection.ask("RECORD", "", "", "").0, 200, "RECORD");
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let begin = Instant::now();
            for n in 0u32.. {
                let due = PACKET_TIME * n;
                thread::sleep(due.saturating_sub(begin.elapsed()));
                let head = [0x80, 0, (n >> 8) as u8, n as u8];
                let timestamp = timestamp.wrapping_add(n.wrapping_mul(SAMPLES));
                let payload = [0xff; SAMPLES as usize];
                let mut packet = vec![b'$', 0, 0, 12 + SAMPLES as u8];
                packet.extend(head);
                packet.extend(timestamp.to_be_bytes());
                packet.extend([0, 0, 0, 9]);
                packet.extend(payload);
                let sent = connection.stream.get_mut().write_all(&packet);
                if ended.load(Ordering::Relaxed) || sent.is_err() {
                    return;
                }
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

fn announce(connection: &mut Connection) -> u16 {
    let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 0 RTP/AVP 0\r\na=control:streamid=0\r\n";
    connection.ask("ANNOUNCE", "", "Content-Type: application/sdp\r\n", sdp).0
}

impl Drop for Publisher {
    /// Goes away without a word.
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What of an RTP packet a viewer looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rtp {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Plays a track over its connection.
pub(crate) struct Viewer(Connection);

impl Viewer {
    pub(crate) fn play(relay: &Relay, name: &str) -> Self {
        let mut connection = Connection::new(relay, name);
        let (status, sdp) = connection.ask("DESCRIBE", "", "Accept: application/sdp\r\n", "");
        assert_eq!(status, 200, "DESCRIBE\n{}", relay.log());
        let control = sdp.lines().filter_map(|line| line.strip_prefix("a=control:")).next_back();
        let control = control.expect("a track has a control");
        let control = control.strip_prefix(&*connection.url).unwrap_or(control);
        let control = format!("/{}", control.trim_start_matches('/'));
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        assert_eq!(connection.ask("SETUP", &control, transport, "").0, 200, "SETUP {control}");
        assert_eq!(connection.ask("PLAY", "", "", "").0, 200, "PLAY");
        Self(connection)
    }

    /// The next RTP packet; `None` if there is an end.
    pub(crate) fn rtp(&mut self) -> Option<Rtp> {
        loop {
            let (channel, packet) = self.0.packet()?;
            if channel == 0 {
                let word = |at: usize| {
                    let bytes = packet.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                    u32::from_be_bytes(bytes.expect("an RTP header"))
                };
                let sequence = word(0) as u16;
                return Some(Rtp { sequence, timestamp: word(4), ssrc: word(8) });
            }
        }
    }
}
