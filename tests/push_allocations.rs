//! A stream that is pushed to another server allocates nothing while it runs: not for a packet, not for
//! a report. As in `stream_allocations`, what allocates runs on a thread of its own.
#![allow(clippy::print_stderr)]

use riverrun::Error;
use riverrun::client::TransportPolicy;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::payload::PayloadFormat;
use riverrun::relay::{PushConfig, Pusher};
use riverrun::rtp::ReceivedPacket;
use riverrun::rtp::rtcp::NtpTime;
use riverrun::server::{RelayedStreamId, RelayedTrack, RtspServer, ServerConfig};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

/// How long a stream is pushed in the warm-up, and each time that is measured.
const PASS: Duration = Duration::from_millis(1500);
/// In the warm-up nothing is done for so long: when much is due at once, more packets are under way at
/// a time.
const STALL: Duration = Duration::from_millis(300);
/// Times that are measured at most: another program may have the processor for longer than that.
const MOST_PASSES: usize = 4;

/// A server that takes whatever is announced to it, over TCP or to ports that nobody reads.
fn takes_anything() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody pushes");
        let (mut input, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let udp_port = udp.local_addr().expect("it is bound").port();
        loop {
            match stream.read(&mut buffer) {
                Ok(n @ 1..) => input.extend_from_slice(&buffer[..n]),
                _ => return,
            }
            while let Some(n) = message_len(&input) {
                let message: Vec<_> = input.drain(..n).collect();
                if message[0] == b'$' {
                    continue;
                }
                let text = String::from_utf8_lossy(&message).into_owned();
                let value = |name: &str| {
                    let line = text.lines().find(|line| line.starts_with(name));
                    line.map_or("", |line| &line[name.len() + 2..])
                };
                let transport = value("Transport");
                let answer = format!(
                    "RTSP/1.0 200 OK\r\nCSeq: {}\r\nSession: 1\r\n\
                     Transport: {transport};server_port={udp_port}-{udp_port}\r\n\r\n",
                    value("CSeq"),
                );
                stream.write_all(answer.as_bytes()).expect("the pusher reads");
            }
        }
    });
    port
}

/// Length of the packet or request at the start, once it is whole.
fn message_len(input: &[u8]) -> Option<usize> {
    let len = if *input.first()? == b'$' {
        4 + usize::from(u16::from_be_bytes([*input.get(2)?, *input.get(3)?]))
    } else {
        let end = input.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        end + length.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0)
    };
    (len <= input.len()).then_some(len)
}

/// The payloads of a picture, with which nobody makes frames.
fn picture(number: u32) -> Vec<Vec<u8>> {
    let fragment = |head: [u8; 2], len: usize| [&head[..], &vec![0xaa; len]].concat();
    match number % 10 {
        0 => vec![
            vec![0x67, 66, 0, 10],
            vec![0x68, 1],
            fragment([0x7c, 0x85], 1400),
            fragment([0x7c, 0x05], 1400),
            fragment([0x7c, 0x45], 700),
        ],
        n => vec![fragment([0x5c, 0x81], 1400), fragment([0x5c, 0x41], 100 * n as usize)],
    }
}

/// A device, and what was counted of it.
struct Device {
    env: UsageEnvironment,
    server: MediumId<RtspServer>,
    stream: RelayedStreamId,
    pictures: Vec<Vec<Vec<u8>>>,
    sent: u32,
    allocations: u64,
}

impl Device {
    fn new() -> Self {
        let mut env = UsageEnvironment::new().expect("an environment");
        let server = RtspServer::new(&mut env, ServerConfig::default(), &[]).expect("a server");
        let added = env.with(server, |server, env| {
            let stream = server.add_relayed_stream(env, "s")?;
            let video = PayloadFormat::new("video", "H264", 90_000, 96);
            let sound = PayloadFormat::new("audio", "PCMU", 8_000, 0);
            let tracks = vec![RelayedTrack::new(video), RelayedTrack::new(sound)];
            server.relayed_source_described(env, stream, tracks)?;
            Ok::<_, Error>(stream)
        });
        let stream = added.expect("the server is there").expect("a new name");
        let pictures = (0..10).map(picture).collect();
        Self { env, server, stream, pictures, sent: 0, allocations: 0 }
    }

    /// Sends a picture and sound every few milliseconds for a while.
    fn run(&mut self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            let picture = &self.pictures[self.sent as usize % self.pictures.len()];
            let (env, server, stream, sent) = (&mut self.env, self.server, self.stream, self.sent);
            let made = allocation_counter::measure(|| {
                let fed = env.with(server, |server, env| {
                    let now = env.now();
                    for (n, payload) in picture.iter().enumerate() {
                        let mut packet = ReceivedPacket::new(payload, sent * 900, now);
                        packet.marker = n + 1 == picture.len();
                        packet.capture_time = Some(NtpTime(u64::from(sent) << 25));
                        server.relay_packet(env, stream, 0, &packet);
                    }
                    let sound = ReceivedPacket::new(&[0x55; 80], sent * 80, now);
                    server.relay_packet(env, stream, 1, &sound);
                    server.send_relayed_packets(env);
                });
                fed.expect("the server is there");
                // What is sent in one turn is pushed in the next.
                for _ in 0..2 {
                    env.turn(Some(Duration::ZERO)).expect("a turn");
                }
            });
            self.allocations += made.count_total;
            self.sent += 1;
            std::thread::sleep(Duration::from_micros(2500));
        }
    }
}

#[test]
fn pushed_packets_allocate_nothing() {
    for transport in [TransportPolicy::Tcp, TransportPolicy::Udp] {
        let mut device = Device::new();
        let url = format!("rtsp://127.0.0.1:{}/s", takes_anything());
        let mut config = PushConfig::default();
        config.transport = transport;
        let (env, server) = (&mut device.env, device.server);
        let pusher = Pusher::open(env, server, "s", &url, config, |_, event| eprintln!("{event}"));
        let pusher = pusher.expect("a pusher");
        device.run(PASS);
        std::thread::sleep(STALL);
        device.run(PASS / 5);
        for pass in 1..=MOST_PASSES {
            let packets = |device: &Device| device.env.medium(pusher).expect("there").packets();
            let before = packets(&device);
            device.allocations = 0;
            device.run(PASS);
            let (packets, allocations) = (packets(&device) - before, device.allocations);
            eprintln!("pushed {transport:?}: {allocations} allocations with {packets} packets");
            assert!(packets > 200, "it is not pushed");
            if allocations == 0 {
                break;
            }
            assert!(pass < MOST_PASSES, "packets that are pushed are allocated");
        }
    }
}
