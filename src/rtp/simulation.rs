//! A sender and a receiver over a link that loses, delays, reorders and duplicates, in simulated
//! time: what each end says of the other is held against what the link did.

use super::rtcp::{NtpTime, RtcpConfig, RtcpInstance, SenderFacts};
use super::source::{ReceivedFrame, RtpSource, RtpSourceConfig};
use super::testing::{FORMAT, Random, TestDepacketizer, TestPacketizer, ms, some_instant};
use super::{DEFAULT_MAX_PACKET, RtpSink};
use crate::frame::Frame;
use crate::payload::{PacketBuffer, PayloadFormat};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The key of the only destination.
const RECEIVER: u64 = 5;
/// Unix time at which the simulation starts: shortly before NTP's seconds wrap in 2036.
const WALL_START: Duration = Duration::from_secs(2_085_978_496 - 200);
const FRAME_TIME: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, Debug)]
struct Link {
    /// Of 1,000 packets.
    loss: usize,
    duplication: usize,
    least: Duration,
    most: Duration,
}

#[derive(Debug)]
enum Event {
    Frame,
    Rtp(Vec<u8>),
    SenderTimer,
    ToReceiver(Vec<u8>),
    ReceiverTimer,
    ToSender(Vec<u8>),
    SourceTimer,
}

struct World {
    link: Link,
    random: Random,
    start: Instant,
    now: Instant,
    /// How long frames are sent.
    length: Duration,
    events: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    sink: RtpSink,
    sender: RtcpInstance,
    source: RtpSource,
    receiver: RtcpInstance,
    /// For when the source's timer has been scheduled last.
    armed: Option<Instant>,
    /// What the frames' bytes are slices of.
    pattern: Bytes,
    sent: Vec<Frame>,
    /// Frames with a packet that the link has lost.
    spoiled: usize,
    /// Packets that the link has lost, less those that came twice: what A.3 counts.
    net_lost: i64,
    received: Vec<ReceivedFrame>,
    sender_reports: Vec<Instant>,
    /// As the receiver reported it, one after the other.
    jitters: Vec<u32>,
}

impl World {
    fn new(seed: u64, link: Link, format: &PayloadFormat, length: Duration) -> Self {
        let mut random = Random::new(seed);
        let start = some_instant();
        let mut bytes = [0; 12];
        bytes.copy_from_slice(&random.u64().to_be_bytes().repeat(2)[..12]);
        // The timestamp wraps within two minutes, the sequence number after 33,000 packets.
        bytes[4..6].copy_from_slice(&[0xff, 0x80]);
        bytes[8] = 0x7f;
        let sink =
            RtpSink::new(format, Box::<TestPacketizer>::default(), DEFAULT_MAX_PACKET, bytes)
                .unwrap();
        let config = |cname: &str, is_sender| RtcpConfig {
            cname: cname.into(),
            is_sender,
            ..RtcpConfig::default()
        };
        let sender = RtcpInstance::new(config("s@a", true), sink.ssrc(), start, random.u64());
        let receiver = RtcpInstance::new(config("r@b", false), 77, start, random.u64());
        let source_config = RtpSourceConfig {
            max_delay: ms(200),
            ..RtpSourceConfig::new(format.payload_type, format.clock_rate)
        };
        let source = RtpSource::new(source_config, Box::<TestDepacketizer>::default()).unwrap();
        let mut world = Self {
            link,
            random,
            start,
            now: start,
            length,
            events: BTreeMap::new(),
            scheduled: 0,
            sink,
            sender,
            source,
            receiver,
            armed: None,
            pattern: (0..7000u32).map(|i| ((i * i) >> 5) as u8).collect(),
            sent: Vec::new(),
            spoiled: 0,
            net_lost: 0,
            received: Vec::new(),
            sender_reports: Vec::new(),
            jitters: Vec::new(),
        };
        world.at(start, Event::Frame);
        world.arm_rtcp();
        world
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        self.events.insert((at, self.scheduled), event);
    }

    fn arm_rtcp(&mut self) {
        if let Some(at) = self.sender.poll_timeout() {
            self.at(at, Event::SenderTimer);
        }
        if let Some(at) = self.receiver.poll_timeout() {
            self.at(at, Event::ReceiverTimer);
        }
    }

    fn running(&self) -> Duration {
        self.now - self.start
    }

    fn ntp(&self) -> NtpTime {
        NtpTime::from_unix(WALL_START + self.running())
    }

    fn facts(&self) -> Option<SenderFacts> {
        Some(SenderFacts {
            rtp_timestamp_now: self.sink.timestamp_at(self.running()),
            packet_count: self.sink.packet_count(),
            octet_count: self.sink.octet_count(),
        })
    }

    /// When copies of a packet come out of the link.
    fn arrivals(&mut self) -> Vec<Instant> {
        // All is well with the first and the last packets: a receiver cannot know what was lost
        // before or after those that it has seen.
        if self.running() < ms(1000) || self.running() + ms(1000) > self.length {
            return vec![self.now + self.link.least];
        }
        let copies = if self.random.below(1000) < self.link.loss {
            0
        } else {
            1 + usize::from(self.random.below(1000) < self.link.duplication)
        };
        let spread = (self.link.most - self.link.least).as_micros() as usize + 1;
        (0..copies)
            .map(|_| {
                let delay = Duration::from_micros(self.random.below(spread) as u64);
                self.now + self.link.least + delay
            })
            .collect()
    }

    fn send_frame(&mut self) {
        let len = 1 + self.random.below(6000);
        let from = self.sent.len() % 251;
        let frame = Frame::new(self.pattern.slice(from..from + len), self.running(), FRAME_TIME);
        let mut batch = PacketBuffer::default();
        self.sink.handle_frame(&frame, self.now - self.start, &mut batch);
        let count = batch.spans().len();
        let packets: Vec<_> = (0..count).map(|i| batch.packet(i).unwrap().to_vec()).collect();
        let mut spoiled = false;
        for packet in packets {
            let arrivals = self.arrivals();
            spoiled |= arrivals.is_empty();
            self.net_lost += 1 - arrivals.len() as i64;
            for at in arrivals {
                self.at(at, Event::Rtp(packet.clone()));
            }
        }
        self.spoiled += usize::from(spoiled);
        self.sent.push(frame);
    }

    fn handle(&mut self, event: Event, until: Instant) {
        let now = self.now;
        match event {
            Event::Frame => {
                self.send_frame();
                if now < until {
                    self.at(now + FRAME_TIME, Event::Frame);
                }
            }
            Event::Rtp(packet) => {
                let _ = self.source.handle_packet(&packet, now);
                self.take_frames();
            }
            Event::SourceTimer => {
                self.source.handle_timeout(now);
                self.take_frames();
            }
            Event::SenderTimer => {
                self.sender.handle_timeout(now, 1);
                let (ntp, facts) = (self.ntp(), self.facts());
                let mut report = Vec::new();
                if self.sender.poll_report(now, ntp, facts, &mut report) {
                    self.sender_reports.push(now);
                    for at in self.arrivals() {
                        self.at(at, Event::ToReceiver(report.clone()));
                    }
                }
                let next = self.sender.poll_timeout().unwrap();
                assert!(next > now);
                self.at(next, Event::SenderTimer);
            }
            Event::ReceiverTimer => {
                self.receiver.handle_timeout(now, 1);
                let ntp = self.ntp();
                let mut report = Vec::new();
                let source = &mut self.source;
                let block = |now| source.report_block(now);
                if self.receiver.poll_report_with(now, ntp, None, block, &mut report) {
                    for at in self.arrivals() {
                        self.at(at, Event::ToSender(report.clone()));
                    }
                }
                let next = self.receiver.poll_timeout().unwrap();
                assert!(next > now);
                self.at(next, Event::ReceiverTimer);
            }
            Event::ToReceiver(report) => {
                let outcome = self.receiver.handle_packet(&report, 1, now, self.ntp());
                assert_eq!(outcome.cname.as_deref(), Some("s@a"));
                // After the last frame the sender reports as a receiver does.
                if let Some(report) = outcome.sender_report {
                    self.source.handle_sender_report(&report, now);
                }
            }
            Event::ToSender(report) => {
                let ntp = self.ntp();
                let outcome = self.sender.handle_packet(&report, RECEIVER, now, ntp);
                assert!(outcome.is_receiver_report && outcome.bye.is_none());
                self.jitters
                    .extend(self.sender.statistics(RECEIVER).map(|s| s.jitter.as_micros() as u32));
            }
        }
        let due = self.source.poll_timeout();
        if let Some(at) = due.filter(|_| due != self.armed) {
            assert!(at > now);
            self.at(at, Event::SourceTimer);
        }
        self.armed = due;
    }

    fn take_frames(&mut self) {
        self.received.extend(std::iter::from_fn(|| self.source.poll_frame()));
    }

    /// Sends all frames, then lets the link run empty.
    fn run(&mut self) {
        let until = self.start + self.length;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > until + ms(20_000) {
                break;
            }
            self.now = at;
            self.handle(event, until);
        }
    }

    /// The frame that was sent at the time line's `pts`.
    fn sent_at(&self, pts: Duration) -> &Frame {
        let number = (pts.as_micros() + 10_000) / FRAME_TIME.as_micros();
        &self.sent[number as usize]
    }
}

#[test]
fn each_end_learns_what_the_link_does() {
    let mut complete = 0;
    for seed in 0..4 {
        let loss = [0, 3, 50, 200][seed as usize];
        let link = Link { loss, duplication: 10, least: ms(20), most: ms(90) };
        let mut world = World::new(seed, link, &FORMAT, Duration::from_secs(560));
        world.run();

        let frames = world.sent.len();
        assert_eq!(frames, 14_001);
        assert!(world.sink.packet_count() > 33_100, "the sequence number wraps");

        // Every frame of which all packets came is there, in order, as it was sent.
        assert_eq!(world.received.len(), frames - world.spoiled, "seed {seed}");
        let mut last = None;
        for frame in &world.received {
            assert_eq!(frame.data, world.sent_at(frame.pts).data, "seed {seed}");
            assert!(last < Some(frame.pts));
            last = Some(frame.pts);
        }

        // What the receiver has told the sender last: all was over by then.
        let told = *world.sender.statistics(RECEIVER).unwrap();
        let lost = world.source.cumulative_lost();
        assert_eq!(lost, world.net_lost, "seed {seed}");
        if told.last_report_at > world.start + world.length + ms(500) {
            assert_eq!(i64::from(told.cumulative_lost), lost, "seed {seed}");
            complete += 1;
        }
        let trip = told.round_trip.unwrap();
        assert!(trip > ms(39) && trip < ms(181), "seed {seed}: {trip:?}");
        // Two packets that arrive one behind the other are of one frame, with delays of 35 ms and
        // a third of 70 ms apart on average or less, or of two frames, 40 ms apart.
        let jitters = &world.jitters[5..world.jitters.len() - 10];
        let mean = jitters.iter().sum::<u32>() / jitters.len() as u32;
        assert!((11_111..40_000).contains(&mean), "seed {seed}: {mean}");

        // Intervals by RFC 3550: 5 s × 0.41 to × 1.23, or twice that when a draw is unlucky.
        let gaps: Vec<_> = world.sender_reports.windows(2).map(|w| w[1] - w[0]).collect();
        assert!(gaps.iter().all(|gap| (2050..6200).contains(&gap.as_millis())), "seed {seed}");
        assert!((90..200).contains(&gaps.len()));
    }
    assert!(complete >= 2, "the last reports are lost too now and then");
}

#[test]
fn the_receiver_knows_the_senders_wall_clock() {
    let link = Link { loss: 20, duplication: 0, least: ms(5), most: ms(30) };
    // Audio, whose clock does not divide the frame time.
    let format = PayloadFormat { clock_rate: 44_100, ..FORMAT };
    let mut world = World::new(9, link, &format, Duration::from_secs(700));
    world.run();
    let known: Vec<_> = world.received.iter().filter(|f| f.wall_clock.is_some()).collect();
    assert!(known.len() > world.received.len() * 9 / 10);
    for frame in known {
        let units = frame.timestamp.wrapping_sub(world.sink.timestamp_at(ms(0)));
        let sent = WALL_START + Duration::from_secs_f64(f64::from(units) / 44_100.0);
        let told = frame.wall_clock.unwrap();
        let off = told.0.wrapping_sub(NtpTime::from_unix(sent).0) as i64;
        // To a unit of the RTP clock, 22.7 µs.
        assert!(off.unsigned_abs() < (1 << 32) / 44_100 + 10, "{off}");
    }
}
