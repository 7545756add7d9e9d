//! Relayed streams: what viewers get of the packets of a source.

use super::client::{Rtp, digest};
use super::media::mark;
use super::world::{C, World, secs};
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::rtp::rtcp::NtpTime;
use crate::server::{
    FastStart, RelayedStreamId, RelayedStreamOptions, RelayedTrack, ServerConfig, SourceChange,
};
use std::time::{Duration, Instant};

pub(super) const PICTURE: Duration = Duration::from_millis(40);
/// Pictures from one key picture to the next.
const GROUP: u32 = 10;

pub(super) fn h264() -> RelayedTrack {
    let format = PayloadFormat::new("video", "H264", 90_000, 97)
        .with_fmtp("packetization-mode=1;profile-level-id=42C01E");
    RelayedTrack::new(format)
}

pub(super) fn pcmu() -> RelayedTrack {
    RelayedTrack::new(PayloadFormat::new("audio", "PCMU", 8_000, 0))
}

/// The payloads of a picture; each tenth is a key picture with its parameter sets.
fn payloads(number: u32) -> Vec<Vec<u8>> {
    let filled = |head: &[u8], len: usize| {
        let mut payload = head.to_vec();
        payload.extend(mark(number, 1));
        payload.resize(len, 0x55);
        payload
    };
    if number % GROUP != 0 {
        return vec![filled(&[0x41], 1300)];
    }
    vec![
        vec![0x67, 0x42, 0xc0, 0x1e, 0xd9],
        vec![0x68, 0xce, 0x3c, 0x80],
        filled(&[0x7c, 0x85], 1400),
        [&[0x7c, 0x05][..], &[number as u8; 1200]].concat(),
        [&[0x7c, 0x45][..], &[number as u8; 500]].concat(),
    ]
}

/// A camera with one or two tracks, video and sound.
pub(super) struct Camera {
    pub(super) id: RelayedStreamId,
    pub(super) tracks: Vec<RelayedTrack>,
    /// Number of the next picture.
    pub(super) picture: u32,
    /// Timestamp of the next picture, and of the next sound.
    pub(super) timestamps: [u32; 2],
    /// Packets before the next one that are lost on the way.
    pub(super) lost: u64,
    /// How long before they arrive pictures and sound are captured, in seconds, if it is told.
    pub(super) delays: Option<[f64; 2]>,
    /// By how much its wall clock is ahead, in seconds.
    pub(super) clock: f64,
    /// What was sent of each track: time, timestamp, marker, payload.
    pub(super) sent: [Vec<(Instant, u32, bool, u64)>; 2],
}

impl Camera {
    pub(super) fn new(w: &mut World, options: RelayedStreamOptions, sound: bool) -> Self {
        let id = w.serve(|server, env| server.add_relayed_stream(env, options)).unwrap();
        let camera = Self {
            id,
            tracks: if sound { vec![h264(), pcmu()] } else { vec![h264()] },
            picture: 0,
            timestamps: [u32::MAX - 20_000, 77],
            lost: 0,
            delays: None,
            clock: 0.0,
            sent: [Vec::new(), Vec::new()],
        };
        assert_eq!(camera.describe(w), SourceChange::First);
        camera
    }

    pub(super) fn describe(&self, w: &mut World) -> SourceChange {
        let (id, tracks) = (self.id, self.tracks.clone());
        w.serve(|server, env| server.relayed_source_described(env, id, tracks)).unwrap()
    }

    pub(super) fn vanish(&self, w: &mut World) {
        let id = self.id;
        w.serve(|server, env| server.relayed_source_lost(env, id));
    }

    /// Goes away and comes back after a time, with other timestamps.
    pub(super) fn restart(&mut self, w: &mut World, after: f64) {
        self.vanish(w);
        w.run_secs(after);
        self.picture = self.picture.next_multiple_of(GROUP) + 5;
        self.timestamps = [4_000_000_000 + self.picture, 12_345];
        assert_eq!(self.describe(w), SourceChange::SameCodecs);
    }

    /// Sends the payloads of a frame of a track, all now.
    pub(super) fn send(&mut self, w: &mut World, track: usize, payloads: &[Vec<u8>]) {
        self.send_part(w, track, payloads, true);
    }

    /// Sends payloads of a frame, or of its end, all now.
    fn send_part(&mut self, w: &mut World, track: usize, payloads: &[Vec<u8>], ends: bool) {
        let (id, timestamp) = (self.id, self.timestamps[track]);
        let now = w.now();
        let wall = w.env.wall_clock().as_secs_f64() + self.clock;
        let captured = self.delays.map(|delays| NtpTime::from_unix(secs(wall - delays[track])));
        for (n, payload) in payloads.iter().enumerate() {
            let mut packet = ReceivedPacket::new(payload, timestamp, now);
            packet.marker = ends && n + 1 == payloads.len();
            packet.lost_before = std::mem::take(&mut self.lost);
            packet.capture_time = captured;
            w.serve(|server, env| server.relay_packet(env, id, track, &packet));
            self.sent[track].push((now, timestamp, packet.marker, digest(payload)));
        }
        w.serve(|server, env| server.send_relayed_packets(env));
    }

    pub(super) fn send_picture(&mut self, w: &mut World) {
        self.send(w, 0, &payloads(self.picture));
        self.picture += 1;
        self.timestamps[0] = self.timestamps[0].wrapping_add(3600);
    }

    pub(super) fn send_sound(&mut self, w: &mut World) {
        self.send(w, 1, &[[&mark(self.picture, 2)[..], &[0x55; 314]].concat()]);
        self.timestamps[1] = self.timestamps[1].wrapping_add(320);
    }

    /// Sends so many pictures, and sound if it has that.
    pub(super) fn run(&mut self, w: &mut World, pictures: u32) {
        for _ in 0..pictures {
            if self.tracks.len() > 1 {
                self.send_sound(w);
            }
            self.send_picture(w);
            w.run(PICTURE);
        }
    }
}

/// By how much the sequence numbers rise from packet to packet.
pub(super) fn number_steps(packets: &[Rtp]) -> Vec<u16> {
    packets.windows(2).map(|two| two[1].sequence.wrapping_sub(two[0].sequence)).collect()
}

fn options() -> RelayedStreamOptions {
    RelayedStreamOptions::new("cam").with_fast_start(FastStart::WaitForKeyFrame)
}

fn frames(w: &World, c: C) -> Vec<u32> {
    w[c].track(1).frames()
}

#[test]
fn the_first_packets_of_a_picture_wait_a_moment_for_its_last() {
    for tcp in [false, true] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options(), true);
        let c = w.playing("/cam", 2, tcp);
        let micros = Duration::from_micros;
        w.tick = micros(20);
        let [begin, end] = [&payloads(0)[..3], &payloads(0)[3..]];
        for delay in [100, 100, 1000] {
            let before = w[c].track(1).rtp.len();
            let began = w.now();
            camera.send_part(&mut w, 0, begin, false);
            camera.send_sound(&mut w);
            w.run(micros(delay));
            camera.send_part(&mut w, 0, end, true);
            camera.timestamps[0] = camera.timestamps[0].wrapping_add(3600);
            w.run(PICTURE);
            let times: Vec<_> =
                w[c].track(1).rtp[before..].iter().map(|rtp| rtp.at - began).collect();
            assert_eq!(times.len(), 5, "all come");
            if delay < 200 {
                assert!(times.iter().all(|at| *at == times[4]), "together: {times:?}");
            } else {
                assert!(times[2] + micros(500) < times[3], "not for ever: {times:?}");
            }
            let sound = w[c].track(2).rtp.last().expect("some came").at - began;
            assert!(sound + micros(50) < times[0], "sound waits for nothing: {sound:?}");
        }
    }
}

#[test]
fn a_picture_that_comes_packet_by_packet_waits_for_a_millisecond() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), true);
    let c = w.playing("/cam", 2, true);
    let micros = Duration::from_micros;
    w.tick = micros(20);
    for (delay, is_slow) in [(150, false), (190, false), (350, true)] {
        let before = w[c].track(1).rtp.len();
        let parts: Vec<_> = payloads(0).chunks(1).map(<[_]>::to_vec).collect();
        for (i, part) in parts.iter().enumerate() {
            camera.send_part(&mut w, 0, part, i + 1 == parts.len());
            w.run(micros(delay));
        }
        camera.timestamps[0] = camera.timestamps[0].wrapping_add(3600);
        w.run(PICTURE);
        let times: Vec<_> = w[c].track(1).rtp[before..].iter().map(|rtp| rtp.at).collect();
        assert_eq!(times.len(), 5, "all come");
        assert_eq!(times[0] < times[4], is_slow, "{delay} µs: {times:?}");
    }
    // Longer than a millisecond no packet waits, however fast the others come.
    let before = w[c].track(1).rtp.len();
    let payloads = payloads(0);
    for i in 0..20 {
        let payload = &payloads[i.min(payloads.len() - 1)];
        camera.send_part(&mut w, 0, std::slice::from_ref(payload), false);
        w.run(micros(100));
    }
    w.run(PICTURE);
    let times: Vec<_> = w[c].track(1).rtp[before..].iter().map(|rtp| rtp.at).collect();
    let together = times.iter().take_while(|at| **at == times[0]).count();
    assert_eq!(times.len(), 20, "all come");
    assert!((9..=11).contains(&together), "those of a millisecond go together: {times:?}");
}

#[test]
fn packets_are_passed_on_as_they_are_as_one_stream_of_our_own() {
    for tcp in [false, true] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options(), true);
        let viewers = [(); 3].map(|()| w.playing("/cam", 2, tcp));
        camera.run(&mut w, 25);
        for c in viewers {
            for track in [0, 1] {
                let got = &w[c].track(track + 1).rtp;
                let sent = &camera.sent[track];
                let as_sent: Vec<_> = sent.iter().map(|s| (s.3, s.2)).collect();
                let as_got: Vec<_> = got.iter().map(|p| (p.digest, p.marker)).collect();
                assert_eq!(as_got, as_sent);
                assert!(number_steps(got).iter().all(|step| *step == 1));
                let shift = got[0].timestamp.wrapping_sub(sent[0].1);
                for (got, sent) in got.iter().zip(sent) {
                    assert_eq!(got.timestamp.wrapping_sub(sent.1), shift, "exact to the unit");
                    assert!(got.at - sent.0 <= 2 * w.tick, "in the turn in which it came");
                    assert_eq!(got.payload_type, [96, 0][track]);
                }
            }
        }
        assert_eq!(w.server().stream_count(), 2, "all viewers share them");
        w.expect_nothing_left();
    }
}

#[test]
fn what_has_arrived_of_a_frame_does_not_wait_for_the_rest() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let c = w.playing("/cam", 1, false);
    camera.send(&mut w, 0, &payloads(0)[..3]);
    w.run_secs(0.02);
    assert_eq!(w[c].track(1).rtp.len(), 3);
    // Without a word that the turn is over, they go out in the next.
    let (id, now, timestamp) = (camera.id, w.now(), camera.timestamps[0]);
    for payload in &payloads(0)[3..] {
        let packet = ReceivedPacket::new(payload, timestamp, now);
        w.serve(|server, env| server.relay_packet(env, id, 0, &packet));
    }
    w.run_secs(0.02);
    assert_eq!(w[c].track(1).rtp.len(), 5);
    assert!(w[c].track(1).rtp.iter().all(|p| p.timestamp == w[c].track(1).rtp[0].timestamp));
    w.expect_nothing_left();
}

#[test]
fn what_is_lost_on_the_way_in_is_missing_in_the_numbers() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let c = w.playing("/cam", 1, true);
    camera.run(&mut w, 3);
    camera.lost = 4;
    camera.run(&mut w, 2);
    camera.lost = 100_000;
    camera.run(&mut w, 1);
    let steps = number_steps(&w[c].track(1).rtp);
    assert_eq!(steps[..5], [1, 1, 1, 1, 1]);
    assert_eq!(steps[5..], [1, 5, 1, 1001], "not as many as begin another stream");
    w.expect_nothing_left();
}

#[test]
fn the_stream_goes_on_without_a_jump_back_when_the_source_begins_anew() {
    for tcp in [false, true] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options(), true);
        let c = w.playing("/cam", 2, tcp);
        camera.run(&mut w, 13);
        // In the middle of a picture.
        camera.send(&mut w, 0, &payloads(20)[..3]);
        w.run(PICTURE);
        for pause in [3.0, 0.0, 20.0] {
            let before = w[c].track(1).rtp.len();
            let sound = w[c].track(2).rtp.len();
            camera.restart(&mut w, pause);
            camera.run(&mut w, 20);
            for (track, rate, before) in [(1, 90_000.0, before), (2, 8_000.0, sound)] {
                let got = &w[c].track(track).rtp;
                assert!(got.iter().all(|p| p.ssrc == got[0].ssrc));
                let [last, first] = [got[before - 1], got[before]];
                assert!((1..=2).contains(&first.sequence.wrapping_sub(last.sequence)));
                let step = f64::from(first.timestamp.wrapping_sub(last.timestamp) as i32) / rate;
                let passed = (first.at - last.at).as_secs_f64();
                assert!(step > 0.0 && (step - passed).abs() < 0.02, "{step} s in {passed} s");
                let steps = number_steps(&got[before..]);
                assert!(steps.iter().all(|step| *step == 1));
            }
            let first = w[c].track(1).rtp[before];
            assert_eq!(first.digest, digest(&payloads(0)[0]), "parameter sets of a key picture");
        }
        assert_eq!((w[c].track(1).byes(), w[c].track(2).byes()), (0, 0));
        w.expect_nothing_left();
    }
}

#[test]
fn reports_and_rtp_info_tell_when_the_source_has_captured() {
    for clock in [0.0, 86_400.0] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, options(), true);
        (camera.delays, camera.clock) = (Some([0.350, 0.120]), clock);
        let first = w.playing("/cam", 2, true);
        camera.run(&mut w, 200);
        // A newcomer is told the timestamps of the same moment.
        let since = w.now();
        let c = w.client();
        w.setup_tcp(c, "/cam", 1);
        w.setup_tcp(c, "/cam", 2);
        let answer = w.play_range(c, "/cam", "clock=20200101T000000Z-").expect(200);
        let range = answer.header("Range").to_owned();
        let at = range.strip_prefix("clock=").and_then(|r| r.strip_suffix('-')).unwrap();
        let at = crate::wire::rtsp::date::UtcTime::parse(at).unwrap().0.as_secs_f64();
        // Its clock has gone on meanwhile.
        let passed = (w.now() - since).as_secs_f64();
        for (timestamp, rate) in camera.timestamps.iter_mut().zip([90_000.0, 8_000.0]) {
            *timestamp = timestamp.wrapping_add((passed * rate) as u32);
        }
        let info: Vec<_> = answer.rtp_info().entries.iter().map(|e| e.rtptime.unwrap()).collect();
        camera.run(&mut w, 200);
        for viewer in [first, c] {
            for (track, rate) in [(0, 90_000.0), (1, 8_000.0)] {
                let got = w[viewer].track(track + 1);
                let report = got.rtcp.iter().rev().find_map(|r| r.info).expect("a report");
                let told = report.ntp.to_unix().as_secs_f64();
                let captured = |timestamp: u32| {
                    told - f64::from(report.rtp_timestamp.wrapping_sub(timestamp) as i32) / rate
                };
                let sent = &camera.sent[track];
                let last = (sent.last().unwrap().0, got.rtp.last().unwrap().timestamp);
                let wall = w.env.wall_clock().as_secs_f64() - (w.now() - last.0).as_secs_f64();
                let truth = wall + clock - camera.delays.unwrap()[track];
                let error = captured(last.1) - truth;
                assert!(error.abs() < 1e-3, "track {track}: {error} s");
                let error = captured(info[track]) - at;
                assert!(error.abs() < 1e-3, "track {track}: RTP-Info is off by {error} s");
            }
        }
        // Other units are answered as ever.
        let answer = w.play_range(c, "/cam", "npt=now-").expect(200);
        assert!(answer.header("Range").starts_with("npt="));
        w.expect_nothing_left();
    }
}

#[test]
fn a_newcomer_begins_with_a_key_picture_and_the_source_is_asked_for_one() {
    for (fast_start, begins) in
        [(FastStart::WaitForKeyFrame, 20), (FastStart::KeyFrameCache, 10), (FastStart::Off, 13)]
    {
        for tcp in [false, true] {
            let mut w = World::new();
            let options = RelayedStreamOptions::new("cam").with_fast_start(fast_start);
            let mut camera = Camera::new(&mut w, options, false);
            // The first viewer too, where the source is in the middle of a group.
            camera.picture = 3;
            let first = w.playing("/cam", 1, tcp);
            camera.run(&mut w, 10);
            let second = w.playing("/cam", 1, tcp);
            camera.run(&mut w, 20);
            let begin = if fast_start == FastStart::Off { 3 } else { 10 };
            assert_eq!(frames(&w, first), (begin..33).collect::<Vec<_>>());
            assert_eq!(frames(&w, second), (begins..33).collect::<Vec<_>>(), "{fast_start:?}");
            let steps = number_steps(&w[second].track(1).rtp);
            assert!(steps.iter().all(|step| *step == 1), "{steps:?}");
            if fast_start != FastStart::Off {
                let sets = digest(&payloads(0)[0]);
                assert_eq!(w[second].track(1).rtp[0].digest, sets, "with its parameter sets");
            }
            w.expect_nothing_left();
        }
    }
}

#[test]
fn the_stall_of_a_viewer_is_nobody_elses() {
    let mut w = World::configured(|config| config.max_queued_media = 20_000);
    let mut camera = Camera::new(&mut w, options(), false);
    let (slow, tcp, udp) =
        (w.playing("/cam", 1, true), w.playing("/cam", 1, true), w.playing("/cam", 1, false));
    camera.run(&mut w, 10);
    w[slow].stalled = true;
    camera.run(&mut w, 200);
    w[slow].stalled = false;
    camera.run(&mut w, 30);
    for c in [tcp, udp] {
        assert_eq!(frames(&w, c), (0..240).collect::<Vec<_>>());
        assert!(number_steps(&w[c].track(1).rtp).iter().all(|step| *step == 1));
    }
    let got = frames(&w, slow);
    let gap = got.windows(2).find(|two| two[1] != two[0] + 1).expect("some were dropped");
    assert_eq!(gap[1] % GROUP, 0, "it goes on with a key picture");
    assert_eq!(got.last(), Some(&239));
    w.expect_nothing_left();
}

#[test]
fn a_codec_that_nobody_knows_is_relayed_word_for_word() {
    let mut w = World::new();
    let format =
        PayloadFormat::new("application", "X-THINGS", 1000, 113).with_fmtp("a=1; b=\"c d\"");
    let mut camera = Camera::new(&mut w, options(), false);
    camera.tracks = vec![RelayedTrack::new(format).with_bandwidth_kbps(77)];
    assert_eq!(camera.describe(&mut w), SourceChange::OtherCodecs);
    let c = w.playing("/cam", 1, true);
    let sdp = w.describe(c, "/cam").expect(200).body();
    for line in [
        "m=application 0 RTP/AVP 96",
        "b=AS:77",
        "a=rtpmap:96 X-THINGS/1000",
        "a=fmtp:96 a=1; b=\"c d\"",
        "a=control:track1",
    ] {
        assert!(sdp.contains(&format!("{line}\r\n")), "{line}: {sdp}");
    }
    for n in 0..50u8 {
        camera.send(&mut w, 0, &[vec![n; usize::from(n) * 20], vec![], vec![n]]);
        camera.timestamps[0] += 40;
        w.run(PICTURE);
    }
    let got: Vec<_> = w[c].track(1).rtp.iter().map(|p| (p.digest, p.marker)).collect();
    let sent: Vec<_> = camera.sent[0].iter().map(|s| (s.3, s.2)).collect();
    assert_eq!(got, sent);
    w.expect_nothing_left();
}

#[test]
fn packets_that_are_too_large_are_made_anew_and_others_are_not() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, options(), false);
    let (tcp, udp) = (w.playing("/cam", 1, true), w.playing("/cam", 1, false));
    camera.run(&mut w, 10);
    // A source over TCP, which puts each picture into one packet.
    for n in 10..30 {
        let key = n % GROUP == 0;
        let mut nal = vec![if key { 0x65 } else { 0x41 }];
        nal.extend(mark(n, 1));
        nal.resize(if key { 9000 } else { 2000 }, 0x55);
        let sets = [vec![0x67, 0x42, 0xc0, 0x1e, 0xd9], vec![0x68, 0xce, 0x3c, 0x80]];
        let mut payloads = if key { sets.to_vec() } else { Vec::new() };
        payloads.push(nal);
        camera.send(&mut w, 0, &payloads);
        camera.timestamps[0] = camera.timestamps[0].wrapping_add(3600);
        w.run(PICTURE);
    }
    for c in [tcp, udp] {
        let got = &w[c].track(1).rtp;
        assert!(got.iter().all(|p| p.len <= 1472), "as large as viewers take");
        assert_eq!(frames(&w, c), (0..30).collect::<Vec<_>>());
        assert!(number_steps(got).iter().all(|step| *step == 1));
        let mut times: Vec<_> = got.iter().map(|p| p.timestamp).collect();
        times.dedup();
        assert_eq!(times.len(), 30);
        assert!(times.windows(2).all(|two| two[1].wrapping_sub(two[0]) == 3600));
        assert_eq!(got.iter().filter(|p| p.marker).count(), 30);
    }
    // Of what no registry has, nothing can be made: the rest goes on.
    let format = PayloadFormat::new("application", "X-THINGS", 1000, 113);
    camera.tracks = vec![RelayedTrack::new(format)];
    assert_eq!(camera.describe(&mut w), SourceChange::OtherCodecs);
    let c = w.playing("/cam", 1, true);
    camera.send(&mut w, 0, &[vec![1; 100], vec![2; 5000], vec![3; 100]]);
    w.run_secs(0.1);
    assert_eq!(number_steps(&w[c].track(1).rtp), [2], "it is missing in the numbers");
    w.expect_nothing_left();
}

#[test]
fn a_crowd_gets_its_packets_in_parts_and_all_of_them() {
    let mut config = ServerConfig::unlimited();
    (config.max_burst, config.destinations_per_turn) = (2, 3);
    let mut w = World::with(config);
    let mut camera = Camera::new(&mut w, options(), false);
    let viewers: Vec<_> = (0..8).map(|n| w.playing("/cam", 1, n % 2 == 0)).collect();
    camera.run(&mut w, 40);
    for c in viewers {
        let got: Vec<_> = w[c].track(1).rtp.iter().map(|p| p.digest).collect();
        let sent: Vec<_> = camera.sent[0].iter().map(|s| s.3).collect();
        assert_eq!(got, sent);
        assert!(number_steps(&w[c].track(1).rtp).iter().all(|step| *step == 1));
    }
    w.expect_nothing_left();
}
