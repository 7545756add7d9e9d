//! [`RtpReceiver`] in the simulated network, with a sender at the other end.

use super::{RtpReceiver, RtpReceiverConfig};
use crate::env::{Event, EventKey, Interest, LinkProfile, Medium, MediumHandle, MediumId};
use crate::env::{Timer, UsageEnvironment};
use crate::frame::Frame;
use crate::net::{PortPair, with_port};
use crate::payload::{DepacketizedFrames, Depacketizer, PacketBuffer, RtpPayload};
use crate::rtp::receiver::KeyFrameMessage;
use crate::rtp::rtcp::{NtpTime, ReceptionStatistics};
use crate::rtp::testing::{FORMAT, TestDepacketizer, TestPacketizer, ms};
use crate::rtp::{
    ReceivedFrame, RtcpConfig, RtcpEvent, RtcpInstance, RtpSink, SenderFacts, StreamReceiverConfig,
};
use crate::wire::ParseError;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender as ChannelSender, channel};
use std::time::{Duration, Instant};

const FRAME_TIME: Duration = Duration::from_millis(40);
/// Frames from one key frame to the next, if none is asked for.
const GROUP: usize = 500;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// As [`TestDepacketizer`]; the first octet of a frame tells whether it is a key frame.
#[derive(Default)]
struct KeyDepacketizer {
    inner: TestDepacketizer,
    frames: DepacketizedFrames,
}

impl Depacketizer for KeyDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let result = self.inner.handle_payload(payload, &mut self.frames);
        while let Some(mut frame) = self.frames.pop() {
            frame.key = frame.data.first() == Some(&1);
            out.push(frame);
        }
        result
    }
}

/// Sends frames of 1 to 5,000 octets, 25 a second, and the RTCP that belongs to them.
struct Sender {
    sockets: PortPair,
    to: [SocketAddr; 2],
    sink: RtpSink,
    rtcp: RtcpInstance,
    start: Instant,
    me: MediumHandle,
    frame_timer: Timer,
    rtcp_timer: Timer,
    sent: Vec<Frame>,
    since_key: usize,
    key_frame_wanted: bool,
    /// When key frames were asked for, and the last that a receiver reported.
    requests: Vec<Instant>,
    statistics: Option<ReceptionStatistics>,
    byes: Vec<u32>,
    says_bye: bool,
}

const FRAME_TIMER: EventKey =
    EventKey { kind: 1, id: crate::arena::RawId { index: 0, generation: 0 } };
const RTCP_TIMER: EventKey = EventKey { kind: 2, ..FRAME_TIMER };
const RTCP_SOCKET: EventKey = EventKey { kind: 3, ..FRAME_TIMER };

impl Sender {
    /// One whose sequence numbers wrap soon.
    fn start(env: &mut UsageEnvironment, host: &str, to: [SocketAddr; 2]) -> MediumId<Self> {
        let sockets = PortPair::open(env, address(host), 6000, 100).unwrap();
        let mut random = [0; 12];
        env.fill_random(&mut random);
        (random[8], random[9]) = (0x7f, 0xff);
        let packetizer = Box::new(TestPacketizer::default());
        let sink = RtpSink::new(&FORMAT, packetizer, 1200, random).unwrap();
        let config = RtcpConfig { cname: "s@a".into(), ..RtcpConfig::default() };
        let (now, seed) = (env.now(), u64::from(env.random_u32()));
        let rtcp = RtcpInstance::new(config, sink.ssrc(), now, seed);
        env.add(Self {
            sockets,
            to,
            sink,
            rtcp,
            start: now,
            me: MediumHandle::default(),
            frame_timer: Timer::new(),
            rtcp_timer: Timer::new(),
            sent: Vec::new(),
            since_key: GROUP,
            key_frame_wanted: false,
            requests: Vec::new(),
            statistics: None,
            byes: Vec::new(),
            says_bye: true,
        })
    }

    fn facts(&self, env: &UsageEnvironment) -> SenderFacts {
        SenderFacts {
            rtp_timestamp_now: self.sink.timestamp_at(env.now() - self.start),
            packet_count: self.sink.packet_count(),
            octet_count: self.sink.octet_count(),
        }
    }

    fn send_frame(&mut self, env: &mut UsageEnvironment) {
        let running = env.now() - self.start;
        let key = self.since_key >= GROUP || std::mem::take(&mut self.key_frame_wanted);
        self.since_key = if key { 1 } else { self.since_key + 1 };
        let len = 1 + env.random_u32() as usize % 5000;
        let mut data = vec![self.sent.len() as u8; len];
        data[0] = u8::from(key);
        let frame = Frame::new(data, running, FRAME_TIME);
        let mut batch = PacketBuffer::default();
        self.sink.handle_frame(&frame, running, &mut batch);
        for i in 0..batch.spans().len() {
            let packet = batch.packet(i).unwrap();
            self.sockets.rtp.send_to(env, packet, self.to[0]).unwrap();
        }
        self.sent.push(frame);
    }

    fn report(&mut self, env: &mut UsageEnvironment) {
        let (now, ntp, facts) = (env.now(), ntp(env), self.facts(env));
        self.rtcp.handle_timeout(now, 1);
        let mut report = Vec::new();
        if self.rtcp.poll_report(now, ntp, Some(facts), &mut report) {
            self.sockets.rtcp.send_to(env, &report, self.to[1]).unwrap();
        }
    }

    fn hear(&mut self, env: &mut UsageEnvironment) {
        let mut buffer = [0; 1500];
        while let Ok((n, _)) = self.sockets.rtcp.recv_from(env, &mut buffer) {
            let outcome = self.rtcp.handle_packet(&buffer[..n], 1, env.now(), ntp(env));
            assert!(outcome.valid);
            assert!(outcome.sender_report.is_none(), "a receiver sends none");
            self.byes.extend(outcome.bye);
            while let Some(event) = self.rtcp.poll_event() {
                match event {
                    RtcpEvent::KeyFrameWanted { .. } => {
                        self.key_frame_wanted = true;
                        self.requests.push(env.now());
                    }
                    RtcpEvent::ReceptionReport { statistics, .. } => {
                        self.statistics = Some(statistics);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

impl Medium for Sender {
    fn kind(&self) -> &'static str {
        "sender"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        self.sockets.rtcp.watch(env, me, RTCP_SOCKET, Interest::READABLE).unwrap();
        let now = env.now();
        env.arm_timer(&mut self.frame_timer, me, FRAME_TIMER, now);
        env.arm_timer(&mut self.rtcp_timer, me, RTCP_TIMER, self.rtcp.poll_timeout().unwrap());
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        match event {
            Event::Timer { key: FRAME_TIMER } => {
                self.send_frame(env);
                let next = env.now() + FRAME_TIME;
                env.arm_timer(&mut self.frame_timer, self.me, FRAME_TIMER, next);
            }
            Event::Timer { .. } => {
                self.report(env);
                let next = self.rtcp.poll_timeout().unwrap();
                env.arm_timer(&mut self.rtcp_timer, self.me, RTCP_TIMER, next);
            }
            _ => self.hear(env),
        }
    }

    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.frame_timer);
        env.disarm_timer(&mut self.rtcp_timer);
        let (ntp, facts) = (ntp(env), self.facts(env));
        let mut bye = Vec::new();
        if self.says_bye && self.rtcp.bye(ntp, Some(facts), None, &mut bye) {
            self.sockets.rtcp.send_to(env, &bye, self.to[1]).unwrap();
        }
    }
}

fn ntp(env: &UsageEnvironment) -> NtpTime {
    NtpTime::from_unix(env.wall_clock())
}

fn config(at: &str) -> RtpReceiverConfig {
    let mut stream = StreamReceiverConfig::new(96, 90_000, "r@b");
    stream.key_frame_message = Some(KeyFrameMessage::PictureLoss);
    RtpReceiverConfig::new(stream, address(at))
}

/// Opens a receiver whose frames come out of the channel.
fn open(
    env: &mut UsageEnvironment,
    config: RtpReceiverConfig,
) -> (MediumId<RtpReceiver>, Receiver<ReceivedFrame>) {
    let (frames, received): (ChannelSender<ReceivedFrame>, _) = channel();
    let depacketizer = Box::<KeyDepacketizer>::default();
    let id = RtpReceiver::open(env, config, depacketizer, move |stream, _| {
        while let Some(frame) = stream.poll_frame() {
            frames.send(frame).unwrap();
        }
    });
    (id.unwrap(), received)
}

fn run(env: &mut UsageEnvironment, time: Duration) {
    let end = env.now() + time;
    while env.now() < end {
        env.turn(Some(end - env.now())).unwrap();
    }
}

/// Where RTP and RTCP of a receiver at that port are sent.
fn pair(rtp: &str) -> [SocketAddr; 2] {
    let rtp = address(rtp);
    [rtp, with_port(rtp, rtp.port() + 1)]
}

/// The stream of a receiver and what the sender knows, after all has arrived.
fn settle(env: &mut UsageEnvironment, sender: MediumId<Sender>) {
    env.with(sender, |s, env| env.disarm_timer(&mut s.frame_timer)).unwrap();
    run(env, seconds(1));
}

#[test]
fn frames_survive_a_bad_network_and_losses_bring_key_frames() {
    for seed in 0..4 {
        let mut env = UsageEnvironment::simulated(seed);
        let profile = LinkProfile {
            latency_min: ms(20),
            latency_max: ms(60),
            loss: [0.0, 0.001, 0.01, 0.05][seed as usize],
            reordering: 0.02,
            duplication: 0.01,
            ..LinkProfile::default()
        };
        env.simulation().unwrap().set_profile(profile);
        let (receiver, received) = open(&mut env, config("10.0.0.1:5004"));
        let sender = Sender::start(&mut env, "10.0.0.9:0", pair("10.0.0.1:5004"));
        run(&mut env, seconds(600));
        settle(&mut env, sender);

        let (s, r) = (env.medium(sender).unwrap(), env.medium(receiver).unwrap());
        assert!(s.sink.packet_count() > 0x8000 + 100, "the sequence number wraps");
        let frames: Vec<_> = received.try_iter().collect();
        let source = r.stream().source();
        let (lost, counters) = (source.counters().missing, source.counters());

        // Each frame is one that was sent, whole, and they come in order.
        let first = frames[0].pts;
        let mut next = 0;
        let mut gaps = 0;
        for frame in &frames {
            // The time line begins with the first frame that came, whichever that was.
            let found = s.sent[next..].iter().position(|sent| sent.data == frame.data);
            let at = next + found.expect("none but those that were sent, in order");
            assert_eq!(frame.discontinuity, at != next && next > 0, "seed {seed}, frame {at}");
            gaps += usize::from(frame.discontinuity);
            next = at + 1;
        }
        assert!(frames.iter().all(|f| f.pts >= first));
        assert_eq!(counters.dropped_frames, 0);
        assert_eq!(lost == 0, gaps == 0);
        assert!(frames.len() as u64 + lost >= s.sent.len() as u64 - 1, "no frame but those lost");

        // The wall clock of frames is the sender's, once it has reported.
        let known = frames.iter().filter(|f| f.wall_clock.is_some()).count();
        assert!(known > frames.len() * 9 / 10, "seed {seed}");

        // A loss asks for a key frame, at most once a second, and one comes soon; by themselves
        // they would be 20 seconds apart.
        let asks = |(i, f): &(usize, &ReceivedFrame)| !f.key && (f.discontinuity || *i == 0);
        for (i, frame) in frames.iter().enumerate().filter(asks) {
            let key = frames[i..].iter().find(|f| f.key);
            let until = key.map_or(s.sent[s.sent.len() - 1].pts, |key| key.pts);
            assert!(until - frame.pts < ms(5000), "seed {seed}: {:?}", until - frame.pts);
        }
        let has_asked = frames.iter().enumerate().any(|asking| asks(&asking));
        assert_eq!(s.requests.is_empty(), !has_asked, "seed {seed}");
        // The link delivers one twice now and then, and loses some.
        let sent = r.stream().key_frame_requests() as usize;
        assert!(s.requests.len() <= sent + sent / 20 + 1 && sent <= 600, "seed {seed}: {sent}");

        // The sender knows how its stream arrives.
        let told = s.statistics.unwrap();
        assert!(told.round_trip.is_some_and(|trip| trip >= ms(39) && trip <= ms(250)), "{told:?}");
        assert!(told.jitter > ms(1) && told.jitter < ms(60), "{:?}", told.jitter);
        assert_eq!(told.reporter, r.stream().rtcp().ssrc());
        assert!(i64::from(told.cumulative_lost) <= source.cumulative_lost() + 100);
        assert_eq!(r.stream().sender_cname(), Some("s@a"));
    }
}

#[test]
fn reports_go_where_the_senders_come_from() {
    let mut env = UsageEnvironment::simulated(1);
    let (receiver, _received) = open(&mut env, config("10.0.0.1:5004"));
    let sender = Sender::start(&mut env, "10.0.0.9:0", pair("10.0.0.1:5004"));
    run(&mut env, ms(500));
    assert_eq!(env.medium(receiver).unwrap().rtcp_destination(), None, "none has come yet");
    run(&mut env, seconds(20));
    let expected = address("10.0.0.9:6001");
    assert_eq!(env.medium(receiver).unwrap().rtcp_destination(), Some(expected));
    assert!(env.medium(sender).unwrap().statistics.is_some());
    assert_eq!(env.medium(receiver).unwrap().counters(), Default::default());
}

#[test]
fn a_receiver_that_nobody_sends_to_sleeps() {
    let mut env = UsageEnvironment::simulated(1);
    let (_receiver, _received) = open(&mut env, config("10.0.0.1:5004"));
    run(&mut env, ms(10));
    let turns = env.statistics().turns;
    run(&mut env, seconds(600));
    assert!(env.statistics().turns - turns <= 2);
}

#[test]
fn another_sender_takes_over_with_and_without_a_bye() {
    for says_bye in [true, false] {
        let mut env = UsageEnvironment::simulated(7);
        let (receiver, received) = open(&mut env, config("10.0.0.1:5004"));
        let first = Sender::start(&mut env, "10.0.0.9:0", pair("10.0.0.1:5004"));
        run(&mut env, seconds(10));
        let ssrc = env.medium(first).unwrap().sink.ssrc();
        assert_eq!(env.medium(receiver).unwrap().stream().source().ssrc(), Some(ssrc));
        env.medium_mut(first).unwrap().says_bye = says_bye;
        env.close(first);
        run(&mut env, seconds(5));
        let before: Vec<_> = received.try_iter().collect();
        assert_eq!(before.len(), 250);
        assert_eq!(env.medium(receiver).unwrap().stream().is_ended(), says_bye);

        let second = Sender::start(&mut env, "10.0.0.9:0", pair("10.0.0.1:5004"));
        run(&mut env, seconds(20));
        settle(&mut env, second);
        let r = env.medium(receiver).unwrap().stream();
        assert!(!r.is_ended() && !r.is_key_frame_wanted());
        assert_eq!(r.source().ssrc(), Some(env.medium(second).unwrap().sink.ssrc()));
        assert_eq!(r.source().counters().restarts, 1);
        let after: Vec<_> = received.try_iter().collect();
        // The first packets are lost, until two in sequence speak for the new SSRC.
        assert!(after.len() > 495 && after[0].discontinuity);
        // The time line goes on as time did: five seconds of silence.
        let gap = after[0].pts - before[249].pts;
        assert!(gap > ms(4900) && gap < ms(5500), "{gap:?}");
        // What it could not decode without the first frame, it asked for anew.
        assert_eq!(env.medium(second).unwrap().requests.len(), usize::from(!after[0].key));
        assert!(env.medium(second).unwrap().statistics.is_some());
    }
}

#[test]
fn closing_says_goodbye_and_gives_the_ports_back() {
    let mut env = UsageEnvironment::simulated(3);
    let (receiver, _received) = open(&mut env, config("10.0.0.1:5004"));
    let sender = Sender::start(&mut env, "10.0.0.9:0", pair("10.0.0.1:5004"));
    run(&mut env, seconds(30));
    let ssrc = env.medium(receiver).unwrap().stream().rtcp().ssrc();
    assert!(env.close(receiver));
    run(&mut env, seconds(1));
    assert_eq!(env.medium(sender).unwrap().byes, [ssrc]);
    let (again, _received) = open(&mut env, config("10.0.0.1:5004"));
    assert!(env.contains(again));
}

#[test]
fn a_group_is_joined_and_reported_to() {
    // Any source, and one alone, to which its members report.
    for peer in [None, Some(IpAddr::from([10, 0, 0, 9]))] {
        let mut env = UsageEnvironment::simulated(5);
        let group = if peer.is_some() { "232.1.2.3:6000" } else { "239.255.1.2:6000" };
        let mut config = config(group);
        config.peer = peer;
        let (receiver, received) = open(&mut env, config);
        let sender = Sender::start(&mut env, "10.0.0.9:0", pair(group));
        if peer.is_none() {
            env.with(sender, |s, env| {
                let group = address(group).ip();
                s.sockets.rtcp.join_multicast(env, group, Default::default(), None).unwrap();
            })
            .unwrap();
        }
        run(&mut env, seconds(30));
        let expected =
            with_port(peer.map_or_else(|| address(group), |p| SocketAddr::new(p, 0)), 6001);
        assert_eq!(env.medium(receiver).unwrap().rtcp_destination(), Some(expected));
        assert!(received.try_iter().count() > 700);
        if peer.is_some() {
            assert!(env.medium(sender).unwrap().statistics.is_some(), "it hears its members");
        }
        let r = env.medium(receiver).unwrap();
        assert!(r.stream().rtcp().counters().written >= 3);
        assert_eq!(r.counters().send_errors, 0);
    }
}

#[test]
fn packets_of_others_and_giants_are_dropped_and_counted() {
    let mut env = UsageEnvironment::simulated(2);
    let mut config = config("10.0.0.1:5004");
    config.peer = Some(IpAddr::from([10, 0, 0, 9]));
    config.max_packet = 1000;
    let (receiver, received) = open(&mut env, config);
    let mut sockets: Vec<_> = ["10.0.0.9:7000", "10.0.0.66:7000"]
        .into_iter()
        .map(|host| crate::net::UdpSocket::bind(&mut env, address(host)).unwrap())
        .collect();
    let packet = |sequence: u8, len: usize| {
        let head = [0x80, 0x80 | 96, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 9, 1, 1];
        [&head[..], &vec![0; len - head.len()]].concat()
    };
    let to = address("10.0.0.1:5004");
    for (from, sequence, len) in [(1, 9, 100), (0, 1, 1000), (0, 2, 1001), (0, 2, 100)] {
        sockets[from].send_to(&mut env, &packet(sequence, len), to).unwrap();
    }
    run(&mut env, seconds(1));
    let lens: Vec<_> = received.try_iter().map(|f| f.data.len()).collect();
    assert_eq!(lens, [1000 - 13, 100 - 13]);
    let counters = env.medium(receiver).unwrap().counters();
    assert_eq!((counters.foreign, counters.oversized), (1, 1));
}

#[test]
fn both_kinds_may_share_a_port() {
    let mut env = UsageEnvironment::simulated(4);
    let mut config = config("10.0.0.1:5004");
    config.multiplexed = true;
    let (receiver, received) = open(&mut env, config);
    let rtp = address("10.0.0.1:5004");
    let sender = Sender::start(&mut env, "10.0.0.9:0", [rtp, rtp]);
    run(&mut env, ms(500));
    // A packet has told where: it is sent from the port at which reports are awaited.
    assert_eq!(env.medium(receiver).unwrap().rtcp_destination(), Some(address("10.0.0.9:6000")));
    run(&mut env, seconds(10));
    assert!(received.try_iter().count() > 200);
    assert_eq!(env.medium(receiver).unwrap().stream().sender_cname(), Some("s@a"));
    assert!(env.contains(sender));
}

#[test]
fn a_sender_may_take_one_port_for_the_other_or_for_both() {
    let [rtp, rtcp] = pair("10.0.0.1:5004");
    for to in [[rtcp, rtp], [rtp, rtp]] {
        let mut env = UsageEnvironment::simulated(5);
        let (receiver, received) = open(&mut env, config("10.0.0.1:5004"));
        let sender = Sender::start(&mut env, "10.0.0.9:0", to);
        run(&mut env, seconds(10));
        settle(&mut env, sender);
        assert_eq!(received.try_iter().count(), env.medium(sender).unwrap().sent.len());
        let receiver = env.medium(receiver).unwrap();
        assert_eq!(receiver.stream().sender_cname(), Some("s@a"), "its reports were read");
        assert_eq!(receiver.rtcp_destination(), Some(address("10.0.0.9:6001")));
        assert_eq!(receiver.stream().source().counters().rejected, 0);
        assert_eq!(receiver.stream().rtcp().counters().invalid, 0);
    }
}

#[test]
fn frames_can_be_fetched_without_a_handler() {
    let mut env = UsageEnvironment::simulated(6);
    let mut config = config("10.0.0.1:0");
    config.stream.source.max_frames = 10;
    let depacketizer = Box::<KeyDepacketizer>::default();
    let receiver = RtpReceiver::open(&mut env, config, depacketizer, |_, _| ()).unwrap();
    let at = env.medium(receiver).unwrap().local_addr().unwrap();
    assert_eq!(at.port() % 2, 0, "an even port (RFC 3550 section 11)");
    let sender = Sender::start(&mut env, "10.0.0.9:0", [at, with_port(at, at.port() + 1)]);
    run(&mut env, seconds(10));
    let fetch = |receiver: &mut RtpReceiver, env: &mut UsageEnvironment| {
        receiver.with_stream(env, |stream, _| {
            std::iter::from_fn(|| stream.poll_frame()).collect::<Vec<_>>()
        })
    };
    let frames = env.with(receiver, fetch).unwrap();
    assert_eq!(frames.len(), 10);
    assert!(frames[0].discontinuity && !frames[0].key);
    let counters = env.medium(receiver).unwrap().stream().source().counters();
    assert_eq!(counters.dropped_frames + 10, counters.frames);
    // Some were dropped, so a key frame is asked for at once.
    run(&mut env, ms(100));
    assert_eq!(env.medium(sender).unwrap().requests.len(), 1);
}

#[test]
fn what_cannot_work_is_refused_and_leaves_nothing_behind() {
    let mut env = UsageEnvironment::simulated(8);
    let mut refuse = |change: fn(&mut RtpReceiverConfig)| {
        let mut config = config("10.0.0.1:5004");
        change(&mut config);
        let depacketizer = Box::<KeyDepacketizer>::default();
        let error = RtpReceiver::open(&mut env, config, depacketizer, |_, _| ()).unwrap_err();
        let host = IpAddr::from([10, 0, 0, 1]);
        assert_eq!((env.media(), env.simulation().unwrap().open_sockets(host)), (0, 0), "{error}");
        error.to_string()
    };
    assert!(refuse(|c| c.stream.source.clock_rate = 0).contains("clock rate"));
    assert!(refuse(|c| c.max_packet = 10).contains("64"));
    assert!(refuse(|c| c.address = address("10.0.0.1:65535")).contains("port above"));
    assert!(refuse(|c| c.address = address("239.1.2.3:0")).contains("group"));
    let taken = PortPair::open(&mut env, address("10.0.0.1:0"), 5004, 1).unwrap();
    let depacketizer = Box::<KeyDepacketizer>::default();
    let config = config("10.0.0.1:5003");
    assert!(RtpReceiver::open(&mut env, config, depacketizer, |_, _| ()).is_err());
    taken.close(&mut env);
    assert_eq!(env.simulation().unwrap().open_sockets(IpAddr::from([10, 0, 0, 1])), 0);
}
