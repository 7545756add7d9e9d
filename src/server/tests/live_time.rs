//! The time of live streams: what RTP timestamps and sender reports tell of when something was
//! captured (RFC 3550 section 6.4.1), whatever an encoder's clock does.

use super::client::Rtp;
use super::media::{encoded_picture, mark};
use super::world::{C, World, secs};
use crate::codec::{CodecParameters, PcmEncoding};
use crate::frame::Frame;
use crate::media::live::LiveSender;
use crate::server::{LiveStreamOptions, LiveTrackOptions};
use std::time::{Duration, Instant};

const RATES: [f64; 2] = [90_000.0, 8_000.0];

/// A camera with a microphone: video is track 1, audio track 2.
struct Camera {
    senders: [LiveSender; 2],
    begin: Instant,
    /// When each frame was captured, in seconds from the beginning.
    captured: [Vec<f64>; 2],
    /// How long a second of its clock takes.
    second: f64,
}

impl Camera {
    fn new(w: &mut World, shared: bool) -> Self {
        let encoding = PcmEncoding::L16;
        let sound = CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 };
        let options = LiveStreamOptions::new("camera").with_shared_streams(shared);
        let tracks = [LiveTrackOptions::h264(), sound.into()];
        let senders = w.serve(|server, env| server.add_live_stream(env, options, tracks)).unwrap();
        let camera =
            Self { senders, begin: w.now(), captured: [Vec::new(), Vec::new()], second: 1.0 };
        // So that the format of the video is known.
        let _ = camera.senders[0].send_access_unit(encoded_picture(0, 25), Duration::ZERO);
        camera
    }

    /// Captures a frame of a track now, which the encoder calls `pts`.
    fn capture(&mut self, w: &World, track: usize, pts: f64, wall: Option<f64>) {
        let number = self.captured[track].len() as u32;
        self.captured[track].push((w.now() - self.begin).as_secs_f64());
        let data = if track == 0 { encoded_picture(number, 25) } else { samples(number) };
        let mut frame = Frame::new(data, secs(pts), Duration::ZERO);
        frame.wall_clock = wall.map(secs);
        frame.flags.key = track == 1 || number % 25 == 0;
        let _ = self.senders[track].send(frame);
    }

    /// Both tracks for so long, a frame of each every 40 ms, with encoder's times from `pts` on.
    fn run(&mut self, w: &mut World, seconds: f64, pts: [f64; 2]) {
        for n in 0..(seconds * 25.0) as u32 {
            for track in [0, 1] {
                self.capture(w, track, pts[track] + f64::from(n) / 25.0, None);
            }
            w.run(Duration::from_millis(40));
        }
    }

    /// For each frame that a client has got of a track since `from`: when it was captured by the
    /// client's last report less when it was, and the packet.
    fn errors(&self, w: &World, c: C, track: usize, from: f64) -> Vec<(f64, Rtp)> {
        let got = w[c].track(track + 1);
        let report = got.rtcp.iter().rev().find_map(|r| r.info).expect("a sender report");
        let told = report.ntp.to_unix().as_secs_f64() - WALL;
        let of = |packet: &Rtp| {
            let captured = self.captured[track][packet.frame?.0 as usize];
            let ago = report.rtp_timestamp.wrapping_sub(packet.timestamp) as i32;
            let by_report = told - f64::from(ago) / RATES[track] * self.second;
            (captured >= from).then_some((by_report - captured, *packet))
        };
        got.rtp.iter().filter_map(of).collect()
    }
}

/// The wall clock of the simulated world at its beginning.
const WALL: f64 = 1_700_000_000.0;

/// 40 ms of sound.
fn samples(number: u32) -> Vec<u8> {
    let mut samples = mark(number, 1).to_vec();
    samples.resize(640, 0x55);
    samples
}

/// Steps of the packets' timestamps, in seconds.
fn steps(packets: &[Rtp], rate: f64) -> Vec<f64> {
    let step = |two: &[Rtp]| f64::from(two[1].timestamp.wrapping_sub(two[0].timestamp) as i32);
    packets.windows(2).map(|two| step(two) / rate).filter(|s| *s != 0.0).collect()
}

#[test]
fn after_a_day_of_drift_reports_are_true_to_a_millisecond() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, true);
    let c = w.playing("/camera", 2, true);
    w.tick = secs(5.0);
    camera.second = 1.0 + 50e-6;
    for n in 0..24 * 3600 / 10 {
        let pts = f64::from(n) * 10.0;
        camera.capture(&w, 0, pts, None);
        camera.capture(&w, 1, pts, None);
        w.run(secs(10.0 * camera.second));
        let client = &mut w[c];
        for track in &mut client.tracks {
            let old = track.rtcp.len().saturating_sub(10);
            track.rtcp.drain(..old);
        }
    }
    for track in [0, 1] {
        let last = w[c].track(track + 1).rtcp.iter().rev().find(|r| r.info.is_some()).unwrap().at;
        assert!(w.now() - last < secs(30.0));
        let errors = camera.errors(&w, c, track, 24.0 * 3600.0 - 100.0);
        assert!(errors.len() >= 8, "{}", errors.len());
        for (error, _) in errors {
            assert!(error.abs() < 1e-3, "track {track}: {error} s");
        }
    }
}

#[test]
fn an_encoder_that_begins_anew_goes_on_without_a_jump_and_in_sync() {
    for (shared, tcp) in [(false, true), (true, false), (true, true)] {
        for begins in [[0.0, 0.0], [0.04, 0.0], [90_000.0, 90_000.0]] {
            let mut w = World::new();
            let mut camera = Camera::new(&mut w, shared);
            let c = w.playing("/camera", 2, tcp);
            camera.run(&mut w, 10.0, [500.0, 500.0]);
            camera.run(&mut w, 15.0, begins);
            for track in [0, 1] {
                let packets = &w[c].track(track + 1).rtp;
                let steps = steps(packets, RATES[track]);
                assert!(steps.len() > 600);
                assert!(steps.iter().all(|s| (0.0..0.1).contains(s)), "{begins:?} {steps:?}");
                let late = begins[track] - begins[1];
                for (error, _) in camera.errors(&w, c, track, 12.0) {
                    // What begins later is captured later.
                    assert!((error - late).abs() < 0.05, "{begins:?}: track {track}: {error}");
                }
            }
            let first = |track| camera.errors(&w, c, track, 20.0)[0].0;
            let apart = first(0) - first(1) - (begins[0] - begins[1]);
            assert!(apart.abs() < 1e-3, "{begins:?}: {apart} s out of sync");
        }
    }
}

#[test]
fn tracks_whose_times_begin_hours_apart_are_in_sync() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, false);
    let c = w.playing("/camera", 2, true);
    camera.run(&mut w, 12.0, [0.0, 11_000.0]);
    for track in [0, 1] {
        let errors = camera.errors(&w, c, track, 0.0);
        assert!(errors.len() > 250, "track {track}: {}", errors.len());
        assert!(errors.iter().all(|(e, _)| e.abs() < 2e-3), "{:?}", errors[0]);
    }
}

#[test]
fn who_joins_later_is_told_the_same() {
    let mut w = World::new();
    let mut camera = Camera::new(&mut w, false);
    let first = w.playing("/camera", 2, true);
    let now = |w: &World, camera: &Camera| [7.0 + (w.now() - camera.begin).as_secs_f64(); 2];
    let pts = now(&w, &camera);
    camera.run(&mut w, 30.0, pts);
    let second = w.playing("/camera", 2, false);
    let pts = now(&w, &camera);
    camera.run(&mut w, 12.0, pts);
    for (c, frames) in [(first, 1000), (second, 280)] {
        for track in [0, 1] {
            let errors = camera.errors(&w, c, track, 0.0);
            assert!(errors.len() >= frames, "track {track}: {}", errors.len());
            assert!(errors.iter().all(|(e, _)| e.abs() < 2e-3), "{:?}", errors[0]);
        }
    }
}

#[test]
fn reports_tell_the_capture_time_that_the_encoder_tells() {
    // The encoder's wall clock is right, and frames take 300 ms; or it is an hour ahead.
    for off in [0.0, 3600.0] {
        let mut w = World::new();
        let mut camera = Camera::new(&mut w, true);
        let c = w.playing("/camera", 2, true);
        for n in 0..12 * 25 {
            let time = f64::from(n) / 25.0;
            let now = (w.now() - camera.begin).as_secs_f64();
            // Their clocks have nothing in common but the wall.
            camera.capture(&w, 0, 50.0 + time, Some(WALL + now + off - 0.3));
            camera.capture(&w, 1, 9_000.0 + time, Some(WALL + now + off - 0.1));
            w.run(Duration::from_millis(40));
        }
        for (track, delay) in [(0, 0.3), (1, 0.1)] {
            let errors = camera.errors(&w, c, track, 0.0);
            assert!(errors.len() >= 270);
            for (error, _) in errors {
                assert!((error - off + delay).abs() < 1e-3, "{off}: track {track}: {error}");
            }
        }
    }
}
