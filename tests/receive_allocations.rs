//! Receiving a stream allocates for its frames and for nothing else: not for a packet, not for a
//! report. And a stream that is received takes little memory.
//!
//! Packets of a sender are made beforehand; what [`StreamReceiver`] does with them is counted. And a
//! [`Player`] receives from a server on another thread, over UDP and over TCP. The counters are the
//! thread's own, so nothing that other tests do disturbs them.

use allocation_counter::{AllocationInfo, measure};
use riverrun::client::{Player, PlayerConfig, PlayerEvent, TransportPolicy};
use riverrun::codec::PcmEncoding;
use riverrun::env::UsageEnvironment;
use riverrun::media::live::Sent;
use riverrun::payload::h264::{H264Depacketizer, H264Packetizer};
use riverrun::payload::pcm::{PcmDepacketizer, PcmPacketizer};
use riverrun::payload::{Depacketizer, PacketBuffer, Packetizer, PayloadFormat};
use riverrun::rtp::rtcp::NtpTime;
use riverrun::rtp::sink::{DEFAULT_MAX_PACKET, RtpSink};
use riverrun::rtp::{
    RtcpConfig, RtcpInstance, SenderFacts, SessionClock, StreamReceiver, StreamReceiverConfig,
};
use riverrun::server::{LiveStreamOptions, LiveTrackOptions, RtspServer, ServerConfig};
use riverrun::{Frame, FrameFlags};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// A frame, cut into packets, and a report every so many frames.
struct Step {
    at: Duration,
    packets: Vec<Vec<u8>>,
}

/// A sender of one stream, and its receiver.
struct Stream {
    sink: RtpSink,
    rtcp: RtcpInstance,
    receiver: StreamReceiver,
    clock: SessionClock,
    start: Instant,
    interval: Duration,
    /// Lengths of the frames, one after the other.
    lengths: &'static [usize],
    sent: u32,
    report: Vec<u8>,
}

impl Stream {
    fn new(
        format: &PayloadFormat,
        packetizer: Box<dyn Packetizer>,
        depacketizer: Box<dyn Depacketizer>,
        interval: Duration,
        lengths: &'static [usize],
    ) -> Self {
        let start = Instant::now();
        let sink = RtpSink::new(format, packetizer, DEFAULT_MAX_PACKET, [0xf7; 12]);
        let sink = sink.expect("a sink");
        let rtcp = RtcpInstance::new(RtcpConfig::default(), sink.ssrc(), start, 1);
        let config =
            StreamReceiverConfig::new(format.payload_type, format.clock_rate, "viewer@here");
        let receiver = StreamReceiver::new(config, depacketizer, start, [3; 12]);
        Self {
            sink,
            rtcp,
            receiver: receiver.expect("it can work"),
            clock: SessionClock::new(1),
            start,
            interval,
            lengths,
            sent: 0,
            report: Vec::new(),
        }
    }

    fn of_video() -> Self {
        // A key frame and fourteen smaller ones.
        const LENGTHS: &[usize] = &[
            90_000, 21_000, 19_000, 17_000, 20_000, 18_000, 16_500, 19_500, 20_500, 18_200, 17_700,
            21_500, 19_900, 20_100, 18_800,
        ];
        let format = PayloadFormat::new("video", "H264", 90_000, 96);
        let (packetizer, depacketizer) = (H264Packetizer::new(), H264Depacketizer::new());
        let interval = Duration::from_millis(40);
        Self::new(&format, Box::new(packetizer), Box::new(depacketizer), interval, LENGTHS)
    }

    fn of_audio() -> Self {
        let format = PayloadFormat::new("audio", "PCMU", 8000, 0);
        let packetizer = PcmPacketizer::new(PcmEncoding::Pcmu, 1);
        let depacketizer = PcmDepacketizer::new(PcmEncoding::Pcmu, 1);
        let interval = Duration::from_millis(20);
        Self::new(&format, Box::new(packetizer), Box::new(depacketizer), interval, &[160])
    }

    /// The packets of so many frames, with the sender's reports between them.
    fn steps(&mut self, frames: usize) -> Vec<Step> {
        let mut batch = PacketBuffer::default();
        let mut steps = Vec::new();
        for _ in 0..frames {
            let len = self.lengths[self.sent as usize % self.lengths.len()];
            let mut data = vec![0xa7; len];
            data[..5].copy_from_slice(&[0, 0, 0, 1, 0x41]);
            let at = self.interval * self.sent;
            self.sent += 1;
            let mut frame = Frame::new(data, at, self.interval);
            frame.flags = FrameFlags::default();
            self.sink.handle_frame(&frame, at, &mut batch);
            let packets = (0..batch.spans().len()).filter_map(|i| batch.packet(i));
            let mut packets: Vec<_> = packets.map(<[u8]>::to_vec).collect();
            let now = self.start + at;
            if self.rtcp.poll_timeout().is_some_and(|due| due <= now) {
                self.rtcp.handle_timeout(now, 1);
                let sender = SenderFacts {
                    rtp_timestamp_now: self.sink.timestamp_at(at),
                    packet_count: self.sink.packet_count(),
                    octet_count: self.sink.octet_count(),
                };
                let mut report = Vec::new();
                if self.rtcp.poll_report(now, ntp(at), Some(sender), &mut report) {
                    packets.push(report);
                }
            }
            steps.push(Step { at, packets });
        }
        steps
    }

    /// What the receiver allocates for them, and the frames and reports that it gives.
    fn receive(&mut self, steps: &[Step]) -> (AllocationInfo, u64, u64) {
        let (mut frames, mut reports) = (0, 0);
        let counted = measure(|| {
            for Step { at, packets } in steps {
                let now = self.start + *at;
                for packet in packets {
                    self.receiver.handle_packet(packet, now, ntp(*at));
                    while let Some(mut frame) = self.receiver.poll_frame() {
                        self.clock.place(0, &mut frame);
                        frames += 1;
                    }
                }
                if self.receiver.poll_timeout().is_some_and(|due| due <= now) {
                    self.receiver.handle_timeout(now);
                }
                self.report.clear();
                reports += u64::from(self.receiver.poll_rtcp(now, ntp(*at), &mut self.report));
            }
        });
        (counted, frames, reports)
    }
}

fn ntp(at: Duration) -> NtpTime {
    NtpTime::from_unix(Duration::from_secs(1_767_225_600) + at)
}

/// Receives a stream: allocations a frame, and how many packets there were.
fn allocations(mut stream: Stream) -> f64 {
    let warm_up = stream.steps(900);
    stream.receive(&warm_up);
    let steps = stream.steps(1500);
    let packets: usize = steps.iter().map(|step| step.packets.len()).sum();
    let (counted, frames, reports) = stream.receive(&steps);
    assert_eq!(frames, 1500);
    assert!(packets as u64 >= frames && reports >= 3, "{reports} reports");
    assert_eq!(stream.receiver.source().counters().missing, 0);
    counted.count_total as f64 / frames as f64
}

#[test]
fn a_packet_allocates_nothing_and_a_frame_little() {
    // An audio packet is a frame, and its bytes are the only memory that it needs.
    assert_eq!(allocations(Stream::of_audio()), 1.0);
    // The bytes of a frame, what shares them, and now and then more room than the last one had; not
    // one for each of its fifteen packets.
    let of_video = allocations(Stream::of_video());
    assert!(of_video <= 3.0, "{of_video} a frame");
}

#[test]
fn a_stream_takes_little_memory() {
    for make in [Stream::of_audio, Stream::of_video] {
        let mut stream = make();
        let steps = stream.steps(300);
        stream.receive(&steps);
        // The same again, of which the receiver is kept and the rest is not.
        let mut kept = None;
        let held = measure(|| {
            let mut other = make();
            let start = other.start;
            for Step { at, packets } in &steps {
                for packet in packets {
                    other.receiver.handle_packet(packet, start + *at, ntp(*at));
                    while other.receiver.poll_frame().is_some() {}
                }
            }
            kept = Some(other.receiver);
        });
        assert!(held.bytes_current < 64 << 10, "{} bytes", held.bytes_current);
        drop(kept);
    }
}

/// A server on a thread of its own, which sends a frame of fifteen packets every five milliseconds.
struct Server {
    url: String,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (teller, url) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut env = UsageEnvironment::new().expect("a loop");
            let localhost = "127.0.0.1:0".parse().expect("an address");
            let config = ServerConfig::default();
            let server = RtspServer::new(&mut env, config, &[localhost]).expect("a server");
            let stream = LiveStreamOptions::new("live").with_shared_streams(true);
            let [sender] = env
                .with(server, |server, env| {
                    let address = server.local_addrs()[0];
                    teller.send(format!("rtsp://{address}/live")).expect("it waits");
                    server.add_live_stream(env, stream, [LiveTrackOptions::h264()])
                })
                .expect("it is there")
                .expect("a stream");
            let began = Instant::now();
            let parameter_sets = [
                &[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x47, 0xfe, 0xc8][..],
                &[0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80],
            ];
            let key = [&parameter_sets.concat()[..], &[0, 0, 0, 1, 0x65], &[0xa7; 20_000]].concat();
            let key = bytes::Bytes::from(key);
            while !is_over.load(Ordering::Relaxed) {
                let mut frame = Frame::new(key.clone(), began.elapsed(), Duration::ZERO);
                frame.flags = FrameFlags::default();
                frame.flags.key = true;
                frame.flags.ends_access_unit = true;
                assert!(!matches!(sender.send(frame), Sent::Closed | Sent::Refused(_)));
                let next = Instant::now() + Duration::from_millis(5);
                while Instant::now() < next {
                    let left = next.saturating_duration_since(Instant::now());
                    env.turn(Some(left)).expect("a turn");
                }
            }
        });
        let url = url.recv().expect("the server has begun");
        Self { url, stop, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

#[test]
fn a_player_allocates_for_frames_alone() {
    let server = Server::start();
    for transport in [TransportPolicy::Udp, TransportPolicy::Tcp] {
        let mut env = UsageEnvironment::new().expect("a loop");
        let frames = Rc::new(Cell::new(0u64));
        let mut config = PlayerConfig::default();
        config.transport = transport;
        let counter = Rc::clone(&frames);
        let player = Player::open(&mut env, &server.url, config, move |_, event| match event {
            PlayerEvent::Frame { frame, .. } => {
                assert!(frame.data.len() > 20_000);
                counter.set(counter.get() + 1);
            }
            PlayerEvent::Lost(why) => panic!("{why}"),
            _ => {}
        });
        let player = player.expect("it can work");
        let began = Instant::now();
        let mut play_until = |count: u64| {
            while frames.get() < count {
                assert!(began.elapsed() < Duration::from_secs(60), "{} frames", frames.get());
                env.turn(Some(Duration::from_millis(100))).expect("a turn");
            }
            let player = env.medium(player).expect("it plays");
            let track = player.tracks().next().expect("a track");
            let counters = track.receiver.source().counters();
            assert_eq!(counters.missing + counters.late + counters.rejected, 0);
            counters.packets
        };
        let packets = play_until(100);
        let first = frames.get();
        let mut more = 0;
        let counted = measure(|| more = play_until(first + 300) - packets);
        let count = frames.get() - first;
        assert!(more >= 14 * count, "{more} packets, {count} frames");
        // As in `a_packet_allocates_nothing_and_a_frame_little`.
        let each = counted.count_total as f64 / count as f64;
        assert!(each <= 3.0, "{transport:?}: {each} a frame");
    }
}
