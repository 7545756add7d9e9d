//! A day of two streams of one session, in simulated time: packets are lost and reordered, the sender's
//! clock is set, its audio clock drifts, and it starts anew ten times. What comes out is held against
//! what was sent.

use super::rtcp::NtpTime;
use super::testing::{Random, TestDepacketizer, some_instant};
use super::{SessionClock, SourceEvent, StreamReceiver, StreamReceiverConfig};
use crate::wire::rtcp::{Compound, SenderInfo, write_bye, write_sdes_cname, write_sr};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

const HOUR: u64 = 3_600_000_000;
/// Unix time at which the day starts: NTP's seconds wrap in its course.
const WALL_START: u64 = (2_085_978_496 - 40_000) * 1_000_000;
/// Of 1,000 packets.
const LOSS: usize = 20;
const RESTARTS: usize = 10;
/// When the sender's wall clock is set and by how much, in microseconds.
const STEPS: [(u64, i64); 2] = [(7 * HOUR, 37 * 60_000_000), (15 * HOUR, -7_200_000_000)];

/// What is the same all day of a stream.
#[derive(Clone, Copy)]
struct Kind {
    clock_rate: u32,
    /// Microseconds from frame to frame, and the timestamp units that the sender counts for them.
    interval: u64,
    units: u32,
    /// Packets of a frame.
    packets: usize,
}

/// The audio's clock is slow by 40 ppm.
const KINDS: [Kind; 2] = [
    Kind { clock_rate: 90_000, interval: 2_000_000, units: 180_000, packets: 3 },
    Kind { clock_rate: 8000, interval: 500_020, units: 4000, packets: 1 },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The next frame of a track is sent.
    Frame(usize),
    Report(usize),
    /// A track's packet or report arrives: its place in the table of those under way.
    Rtp(usize, usize),
    Rtcp(usize, usize),
    Timer(usize),
    /// The sender goes, and is back under another SSRC.
    Leaves,
    Returns,
}

struct Track {
    kind: Kind,
    ssrc: u32,
    sequence: u16,
    /// Timestamp of the frame with number 0, as far as one can say so of the present SSRC.
    first: u32,
    frames: u64,
    /// Frames since the sender has been there.
    since_return: u64,
    sent: u64,
    /// Frames of which the link has lost a packet.
    spoiled: u64,
    receiver: StreamReceiver,
    armed: Option<Instant>,
    last: Option<(u64, Duration)>,
    delivered: u64,
    synchronized: u64,
    /// By how much the frame that came last is put later than it was captured, in microseconds.
    error: Option<i64>,
    lost_by_events: u64,
    ssrc_changes: usize,
    reports: u64,
}

impl Track {
    /// When a frame is captured: microseconds since the start.
    fn captured(&self, frame: u64) -> u64 {
        frame * self.kind.interval
    }

    fn timestamp_at(&self, now: u64) -> u32 {
        let units = u128::from(now) * u128::from(self.kind.units) / u128::from(self.kind.interval);
        self.first.wrapping_add(units as u32)
    }
}

struct Day {
    random: Random,
    start: Instant,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, What)>>,
    scheduled: u64,
    under_way: Vec<Vec<u8>>,
    free: Vec<usize>,
    present: bool,
    leaves: usize,
    tracks: [Track; 2],
    clock: SessionClock,
    /// The largest difference between the tracks' errors while both are synchronized.
    worst: i64,
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let start = some_instant();
        let tracks = KINDS.map(|kind| {
            let config = StreamReceiverConfig::new(96, kind.clock_rate, "r@b");
            let mut bytes = [0; 12];
            bytes.fill_with(|| random.u8());
            let depacketizer = Box::<TestDepacketizer>::default();
            Track {
                kind,
                ssrc: random.u32(),
                sequence: random.u16(),
                first: random.u32(),
                frames: 0,
                since_return: 0,
                sent: 0,
                spoiled: 0,
                receiver: StreamReceiver::new(config, depacketizer, start, bytes).unwrap(),
                armed: None,
                last: None,
                delivered: 0,
                synchronized: 0,
                error: None,
                lost_by_events: 0,
                ssrc_changes: 0,
                reports: 0,
            }
        });
        let mut day = Self {
            random,
            start,
            now: 0,
            events: BinaryHeap::new(),
            scheduled: 0,
            under_way: Vec::new(),
            free: Vec::new(),
            present: true,
            leaves: 0,
            tracks,
            clock: SessionClock::new(2),
            worst: 0,
        };
        for track in [0, 1] {
            day.at(0, What::Frame(track));
            day.at(700_000 + 1_900_000 * track as u64, What::Report(track));
        }
        for i in 0..RESTARTS as u64 {
            let at = HOUR + i * 2 * HOUR + day.random.below(HOUR as usize) as u64;
            day.at(at, What::Leaves);
        }
        day
    }

    fn at(&mut self, at: u64, what: What) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, what)));
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    /// The sender's wall clock.
    fn wall(&self) -> NtpTime {
        let set = STEPS.iter().filter(|(at, _)| *at <= self.now).map(|(_, by)| by).sum();
        NtpTime::from_unix(Duration::from_micros((WALL_START + self.now).wrapping_add_signed(set)))
    }

    /// Sends a packet on its way, unless the link loses it; false then.
    fn send(&mut self, packet: Vec<u8>, safely: bool, what: impl Fn(usize) -> What) -> bool {
        if !safely && self.random.below(1000) < LOSS {
            return false;
        }
        let index = self.free.pop().unwrap_or(self.under_way.len());
        if index == self.under_way.len() {
            self.under_way.push(packet);
        } else {
            self.under_way[index] = packet;
        }
        // What is ahead of the first packet to arrive is late.
        let delay = 5000 + if safely { 0 } else { self.random.below(90_000) as u64 };
        self.at(self.now + delay, what(index));
        true
    }

    fn send_frame(&mut self, index: usize) {
        let track = &mut self.tracks[index];
        let (frame, kind) = (track.frames, track.kind);
        track.frames += 1;
        let next = track.captured(track.frames);
        self.at(next, What::Frame(index));
        if !self.present {
            return;
        }
        // A receiver cannot know what was lost before the first packet and after the last one: these
        // arrive. The last are those of the time before the sender leaves.
        let track = &mut self.tracks[index];
        let safely =
            track.since_return < 2 || self.leaves_soon() || self.now > 24 * HOUR - 6_000_000;
        let track = &mut self.tracks[index];
        track.since_return += 1;
        let timestamp = track.first.wrapping_add((frame as u32).wrapping_mul(kind.units));
        let mut spoiled = false;
        for i in 0..kind.packets {
            let track = &mut self.tracks[index];
            let marker = if i + 1 == kind.packets { 0x80 } else { 0 };
            let mut packet = vec![0x80, marker | 96];
            packet.extend(track.sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend(track.ssrc.to_be_bytes());
            packet.push(u8::from(i == 0));
            packet.extend(frame.to_be_bytes());
            track.sequence = track.sequence.wrapping_add(1);
            track.sent += 1;
            spoiled |= !self.send(packet, safely, |at| What::Rtp(index, at));
        }
        self.tracks[index].spoiled += u64::from(spoiled);
    }

    fn leaves_soon(&self) -> bool {
        self.events
            .iter()
            .any(|Reverse((at, _, what))| *what == What::Leaves && *at < self.now + 4_000_000)
    }

    fn send_report(&mut self, index: usize) {
        let interval = 2_500_000 + self.random.below(5_000_000) as u64;
        self.at(self.now + interval, What::Report(index));
        if !self.present {
            return;
        }
        let track = &self.tracks[index];
        let info = SenderInfo {
            ntp: self.wall(),
            rtp_timestamp: track.timestamp_at(self.now),
            packet_count: track.sent as u32,
            octet_count: 9 * track.sent as u32,
        };
        let mut report = Vec::new();
        write_sr(&mut report, track.ssrc, &info, &[]);
        write_sdes_cname(&mut report, track.ssrc, "s@a");
        self.send(report, false, |at| What::Rtcp(index, at));
    }

    /// The sender goes: it says BYE, or the next SSRC is told by RTSP.
    fn leave(&mut self) {
        self.present = false;
        self.leaves += 1;
        for index in [0, 1] {
            let ssrc = self.random.u32();
            let track = &mut self.tracks[index];
            let before = std::mem::replace(&mut track.ssrc, ssrc);
            if self.leaves % 2 == 0 {
                let mut bye = Vec::new();
                write_sr(&mut bye, before, &SenderInfo::default(), &[]);
                write_sdes_cname(&mut bye, before, "s@a");
                write_bye(&mut bye, &[before], None);
                self.send(bye, true, |at| What::Rtcp(index, at));
            }
        }
        let away = 1_000_000 + self.random.below(20_000_000) as u64;
        self.at(self.now + away, What::Returns);
    }

    fn come_back(&mut self) {
        self.present = true;
        for index in [0, 1] {
            let (sequence, first) = (self.random.u16(), self.random.u32());
            let track = &mut self.tracks[index];
            (track.sequence, track.first, track.since_return) = (sequence, first, 0);
            if self.leaves % 2 == 1 {
                track.receiver.expect_ssrc(track.ssrc);
            }
        }
    }

    fn arrive(&mut self, at: usize) -> Vec<u8> {
        self.free.push(at);
        std::mem::take(&mut self.under_way[at])
    }

    /// Takes what a receiver has, and arms its timer.
    fn settle(&mut self, index: usize) {
        let now = self.instant();
        let Self { tracks, clock, worst, .. } = self;
        let track = &mut tracks[index];
        while let Some(mut frame) = track.receiver.poll_frame() {
            clock.place(index, &mut frame);
            let number = u64::from_be_bytes(frame.data[..8].try_into().unwrap());
            assert_eq!(frame.data.len(), 8 * track.kind.packets);
            if let Some((before, pts)) = track.last.replace((number, frame.pts)) {
                assert!(number > before && frame.pts > pts, "{number} at {:?}", frame.pts);
            }
            track.delivered += 1;
            track.synchronized += u64::from(frame.synchronized);
            let error = frame.pts.as_micros() as i64 - track.captured(number) as i64;
            track.error = frame.synchronized.then_some(error);
        }
        while let Some(event) = track.receiver.poll_event() {
            match event {
                SourceEvent::PacketsLost { count, first, last } => {
                    assert_eq!(count, u64::from(last.wrapping_sub(first)) + 1);
                    track.lost_by_events += count;
                }
                SourceEvent::SsrcChanged { .. } => track.ssrc_changes += 1,
                SourceEvent::Restarted => panic!("nothing else begins anew"),
            }
        }
        let mut out = Vec::new();
        while track.receiver.poll_rtcp(now, NtpTime::default(), &mut out) {
            assert!(Compound::parse(&out).is_ok());
            track.reports += 1;
            out.clear();
        }
        let due = track.receiver.poll_timeout();
        let armed = std::mem::replace(&mut track.armed, due);
        if let [Some(video), Some(audio)] = [tracks[0].error, tracks[1].error] {
            *worst = (*worst).max((video - audio).abs());
        }
        if let Some(at) = due.filter(|_| due != armed) {
            assert!(at > now, "a timer that stands still");
            let at = (at - self.start).as_micros() as u64 + 1;
            self.at(at, What::Timer(index));
        }
    }

    fn run(&mut self) {
        while let Some(Reverse((at, _, what))) = self.events.pop() {
            self.now = at;
            if at > 24 * HOUR {
                // The link runs empty.
                self.present = false;
                if at > 24 * HOUR + 5_000_000 {
                    return;
                }
            }
            let (now, ntp) = (self.instant(), NtpTime::default());
            match what {
                What::Frame(index) => self.send_frame(index),
                What::Report(index) => self.send_report(index),
                What::Leaves => self.leave(),
                What::Returns => self.come_back(),
                What::Rtp(index, packet) => {
                    let packet = self.arrive(packet);
                    self.tracks[index].receiver.handle_rtp(&packet, now).unwrap();
                    self.settle(index);
                }
                What::Rtcp(index, packet) => {
                    let packet = self.arrive(packet);
                    self.tracks[index].receiver.handle_rtcp(&packet, now, ntp);
                    self.settle(index);
                }
                What::Timer(index) => {
                    self.tracks[index].receiver.handle_timeout(now);
                    self.settle(index);
                }
            }
        }
    }
}

#[test]
fn a_day_of_two_streams() {
    let mut day = Day::new(24);
    day.run();
    assert_eq!(day.leaves, RESTARTS);
    for track in &day.tracks {
        let counters = track.receiver.source().counters();
        assert!(track.sent > 120_000);
        assert_eq!(counters.packets + counters.missing, track.sent);
        assert_eq!((counters.late, counters.rejected), (0, 0));
        assert!((15..25).contains(&(counters.missing * 1000 / track.sent)));
        assert_eq!(track.lost_by_events, counters.missing);
        let whole = track.frames - track.spoiled;
        assert!(track.delivered <= whole && track.delivered == counters.frames);
        assert_eq!((track.ssrc_changes, counters.restarts), (RESTARTS, RESTARTS as u64));
        // All but the time up to the second report after each beginning.
        assert!(track.synchronized * 1000 > track.delivered * 990, "{}", track.synchronized);
        assert!(track.reports > 24 * 3600 / 10);
        let (number, pts) = track.last.unwrap();
        let off = pts.as_micros().abs_diff(u128::from(track.captured(number)));
        // The line goes by the wall clock; after it was set, to a report's accuracy as before.
        assert!(off < 1_000_000, "{off}");
    }
    assert!(day.worst < 5000, "{} µs between audio and video", day.worst);
}
